"""What stands out in a model, which unit carries a test, and what a model lacks."""

from dataclasses import replace

import numpy as np
import pandas as pd

from bias_platform.analysis import RegressionResults, analyse_study
from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.fit_records import fit_row
from bias_platform.analysis.model_rows import item_formula, model_rows
from bias_platform.schemas.results import PRIMARY, UNIT_ITEM, UNIT_WORDING
from bias_platform.statistics import conditional_mode_table, fit_mixed_model
from bias_platform_tests.analysis.simulated_study import Design, SimulatedStudy, simulate_study


def test_the_items_are_those_of_model_a(study: SimulatedStudy, results: RegressionResults) -> None:
    table = results.tables["standing_out"]
    items = table[table["unit"] == UNIT_ITEM].set_index("item_id")
    assert set(items["model"]) == {"A, named personas, primary, these wordings"}
    assert len(items) == 10
    data = model_rows(prepare_answers(study.inputs), PRIMARY, set())
    modes = conditional_mode_table(fit_mixed_model(str(item_formula(data)), data), "item").set_index("level")
    far = modes["mode"].abs().nlargest(10)
    assert items.index.tolist() == far.index.tolist()
    np.testing.assert_allclose(items["effect"], modes.loc[items.index, "mode"], atol=1e-6)
    assert ((items["lower"] < items["effect"]) & (items["effect"] < items["upper"])).all()
    yes = data.groupby("item", observed=True)["yes"].mean()
    assert yes[items.index[items["effect"] > 0]].min() > yes[items.index[items["effect"] < 0]].max()


def test_models_of_scores_stand_in_where_model_a_is_not_used(scored: RegressionResults) -> None:
    table = scored.tables["standing_out"]
    assert set(table["systems"]) == {"small", "small+tuned"}
    assert table.groupby(["systems", "unit"]).size().max() == 10
    wordings = table[table["unit"] == UNIT_WORDING]
    assert wordings["item_id"].isna().all()
    assert wordings[["persona_id", "label", "template_id"]].notna().all(axis=None)


def test_a_term_without_variance_has_nothing_to_show(results: RegressionResults) -> None:
    components = results.tables["variance_components"].set_index(["model", "term"])
    assert components.loc[("A, named personas, primary, beyond wording", "persona:template"), "at_zero"]
    assert UNIT_WORDING not in set(results.tables["standing_out"]["unit"])


def test_texts_of_items_stay_out_unless_asked_for() -> None:
    small = simulate_study(Design(items=24, sizes={"gender": 2}), 6, minimum_minority=5)
    items = sorted(small.inputs.predictions["item_id"].unique())
    texts = pd.DataFrame({"item_id": items, "text": [f"post {name}" for name in items]})
    hidden = analyse_study(replace(small.inputs, texts=texts)).tables["standing_out"]
    assert len(hidden)
    assert hidden["text"].isna().all()
    analysis = small.inputs.study.analysis.model_copy(update={"show_texts": True})
    study = small.inputs.study.model_copy(update={"analysis": analysis})
    shown = analyse_study(replace(small.inputs, texts=texts, study=study)).tables["standing_out"]
    of_items = shown["unit"] == UNIT_ITEM
    assert (shown.loc[of_items, "text"] == "post " + shown.loc[of_items, "item_id"]).all()


def test_each_test_names_the_unit_that_carries_it(results: RegressionResults, scored: RegressionResults) -> None:
    tests = results.tables["term_tests"]
    carriers = dict(
        zip(zip(tests["model"].str[0], tests["scope"], tests["term"], strict=True), tests["carrier"], strict=True)
    )
    assert carriers["A", "these wordings", "persona"] == "items"
    assert carriers["A", "beyond wording", "persona"] == "wordings"
    assert carriers["B", "these wordings", "group"] == "personas"
    assert carriers["B", "these wordings", "group × system"] == "personas × systems"
    assert set(scored.tables["term_tests"]["carrier"]) == {"items", "items + wordings"}


def test_what_a_model_lacks_is_noted_for_what_is_tested_only(results: RegressionResults) -> None:
    notes = results.tables["model_fits"].set_index("model")["notes"]
    of_groups = notes["B, groups of personas"]
    assert of_groups.count("add (1 | item:group).") == 1
    assert "add (1 | item:group:system)." in of_groups
    assert "template" not in of_groups  # a nuisance: nothing is claimed of it
    assert not notes[notes.index.str.startswith("A")].str.contains("is not random").any()


def test_a_forgotten_persona_is_noted_first_and_once(study: SimulatedStudy) -> None:
    data = model_rows(prepare_answers(study.inputs), PRIMARY, set())
    data["group"] = data["persona"].astype(str).str[0]
    notes = str(fit_row("B", fit_mixed_model("yes ~ group + (1 | item)", data), 40, 0)["notes"])
    assert notes.startswith("group is constant within persona, but persona is not random")
    assert notes.count("persona is not random") == 1


def test_what_could_not_be_computed_is_noted_once(study: SimulatedStudy) -> None:
    data = model_rows(prepare_answers(study.inputs), PRIMARY, set())
    fit = fit_mixed_model("yes ~ persona + (1 | item) + (1 | item:persona)", data)
    said = "The observed information could not be inverted; standard errors are the joint ones."
    found = replace(fit.diagnostics, unidentified_terms=("item:persona",), fallbacks=(said,))
    notes = str(fit_row("A", replace(fit, diagnostics=found), 40, 0)["notes"])
    assert notes.count("cannot be told from other terms: item:persona.") == 1
    assert notes.count("inverted") == 1
    runaway = replace(found, runaway_terms=("item",), converged=False)
    assert "inverted" not in str(fit_row("A", replace(fit, diagnostics=runaway), 40, 0)["notes"])
