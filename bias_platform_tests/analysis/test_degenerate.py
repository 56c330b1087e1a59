from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults, StudyInputs, analyse_study
from bias_platform.analysis.fit_records import fit_row
from bias_platform.schemas.results import WITH_LOG_ODDS
from bias_platform.statistics import fit_mixed_model
from bias_platform_tests.analysis.simulated_study import CONTROL, Design, simulate_study, study_entry
from bias_platform_tests.statistics.made_designs import FOUR_NESTED, named_personas

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
    assert (table.drop("gender-1")["method"] == WITH_LOG_ODDS).all()
    assert (_contrasts(results, "small+tuned")["method"] == WITH_LOG_ODDS).all()
    cells = results.tables["degenerate_cells"]
    assert cells.loc[cells["reading"] == "primary", "persona_id"].tolist() == ["gender-1"]
    assert (results.tables["model_fits"]["excluded_cells"] <= 1).all()


def test_without_the_control_a_system_is_compared_item_by_item() -> None:
    results = analyse_study(_say(_inputs(), "No", "small", CONTROL))
    assert (_contrasts(results, "small")["method"] == "item-paired").all()
    assert (_contrasts(results, "small+tuned")["method"] == WITH_LOG_ODDS).all()
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
    assert sum("model A is not used" in message for message in results.messages) == 1


def _decided(inputs: StudyInputs, flipped: float) -> StudyInputs:
    """Each item is Yes or No for everybody, but for a few flipped answers."""
    rng = np.random.default_rng(1)
    predictions = inputs.predictions
    said = predictions["item_id"].str[-1].isin(list("0369")).to_numpy() ^ (rng.random(len(predictions)) < flipped)
    return replace(inputs, predictions=predictions.assign(answer=np.where(said, "Yes", "No")))


@pytest.mark.parametrize("flipped", [0.0, 0.005, 0.02])
def test_decided_items_claim_no_log_odds_and_no_absence(flipped: float) -> None:
    inputs = _decided(_inputs(replace(SMALL, items=40)), flipped)
    table = analyse_study(inputs).tables["control_contrasts"]
    assert (table["method"] == "item-paired").all()
    assert table["log_odds_p"].isna().all()
    assert (table["upper"] - table["lower"]).min() > 0.03
    assert not table["equivalent"].any()


def test_a_fit_that_items_separate_is_refused_and_said_so() -> None:
    inputs = _decided(_inputs(replace(SMALL, items=300, sizes={"gender": 2}, systems=("small",))), 0.03)
    results = analyse_study(inputs)
    assert sum("logit scale" in message and "is not used" in message for message in results.messages) == 1
    assert results.tables["model_fits"]["notes"].str.contains("Not used").any()
    assert results.tables["control_contrasts"]["log_odds"].isna().all()
    assert results.tables["variance_components"].empty


def test_a_runaway_fit_says_why_its_search_was_ended() -> None:
    frame = named_personas(items=40)
    item = np.random.default_rng(2).normal(0, 2, 40)
    frame["yes"] = (item[frame["item"]] + 0.1 * frame["persona"].str[1:].astype(int) > 0.4).astype(int)
    frame.loc[frame["item"] == 3, "yes"] = (frame["template"] == "t1").astype(int)
    row = fit_row("A", fit_mixed_model(FOUR_NESTED, frame), 40, 0)
    assert row["converged"] is False
    notes = str(row["notes"])
    assert "The search was ended: the deviation of item grows without end." in notes
    assert "inverted" not in notes


def test_a_deterministic_system_leaves_the_model_to_the_other() -> None:
    inputs = _inputs(replace(SMALL, items=40))
    decided = _decided(inputs, 0.0).predictions
    mixed = decided["answer"].where(decided["system"] == "small", inputs.predictions["answer"])
    results = analyse_study(replace(inputs, predictions=inputs.predictions.assign(answer=mixed)))
    assert (_contrasts(results, "small")["method"] == "item-paired").all()
    assert (_contrasts(results, "small+tuned")["method"] == WITH_LOG_ODDS).all()
    assert any("of small without log-odds" in message for message in results.messages)


def test_one_judged_wording_says_nothing_beyond() -> None:
    inputs = _inputs()
    predictions = inputs.predictions.copy()
    lost = (predictions["system"] == "small") & predictions["template_id"].isin(["t1", "t2"])
    predictions.loc[lost, "outcome"] = "refused"
    predictions.loc[lost, ["answer", "option_logprobs"]] = None
    results = analyse_study(replace(inputs, predictions=predictions))
    for name in ("control_contrasts", "persona_probabilities", "dimension_spreads"):
        table = results.tables[name]
        assert set(table.loc[table["system"] == "small", "scope"]) == {"these wordings"}
        assert len(set(table.loc[table["system"] == "small+tuned", "scope"])) == 2
    assert set(results.tables["system_changes"]["scope"]) == {"these wordings"}


def test_the_control_alone_makes_an_empty_report() -> None:
    inputs = _inputs()
    kept = inputs.predictions["persona_id"].isin([CONTROL, "no-persona"])
    results = analyse_study(replace(inputs, predictions=inputs.predictions[kept]))
    assert results.tables["control_contrasts"].empty
    assert results.tables["system_changes"].empty


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
