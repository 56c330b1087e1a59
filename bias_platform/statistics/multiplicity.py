"""p values adjusted for how many were looked at."""

import numpy as np
from numpy.typing import ArrayLike

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError

METHODS = ("holm", "fdr_bh", "fdr_by", "bonferroni", "sidak", "holm-sidak", "simes-hochberg", "hommel")


def adjust_p_values(p: ArrayLike, method: str = "holm") -> FloatArray:
    """Adjusted p values of one family, in the order given.

    Args:
        p: values from 0 to 1; NaN (a test that could not be made) stays NaN and does not count.
        method: ``holm`` (family-wise error), ``fdr_bh`` (false discovery rate), or another of `METHODS`.

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
    if known.any():
        from statsmodels.stats.multitest import multipletests

        adjusted[known] = multipletests(values[known], method=method)[1]
    return adjusted
