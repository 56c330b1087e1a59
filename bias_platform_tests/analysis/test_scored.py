"""Scores: margins, their contrasts and changes, and what is said of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from bias_platform.analysis import RegressionResults, StudyInputs, analyse_study
from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.changes import system_changes
from bias_platform.analysis.contrasts import control_contrasts
from bias_platform.analysis.readings import option_margins
from bias_platform.analysis.scored import gather_scores, scored_margins, without_interval
from bias_platform_tests.analysis.simulated_study import (
    CONTROL,
    Design,
    SimulatedStudy,
    simulate_study,
    study_entry,
    task_entry,
)

THESE, BEYOND = "these wordings", "beyond wording"
TINY = Design(items=24, sizes={"gender": 2}, scales=(1.0, 0.3))


def _margins(inputs: StudyInputs) -> pd.DataFrame:
    """Item means of margins (system x persona x item), taken from the options' probabilities by hand."""
    rows = inputs.predictions[inputs.predictions["option_logprobs"].notna() & inputs.predictions["template_id"].notna()]
    odds = [np.log(np.exp(p[0]) / (np.exp(p[1]) + np.exp(p[2]))) for p in rows["option_logprobs"]]
    return rows.assign(margin=odds).pivot_table(index="item_id", columns=["system", "persona_id"], values="margin")


def test_a_margin_sets_positive_options_against_all_other_judgements() -> None:
    scores = pd.Series([np.log([0.5, 0.1, 0.3, 0.1]), None, np.array([-np.inf, -1.0, -2.0, -0.1])], dtype=object)
    margins = option_margins(scores, task_entry())
    assert margins[0] == pytest.approx(np.log(0.5 / 0.4))
    assert np.isnan(margins[1:]).all()
    everything = task_entry(positive=("Yes", "Maybe", "No"))
    assert np.isnan(option_margins(scores, everything)).all()


def test_scored_contrasts_are_paired_t_tests_of_item_margins(
    scored_study: SimulatedStudy, scored: RegressionResults
) -> None:
    by_item = _margins(scored_study.inputs)
    table = scored.tables["scored_contrasts"]
    assert len(table) == 2 * 2 * 5
    for row in table[table["scope"] == THESE].itertuples():
        expected = ttest_rel(by_item[row.system, row.persona_id], by_item[row.system, CONTROL])
        bounds = expected.confidence_interval(0.95)
        assert row.p_value == pytest.approx(expected.pvalue)
        assert [row.lower, row.upper] == pytest.approx([bounds.low, bounds.high])


def test_scored_contrasts_widen_beyond_wording_and_find_the_truth(
    scored_study: SimulatedStudy, scored: RegressionResults
) -> None:
    table = scored.tables["scored_contrasts"].set_index(["scope", "system", "persona_id"])
    these, beyond = table.loc[THESE], table.loc[BEYOND]
    assert (beyond["standard_error"] > these["standard_error"]).all()
    assert (table["simultaneous_lower"] < table["lower"]).all()
    assert (table["p_adjusted"] >= table["p_value"]).all()
    names = (list(scored_study.inputs.study.systems), list(scored_study.personas))
    for part, truth in ((these, scored_study.truth.these_margins), (beyond, scored_study.truth.beyond_margins)):
        gaps = (pd.DataFrame(truth, *names).T - pd.DataFrame(truth, *names).T.loc[CONTROL]).T.stack()
        gaps = gaps.reindex(part.index)
        assert ((part["lower"] <= gaps) & (gaps <= part["upper"])).sum() >= 8


def test_scored_changes_are_differences_of_scored_contrasts(scored: RegressionResults) -> None:
    contrasts = scored.tables["scored_contrasts"].set_index(["scope", "system", "persona_id"])["difference"]
    changes = scored.tables["scored_changes"]
    assert len(changes) == 2 * 5
    for row in changes.itertuples():
        after, before = (contrasts[row.scope, system, row.persona_id] for system in (row.to_system, row.from_system))
        moved = after - before
        assert row.difference == pytest.approx(moved, abs=0.05)  # items without scores differ between systems
    families = scored.tables["test_families"].set_index("family")["tests"]
    assert families["changes of those scored contrasts between systems, these wordings"] == 5


def test_mean_margins_are_those_of_items(scored_study: SimulatedStudy, scored: RegressionResults) -> None:
    by_item = _margins(scored_study.inputs)
    table = scored.tables["scored_margins"].set_index(["system", "persona_id"])
    assert len(table) == 2 * 7
    assert table.loc[("small", "race-1"), "mean"] == pytest.approx(by_item["small", "race-1"].mean())
    assert (table["lower"] < table["mean"]).all()


