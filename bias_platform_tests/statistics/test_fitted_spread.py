"""Bounds of a spread from draws of errors cover, and those of a fitted model are made of its refits."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from bias_platform.statistics import MixedModelFit, ModelError, fit_mixed_model, marginal_means, within_group_spread
from bias_platform.statistics.bootstrap_intervals import BootstrapResult
from bias_platform.statistics.spread_of_fit import FittedSpread, fitted_spread, range_by_inversion
from bias_platform_tests.statistics.made_designs import named_personas

NOISE = np.diag(np.square([0.1, 0.1, 0.13, 0.08, 0.11])) / 2 + 0.005
TRUTHS = {"equal": np.zeros(5), "one out": np.array([0.4, 0, 0, 0, 0]), "spread": np.linspace(0, 0.8, 5)}


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("skewed", [False, True])
def test_coverage(truth: str, skewed: bool) -> None:
    """400 studies, Monte-Carlo error 1.1 %: 95 % where all are equal, no less elsewhere; skewed errors make no harm."""
    rng, root, true = np.random.default_rng(4), np.linalg.cholesky(NOISE), TRUTHS[truth]

    def errors(count: int) -> np.ndarray:
        raw = rng.gamma(4.0, 0.5, (count, 5)) - 2.0 if skewed else rng.standard_normal((count, 5))
        return raw @ root.T

    found = [range_by_inversion(true + errors(1)[0], errors(400)) for _ in range(400)]
    span = np.ptp(true)
    covered = np.mean([one.lower <= span <= one.upper for one, _ in found])
    assert covered > 0.92
    if truth == "equal":
        assert covered < 0.98
        assert np.mean([p < 0.05 for _, p in found]) == pytest.approx(0.05, abs=0.035)
        assert all((one.lower > 0) == (p < 0.05) for one, p in found if abs(p - 0.05) > 0.01)
    else:
        assert np.mean([one.lower > 0 for one, _ in found]) > 0.6


def test_normal_errors_give_the_bounds_of_the_analytic_spread() -> None:
    values = np.array([0.1, 0.3, 0.32, 0.5, 0.2])
    draws = np.random.default_rng(1).multivariate_normal(np.zeros(5), NOISE, 40_000)
    ours, _ = range_by_inversion(values, draws)
    theirs = within_group_spread(values, NOISE).range
    assert [ours.estimate, ours.lower, ours.upper] == pytest.approx(
        [theirs.estimate, theirs.lower, theirs.upper], abs=0.003
    )
    nearer, _ = range_by_inversion(values, draws, level=0.8)
    assert ours.lower < nearer.lower < nearer.upper < ours.upper


def test_bias_of_the_estimates_is_taken_off() -> None:
    """Errors whose mean is not zero move the bounds of a difference against it."""
    draws = np.random.default_rng(2).normal(0, 0.02, (2000, 2))
    moved = draws + np.array([0.1, 0.0])
    plain, _ = range_by_inversion(np.array([1.0, 0.0]), draws)
    shifted, _ = range_by_inversion(np.array([1.0, 0.0]), moved)
    assert plain.upper - shifted.upper == pytest.approx(0.1, abs=1e-9)


def test_a_difference_without_error_is_known() -> None:
    draws = np.random.default_rng(3).normal(0, 0.02, (500, 1)) * np.array([1.0, 1.0, 0.0])
    span, p = range_by_inversion(np.array([0.5, 0.2, 0.45]), draws)
    assert span.lower == span.estimate == pytest.approx(0.3)
    assert p < 0.01
    same, p = range_by_inversion(np.array([0.5, 0.5]), np.zeros((200, 2)))
    assert (same.estimate, same.lower, same.upper, p) == (0.0, 0.0, 0.0, 1.0)


@cache
def fit() -> MixedModelFit:
    frame = named_personas(items=16, personas=3, seed=2)
    return fit_mixed_model("yes ~ persona * system + (1 | item)", frame)


@cache
def spread() -> FittedSpread:
    return fitted_spread(fit(), "persona", within="system", replicates=100, seed=3)


def test_a_row_a_group_from_the_refits_means() -> None:
    table, means = spread().table, marginal_means(fit(), by=["system", "persona"])
    assert table["system"].tolist() == ["base", "tuned"]
    assert spread().scale == "probability"
    assert spread().means.counts["replicates"] == 100
    values = means.on("probability").values.reshape(2, 3)
    assert table["range"].to_numpy() == pytest.approx(np.ptp(values, axis=1))
    errors = (spread().means.values - spread().means.estimate)[spread().means.usable].reshape(-1, 2, 3)
    for k in range(2):
        span, p = range_by_inversion(values[k], errors[:, k])
        row = table.iloc[k]
        assert [row["range_lower"], row["range_upper"], row["p"]] == pytest.approx([span.lower, span.upper, p])
        theirs = within_group_spread(values[k], np.cov(errors[:, k], rowvar=False)).sd
        assert [row["sd"], row["sd_lower"], row["sd_upper"]] == pytest.approx(
            [theirs.estimate, theirs.lower, theirs.upper]
        )
    assert (table["levels"] == 3).all()


def test_refits_know_the_noise_of_the_means() -> None:
    """The bootstrap's errors of differences are those of the delta method, within 22 % (100 refits: 7 % each)."""
    covariance = marginal_means(fit(), by=["system", "persona"]).on("probability").covariance
    drawn = np.cov(spread().means.values[spread().means.usable], rowvar=False)
    for one, other in ((0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)):
        pair = np.zeros(6)
        pair[[one, other]] = 1.0, -1.0
        assert np.sqrt(pair @ drawn @ pair / (pair @ covariance @ pair)) == pytest.approx(1.0, abs=0.22)


