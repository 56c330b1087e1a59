"""Half the second derivative of log|H| in beta for grids without fine terms, by way of the random columns.

With V = G'G + R Q R' (G the blocks' columns of a group, R = (I - G'G W)Z_D the dense columns as rows feel them, Q their
covariance), V o V splits into three sums that never need a matrix between cells:
``(G'G o G'G) + 2 (G'G o RQR') + tr(Q R'D_i R Q R'D_j R)``, the last over all groups at once.
"""

from itertools import combinations_with_replacement

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.evaluation import Evaluation
from bias_platform.statistics.grid_layout import GridLayout

_CHUNK_NUMBERS = 400_000


def is_cheaper(layout: GridLayout) -> bool:
    """Whether the random columns of a group are so few that going through them is worth it."""
    return not layout.fine and layout.width * (layout.width + layout.dense) <= 3 * layout.cells


def block_curvature(layout: GridLayout, found: Evaluation, answer: FloatArray) -> FloatArray:
    """(p, p): see `curvature`.

    Args:
        answer: how the scaled dense effects follow beta, (dense, p).
    """
    first, outer = found.outer_weights()
    p, dense = layout.n_fixed, layout.dense
    crossing = layout.dense_rows.toarray()
    fixed = layout.fixed_rows - crossing @ answer
    covariance = found.dense_covariance
    total, squares, sums = np.zeros((p, p)), np.zeros((p, p)), np.zeros((p, dense, dense))
    for groups in layout.chunks_of(_CHUNK_NUMBERS, layout.cells * p):
        rooted = layout.rooted(found.blocks.root[groups], found.blocks.fine.of_groups(groups))
        weighted = rooted * found.point.weights[groups][:, None]
        slope = fixed - rooted.transpose(0, 2, 1) @ (weighted @ fixed)
        total += slope.reshape(-1, p).T @ (slope * outer[groups][:, :, None]).reshape(-1, p)
        slope *= first[groups][:, :, None]
        pairs = _Pairs(rooted, slope)
        squares += pairs.squares()
        if dense:
            sums += (crossing.T[None] * slope.sum(axis=0).T[:, None, :]) @ crossing
            squares += _crossed(rooted, slope, pairs, crossing, weighted @ crossing, covariance, sums)
    if dense:
        moved = covariance @ sums
        squares += moved.reshape(p, -1) @ moved.transpose(0, 2, 1).reshape(p, -1).T
    return total - 0.5 * squares


class _Pairs:
    """G diag(slope_i) G' of some groups, pair by pair of block columns."""

    def __init__(self, rooted: FloatArray, slope: FloatArray) -> None:
        width = rooted.shape[1]
        self.columns = list(combinations_with_replacement(range(width), 2))
        one, other = (np.array(side) for side in zip(*self.columns, strict=True))
        self.values = (rooted[:, one] * rooted[:, other]) @ slope
        """(groups, pairs, p)."""
        self.twice = np.where(one == other, 1.0, 2.0)

    def squares(self) -> FloatArray:
        """Sum over groups of slope'(G'G o G'G) slope."""
        p = self.values.shape[2]
        total: FloatArray = (self.values * self.twice[:, None]).reshape(-1, p).T @ self.values.reshape(-1, p)
        return total


def _crossed(
    rooted: FloatArray,
    slope: FloatArray,
    pairs: _Pairs,
    crossing: FloatArray,
    felt: FloatArray,
    covariance: FloatArray,
    sums: FloatArray,
) -> FloatArray:
    """Sum over groups of 2 slope'(G'G o RQR') slope; adds the blocks' part of R'D_i R to ``sums``.

    Args:
        crossing: Z_D by cell, (cells, dense).
        felt: G W Z_D, (groups, width, dense).
    """
    groups, _, p = slope.shape
    dense = crossing.shape[1]
    squares = np.zeros((p, p))
    for k in range(rooted.shape[1]):
        scaled = rooted[:, k, :, None] * slope
        direct = crossing.T @ scaled
        reached = direct - felt.transpose(0, 2, 1) @ (rooted @ scaled)
        squares += 2.0 * reached.reshape(-1, p).T @ (covariance @ reached).reshape(-1, p)
        half = (direct.reshape(groups, -1).T @ felt[:, k]).reshape(dense, p, dense).transpose(1, 0, 2)
        sums -= half + half.transpose(0, 2, 1)
    for at, (one, other) in enumerate(pairs.columns):
        moved = pairs.values[:, at, :, None] * felt[:, one, None, :]
        inner = (moved.reshape(groups, -1).T @ felt[:, other]).reshape(p, dense, dense)
        sums += inner if one == other else inner + inner.transpose(0, 2, 1)
    return squares
