"""The models of errors by target and against people give glmmTMB's numbers on the same rows."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis.error_models import error_formula
from bias_platform.analysis.people_models import FORMULA
from bias_platform.statistics import MixedModelFit, fit_mixed_model, term_tests
from bias_platform_tests.statistics.golden_cases import GOLDEN, data_of


def golden(case: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((GOLDEN / "people_models.json").read_text())[case]
    return kept


@pytest.fixture(scope="module")
def errors() -> MixedModelFit:
    """Model B of errors."""
    data = data_of("errors")
    return fit_mixed_model(error_formula(data), data)


@pytest.fixture(scope="module")
def people() -> MixedModelFit:
    """Model C."""
    data = data_of("people")
    sources = pd.Categorical(data["source"], ["people", "generic", "persona"])
    return fit_mixed_model(FORMULA, data.assign(source=sources))


@pytest.mark.parametrize("case", ["errors", "people"])
def test_likelihood_coefficients_and_deviations(case: str, request: pytest.FixtureRequest) -> None:
    fit, kept = request.getfixturevalue(case), golden(case)
    assert fit.n_observations == kept["rows"]
    assert fit.loglik == pytest.approx(kept["loglik"], rel=1e-8)
    found = fit.fixed_effects
    np.testing.assert_allclose(found["estimate"], kept["coefficients"]["estimate"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["standard_error"], kept["coefficients"]["standard_error"], rtol=1e-4)
    np.testing.assert_allclose(fit.variance_components["sd"], list(kept["sd"].values()), rtol=1e-3)


def test_the_interaction_is_tested_against_personas_by_target(errors: MixedModelFit) -> None:
    row = term_tests(errors, ["group:target"], likelihood_ratio=False).iloc[0]
    kept = golden("errors")["interaction"]
    assert row["wald"] == pytest.approx(kept["chisq"], rel=1e-4)
    assert row["carrier"] == "persona:target"
    assert row["df"] == kept["df"] == (3 - 1) * (3 - 1)
    assert row["denominator_df"] == (12 - 3) * (3 - 1)
    # what plain likelihood takes off the carrier's variance is given back: 18 of its 18 + 6 dimensions are left
    assert row["f"] == pytest.approx(kept["chisq"] / 4 * 18 / 24, rel=1e-4)
