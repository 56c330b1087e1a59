"""Adaptive Gauss-Hermite quadrature against glmer(nAGQ = n) and clmm(nAGQ = n)."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from bias_platform.statistics import (
    MixedModelFit,
    ModelError,
    bootstrap_likelihood_ratio_test,
    fit_mixed_model,
    likelihood_ratio_test,
    profile_intervals,
    proportional_odds_test,
    term_tests,
)
from bias_platform_tests.statistics.ordinal_cases import as_in_r, data_named, golden

BINOMIAL = ("cbpp_1", "cbpp_5", "cbpp_25", "high_1", "high_5", "high_25")
ORDINAL = ("wine_7", "wine_15", "ratings_7", "ratings_25")
CASES = BINOMIAL + ORDINAL


@cache
def fit_of(case: str) -> MixedModelFit:
    reference = golden(case)
    formula = reference["formula"].replace("~ period", "~ C(period)")
    family = "binomial" if case in BINOMIAL else "ordinal"
    nodes = {"quadrature_nodes": reference["nodes"]} if reference["nodes"] > 1 else {}
    return fit_mixed_model(formula, data_named(reference["data"]), family=family, **nodes)


def saturated(case: str) -> float:
    """By quadrature glmer gives the log-likelihood above that of the observed rates; it is 0 of 0/1 answers."""
    if not case.startswith("cbpp") or golden(case)["nodes"] == 1:
        return 0.0
    data = data_named("cbpp")
    return float(binom.logpmf(data["incidence"], data["size"], data["incidence"] / data["size"]).sum())


@pytest.mark.parametrize("case", CASES)
def test_loglik(case: str) -> None:
    fit = fit_of(case)
    assert golden(case)["gradient"] < 1e-4
    assert fit.converged
    assert fit.loglik == pytest.approx(golden(case)["loglik"] + saturated(case), rel=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_coefficients_and_deviations(case: str) -> None:
    reference, ours = golden(case), fit_of(case)
    theirs, sd = reference["coefficients"], reference["sd"]
    errors = np.array(theirs["standard_error"])
    names = [
        as_in_r(name).replace("C(period)", "period").replace("Intercept", "(Intercept)")
        for name in ours.fixed_effects.index
    ]
    assert names == theirs["name"]
    assert np.abs((ours.fixed_effects["estimate"] - theirs["estimate"]) / errors).max() < 0.005
    assert np.abs(ours.fixed_effects["standard_error"] / errors - 1).max() < 0.005
    found = ours.variance_components.iloc[0]
    error = reference["sd_standard_error"]
    expected = [next(iter(one.values())) if isinstance(one, dict) else one for one in (sd, error)]
    assert found["sd"] == pytest.approx(expected[0], rel=1e-3)
    assert found["sd_standard_error"] == pytest.approx(expected[1], rel=5e-3)


def test_more_nodes_settle() -> None:
    """Where a rater has three to nine answers Laplace's deviation is too small; 25 nodes and more agree."""
    data, formula = data_named("ratings"), golden("ratings_25")["formula"]
    many = fit_mixed_model(formula, data, family="ordinal", quadrature_nodes=41)
    assert many.loglik == pytest.approx(fit_of("ratings_25").loglik, abs=1e-6)
    assert (
        fit_mixed_model(formula, data, family="ordinal").variance_components["sd"].iloc[0]
        < many.variance_components["sd"].iloc[0]
    )


MISTAKES = {
    "grade ~ persona + (1 | item) + (1 | item:persona)": "one random intercept",
    "grade ~ persona + (1 + C(template) | item)": "one random intercept",
}


@pytest.mark.parametrize("formula", MISTAKES)
def test_only_one_random_intercept(formula: str) -> None:
    with pytest.raises(ModelError, match=MISTAKES[formula]):
        fit_mixed_model(formula, data_named("graded"), family="ordinal", quadrature_nodes=7)


@pytest.mark.parametrize("nodes", [0, -3])
def test_nodes_are_counted(nodes: int) -> None:
    with pytest.raises(ModelError, match="quadrature_nodes"):
        fit_mixed_model("grade ~ persona + (1 | item)", data_named("graded"), family="ordinal", quadrature_nodes=nodes)


def test_not_for_gaussian_models() -> None:
    data = data_named("ratings")
    with pytest.raises(ModelError, match="quadrature"):
        fit_mixed_model("dose ~ arm + (1 | rater)", data, family="gaussian", quadrature_nodes=7)


@pytest.mark.parametrize("family", ["binomial", "ordinal"])
def test_likelihood_ratios_of_a_fit_by_quadrature_are_by_quadrature(family: str) -> None:
    """Few answers of items that differ a lot: there Laplace's likelihood is another one."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"item": np.repeat(np.arange(60), 6), "coin": rng.integers(0, 2, 360)})
    latent = 6.0 * rng.normal(size=60)[data["item"]] + rng.logistic(size=360)
    data["answer"] = np.digitize(latent, [0.0] if family == "binomial" else [-1.0, 1.0])
    formula = "answer ~ {} + (1 | item)"
    wide, narrow = (
        fit_mixed_model(formula.format(fixed), data, family=family, quadrature_nodes=15) for fixed in ("coin", "1")
    )
    expected = 2.0 * (wide.loglik - narrow.loglik)
    assert likelihood_ratio_test(wide, "coin")[0] == pytest.approx(expected, abs=1e-4)
    assert term_tests(wide)["lr"].iloc[0] == pytest.approx(expected, abs=1e-4)
    test = bootstrap_likelihood_ratio_test(wide, "coin", replicates=19, seed=1)
    assert test.statistic == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ModelError, match="A profile compares likelihoods by Laplace"):
        profile_intervals(wide, "item")
    if family == "ordinal":
        with pytest.raises(ModelError, match="fitted with 15 quadrature nodes: fit it without"):
            proportional_odds_test(wide)
