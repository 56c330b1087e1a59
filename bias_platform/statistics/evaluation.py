"""One evaluation of the Laplace log-likelihood: value, gradient and what the covariance needs."""

from dataclasses import dataclass

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.block_factor import BlockFactor, dense_cholesky, dense_inverse, exact_solver
from bias_platform.statistics.determined import determined_levels
from bias_platform.statistics.laplace import Point, find_modes
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.modes import Modes, sums


@dataclass(frozen=True)
class Evaluation:
    """The fitted quantities at one (beta, sd)."""

    beta: FloatArray
    sd: FloatArray
    """Signed standard deviation of each term."""
    loglik: float
    beta_gradient: FloatArray
    sd_gradient: FloatArray
    modes: Modes
    point: Point
    blocks: BlockFactor
    dense_factor: FloatArray
    """Cholesky factor of S."""
    dense_covariance: FloatArray
    """lam S^-1 lam."""
    leverage: FloatArray
    pull: FloatArray
    """Z lam H^-1 lam Z'a by row, with a half the derivative of log|H| in eta."""
    passes: int

    def outer_weights(self) -> tuple[FloatArray, FloatArray]:
        """Of each row, dW/d eta, and what half of d2 log|H| / d eta2 has on its diagonal."""
        weights, mean = self.point.weights, self.point.mean
        first = weights * (1.0 - 2.0 * mean)
        second = weights * (1.0 - 6.0 * mean * (1.0 - mean))
        return first, 0.5 * self.leverage * second - first * self.pull


def evaluate(
    layout: Layout,
    beta: FloatArray,
    sd: FloatArray,
    start: Modes,
    dense_factor: FloatArray | None = None,
) -> Evaluation:
    """Log-likelihood and gradient at (beta, sd), the mode searched from ``start``."""
    modes, point, passes = find_modes(layout, beta, sd, start, dense_factor)
    blocks = BlockFactor(layout, sd, point.weights)
    factor = dense_cholesky(blocks.schur())
    inverse = dense_inverse(factor)
    covariance = blocks.dense_sd[:, None] * inverse * blocks.dense_sd
    leverage = layout.leverage(blocks.root, blocks.fine, covariance)
    half = 0.5 * point.weights * (1.0 - 2.0 * point.mean) * leverage.values
    shift = blocks.posterior(half, exact_solver(factor))
    score = point.residual - half + point.weights * shift.rows
    determined = determined_levels(layout, blocks, leverage, np.diag(inverse))
    return Evaluation(
        beta=beta,
        sd=sd,
        loglik=point.objective - 0.5 * (blocks.log_determinant + 2.0 * float(np.log(np.diag(factor)).sum())),
        beta_gradient=layout.sum_fixed(score),
        sd_gradient=_sd_gradient(
            layout, sd, score=score, residual=point.residual, modes=modes, shift=shift.modes, determined=determined
        ),
        modes=modes,
        point=point,
        blocks=blocks,
        dense_factor=factor,
        dense_covariance=covariance,
        leverage=leverage.values,
        pull=shift.rows,
        passes=passes,
    )


def _sd_gradient(
    layout: Layout,
    sd: FloatArray,
    *,
    score: FloatArray,
    residual: FloatArray,
    modes: Modes,
    shift: Modes,
    determined: FloatArray,
) -> FloatArray:
    """d loglik / d sd of each term; the trace uses H^-1 lam Z'WZ lam = I - H^-1, so it vanishes with the sd."""
    along = sums(layout, score).times(modes).moved(sums(layout, residual).times(shift), -1.0)
    gradient = along.totals(layout)
    alive = np.abs(sd) > 1e-8
    gradient[alive] -= determined[alive] / sd[alive]
    gradient[~alive] = 0.0
    return gradient
