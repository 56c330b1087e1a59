"""Draws have the moments of the model, replicates are reproducible, and refits vary as lme4's do."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bias_platform.statistics import MixedModelFit, ModelError, fit_mixed_model
from bias_platform.statistics.bootstrap_intervals import BootstrapResult
from bias_platform.statistics.logistic_normal_moments import logistic_normal
from bias_platform.statistics.parametric_bootstrap import bootstrap, refit, simulated_design, with_response_of
from bias_platform_tests.statistics.golden_cases import GOLDEN, data_of, fit_of
from bias_platform_tests.statistics.made_designs import named_personas


@cache
def binomial() -> MixedModelFit:
    return fit_of("cbpp")


@cache
def gaussian() -> MixedModelFit:
    """Several observations a distinct row, an intercept with a slope, and a crossed term."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"item": np.repeat(np.arange(12), 24), "x": np.tile([0.0, 1.0, 3.0], 96)})
    frame["rater"] = np.tile(np.repeat(np.arange(4), 6), 12)
    effects = rng.normal(0, 1, (12, 2)) @ np.array([[1.0, 0.5], [0.0, 0.6]])
    eta = (
        effects[frame["item"], 0]
        + (1.0 + effects[frame["item"], 1]) * frame["x"]
        + rng.normal(0, 0.7, 4)[frame["rater"]]
    )
    frame["score"] = eta + rng.normal(0, 0.8, len(frame))
    return fit_mixed_model("score ~ x + (1 + x | item) + (1 | rater)", frame, family="gaussian")


@cache
def ordinal() -> MixedModelFit:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"item": np.repeat(np.arange(40), 12), "persona": np.tile(["a", "b"], 240)})
    latent = rng.normal(0, 1.0, 40)[frame["item"]] + (frame["persona"] == "b") + rng.logistic(size=480)
    frame["answer"] = pd.cut(latent, [-np.inf, -1.0, 0.5, np.inf], labels=["No", "Maybe", "Yes"])
    return fit_mixed_model("answer ~ persona + (1 | item)", frame, family="ordinal")


def draws(fit: MixedModelFit, count: int, what: str = "successes") -> np.ndarray:
    rng = np.random.default_rng(11)
    return np.array([getattr(simulated_design(fit, rng), what) for _ in range(count)])


def random_covariance(fit: MixedModelFit) -> np.ndarray:
    """Z Sigma Z' of the distinct rows, from the reported deviations and correlations in the formula's own effects."""
    design = fit.design
    total = np.zeros((len(design.pattern),) * 2)
    for term in design.terms:
        sds = fit.variance_components.query("term == @term.name")["sd"].to_numpy()
        sigma = np.diag(sds**2)
        for _, pair in fit.random_correlations.query("term == @term.name").iterrows():
            sigma[0, 1] = sigma[1, 0] = pair["correlation"] * sds[0] * sds[1]
        x = design.fixed.variables["x"].to_numpy()[design.pattern] if len(sds) > 1 else None
        basis = np.ones((len(design.pattern), 1)) if x is None else np.column_stack([np.ones_like(x), x])
        total += (basis @ sigma @ basis.T) * (term.code[:, None] == term.code)
    return total


def test_gaussian_draws_have_the_model_s_moments() -> None:
    fit, count = gaussian(), 3000
    design = fit.design
    assert design.trials.min() > 1
    means = draws(fit, count) / design.trials
    beta = fit.fixed_effects["estimate"].to_numpy()
    covariance = random_covariance(fit) + np.diag(fit.residual_sd**2 / design.trials)
    error = np.sqrt(np.diag(covariance) / count)
    assert np.abs((means.mean(axis=0) - (design.fixed.patterns @ beta)[design.pattern]) / error).max() < 4.5
    sd = np.sqrt(np.diag(covariance))
    spread = np.sqrt((1 + (covariance / np.outer(sd, sd)) ** 2) / count)
    assert np.abs((np.cov(means, rowvar=False) - covariance) / np.outer(sd, sd) / spread).max() < 5.5
    within = draws(fit, 2000, "within") / fit.residual_sd**2
    freedom = design.n_observations - len(design.pattern)
    assert stats.kstest(within, stats.chi2(freedom).cdf).pvalue > 1e-3


