"""p values adjusted for how many were looked at."""

import numpy as np
from numpy.typing import ArrayLike

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.errors import ModelError

METHODS = ("holm", "hochberg", "bonferroni", "fdr_bh", "fdr_by")


def adjust_p_values(p: ArrayLike, method: str = "holm") -> FloatArray:
    """Adjusted p values of one family, in the order given; or of many, along the last axis.

    Args:
        p: (..., k) values from 0 to 1; NaN (a test that could not be made) stays NaN and does not count.
        method: family-wise error: ``holm``, ``hochberg`` (independent tests), ``bonferroni``; false discovery rate:
            ``fdr_bh`` (Benjamini-Hochberg), ``fdr_by`` (Benjamini-Yekutieli, any dependence).

    Raises:
        ModelError: an unknown method or a value outside 0..1.

    >>> adjust_p_values([0.01, float("nan"), 0.04, 0.03]).tolist()
    [0.03, nan, 0.06, 0.06]
    >>> adjust_p_values([[0.01, 0.04], [0.5, 0.02]]).tolist()
    [[0.02, 0.04], [0.5, 0.04]]
    """
    if method not in METHODS:
        raise ModelError(f"Unknown adjustment {method!r}: choose one of {', '.join(METHODS)}.")
    values = np.asarray(p, dtype=float)
    known = ~np.isnan(values)
    if ((values[known] < 0) | (values[known] > 1)).any():
        raise ModelError("p values must lie between 0 and 1.")
    if values.ndim == 0:
        raise ModelError("A family of p values must be a sequence, not a single number.")
    if not values.size:
        return values.copy()
    order = np.argsort(values, axis=-1)  # NaN last
    raw = np.take_along_axis(values, order, axis=-1) * _factors(known.sum(axis=-1, keepdims=True), method, values.shape)
    stepped = np.maximum.accumulate(raw, axis=-1) if method == "holm" else _stepped_up(raw)
    adjusted = np.empty(values.shape)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=-1)
    return np.where(known, adjusted, np.nan)


def _factors(count: IntArray, method: str, shape: tuple[int, ...]) -> FloatArray:
    """By rank: Holm steps down from the smallest p, the others step up from the largest."""
    rank = np.arange(1, shape[-1] + 1)
    if method in ("holm", "hochberg"):
        factor = count + 1.0 - rank
    elif method == "bonferroni":
        factor = count + 0.0 * rank
    else:
        factor = count / rank
        factor = factor * (np.cumsum(1.0 / rank)[np.maximum(count, 1) - 1] if method == "fdr_by" else 1.0)
    return np.broadcast_to(factor, shape)


def _stepped_up(raw: FloatArray) -> FloatArray:
    found: FloatArray = np.fmin.accumulate(raw[..., ::-1], axis=-1)[..., ::-1]
    return found
