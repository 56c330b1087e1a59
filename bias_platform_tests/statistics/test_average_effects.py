"""Average marginal effects against integration by brute force, R, marginal means, and simulation of the parameters."""

import json
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import dblquad, quad
from scipy.special import expit

from bias_platform.statistics import (
    MixedModelFit,
    ModelError,
    all_pairs,
    fit_mixed_model,
    marginal_means,
    versus_reference,
)
from bias_platform.statistics.counterfactual_means import parameters_of
from bias_platform.statistics.logistic_normal_moments import logistic_normal
from bias_platform.statistics.marginal_effects import average_effects
from bias_platform_tests.statistics.golden_cases import GOLDEN, data_of, fit_of
from bias_platform_tests.statistics.made_designs import named_personas

R_FORMULAS = {
    "cbpp": "cbind(incidence, size - incidence) ~ C(period) + (1 | herd)",
    "verbagg": "r2 ~ Anger + Gender * btype + situ + (1 | id) + (1 | item)",
    "slopes": "yes ~ system + score + x + (1 + x | item) + (1 | persona)",
}
SCALES = {"conditional": "conditional", "probability": "integrated"}


@cache
def kept(case: str) -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads((GOLDEN / "effects.json").read_text())[case]
    return numbers


@cache
def fitted(case: str) -> MixedModelFit:
    return fit_mixed_model(R_FORMULAS[case], data_of(case))


