"""One evaluation of the Laplace log-likelihood: value, gradient and what the covariance needs."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.laplace import (
    BlockFactor,
    Modes,
    Point,
    Scales,
    dense_cholesky,
    find_modes,
    log_determinant,
    scales,
)
from bias_platform.statistics.layout import Layout


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
    scale: Scales
    blocks: BlockFactor
    dense_factor: FloatArray
    """Cholesky factor of S."""
    dense_covariance: FloatArray
    """lam S^-1 lam."""
    leverage: FloatArray
    pull: FloatArray
    """Z lam H^-1 lam Z'a by row, with a half the derivative of log|H| in eta."""
    posterior_variance: tuple[FloatArray, FloatArray]
    """diag H^-1: (groups, width) and (dense,)."""
    passes: int


def evaluate(
    layout: Layout,
    beta: FloatArray,
    sd: FloatArray,
    start: Modes,
    dense_factor: FloatArray | None = None,
) -> Evaluation:
    """Log-likelihood and gradient at (beta, sd), the mode searched from ``start``."""
    scale = scales(layout, sd)
    modes, point, passes = find_modes(layout, beta, scale, start, dense_factor)
    blocks = BlockFactor(layout, scale, point.weights)
    factor = dense_cholesky(blocks.schur())
    inverse = _inverse(factor)
    covariance = scale.dense[:, None] * inverse * scale.dense
    leverage, crossed = layout.leverage(blocks.root, point.weights, covariance)
    half = 0.5 * point.weights * (1.0 - 2.0 * point.mean) * leverage
    shift = blocks.solve_all(Modes(layout.sum_local(half) * scale.local, layout.sum_dense(half) * scale.dense), factor)
    pull = layout.spread_local(shift.local * scale.local) + layout.spread_dense(shift.dense * scale.dense)
    score = point.residual - half + point.weights * pull
    variance = (_block_variance(blocks, crossed), np.diag(inverse).copy())
    return Evaluation(
        beta=beta,
        sd=sd,
        loglik=point.objective - 0.5 * (blocks.log_determinant + log_determinant(factor)),
        beta_gradient=layout.sum_fixed(score),
        sd_gradient=_sd_gradient(layout, sd, score=score, point=point, modes=modes, shift=shift, variance=variance),
        modes=modes,
        point=point,
        scale=scale,
        blocks=blocks,
        dense_factor=factor,
        dense_covariance=covariance,
        leverage=leverage,
        pull=pull,
        posterior_variance=variance,
        passes=passes,
    )


def _inverse(factor: FloatArray) -> FloatArray:
    inverse: FloatArray = sla.cho_solve((factor, True), np.eye(len(factor))) if len(factor) else factor
    return inverse


def _block_variance(blocks: BlockFactor, crossed: FloatArray) -> FloatArray:
    """diag(A^-1 + A^-1 B S^-1 B'A^-1) of each block, (groups, width)."""
    root = blocks.inverse_root
    inner = root + crossed @ root
    variance: FloatArray = np.einsum("gij,gij->gj", root, inner)
    return variance


def _sd_gradient(
    layout: Layout,
    sd: FloatArray,
    *,
    score: FloatArray,
    point: Point,
    modes: Modes,
    shift: Modes,
    variance: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """d loglik / d sd of each term; the trace uses H^-1 lam Z'WZ lam = I - H^-1, so it vanishes with the sd."""
    local = (layout.sum_local(score) * modes.local - layout.sum_local(point.residual) * shift.local).sum(axis=0)
    dense = layout.sum_dense(score) * modes.dense - layout.sum_dense(point.residual) * shift.dense
    terms = len(sd)
    gradient = bin_sums(layout.local_term, local, terms) + bin_sums(layout.dense_term, dense, terms)
    shrunk = bin_sums(layout.local_term, (1.0 - variance[0]).sum(axis=0), terms)
    shrunk += bin_sums(layout.dense_term, 1.0 - variance[1], terms)
    alive = np.abs(sd) > 1e-8
    gradient[alive] -= shrunk[alive] / sd[alive]
    gradient[~alive] = 0.0
    return gradient
