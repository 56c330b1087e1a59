"""The fine random terms, eliminated number by number: what is left of the weights when they are integrated out.

With u_k the levels of term k, v_k its variance and s the information on a level once finer terms are gone, each level
costs one division. The posterior covariance of the fine effects of the rows becomes ``P = sum_k f_k f_k'`` between rows
of one level of term k (and zero elsewhere), and everything later sees the weights W only through ``M = W N`` with
``N = I - P W``: how much of a shift of the predictor is left when the fine effects have followed it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bias_platform.statistics.arrays import FloatArray, IntArray

Near = Callable[[FloatArray], FloatArray]
"""Product of rows (..., places) with a matrix between the rows of one level, which is zero between levels."""


class Runs(NamedTuple):
    """The levels of one fine term: runs of neighbouring places on the last axis of an array of rows."""

    starts: IntArray
    """(levels,): first place of each run; runs are not empty and leave no gap."""
    level: IntArray
    """(places,)."""

    def sums(self, values: FloatArray) -> FloatArray:
        """(..., places) summed into (..., levels)."""
        total: FloatArray = np.add.reduceat(values, self.starts, axis=-1)
        return total

    def spread(self, values: FloatArray) -> FloatArray:
        """(..., levels) repeated to (..., places)."""
        return np.take(values, self.level, axis=-1)

    @property
    def neighbours(self) -> NDArray[np.bool_]:
        """(places, places): whether two places are in one run."""
        same: NDArray[np.bool_] = self.level[:, None] == self.level
        return same

    def part(self, places: slice) -> "Runs":
        """The runs of some places, which must not cut a run."""
        level = self.level[places]
        if not len(level):
            return Runs(self.starts[:0], level)
        first, last = int(level[0]), int(level[-1]) + 1
        return Runs(self.starts[first:last] - places.start, level - first)


def runs_of(codes: IntArray) -> Runs:
    """Runs of equal neighbours in ``codes`` (places,)."""
    starts = np.flatnonzero(np.diff(codes, prepend=codes[:1] - 1)).astype(np.int64)
    level = np.zeros(len(codes), dtype=np.int64)
    level[starts[1:]] = 1
    return Runs(starts, np.cumsum(level))


@dataclass(frozen=True)
class FineFactor:
    """P, N and M at given weights, and the logarithm of the determinant that the fine terms contribute."""

    runs: tuple[Runs, ...]
    weights: FloatArray
    """W, (..., places)."""
    roots: tuple[FloatArray, ...]
    """f_k: each row's entry in the one column of P's root that belongs to its level, (..., places)."""
    share: FloatArray
    """What N leaves of a shift that is the same in all rows of a coarsest level, (..., places)."""
    log_determinant: float

    def absorbed(self, rows: FloatArray) -> FloatArray:
        """P rows."""
        total = np.zeros(np.broadcast_shapes(rows.shape, self.weights.shape))
        for one, root in zip(self.runs, self.roots, strict=True):
            total += root * one.spread(one.sums(root * rows))
        return total

    def remaining(self, rows: FloatArray) -> FloatArray:
        """N rows; ``rows`` itself where there is no fine term."""
        return rows - self.absorbed(self.weights * rows) if self.runs else rows

    def remaining_transposed(self, rows: FloatArray) -> FloatArray:
        """N' rows; ``rows`` itself where there is no fine term."""
        return rows - self.weights * self.absorbed(rows) if self.runs else rows

    def marginal(self, rows: FloatArray) -> FloatArray:
        """M rows."""
        return self.weights * self.remaining(rows)

    def covariance(self, places: slice) -> FloatArray:
        """P between some places, (..., places, places)."""
        shape = self.weights[..., places].shape
        total = np.zeros((*shape, shape[-1]))
        for one, root in zip(self.runs, self.roots, strict=True):
            level, own = one.level[places], root[..., places]
            total += own[..., :, None] * own[..., None, :] * (level[:, None] == level)
        return total

    def part(self, places: slice) -> "FineFactor":
        """Of some places of the last axis, which must not cut a run."""
        return replace(
            self,
            runs=tuple(one.part(places) for one in self.runs),
            weights=self.weights[..., places],
            roots=tuple(root[..., places] for root in self.roots),
            share=self.share[..., places],
        )

    def of_groups(self, groups: slice) -> "FineFactor":
        """Of some groups where arrays are (groups, places)."""
        return replace(
            self,
            weights=self.weights[groups],
            roots=tuple(root[groups] for root in self.roots),
            share=self.share[groups],
        )

    def under_columns(self) -> "FineFactor":
        """To be applied to (..., columns, places)."""
        return replace(
            self,
            weights=self.weights[..., None, :],
            roots=tuple(root[..., None, :] for root in self.roots),
            share=self.share[..., None, :],
        )


