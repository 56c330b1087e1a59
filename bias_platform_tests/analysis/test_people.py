"""Systems told to be a persona against people who share its attributes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis import analyse_study
from bias_platform.analysis.annotator_variance import annotator_part, item_means
from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.material import Material, gather
from bias_platform.analysis.people import Judged, People, people_of_personas
from bias_platform.analysis.people_gaps import people_distances, people_gaps
from bias_platform.analysis.people_models import fit_people
from bias_platform.schemas.results import PRIMARY
from bias_platform.schemas.results_of_people import (
    BEYOND_CONTROL,
    GENERIC,
    NEARER_THAN_CONTROL,
    OWN_AND_OTHERS,
    PERSONA,
)
from bias_platform_tests.analysis.simulated_people import Panel, Sampled, answered, inputs_of, judgements_of
from bias_platform_tests.analysis.simulated_study import CONTROL

TRAITS = {"x-0": {"kind": "x"}, "y-0": {"kind": "y"}, "z-0": {"kind": "z"}, "n-0": {}}
PERSONAS = [CONTROL, *TRAITS]


def drawn(
    panel: Panel, effects: dict[str, float], seed: int = 1, items: int = 100
) -> tuple[Material, People, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    found = answered(Sampled(items=items, systems=("small",), effects=effects), PERSONAS, rng)
    judgements = judgements_of(panel, found.item, rng)
    inputs = inputs_of(found, {"kind": tuple(TRAITS)}, TRAITS, ("small",))
    material = gather(prepare_answers(inputs), PRIMARY, inputs.study.analysis)
    return material, people_of_personas(material.answers, material.cube, judgements), judgements


@pytest.fixture(scope="module")
def lively() -> tuple[Material, People, pd.DataFrame]:
    """The people of x say Yes far more often than those of y; the persona of x does as they do."""
    return drawn(Panel(base={"x": 1.2, "y": -1.2}), {"x-0": 1.2, "y-0": 1.2})


def test_people_are_those_who_share_all_attributes(lively: tuple[Material, People, pd.DataFrame]) -> None:
    _, people, judgements = lively
    coverage = people.coverage.set_index("persona_id")
    assert coverage["compared"].to_dict() == {"x-0": True, "y-0": True, "z-0": False, "n-0": False}
    assert coverage.loc["x-0", ["items", "annotators", "judgements"]].tolist() == [100, 20, 200]
    assert coverage.loc["z-0", "why_not"] == "fewer than 5 such people judged the study's items"
    assert coverage.loc["n-0", "why_not"] == "the persona names no attribute of annotators"
    assert set(people.own) == {"x-0", "y-0"}
    own = judgements[judgements["annotator_kind"] == "x"]["yes"].mean()
    assert people.own["x-0"].yes.mean() == pytest.approx(own)
    assert people.others["x-0"].yes.mean() == pytest.approx(people.own["y-0"].yes.mean())


def test_differences_are_means_over_items_of_answers_less_judgements(
    lively: tuple[Material, People, pd.DataFrame],
) -> None:
    material, people, judgements = lively
    said = judgements.groupby(["annotator_kind", "item_id"])["yes"].mean()
    table = people_gaps(material, people, {}).set_index(["source", "persona_id"])
    for source, persona in table.index:
        share = material.cell(persona if source == PERSONA else CONTROL, "small")
        gap = share - said[str(persona)[0]].reindex(material.cube.items).to_numpy()
        assert table.loc[(source, persona), "difference"] == pytest.approx(gap.mean(), abs=1e-12)
    assert table.loc[(PERSONA, "y-0"), "significant"]
    assert table.loc[(PERSONA, "y-0"), "difference"] > 0.25
    assert not table.loc[(PERSONA, "x-0"), "significant"]
    assert table.loc[(GENERIC, "x-0"), "difference"] < -0.1


def test_distances_are_shares_of_pairs_that_differ(lively: tuple[Material, People, pd.DataFrame]) -> None:
    material, people, judgements = lively
    answers = material.answers.frame[["item_id", "persona_id", "yes"]]
    pairs = judgements.merge(answers, on="item_id", suffixes=("_said", ""))
    apart = (pairs["yes_said"] != pairs["yes"]).groupby([pairs["persona_id"], pairs["annotator_kind"]], observed=True)
    share = apart.mean()
    table = people_distances(material, people).set_index(["comparison", "persona_id"])
    near = table.loc[(NEARER_THAN_CONTROL, "x-0")]
    assert near["first"] == pytest.approx(share["x-0", "x"], abs=1e-12)
    assert near["second"] == pytest.approx(share[CONTROL, "x"], abs=1e-12)
    own = table.loc[(OWN_AND_OTHERS, "x-0")]
    assert own["difference"] == pytest.approx(share["x-0", "x"] - share["x-0", "y"], abs=1e-12)
    generic = share[CONTROL, "x"] - share[CONTROL, "y"]
    assert table.loc[(BEYOND_CONTROL, "x-0"), "difference"] == pytest.approx(own["difference"] - generic, abs=1e-12)
    assert own["significant"]
    assert own["upper"] < 0


def test_annotators_add_what_they_do_to_all_their_items() -> None:
    rng = np.random.default_rng(0)
    found, means = [], []
    for _ in range(400):
        own = 0.3 * rng.standard_normal(10)
        item = np.repeat(np.arange(60), 2)
        who = np.concatenate([rng.choice(10, 2, replace=False) for _ in range(60)])
        judged = Judged(item, who, np.zeros(120))
        values = own[who] + rng.standard_normal(120)
        found.append(annotator_part([(judged, values, 1.0)], np.ones(60, dtype=bool)))
        means.append((item_means(judged, values, 60).mean(), item_means(judged, values, 60).var(ddof=1) / 60))
    whole = np.var([mean for mean, _ in means])
    over_items = np.mean([variance for _, variance in means])
    added = np.mean([part.variance for part in found])
    assert added + over_items == pytest.approx(whole, rel=0.2)
    assert over_items < 0.75 * whole  # what an interval over items alone would miss
    surest = np.array([part.df for part in found if part.variance > added])
    assert (surest < 9).all()  # ten annotators, and what they do is not known to itself but with items' noise
    assert surest.mean() > np.mean([part.df for part in found if 0 < part.variance < added])


def test_log_odds_come_from_the_model_with_annotators(lively: tuple[Material, People, pd.DataFrame]) -> None:
    material, people, _ = lively
    models, records = fit_people(material.answers, material.cube, people, 20)
    table = people_gaps(material, people, models).set_index(["source", "persona_id"])
    row = table.loc[(PERSONA, "y-0")]
    assert row["log_odds_lower"] < 2.4 < row["log_odds_upper"]
    terms = pd.DataFrame(records.components)
    assert set(terms["term"]) == {"item", "item:source", "0 + human | annotator"}
    assert [fit["model"] for fit in records.fits] == ["C, against people, x 0", "C, against people, y 0"]


def test_what_cannot_be_compared_is_said() -> None:
    material, people, judgements = drawn(Panel(base={"x": 0.0, "y": -9.0}), {})
    models, records = fit_people(material.answers, material.cube, people, 20)
    assert set(models) == {"x-0"}
    assert any("(y 0): the people have too few judgements of the rarer kind" in line for line in records.messages)
    table = people_gaps(material, people, models)
    assert table.loc[table["persona_id"] == "y-0", "log_odds"].isna().all()
    unknown = judgements.assign(annotator_id=judgements["annotator_id"].where(judgements["annotator_kind"] == "x"))
    lost = people_of_personas(material.answers, material.cube, unknown)
    assert lost.messages == ["200 judgements have no known annotator: not compared with personas."]
    assert set(lost.own) == {"x-0"}
    unasked = people_of_personas(material.answers, material.cube, judgements.drop(columns="annotator_kind"))
    assert unasked.coverage["why_not"].iloc[0] == "the corpus does not know the kind of its annotators"
    assert people_gaps(material, unasked, {}).empty
    assert people_distances(material, unasked).empty


def test_the_report_says_who_was_compared() -> None:
    rng = np.random.default_rng(4)
    found = answered(Sampled(items=60, systems=("small",), effects={"x-0": 2.0}), PERSONAS, rng)
    inputs = inputs_of(found, {"kind": tuple(TRAITS)}, TRAITS, ("small",))
    results = analyse_study(replace(inputs, judgements=judgements_of(Panel(), found.item, rng)))
    assert len(results.tables["people_gaps"]) == 2 * 2
    assert len(results.tables["people_distances"]) == 3 * 2
    said = next(sentence for sentence in results.summary if "people of its own group" in sentence)
    assert said.startswith("Of 2 comparisons of a persona with people of its own group 1 is significant")
    assert "told to be “x 0”" in said
