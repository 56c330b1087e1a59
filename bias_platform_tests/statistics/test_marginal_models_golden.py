"""Against R: glm, sandwich (one and two ways), geepack, clubSandwich and emmeans; where it has none, a formula.

The data are unbalanced (every eleventh row left out), with a continuous predictor, or counts.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from bias_platform.statistics import versus_reference
from bias_platform.statistics.marginal_data import collapse_answers
from bias_platform.statistics.marginal_models import Correlation, MarginalModelFit, fit_gee, fit_glm
from bias_platform.statistics.marginal_probabilities import average_probabilities
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


def _literally(name: str) -> tuple[np.ndarray, float]:
    """Mancl and DeRouen's formula with whole matrices V of every cluster, at geepack's estimates; its largest score."""
    model, kept = case(name), marginal_golden()[name]["exchangeable"]
    data = collapse_answers(model.formula, model.data.assign(row=np.arange(len(model.data))), ["item", "row"])
    mean = expit(data.fixed.patterns @ kept["coefficients"])
    at, clusters = data.fixed.pattern, [np.flatnonzero(data.groupings[0].code == k) for k in range(12)]
    parts = []
    for rows in clusters:
        own = mean[at[rows]]
        deviation = np.sqrt(own * (1 - own))
        correlation = np.where(np.eye(len(rows)), 1.0, kept["correlation"])
        slopes = data.fixed.patterns[at[rows]] * (deviation**2)[:, None]
        weighted = np.linalg.solve(correlation * np.outer(deviation, deviation), slopes)
        parts.append((slopes, weighted, data.successes[rows] - own))
    inverse = np.linalg.inv(sum(slopes.T @ weighted for slopes, weighted, _ in parts))
    freed = [
        weighted.T @ np.linalg.solve(np.eye(len(rest)) - slopes @ inverse @ weighted.T, rest)
        for slopes, weighted, rest in parts
    ]
    return inverse @ np.transpose(freed) @ freed @ inverse, np.abs(sum(w.T @ rest for _, w, rest in parts)).max()


def test_mancl_and_derouen_with_exchangeable() -> None:
    """No package of R here has it: the formula itself, in other coordinates than those of the fit."""
    model, (kept, score) = case("few"), _literally("few")
    assert score < 1e-6
    fit = fit_gee(model.formula, model.data, model.groupings[0], small_sample="mancl_derouen")
    assert_covariance(fit.covariance, kept)
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