@cache
def sloped() -> MixedModelFit:
    """A slope of a number with its correlation beside a crossed term."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"item": np.repeat(np.arange(70), 12), "persona": ["p0", "p1", "p2"] * 280})
    frame["rater"] = rng.integers(0, 15, 840)
    frame["x"] = (rng.normal(2.0, 1.0, 840) * 2).round() / 2
    effect = rng.normal(0, 1, (70, 2)) @ np.array([[1.0, 0.3], [0.0, 0.7]])
    eta = effect[frame["item"], 0] + (0.5 + effect[frame["item"], 1]) * frame["x"] - 1.0 + (frame["persona"] == "p1")
    eta += rng.normal(0, 0.7, 15)[frame["rater"]]
    frame["yes"] = (rng.random(840) < expit(eta)).astype(int)
    fit = fit_mixed_model("yes ~ persona * x + (1 + x | item) + (1 | rater)", frame)
    assert not fit.diagnostics.singular_terms
    return fit


def normal_mean(eta: float, sd: float) -> float:
    ends = np.clip(-eta / sd, -11.9, 11.9)
    value: float = quad(
        lambda z: expit(eta + sd * z) * np.exp(-0.5 * z * z),
        -12,
        12,
        points=[-4.0, ends, 4.0],
        epsabs=1e-13,
        epsrel=1e-12,
        limit=400,
    )[0]
    return value / np.sqrt(2 * np.pi)


@pytest.mark.parametrize("sd", [0.0, 0.3, 1.7, 4.0, 15.0])
def test_normal_means_of_the_inverse_logit(sd: float) -> None:
    eta = np.array([-5.0, -0.4, 0.0, 2.0])
    found = logistic_normal(eta, sd)
    expected = [normal_mean(one, sd) if sd else expit(one) for one in eta]
    assert np.abs(found.mean - expected).max() < 1e-11
    h = 1e-4
    steps = [logistic_normal(eta + k * h, sd).mean for k in (-1, 1)]
    assert np.abs(found.slope - (steps[1] - steps[0]) / (2 * h)).max() < 1e-8
    wider = [logistic_normal(eta, np.sqrt(sd**2 + k * h)).mean for k in ((-1, 1) if sd else (0, 1))]
    assert np.abs(found.half_curvature - (wider[1] - wider[0]) / (h * (2 if sd else 1))).max() < 2e-6


def test_each_row_has_its_own_deviation() -> None:
    together = logistic_normal([0.3, 0.3, -1.0], [0.0, 2.0, 5.0])
    apart = [logistic_normal([eta], sd) for eta, sd in ((0.3, 0.0), (0.3, 2.0), (-1.0, 5.0))]
    for name in together._fields:
        assert getattr(together, name) == pytest.approx([getattr(one, name)[0] for one in apart], abs=1e-12)
    assert logistic_normal([], 1.0).mean.shape == (0,)


def by_hand(fit: MixedModelFit, integral: Any, **changed: Any) -> float:
    """Mean over the observed rows, with some variables changed, of an integral at the predictor and the random sd."""
    fixed = fit.design.fixed
    rows = fixed.variables.assign(**changed)
    eta = fixed.rows(rows)[0] @ fit.fixed_effects["estimate"].to_numpy()
    keys = list(zip(eta.round(12), fit.predictor_sd(rows).round(12), strict=True))
    values = {key: integral(*key) for key in set(keys)}
    return float(np.average([values[key] for key in keys], weights=np.bincount(fit.design.pattern, fit.design.trials)))


def test_two_crossed_terms_by_double_integration() -> None:
    frame = named_personas(items=20, personas=3, seed=6)
    fit = fit_mixed_model("yes ~ persona + (1 | item) + (1 | persona:template)", frame)
    sds = fit.variance_components["sd"].to_numpy()
    assert sds.min() > 0.1

    def both(eta: float, _: float) -> float:
        value: float = dblquad(
            lambda u, v: expit(eta + sds[0] * u + sds[1] * v) * np.exp(-0.5 * (u * u + v * v)) / (2 * np.pi),
            -8,
            8,
            -8,
            8,
            epsabs=1e-10,
            epsrel=1e-10,
        )[0]
        return value

    means = [by_hand(fit, both, persona=level) for level in ("p0", "p1", "p2")]
    found = average_effects(fit, "persona").frame()["estimate"].to_numpy()
    assert np.abs(found - (np.array(means[1:]) - means[0])).max() < 1e-8


def test_slopes_by_integration_row_by_row() -> None:
    fit = sloped()
    x = fit.design.fixed.variables["x"]
    first, second = (by_hand(fit, normal_mean, persona=level) for level in ("p0", "p2"))
    found = average_effects(fit, "persona").frame().set_index("level")["estimate"]
    assert found["p2"] == pytest.approx(second - first, abs=1e-8)
    first, second = (by_hand(fit, normal_mean, x=x + step) for step in (0.0, 0.7))
    assert average_effects(fit, "x", compare=0.7).frame()["estimate"][0] == pytest.approx(second - first, abs=1e-8)
    h = 0.01
    near = [by_hand(fit, normal_mean, x=x + k * h) for k in (-2, -1, 1, 2)]
    derivative = (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * h)
    assert average_effects(fit, "x").frame()["estimate"][0] == pytest.approx(derivative, abs=1e-8)


def test_derivatives_of_all_parameters() -> None:
    """The delta method's variance is that of numerical derivatives, the deviations and the correlation included."""
    fit = sloped()
    parameters = parameters_of(fit, integrated=True)
    p = len(parameters.beta)
    assert len(parameters.known) == 4

    def moved(k: int, by: float) -> np.ndarray:
        fixed = fit.fixed_effects.copy()
        theta = fit.theta.copy()
        if k < p:
            fixed.iloc[k, 0] += by
        else:
            theta[parameters.known[k - p]] += by
        return effect(MixedModelFit(**(fit.__dict__ | {"fixed_effects": fixed, "theta": theta})))

    def effect(one: MixedModelFit) -> np.ndarray:
        found = [average_effects(one, "persona"), average_effects(one, "x", by="persona")]
        return np.concatenate([each.frame()["estimate"] for each in found])

    h = 1e-4
    jacobian = np.array([(moved(k, h) - moved(k, -h)) / (2 * h) for k in range(p + len(parameters.known))]).T
    expected = np.sqrt(np.diag(jacobian @ parameters.covariance @ jacobian.T))
    found = [average_effects(fit, "persona"), average_effects(fit, "x", by="persona")]
    assert np.concatenate([one.frame()["standard_error"] for one in found]) == pytest.approx(expected, rel=1e-6)


def of_r(case: str, scale: str) -> pd.DataFrame:
    table = kept(case)[scale]
    return pd.DataFrame({key: table[key] for key in ("estimate", "se", "se_fixed")}, index=table["name"])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("case", R_FORMULAS)
