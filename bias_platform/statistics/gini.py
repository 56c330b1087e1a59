"""Unevenness of a few numbers that may be negative."""

import numpy as np
from numpy.typing import ArrayLike

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError


def gini_mean_difference(values: ArrayLike) -> FloatArray:
    """Gini's mean difference over twice the mean absolute value, along the last axis: from 0 (all equal) to 1.

    Raffinetti, Siletti and Vernizzi (2015), Statistical Methods and Applications 24, 507-521; without negative values
    it is the usual Gini coefficient. With N values in order, sum((2 i - N - 1) y_(i)) / (N sum(abs(y))).

    Args:
        values: (..., N) numbers; one that is NaN makes the result NaN.

    Returns:
        (...) coefficients; 0 where all values are 0.

    Raises:
        ModelError: no values, or infinite ones.

    >>> gini_mean_difference([[1.0, 1.0, 1.0], [0.0, 0.0, 3.0], [-1.0, 0.0, 1.0]]).round(4).tolist()
    [0.0, 0.6667, 0.6667]
    """
    numbers = np.asarray(values, dtype=float)
    if numbers.ndim == 0 or not numbers.shape[-1] or np.isinf(numbers).any():
        raise ModelError("Gini's coefficient needs a sequence of one or more finite numbers.")
    size = numbers.shape[-1]
    order = 2.0 * np.arange(1, size + 1) - size - 1.0
    above, below = np.sort(numbers, axis=-1) @ order, size * np.abs(numbers).sum(axis=-1)
    return np.asarray(np.divide(above, below, out=np.where(np.isnan(below), np.nan, 0.0), where=below > 0))
