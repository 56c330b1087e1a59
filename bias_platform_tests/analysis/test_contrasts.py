import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from bias_platform.analysis import RegressionResults
from bias_platform.analysis.comparisons import PairedGaps, add_equivalence
from bias_platform.schemas.results import WITH_LOG_ODDS
from bias_platform_tests.analysis.simulated_study import CONTROL, SimulatedStudy

THESE, BEYOND = "these wordings", "beyond wording"


def _primary(results: RegressionResults, name: str) -> pd.DataFrame:
    table = results.tables[name]
    return table[table["reading"] == "primary"] if "reading" in table.columns else table


def test_contrasts_are_near_the_truth(study: SimulatedStudy, results: RegressionResults) -> None:
    table = _primary(results, "control_contrasts")
    table = table[table["scope"] == THESE]
    truth = pd.DataFrame(study.truth.these, list(study.inputs.study.systems), list(study.personas))
    gaps = np.array([truth.loc[r.system, r.persona_id] - truth.loc[r.system, CONTROL] for r in table.itertuples()])
    assert ((table["lower"] <= gaps) & (gaps <= table["upper"])).mean() > 0.8
    assert (table["method"] == WITH_LOG_ODDS).all()
    assert table["log_odds"].notna().all()


def test_claims_widen_in_the_right_order(results: RegressionResults) -> None:
    table = _primary(results, "control_contrasts").set_index(["system", "persona_id"])
    these, beyond = table[table["scope"] == THESE], table[table["scope"] == BEYOND]
    assert (beyond["standard_error"] >= these["standard_error"] - 1e-12).all()
    assert (table["simultaneous_lower"] <= table["lower"]).all()
    assert (table["simultaneous_upper"] >= table["upper"]).all()
    assert (table["bound_low"] <= table["bound_high"]).all()
    assert (table["p_adjusted"] >= table["p_value"]).all()
    assert (table["significant"] == (table["p_adjusted"] < 0.05)).all()


def test_equivalence_needs_a_narrow_interval_inside_the_margin(results: RegressionResults) -> None:
    table = results.tables["control_contrasts"]
    assert not (table["equivalent"] & table["significant"] & (table["difference"].abs() > 0.05)).any()
    shown = table[table["equivalent"]]
    assert ((shown["difference"].abs() + 1.6 * shown["standard_error"]) < 0.05).all()


def test_pairs_are_differences_of_contrasts(results: RegressionResults) -> None:
    pairs = results.tables["persona_pairs"]
    contrasts = _primary(results, "control_contrasts").set_index(["scope", "system", "persona_id"])["difference"]
    assert len(pairs) == 2 * 2 * (3 + 6)
    for row in pairs.itertuples():
        gap = contrasts[row.scope, row.system, row.persona_id] - contrasts[row.scope, row.system, row.other_id]
        assert row.difference == pytest.approx(gap, abs=1e-9)
        n = row.more_yes_items + row.fewer_yes_items
        assert row.sign_p == pytest.approx(binomtest(row.more_yes_items, n).pvalue)
        assert 0 < row.disagreement < 1


def test_changes_are_differences_between_systems(results: RegressionResults) -> None:
    changes = _primary(results, "system_changes")
    contrasts = _primary(results, "control_contrasts").set_index(["scope", "system", "persona_id"])
    assert len(changes) == 2 * 7
    for row in changes.itertuples():
        after = contrasts.loc[(row.scope, row.to_system, row.persona_id)]
        before = contrasts.loc[(row.scope, row.from_system, row.persona_id)]
        assert row.difference == pytest.approx(after["difference"] - before["difference"], abs=1e-9)
        assert row.log_odds == pytest.approx(after["log_odds"] - before["log_odds"], abs=1e-9)


