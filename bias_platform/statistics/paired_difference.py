"""The mean difference of two answers to the same items, with an interval that holds for rare answers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import binomtest, norm
from scipy.stats import t as student

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError


@dataclass(frozen=True)
class PairedDifference:
    """Mean of first minus second over items."""

    difference: float
    lower: float
    upper: float
    p: float
    """Exact McNemar for 0/1 answers, paired t otherwise; sign test where all items differ alike, 1 where none."""
    items: int
    first_higher: int
    second_higher: int
    method: str
    """``tango`` or ``t``; ``tango-bound`` where fractions are equal on every item."""


def paired_difference(a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> PairedDifference:
    """Mean paired difference by item.

    For 0/1 answers the interval is Tango's score interval for paired proportions, which stays honest for few
    or no discordant items. Where an item's value is a share of several answers it is a t interval; if then no
    item differs at all, the bounds are those of Tango for no discordant item, because a t interval would claim
    a width of zero.

    Args:
        a: (items,) answers 0/1 or shares from 0 to 1.
        b: (items,) in the same order of items.
        level: confidence of the interval.

    Raises:
        ModelError: lengths that differ, fewer than two items, missing values, or values outside 0..1.

    Source: T. Tango (1998), Statistics in Medicine 17, 891-908.

    >>> gap = paired_difference([1, 1, 1, 0, 0, 1], [0, 1, 0, 0, 0, 1])
    >>> round(gap.difference, 3), gap.lower < 0 < gap.upper
    (0.333, True)
    """
    first, second = _checked(a, b)
    gaps = first - second
    higher, lower = int((gaps > 0).sum()), int((gaps < 0).sum())
    if np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all():
        bounds = _tango(higher, lower, len(gaps), level)
        p = float(binomtest(higher, higher + lower).pvalue) if higher + lower else 1.0
        return PairedDifference(float(gaps.mean()), *bounds, p, len(gaps), higher, lower, "tango")
    if np.ptp(gaps) < 1e-12:
        bounds = _tango(0, 0, len(gaps), level)
        shift = float(gaps.mean())
        p = 1.0 if abs(shift) < 1e-12 else float(2.0 ** (1 - len(gaps)))
        bounds = (max(-1.0, shift + bounds[0]), min(1.0, shift + bounds[1]))
        return PairedDifference(shift, *bounds, p, len(gaps), higher, lower, "tango-bound")
    error = float(gaps.std(ddof=1) / np.sqrt(len(gaps)))
    reach = float(student.ppf(0.5 + level / 2, len(gaps) - 1)) * error
    mean = float(gaps.mean())
    p = float(2.0 * student.sf(abs(mean) / error, len(gaps) - 1))
    bounds = (max(-1.0, mean - reach), min(1.0, mean + reach))
    return PairedDifference(mean, *bounds, p, len(gaps), higher, lower, "t")


def _checked(a: ArrayLike, b: ArrayLike) -> tuple[FloatArray, FloatArray]:
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if first.ndim != 1 or first.shape != second.shape:
        raise ModelError(f"Paired values must be two lists of one length, not {first.shape} and {second.shape}.")
    if len(first) < 2:
        raise ModelError("A paired difference needs at least two items.")
    missing = int((~np.isfinite(first) | ~np.isfinite(second)).sum())
    if missing:
        raise ModelError(f"{missing} of {len(first)} pairs lack a value: keep only items answered both times.")
    if min(first.min(), second.min()) < 0 or max(first.max(), second.max()) > 1:
        raise ModelError("Paired values must lie between 0 and 1.")
    return first, second


def _tango(higher: int, lower: int, items: int, level: float) -> tuple[float, float]:
    """Bounds where the score statistic of the difference equals the normal quantile."""
    quantile = float(norm.ppf(0.5 + level / 2))
    mean = (higher - lower) / items

    def excess(difference: float, target: float) -> float:
        return _score(higher, lower, items, difference) - target

    edge = 1.0 - 1e-12
    low = -1.0 if excess(-edge, quantile) < 0 else brentq(excess, -edge, mean, args=(quantile,), xtol=1e-12)
    high = 1.0 if excess(edge, -quantile) > 0 else brentq(excess, mean, edge, args=(-quantile,), xtol=1e-12)
    return float(low), float(high)


def _score(higher: int, lower: int, items: int, difference: float) -> float:
    linear = -higher - lower + (2 * items - higher + lower) * difference
    constant = -lower * difference * (1.0 - difference)
    root = np.sqrt(max(0.0, linear**2 - 8.0 * items * constant))
    nuisance = (root - linear) / (4.0 * items)
    variance = items * (2.0 * nuisance + difference * (1.0 - difference))
    gap = higher - lower - items * difference
    if variance <= 0:
        return 0.0 if gap == 0 else float(np.copysign(np.inf, gap))
    return float(gap / np.sqrt(variance))