@pytest.mark.parametrize(("family", "scale"), [("binomial", "conditional"), ("gaussian", None)])
def test_other_scales(family: str, scale: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With noise in place of refits."""

    def noisy(one: MixedModelFit, means: Any, *, replicates: int, seed: int, report: Any) -> BootstrapResult:
        values = np.asarray(means(one))
        draws = values + np.random.default_rng(seed).normal(0, 0.01, (replicates, len(values)))
        return BootstrapResult(values, draws, np.zeros((replicates, 4), dtype=bool))

    monkeypatch.setattr("bias_platform.statistics.spread_of_fit.bootstrap", noisy)
    frame = named_personas(items=10, personas=3, seed=5)
    model = fit_mixed_model("yes ~ persona + (1 | item)", frame, family=family)
    found = fitted_spread(model, "persona", scale=scale, replicates=100)
    assert found.scale == (scale or "response")
    values = marginal_means(model, by="persona").on(found.scale).values
    row = found.table.iloc[0]
    assert row["range"] == pytest.approx(np.ptp(values))
    assert row["range_upper"] - row["range"] == pytest.approx(1.8 * 0.01 * np.sqrt(2), rel=0.25)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"factor": "person"}, "did you mean persona"),
        ({"factor": "persona", "within": "item"}, "'item' is not a fixed variable"),
        ({"factor": "persona", "scale": "link"}, "probability or conditional"),
        ({"factor": "persona", "replicates": 20}, "at least 100 replicates"),
        ({"factor": "persona", "level": 1.0}, "between 0 and 1"),
    ],
)
def test_what_has_no_spread(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ModelError, match=match):
        fitted_spread(fit(), **options)


def test_a_level_that_was_never_seen_has_no_spread() -> None:
    frame = named_personas(items=12, personas=3)
    frame = frame[(frame["persona"] != "p2") | (frame["system"] != "tuned")]
    model = fit_mixed_model("yes ~ persona * system + (1 | item)", frame)
    with pytest.raises(ModelError, match="system=tuned, persona=p2"):
        fitted_spread(model, "persona", within="system")
