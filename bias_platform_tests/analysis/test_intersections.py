"""Crossed personas: what two traits do beyond their sum, by cells, jointly and on the log-odds scale."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis import analyse_study
from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.further_findings import _all_at_once
from bias_platform.analysis.intersections import crossed_contrasts, crossed_tests
from bias_platform.analysis.material import Material, gather
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, THESE_WORDINGS
from bias_platform.schemas.results_of_intersections import BEYOND_THE_SUM, FOUR_CELLS
from bias_platform_tests.analysis.simulated_people import GRID, GRID_SIZES, Sampled, answered, inputs_of
from bias_platform_tests.analysis.simulated_study import CONTROL

PERSONAS = [CONTROL, *(p for members in GRID_SIZES.values() for p in members)]
CROSSED = {"ab": GRID}


def material(design: Sampled, seed: int, personas: list[str] | None = None) -> Material:
    found = answered(design, personas or PERSONAS, np.random.default_rng(seed))
    sizes = {d: tuple(p for p in members if p in found.personas) for d, members in GRID_SIZES.items()}
    inputs = inputs_of(found, {d: members for d, members in sizes.items() if members})
    return gather(prepare_answers(inputs), PRIMARY, inputs.study.analysis)


@pytest.fixture(scope="module")
def planted() -> Material:
    """One crossed persona says Yes far more often than its two traits explain, in the second system."""
    return material(Sampled(items=150, effects={"ab-12": (0.0, 2.0)}), 4)


def test_each_interaction_is_the_signed_sum_of_its_cells(planted: Material) -> None:
    table = crossed_contrasts(planted, CROSSED)
    assert table.groupby(["kind", "scope"]).size().to_dict() == {
        (BEYOND_THE_SUM, BEYOND_WORDING): 12,
        (BEYOND_THE_SUM, THESE_WORDINGS): 12,
        (FOUR_CELLS, BEYOND_WORDING): 6,
        (FOUR_CELLS, THESE_WORDINGS): 6,
    }
    for row in table.itertuples():
        words = str(row.combination).split()
        cells = [planted.cell(p, str(row.system)).mean() for p in words[1::2]]
        assert row.difference == pytest.approx(np.dot([1, -1, -1, 1], cells), abs=1e-12)
        assert words[::2] == ["+", "−", "−", "+"]
    four = table[(table["kind"] == FOUR_CELLS) & (table["label"] == "ab 00 − ab 02 against ab 10 − ab 12")]
    assert set(four["combination"]) == {"+ ab-00 − ab-02 − ab-10 + ab-12"}


def test_a_planted_interaction_is_found_where_it_is(planted: Material) -> None:
    table = crossed_contrasts(planted, CROSSED)
    found = table[(table["kind"] == BEYOND_THE_SUM) & table["significant"] & (table["scope"] == THESE_WORDINGS)]
    assert found[["system", "label"]].to_numpy().tolist() == [["small+tuned", "ab 12"]]
    tests = crossed_tests(planted, CROSSED).query("scope == 'these wordings'").set_index(["kind", "system"])
    assert tests["df"].to_dict() == {
        (BEYOND_THE_SUM, "small"): 6.0,
        (BEYOND_THE_SUM, "small+tuned"): 6.0,
        (FOUR_CELLS, "small"): 2.0,  # three differences of differences, of which two are independent
        (FOUR_CELLS, "small+tuned"): 2.0,
    }
    assert tests["significant"].to_dict() == {key: key[1] == "small+tuned" for key in tests.index}


def test_the_joint_test_does_not_depend_on_how_interactions_are_written(planted: Material) -> None:
    turned = GRID.model_copy(update={"of": ("b", "a"), "cells": {p: pair[::-1] for p, pair in GRID.cells.items()}})
    own, other = (crossed_tests(planted, {"ab": one}) for one in (GRID, turned))
    np.testing.assert_allclose(own[["f", "f_df", "p_value"]], other[["f", "f_df", "p_value"]], rtol=1e-9)


def test_without_single_traits_only_four_cells_are_left() -> None:
    alone = material(Sampled(items=30), 1, [CONTROL, *GRID_SIZES["ab"]])
    assert set(crossed_contrasts(alone, CROSSED)["kind"]) == {FOUR_CELLS}
    incomplete = material(Sampled(items=30), 1, [p for p in PERSONAS if p not in ("ab-00", "ab-11", "b-2")])
    table = crossed_contrasts(incomplete, CROSSED)
    assert set(table["label"]) == {"ab 01", "ab 10"}
    assert crossed_contrasts(incomplete, {}).empty


def test_log_odds_are_those_of_model_a() -> None:
    inputs = inputs_of(answered(Sampled(items=40), PERSONAS, np.random.default_rng(2)), GRID_SIZES)
    results = analyse_study(replace(inputs, crossed=CROSSED))
    cells = results.tables["persona_probabilities"].query("scope == 'these wordings'")
    log_odds = cells.set_index(["system", "persona_id"])["log_odds"]
    table: pd.DataFrame = results.tables["crossed_contrasts"].query("scope == 'these wordings'")
    assert table["log_odds"].notna().all()
    for row in table.itertuples():
        values = [log_odds[row.system, p] for p in str(row.combination).split()[1::2]]
        assert row.log_odds == pytest.approx(np.dot([1, -1, -1, 1], values), abs=1e-8)
    assert sum("sum of two traits" in sentence for sentence in results.summary) == 1
    families = " ".join(results.tables["test_families"]["family"])
    assert "crossed personas beyond additivity, all systems, primary, these wordings, four cells" in families


def test_one_interaction_that_stands_out_is_told_with_the_joint_test() -> None:
    shown = {"kind": "beyond the sum", "scope": "beyond wording", "system": "tiny"}
    tests = pd.DataFrame([{**shown, "p_adjusted": 0.087, "significant": False}])
    assert "do not show it (adjusted p 0.087)" in _all_at_once(tests, shown)
    assert _all_at_once(tests.assign(significant=True, p_adjusted=0.01), shown) == ""
    assert _all_at_once(tests, {**shown, "system": "other"}) == ""
