"""H = I + T'Z'WZ T factored term by term: fine terms, then blocks, then the dense part.

With M, N, P of the fine terms (`fine_terms`), the blocks are ``A = I + T'Z_L'M Z_L T`` and the dense part is the
Schur complement ``S = I + T'Z_D'(M - M Z_L T A^-1 T'Z_L'M)Z_D T``.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.fine_terms import factor_fine_terms
from bias_platform.statistics.layout import CrossInformation, Layout
from bias_platform.statistics.modes import Modes
from bias_platform.statistics.scales import scales_of

DenseSolver = Callable[[FloatArray], FloatArray]
"""S^-1 times a vector (dense,)."""
_ROUNDING = 1e-14


class Posterior(NamedTuple):
    """H^-1 T'Z' rows, and the same as rows: Z T H^-1 T'Z' rows."""

    modes: Modes
    rows: FloatArray


class BlockFactor:
    """The eliminated part of H at given weights and theta (parameters,)."""

    def __init__(self, layout: Layout, theta: FloatArray, weights: FloatArray) -> None:
        self.layout, self.theta, self.weights = layout, theta, weights
        self.scales = scales_of(layout, theta)
        self.fine = factor_fine_terms(layout.fine, self.scales.fine, weights)
        blocks = self.scales.local.information(layout.local_gram(self.fine))
        blocks[:, np.arange(layout.width), np.arange(layout.width)] += 1.0
        self.inverse_root = _inverse_root(blocks)
        own = -2.0 * float(np.log(np.einsum("gww->gw", self.inverse_root)).sum())
        self.log_determinant = self.fine.log_determinant + own
        self.coupled = layout.coupling(weights)

    @property
    def root(self) -> FloatArray:
        """L^-1 T', (groups, width, width)."""
        return self.scales.local.effects(self.inverse_root)

    def posterior(self, rows: FloatArray, dense_solver: DenseSolver) -> Posterior:
        """H^-1 T'Z' rows."""
        if self.coupled is not None:
            return self._coupled_posterior(rows, self.coupled.between, dense_solver)
        layout, scales, left = self.layout, self.scales, self.fine.remaining_transposed(rows)
        local = self._solve_local(left)
        dense = np.zeros(0)
        effects = layout.spread_local(scales.local.effects(local))
        if layout.dense:
            dense = dense_solver(scales.dense.pulled(layout.sum_dense(left - self.fine.marginal(effects))))
            shift = layout.spread_dense(scales.dense.effects(dense))
            local = local - self._solve_local(self.fine.marginal(shift))
            effects = layout.spread_local(scales.local.effects(local)) + shift
        effects = self.fine.absorbed(rows) + self.fine.remaining(effects)
        rest = rows - self.weights * effects
        fine = tuple(one.sums(rest) * sd for one, sd in zip(layout.fine, scales.fine, strict=True))
        return Posterior(Modes(fine, local, dense), effects)

    def _coupled_posterior(self, rows: FloatArray, between: FloatArray, dense_solver: DenseSolver) -> Posterior:
        """The same without fine terms, by way of Z_L'W Z_D."""
        layout, scales = self.layout, self.scales
        local = self._solve_local(rows)
        through = np.tensordot(scales.local.effects(local), between, 2)
        dense = dense_solver(scales.dense.pulled(layout.sum_dense(rows) - through))
        shift = scales.dense.effects(dense)
        local = local - self._solve_sums(between @ shift)
        effects = layout.spread_local(scales.local.effects(local))
        effects += layout.spread_dense(shift)
        return Posterior(Modes((), local, dense), effects)

    def _solve_local(self, rows: FloatArray) -> FloatArray:
        """A^-1 T'Z_L' rows, (groups, width)."""
        return self._solve_sums(self.layout.sum_local(rows))

    def _solve_sums(self, sums: FloatArray) -> FloatArray:
        """A^-1 T' sums, (groups, width)."""
        half = self.inverse_root @ self.scales.local.pulled(sums)[:, :, None]
        return (self.inverse_root.transpose(0, 2, 1) @ half)[:, :, 0]

    def schur(self) -> FloatArray:
        """S, (dense, dense)."""
        if self.coupled is not None:
            flat = (self.root @ self.coupled.between).reshape(-1, self.layout.dense)
            return self.scaled(self.coupled.dense - flat.T @ flat)
        return self.scaled(self.layout.dense_information(self.root, self.fine))

    def scaled(self, information: FloatArray) -> FloatArray:
        """I + T' information T of the dense part."""
        return np.eye(len(information)) + self.scales.dense.information(information)

    def schur_product(self, dense: FloatArray) -> FloatArray:
        """S dense, without forming S."""
        felt = self.fine.marginal(self.layout.spread_dense(self.scales.dense.effects(dense)))
        local = self.layout.spread_local(self.scales.local.effects(self._solve_local(felt)))
        return dense + self.scales.dense.pulled(self.layout.sum_dense(felt - self.fine.marginal(local)))

    def near_solver(self, dense_factor: FloatArray, start: FloatArray, tolerance: float) -> DenseSolver:
        """S^-1 by conjugate gradients from ``start``, with the factor of a nearby S as preconditioner.

        Where S itself costs next to nothing, by its own factor.
        """
        if self.coupled is not None:
            return exact_solver(dense_cholesky(self.schur()))

        def solve(target: FloatArray) -> FloatArray:
            return _conjugate_gradients(self.schur_product, target, start, dense_factor, tolerance)

        return solve

    def joint_information(self, information: CrossInformation, dense_factor: FloatArray) -> FloatArray:
        """Information on beta with u profiled out, at fixed theta: X'WX - X'WZ T H^-1 T'Z'WX."""
        if len(dense_factor) == 0:
            return information.fixed
        half = sla.solve_triangular(dense_factor, self.scaled_fixed(information), lower=True)
        joint: FloatArray = information.fixed - half.T @ half
        return joint

    def scaled_fixed(self, information: CrossInformation) -> FloatArray:
        """T' times the information between the dense part and X, (dense, p)."""
        return self.scales.dense.pulled(information.dense_fixed.T).T