def test_counts_are_binomial_given_random_effects_of_the_fitted_variance() -> None:
    fit, count = binomial(), 4000
    design = fit.design
    won = draws(fit, count)
    eta = (design.fixed.patterns @ fit.fixed_effects["estimate"].to_numpy())[design.pattern]
    mean = logistic_normal(eta, fit.variance_components["sd"][0]).mean
    nodes = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    p = stats.logistic.cdf(eta[:, None] + fit.variance_components["sd"][0] * nodes)
    variance = (design.trials[:, None] * p * (1 - p)).mean(axis=1) + design.trials**2 * p.var(axis=1)
    assert np.abs((won.mean(axis=0) - design.trials * mean) / np.sqrt(variance / count)).max() < 4.0
    assert (won.var(axis=0) / variance).mean() == pytest.approx(1.0, abs=0.02)
    code = design.terms[0].code
    same = [(i, j) for i in range(len(code)) for j in range(i) if code[i] == code[j]]
    theirs = [design.trials[i] * design.trials[j] * np.cov(p[i], p[j])[0, 1] for i, j in same]
    ours = [np.cov(won[:, i], won[:, j])[0, 1] for i, j in same]
    assert np.sum(ours) / np.sum(theirs) == pytest.approx(1.0, abs=0.06)


def test_categories_have_the_model_s_probabilities() -> None:
    fit, count = ordinal(), 1000
    design = fit.design
    drawn = draws(fit, count, "category_counts")
    assert (drawn.sum(axis=2) == design.trials).all()
    low, high, slope = fit.fixed_effects["estimate"]
    eta = slope * (design.fixed.variables["persona"].to_numpy()[design.pattern] == "b")
    above = [logistic_normal(eta - cut, fit.variance_components["sd"][0]).mean for cut in (low, high)]
    chances = -np.diff([np.ones(len(eta)), *above, np.zeros(len(eta))], axis=0).T
    error = 1.2 * np.sqrt(6 * chances * (1 - chances) / count) * np.sqrt(design.trials[:, None] / 6)
    assert np.abs(drawn.mean(axis=0) - design.trials[:, None] * chances).max() < 6 * error.max()
    assert np.array_equal(simulated_design(fit, np.random.default_rng(1)).successes, _places(fit))


def _places(fit: MixedModelFit) -> np.ndarray:
    drawn = simulated_design(fit, np.random.default_rng(1))
    return drawn.category_counts @ np.arange(3.0)


def test_only_the_response_changes() -> None:
    for fit in (binomial(), gaussian(), ordinal()):
        drawn = simulated_design(fit, np.random.default_rng(2))
        changed = {name for name in vars(drawn) if vars(drawn)[name] is not vars(fit.design).get(name)}
        assert changed <= {"successes", "constant", "within", "category_counts", "components", "shape"}
        again = refit(fit, drawn)
        assert again is not None
        assert again.converged
        assert again.method == fit.method
        assert again.standard_errors == "joint"


def test_refits_use_as_many_quadrature_nodes() -> None:
    fit = fit_mixed_model("yes ~ 1 + (1 | item)", named_personas(items=8, personas=2), quadrature_nodes=7)
    again = refit(fit, fit.design)
    assert again is not None
    assert "7 nodes" in again.method == fit.method
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-6)


def test_a_replicate_does_not_depend_on_how_many_there_are() -> None:
    def deviations(fit: MixedModelFit) -> pd.Series:
        return fit.variance_components["sd"]

    told: list[tuple[int, int]] = []
    few = bootstrap(binomial(), deviations, replicates=3, seed=5, report=lambda done, of: told.append((done, of)))
    many = bootstrap(binomial(), deviations, replicates=6, seed=5)
    other = bootstrap(binomial(), deviations, replicates=3, seed=6)
    assert np.array_equal(few.values, many.values[:3])
    assert not np.isclose(few.values, other.values).any()
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("case", "replicates"), [("sleepstudy_bootstrap", 100), ("cbpp_bootstrap", 60)])
def test_refits_vary_as_those_of_lme4(case: str, replicates: int) -> None:
    """Means, deviations and the quartiles against bootMer's, within 4 Monte-Carlo errors of both together."""
    theirs: dict[str, Any] = json.loads((GOLDEN / "effects.json").read_text())[case]
    if case == "cbpp_bootstrap":
        fit = binomial()
    else:
        formula = "Reaction ~ Days + (1 + Days | Subject)"
        fit = fit_mixed_model(formula, data_of("sleepstudy"), family="gaussian", method="ML")

    def statistic(one: MixedModelFit) -> np.ndarray:
        return np.concatenate([one.fixed_effects["estimate"], one.variance_components["sd"]])

    found = bootstrap(fit, statistic, replicates=replicates, seed=1)
    assert found.estimate == pytest.approx(theirs["estimate"], rel=5e-3)
    values, sd = found.values[found.usable], np.array(theirs["sd"])
    assert len(values) >= 0.95 * replicates
    share = np.sqrt(1 / len(values) + 1 / theirs["count"])
    assert np.abs((values.mean(axis=0) - theirs["mean"]) / (sd * share)).max() < 4.0
    assert np.abs(values.std(axis=0, ddof=1) / sd - 1).max() < 4.0 * share / np.sqrt(2) * 1.2
    for k, quantiles in enumerate(theirs["quantiles"]):
        below = (values[:, k, None] <= np.array(quantiles)).mean(axis=0)
        expected = np.array([0.025, 0.25, 0.5, 0.75, 0.975])
        assert np.abs(below - expected).max() < 4.0 * 0.5 * share


