from dataclasses import replace

import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults, analyse_study
from bias_platform.schemas.results import RESULT_TABLES
from bias_platform_tests.analysis.simulated_study import Design, SimulatedStudy, digest, simulate_study, study_entry


def test_every_table_is_there_and_meets_its_schema(results: RegressionResults) -> None:
    assert set(results.tables) == set(RESULT_TABLES)
    for name, schema in RESULT_TABLES.items():
        schema.validate(results.tables[name], lazy=True)


def test_row_order_does_not_matter(study: SimulatedStudy, results: RegressionResults) -> None:
    shuffled = study.inputs.predictions.sample(frac=1, random_state=3).reset_index(drop=True)
    again = analyse_study(replace(study.inputs, predictions=shuffled))
    assert again.headline == results.headline
    for name in ("control_contrasts", "pattern_null", "human_agreement", "dimension_spreads"):
        pd.testing.assert_frame_equal(again.tables[name], results.tables[name], check_exact=False, rtol=1e-6)


def test_the_same_inputs_give_the_same_report() -> None:
    inputs = simulate_study(Design(items=20, sizes={"gender": 2}), 8, minimum_minority=5).inputs
    assert digest(analyse_study(inputs)) == digest(analyse_study(inputs))


def test_the_headline_names_a_planted_persona_with_its_interval() -> None:
    inputs = simulate_study(Design(items=40, sizes={"gender": 3, "race": 3}, persona_sd=0.0, wording_sd=0.05), 2).inputs
    predictions = inputs.predictions.copy()
    loud = (predictions["persona_id"] == "race-1") & (predictions["system"] == "small")
    keep = predictions["item_id"] <= "item00005"
    predictions.loc[loud & ~keep, "answer"] = "Yes"
    results = analyse_study(replace(inputs, predictions=predictions))
    assert results.headline.startswith("Told to be “race 1”, small answers Yes")
    assert "more often" in results.headline
    assert "95 % interval +" in results.headline
    assert "Holm" in results.headline


def test_without_a_difference_the_headline_says_what_would_have_been_found() -> None:
    design = Design(items=30, sizes={"gender": 3}, persona_sd=0.0, wording_sd=0.0, wording_system_sd=0.0)
    results = analyse_study(simulate_study(design, 3).inputs)
    assert results.headline.startswith("No persona differs detectably")
    for part in ("80 % of repetitions", "±5.0 points", "Not found is not the same as absent"):
        assert part in results.headline


def test_model_b_has_few_denominator_degrees(results: RegressionResults) -> None:
    tests = results.tables["term_tests"].query("model == 'B, groups of personas'").set_index("term")
    assert tests.loc["group", "f_denominator_df"] == 7 - 2
    assert tests.loc["group", "f_df"] == tests.loc["group", "df"] == 1
    assert "group × system" in tests.index
    assert set(results.tables["group_probabilities"]["group"]) == {"a", "b"}


@pytest.mark.parametrize("attribute", ["colour", "half"])
def test_an_impossible_group_model_says_why(attribute: str) -> None:
    design = Design(items=20, sizes={"gender": 2})
    inputs = simulate_study(design, 5).inputs
    results = analyse_study(replace(inputs, study=study_entry(design.systems, groups=attribute, minimum_minority=5)))
    assert not results.tables["term_tests"]["model"].str.startswith("B").any()
    assert any("Model B was not fitted" in message for message in results.messages)


def test_texts_stay_out_unless_asked_for(study: SimulatedStudy) -> None:
    items = sorted(study.inputs.predictions["item_id"].unique())
    texts = pd.DataFrame({"item_id": items, "text": [f"post {name}" for name in items]})
    small = simulate_study(Design(items=20, sizes={"gender": 2}), 6, minimum_minority=5)
    hidden = analyse_study(replace(small.inputs, texts=texts))
    shown = replace(
        small.inputs, texts=texts, study=study_entry(("small", "small+tuned"), show_texts=True, minimum_minority=5)
    )
    assert hidden.tables["divided_items"]["text"].isna().all()
    assert analyse_study(shown).tables["divided_items"]["text"].str.startswith("post item").all()
