"""The non-zero entries of Z, row by row: one column and one entry for each component of the random terms."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from bias_platform.statistics.arrays import FloatArray, IntArray, bin_sums


@dataclass(frozen=True)
class RowColumns:
    """Of each row, its column in each component and its entry there."""

    at: IntArray
    """(components, rows)."""
    entries: tuple[FloatArray | None, ...]
    """(rows,) each; None for ones."""
    size: int
    """Number of columns."""

    def __iter__(self) -> Iterator[tuple[IntArray, FloatArray | None]]:
        return iter(zip(self.at, self.entries, strict=True))

    def rows(self, rows: slice) -> "RowColumns":
        """The same of some rows."""
        entries = tuple(None if one is None else one[rows] for one in self.entries)
        return RowColumns(self.at[:, rows], entries, self.size)

    def shifted(self, columns: int, size: int) -> "RowColumns":
        """The same with columns counted from another start."""
        return RowColumns(self.at - columns, self.entries, size)

    def beside(self, codes: IntArray, size: int) -> "RowColumns":
        """These columns and one indicator more, which comes after them."""
        return RowColumns(np.vstack([self.at, self.size + codes]), (*self.entries, None), self.size + size)

    def spread(self, values: FloatArray) -> FloatArray:
        """Z values, (rows,)."""
        total: FloatArray = scaled(values[self.at[0]], self.entries[0])
        for at, entry in zip(self.at[1:], self.entries[1:], strict=True):
            total += scaled(values[at], entry)
        return total

    def sums(self, rows: FloatArray) -> FloatArray:
        """Z' rows, (columns,)."""
        total = np.zeros(self.size)
        for at, entry in self:
            total += bin_sums(at, scaled(rows, entry), self.size)
        return total

    def gram(self, weights: FloatArray) -> FloatArray:
        """Z'WZ, (columns, columns)."""
        total = np.zeros((self.size, self.size))
        for k, (one, entry) in enumerate(self):
            weighted = scaled(weights, entry)
            total[np.diag_indices(self.size)] += bin_sums(one, scaled(weighted, entry), self.size)
            for other, their in zip(self.at[k + 1 :], self.entries[k + 1 :], strict=True):
                sums = bin_sums(one * self.size + other, scaled(weighted, their), self.size**2)
                sums = sums.reshape(self.size, self.size)
                total += sums + sums.T
        return total

    def matrix(self) -> sparse.csr_array:
        """Z, (rows, columns)."""
        rows = np.tile(np.arange(self.at.shape[1]), len(self.at))
        return sparse.csr_array((self.all_entries(), (rows, self.at.ravel())), shape=(self.at.shape[1], self.size))

    def all_entries(self) -> FloatArray:
        """(components * rows,)."""
        ones = np.ones(self.at.shape[1])
        return np.concatenate([ones if one is None else one for one in self.entries] or [ones[:0]])


def scaled(values: FloatArray, entry: FloatArray | None) -> FloatArray:
    """Values times entries; the values themselves where the entries are ones."""
    return values if entry is None else values * entry
