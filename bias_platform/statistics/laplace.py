"""Laplace log-likelihood of a binomial-logit mixed model, and its gradient in (beta, sd).

With u standard normal, eta = X beta + Z lam u, W = n mu (1 - mu) and H = I + lam Z'WZ lam at the mode of u:
``log L = log p(y | u) - u'u / 2 - log|H| / 2``. H is factored by blocks: the terms nested in one grouping
give one small block A a group, the others one dense Schur complement S (see `elimination`).
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.layout import Layout

MODE_TOLERANCE = 1e-13
"""Squared Newton decrement at which the mode counts as found; 1e-10 leaves noise that stops the optimiser."""
_MOST_PASSES = 60


@dataclass(frozen=True)
class Modes:
    """Standardised random effects: (groups, width) inside the blocks and (dense,)."""

    local: FloatArray
    dense: FloatArray

    def moved(self, step: "Modes", size: float = 1.0) -> "Modes":
        """self + size * step."""
        return Modes(self.local + size * step.local, self.dense + size * step.dense)

    def dot(self, other: "Modes") -> float:
        """Inner product."""
        return float(np.vdot(self.local, other.local) + self.dense @ other.dense)


def zero_modes(layout: Layout) -> Modes:
    """All random effects zero."""
    return Modes(np.zeros((layout.groups, layout.width)), np.zeros(layout.dense))


@dataclass(frozen=True)
class Scales:
    """The standard deviation of each random column."""

    local: FloatArray
    dense: FloatArray


def scales(layout: Layout, sd: FloatArray) -> Scales:
    """Spread the terms' (signed) standard deviations over the columns."""
    return Scales(sd[layout.local_term], sd[layout.dense_term])


@dataclass(frozen=True)
class Point:
    """The model at one (beta, sd, u): row arrays and the penalised log-likelihood."""

    objective: float
    residual: FloatArray
    """y - n mu."""
    mean: FloatArray
    weights: FloatArray


def point_at(layout: Layout, beta: FloatArray, scale: Scales, modes: Modes) -> Point:
    """Row arrays of the model at given fixed and random effects."""
    eta = layout.predictor(beta, modes.local * scale.local, modes.dense * scale.dense)
    small = np.exp(-np.abs(eta))
    mean = np.where(eta >= 0, 1.0, small) / (1.0 + small)
    softplus = np.maximum(eta, 0.0) + np.log1p(small)
    loglik = float(np.vdot(layout.successes, eta) - np.vdot(layout.trials, softplus))
    return Point(
        objective=loglik - 0.5 * modes.dot(modes),
        residual=layout.successes - layout.trials * mean,
        mean=mean,
        weights=layout.trials * small / (1.0 + small) ** 2,
    )


class BlockFactor:
    """Cholesky factors of the blocks A = I + lam Z_L'WZ_L lam at given weights."""

    def __init__(self, layout: Layout, scale: Scales, weights: FloatArray) -> None:
        self.layout, self.scale, self.weights = layout, scale, weights
        blocks = layout.local_gram(weights)
        blocks *= scale.local[:, None] * scale.local[None, :]
        blocks[:, np.arange(layout.width), np.arange(layout.width)] += 1.0
        self.inverse_root = _inverse_root(blocks)
        self.log_determinant = -2.0 * float(
            np.log(np.einsum("gww->gw", self.inverse_root)).sum() if layout.width else 0.0
        )

    @property
    def root(self) -> FloatArray:
        """L^-1 lam, (groups, width, width)."""
        return self.inverse_root * self.scale.local

    def solve(self, values: FloatArray) -> FloatArray:
        """A^-1 values for (groups, width)."""
        half = self.inverse_root @ values[:, :, None]
        return (self.inverse_root.transpose(0, 2, 1) @ half)[:, :, 0]

    def cross(self, dense: FloatArray) -> FloatArray:
        """lam Z_L'WZ_D lam dense, (groups, width)."""
        rows = self.weights * self.layout.spread_dense(dense * self.scale.dense)
        return self.layout.sum_local(rows) * self.scale.local

    def cross_transposed(self, local: FloatArray) -> FloatArray:
        """lam Z_D'WZ_L lam local, (dense,)."""
        rows = self.weights * self.layout.spread_local(local * self.scale.local)
        return self.layout.sum_dense(rows) * self.scale.dense

    def schur_product(self, dense: FloatArray) -> FloatArray:
        """S dense, without forming S."""
        rows = self.weights * self.layout.spread_dense(dense * self.scale.dense)
        inner = self.solve(self.layout.sum_local(rows) * self.scale.local)
        rows = rows - self.weights * self.layout.spread_local(inner * self.scale.local)
        return dense + self.layout.sum_dense(rows) * self.scale.dense

    def schur(self) -> FloatArray:
        """S = I + lam Z_D'(W - W Z_L A^-1 Z_L'W)Z_D lam, (dense, dense)."""
        return self.scaled(self.layout.dense_information(self.root, self.weights))

    def scaled(self, information: FloatArray) -> FloatArray:
        """I + lam information lam."""
        lam = self.scale.dense
        return np.eye(len(lam)) + lam[:, None] * information * lam

    def solve_all(self, right: Modes, dense_factor: FloatArray) -> Modes:
        """H^-1 right by the factored S."""
        first = self.solve(right.local)
        if self.layout.dense == 0:
            return Modes(first, right.dense)
        dense = sla.cho_solve((dense_factor, True), right.dense - self.cross_transposed(first))
        return Modes(first - self.solve(self.cross(dense)), dense)

    def solve_approximately(self, right: Modes, dense_factor: FloatArray, tolerance: float) -> Modes:
        """H^-1 right by conjugate gradients on S, with the factor of a nearby S as preconditioner."""
        first = self.solve(right.local)
        if self.layout.dense == 0:
            return Modes(first, right.dense)
        target = right.dense - self.cross_transposed(first)
        dense = _conjugate_gradients(self, target, dense_factor, tolerance)
        return Modes(first - self.solve(self.cross(dense)), dense)


