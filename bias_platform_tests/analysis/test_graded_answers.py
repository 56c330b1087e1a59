"""Ordered grades and outcomes that are no judgement, in studies with known truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults, StudyInputs, analyse_study
from bias_platform.analysis.graded_answers import grade_names
from bias_platform.schemas.results import GRADED, OTHER_OUTCOMES
from bias_platform_tests.analysis.simulated_study import Design, SimulatedStudy, simulate_study

PLANTED = "race-1"
DESIGN = Design(items=60, sizes={"gender": 3, "race": 3}, lost=0.0)


def graded_inputs(seed: int, effect: float, at_upper: float | None = None) -> StudyInputs:
    """Answers from a latent scale with thresholds -0.5 and 1: a persona is raised, perhaps differently at the upper."""
    inputs = simulate_study(DESIGN, seed).inputs
    table = inputs.predictions.copy()
    rng = np.random.default_rng(seed)
    item = pd.factorize(table["item_id"])[0]
    pair = pd.factorize(table["item_id"] + table["persona_id"] + table["system"])[0]
    eta = rng.normal(0, 1.0, item.max() + 1)[item] + rng.normal(0, 0.3, pair.max() + 1)[pair]
    raised = (table["persona_id"] == PLANTED).to_numpy()
    latent = eta + rng.logistic(size=len(table))
    above = latent + effect * raised > -0.5
    far_above = latent + (effect if at_upper is None else at_upper) * raised > 1.0
    table["answer"] = np.where(far_above, "Yes", np.where(above, "Maybe", "No"))
    table["outcome"] = "answered"
    return replace(inputs, predictions=table)


@pytest.fixture(scope="module")
def raised() -> RegressionResults:
    """One persona stands 1.2 logits higher, at either threshold."""
    return analyse_study(graded_inputs(5, 1.2))


def test_the_ordinal_model_finds_a_planted_persona_in_every_system(raised: RegressionResults) -> None:
    table = raised.tables["graded_contrasts"]
    planted = table[table["persona_id"] == PLANTED]
    assert len(planted) == 2
    assert planted["significant"].all()
    assert ((planted["lower"] < 1.2) & (planted["upper"] > 1.2)).all()
    assert (planted["primary_significant"] & planted["lenient_significant"]).all()
    assert not table.loc[table["persona_id"] != PLANTED, "significant"].any()
    assert GRADED in set(raised.tables["model_fits"]["model"])


def test_the_readings_stand_beside_the_grades(raised: RegressionResults) -> None:
    keys = ["system", "persona_id"]
    contrasts = raised.tables["control_contrasts"].query("scope == 'these wordings'")
    for reading in ("primary", "lenient"):
        own = contrasts[contrasts["reading"] == reading].set_index(keys)["difference"]
        graded = raised.tables["graded_contrasts"].set_index(keys)[f"{reading}_difference"]
        pd.testing.assert_series_equal(graded, own.reindex(graded.index), check_names=False)


def test_proportional_odds_hold_where_they_should_and_fail_where_not(raised: RegressionResults) -> None:
    held = raised.tables["proportional_odds"].set_index("term")
    assert held.loc["persona", "df"] == 6
    assert held["converged"].all()
    assert held.loc["persona", "p"] > 0.01
    broken = analyse_study(graded_inputs(5, 1.2, at_upper=-0.8)).tables["proportional_odds"].set_index("term")
    assert broken.loc["persona", "p"] < 1e-6


def test_without_a_middle_answer_there_is_nothing_ordinal() -> None:
    results = analyse_study(simulate_study(Design(items=20, sizes={"gender": 2}, maybe=0.0), 8).inputs)
    assert results.tables["graded_contrasts"].empty
    assert results.tables["proportional_odds"].empty
    fits = results.tables["model_fits"].set_index("model")
    assert fits.loc[GRADED, "notes"].startswith("no answer that is left is Maybe")


def test_grades_are_named_by_the_options_of_the_task(study: SimulatedStudy) -> None:
    task = study.inputs.task
    assert grade_names(task) == ("No", "Maybe", "Yes")
    assert grade_names(task.model_copy(update={"positive_lenient": ()})) == ("Maybe or No", "", "Yes")


@pytest.fixture(scope="module")
def refusing() -> RegressionResults:
    """One system refuses 15 % of questions, and 40 % of those of one persona."""
    inputs = simulate_study(DESIGN, 9).inputs
    table = inputs.predictions.copy()
    rng = np.random.default_rng(9)
    chance = np.where(table["persona_id"] == PLANTED, 0.4, 0.15) * (table["system"] == "small")
    refused = rng.random(len(table)) < chance
    table.loc[refused, ["outcome", "answer"]] = ["refused", None]
    return analyse_study(replace(inputs, predictions=table))


def test_a_persona_that_is_refused_more_often_is_found(refusing: RegressionResults) -> None:
    table = refusing.tables["other_outcomes"]
    assert set(table["system"]) == {"small"}
    assert set(table["kind"]) == {"refused"}
    planted = table[table["persona_id"] == PLANTED].iloc[0]
    assert planted["significant"]
    assert planted["lower"] < 0.25 < planted["upper"]
    assert planted["share"] - planted["control_share"] == pytest.approx(planted["difference"])
    assert not table.loc[table["persona_id"] != PLANTED, "significant"].any()


def test_refusals_have_a_logit_of_their_own_against_judgements(refusing: RegressionResults) -> None:
    fits = refusing.tables["model_fits"].set_index("model")
    assert f"{OTHER_OUTCOMES}, refused" in fits.index
    planted = refusing.tables["other_outcomes"].query("persona_id == @PLANTED").iloc[0]
    truth = np.log(0.4 / 0.6) - np.log(0.15 / 0.85)
    assert planted["log_odds_lower"] < truth < planted["log_odds_upper"]


def test_a_study_in_which_everything_is_judged_has_no_such_table(raised: RegressionResults) -> None:
    assert raised.tables["other_outcomes"].empty


def test_failed_calls_do_not_hide_refusals() -> None:
    """Most calls of one persona fail, and of its others as many are refused as of everybody's."""
    inputs = simulate_study(DESIGN, 4).inputs
    table = inputs.predictions.copy()
    rng = np.random.default_rng(4)
    refused = rng.random(len(table)) < 0.3
    failed = (table["persona_id"] == PLANTED) & (rng.random(len(table)) < 0.6)
    table.loc[refused, ["outcome", "answer"]] = ["refused", None]
    table.loc[failed, ["outcome", "answer"]] = ["failed", None]
    found = analyse_study(replace(inputs, predictions=table)).tables["other_outcomes"]
    planted = found[(found["persona_id"] == PLANTED) & (found["kind"] == "refused")]
    assert not planted["significant"].any()
    assert (planted["share"] > 0.2).all()
    assert (planted["share"] - planted["control_share"]).to_numpy() == pytest.approx(planted["difference"].to_numpy())


def test_comparisons_that_the_ordinal_model_cannot_make_are_told() -> None:
    """A persona that nearly always hears Yes is no part of the ordinal model, but of both readings."""
    inputs = graded_inputs(5, 0.0)
    table = inputs.predictions.copy()
    loud = (table["persona_id"] == PLANTED) & (table["item_id"] > "item00002")
    table.loc[loud, "answer"] = "Yes"
    results = analyse_study(replace(inputs, predictions=table))
    assert PLANTED not in set(results.tables["graded_contrasts"]["persona_id"])
    (told,) = [sentence for sentence in results.summary if sentence.startswith("Read as ordered grades")]
    assert "2 in a reading of Yes only; 2 more comparisons not in this model" in told
