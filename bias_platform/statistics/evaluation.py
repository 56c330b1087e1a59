"""One evaluation of the Laplace log-likelihood: value, gradient and what the covariance needs."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.block_factor import BlockFactor, dense_cholesky, dense_inverse, exact_solver
from bias_platform.statistics.determined import determined_levels
from bias_platform.statistics.laplace import Point, find_modes
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.modes import Modes, sums
from bias_platform.statistics.random_terms import FactorShape

ZERO_LENGTH = 2e-6
"""A column of T that is shorter has no variance."""
_HAIR = 1e-6


@dataclass(frozen=True)
class Evaluation:
    """The fitted quantities at one (beta, theta)."""

    beta: FloatArray
    theta: FloatArray
    """Entries of the factors of the terms' covariances; of an intercept its signed standard deviation."""
    loglik: float
    beta_gradient: FloatArray
    theta_gradient: FloatArray
    modes: Modes
    point: Point
    blocks: BlockFactor
    dense_factor: FloatArray
    """Cholesky factor of S."""
    dense_covariance: FloatArray
    """T S^-1 T'."""
    leverage: FloatArray
    pull: FloatArray
    """Z T H^-1 T'Z'a by row, with a half the derivative of log|H| in eta."""
    passes: int

    def outer_weights(self) -> tuple[FloatArray, FloatArray]:
        """Of each row, dW/d eta, and what half of d2 log|H| / d eta2 has on its diagonal."""
        layout = self.blocks.layout
        first = self.point.first_slope(layout)
        return first, 0.5 * self.leverage * self.point.second_slope(layout) - first * self.pull


def evaluate(
    layout: Layout,
    beta: FloatArray,
    theta: FloatArray,
    start: Modes,
    dense_factor: FloatArray | None = None,
) -> Evaluation:
    """Log-likelihood and gradient at (beta, theta), the mode searched from ``start``."""
    modes, point, passes = find_modes(layout, beta, theta, start, dense_factor)
    blocks = BlockFactor(layout, theta, point.weights)
    factor = dense_cholesky(blocks.schur())
    inverse = dense_inverse(factor)
    covariance = blocks.scales.dense.covariance(inverse)
    leverage = layout.leverage(blocks.root, blocks.fine, covariance)
    half = point.first_slope(layout)
    half *= leverage.values
    half *= 0.5
    shift = blocks.posterior(half, exact_solver(factor))
    score = point.weights * shift.rows
    score -= half
    score += point.residual
    log_determinant = blocks.log_determinant + 2.0 * float(np.log(np.diag(factor)).sum())
    along = sums(layout, score).products(layout, modes) - sums(layout, point.residual).products(layout, shift.modes)
    determined = determined_levels(layout, blocks, leverage, inverse)
    return Evaluation(
        beta=beta,
        theta=theta,
        loglik=layout.gaps.loglik(beta) + point.objective - 0.5 * log_determinant,
        beta_gradient=layout.sum_fixed(score) + layout.gaps.gradient(beta),
        theta_gradient=alive(layout.shape, theta, along - determinant_slope(layout.shape, theta, determined)),
        modes=modes,
        point=point,
        blocks=blocks,
        dense_factor=factor,
        dense_covariance=covariance,
        leverage=leverage.values,
        pull=shift.rows,
        passes=passes,
    )


def determinant_slope(shape: FactorShape, theta: FloatArray, determined: FloatArray) -> FloatArray:
    """Half of d log|H| / d theta at fixed weights, (parameters,).

    With D the sum over levels of I - H^-1 between the effects of a level, T' Z'WZ T H^-1 = I - H^-1 makes it T^-T D.
    Meaningless where a column of T is zero: there the likelihood is even in that column, and its slope is zero.
    """
    safe = np.where(theta == 0.0, 1.0, theta)
    slope: FloatArray = determined / safe
    for term in shape.vectors:
        factor = shape.matrix(theta, term)
        factor[np.diag_indices_from(factor)] += np.diag(factor) == 0.0
        whole = sla.solve_triangular(factor, shape.matrix(determined, term, symmetric=True), lower=True, trans="T")
        slope[shape.of_term(term)] = shape.entries(whole, term)
    return slope


def alive(shape: FactorShape, theta: FloatArray, slope: FloatArray) -> FloatArray:
    """The slope, but zero along columns of T that are zero."""
    return np.where(shape.lengths(theta)[shape.column] > ZERO_LENGTH, slope, 0.0)


def without_columns(shape: FactorShape, theta: FloatArray, components: IntArray) -> FloatArray:
    """Theta with some columns of T at zero.

    Beside effects of the same level that do vary, a hair is left on the diagonal: the slopes of the entries in its row
    are found by dividing by it.
    """
    ahead = theta.copy()
    ahead[np.isin(shape.column, components)] = 0.0
    lengths = shape.lengths(ahead)
    for component in components:
        term = int(shape.term[shape.diagonal[component]])
        if lengths[shape.starts[term] : shape.starts[term + 1]].any():
            ahead[shape.diagonal[component]] = _HAIR
    return ahead
