"""Fits against glmmTMB on lme4's data sets and on simulated designs."""

import re

import numpy as np
import pytest
from scipy.stats import chi2

from bias_platform.statistics import likelihood_ratio_test
from bias_platform_tests.statistics.golden_cases import CASES, fit_of, golden


@pytest.mark.parametrize("case", CASES)
def test_loglik(case: str) -> None:
    assert fit_of(case).converged
    assert fit_of(case).loglik == pytest.approx(golden(case)["loglik"], rel=1e-6)
    assert fit_of(case).df_model == golden(case)["df"]


@pytest.mark.parametrize("case", CASES)
def test_coefficients_and_standard_errors(case: str) -> None:
    reference, ours = golden(case)["coefficients"], fit_of(case).fixed_effects
    errors = np.array(reference["standard_error"])
    assert len(ours) == len(errors)
    assert np.abs((ours["estimate"] - reference["estimate"]) / errors).max() < 0.005
    assert np.abs(ours["standard_error"] / errors - 1).max() < 0.005
    assert np.abs(ours["p"] - reference["p"]).max() < 2e-4


@pytest.mark.parametrize("case", CASES)
def test_names_of_coefficients(case: str) -> None:
    ours = [re.sub(r"C\((\w+)[^)]*\)", r"\1", name) for name in fit_of(case).fixed_effects.index]
    ours = [re.sub(r"\[[TS]\.([^]]*)\]", r"\1", name).replace("Intercept", "(Intercept)") for name in ours]
    theirs = golden(case)["coefficients"]["name"]
    plain = [k for k, name in enumerate(theirs) if not name.startswith("template")]
    assert [ours[k] for k in plain] == [theirs[k] for k in plain]


@pytest.mark.parametrize("case", CASES)
def test_variance_components(case: str) -> None:
    ours = fit_of(case).variance_components.set_index("term")["variance"]
    for term, sd in golden(case)["sd"].items():
        assert ours[term] == pytest.approx(sd**2, rel=1e-3)


def test_likelihood_ratio_of_the_interaction() -> None:
    statistic, df, p = likelihood_ratio_test(fit_of("model_a"), "persona:system")
    reference = golden("model_a")["interaction"]
    assert df == reference["df"]
    assert statistic == pytest.approx(reference["chisq"], rel=1e-5)
    assert p == pytest.approx(chi2.sf(reference["chisq"], df), rel=1e-4)


def test_an_unasked_cell_is_dropped_by_name() -> None:
    diagnostics = fit_of("rare").diagnostics
    assert diagnostics.dropped_columns == ("persona[T.p4]:system[T.tuned]",)
    assert "persona=p4, system=tuned" in diagnostics.degenerate_cells
    assert any("No answers at all in persona=p4, system=tuned" in text for text in fit_of("rare").messages)