def exact_solver(dense_factor: FloatArray) -> DenseSolver:
    """S^-1 by its own Cholesky factor."""

    def solve(target: FloatArray) -> FloatArray:
        return np.asarray(sla.cho_solve((dense_factor, True), target))

    return solve


def dense_cholesky(matrix: FloatArray) -> FloatArray:
    """Lower Cholesky factor; an empty matrix gives an empty factor."""
    if matrix.shape[0] == 0:
        return matrix
    factor: FloatArray = sla.cholesky(matrix, lower=True)
    return factor


def dense_inverse(factor: FloatArray) -> FloatArray:
    """Inverse of the matrix whose Cholesky factor this is."""
    inverse: FloatArray = sla.cho_solve((factor, True), np.eye(len(factor))) if len(factor) else factor
    return inverse


def _inverse_root(blocks: FloatArray) -> FloatArray:
    """L^-1 of each block."""
    if blocks.shape[1] == 1:
        return 1.0 / np.sqrt(blocks)
    return np.tril(np.linalg.inv(np.linalg.cholesky(blocks)))


def _conjugate_gradients(
    product: Callable[[FloatArray], FloatArray],
    target: FloatArray,
    start: FloatArray,
    preconditioner: FloatArray,
    tolerance: float,
) -> FloatArray:
    solution = start
    residual = target - product(start)
    ahead = sla.cho_solve((preconditioner, True), residual)
    direction, size = ahead, float(residual @ ahead)
    goal = max(tolerance**2 * size, _ROUNDING**2 * float(target @ sla.cho_solve((preconditioner, True), target)))
    for _ in range(50):
        if size <= goal or size == 0.0:
            break
        felt = product(direction)
        step = size / float(direction @ felt)
        solution = solution + step * direction
        residual = residual - step * felt
        ahead = sla.cho_solve((preconditioner, True), residual)
        previous, size = size, float(residual @ ahead)
        direction = ahead + (size / previous) * direction
    return solution
