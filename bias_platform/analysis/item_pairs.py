"""Mean differences paired by item, many at once: no model, valid for rare answers, other items assumed alike."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

FloatArray = NDArray[np.float64]
FEW_UNTIED_ITEMS = 10
"""With fewer items that differ at all, a plain t interval is too narrow."""
ROUNDING = 1e-9
"""Gaps of shares below this are rounding noise, not differences."""


class PairedDifferences(NamedTuple):
    """One number a comparison, shape (k,)."""

    difference: FloatArray
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    df: FloatArray
    p_value: FloatArray
    items: NDArray[np.int64]


def paired_differences(
    gaps: FloatArray, confidence: float, bound: float = 1.0, rounding: float = ROUNDING
) -> PairedDifferences:
    """Mean gap (or any number by item) over items, with a t interval.

    Where fewer than ten items have another gap than the most common one, two items with gaps of opposite sign are
    added for the interval and the test (not for the mean): the paired form of "add two", after Bonett and Price
    (2012), so that cells in which nothing differs, or everything alike, still have an interval of honest width. Their
    size is a whole answer (1), or the largest gap of the comparison where that is more: what is rare may be all or
    none, and the gaps of other comparisons do not tell.

    Gaps without a bound (of scores) have no whole answer: where so few differ from a gap that several share, there
    is no interval and no test, because nothing says how large what was not seen could be.

    Args:
        gaps: (items, k) differences; NaN where an item lacks one of the two.
        confidence: level of the intervals.
        bound: largest possible gap: 1 for differences of shares, 2 for differences of differences, infinite for scores.
        rounding: gaps that differ by less are the same.
    """
    gaps = np.where(np.abs(gaps) < rounding, 0.0, gaps)
    known = np.isfinite(gaps)
    items = known.sum(axis=0)
    filled = np.where(known, gaps, 0.0)
    total, squares = filled.sum(axis=0), (filled**2).sum(axis=0)
    shared = _most_common(gaps, rounding)
    few = items - shared < FEW_UNTIED_ITEMS
    sparse = (few & np.isfinite(bound)).astype(float)
    unknown = few & np.isinf(bound) & (shared > 1)
    added = np.maximum(1.0, np.abs(filled).max(axis=0, initial=0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(items > 0, total / items, np.nan)
        count = items + 2 * sparse
        center = total / count
        spread = squares + 2 * added**2 * sparse - count * center**2
        usable = (items > 1) & ~unknown
        error = np.where(usable, np.sqrt(np.maximum(spread, 0.0) / (count - 1) / count), np.nan)
        df: FloatArray = np.where(usable, count - 1, np.nan)
        reach = student.ppf(0.5 + confidence / 2, df) * error
        p = 2.0 * student.sf(np.abs(center) / error, df)
    lower = np.minimum(np.maximum(center - reach, -bound), mean)
    upper = np.maximum(np.minimum(center + reach, bound), mean)
    return PairedDifferences(mean, error, lower, upper, df, np.asarray(p), items.astype(np.int64))


def _most_common(gaps: FloatArray, rounding: float) -> NDArray[np.int64]:
    """(k,): how many items share the most common gap."""
    ordered = np.sort(np.round(gaps / rounding), axis=0)
    place = np.arange(len(ordered))[:, None]
    begins = np.ones(ordered.shape, dtype=bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    # place in its stretch of equal gaps: all comparisons at once, because power asks for thousands of them
    stretch = place - np.maximum.accumulate(np.where(begins, place, 0), axis=0) + 1
    longest: NDArray[np.int64] = np.where(np.isfinite(ordered), stretch, 0).max(axis=0, initial=0)
    return longest


def typical_gap(gaps: FloatArray, bound: float) -> float:
    """Root mean square of the gaps that are not zero; `bound` where all are."""
    seen = gaps[np.isfinite(gaps) & (gaps != 0)]
    return float(np.sqrt((seen**2).mean())) if seen.size else bound
