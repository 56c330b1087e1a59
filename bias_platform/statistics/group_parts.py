"""What the random terms inside groups leave of everything else in a Gaussian fit, group by group.

With V_L the covariance of y by the terms inside groups and the residual, in units of the residual variance, the parts
of a group are ``S_g = Z_L'V_L^-1 Z_L`` and ``K_g = Z_L'V_L^-1 [Z_D, X, r]``: L the columns inside groups, D the dense
ones, r what X leaves of y. Only a few groups are in memory at a time.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.loose_layout import LooseLayout
from bias_platform.statistics.row_columns import RowColumns, scaled


class GroupPart(NamedTuple):
    """Some groups."""

    own: FloatArray
    """S_g, (groups, width, width)."""
    beside: FloatArray
    """K_g, (groups, width, dense + p + 1)."""
    coupled: FloatArray
    """Z_L'W [Z_D, X, r], of the shape of K_g."""


class GroupParts:
    """The parts of all groups, and their sum."""

    def __init__(self, layout: LooseLayout, gamma: FloatArray) -> None:
        """Args:
        layout: without fine terms; its outcome is r, summed within rows.
        gamma: covariance of the random columns of a group, (width, width).
        """
        self.layout, self.gamma = layout, gamma
        self.size = layout.dense + layout.n_fixed + 1

    def __iter__(self) -> Iterator[GroupPart]:
        layout, width, p = self.layout, self.layout.width, self.layout.n_fixed
        for part, rows in layout.row_chunks(width * (3 * self.size + 4 * width), p + 1):
            groups = part.stop - part.start
            local = layout.local.rows(rows).shifted(part.start * width, groups * width)
            gram = self._gram(local, rows, groups)
            coupled = self._coupled(local, rows).reshape(groups, width, self.size)
            solved = np.linalg.solve(np.eye(width) + gram @ self.gamma, np.concatenate([gram, coupled], axis=2))
            yield GroupPart(solved[:, :, :width], solved[:, :, width:], coupled)

    def beside_information(self) -> FloatArray:
        """[Z_D, X, r]'V_L^-1 [Z_D, X, r]; its last entry is left out and 0."""
        layout, d = self.layout, self.layout.dense
        total = np.zeros((self.size, self.size))
        total[:d, :d] = layout.crossed_columns.gram(layout.trials)
        for _, rows in layout.row_chunks(0, self.size):
            fixed = self._fixed(rows)
            total[d:-1, d:] += layout.patterns[layout.pattern[rows]].T @ fixed
            if d:
                total[:d, d:] += layout.crossed_columns.rows(rows).matrix().T @ fixed
        total[d:, :d] = total[:d, d:].T
        total[-1, d:-1] = total[d:-1, -1]
        for part in self:
            total -= stacked(part.coupled).T @ stacked(self.gamma @ part.beside)
        total[-1, -1] = 0.0
        return total

    def _gram(self, local: RowColumns, rows: slice, groups: int) -> FloatArray:
        """Z_L'W Z_L, (groups, width, width)."""
        layout, width = self.layout, self.layout.width
        gram = np.zeros((groups, width, width))
        for at, entry in local:
            weighted = scaled(layout.trials[rows], entry)
            for column, other in zip(layout.local_columns[:, rows], local.entries, strict=True):
                gram += bin_sums(at * width + column, scaled(weighted, other), gram.size).reshape(gram.shape)
        return gram

    def _coupled(self, local: RowColumns, rows: slice) -> FloatArray:
        layout, columns = self.layout, local.matrix().T
        crossed = layout.crossed_columns.rows(rows).matrix() * layout.trials[rows, None]
        return np.hstack([(columns @ crossed).toarray(), np.asarray(columns @ self._fixed(rows))])

    def _fixed(self, rows: slice) -> FloatArray:
        """W X and the sums of r, (rows, p + 1)."""
        layout = self.layout
        design = layout.patterns[layout.pattern[rows]] * layout.trials[rows, None]
        return np.column_stack([design, layout.successes[rows]])


def stacked(groups: FloatArray) -> FloatArray:
    """(groups, k, columns) as (groups * k, columns)."""
    return groups.reshape(-1, groups.shape[-1])
