"""Sums over groups of the products that `variance_directions` explains, between all pairs of directions."""

from typing import NamedTuple

import numpy as np

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.block_factor import dense_cholesky, dense_inverse
from bias_platform.statistics.elimination import Elimination
from bias_platform.statistics.group_parts import GroupPart, GroupParts, stacked
from bias_platform.statistics.loose_layout import LooseLayout
from bias_platform.statistics.scales import scaling_of


class Direction(NamedTuple):
    """J_i as pairs of columns, counted within a group or within the dense part."""

    dense: bool
    one: IntArray
    other: IntArray


class DirectionProducts:
    """The products for one layout and theta.

    Columns beside those of the groups stand in the order dense ones, X, r. With F_g what the dense terms leave of K_g
    in the columns of X and r, ``Z_L'PZ_L`` is ``S_g - F_g M F_g'`` within and ``-F_g M F_h'`` between groups, and
    ``Z_L'PZ_D`` is F_g times a bridge.
    """

    def __init__(self, layout: LooseLayout, theta: FloatArray, of_fixed: bool) -> None:
        """``of_fixed``: whether ``between`` is of the columns B of the fixed effects, or of e."""
        plan, shape, d, p = layout.plan, layout.shape, layout.dense, layout.n_fixed
        self.d, self.fixed = d, slice(d, d + p)
        self.kept = self.fixed if of_fixed else slice(d + p, d + p + 1)
        self.directions = [direction_of(plan, *pair) for pair in zip(shape.row, shape.column, strict=True)]
        self.local = [i for i, one in enumerate(self.directions) if not one.dense]
        self.parts = GroupParts(layout, scaling_of(plan.local, shape, theta).covariance(np.eye(plan.local.width)))
        self._solve_dense(scaling_of(plan.dense, shape, theta).covariance(np.eye(d)))
        self._sum()

    def _sum(self) -> None:
        k, count, size = len(self.directions), self.kept.stop - self.kept.start, self.parts.size
        self.traces = np.zeros((k, k))
        """tr(P G_i P G_j)."""
        self.own_traces = np.zeros(k)
        """tr(P G_i)."""
        self.between = np.zeros((k, k, count, count))
        """B'J_i Z'PZ J_j B, or e'J_i Z'PZ J_j e."""
        self._grams = {i: np.zeros((size, size)) for i in self.local}
        for part in self.parts:
            self._add_groups(part)
        self._add_pairs()
        self.outer = np.stack([self._outer(i) for i in range(k)])
        """[B, e]'J_i [B, e], (directions, p + 1, p + 1)."""

    def _solve_dense(self, gamma: FloatArray) -> None:
        """What the dense terms and X add; ``gamma`` is the covariance of the dense columns."""
        d, fixed, total = self.d, self.fixed, self.parts.beside_information()
        shared = total[:d, :d]
        kept = np.asarray(np.linalg.inv(np.eye(d) + gamma @ shared), dtype=np.float64)
        taken = kept @ gamma
        self.follow = taken @ total[:d, d:]
        self.dense_beside = kept.T @ total[:d, d:]
        information: FloatArray = total[fixed, fixed] - total[fixed, :d] @ self.follow[:, :-1]
        self.covariance = dense_inverse(dense_cholesky(_symmetric(information)))
        """C, (p, p)."""
        self.middle = np.zeros_like(total)
        self.middle[:d, :d], self.middle[fixed, fixed] = _symmetric(taken), self.covariance
        pulled = self.dense_beside[:, :-1] @ self.covariance
        self.dense_own = _symmetric(shared @ kept - pulled @ self.dense_beside[:, :-1].T)
        self.bridge = np.vstack([kept, -pulled.T, np.zeros((1, d))])

    def _add_groups(self, part: GroupPart) -> None:
        """What is within groups, and F'J_i F."""
        beside = part.beside.copy()
        beside[:, :, self.d :] -= part.beside[:, :, : self.d] @ self.follow
        taken = (stacked(beside) @ self.middle).reshape(beside.shape) @ beside.transpose(0, 2, 1)
        left, kept = part.own - taken, beside[:, :, self.kept]
        for i in self.local:
            one = self.directions[i]
            self._grams[i] += stacked(beside[:, one.one]).T @ stacked(beside[:, one.other])
            self.own_traces[i] += left[:, one.one, one.other].sum()
            for j in self.local[self.local.index(i) :]:
                two = self.directions[j]
                self.traces[i, j] += _traced(left, one, two) - _traced(taken, one, two)
                middle = part.own[:, one.other[:, None], two.one] @ kept[:, two.other]
                self.between[i, j] += stacked(kept[:, one.one]).T @ stacked(middle)

    def _add_pairs(self) -> None:
        """What is between groups, and all that has to do with the dense terms."""
        carried = {i: self.middle @ gram for i, gram in self._grams.items()}
        bridged = {i: self.bridge.T @ gram @ self.bridge for i, gram in self._grams.items()}
        for i, one in enumerate(self.directions):
            if one.dense:
                self.own_traces[i] += self.dense_own[one.one, one.other].sum()
            for j in range(i, len(self.directions)):
                two = self.directions[j]
                if one.dense and two.dense:
                    self._add_dense_pair(i, j)
                elif one.dense or two.dense:
                    self._add_mixed_pair(i, j, bridged[j if one.dense else i])
                else:
                    self.traces[i, j] += (carried[i] * carried[j].T).sum()
                    self.between[i, j] -= self._grams[i][self.kept] @ carried[j][:, self.kept]
                self.traces[j, i], self.between[j, i] = self.traces[i, j], self.between[i, j].T

    def _add_dense_pair(self, i: int, j: int) -> None:
        one, two, kept = self.directions[i], self.directions[j], self._dense_kept
        self.traces[i, j] += _traced(self.dense_own[None], one, two)
        middle = self.dense_own[one.other[:, None], two.one] @ kept[two.other]
        self.between[i, j] += kept[one.one].T @ middle

    def _add_mixed_pair(self, i: int, j: int, bridged: FloatArray) -> None:
        """Of a direction within groups and a dense one, in either order."""
        turned = self.directions[i].dense
        inside, dense = (j, self.directions[i]) if turned else (i, self.directions[j])
        self.traces[i, j] += bridged[dense.other, dense.one].sum()
        found = self._grams[inside][self.kept] @ self.bridge[:, dense.one] @ self._dense_kept[dense.other]
        self.between[i, j] += found.T if turned else found

    @property
    def _dense_kept(self) -> FloatArray:
        return self.dense_beside[:, self.kept.start - self.d : self.kept.stop - self.d]

    def _outer(self, i: int) -> FloatArray:
        if i in self._grams:
            return self._grams[i][self.d :, self.d :]
        one = self.directions[i]
        return self.dense_beside[one.one].T @ self.dense_beside[one.other]


def direction_of(plan: Elimination, row: int, column: int) -> Direction:
    """The direction of an entry of theta; one off the diagonal pairs its columns both ways."""
    dense = row in plan.dense.index
    terms = plan.dense if dense else plan.local
    places = (terms.index.index(component) for component in (row, column))
    one, other = (np.arange(terms.offsets[k], terms.offsets[k + 1], dtype=np.int64) for k in places)
    if row == column:
        return Direction(dense, one, other)
    return Direction(dense, np.concatenate([one, other]), np.concatenate([other, one]))


def _symmetric(matrix: FloatArray) -> FloatArray:
    return 0.5 * (matrix + matrix.T)


def _traced(blocks: FloatArray, i: Direction, j: Direction) -> float:
    """Sum of tr(block J_i block J_j) over symmetric blocks (groups, columns, columns)."""
    picked = blocks[:, j.other[:, None], i.one] * blocks[:, j.one[:, None], i.other]
    return float(picked.sum())
