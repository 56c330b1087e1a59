"""Half the second derivative of log|H| in beta for studies laid out as a grid."""

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.evaluation import Evaluation
from bias_platform.statistics.grid_layout import GridLayout

_BETWEEN_BUDGET = 3e10
"""Operations that the part between groups may cost before it is left out."""
_CHUNK_NUMBERS = 2_000_000


def grid_curvature(layout: GridLayout, found: Evaluation, answer: FloatArray) -> FloatArray:
    """(p, p): see `curvature`.

    Args:
        answer: how the scaled dense effects follow beta, (dense, p).
    """
    weights, mean = found.point.weights, found.point.mean
    first = weights * (1.0 - 2.0 * mean)
    second = weights * (1.0 - 6.0 * mean * (1.0 - mean))
    outer = 0.5 * found.leverage * second - first * found.pull
    fixed = layout.fixed_rows - layout.dense_rows @ answer
    between = layout.cell_covariance(found.dense_covariance)
    p, cells = layout.n_fixed, layout.cells
    work = 2.0 * p * layout.groups * layout.width * cells**2
    crossed = _Between(layout, between) if layout.dense and work < _BETWEEN_BUDGET else None
    total, squares = np.zeros((p, p)), np.zeros((p, p))
    step = max(1, _CHUNK_NUMBERS // (cells * (cells + p)))
    for start in range(0, layout.groups, step):
        part = slice(start, min(start + step, layout.groups))
        rooted = layout.rooted(found.blocks.root, part)
        weighted = rooted * weights[part, None, :]
        slope = fixed - rooted.transpose(0, 2, 1) @ (weighted @ fixed)
        flat = slope.reshape(-1, p)
        total += flat.T @ (flat * outer[part].reshape(-1, 1))
        slope *= first[part, :, None]
        within = _between_rows(rooted, weighted, between)
        if crossed is not None:
            squares -= _quadratic(within, slope)
            crossed.add(rooted, weighted, slope)
        within += rooted.transpose(0, 2, 1) @ rooted
        squares += _quadratic(within, slope)
    if crossed is not None:
        squares += crossed.traces()
    return total - 0.5 * squares


def _between_rows(rooted: FloatArray, weighted: FloatArray, between: FloatArray) -> FloatArray:
    """(I - KW) Q (I - WK) of each group, the part of V that comes through the dense effects."""
    carried = weighted @ between
    inner = (carried @ weighted.transpose(0, 2, 1)) @ rooted - carried
    across = rooted.transpose(0, 2, 1)
    rest: FloatArray = across @ inner - carried.transpose(0, 2, 1) @ rooted
    rest += between
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

    def add(self, rooted: FloatArray, weighted: FloatArray, slope: FloatArray) -> None:
        """Add some groups; slope (groups, cells, p)."""
        cells = rooted.shape[2]
        diagonal = np.arange(cells)
        flat = weighted.reshape(-1, cells)
        for at in range(slope.shape[2]):
            column = slope[:, :, at]
            scaled = rooted * column[:, None, :]
            inner = scaled - 0.5 * ((scaled @ rooted.transpose(0, 2, 1)) @ weighted)
            half = flat.T @ inner.reshape(-1, cells)
            self.sums[at] -= half + half.T
            self.sums[at, diagonal, diagonal] += column.sum(axis=0)

    def traces(self) -> FloatArray:
        """(p, p)."""
        moved = self.between @ self.sums
        p = len(moved)
        total: FloatArray = moved.reshape(p, -1) @ moved.transpose(0, 2, 1).reshape(p, -1).T
        return total
