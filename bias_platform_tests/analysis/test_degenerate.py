from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults, StudyInputs, analyse_study
from bias_platform_tests.analysis.simulated_study import CONTROL, Design, simulate_study, study_entry

SMALL = Design(items=30, sizes={"gender": 3, "race": 2})


def _inputs(design: Design = SMALL, seed: int = 5) -> StudyInputs:
    return simulate_study(design, seed).inputs


def _say(inputs: StudyInputs, answer: str, system: str, persona: str | None = None) -> StudyInputs:
    predictions = inputs.predictions.copy()
    rows = predictions["system"] == system
    rows &= (predictions["persona_id"] == persona) if persona else True
    predictions.loc[rows, "answer"] = answer
    return replace(inputs, predictions=predictions)


def _contrasts(results: RegressionResults, system: str) -> pd.DataFrame:
    table = results.tables["control_contrasts"]
    return table[(table["reading"] == "primary") & (table["system"] == system)]


def test_a_persona_that_always_says_yes_has_no_log_odds_but_an_interval() -> None:
    results = analyse_study(_say(_inputs(), "Yes", "small", "gender-1"))
    table = _contrasts(results, "small").set_index("persona_id")
    lone = table.loc["gender-1"]
    assert (lone["method"] == "item-paired").all()
    assert lone["log_odds"].isna().all()
    assert (lone["upper"] > lone["lower"]).all()
    assert (table.drop("gender-1")["method"] == "mixed model").all()
    assert (_contrasts(results, "small+tuned")["method"] == "mixed model").all()
    cells = results.tables["degenerate_cells"]
    assert cells.loc[cells["reading"] == "primary", "persona_id"].tolist() == ["gender-1"]
    assert (results.tables["model_fits"]["excluded_cells"] <= 1).all()


def test_without_the_control_a_system_is_compared_item_by_item() -> None:
    results = analyse_study(_say(_inputs(), "No", "small", CONTROL))
    assert (_contrasts(results, "small")["method"] == "item-paired").all()
    assert (_contrasts(results, "small+tuned")["method"] == "mixed model").all()
    assert "reference itself" in results.tables["degenerate_cells"]["consequence"].iloc[0]


def test_a_constant_system_leaves_the_model_to_the_others() -> None:
    results = analyse_study(_say(_inputs(), "Yes", "small"))
    constant = _contrasts(results, "small")
    assert (constant["difference"] == 0).all()
    assert (constant["lower"] < 0).all()
    assert (constant["upper"] > 0).all()
    fits = results.tables["model_fits"]
    assert "system" not in fits["formula"].iloc[0]
    changes = results.tables["system_changes"]
    assert (changes["method"] == "item-paired").all()


def test_everything_constant_still_makes_a_report() -> None:
    inputs = _say(_say(_inputs(), "No", "small"), "No", "small+tuned")
    results = analyse_study(inputs)
    assert not results.tables["model_fits"]["converged"].any()
    assert results.headline.startswith("No persona differs detectably")
    assert any("not fitted" in message for message in results.messages)


@pytest.mark.parametrize("change", ["one system", "one wording", "no baseline"])
def test_smaller_studies(change: str) -> None:
    design = Design(
        items=30,
        sizes={"gender": 3},
        systems=("small",) if change == "one system" else ("small", "small+tuned"),
        templates=1 if change == "one wording" else 3,
    )
    inputs = _inputs(design)
    if change == "no baseline":
        inputs = replace(inputs, predictions=inputs.predictions[inputs.predictions["persona_id"] != "no-persona"])
    inputs = replace(inputs, humans=None, study=study_entry(design.systems, minimum_minority=5))
    results = analyse_study(inputs)
    scopes = set(results.tables["control_contrasts"]["scope"])
    assert scopes == ({"these wordings"} if change == "one wording" else {"these wordings", "beyond wording"})
    assert (len(results.tables["baseline_differences"]) == 0) == (change == "no baseline")
    assert (len(results.tables["system_changes"]) == 0) == (change == "one system")
    assert np.isfinite(results.tables["control_contrasts"]["difference"]).all()
    assert "item:persona" in set(results.tables["variance_components"]["term"]) or change == "one wording"
    assert len(results.tables["variance_components"]) >= 2
