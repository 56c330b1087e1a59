"""What studies of other sizes are said to find, held against the report, and against simulated power."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from bias_platform.analysis import RegressionResults
from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.assumed_answers import Assumptions, DecidedItems, GradedItems, StudySize
from bias_platform.analysis.contrasts import control_contrasts
from bias_platform.analysis.gap_variance import GapVariance, WordingPart
from bias_platform.analysis.material import Material, gather
from bias_platform.analysis.next_study import _row, error_of_one, next_study
from bias_platform.analysis.paired_wording import over_wordings
from bias_platform.analysis.planning_findings import next_study_finding
from bias_platform.analysis.study_power import study_power
from bias_platform.catalog.entries import AnalysisSettings, StudyEntry
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, THESE_WORDINGS
from bias_platform_tests.analysis.simulated_study import Design, SimulatedStudy, simulate_study

PERSONAS = 6
STUDY = StudyEntry(
    title="A study", task="rude", corpus="posts", persona_set="few", template_set="three", systems=("base",)
)


def _primary(results: RegressionResults, scope: str) -> pd.DataFrame:
    table = results.tables["control_contrasts"]
    return table[(table["reading"] == PRIMARY) & (table["scope"] == scope)]


def _material(design: Design, seed: int = 3) -> Material:
    study = simulate_study(design, seed)
    return gather(prepare_answers(study.inputs), PRIMARY, study.inputs.study.analysis)


@pytest.mark.parametrize("scope", [THESE_WORDINGS, BEYOND_WORDING])
def test_at_its_own_size_it_says_what_the_contrasts_say(scope: str) -> None:
    material = _material(Design(items=40, sizes={"gender": 3, "race": 4}))
    contrasts = control_contrasts(material)
    contrasts = contrasts[contrasts["scope"] == scope]
    found = next_study(material, contrasts)
    own = found[found["this_study"]].fillna({"system": "all"}).set_index("system")["detectable"]
    assert own["all"] == pytest.approx(contrasts["detectable"].median(), rel=1e-6)
    for system, part in contrasts.groupby("system"):
        assert own[system] == pytest.approx(part["detectable"].median(), rel=1e-6)


def test_the_level_of_one_comparison_is_read_off_the_family(results: RegressionResults) -> None:
    """Holm's first step: Bonferroni over the family."""
    family = _primary(results, THESE_WORDINGS)
    assert error_of_one(family) == pytest.approx(0.05 / len(family), rel=1e-6)
    assert np.isnan(error_of_one(family.assign(standard_error=0.0)))


def test_cells_are_those_that_were_asked(study: SimulatedStudy, results: RegressionResults) -> None:
    found = results.tables["next_studies"]
    assert set(found.loc[found["this_study"], "cells"]) == {len(study.inputs.predictions)}
    all_systems = found[found["system"].isna() & (found["scope"] == THESE_WORDINGS)].set_index(["items", "wordings"])
    assert all_systems.loc[(80, 3), "cells"] == 2 * all_systems.loc[(40, 3), "cells"]
    assert sorted(set(found["items"])) == [20, 40, 80, 160]
    assert sorted(set(found["wordings"])) == [3, 5, 10]


def test_shares_are_of_one_whole_and_only_wordings_buy_off_wordings(results: RegressionResults) -> None:
    found = results.tables["next_studies"]
    shares = found[["item_share", "answer_share", "wording_share"]]
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert (found.loc[found["scope"] == THESE_WORDINGS, "wording_share"] == 0).all()
    assert (found["turning"] >= found["detectable"] - 1e-9).all()
    assert (found["largest"] >= found["detectable"]).all()


def test_log_odds_at_its_own_size_are_those_of_the_model(results: RegressionResults) -> None:
    found = results.tables["next_studies"]
    own = found[found["this_study"] & found["system"].isna()].set_index("scope")["log_odds"]
    rows = _primary(results, THESE_WORDINGS)
    quantile = student.ppf(1 - 0.025 / len(rows), 39) + norm.ppf(0.8)
    assert own[THESE_WORDINGS] == pytest.approx(quantile * rows["log_odds_standard_error"].median(), rel=1e-6)
    assert own[BEYOND_WORDING] > own[THESE_WORDINGS]


