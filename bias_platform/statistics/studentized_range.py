"""Distribution of the studentized range, by quadrature and for many values at once."""

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr
from scipy.stats import chi2
from scipy.stats import t as student

from bias_platform.statistics.arrays import FloatArray

_STEP = 0.2
_NODES, _MORE_NODES = 64, 256
"""Of the standard deviation; more of them below 5 degrees of freedom, where very small deviations matter."""
_OUTSIDE = 1e-13
"""Probability that is left out at each end of the distribution of the standard deviation."""


def studentized_range_tail(ranges: FloatArray, means: int, degrees_of_freedom: float) -> FloatArray:
    """Probability that ``means`` independent normal means lie farther apart, in estimated standard errors.

    The upper tail of R's ``ptukey``, within 1e-6 of it (1e-8 from 5 degrees of freedom up): with M the largest of k
    means, s the estimated standard deviation and w the range, the integral over s and M of
    ``k phi(M) (Phi(M)^(k-1) - (Phi(M) - Phi(M - w s))^(k-1))``.

    Args:
        ranges: (n,), not negative; NaN stays NaN.
        means: at least 2.
        degrees_of_freedom: of the standard deviation; infinite where it is known.

    >>> studentized_range_tail(np.array([0.0, 3.857656]), 5, np.inf).round(6).tolist()
    [1.0, 0.05]
    """
    if np.isinf(degrees_of_freedom):
        return _normal_tail(ranges, means)
    total = np.zeros_like(ranges)
    for deviation, weight in zip(*_deviations(degrees_of_freedom), strict=True):
        total += weight * _normal_tail(ranges * deviation, means)
    return total


def studentized_range_quantile(level: float, means: int, degrees_of_freedom: float) -> float:
    """The range that is exceeded with probability 1 - level.

    >>> round(studentized_range_quantile(0.95, 27, 12.0), 4)
    6.5444
    """
    pairs, tail = means * (means - 1) / 2, 1.0 - level

    def surplus(value: float) -> float:
        return float(studentized_range_tail(np.array([value]), means, degrees_of_freedom)[0]) - tail

    single, all_of_them = (np.sqrt(2.0) * student.isf(tail / count / 2.0, degrees_of_freedom) for count in (1, pairs))
    return float(brentq(surplus, 0.999 * single, 1.001 * all_of_them, xtol=1e-10))


def _normal_tail(ranges: FloatArray, means: int) -> FloatArray:
    """With a known standard deviation: the trapezoidal rule over the largest mean, free of cancellation."""
    largest = np.arange(-9.0, 30.0, _STEP)
    density = means * np.exp(-0.5 * largest**2 + (means - 1) * log_ndtr(largest)) * _STEP / np.sqrt(2.0 * np.pi)
    with np.errstate(divide="ignore"):
        inside = np.log1p(-np.minimum(ndtr(largest - ranges[:, None]) / ndtr(largest), 1.0))
    return np.asarray(-np.expm1((means - 1) * inside) @ density)


@lru_cache(maxsize=8)
def _deviations(degrees_of_freedom: float) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of the root of chi-square over its degrees of freedom, by Gauss-Legendre, denser near zero."""
    low, high = (
        np.sqrt(end / degrees_of_freedom)
        for end in (chi2.ppf(_OUTSIDE, degrees_of_freedom), chi2.isf(_OUTSIDE, degrees_of_freedom))
    )
    nodes, weights = np.polynomial.legendre.leggauss(_NODES if degrees_of_freedom >= 5 else _MORE_NODES)
    root = 0.5 * (nodes + 1.0)
    deviation = low + (high - low) * root**2
    density = 2.0 * degrees_of_freedom * deviation * chi2.pdf(degrees_of_freedom * deviation**2, degrees_of_freedom)
    return deviation, (high - low) * root * weights * density
