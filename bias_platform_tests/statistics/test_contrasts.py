"""Means and contrasts by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from bias_platform.statistics import (
    Estimates,
    EstimateSet,
    MixedModelFit,
    ModelError,
    all_pairs,
    contrast,
    difference_of_differences,
    fit_mixed_model,
    logistic_normal,
    marginal_means,
    term_tests,
    versus_reference,
    wald_test,
)
from bias_platform_tests.statistics.made_designs import named_personas


@pytest.fixture(scope="module")
def fit() -> MixedModelFit:
    return fit_mixed_model("yes ~ persona * system + x + (1 | item)", named_personas(items=30))


@pytest.mark.parametrize(("eta", "sd"), [(0.0, 0.0), (-3.0, 1.5), (2.0, 3.0), (-6.0, 2.0)])
def test_logistic_normal_is_the_integral(eta: float, sd: float) -> None:
    value, slope, _ = logistic_normal(np.array([eta]), sd)
    exact = quad(lambda z: expit(eta + sd * z) * norm.pdf(z), -12, 12, epsabs=1e-12)[0]
    assert value[0] == pytest.approx(exact, abs=1e-7)
    ahead = logistic_normal(np.array([eta + 1e-5]), sd).mean
    assert slope[0] == pytest.approx((ahead[0] - value[0]) / 1e-5, abs=1e-5)


def test_delta_method_errors_are_the_spread_over_draws_of_beta(fit: MixedModelFit) -> None:
    means = marginal_means(fit, by=["persona"])
    draws = np.random.default_rng(0).multivariate_normal(fit.fixed_effects["estimate"], fit.covariance, 20_000)
    frame = pd.DataFrame({"persona": ["p0"] * 2, "system": ["base", "tuned"], "x": fit.design.fixed.centers["x"]})
    rows, _ = fit.design.fixed.rows(frame)
    sd = fit.predictor_sd(frame)[0]
    sampled = logistic_normal((draws @ rows.T).ravel(), sd).mean.reshape(-1, 2).mean(axis=1)
    assert means.frame("probability")["standard_error"][0] == pytest.approx(sampled.std(), rel=0.05)


def test_integrating_pulls_probabilities_towards_a_half(fit: MixedModelFit) -> None:
    means = marginal_means(fit, by=["system", "persona"])
    whole, middle = means.on("probability").values, means.on("conditional").values
    assert (np.abs(whole - 0.5) < np.abs(middle - 0.5)).all()


def test_other_factors_have_equal_weights(fit: MixedModelFit) -> None:
    both = marginal_means(fit, by=["persona", "system"]).frame("link")
    averaged = both.groupby("persona")["estimate"].mean()
    assert marginal_means(fit, by="persona").frame("link")["estimate"].to_numpy() == pytest.approx(averaged)


def test_numeric_variables_stand_where_they_are_put(fit: MixedModelFit) -> None:
    means = marginal_means(fit, by=["x"], at={"x": np.array([0.0, 1.0])}).on("link").values
    assert means[1] - means[0] == pytest.approx(fit.fixed_effects.loc["x", "estimate"])


def test_a_contrast_is_its_coefficient(fit: MixedModelFit) -> None:
    gaps = versus_reference(marginal_means(fit, by=["system", "persona"]), "persona", "p0", within="system")
    frame = gaps.frame("link").set_index(["system", "level"])
    table = fit.fixed_effects.loc["persona[T.p1]"]
    assert frame.loc[("base", "p1"), "estimate"] == pytest.approx(table["estimate"])
    assert frame.loc[("base", "p1"), "standard_error"] == pytest.approx(table["standard_error"])
    assert frame.loc[("base", "p1"), "p"] == pytest.approx(table["p"])
    change = difference_of_differences(gaps, "system", "tuned", "base").frame("link").set_index("level")
    assert change.loc["p1", "estimate"] == pytest.approx(
        fit.fixed_effects.loc["persona[T.p1]:system[T.tuned]", "estimate"]
    )


def test_a_cell_without_answers_is_nan_and_spoils_only_its_contrasts() -> None:
    frame = named_personas(items=30)
    frame = frame[~((frame["persona"] == "p3") & (frame["system"] == "tuned"))]
    means = marginal_means(fit_mixed_model("yes ~ persona * system + (1 | item)", frame), by=["system", "persona"])
    known = means.frame("link").set_index(["system", "persona"])["estimate"].notna()
    assert not known["tuned", "p3"]
    assert known.sum() == 7
    gaps = versus_reference(means, "persona", "p0", within="system").frame("probability")
    assert gaps["estimate"].isna().sum() == gaps["p"].isna().sum() == 1


def test_intervals_follow_level_and_degrees_of_freedom() -> None:
    one = EstimateSet(pd.DataFrame({"g": ["a"]}), {"link": Estimates(np.array([2.0]), np.array([[1.0]]))})
    assert one.frame("link")["upper"][0] == pytest.approx(3.959964, abs=1e-6)
    assert one.frame("link", degrees_of_freedom=10)["upper"][0] == pytest.approx(4.228139, abs=1e-6)
    assert one.frame("link", level=0.9)["lower"][0] == pytest.approx(0.355146, abs=1e-6)


def test_contrast_errors_and_labels(fit: MixedModelFit) -> None:
    means = marginal_means(fit, by=["system", "persona"])
    with pytest.raises(ModelError, match=r"3 columns.*8 estimates"):
        contrast(means, np.eye(3), list("abc"))
    with pytest.raises(ModelError, match="1 contrasts but 2 labels"):
        contrast(means, np.ones((1, 8)), list("ab"))
    with pytest.raises(ModelError, match="no level 'control'"):
        versus_reference(means, "persona", "control")
    with pytest.raises(ModelError, match="name the other factors"):
        all_pairs(means, "persona", within=[])
    with pytest.raises(ModelError, match="Unknown scale 'odds'"):
        means.frame("odds")
    assert means.subset(means.labels["system"] == "base").frame()["persona"].tolist() == ["p0", "p1", "p2", "p3"]


def test_term_tests_agree_with_each_other(fit: MixedModelFit) -> None:
    table = term_tests(fit, denominator_df={"system:persona": 1e9}).set_index("term")
    row = table.loc["persona:system"]
    assert row["wald"] == pytest.approx(wald_test(fit, "persona:system")[0])
    assert row["lr"] == pytest.approx(row["wald"], rel=0.1)
    assert row["f"] * row["df"] == pytest.approx(row["wald"])
    assert row["f_p"] == pytest.approx(row["wald_p"], abs=1e-6)
    assert np.isnan(table.loc["persona", "lr"])
    assert table.loc["x", "carrier"] == "residual"
    assert table.loc["x", "wald"] == pytest.approx(fit.fixed_effects.loc["x", "z"] ** 2)
