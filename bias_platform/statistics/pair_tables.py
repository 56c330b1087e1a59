"""How often each combination of codes occurs, for many pairs of columns at once; missing codes are counted too."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bias_platform.statistics.arrays import IntArray
from bias_platform.statistics.errors import ModelError

_AT_ONCE = 4_000_000
"""Codes or cells held at a time: some 100 MB."""


def column_pairs(columns: int, pairs: ArrayLike | Sequence[tuple[int, int]] | None) -> IntArray:
    """Pairs (P, 2) of column positions; all of them, each once, where none are given.

    Raises:
        ModelError: no pair at all, a column that is not there, or a column paired with itself.

    >>> column_pairs(3, None).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    found = np.asarray(list(combinations(range(columns), 2)) if pairs is None else pairs)
    if found.size == 0:
        raise ModelError(f"There is no pair to compare among {columns} column(s).")
    if found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "iu":
        raise ModelError(f"Pairs must be whole numbers of shape (pairs, 2), not {found.dtype} of {found.shape}.")
    wrong = (found < 0) | (found >= columns)
    if wrong.any() or (found[:, 0] == found[:, 1]).any():
        raise ModelError(
            f"Each pair must name two different columns from 0 to {columns - 1}: "
            f"{found[wrong.any(axis=1) | (found[:, 0] == found[:, 1])].tolist()} do not."
        )
    return found.astype(np.int64)


def named_pairs(pairs: IntArray, names: Sequence[str]) -> dict[str, NDArray[np.object_]]:
    """Columns ``first_column`` and ``second_column`` of a table with one row a pair.

    Raises:
        ModelError: fewer names than columns.
    """
    if len(names) <= int(pairs.max()):
        raise ModelError(f"There are {len(names)} names for {int(pairs.max()) + 1} or more columns: give one a column.")
    called = np.asarray(names, dtype=object)
    return {"first_column": called[pairs[:, 0]], "second_column": called[pairs[:, 1]]}


def portions(total: int, each: int) -> Iterator[slice]:
    """Slices of things that take `each` cells, so that few enough are held at a time.

    >>> [(one.start, one.stop) for one in portions(5, 2_000_000)]
    [(0, 2), (2, 4), (4, 5)]
    """
    step = max(1, _AT_ONCE // max(each, 1))
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))


def two_way_tables(columns: IntArray, pairs: IntArray, size: int) -> IntArray:
    """Counts (P, size + 1, size + 1) of pairs of codes; the first row and column are of missing ones.

    Args:
        columns: (items, k) codes below `size`, -1 missing.
        pairs: (P, 2) positions of columns.
    """
    width = size + 1
    joint = (columns[:, pairs[:, 0]] + 1) * width + columns[:, pairs[:, 1]] + 1
    return _counted(joint, width**2).reshape(len(pairs), width, width)


def three_way_tables(base: IntArray, columns: IntArray, pairs: IntArray, size: int) -> IntArray:
    """Counts (P, size + 1, size + 1, size + 1) of base, first and second of a pair; missing ones come first.

    Args:
        base: (items,) codes below `size`, -1 missing.
        columns: (items, k) likewise.
        pairs: (P, 2) positions of columns.
    """
    width = size + 1
    joint = ((base[:, None] + 1) * width + columns[:, pairs[:, 0]] + 1) * width + columns[:, pairs[:, 1]] + 1
    return _counted(joint, width**3).reshape(len(pairs), width, width, width)


def _counted(joint: IntArray, cells: int) -> IntArray:
    """Counts (P * cells,) of codes (items, P)."""
    joint += cells * np.arange(joint.shape[1])
    return np.bincount(joint.ravel(), minlength=cells * joint.shape[1])
