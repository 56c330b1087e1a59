"""Range and noise-corrected standard deviation cover what they promise."""

import numpy as np
import pytest
from scipy.stats import chi2, ncx2

from bias_platform.statistics import ModelError, within_group_spread

TRUE = np.array([0.0, 0.1, 0.1, 0.3, 0.4])


def covariance(uneven: bool) -> np.ndarray:
    errors = np.array([0.1, 0.1, 0.12, 0.15, 0.2]) if uneven else np.full(5, 0.12)
    return np.diag(errors**2) + 0.005


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_coverage(uneven: bool, scale: float) -> None:
    noise, true = covariance(uneven), scale * TRUE
    draws = np.random.default_rng(3).multivariate_normal(true, noise, 250)
    spreads = [within_group_spread(values, noise, draws=2000) for values in draws]
    spread, sd = np.ptp(true), true.std(ddof=1)
    assert np.mean([s.range.lower <= spread <= s.range.upper for s in spreads]) >= 0.925
    assert np.mean([s.sd.lower <= sd <= s.sd.upper for s in spreads]) >= 0.91
    if scale == 0.0:
        assert np.mean([s.p < 0.05 for s in spreads]) == pytest.approx(0.05, abs=0.035)
        assert np.mean([s.sd.lower > 0 for s in spreads]) < 0.06


def test_levels_nearer_than_noise_are_not_shown_to_be_equal() -> None:
    """The upper bound is that of a sum of squares at its null median, 3.36 for 4 degrees of freedom."""
    noise = 0.01 * np.eye(5)
    nearest = within_group_spread(np.full(5, 0.3), noise).sd
    scale = np.sqrt(0.01 * chi2.median(4) / ((TRUE - TRUE.mean()) ** 2).sum())
    at_median = within_group_spread(scale * TRUE, noise).sd
    assert (nearest.estimate, nearest.lower) == (0.0, 0.0)
    assert nearest.upper == pytest.approx(at_median.upper, rel=1e-6)
    bound = 4 * nearest.upper**2 / 0.01
    assert ncx2.cdf(chi2.median(4), 4, bound) == pytest.approx(0.025, abs=1e-6)
    assert within_group_spread(1.01 * scale * TRUE, noise).sd.upper > nearest.upper


def test_without_noise_both_are_plain() -> None:
    spread = within_group_spread(TRUE, 1e-14 * np.eye(5))
    assert spread.range.estimate == pytest.approx(0.4)
    assert spread.sd.estimate == pytest.approx(TRUE.std(ddof=1), abs=1e-9)
    assert spread.range.lower == pytest.approx(0.4, abs=1e-5)
    assert spread.sd.upper == pytest.approx(spread.sd.estimate, rel=1e-3)


def test_noise_is_taken_off() -> None:
    noise = covariance(False)
    draws = np.random.default_rng(1).multivariate_normal(TRUE, noise, 250)
    raw = draws.var(axis=1, ddof=1)
    corrected = [within_group_spread(v, noise, draws=10).sd.estimate ** 2 for v in draws]
    assert raw.mean() > TRUE.var(ddof=1) + 0.01
    assert np.mean(corrected) == pytest.approx(TRUE.var(ddof=1), abs=0.006)


def test_same_seed_same_interval() -> None:
    first, second = (within_group_spread(TRUE, covariance(True), seed=9) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("values", "noise", "match"),
    [([1.0], [[1.0]], "two levels"), ([1, 2], np.eye(3), "size"), ([1, np.nan], np.eye(2), "finite")],
)
def test_errors(values: list[float], noise: np.ndarray, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        within_group_spread(values, noise)


def test_an_estimated_covariance_is_paid_for() -> None:
    known, few = (within_group_spread(3 * TRUE, covariance(True), degrees_of_freedom=df) for df in (np.inf, 8.0))
    assert few.range.lower < known.range.lower < known.range.upper < few.range.upper
    assert few.sd.lower <= known.sd.lower < known.sd.upper < few.sd.upper
    assert few.sd.estimate == known.sd.estimate
    assert few.p > known.p


def test_coverage_with_an_estimated_covariance() -> None:
    rng, items, noise = np.random.default_rng(5), 12, covariance(True)
    held, rejected = [], []
    for _ in range(300):
        rows = rng.multivariate_normal(np.zeros(5), noise * items, items)
        spread = within_group_spread(
            rows.mean(axis=0), np.cov(rows, rowvar=False) / items, degrees_of_freedom=items - 1.0, draws=1000
        )
        held.append(spread.range.lower == 0)
        rejected.append(spread.p < 0.05)
    assert np.mean(held) > 0.9
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.035)


def test_no_degrees_of_freedom_is_an_error() -> None:
    with pytest.raises(ModelError, match="degrees of freedom"):
        within_group_spread(TRUE, covariance(True), degrees_of_freedom=0.0)
