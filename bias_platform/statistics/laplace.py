"""The penalised log-likelihood of a binomial-logit mixed model and the mode of its random effects.

With u standard normal, eta = X beta + Z T u, W = n mu (1 - mu) and H = I + T'Z'WZ T at the mode of u:
``log L = log p(y | u) - u'u / 2 - log|H| / 2``. Newton's next u is ``H^-1 T'Z'(W Z T u + y - n mu)``.
"""

from dataclasses import dataclass

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.block_factor import BlockFactor, dense_cholesky, exact_solver
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.modes import Modes, spread, sums
from bias_platform.statistics.scales import Scales, scales_of

MODE_TOLERANCE = 1e-13
"""Squared Newton decrement at which the mode counts as found; 1e-10 leaves noise that stops the optimiser."""
_MOST_PASSES = 60
_ROWS = 16_384
"""Rows whose likelihood is computed at once: their numbers stay in the cache."""
_SOLVER_TOLERANCE = 1e-4
"""Of the dense part within a Newton step: more digits would not save a step."""


@dataclass(frozen=True)
class Point:
    """The model at one (beta, theta, u): row arrays and the penalised log-likelihood."""

    objective: float
    effects: FloatArray
    """Z T u."""
    residual: FloatArray
    """y - n mu."""
    weights: FloatArray
    """n mu (1 - mu)."""

    def first_slope(self, layout: Layout) -> FloatArray:
        """Derivative of the weights in eta: w (1 - 2 mu)."""
        slope = self.residual - layout.successes
        slope *= 2.0
        slope /= layout.divisor
        slope += 1.0
        slope *= self.weights
        return slope

    def second_slope(self, layout: Layout) -> FloatArray:
        """Second derivative of the weights in eta: w (1 - 6 mu (1 - mu))."""
        return self.weights * (1.0 - 6.0 * self.weights / layout.divisor)


def point_at(layout: Layout, beta: FloatArray, scales: Scales, modes: Modes) -> Point:
    """Row arrays of the model at given fixed effects, T and standardised random effects."""
    effects = spread(layout, scales.effects(modes))
    residual, weights = np.empty_like(effects), np.empty_like(effects)
    fixed, step, loglik = layout.fixed_of(beta), max(1, _ROWS * len(effects) // effects.size), 0.0
    for start in range(0, len(effects), step):
        part = slice(start, start + step)
        eta = effects[part] + fixed(part)
        rows = (layout.successes[part], layout.trials[part], residual[part], weights[part])
        loglik += _likelihood(eta, *rows)
    return Point(loglik - 0.5 * modes.dot(modes), effects, residual, weights)


def _likelihood(
    eta: FloatArray, successes: FloatArray, trials: FloatArray, residual: FloatArray, weights: FloatArray
) -> float:
    """Log-likelihood of some rows; fills their ``residual`` and ``weights``."""
    small = np.abs(eta)
    np.exp(np.negative(small, out=small), out=small)
    softplus = np.log1p(small)
    softplus += np.maximum(eta, 0.0)
    loglik = float(np.vdot(successes, eta) - np.vdot(trials, softplus))
    larger = np.reciprocal(np.add(small, 1.0, out=softplus), out=softplus)
    small *= larger
    np.multiply(np.where(eta >= 0, larger, small), trials, out=residual)
    np.subtract(successes, residual, out=residual)
    np.multiply(larger, small, out=weights)
    weights *= trials
    return loglik


def penalised_gradient(layout: Layout, scales: Scales, point: Point, modes: Modes) -> Modes:
    """Gradient of the penalised log-likelihood in u."""
    return scales.pulled(sums(layout, point.residual)).moved(modes, -1.0)


def find_modes(
    layout: Layout, beta: FloatArray, theta: FloatArray, start: Modes, dense_factor: FloatArray | None
) -> tuple[Modes, Point, int]:
    """Damped Newton from ``start``; returns the mode, the model there and the number of passes.

    ``dense_factor`` is the Cholesky factor of S at a nearby point; without one S is factored in each pass.
    """
    scales = scales_of(layout, theta)
    modes, point = start, point_at(layout, beta, scales, start)
    passes, decrement = 0, np.inf
    while decrement >= MODE_TOLERANCE and passes < _MOST_PASSES:
        passes += 1
        blocks = BlockFactor(layout, theta, point.weights)
        if dense_factor is None:
            solver = exact_solver(dense_cholesky(blocks.schur()))
        else:
            solver = blocks.near_solver(dense_factor, modes.dense, _SOLVER_TOLERANCE)
        target = blocks.posterior(point.weights * point.effects + point.residual, solver).modes
        step = target.moved(modes, -1.0)
        decrement = penalised_gradient(layout, scales, point, modes).dot(step)
        modes, point = _damped(layout, beta, scales, modes=modes, point=point, step=step)
    return modes, point, passes


def _damped(
    layout: Layout, beta: FloatArray, scales: Scales, *, modes: Modes, point: Point, step: Modes
) -> tuple[Modes, Point]:
    size = 1.0
    slack = 1e-12 * (1.0 + abs(point.objective))
    for _ in range(30):
        moved = modes.moved(step, size)
        ahead = point_at(layout, beta, scales, moved)
        if ahead.objective >= point.objective - slack:
            return moved, ahead
        size *= 0.5
    return modes, point
