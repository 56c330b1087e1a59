"""Half the second derivative of log|H| in beta for studies laid out as a grid."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.evaluation import Evaluation
from bias_platform.statistics.fine_terms import FineFactor
from bias_platform.statistics.grid_layout import GridLayout

_CHUNK_NUMBERS = 2_000_000


def grid_curvature(layout: GridLayout, found: Evaluation, answer: FloatArray, between_budget: float) -> FloatArray:
    """(p, p): see `curvature`.

    Args:
        answer: how the scaled dense effects follow beta, (dense, p).
        between_budget: operations that the part between groups may cost before it is left out.
    """
    first, outer = found.outer_weights()
    between = layout.cell_covariance(found.dense_covariance)
    p, cells = layout.n_fixed, layout.cells
    work = 2.0 * p * layout.groups * layout.width * cells**2
    crossed = _Between(layout, between) if layout.dense and work < between_budget else None
    total, squares = np.zeros((p, p)), np.zeros((p, p))
    for part in _parts(layout, found, layout.fixed_rows - layout.dense_rows @ answer):
        slope = part.slope
        flat = slope.reshape(-1, p)
        total += flat.T @ (flat * outer[part.groups].reshape(-1, 1))
        slope *= first[part.groups, :, None]
        within = part.rooted.transpose(0, 2, 1) @ part.rooted
        part.fine.add_covariance(within)
        if layout.dense:
            through = _through_dense(part, between)
            within += through
        if crossed is not None:
            squares -= _quadratic(through, slope)
            crossed.add(part)
        squares += _quadratic(within, slope)
    if crossed is not None:
        squares += crossed.traces()
    return total - 0.5 * squares


class _FineCells:
    """P, N and M of the fine terms between the cells of some groups, run by run of the coarsest term."""

    def __init__(self, fine: FineFactor) -> None:
        self.factor = fine.under_columns()
        self.weights = fine.weights
        bounds = [*fine.runs[-1].starts.tolist(), fine.weights.shape[1]] if fine.runs else []
        runs = [slice(start, stop) for start, stop in pairwise(bounds)]
        self.blocks = [(run, fine.covariance(run)) for run in runs]

    def remaining(self, matrix: FloatArray) -> FloatArray:
        """N matrix, for a matrix ([groups,] cells, k): (groups, cells, k)."""
        product = np.broadcast_to(matrix, (*self.weights.shape, matrix.shape[-1])).copy()
        for run, covariance in self.blocks:
            product[:, run] -= covariance @ (self.weights[:, run, None] * matrix[..., run, :])
        return product

    def add_covariance(self, total: FloatArray) -> None:
        """Add P to (groups, cells, cells)."""
        for run, covariance in self.blocks:
            total[:, run, run] += covariance

    def add_squares(self, slope: FloatArray, total: FloatArray) -> None:
        """Add the sum over groups of N' diag(slope) N to (p, cells, cells); slope is (groups, cells, p)."""
        diagonal = np.arange(slope.shape[1])
        total[:, diagonal, diagonal] += slope.sum(axis=0).T
        for run, covariance in self.blocks:
            felt = (covariance * self.weights[:, None, run])[:, None]
            moved = slope[:, run].transpose(0, 2, 1)[:, :, :, None] * felt
            once = moved.sum(axis=0)
            total[:, run, run] += (felt.transpose(0, 1, 3, 2) @ moved).sum(axis=0) - once - once.transpose(0, 2, 1)


class _Part(NamedTuple):
    """Some groups and what belongs to them."""

    groups: slice
    fine: _FineCells
    rooted: FloatArray
    """G, (groups, width, cells)."""
    weighted: FloatArray
    """G W."""
    slope: FloatArray
    """J, (groups, cells, p)."""


def _parts(layout: GridLayout, found: Evaluation, fixed: FloatArray) -> Iterator[_Part]:
    """Chunks of groups; ``fixed`` (cells, p) is X less what the dense effects take up."""
    step = max(1, _CHUNK_NUMBERS // (layout.cells * (layout.cells + layout.n_fixed)))
    for start in range(0, layout.groups, step):
        groups = slice(start, min(start + step, layout.groups))
        factor = found.blocks.fine.of_groups(groups)
        fine = _FineCells(factor)
        rooted = layout.rooted(found.blocks.root[groups], factor)
        weighted = rooted * factor.weights[:, None, :]
        slope = fine.remaining(fixed) - rooted.transpose(0, 2, 1) @ (weighted @ fixed)
        yield _Part(groups, fine, rooted, weighted, slope)


def _through_dense(part: _Part, between: FloatArray) -> FloatArray:
    """(N - G'G W) Q (N' - W G'G) of each group, the part of V that comes through the dense effects."""
    carried = part.weighted @ between
    felt = part.fine.factor.remaining(carried)
    inner = (carried @ part.weighted.transpose(0, 2, 1)) @ part.rooted - felt
    rest: FloatArray = part.rooted.transpose(0, 2, 1) @ inner - felt.transpose(0, 2, 1) @ part.rooted
    rest += part.fine.remaining(part.fine.remaining(between).transpose(0, 2, 1))
    return rest


def _quadratic(matrix: FloatArray, slope: FloatArray) -> FloatArray:
    """Sum over groups of slope' (matrix o matrix) slope."""
    p = slope.shape[2]
    answer = (matrix * matrix) @ slope
    total: FloatArray = slope.reshape(-1, p).T @ answer.reshape(-1, p)
    return total


class _Between:
    """All pairs of rows at once: tr(Q Psi_i Q Psi_j) with Psi_i the cells' weights through the dense effects."""

    def __init__(self, layout: GridLayout, between: FloatArray) -> None:
        self.between = between
        self.sums = np.zeros((layout.n_fixed, layout.cells, layout.cells))

    def add(self, part: _Part) -> None:
        """Add some groups."""
        rooted, weighted = part.rooted, part.weighted
        flat = weighted.reshape(-1, weighted.shape[2])
        for at in range(part.slope.shape[2]):
            scaled = rooted * part.slope[:, None, :, at]
            inner = (scaled @ rooted.transpose(0, 2, 1)) @ weighted
            half = flat.T @ (part.fine.factor.remaining_transposed(scaled) - 0.5 * inner).reshape(flat.shape)
            self.sums[at] -= half + half.T
        part.fine.add_squares(part.slope, self.sums)

    def traces(self) -> FloatArray:
        """(p, p)."""
        moved = self.between @ self.sums
        p = len(moved)
        total: FloatArray = moved.reshape(p, -1) @ moved.transpose(0, 2, 1).reshape(p, -1).T
        return total
