"""What studies of other sizes are said to find, held against the report, and against simulated power."""

from dataclasses import replace

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
from bias_platform.analysis.log_odds_variance import StudySizes, log_odds_variance
from bias_platform.analysis.material import Material, gather
from bias_platform.analysis.next_study import _never_larger, _row, error_of_one, next_study
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


LOST = [
    Design(items=60, templates=1, systems=("small",), sizes={"gender": 3}, intercepts=(0.0,), lost=0.35),
    Design(items=40, templates=3, sizes={"gender": 3, "race": 2}, lost=0.35),
]


@pytest.mark.parametrize("design", LOST)
def test_items_without_a_pair_are_lost_in_other_studies_too(design: Design) -> None:
    material = _material(design)
    contrasts = control_contrasts(material)
    found = next_study(material, contrasts)
    own = found[found["this_study"] & found["system"].isna()].set_index("scope")
    these = contrasts[contrasts["scope"] == THESE_WORDINGS].set_index(["system", "persona_id"])["detectable"]
    for scope, rows in contrasts.groupby("scope"):
        expected = np.maximum(rows.set_index(["system", "persona_id"])["detectable"], these)
        assert own.loc[scope, "detectable"] == pytest.approx(expected.median(), rel=1e-6)
        assert own.loc[scope, "largest"] == pytest.approx(expected.max(), rel=1e-6)


def test_a_persona_with_one_item_is_left_out_as_in_the_report() -> None:
    study = simulate_study(Design(items=30, sizes={"gender": 3}), 3)
    asked = study.inputs.predictions
    kept = asked[(asked["persona_id"] != "gender-0") | (asked["item_id"] == "item00000")]
    material = gather(prepare_answers(replace(study.inputs, predictions=kept)), PRIMARY, study.inputs.study.analysis)
    contrasts = control_contrasts(material)
    contrasts = contrasts[contrasts["scope"] == THESE_WORDINGS]
    found = next_study(material, contrasts)
    own = found[found["this_study"] & found["system"].isna()]["detectable"]
    assert own.tolist() == pytest.approx([contrasts["detectable"].median()], rel=1e-6)


def test_a_claim_that_reaches_further_never_needs_less() -> None:
    """With few items, what wordings add brings more degrees of freedom: alone, that would need less."""
    gaps = np.random.default_rng(0).normal(0, 0.2, (8, 4, 3))
    pilot = GapVariance(gaps.mean(axis=2), gaps, WordingPart(1e-3, 60.0))
    these, beyond = ((pilot.predicted(8, 3, wide), 0.001) for wide in (False, True))
    alone, narrow, both = (_row(told, 0.95) for told in ([beyond], [these], [these, beyond]))
    assert alone["detectable"] < narrow["detectable"]
    for name in ("detectable", "lower", "upper", "turning", "largest"):
        assert both[name] >= max(alone[name], narrow[name]) - 1e-12
    assert both["wording_share"] > 0


@pytest.mark.parametrize("intercept", [-3.5, -2.0, 0.0])
def test_a_larger_study_never_needs_more_and_nothing_more_than_one(intercept: float) -> None:
    material = _material(Design(items=12, sizes={"gender": 3}, intercepts=(intercept, intercept)))
    contrasts = control_contrasts(material)
    found = next_study(material, contrasts)
    smallest = ["detectable", "lower", "upper", "turning", "largest"]
    for _, table in found.fillna({"system": "all"}).groupby(["scope", "system"]):
        for name in smallest:
            grid = table.pivot(index="items", columns="wordings", values=name).to_numpy()
            assert not (np.diff(grid, axis=0) > 0).any()
            assert not (np.diff(grid, axis=1) > 0).any()
    assert (found[smallest].fillna(1.0) <= 1).all(axis=None)
    own = found[found["this_study"] & found["system"].isna()].set_index("scope")["detectable"]
    rows = contrasts[contrasts["scope"] == THESE_WORDINGS]
    assert own[THESE_WORDINGS] == pytest.approx(min(1.0, rows["detectable"].median()), rel=1e-6)


def test_a_jump_of_the_doubt_is_no_reason_for_a_larger_study_to_need_more() -> None:
    sizes = [(n, w) for n in (10, 20, 40) for w in (3, 5)]
    table = pd.DataFrame(sizes, columns=["items", "wordings"]).assign(this_study=[s == (20, 3) for s in sizes])
    told = [0.25, 0.35, 0.3, 0.32, 0.28, 0.29]
    table = table.assign(**dict.fromkeys(("detectable", "lower", "upper", "turning", "largest"), told), log_odds=np.nan)
    found = _never_larger(table)
    assert found["detectable"].tolist() == [0.3, 0.3, 0.3, 0.3, 0.28, 0.28]
    assert found["log_odds"].isna().all()


def test_what_a_persona_does_to_an_item_in_one_system_is_not_bought_off_by_wordings() -> None:
    """Twice the squares of 0.5 and 1.2, over the items that have a pair."""
    rows = pd.DataFrame({"scope": THESE_WORDINGS, "system": "a", "persona_id": ["p", "q"]})
    rows["log_odds_standard_error"] = [0.4, 0.5]
    sds = {"item": 9.0, "item:persona": 0.5, "item:persona:system": 1.2}
    components: list[dict[str, object]] = [{"term": term, "sd": sd} for term, sd in sds.items()]
    paired = pd.Series({("a", "p"): 1.0, ("a", "q"): 0.5})
    model = log_odds_variance(rows, [*components, {"term": "item:persona", "sd": 7.0}], paired, StudySizes(60, 3, 5.0))
    assert model is not None
    assert model.of_items == pytest.approx(2 * (0.25 + 1.44))
    quantile = student.ppf(0.975, np.array([59.0, 29.0])) + norm.ppf(0.8)
    assert model.smallest(60, 3, False, 0.05) == pytest.approx(quantile * [0.4, 0.5], rel=1e-9)
    endless = student.ppf(0.975, np.array([59.0, 29.0])) + norm.ppf(0.8)
    assert model.smallest(60, 10**9, False, 0.05) == pytest.approx(
        endless * np.sqrt(model.of_items / np.array([60, 30])), rel=1e-6
    )


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
        rows.append(_row([(pilot.predicted(items, wordings, beyond), 0.05 / PERSONAS)], 0.95))
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
    large = results.tables["next_studies"].assign(detectable=1.0, upper=np.nan)
    sentence = next_study_finding({"next_studies": large}, AnalysisSettings())
    assert "Twice the items would leave it at more than 100 points." in sentence
    assert "no item differs, so that these answers hardly tell" in sentence


def test_what_more_does_not_change_is_said_so(results: RegressionResults) -> None:
    same = results.tables["next_studies"].assign(detectable=0.26701, lower=0.2, upper=1.0)
    sentence = next_study_finding({"next_studies": same}, AnalysisSettings())
    assert "10 wordings instead of 3 would not change it." in sentence
    assert "interval 20.0 to more than 100 points" in sentence
    sentence = next_study_finding({"next_studies": same.assign(lower=1.0)}, AnalysisSettings())
    assert "interval more than 100 points," in sentence