def test_effects_and_errors_are_those_of_glmmtmb(case: str, scale: Any) -> None:
    """Optima, integrals and derivatives were all made by others; see make_effects.R."""
    fit, at, theirs = fitted(case), SCALES[scale], of_r(case, scale)
    assert fit.loglik == pytest.approx(kept(case)["loglik"], abs=1e-5)
    if case == "cbpp":
        ours = average_effects(fit, "period", at=at).frame().assign(name=lambda t: "all." + t["contrast"])
    elif case == "verbagg":
        parts = [average_effects(fit, "btype", by="Gender", at=at)]
        parts += [average_effects(fit, "Anger", compare=how, by="Gender", at=at) for how in ("slope", 1)]
        ours = pd.concat([one.frame() for one in parts])
        ours["name"] = ours["Gender"] + "." + ours["contrast"].str.removeprefix("slope of ")
    else:
        parts = [average_effects(fit, "system", reference="small", at=at)]
        parts += [average_effects(fit, name, at=at) for name in ("x", "score")]
        ours = pd.concat([one.frame() for one in parts])
        ours["name"] = "all." + ours["contrast"].str.removeprefix("slope of ")
    both = ours.set_index("name").join(theirs, rsuffix="_theirs", how="outer")
    assert len(both) == len(ours) == len(theirs)
    assert np.abs((both["estimate"] - both["estimate_theirs"]) / both["se"]).max() < 2e-4
    assert np.abs(both["standard_error"] / both["se"] - 1).max() < 5e-5


def test_balanced_effects_are_contrasts_of_marginal_means() -> None:
    """Whose contrasts are those of emmeans, see test_emmeans_golden."""
    fit = fit_of("model_a")
    means = marginal_means(fit, by=["system", "persona"])
    for at, scale in (("integrated", "probability"), ("conditional", "conditional")):
        for compare, theirs in (
            (None, versus_reference(means, "persona", "control")),
            ("pairs", all_pairs(means, "persona")),
        ):
            reference = None if compare else "control"
            ours = average_effects(fit, "persona", compare=compare, reference=reference, by="system", at=at)
            both = ours.frame().merge(theirs.frame(scale), on=["system", "level", "reference", "contrast"])
            assert len(both) == len(theirs.labels) == len(ours.estimates.labels)
            assert np.abs(both["estimate_x"] - both["estimate_y"]).max() < 1e-9
            if at == "conditional":
                assert np.abs(both["standard_error_x"] / both["standard_error_y"] - 1).max() < 1e-8


def test_simulated_parameters_agree_with_the_delta_method() -> None:
    """Errors to Monte-Carlo error (1.6 %); bounds to a fifth of a standard error, because the effects are skewed."""
    fit = fitted("verbagg")
    delta = average_effects(fit, "btype").frame()
    simulated = average_effects(fit, "btype", uncertainty="simulation", seed=3)
    table = simulated.frame()
    assert table["estimate"].tolist() == delta["estimate"].tolist()
    assert table["standard_error"].to_numpy() == pytest.approx(delta["standard_error"].to_numpy(), rel=0.05)
    for bound in ("lower", "upper"):
        assert np.abs((table[bound] - delta[bound]) / delta["standard_error"]).max() < 0.2
    wide = simulated.frame(level=0.99)
    assert (wide["lower"] < table["lower"]).all()
    assert (wide["upper"] > table["upper"]).all()


def test_the_same_seed_draws_the_same() -> None:
    first, again, other = (
        average_effects(fitted("cbpp"), "period", uncertainty="simulation", draws=100, seed=seed).draws
        for seed in (3, 3, 4)
    )
    assert first is not None
    assert np.array_equal(first, again)
    assert not np.isclose(first, other).any()


def test_a_gaussian_effect_is_a_coefficient() -> None:
    fit = fit_mixed_model("Reaction ~ Days + (1 + Days | Subject)", data_of("sleepstudy"), family="gaussian")
    for compare, factor in (("slope", 1.0), (3, 3.0)):
        found = average_effects(fit, "Days", compare=compare)
        row, own = found.frame().iloc[0], fit.fixed_effects.loc["Days"]
        assert found.scale == "response"
        assert row["estimate"] == pytest.approx(factor * own["estimate"], rel=1e-9)
        assert row["standard_error"] == pytest.approx(factor * own["standard_error"], rel=1e-9)


