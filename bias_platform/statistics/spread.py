"""How far several levels lie apart: the range, and the standard deviation without the noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import chi2, f, ncx2, norm
from scipy.stats import t as student

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.simultaneous import SEED, LargestStatistic, covariance_root, largest_of_rows

_KNOWN = 1e-9
"""A difference whose error is below this share of the typical error is known exactly."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its bounds."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Spread:
    """Spread of k levels, in the units of the estimates."""

    range: Interval
    """Largest minus smallest. The estimate is biased upwards by noise."""
    sd: Interval
    """Standard deviation (k - 1) of the true values, noise taken off."""
    homogeneity: float
    """Sum of squares of all levels being equal, in units of the noise."""
    df: int
    p: float
    """Of that: chi-square where the covariance is known, Hotelling's F where it was estimated."""


def within_group_spread(
    estimates: ArrayLike,
    covariance: ArrayLike,
    *,
    level: float = 0.95,
    degrees_of_freedom: float = np.inf,
    draws: int = 2_048,
    seed: int = SEED,
) -> Spread:
    """Range and noise-corrected standard deviation of several estimated levels.

    The lower bound of the range is the largest ``d - c se`` over pairs, with c the ``level`` quantile of the largest
    |T| over pairs (of the multivariate t with this covariance, `simultaneous.LargestStatistic`: one chi-square
    denominator for all pairs): where all levels are equal, it misses in ``1 - level`` of studies. The upper bound is
    the largest ``d + u se``: it can only miss where the two levels that are truly farthest apart come out too near each
    other, which is one pair and not the largest of many, so that u is the t quantile that leaves what c leaves over of
    ``1 - level``. Coverage is ``level`` where all levels are equal, and where two of them lie far outside all others;
    between these it is higher (97-99 % at 95 %), because which levels are the extreme ones is not known, and a range
    of zero is at the edge of what there is. With few degrees of freedom or skewed errors it is somewhat lower.

    The standard deviation is the root of the sample variance less its expectation under pure noise, not below
    zero. Its interval inverts the noncentral chi-square of the homogeneity sum of squares, with scale and
    degrees of freedom matched to the covariance (Satterthwaite): exact where all levels have equal variances
    and covariances, approximate otherwise. For the upper bound the sum of squares counts as at least its median under
    pure noise: levels that came out nearer each other than noise alone would have them do not show that they are equal,
    and the bound is never zero where there is noise. An estimated covariance widens it by the squared ratio of the t to
    the normal quantile.

    Args:
        estimates: (k,), k at least 2.
        covariance: (k, k).
        level: confidence of both intervals.
        degrees_of_freedom: of the covariance; infinite where it is known. Where pairs differ, their smallest.
        draws: directions that c is averaged over; at least 2,048 are. Its Monte-Carlo error is then below 0.01.
        seed: of the directions.

    Raises:
        ModelError: fewer than two levels, shapes that differ, values that are not finite, or no degrees of freedom.

    >>> import numpy as np
    >>> spread = within_group_spread([0.2, 0.5, 0.9], 0.01 * np.eye(3))
    >>> round(spread.range.estimate, 3), spread.range.lower < 0.7 < spread.range.upper
    (0.7, True)
    """
    values, noise = _checked(estimates, covariance)
    if not degrees_of_freedom > 0:
        raise ModelError("A spread needs a covariance with degrees of freedom above zero.")
    center = np.eye(len(values)) - 1.0 / len(values)
    inner = center @ noise @ center
    statistic = float(values @ center @ np.linalg.pinv(inner, hermitian=True) @ center @ values)
    df = len(values) - 1
    return Spread(
        range=_range(values, noise, level, _largest_difference(inner, degrees_of_freedom, draws, seed)),
        sd=_noise_corrected(values, inner, level, degrees_of_freedom),
        homogeneity=statistic,
        df=df,
        p=_tail(statistic, df, degrees_of_freedom),
    )


def _tail(statistic: float, df: int, degrees_of_freedom: float) -> float:
    """Chi-square, or Hotelling's T squared where the covariance has degrees of freedom of its own."""
    if np.isinf(degrees_of_freedom):
        return float(chi2.sf(statistic, df))
    left = max(1.0, degrees_of_freedom - df + 1.0)
    return float(f.sf(statistic * left / (df * (left + df - 1.0)), df, left))


