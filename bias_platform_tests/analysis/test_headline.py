"""What the sentences claim, and what they must not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults, analyse_study
from bias_platform.analysis.headline import write_headline, write_summary
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform_tests.analysis.simulated_study import Design, simulate_study

SETTINGS = AnalysisSettings()


def _quiet(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(significant=False, p_adjusted=1.0)


def _with(results: RegressionResults, **tables: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {**results.tables, **tables}


def _about(tables: dict[str, pd.DataFrame], words: str) -> str:
    return next((sentence for sentence in write_summary(tables, SETTINGS) if words in sentence), "")


def test_dimensions_of_one_persona_make_a_report() -> None:
    inputs = simulate_study(Design(items=20, sizes={"gender": 1, "race": 1}), 4, minimum_minority=3).inputs
    results = analyse_study(inputs)
    assert results.tables["persona_pairs"].empty
    assert results.tables["dimension_spreads"].empty
    assert not any("dimension" in sentence for sentence in results.summary)


def test_no_change_found_is_not_no_change(results: RegressionResults) -> None:
    changes = _quiet(results.tables["system_changes"])
    sentence = _about(_with(results, system_changes=changes), "between systems")
    assert sentence.startswith("None of 7 comparisons between systems (1 change × personas) is detectable")
    assert "simultaneous 95 % interval" in sentence
    assert sentence.endswith("Not found is not the same as absent.")
    bare = changes.drop(columns=["simultaneous_lower", "simultaneous_upper", "equivalent"], errors="ignore")
    assert "of this one alone" in _about(_with(results, system_changes=bare), "between systems")


def test_changes_that_could_not_be_tested_are_said_to_be_so(results: RegressionResults) -> None:
    changes = _quiet(results.tables["system_changes"]).assign(p_value=np.nan)
    assert _about(_with(results, system_changes=changes), "could not be compared")


def test_the_spread_sentence_claims_only_what_is_significant(results: RegressionResults) -> None:
    spreads = results.tables["dimension_spreads"]
    none = _about(_with(results, dimension_spreads=_quiet(spreads)), "pairs of system and dimension")
    assert none.startswith("In none of 4 pairs of system and dimension")
    assert "by chance alone" in none
    loud = _quiet(spreads)
    loud.loc[spreads["spread"].idxmin(), ["significant", "simultaneous_lower"]] = [True, 0.01]
    some = _about(_with(results, dimension_spreads=loud), "pairs of system and dimension")
    assert some.startswith("In 1 of 4 pairs of system and dimension")
    assert str(spreads.loc[spreads["spread"].idxmin(), "dimension"]) in some
    assert "noise-corrected standard deviation" in some


def test_dimensions_are_called_alike_only_where_their_bounds_are_within_the_margin(results: RegressionResults) -> None:
    spreads = _quiet(results.tables["dimension_spreads"])
    none = _about(
        _with(results, dimension_spreads=spreads.assign(within_margin=False)), "pairs of system and dimension"
    )
    assert "0 of 4 such pairs are shown to have no two personas more than 5.0 points apart." in none
    assert none.endswith("Not found is not the same as absent.")
    rows = spreads.index[spreads["scope"] == "these wordings"][:2]
    spreads.loc[rows, ["within_margin", "simultaneous_upper"]] = [[True, 0.031], [True, 0.042]]
    some = _about(_with(results, dimension_spreads=spreads), "pairs of system and dimension")
    assert "2 of 4 such pairs are shown to have no two personas more than 5.0 points apart (at most 4.2" in some


def test_whatever_is_not_found_is_not_called_absent(results: RegressionResults, scored: RegressionResults) -> None:
    """Every sentence that finds nothing says so, but for those that count what both readings or scopes find."""
    quiet = {name: _quiet(table) for name, table in results.tables.items() if "significant" in table}
    for words in ("with no persona at all", "between systems", "pairs of system and dimension"):
        sentence = _about({**results.tables, **quiet}, words)
        assert sentence.endswith("Not found is not the same as absent."), sentence
    quiet = {name: _quiet(table) for name, table in scored.tables.items() if "significant" in table}
    for words in ("scores behind the answers", "of these differences between systems"):
        sentence = _about({**scored.tables, **quiet}, words)
        assert sentence.endswith("Not found is not the same as absent."), sentence
    only_scores = {**scored.tables, "control_contrasts": quiet["control_contrasts"]}
    only_scores["scored_contrasts"] = scored.tables["scored_contrasts"].assign(significant=True)
    assert "Not found is not the same as absent." in _about(only_scores, "Scores move before an answer does")


def test_spreads_are_tested_as_one_family(results: RegressionResults) -> None:
    spreads = results.tables["dimension_spreads"]
    assert (spreads["p_adjusted"] >= spreads["p_value"]).all()
    assert (spreads["simultaneous_lower"] <= spreads["spread_lower"]).all()
    assert (spreads["simultaneous_upper"] >= spreads["spread_upper"]).all()


def test_bounds_and_coverage_stand_beside_the_headline(results: RegressionResults) -> None:
    headline = write_headline(results.tables, SETTINGS)
    assert "Worst-case bounds of the difference are" in headline
    assert "for the generic person." in headline
    full = results.tables["persona_outcomes"].assign(coverage=1.0)
    assert "Worst-case" not in write_headline(_with(results, persona_outcomes=full), SETTINGS)


def test_nothing_found_names_one_scope_and_counts_what_was_compared(results: RegressionResults) -> None:
    table = _quiet(results.tables["control_contrasts"])
    lost = (table["system"] == "small") & (table["persona_id"] == "race-0")
    table.loc[lost, ["p_value", "difference"]] = np.nan
    headline = write_headline(_with(results, control_contrasts=table.assign(detectable=1.4)), SETTINGS)
    assert headline.startswith("No persona differs detectably from the generic person in any of 2 systems")
    assert "(13 comparisons" in headline
    assert "Not even a difference of 100 points would" in headline
    assert "beyond" not in headline
    assert "unknown" not in headline
    gone = table.assign(p_value=table["p_value"].where(table["system"] != "small"))
    assert "in small+tuned (1 more could not be compared)" in write_headline(
        _with(results, control_contrasts=gone), SETTINGS
    )


def test_the_headline_shows_a_persona_whose_interval_agrees_with_its_test(results: RegressionResults) -> None:
    table = _quiet(results.tables["control_contrasts"])
    rows = table.index[(table["reading"] == "primary") & (table["scope"] == "these wordings")][:2]
    table.loc[rows, "significant"] = True
    table.loc[rows, "difference"] = [0.3, 0.2]
    table.loc[rows, "simultaneous_lower"] = [-0.01, 0.05]
    table.loc[rows, "simultaneous_upper"] = [0.6, 0.35]
    headline = write_headline(_with(results, control_contrasts=table), SETTINGS)
    assert str(table.loc[rows[1], "label"]) in headline
    assert "20.0 percentage points more" in headline


@pytest.mark.parametrize(("kappa", "said"), [(np.nan, "kappa not defined"), (-0.25, "kappa −0.25")])
def test_kappa_is_written_for_readers(results: RegressionResults, kappa: float, said: str) -> None:
    table = results.tables["human_agreement"].assign(kappa=kappa)
    assert said in _about(_with(results, human_agreement=table), "human majority")


def test_tests_of_groups_are_withheld_where_a_group_has_one_kind_of_answer() -> None:
    inputs = simulate_study(Design(items=20, sizes={"gender": 4}), 5, groups="half", minimum_minority=3).inputs
    predictions = inputs.predictions.copy()
    loud = predictions["persona_id"].isin(["gender-1", "gender-3"]) & (predictions["system"] == "small")
    predictions.loc[loud, "answer"] = "Yes"
    results = analyse_study(replace(inputs, predictions=predictions))
    assert not results.tables["term_tests"]["model"].str.startswith("B").any()
    assert any("tests of model B are withheld" in message for message in results.messages)
