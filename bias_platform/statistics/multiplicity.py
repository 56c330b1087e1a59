"""p values adjusted for how many were looked at."""

import numpy as np
from numpy.typing import ArrayLike

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError

METHODS = ("holm", "hochberg", "bonferroni", "fdr_bh", "fdr_by")


def adjust_p_values(p: ArrayLike, method: str = "holm") -> FloatArray:
    """Adjusted p values of one family, in the order given.

    Args:
        p: values from 0 to 1; NaN (a test that could not be made) stays NaN and does not count.
        method: family-wise error: ``holm``, ``hochberg`` (independent tests), ``bonferroni``; false discovery rate:
            ``fdr_bh`` (Benjamini-Hochberg), ``fdr_by`` (Benjamini-Yekutieli, any dependence).

    Raises:
        ModelError: an unknown method or a value outside 0..1.

    >>> adjust_p_values([0.01, float("nan"), 0.04, 0.03]).tolist()
    [0.03, nan, 0.06, 0.06]
    """
    if method not in METHODS:
        raise ModelError(f"Unknown adjustment {method!r}: choose one of {', '.join(METHODS)}.")
    values = np.asarray(p, dtype=float)
    known = ~np.isnan(values)
    if ((values[known] < 0) | (values[known] > 1)).any():
        raise ModelError("p values must lie between 0 and 1.")
    adjusted = np.full(values.shape, np.nan)
    adjusted[known] = _adjusted(values[known], method)
    return adjusted


def _adjusted(p: FloatArray, method: str) -> FloatArray:
    """From the ordered values: Holm steps down from the smallest, the others step up from the largest."""
    order, count = np.argsort(p), len(p)
    rank = np.arange(1, count + 1)
    factor = {
        "holm": count + 1.0 - rank,
        "hochberg": count + 1.0 - rank,
        "bonferroni": np.full(count, float(count)),
        "fdr_bh": count / rank,
        "fdr_by": count / rank * (1.0 / rank).sum(),
    }[method]
    raw = p[order] * factor
    stepped = np.maximum.accumulate(raw) if method == "holm" else np.minimum.accumulate(raw[::-1])[::-1]
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