@pytest.mark.parametrize(
    ("scoring", "scale"),
    [("sum", "log-odds"), ("mean", "score per token"), ("first-token", "log-odds of the first token")],
)
def test_a_score_is_called_what_it_is(scoring: str, scale: str) -> None:
    results = analyse_study(simulate_study(TINY, 3, scoring).inputs)
    for name in ("scored_margins", "scored_contrasts", "scored_changes"):
        assert (results.tables[name]["scale"] == scale).all()
    assert results.facts["score_scale"] == scale
    assert any(f"({scale})" in sentence for sentence in results.summary)


def _insensitive(inputs: StudyInputs, system: str) -> StudyInputs:
    """Each item has one set of scores in the system, whoever is asked; but for noise of computation."""
    predictions = inputs.predictions.copy()
    rows = predictions["system"] == system
    first = predictions[rows].groupby("item_id")["option_logprobs"].first()
    noise = np.random.default_rng(0).normal(0, 1e-6, (int(rows.sum()), 4))
    predictions.loc[rows, "option_logprobs"] = pd.Series(
        list(np.stack(first[predictions.loc[rows, "item_id"]].to_list()) + noise), index=predictions.index[rows]
    )
    return replace(inputs, predictions=predictions)


def test_a_system_that_minds_no_persona_has_no_interval_and_says_so() -> None:
    results = analyse_study(_insensitive(simulate_study(TINY, 5).inputs, "small"))
    table = results.tables["scored_contrasts"].set_index("system")
    assert (table.loc["small", "difference"] == 0).all()
    assert table.loc["small", ["lower", "upper", "p_value"]].isna().all(axis=None)
    assert not table.loc["small", "significant"].any()
    assert table.loc["small+tuned", "p_value"].notna().all()
    assert any("2 scored contrasts of small without interval" in message for message in results.messages)
    assert any("The scores of small have no model" in message for message in results.messages)
    tests = results.tables["term_tests"]
    assert "small" not in set(tests["systems"])
    assert {"small+tuned", "small → small+tuned"} <= set(tests["systems"])


def test_questions_without_scores_are_left_out_and_counted(scored: RegressionResults) -> None:
    assert any(message.endswith("without scores: left out of the analysis of scores.") for message in scored.messages)


def test_when_every_option_is_positive_nothing_is_said_of_scores() -> None:
    inputs = simulate_study(TINY, 6).inputs
    judged = inputs.predictions["answer"].where(inputs.predictions["answer"] != "Maybe", "No")
    task = task_entry(positive=("Yes", "Maybe", "No"), positive_lenient=("Yes", "Maybe", "No"))
    results = analyse_study(replace(inputs, task=task, predictions=inputs.predictions.assign(answer=judged)))
    assert results.tables["scored_contrasts"].empty
    assert results.tables["scored_margins"].empty
    assert any("Scores were not analysed" in message for message in results.messages)


def test_one_wording_and_one_persona() -> None:
    design = replace(TINY, templates=1, sizes={"gender": 1}, systems=("only",), intercepts=(0.0,), scales=(1.0,))
    results = analyse_study(simulate_study(design, 7).inputs)
    table = results.tables["scored_contrasts"]
    assert table["scope"].tolist() == [THESE]
    assert np.isfinite(table["p_value"]).all()
    assert results.tables["scored_changes"].empty
    tests = results.tables["term_tests"]
    assert tests.loc[tests["model"] == "scores", "term"].tolist() == ["persona"]


def test_generated_answers_have_no_scores(results: RegressionResults) -> None:
    for name in ("scored_margins", "scored_contrasts", "scored_changes"):
        assert results.tables[name].empty
    assert not any("score" in sentence for sentence in results.summary)
    assert results.facts["scored"] is False


def test_scores_of_some_systems_only_speak_of_those() -> None:
    design = replace(TINY, systems=("a", "b", "c"), intercepts=(0.0, 0.0, 0.0), scales=(1.0, 1.0, 1.0))
    inputs = _insensitive(_insensitive(simulate_study(design, 8).inputs, "a"), "b")
    material, _ = gather_scores(prepare_answers(inputs), study_entry(("a", "b", "c")).analysis)
    assert material is not None
    contrasts = control_contrasts(material)
    assert without_interval(contrasts)[0].startswith("4 scored contrasts of a, b without")
    changes = system_changes(material)
    assert changes.loc[changes["to_system"] == "b", "p_value"].isna().all()
    assert changes.loc[changes["to_system"] == "c", "p_value"].notna().all()
    assert len(scored_margins(material, "log-odds")) == 3 * 4
