"""Against R: glm, sandwich (one and two ways), geepack, clubSandwich and emmeans; against statsmodels where R has none.

The data are unbalanced (every eleventh row left out), with a continuous predictor, or counts.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from bias_platform.statistics import versus_reference
from bias_platform.statistics.average_probabilities import average_probabilities
from bias_platform.statistics.marginal_models import Correlation, MarginalModelFit, fit_gee, fit_glm
from bias_platform_tests.statistics.marginal_cases import case, marginal_golden

CASES = ("named", "few", "verbagg", "cbpp")
TWO_WAYS = ("named", "few", "verbagg")


def assert_covariance(found: pd.DataFrame, kept: Any, near: float = 1e-7) -> None:
    """Entries, measured in standard errors."""
    errors = np.sqrt(np.diag(np.asarray(kept)))
    assert np.abs((found.to_numpy() - np.asarray(kept)) / np.outer(errors, errors)).max() < near


@pytest.mark.parametrize("name", CASES)
def test_glm(name: str) -> None:
    model, kept = case(name), marginal_golden()[name]
    naive = fit_glm(model.formula, model.data)
    assert naive.beta == pytest.approx(kept["coefficients"], rel=1e-8, abs=1e-9)
    assert_covariance(naive.covariance, kept["naive"])
    clustered = fit_glm(model.formula, model.data, model.groupings[:1])
    assert clustered.beta == pytest.approx(naive.beta, rel=1e-12)
    assert_covariance(clustered.covariance, kept["clustered"])


@pytest.mark.parametrize("name", TWO_WAYS)
def test_two_ways_of_clusters(name: str) -> None:
    """Two of the three are not positive semi-definite: where R is told to mend it, and where it is not, differ."""
    model, kept = case(name), marginal_golden()[name]
    fit = fit_glm(model.formula, model.data, model.groupings)
    assert_covariance(fit.covariance, kept["two_way_fixed"])
    smallest = np.linalg.eigvalsh(np.asarray(kept["two_way"])).min()
    assert fit.made_definite == (smallest < 0) == (name != "verbagg")
    assert any("negative eigenvalues were set to zero" in text for text in fit.messages) == fit.made_definite
    other = fit_glm(model.formula, model.data, model.groupings[1:]) if name != "few" else None
    if other is not None:
        assert_covariance(other.covariance, kept["other"])


@pytest.mark.parametrize("correlation", ["independence", "exchangeable"])
@pytest.mark.parametrize("name", CASES)
def test_gee(name: str, correlation: Correlation) -> None:
    model, kept = case(name), marginal_golden()[name][correlation]
    fit = fit_gee(model.formula, model.data, model.groupings[0], correlation=correlation)
    assert fit.beta == pytest.approx(kept["coefficients"], rel=1e-7, abs=1e-8)
    assert fit.working_correlation == pytest.approx(kept["correlation"], rel=1e-7)
    assert_covariance(fit.covariance, kept["covariance"])


@pytest.mark.parametrize("name", CASES)
def test_mancl_and_derouen_with_independence(name: str) -> None:
    model, kept = case(name), marginal_golden()[name]
    fit = fit_gee(
        model.formula, model.data, model.groupings[0], correlation="independence", small_sample="mancl_derouen"
    )
    assert_covariance(fit.covariance, kept["mancl_derouen"])


def _by_statsmodels(name: str) -> Any:
    """Its scale and correlation without a correction for the number of coefficients, as geepack's are."""
    model = case(name)
    fitted = smf.gee(
        model.formula,
        model.groupings[0],
        model.data,
        family=sm.families.Binomial(),
        cov_struct=sm.cov_struct.Exchangeable(),
    )
    return fitted.fit(ddof_scale=0, ctol=1e-11, maxiter=200, cov_type="bias_reduced")


@pytest.mark.parametrize("name", ["named", "few"])
def test_mancl_and_derouen_with_exchangeable(name: str) -> None:
    """Statsmodels' "bias_reduced" is right: its matrices are of the size of a cluster, ours of the coefficients."""
    model, kept = case(name), _by_statsmodels(name)
    fit = fit_gee(model.formula, model.data, model.groupings[0], small_sample="mancl_derouen")
    assert fit.beta == pytest.approx(kept.params[fit.covariance.columns].to_numpy(), abs=1e-8)
    assert_covariance(fit.covariance, kept.cov_robust_bc)
    plain = fit_gee(model.formula, model.data, model.groupings[0])
    assert (np.diag(fit.covariance) > np.diag(plain.covariance)).all()


@pytest.mark.parametrize(("kind", "ways"), [("averages", 1), ("two_way_averages", 2)])
@pytest.mark.parametrize("name", ["named", "few"])
def test_average_probabilities(name: str, kind: str, ways: int) -> None:
    """The wordings of the rows as they are: emmeans with weights as frequent as they are."""
    model, kept = case(name), marginal_golden()[name][kind]
    means = average_probabilities(_fit(name, ways), "persona")
    gaps = versus_reference(means, "persona", "control").on("probability")
    assert means.on("probability").values == pytest.approx(kept["means"], abs=1e-9)
    assert means.on("probability").standard_errors == pytest.approx(kept["mean_errors"], rel=1e-7)
    assert gaps.values == pytest.approx(kept["gaps"], abs=1e-9)
    assert gaps.standard_errors == pytest.approx(kept["gap_errors"], rel=1e-7)
    assert len(model.data) % 3


def _fit(name: str, ways: int) -> MarginalModelFit:
    return fit_glm(case(name).formula, case(name).data, case(name).groupings[:ways])
