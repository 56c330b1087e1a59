"""Groupings of rows: which lies within which, and what two of them have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from bias_platform.statistics.arrays import IntArray

_PEEK = 20_000
"""Rows drawn first: most variables that vary within levels show it there."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """Rows put together; equal only to itself."""

    name: str
    code: IntArray
    """(rows,) level of each row."""
    size: int
    """Number of levels; each has a row."""

    def holds(self, values: NDArray[Any]) -> bool:
        """Whether values (rows,) are constant within its levels."""
        drawn = drawn_rows(len(values))
        if drawn is not None and not self._alike(self.code[drawn], values[drawn]):
            return False
        return self._alike(self.code, values)

    def coarser_than(self, other: "Grouping") -> bool:
        """Whether it puts levels of the other together, and every level of the other lies in one of its own."""
        return self.size < other.size and other.holds(self.code)

    def first_rows(self) -> IntArray:
        """(levels,) one row of each level."""
        rows = np.empty(self.size, dtype=np.int64)
        rows[self.code] = np.arange(len(self.code))
        return rows

    def at_rows(self, rows: IntArray) -> "Grouping":
        """The same for rows among which every level still occurs."""
        return Grouping(self.name, self.code[rows], self.size)

    def _alike(self, code: IntArray, values: NDArray[Any]) -> bool:
        of_level = np.empty(self.size, dtype=values.dtype)
        of_level[code] = values
        return bool(np.array_equal(of_level[code], values))


@cache
def drawn_rows(rows: int) -> IntArray | None:
    """Some rows drawn at random, always the same and in order; None where there are too few rows to bother."""
    if rows <= 2 * _PEEK:
        return None
    drawn: IntArray = np.unique(np.random.default_rng(0).integers(0, rows, _PEEK))
    return drawn


def finest(groupings: Sequence[Grouping]) -> list[Grouping]:
    """Those that no other one of them refines; of equal ones the first."""
    return [
        one
        for k, one in enumerate(groupings)
        if not any(
            other.holds(one.code) and (other.size > one.size or at < k)
            for at, other in enumerate(groupings)
            if at != k and other.size >= one.size
        )
    ]


def joined(one: Grouping, other: Grouping) -> Grouping:
    """The finest grouping that is coarser than both: levels that share a row belong together."""
    ends = (one.code, one.size + other.code)
    size = one.size + other.size
    graph = sparse.coo_array((np.ones(len(one.code), dtype=np.int8), ends), shape=(size, size))
    count, labels = connected_components(graph, directed=False)
    return Grouping(f"{one.name} & {other.name}", labels[one.code].astype(np.int64), int(count))
