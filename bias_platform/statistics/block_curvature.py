"""Half the second derivative of log|H| in beta without fine terms, by way of the random columns.

With V = G'G + R Q R' (G the blocks' columns of a group, R = (I - G'G W)Z_D the dense columns as rows feel them, Q their
covariance), V o V splits into three sums that never need a matrix between the rows of a group:
``(G'G o G'G) + 2 (G'G o RQR') + tr(Q R'D_i R Q R'D_j R)``, the last over all groups at once.
"""

from collections.abc import Iterable
from itertools import combinations_with_replacement

import numpy as np
from scipy import sparse

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.evaluation import Evaluation
from bias_platform.statistics.grid_layout import GridLayout
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.loose_layout import LooseLayout

_CHUNK_NUMBERS = 400_000
_LOOP = 500.0
"""What handling a group by itself costs, in rows of a group."""


def is_cheaper(layout: Layout) -> bool:
    """Whether the random columns of a group are so few that going through them is worth it."""
    if layout.fine:
        return False
    if isinstance(layout, GridLayout):
        return layout.width * (layout.width + layout.dense) <= 3 * layout.cells
    rows = layout.trials.size / layout.groups
    return layout.width * (layout.width + layout.dense) <= 3.0 * rows + _LOOP


def grid_block_curvature(layout: GridLayout, found: Evaluation, answer: FloatArray) -> FloatArray:
    """(p, p): see `curvature`.

    Args:
        answer: how the scaled dense effects follow beta, (dense, p).
    """
    first, outer = found.outer_weights()
    crossing = layout.dense_rows.toarray()
    fixed = layout.fixed_rows - crossing @ answer
    total = _BlockSums(layout, found)
    for groups in layout.chunks_of(_CHUNK_NUMBERS, layout.cells * layout.n_fixed):
        rooted = layout.rooted(found.blocks.root[groups], found.blocks.fine.of_groups(groups))
        weighted = rooted * found.point.weights[groups][:, None]
        slope = fixed - rooted.transpose(0, 2, 1) @ (weighted @ fixed)
        total.add_outer(slope.reshape(-1, layout.n_fixed), outer[groups].ravel())
        slope *= first[groups][:, :, None]
        direct = (crossing.T @ (rooted[:, k, :, None] * slope) for k in range(layout.width))
        total.add_pairs((rooted[:, total.one] * rooted[:, total.other]) @ slope, weighted @ crossing, direct)
        if layout.dense:
            total.own += (crossing.T[None] * slope.sum(axis=0).T[:, None, :]) @ crossing
    return total.curvature()


def loose_block_curvature(layout: LooseLayout, found: Evaluation, answer: FloatArray) -> FloatArray:
    """(p, p): see `curvature`; arguments as above."""
    first, outer = found.outer_weights()
    total, p = _BlockSums(layout, found), layout.n_fixed
    for groups, rows in layout.row_chunks(layout.dense * p, layout.width + 2 * p):
        fine, root = found.blocks.fine.part(rows), found.blocks.root[groups]
        rooted = layout.rooted(root, fine, groups, rows)
        starts = layout.starts[groups] - rows.start
        crossing = layout.crossed_columns.rows(rows).matrix() if layout.dense else None
        slope = layout.patterns[layout.pattern[rows]]
        if crossing is not None:
            slope = slope - crossing @ answer
        weighted = (rooted * fine.weights)[:, :, None] * slope
        felt_slope = np.add.reduceat(weighted, starts, axis=1)[:, layout.group[rows] - groups.start]
        slope = slope - np.einsum("wr,wrp->rp", rooted, felt_slope)
        total.add_outer(slope, outer[rows])
        slope *= first[rows, None]
        pairs = (rooted[total.one] * rooted[total.other])[:, :, None] * slope
        values = np.ascontiguousarray(np.add.reduceat(pairs, starts, axis=1).transpose(1, 0, 2))
        if crossing is None:
            total.add_pairs(values, np.zeros((len(starts), layout.width, 0)), ())
            continue
        gather = _by_group(layout, groups, rows)
        shape = (len(starts), layout.dense, p)
        direct = (np.asarray(gather @ (rooted[k, :, None] * slope)).reshape(shape) for k in range(layout.width))
        total.add_pairs(values, layout.crossed(rooted, fine, groups, rows), direct)
        total.own += _own(layout, rows, slope)
    return total.curvature()


