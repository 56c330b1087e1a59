"""Tests of terms of the models of answers (A and B)."""

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults
from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.model_rows import item_formula, model_rows
from bias_platform.analysis.named_personas import fit_named_personas
from bias_platform.statistics import fit_mixed_model, wald_test
from bias_platform_tests.analysis.simulated_study import Design, SimulatedStudy, simulate_study

THESE, BEYOND = "these wordings", "beyond wording"


@pytest.fixture(scope="module")
def tests(results: RegressionResults) -> pd.DataFrame:
    table = results.tables["term_tests"]
    return table[table["model"] == "A, named personas"].set_index(["scope", "term"])


def test_model_a_tests_its_terms_in_the_primary_reading_only(tests: pd.DataFrame) -> None:
    wide = [(BEYOND, "persona"), (BEYOND, "persona × system")]
    assert tests.index.tolist() == [(THESE, "persona"), (THESE, "persona × system"), (THESE, "template"), *wide]
    assert (tests["reading"] == "primary").all()
    assert (tests["systems"] == "all systems").all()
    assert tests["df"].tolist() == [7, 7, 2, 7, 7]


def test_f_is_the_default_and_asks_more_than_wald(tests: pd.DataFrame) -> None:
    wide = tests.loc[[BEYOND]]
    np.testing.assert_allclose(wide["f"] * wide["df"], wide["wald"])
    given_back = tests["f"] * tests["df"] / tests["wald"]
    assert (given_back < 1.0 + 1e-9).all()
    assert given_back[(THESE, "persona")] < 0.99  # what plain likelihood takes off the variance of item x persona
    assert (tests["f_df"] <= tests["df"] + 1e-9).all()
    near = tests[tests["wald_p"] < 0.1]
    assert (near["f_p"] > near["wald_p"]).all()
    assert tests.loc[(BEYOND, "persona"), "f_denominator_df"] < tests.loc[(THESE, "persona"), "f_denominator_df"]


def test_a_contained_term_has_no_likelihood_ratio(tests: pd.DataFrame) -> None:
    assert tests["lr"].isna().tolist() == [True, False, False, True, False]
    assert (tests["lr"].dropna() > 0).all()


def test_the_persona_term_is_averaged_over_systems(study: SimulatedStudy, tests: pd.DataFrame) -> None:
    data = model_rows(prepare_answers(study.inputs), "primary", set())
    formula = str(item_formula(data))
    assert "C(persona, contr.sum) * C(system, contr.sum)" in formula
    whole = fit_mixed_model(formula, data)
    assert tests.loc[(THESE, "persona"), "wald"] == pytest.approx(wald_test(whole, "persona")[0], rel=1e-6)
    # without the interaction, coding is of no matter and the main effect is nearly the same
    without = formula.replace("* C(system, contr.sum)", "+ system").replace("C(persona, contr.sum)", "persona")
    main = wald_test(fit_mixed_model(without, data), "persona")[0]
    assert tests.loc[(THESE, "persona"), "wald"] == pytest.approx(main, rel=0.1)


def test_one_system_has_no_interaction_to_test() -> None:
    design = Design(items=30, sizes={"gender": 3}, systems=("only",), templates=1)
    model = fit_named_personas(prepare_answers(simulate_study(design, 3).inputs), "primary", set(), 5)
    assert [row["term"] for row in model.records.tests] == ["persona"]
    assert [row["systems"] for row in model.records.tests] == ["only"]


def test_planted_personas_are_found_and_the_wordings_are_told_apart() -> None:
    design = Design(items=40, sizes={"gender": 4}, systems=("only",), persona_sd=1.5, wording_sd=0.0)
    model = fit_named_personas(prepare_answers(simulate_study(design, 4).inputs), "primary", set(), 5)
    assert all(float(str(row["f_p"])) < 0.01 for row in model.records.tests if row["term"] == "persona")