def test_effects_on_categories_are_those_of_the_latent_model() -> None:
    """P(y = k) by hand, integrated; effects on all categories cancel."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"item": np.repeat(np.arange(60), 8), "persona": ["a", "b"] * 240})
    latent = rng.normal(0, 1, 60)[frame["item"]] + 0.8 * (frame["persona"] == "b") + rng.logistic(size=480)
    frame["answer"] = pd.cut(latent, [-np.inf, -0.5, 1.0, np.inf], labels=["No", "Maybe", "Yes"])
    fit = fit_mixed_model("answer ~ persona + (1 | item)", frame, family="ordinal")
    table = average_effects(fit, "persona").frame().set_index("category")
    low, high, slope = fit.fixed_effects["estimate"]
    sd = float(fit.variance_components["sd"][0])

    def chances(eta: float) -> np.ndarray:
        above = [1.0, *(normal_mean(eta - cut, sd) for cut in (low, high)), 0.0]
        return -np.diff(above)

    assert table.loc[["No", "Maybe", "Yes"], "estimate"].to_numpy() == pytest.approx(
        chances(slope) - chances(0.0), abs=1e-9
    )
    errors = table.loc[["No", "Yes"], "standard_error"]
    simulated = average_effects(fit, "persona", uncertainty="simulation", draws=2000).frame().set_index("category")
    assert simulated.loc[["No", "Yes"], "standard_error"].to_numpy() == pytest.approx(errors.to_numpy(), rel=0.08)


def test_the_result_says_what_it_averaged() -> None:
    full, held = fitted("cbpp"), fit_mixed_model(R_FORMULAS["cbpp"], data_of("cbpp"), standard_errors="joint")
    assert "allow for" in average_effects(full, "period").averaging
    assert "leave out" in average_effects(held, "period").averaging
    assert "random effects of zero" in average_effects(full, "period", at="conditional").averaging
    assert average_effects(fitted("verbagg"), "btype", by="Gender").averaging.count("'Gender'") == 1


def test_what_cannot_be_identified_is_nan() -> None:
    frame = named_personas(items=12, personas=3)
    frame = frame[(frame["persona"] != "p2") | (frame["system"] != "tuned")]
    fit = fit_mixed_model("yes ~ persona * system + (1 | item)", frame)
    table = average_effects(fit, "persona", by="system").frame().set_index(["system", "level"])
    assert np.isnan(table.loc[("tuned", "p2"), "estimate"])
    assert np.isfinite(table.loc[[("base", "p1"), ("base", "p2"), ("tuned", "p1")], "upper"]).all()
    assert np.isnan(average_effects(fit, "persona", uncertainty="simulation", draws=100).frame()["upper"][1])


def test_adjustment_works_on_effects() -> None:
    table = average_effects(fitted("verbagg"), "btype", compare="pairs").frame(adjust="tukey")
    assert (table["adjusted_p"] >= table["p"]).all()
    assert (table["simultaneous_lower"] < table["lower"]).all()


def test_the_sd_is_that_of_the_observations() -> None:
    fit, data = fitted("verbagg"), data_of("verbagg")
    step = float(data["Anger"].std(ddof=0))
    found, same = (average_effects(fit, "Anger", compare=how).frame()["estimate"][0] for how in ("sd", step))
    assert found == pytest.approx(same, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"variable": "btyp"}, "did you mean btype"),
        ({"variable": "btype", "by": "item"}, "'item' is not a fixed variable"),
        ({"variable": "btype", "by": ["btype"]}, "cannot be averaged within"),
        ({"variable": "btype", "reference": "kiss"}, "no level 'kiss'"),
        ({"variable": "btype", "compare": "slope"}, "cannot be compared by 'slope'"),
        ({"variable": "Anger", "compare": "pairs"}, "'slope', 'sd', or an increase"),
        ({"variable": "Anger", "compare": 0.0}, "other than zero"),
        ({"variable": "Anger", "compare": np.nan}, "other than zero"),
        ({"variable": "Anger", "reference": 3}, "no reference level"),
        ({"variable": "btype", "at": "median"}, "not 'median'"),
        ({"variable": "btype", "uncertainty": "bootstrap"}, "not 'bootstrap'"),
        ({"variable": "btype", "uncertainty": "simulation", "draws": 10}, "at least 100 draws"),
    ],
)
def test_what_cannot_be_averaged(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ModelError, match=match):
        average_effects(fitted("verbagg"), **options)


def test_outside_the_range_of_a_transform() -> None:
    frame = named_personas(items=12).assign(length=lambda t: 1.0 + t["item"] % 5)
    fit = fit_mixed_model("yes ~ log(length) + (1 | item)", frame)
    assert np.isfinite(average_effects(fit, "length").frame()["estimate"][0])
    with pytest.raises(ModelError, match="has no value at such rows"):
        average_effects(fit, "length", compare=-3)