def test_failed_refits_are_counted() -> None:
    """One Yes in 60: many drawn studies have none, and nothing can be fitted there."""
    frame = pd.DataFrame({"item": np.repeat(np.arange(12), 5), "yes": [1] + [0] * 59})
    fit = fit_mixed_model("yes ~ 1 + (1 | item)", frame, standard_errors="joint")
    found = bootstrap(fit, lambda one: one.fixed_effects["estimate"], replicates=16, seed=1)
    expected = np.mean([simulated_design(fit, np.random.default_rng([1, k])).successes.sum() == 0 for k in range(16)])
    assert 0.1 < expected < 0.7
    assert found.counts["failed"] == round(16 * expected)
    assert np.isnan(found.values[found.states[:, 0]]).all()
    assert found.counts["usable"] < 16
    assert "not to be trusted" in found.messages[0]


def test_a_statistic_may_give_up() -> None:
    calls = iter(range(100))

    def third(fit: MixedModelFit) -> float:
        if next(calls) == 3:
            raise ModelError("Not this one.")
        return fit.loglik

    found = bootstrap(binomial(), third, replicates=4)
    assert found.states[:, 0].tolist() == [False, False, True, False]
    assert found.messages[0].startswith("1 of 4 bootstrap refits")
    with pytest.raises(ModelError, match="Only 3 of 4"):
        found.interval()


def made(values: np.ndarray, estimate: float) -> BootstrapResult:
    return BootstrapResult(np.array([estimate]), values[:, None], np.zeros((len(values), 4), dtype=bool))


def test_intervals_are_those_of_scipy() -> None:
    """BCa of a sample that is symmetric about its mean has no acceleration: what is left is the bias correction."""
    sample = np.array([-4.0, -2.5, -1.0, -0.5, 0.0, 0.5, 1.0, 2.5, 4.0]) + 3.0
    for kind, theirs in (("percentile", "percentile"), ("basic", "basic"), ("bias_corrected", "BCa")):
        done = stats.bootstrap(
            (sample,), np.mean, method=theirs, n_resamples=999, confidence_level=0.9, rng=np.random.default_rng(1)
        )
        ours = made(done.bootstrap_distribution, sample.mean()).interval(kind, level=0.9)  # type: ignore[arg-type]
        assert ours["lower"][0] == pytest.approx(done.confidence_interval.low, abs=1e-9)
        assert ours["upper"][0] == pytest.approx(done.confidence_interval.high, abs=1e-9)
        assert ours["standard_error"][0] == pytest.approx(done.standard_error, abs=1e-12)


def test_normal_intervals_take_the_bias_off() -> None:
    values = np.random.default_rng(2).normal(1.3, 0.5, 2000)
    row = made(values, 1.0).interval("normal").iloc[0]
    assert row["bias"] == pytest.approx(values.mean() - 1.0)
    assert [row["lower"], row["upper"]] == pytest.approx(0.7 + np.array([-1, 1]) * 0.98, abs=0.08)


def test_an_estimate_outside_all_replicates() -> None:
    values = np.linspace(0.0, 1.0, 101)
    for estimate, end in ((-1.0, 0.0), (2.0, 1.0)):
        row = made(values, estimate).interval("bias_corrected").iloc[0]
        assert [row["lower"], row["upper"]] == pytest.approx([end, end], abs=0.01)


def test_a_smaller_model_on_the_same_rows() -> None:
    full = binomial()
    drawn = simulated_design(full, np.random.default_rng(3))
    assert np.array_equal(with_response_of(full.design, drawn).successes, drawn.successes)
    other = fit_mixed_model("yes ~ 1 + (1 | item)", named_personas(items=5))
    with pytest.raises(ModelError, match="different rows"):
        with_response_of(other.design, drawn)


@pytest.mark.parametrize(("options", "match"), [({"replicates": 1}, "2 or more"), ({"seed": -1}, "from 0 up")])
def test_what_cannot_be_drawn(options: dict[str, int], match: str) -> None:
    with pytest.raises(ModelError, match=match):
        bootstrap(binomial(), lambda fit: fit.loglik, **options)  # type: ignore[arg-type]


def test_what_cannot_be_an_interval() -> None:
    found = made(np.arange(30.0), 1.0)
    with pytest.raises(ModelError, match="Unknown bootstrap interval 'bca'"):
        found.interval("bca")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="between 0 and 1"):
        found.interval(level=95)


def test_a_fit_that_did_not_converge_is_no_model() -> None:
    fit = binomial()
    unsettled = replace(fit, diagnostics=replace(fit.diagnostics, converged=False))
    with pytest.raises(ModelError, match="did not converge"):
        bootstrap(unsettled, lambda one: one.loglik)