def _by_group(layout: LooseLayout, groups: slice, rows: slice) -> sparse.csr_array:
    """The matrix that sums rows by group and dense column, (groups * dense, rows)."""
    columns = layout.crossed_columns.rows(rows)
    bins = ((layout.group[rows] - groups.start) * layout.dense + columns.at).ravel()
    at = np.tile(np.arange(rows.stop - rows.start), len(columns.at))
    shape = ((groups.stop - groups.start) * layout.dense, rows.stop - rows.start)
    return sparse.csr_array((columns.all_entries(), (bins, at)), shape=shape)


def _own(layout: LooseLayout, rows: slice, slope: FloatArray) -> FloatArray:
    """Z_D' diag(slope_i) Z_D of some rows, (p, dense, dense)."""
    columns, dense, count = layout.crossed_columns.rows(rows), layout.dense, rows.stop - rows.start
    bins = (columns.at[:, None] * dense + columns.at[None]).reshape(-1, count)
    entries = columns.all_entries().reshape(-1, count)
    products = (entries[:, None] * entries[None]).reshape(-1, count)
    at = np.tile(np.arange(count), len(bins))
    gather = sparse.csr_array((products.ravel(), (bins.ravel(), at)), shape=(dense**2, count))
    return np.ascontiguousarray(np.asarray(gather @ slope).T).reshape(-1, dense, dense)


class _BlockSums:
    """The sums over groups that the curvature is made of."""

    def __init__(self, layout: Layout, found: Evaluation) -> None:
        p, dense, self.width = layout.n_fixed, layout.dense, layout.width
        self.covariance = found.dense_covariance
        self.outer, self.squares = np.zeros((p, p)), np.zeros((p, p))
        self.own = np.zeros((p, dense, dense))
        """R'D_i R."""
        pairs = list(combinations_with_replacement(range(layout.width), 2))
        self.one, self.other = (np.array(side) for side in zip(*pairs, strict=True))
        self.place = np.zeros((layout.width, layout.width), dtype=np.int64)
        self.place[self.one, self.other] = self.place[self.other, self.one] = np.arange(len(pairs))

    def add_outer(self, slope: FloatArray, weights: FloatArray) -> None:
        """J' diag(weights) J, with J (rows, p)."""
        self.outer += slope.T @ (slope * weights[:, None])

    def add_pairs(self, values: FloatArray, felt: FloatArray, direct: Iterable[FloatArray]) -> None:
        """Add some groups.

        Args:
            values: G diag(slope_i) G', pair by pair of block columns, (groups, pairs, p).
            felt: G W Z_D, (groups, width, dense).
            direct: Z_D' diag(slope_i) G' for each block column, (groups, dense, p).
        """
        groups, _, p = values.shape
        dense = felt.shape[2]
        twice = np.where(self.one == self.other, 1.0, 2.0)[:, None]
        self.squares += (values * twice).reshape(-1, p).T @ values.reshape(-1, p)
        for k, one in enumerate(direct):
            reached = one - felt.transpose(0, 2, 1) @ values[:, self.place[:, k]]
            self.squares += 2.0 * reached.reshape(-1, p).T @ (self.covariance @ reached).reshape(-1, p)
            half = (one.reshape(groups, -1).T @ felt[:, k]).reshape(dense, p, dense).transpose(1, 0, 2)
            self.own -= half + half.transpose(0, 2, 1)
        for at, (first, second) in enumerate(zip(self.one, self.other, strict=True) if dense else ()):
            moved = values[:, at, :, None] * felt[:, first, None, :]
            inner = (moved.reshape(groups, -1).T @ felt[:, second]).reshape(p, dense, dense)
            self.own += inner if first == second else inner + inner.transpose(0, 2, 1)

    def curvature(self) -> FloatArray:
        """What all groups make, (p, p)."""
        p = len(self.outer)
        moved = self.covariance @ self.own
        squares = self.squares + moved.reshape(p, -1) @ moved.transpose(0, 2, 1).reshape(p, -1).T
        curvature: FloatArray = self.outer - 0.5 * squares
        return curvature
