"""Profile intervals by what they mean, by what must not change them, and at the edges."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import norm

from bias_platform.statistics import MixedModelFit, ModelError, fit_mixed_model
from bias_platform.statistics.choose_layout import lay_out
from bias_platform.statistics.evaluation import evaluate
from bias_platform.statistics.modes import zero_modes
from bias_platform.statistics.ordinal_design import engine_design
from bias_platform.statistics.profile_likelihood import profile_intervals
from bias_platform_tests.statistics.golden_cases import data_of

SLOPES = "margin ~ system + x + (1 + x | item) + (1 | persona)"


def bounds(fit: MixedModelFit, *names: str, level: float = 0.95) -> pd.DataFrame:
    return profile_intervals(fit, names or None, level=level).set_index("parameter")


def separated() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"item": np.repeat(np.arange(30), 8), "group": ["a", "b"] * 120})
    logit = rng.normal(0, 1, 30)[data["item"]]
    by_chance = (rng.random(240) < 1 / (1 + np.exp(-logit))).astype(int)
    return data.assign(yes=np.where(data["group"] == "b", 1, by_chance))


def held_coefficient(fit: MixedModelFit, at: int, value: float) -> float:
    """Laplace log-likelihood with one fixed effect held, maximised by scipy's L-BFGS instead of the engine's search."""
    layout = lay_out(engine_design(fit.design))
    full = np.concatenate([fit.fixed_effects["estimate"].to_numpy(), fit.theta])
    p, rest = len(fit.fixed_effects), np.delete(np.arange(len(full)), at)

    def function(free: np.ndarray) -> tuple[float, np.ndarray]:
        full[rest], full[at] = free, value
        found = evaluate(layout, full[:p], full[p:], zero_modes(layout))
        return -found.loglik, -np.concatenate([found.beta_gradient, found.theta_gradient])[rest]

    found = minimize(function, full[rest], jac=True, method="L-BFGS-B", options={"ftol": 1e-13, "gtol": 1e-7})
    return -float(found.fun)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_a_bound_of_a_gaussian_coefficient_lies_where_the_likelihood_falls_so_far(level: float) -> None:
    """Held by fitting the model without the column to the outcome less what the column adds."""
    data = data_of("sleepstudy")
    fit = fit_mixed_model("Reaction ~ Days + (Days | Subject)", data, family="gaussian", method="ML")
    row = bounds(fit, "Days", level=level).loc["Days"]
    for value in (row["lower"], row["upper"]):
        held = data.assign(rest=data["Reaction"] - value * data["Days"])
        smaller = fit_mixed_model("rest ~ 1 + (Days | Subject)", held, family="gaussian", method="ML")
        depth = np.sqrt(2 * (fit.loglik - smaller.loglik))
        assert depth == pytest.approx(norm.isf((1 - level) / 2), abs=2e-5)


@pytest.mark.parametrize("name", ["Intercept", "dose"])
def test_a_bound_of_a_binomial_coefficient_lies_where_the_likelihood_falls_so_far(name: str) -> None:
    fit = fit_mixed_model("cbind(won, lost) ~ dose + (1 | site) + (1 | rater)", data_of("count_slopes"))
    row, at = bounds(fit, name).loc[name], list(fit.fixed_effects.index).index(name)
    for value in (row["lower"], row["upper"]):
        fallen = 2 * (fit.loglik - fit.design.constant - held_coefficient(fit, at, value))
        assert np.sqrt(fallen) == pytest.approx(1.959964, abs=2e-5)


def test_thresholds_and_effects_of_an_ordinal_fit() -> None:
    data = data_of("count_slopes").assign(answer=lambda frame: np.clip(frame["won"] // 2, 0, 3))
    fit = fit_mixed_model("answer ~ dose + (1 | site)", data, family="ordinal")
    found = bounds(fit, "1|2", "dose")
    assert found["converged"].all()
    for name, row in found.iterrows():
        at = list(fit.fixed_effects.index).index(name)
        for value in (row["lower"], row["upper"]):
            fallen = 2 * (fit.loglik - held_coefficient(fit, at, value))
            assert np.sqrt(fallen) == pytest.approx(1.959964, abs=2e-5)


def test_a_fit_by_reml_has_the_intervals_of_maximum_likelihood() -> None:
    data = data_of("penicillin")
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    found = [bounds(fit_mixed_model(formula, data, "gaussian", method=method)) for method in ("REML", "ML")]
    pd.testing.assert_frame_equal(*found, rtol=1e-6)


def restricted_loglik(data: pd.DataFrame, between: float, within: float) -> float:
    """Of ``Reaction ~ Days + (1 | Subject)``, by dense matrices (D. A. Harville, 1977, JASA 72, 320-338)."""
    x, y = np.column_stack([np.ones(len(data)), data["Days"]]), data["Reaction"].to_numpy()
    z = pd.get_dummies(data["Subject"]).to_numpy(dtype=float)
    v = between**2 * z @ z.T + within**2 * np.eye(len(data))
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    left = y - x @ np.linalg.solve(information, x.T @ inverse @ y)
    logs = np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1]
    return -0.5 * float(logs + left @ inverse @ left + (len(y) - 2) * np.log(2 * np.pi))


def test_a_bound_by_restricted_likelihood() -> None:
    data = data_of("sleepstudy")
    fit = fit_mixed_model("Reaction ~ Days + (1 | Subject)", data, "gaussian")
    found = profile_intervals(fit, restricted=True).set_index("parameter")
    assert list(found.index) == ["sd(Intercept | Subject)", "sd(residual)"]
    assert found["estimate"].to_numpy() == pytest.approx(fit.variance_components["sd"].to_numpy())
    for at, (_, row) in enumerate(found.iterrows()):
        for value in (row["lower"], row["upper"]):

            def fall(free: float, at: int = at, value: float = value) -> float:
                return -restricted_loglik(data, *((value, free) if at == 0 else (free, value)))

            other = found["estimate"].iloc[1 - at]
            best = minimize_scalar(fall, bounds=(0.5 * other, 2 * other), method="bounded", options={"xatol": 1e-6})
            assert np.sqrt(2 * (fit.loglik + best.fun)) == pytest.approx(1.959964, abs=2e-5)
    with pytest.raises(ModelError, match="no restricted likelihood of the coefficient 'Days'"):
        profile_intervals(fit, ["Days"], restricted=True)
    with pytest.raises(ModelError, match="no restricted likelihood of the fit of"):
        profile_intervals(fit_mixed_model(fit.formula, data, "gaussian", method="ML"), restricted=True)


@pytest.mark.parametrize("family", ["gaussian", "binomial"])
def test_neither_the_order_of_effects_nor_their_units_matter(family: str) -> None:
    data = data_of("slopes").assign(big=lambda frame: 100 * frame["x"])
    outcome = "margin" if family == "gaussian" else "yes"
    one = fit_mixed_model(f"{outcome} ~ system + x + (1 + x + score | item)", data, family, method=method_of(family))
    two = fit_mixed_model(
        f"{outcome} ~ system + big + (1 + score + big | item)", data, family, method=method_of(family)
    )
    here = bounds(one, "sd(x | item)", "cor(Intercept, x | item)", "cor(x, score | item)")
    there = bounds(two, "sd(big | item)", "cor(Intercept, big | item)", "cor(score, big | item)")
    assert here["converged"].all()
    columns = ["estimate", "lower", "upper"]
    rescaled = there[columns].to_numpy() * [[100.0], [1.0], [1.0]]
    assert rescaled == pytest.approx(here[columns].to_numpy(), rel=2e-4, abs=2e-4)


def method_of(family: str) -> str | None:
    return "ML" if family == "gaussian" else None


def test_a_slope_does_not_depend_on_the_origin_of_its_variable() -> None:
    data = data_of("slopes").assign(year=lambda frame: frame["x"] + 20)
    here = bounds(fit_mixed_model(SLOPES, data, "gaussian", method="ML"), "sd(x | item)")
    shifted = SLOPES.replace("+ x", "+ year").replace("1 + x", "1 + year")
    there = bounds(fit_mixed_model(shifted, data, "gaussian", method="ML"), "sd(year | item)")
    assert there[["lower", "upper"]].to_numpy() == pytest.approx(here[["lower", "upper"]].to_numpy(), rel=1e-4)


def test_wider_at_a_higher_level_and_around_the_estimate() -> None:
    fit = fit_mixed_model("Reaction ~ Days + (Days | Subject)", data_of("sleepstudy"), "gaussian", method="ML")
    narrow, wide = bounds(fit, level=0.5), bounds(fit, level=0.99)
    for inner, outer in ((wide["lower"], narrow["lower"]), (narrow["lower"], narrow["estimate"])):
        assert (inner < outer).all()
    for inner, outer in ((narrow["estimate"], narrow["upper"]), (narrow["upper"], wide["upper"])):
        assert (inner < outer).all()


def test_parameters_are_chosen_by_their_own_name_or_that_of_their_term() -> None:
    fit = fit_mixed_model("Reaction ~ Days + (Days | Subject)", data_of("sleepstudy"), "gaussian", method="ML")
    every = bounds(fit)
    names = ["sd(Intercept | Subject)", "sd(Days | Subject)", "cor(Intercept, Days | Subject)"]
    assert list(every.index) == [*names, "sd(residual)", "Intercept", "Days"]
    assert list(bounds(fit, "Days", "1 + Days | Subject", "Days").index) == ["Days", *names]
    assert list(profile_intervals(fit, "residual")["parameter"]) == ["sd(residual)"]
    pd.testing.assert_frame_equal(bounds(fit, "residual"), every.loc[["sd(residual)"]])


def test_a_separated_coefficient_has_one_bound() -> None:
    fit = fit_mixed_model("yes ~ group + (1 | item)", separated())
    assert fit.diagnostics.separated
    row = bounds(fit, "group[T.b]").loc["group[T.b]"]
    assert (row["upper"], row["upper_limited"], row["lower_limited"]) == (np.inf, True, False)
    fallen = 2 * (fit.loglik - held_coefficient(fit, 1, row["lower"]))
    assert np.sqrt(fallen) == pytest.approx(1.959964, abs=1e-3)


def test_a_variance_of_zero_has_an_upper_bound() -> None:
    """Above it the likelihood of a fit with that deviation is too low; a correlation with it is free."""
    fit = fit_mixed_model("y ~ x + (1 + x || item)", data_of("flat_slopes"), "gaussian", method="ML")
    row = bounds(fit, "sd(x | item)").loc["sd(x | item)"]
    assert (row["estimate"], row["lower"], row["lower_limited"]) == (0.0, 0.0, True)
    assert 0.05 < row["upper"] < 0.2
    assert row["converged"]
    free = bounds(fit_mixed_model("y ~ x + (1 + x | item)", data_of("flat_slopes"), "gaussian"))
    assert free.loc["sd(x | item)", "upper"] == pytest.approx(row["upper"], rel=0.01)
    assert free.loc["cor(Intercept, x | item)", ["lower", "upper"]].tolist() == [-1.0, 1.0]


def test_a_correlation_at_its_limit_has_an_inner_bound() -> None:
    row = bounds(fit_mixed_model("tied ~ x + (1 + x | item)", data_of("flat_slopes"), "gaussian"))
    found = row.loc["cor(Intercept, x | item)"]
    assert (found["upper"], found["upper_limited"], found["lower_limited"]) == (1.0, True, False)
    assert 0.5 < found["lower"] < 0.99


@pytest.mark.parametrize(
    ("parameters", "level", "message"),
    [
        (["Dais"], 0.95, "has no parameter 'Dais' .did you mean Days"),
        ("sd(Day | Subject)", 0.95, "has no parameter"),
        (None, 1.0, "between 0 and 1"),
    ],
)
def test_what_cannot_be_profiled(parameters: list[str] | None, level: float, message: str) -> None:
    fit = fit_mixed_model("Reaction ~ Days + (1 | Subject)", data_of("sleepstudy"), "gaussian")
    with pytest.raises(ModelError, match=message):
        profile_intervals(fit, parameters, level=level)


def test_a_fit_that_did_not_converge_has_no_profile() -> None:
    fit = fit_mixed_model("Reaction ~ Days + (1 | Subject)", data_of("sleepstudy"), "gaussian")
    stopped = replace(fit, diagnostics=replace(fit.diagnostics, converged=False))
    with pytest.raises(ModelError, match="did not converge"):
        profile_intervals(stopped)
