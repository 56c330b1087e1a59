"""Names for the array types of this room and the two array operations everything else stands on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.statistics.errors import ModelError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_TABLE = 8
"""Up to this many possible codes a value, a table of them is faster than sorting."""


def sorted_codes(values: pd.Series) -> tuple[IntArray, pd.Index]:
    """Integer codes (n,) of a column's values and its sorted distinct values."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.remove_unused_categories()
        return values.cat.codes.to_numpy().astype(np.int64), pd.Index(values.cat.categories)
    try:
        codes, levels = pd.factorize(values, sort=True)
    except TypeError as problem:
        raise ModelError(
            f"Column {values.name!r} mixes values that cannot be ordered: turn them all into text or all into numbers."
        ) from problem
    return codes.astype(np.int64), pd.Index(levels)


def bin_sums(codes: NDArray[np.int64], values: FloatArray, size: int) -> FloatArray:
    """Sum values (n,) by code into (size,)."""
    return np.bincount(codes, values, size).astype(np.float64, copy=False)


def combine_codes(columns: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """Codes (n,) of the distinct rows of several code columns, and the first row (k,) of each.

    The rows are numbered in lexicographic order, so the result does not depend on the order of the data
    except through the choice of the first row.
    """
    joint = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        width = int(column.max()) + 1 if len(column) else 1
        joint = _dense_ranks(joint * width + column)
        if len(joint) and int(joint.max()) + 1 == len(joint):
            break  # all rows differ: what is left cannot part them further
    first = np.full(int(joint.max()) + 1 if len(joint) else 0, len(joint), dtype=np.int64)
    np.minimum.at(first, joint, np.arange(len(joint)))
    return joint, first


def _dense_ranks(codes: IntArray) -> IntArray:
    """Ranks of codes from 0 up, counted over the distinct ones."""
    size = int(codes.max()) + 1 if len(codes) else 0
    if size > _TABLE * len(codes):
        return pd.factorize(codes, sort=True)[0].astype(np.int64)
    seen = np.zeros(size, dtype=np.int8)
    seen[codes] = 1
    ranks: IntArray = np.cumsum(seen, dtype=np.int32)[codes] - np.int64(1)
    return ranks