def test_one_wording_tells_nothing_of_others() -> None:
    material = _material(Design(items=30, templates=1, sizes={"gender": 3}))
    found = next_study(material, control_contrasts(material))
    assert set(found["wordings"]) == {1}
    assert set(found["scope"]) == {THESE_WORDINGS}
    assert found["log_odds"].isna().all()


def test_nothing_compared_nothing_said() -> None:
    material = _material(Design(items=30, sizes={"gender": 3}))
    assert next_study(material, pd.DataFrame()).empty
    assert next_study_finding({"next_studies": pd.DataFrame()}, AnalysisSettings()) == ""


def _told(assumed: Assumptions, items: int, wordings: int, beyond: bool, pilots: int = 60) -> dict[str, float]:
    """Means over pilots of 40 items and 3 wordings."""
    size, rows = StudySize(40, PERSONAS, 3, 1), []
    for seed in range(pilots):
        cells = assumed.draw(size, 0, [0.0], np.random.default_rng([5, seed])).cells[:, 0]
        variance, df = over_wordings(cells - cells.mean(axis=1, keepdims=True), PERSONAS)
        gaps = cells[:, 1:] - cells[:, :1]
        pilot = GapVariance(gaps.mean(axis=2), gaps, WordingPart(2 * variance, df))
        rows.append(_row([pilot.predicted(items, wordings, beyond)], 0.05 / PERSONAS, 0.95))
    return {name: float(np.mean([row[name] for row in rows])) for name in ("detectable", "turning")}


def _power(assumed: Assumptions, items: int, wordings: int, scope: str) -> float:
    """The gap found by 80 % of 200 simulated studies; its Monte-Carlo interval is about 5 % either way."""
    size = StudySize(items, PERSONAS, wordings, 1)
    gaps = np.linspace(0.0, 0.36, 13)
    found = study_power(STUDY, size, assumptions=assumed, items=[items], gaps=gaps, replicates=200).smallest
    return float(found.loc[found["scope"] == scope, "gap"].iloc[0])


@pytest.mark.parametrize(
    ("wording_sd", "items", "wordings", "scope"),
    [(0.0, 80, 6, THESE_WORDINGS), (0.15, 80, 3, BEYOND_WORDING), (0.15, 80, 6, BEYOND_WORDING)],
)
def test_simulated_studies_find_what_was_told(wording_sd: float, items: int, wordings: int, scope: str) -> None:
    """Items judged by degrees: the mean of 60 pilots is within a tenth of what simulated studies find."""
    assumed = GradedItems(wording_sd=wording_sd, wording_system_sd=0.0)
    told = _told(assumed, items, wordings, scope == BEYOND_WORDING)["detectable"]
    assert told == pytest.approx(_power(assumed, items, wordings, scope), rel=0.1)


def test_a_difference_of_items_that_turn_wholly_must_be_larger() -> None:
    """Simulated: it lies between the two that are told, at most a fifth below the larger one."""
    assumed = DecidedItems()
    told, found = _told(assumed, 80, 3, False), _power(assumed, 80, 3, THESE_WORDINGS)
    assert 1.2 * told["detectable"] < found <= told["turning"] < 1.25 * found


def test_the_sentence_names_the_widest_claim_and_what_more_would_bring(results: RegressionResults) -> None:
    sentence = next_study_finding(results.tables, AnalysisSettings())
    assert "beyond the wordings used (typical comparison; 95 % interval" in sentence
    assert "Twice the items" in sentence
    assert "for 2 times the cells" in sentence
    assert "10 wordings instead of 3" in sentence
    large = results.tables["next_studies"].assign(detectable=1.4, upper=np.nan)
    sentence = next_study_finding({"next_studies": large}, AnalysisSettings())
    assert "more than 100 points" in sentence
    assert "hardly tell" in sentence