def _checked(estimates: ArrayLike, covariance: ArrayLike) -> tuple[FloatArray, FloatArray]:
    values = np.asarray(estimates, dtype=float)
    noise = np.asarray(covariance, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ModelError("A spread needs at least two levels.")
    if noise.shape != (len(values), len(values)):
        raise ModelError(f"{len(values)} estimates need a covariance of that size, not {noise.shape}.")
    if not (np.isfinite(values).all() and np.isfinite(noise).all()):
        raise ModelError("A spread needs finite estimates: leave out the levels that could not be estimated.")
    return values, noise


def _range(values: FloatArray, noise: FloatArray, level: float, largest: LargestStatistic) -> Interval:
    first, second = np.triu_indices(len(values), 1)
    variance = np.diag(noise)
    errors = np.sqrt(np.maximum(variance[first] + variance[second] - 2.0 * noise[first, second], 0.0))
    difference = np.abs(values[first] - values[second])
    critical = largest.critical_value(level) if largest.contrasts else 0.0
    left = max(1.0 - level - float(student.sf(critical, largest.degrees_of_freedom)), 0.5 * (1.0 - level))
    one_pair = float(student.isf(left, largest.degrees_of_freedom))
    return Interval(
        estimate=float(difference.max()),
        lower=float(max(0.0, (difference - critical * errors).max())),
        upper=float((difference + one_pair * errors).max()),
    )


def _largest_difference(inner: FloatArray, degrees_of_freedom: float, draws: int, seed: int) -> LargestStatistic:
    """Distribution of the largest |T| over pairs; pairs whose difference is known exactly do not count."""
    root = covariance_root(inner)
    first, second = np.triu_indices(len(inner), 1)
    rows = root[first] - root[second]
    varies = np.linalg.norm(rows, axis=1) > _KNOWN * np.sqrt(np.trace(inner))
    return largest_of_rows(rows[varies], degrees_of_freedom, directions=draws, repetitions=2, seed=seed)


def _noise_corrected(values: FloatArray, inner: FloatArray, level: float, degrees_of_freedom: float) -> Interval:
    df = len(values) - 1
    total = float(((values - values.mean()) ** 2).sum())
    trace, squares = float(np.trace(inner)), float((inner * inner).sum())
    estimate = np.sqrt(max(0.0, (total - trace) / df))
    if trace <= 0:
        return Interval(float(estimate), float(estimate), float(estimate))
    tail = 0.5 * (1.0 - level)
    wider = (student.isf(tail, degrees_of_freedom) / norm.isf(tail)) ** 2
    unit, freedom = wider * squares / trace, trace**2 / squares
    least = float(chi2.median(freedom))
    bounds = _noncentrality(total / unit, freedom, 1.0 - tail), _noncentrality(max(total / unit, least), freedom, tail)
    lower, upper = (float(np.sqrt(bound * unit / df)) for bound in bounds)
    return Interval(float(estimate), min(lower, float(estimate)), max(upper, float(estimate)))


def _noncentrality(statistic: float, freedom: float, probability: float) -> float:
    """The noncentrality at which the statistic stands at this quantile; 0 where it is too small for any."""

    def surplus(noncentrality: float) -> float:
        return _noncentral_cdf(statistic, freedom, noncentrality) - probability

    if surplus(0.0) <= 0:
        return 0.0
    upper = statistic + 10.0
    while surplus(upper) > 0:
        upper *= 2.0
    return float(brentq(surplus, 0.0, upper, xtol=1e-10))


def _noncentral_cdf(statistic: float, freedom: float, noncentrality: float) -> float:
    if noncentrality == 0.0:
        return float(chi2.cdf(statistic, freedom))
    if statistic > 1e5:
        return float(norm.cdf(statistic, freedom + noncentrality, np.sqrt(2.0 * (freedom + 2.0 * noncentrality))))
    return float(ncx2.cdf(statistic, freedom, noncentrality))