def factor_fine_terms(runs: Sequence[Runs], deviations: FloatArray, weights: FloatArray) -> FineFactor:
    """Eliminate the fine terms, finest first.

    Args:
        runs: of each fine term.
        deviations: standard deviation of each.
        weights: (..., places).
    """
    share: FloatArray = np.broadcast_to(1.0, weights.shape)
    roots, log_determinant = [], 0.0
    for one, sd in zip(runs, deviations, strict=True):
        grown = 1.0 + sd**2 * one.sums(weights * share)
        log_determinant += float(np.log(grown).sum())
        roots.append(share * one.spread(abs(sd) / np.sqrt(grown)))
        share = share / one.spread(grown)
    return FineFactor(tuple(runs), weights, tuple(roots), share, log_determinant)


def product_with(matrix: FloatArray | sparse.csr_array) -> Near:
    """Product of rows with a symmetric matrix (places, places)."""

    def product(rows: FloatArray) -> FloatArray:
        return np.asarray(rows @ matrix)

    return product


def fine_quadratic(fine: FineFactor, diagonal: FloatArray, near: Sequence[Near]) -> FloatArray:
    """diag(N Q N') of rows for a symmetric Q.

    Args:
        fine: the factor.
        diagonal: diag Q, (places,).
        near: for each fine term, Q between rows of one level and zero elsewhere.
    """
    roots = list(zip(fine.runs, fine.roots, near, strict=True))
    total = np.broadcast_to(diagonal, fine.weights.shape).copy()
    reached = [kernel(fine.weights * root) for _, root, kernel in roots]
    for at, (one, root, _) in enumerate(roots):
        total -= 2.0 * root * reached[at]
        for other in range(at, len(roots)):
            twice = 1.0 if other == at else 2.0
            both = one.spread(one.sums(fine.weights * root * reached[other]))
            total += twice * root * roots[other][1] * both
    return total


def coarsest_information(
    fine: FineFactor, rooted: FloatArray, outer: FloatArray, carried: FloatArray | None, near: Sequence[Near]
) -> float:
    """Sum over levels z of the coarsest term of z'(W - W V W)z, V the posterior covariance of the predictor.

    Args:
        fine: the factor.
        rooted: G = L^-1 T'Z_L'N' of the blocks, (..., columns, places).
        outer: G and the crossed part applied to it.
        carried: G W Q with the Q that reaches rows through the dense part; None where there is none.
        near: as in `fine_quadratic`; empty where there is no dense part.
    """
    if not fine.runs:
        return 0.0
    run, weights, column = fine.runs[-1], fine.weights, fine.weights * fine.share
    felt = run.sums(rooted * weights[..., None, :])
    total = float(column.sum()) - float(np.vdot(felt, run.sums(outer * weights[..., None, :])))
    if carried is not None:
        total += 2.0 * float(np.vdot(felt, run.sums(carried * column[..., None, :])))
        total -= float(np.vdot(column, near[-1](column)))
    return total
