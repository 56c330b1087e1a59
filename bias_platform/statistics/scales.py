"""From standardised random effects to effects and back: the block-diagonal matrix T, column by column of Z.

Where a term has one effect, T only stretches its columns by the term's standard deviation. Where it has several, the
columns of one level are mixed by the term's lower triangular factor.
"""

from dataclasses import dataclass

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.elimination import Terms
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.modes import Modes
from bias_platform.statistics.random_terms import FactorShape


@dataclass(frozen=True)
class Scaling:
    """T of some columns; every method works on the last axis."""

    diagonal: FloatArray
    """(columns,)."""
    below: tuple[tuple[slice, slice, float], ...]
    """To the first columns T adds so much of the second."""

    def effects(self, columns: FloatArray) -> FloatArray:
        """T columns; of a matrix (…, k, columns) it is the matrix times T'."""
        moved: FloatArray = columns * self.diagonal
        for to, source, share in self.below:
            moved[..., to] += share * columns[..., source]
        return moved

    def pulled(self, columns: FloatArray) -> FloatArray:
        """T' columns; of a matrix (…, k, columns) it is the matrix times T."""
        moved: FloatArray = columns * self.diagonal
        for to, source, share in self.below:
            moved[..., source] += share * columns[..., to]
        return moved

    def information(self, matrix: FloatArray) -> FloatArray:
        """T' matrix T of symmetric matrices (…, columns, columns)."""
        if not self.below:
            return matrix * self.diagonal[:, None] * self.diagonal
        return self.pulled(np.swapaxes(self.pulled(matrix), -1, -2))

    def covariance(self, matrix: FloatArray) -> FloatArray:
        """T matrix T' of symmetric matrices (…, columns, columns)."""
        if not self.below:
            return matrix * self.diagonal[:, None] * self.diagonal
        return self.effects(np.swapaxes(self.effects(matrix), -1, -2))


@dataclass(frozen=True)
class Scales:
    """T of all random columns."""

    fine: FloatArray
    """(fine terms,): their standard deviations."""
    local: Scaling
    dense: Scaling

    def effects(self, modes: Modes) -> Modes:
        """T modes."""
        return Modes(self._fine(modes), self.local.effects(modes.local), self.dense.effects(modes.dense))

    def pulled(self, sums: Modes) -> Modes:
        """T' sums."""
        return Modes(self._fine(sums), self.local.pulled(sums.local), self.dense.pulled(sums.dense))

    def _fine(self, modes: Modes) -> tuple[FloatArray, ...]:
        return tuple(one * sd for one, sd in zip(modes.fine, self.fine, strict=True))


def scaling_of(terms: Terms, shape: FactorShape, theta: FloatArray) -> Scaling:
    """T of the columns of some components; all effects of a term must be among them, or none."""
    on_diagonal = theta[shape.diagonal[list(terms.index)]]
    place = {component: k for k, component in enumerate(terms.index)}
    offsets = terms.offsets
    below = []
    for at in shape.mixed:
        to, source = place.get(int(shape.row[at])), place.get(int(shape.column[at]))
        if to is not None and source is not None and theta[at] != 0.0:
            columns = [slice(int(offsets[k]), int(offsets[k + 1])) for k in (to, source)]
            below.append((columns[0], columns[1], float(theta[at])))
    return Scaling(np.repeat(on_diagonal, terms.sizes), tuple(below))


def scales_of(layout: Layout, theta: FloatArray) -> Scales:
    """T of all columns at a vector theta (parameters,)."""
    plan, shape = layout.plan, layout.shape
    return Scales(
        fine=theta[shape.diagonal[list(plan.fine.index)]],
        local=scaling_of(plan.local, shape, theta),
        dense=scaling_of(plan.dense, shape, theta),
    )


def sums_over_levels(terms: Terms, matrix: FloatArray, shape: FactorShape) -> FloatArray:
    """Entries of a symmetric matrix (columns, columns) between the effects of a level, summed over levels.

    Returns:
        (parameters,): in the order of theta; zero for other components.
    """
    total = np.zeros(shape.parameters)
    place = {component: k for k, component in enumerate(terms.index)}
    offsets = terms.offsets
    for at in range(shape.parameters):
        row, column = place.get(int(shape.row[at])), place.get(int(shape.column[at]))
        if row is not None and column is not None:
            first = np.arange(offsets[row], offsets[row + 1])
            total[at] = matrix[first, offsets[column] + np.arange(len(first))].sum()
    return total