def test_spreads_are_those_of_the_probabilities(results: RegressionResults) -> None:
    spreads = results.tables["dimension_spreads"]
    cells = _primary(results, "persona_probabilities")
    for row in spreads.itertuples():
        inside = cells[(cells["scope"] == row.scope) & (cells["system"] == row.system)]
        values = inside.loc[inside["dimension"] == row.dimension, "probability"]
        assert row.spread == pytest.approx(np.ptp(values))
        assert row.deviation <= values.std() + 1e-12
        assert row.spread_lower <= row.spread <= row.spread_upper


def test_baseline_is_compared_item_by_item(study: SimulatedStudy, results: RegressionResults) -> None:
    row = results.tables["baseline_differences"].set_index(["system", "persona_id"]).loc[("small", "gender-1")]
    mine = study.inputs.predictions[study.inputs.predictions["system"] == "small"]
    mine = mine[mine["answer"].isin(["Yes", "Maybe", "No"])].assign(yes=mine["answer"] == "Yes")
    by_item = mine.groupby(["persona_id", "item_id"])["yes"].mean().unstack(0)
    gaps = (by_item["gender-1"] - by_item["no-persona"]).dropna()
    assert row["items"] == len(gaps)
    assert row["difference"] == pytest.approx(gaps.mean())
    assert row["standard_error"] == pytest.approx(gaps.std() / np.sqrt(len(gaps)))


def test_families_are_counted(results: RegressionResults) -> None:
    families = results.tables["test_families"]
    headline = families[families["headline"]]
    assert headline["tests"].tolist() == [14, 14]
    assert (
        len(families) == 2 * 2 + 2 + 2 * 2 + 1 + 2 + 2 + 1 + 2
    )  # contrasts, pairs, changes, baseline, spreads, grades and no judgement, wordings, changes of spreads


def test_differences_of_probabilities_are_item_paired(study: SimulatedStudy, results: RegressionResults) -> None:
    table = _primary(results, "control_contrasts").set_index(["scope", "system", "persona_id"])
    mine = study.inputs.predictions[study.inputs.predictions["system"] == "small"]
    mine = mine[mine["answer"].isin(["Yes", "Maybe", "No"])].assign(yes=mine["answer"] == "Yes")
    by_item = mine.groupby(["persona_id", "item_id"])["yes"].mean().unstack(0)
    gaps = (by_item["race-2"] - by_item[CONTROL]).dropna()
    row = table.loc[(THESE, "small", "race-2")]
    assert row["difference"] == pytest.approx(gaps.mean())
    assert row["standard_error"] == pytest.approx(gaps.std() / np.sqrt(len(gaps)))
    assert row["df"] == len(gaps) - 1
    beyond = table.loc[(BEYOND, "small", "race-2")]
    assert beyond["difference"] == row["difference"]
    assert beyond["log_odds_standard_error"] >= row["log_odds_standard_error"] > 0


def test_log_odds_are_a_family_of_their_own(results: RegressionResults) -> None:
    table = _primary(results, "control_contrasts")
    for _, part in table.groupby("scope"):
        smallest = part["log_odds_p"].min()
        assert part["log_odds_p_adjusted"].min() == pytest.approx(min(1.0, smallest * len(part)))


def test_changes_have_simultaneous_intervals(results: RegressionResults) -> None:
    changes = _primary(results, "system_changes")
    assert (changes["simultaneous_lower"] < changes["lower"]).all()
    assert (changes["simultaneous_upper"] > changes["upper"]).all()
    assert (changes["detectable"] > 0).all()


def test_equivalence_is_refused_where_too_few_items_could_show_a_rare_effect() -> None:
    table = pd.DataFrame({"difference": [0.0, 0.0], "standard_error": [0.001, 0.001], "df": [40.0, 80.0]})
    gaps = np.zeros((80, 2))
    gaps[40:, 0] = np.nan
    paired = PairedGaps(gaps, np.zeros((2, 2)), np.ones(2), 1.0, 1e-9)
    found = add_equivalence(table, 0.05, "holm", 0.95, paired)
    assert found["equivalent"].tolist() == [False, True]
    assert np.isnan(found["equivalence_p"].iloc[0])
