"""Mean differences paired by item, many at once: no model, valid for rare answers, other items assumed alike."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

FloatArray = NDArray[np.float64]
FEW_UNTIED_ITEMS = 10
"""With fewer items that differ at all, a plain t interval is too narrow."""


class PairedDifferences(NamedTuple):
    """One number a comparison, shape (k,)."""

    difference: FloatArray
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    df: FloatArray
    p_value: FloatArray
    items: NDArray[np.int64]


def paired_differences(gaps: FloatArray, confidence: float, bound: float = 1.0) -> PairedDifferences:
    """Mean gap over items with a t interval.

    Where fewer than ten items have a gap other than zero, one item with a positive and one with a negative gap are
    added for the interval and the test (not for the mean): the paired form of "add two", after Bonett and Price
    (2012), so that cells in which nothing differs still have an interval of honest width. Their size is that of the
    gaps seen in such cells (root mean square; `bound` where there is none).

    Args:
        gaps: (items, k) differences; NaN where an item lacks one of the two.
        confidence: level of the intervals.
        bound: largest possible gap: 1 for differences of shares, 2 for differences of differences.
    """
    known = np.isfinite(gaps)
    items = known.sum(axis=0)
    filled = np.where(known, gaps, 0.0)
    total, squares = filled.sum(axis=0), (filled**2).sum(axis=0)
    sparse = ((filled != 0).sum(axis=0) < FEW_UNTIED_ITEMS).astype(float)
    added = typical_gap(filled[:, sparse > 0], bound)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(items > 0, total / items, np.nan)
        count = items + 2 * sparse
        center = total / count
        spread = squares + 2 * added**2 * sparse - count * center**2
        error = np.where(items > 1, np.sqrt(np.maximum(spread, 0.0) / (count - 1) / count), np.nan)
        df: FloatArray = np.where(items > 1, count - 1, np.nan)
        reach = student.ppf(0.5 + confidence / 2, df) * error
        p = 2.0 * student.sf(np.abs(center) / error, df)
    lower = np.minimum(np.maximum(center - reach, -bound), mean)
    upper = np.maximum(np.minimum(center + reach, bound), mean)
    return PairedDifferences(mean, error, lower, upper, df, np.asarray(p), items.astype(np.int64))


def typical_gap(gaps: FloatArray, bound: float) -> float:
    """Root mean square of the gaps that are not zero; `bound` where all are."""
    seen = gaps[np.isfinite(gaps) & (gaps != 0)]
    return float(np.sqrt((seen**2).mean())) if seen.size else bound