def _inverse_root(blocks: FloatArray) -> FloatArray:
    """L^-1 of each block."""
    if blocks.shape[1] == 1:
        return 1.0 / np.sqrt(blocks)
    return np.tril(np.linalg.inv(np.linalg.cholesky(blocks)))


def _conjugate_gradients(
    factor: BlockFactor, target: FloatArray, preconditioner: FloatArray, tolerance: float
) -> FloatArray:
    solution = np.zeros_like(target)
    residual = target
    ahead = sla.cho_solve((preconditioner, True), residual)
    direction, size = ahead, float(residual @ ahead)
    goal = tolerance**2 * size
    for _ in range(50):
        if size <= goal or size == 0.0:
            break
        product = factor.schur_product(direction)
        step = size / float(direction @ product)
        solution = solution + step * direction
        residual = residual - step * product
        ahead = sla.cho_solve((preconditioner, True), residual)
        previous, size = size, float(residual @ ahead)
        direction = ahead + (size / previous) * direction
    return solution


def penalised_gradient(layout: Layout, scale: Scales, point: Point, modes: Modes) -> Modes:
    """Gradient of the penalised log-likelihood in u."""
    return Modes(
        layout.sum_local(point.residual) * scale.local - modes.local,
        layout.sum_dense(point.residual) * scale.dense - modes.dense,
    )


def find_modes(
    layout: Layout, beta: FloatArray, scale: Scales, start: Modes, dense_factor: FloatArray | None
) -> tuple[Modes, Point, int]:
    """Damped Newton from ``start``; returns the mode, the model there and the number of passes.

    ``dense_factor`` is the Cholesky factor of S at a nearby point; without one S is factored in each pass.
    """
    modes, point = start, point_at(layout, beta, scale, start)
    passes, decrement = 0, np.inf
    while decrement >= MODE_TOLERANCE and passes < _MOST_PASSES:
        passes += 1
        gradient = penalised_gradient(layout, scale, point, modes)
        blocks = BlockFactor(layout, scale, point.weights)
        if dense_factor is None:
            step = blocks.solve_all(gradient, dense_cholesky(blocks.schur()))
        else:
            step = blocks.solve_approximately(gradient, dense_factor, 1e-4)
        decrement = gradient.dot(step)
        modes, point = _damped(layout, beta, scale, modes=modes, point=point, step=step)
    return modes, point, passes


def _damped(
    layout: Layout, beta: FloatArray, scale: Scales, *, modes: Modes, point: Point, step: Modes
) -> tuple[Modes, Point]:
    size = 1.0
    slack = 1e-9 * (1.0 + abs(point.objective)) * 1e-3
    for _ in range(30):
        moved = modes.moved(step, size)
        ahead = point_at(layout, beta, scale, moved)
        if ahead.objective >= point.objective - slack:
            return moved, ahead
        size *= 0.5
    return modes, point


def dense_cholesky(matrix: FloatArray) -> FloatArray:
    """Lower Cholesky factor; an empty matrix gives an empty factor."""
    if matrix.shape[0] == 0:
        return matrix
    factor: FloatArray = sla.cholesky(matrix, lower=True)
    return factor


def log_determinant(factor: FloatArray) -> float:
    """log|LL'|."""
    return 2.0 * float(np.log(np.diag(factor)).sum())
