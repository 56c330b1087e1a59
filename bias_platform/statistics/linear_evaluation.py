"""The profiled (restricted) likelihood of a Gaussian mixed model at given relative covariances.

With theta the factors relative to the residual's deviation, Z T as elsewhere, W the observations of each row,
H = I + T'Z'WZ T and P = W - W Z T H^-1 T'Z'W (the inverse covariance of y, in units of the residual variance):
``beta = (X'PX)^-1 X'Py``, ``r2 = (y - X beta)'P(y - X beta)``, and -2 log L is ``log|H| + n (1 + log(2 pi r2 / n))``;
restricted, ``log|H| + log|X'PX| + (n - p)(1 + log(2 pi r2 / (n - p)))``.

Sources: D. Bates, M. Maechler, B. Bolker and S. Walker (2015), Journal of Statistical Software 67(1), sections 3.2-3.4;
for ``d log|H| / d theta`` through the posterior variances, `determined`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.block_factor import BlockFactor, dense_cholesky, dense_inverse, exact_solver
from bias_platform.statistics.determined import determined_levels
from bias_platform.statistics.evaluation import alive, determinant_slope
from bias_platform.statistics.linear_problem import LinearProblem
from bias_platform.statistics.modes import Modes, sums

_STEP = 1e-4
"""Of the central differences of log|X'PX|; its third derivative is small, so the error is near 1e-9."""


@dataclass(frozen=True)
class LinearSlope:
    """Derivatives in theta, (parameters,) each."""

    determinant: FloatArray
    """Of log|H|, and of log|X'PX| where the likelihood is restricted."""
    squares: FloatArray
    """Of r2."""


@dataclass(frozen=True)
class LinearEvaluation:
    """The fitted quantities at one theta, in the units of the standardised problem."""

    problem: LinearProblem
    theta: FloatArray
    """Entries of the factors; of an intercept its signed deviation."""
    blocks: BlockFactor
    dense_factor: FloatArray
    information: FloatArray
    """X'PX, (p, p)."""
    beta: FloatArray
    modes: Modes
    """Standardised random effects in units of y: the effects are T modes."""
    residual: FloatArray
    """P(y - X beta) by row."""
    squares: float
    """r2."""
    own_squares: float
    """Its part that is not u'u: squares of what fixed and random effects leave of y."""
    determinant: float
    """log|H|, plus log|X'PX| where the likelihood is restricted."""

    @property
    def variance(self) -> float:
        """Of the residual, in standardised units."""
        return self.squares / self.problem.degrees

    @property
    def loglik(self) -> float:
        """(Restricted) log-likelihood in the units of the data."""
        degrees = self.problem.degrees
        deviance = self.determinant + degrees * (1.0 + float(np.log(2.0 * np.pi * self.squares / degrees)))
        return -0.5 * (deviance + self.problem.log_units)

    @cached_property
    def determined(self) -> FloatArray:
        """What the data know of each term, fixed effects taken as known; see `determined_levels`."""
        layout, blocks = self.problem.layout, self.blocks
        inverse = dense_inverse(self.dense_factor)
        leverage = layout.leverage(blocks.root, blocks.fine, blocks.scales.dense.covariance(inverse))
        return determined_levels(layout, blocks, leverage, inverse)

    @cached_property
    def slope(self) -> LinearSlope:
        """Derivatives of the two parts of the likelihood."""
        layout, shape = self.problem.layout, self.problem.layout.shape
        determinant = 2.0 * alive(shape, self.theta, determinant_slope(shape, self.theta, self.determined))
        if self.problem.restricted:
            determinant += _fixed_determinant_slope(self.problem, self.theta)
        squares = -2.0 * sums(layout, self.residual).products(layout, self.modes)
        return LinearSlope(determinant, alive(shape, self.theta, squares))

    @property
    def gradient(self) -> FloatArray:
        """Of `loglik` in theta."""
        gradient: FloatArray = -0.5 * (self.slope.determinant + self.slope.squares / self.variance)
        return gradient


def evaluate_linear(problem: LinearProblem, theta: FloatArray) -> LinearEvaluation:
    """Least squares, penalised for the random effects, at theta (parameters,)."""
    layout = problem.layout
    blocks, factor, information = _factored(problem, theta)
    solver = exact_solver(factor)
    absorbed = blocks.posterior(layout.successes, solver).rows
    score = layout.sum_fixed(layout.successes - layout.trials * absorbed)
    beta = np.asarray(sla.solve(information, score, assume_a="pos"), dtype=np.float64)
    left = layout.successes - layout.trials * layout.spread_fixed(beta)
    found = blocks.posterior(left, solver)
    residual = left - layout.trials * found.rows
    own = np.divide(residual**2, layout.trials, out=np.zeros_like(residual), where=layout.trials > 0)
    own_squares = problem.within + float(own.sum())
    determinant = blocks.log_determinant + 2.0 * float(np.log(np.diag(factor)).sum())
    return LinearEvaluation(
        problem=problem,
        theta=theta,
        blocks=blocks,
        dense_factor=factor,
        information=information,
        beta=beta,
        modes=found.modes,
        residual=residual,
        squares=own_squares + found.modes.dot(found.modes),
        own_squares=own_squares,
        determinant=determinant + _log_determinant(information) if problem.restricted else determinant,
    )


def _factored(problem: LinearProblem, theta: FloatArray) -> tuple[BlockFactor, FloatArray, FloatArray]:
    """Blocks, the factor of the dense part and X'PX."""
    layout = problem.layout
    blocks = BlockFactor(layout, theta, layout.trials)
    cross = layout.cross_information(blocks.root, blocks.fine)
    factor = dense_cholesky(blocks.scaled(cross.dense))
    return blocks, factor, blocks.joint_information(cross, factor)


def _fixed_determinant_slope(problem: LinearProblem, theta: FloatArray) -> FloatArray:
    """d log|X'PX| / d theta."""
    live = np.flatnonzero(alive(problem.layout.shape, theta, np.ones(len(theta))))
    if problem.layout.n_fixed <= len(live):
        return _fixed_determinant_trace(problem, theta)
    return _fixed_determinant_difference(problem, theta, live)


def _fixed_determinant_trace(problem: LinearProblem, theta: FloatArray) -> FloatArray:
    """-2 tr((X'PX)^-1 X'P dT T' PX), a column of PX at a time: one solution a fixed effect."""
    layout = problem.layout
    blocks, factor, information = _factored(problem, theta)
    directions = sla.solve_triangular(dense_cholesky(information), np.eye(layout.n_fixed), lower=True)
    slope = np.zeros(len(theta))
    for direction in directions:
        column = layout.trials * layout.spread_fixed(direction)
        left = column - layout.trials * blocks.posterior(column, exact_solver(factor)).rows
        pulled = sums(layout, left)
        slope -= 2.0 * pulled.products(layout, blocks.scales.pulled(pulled))
    return alive(layout.shape, theta, slope)


def _fixed_determinant_difference(problem: LinearProblem, theta: FloatArray, live: IntArray) -> FloatArray:
    """By central differences: an entry of theta costs sums only, however many the fixed effects."""
    slope = np.zeros(len(theta))
    for entry in live:
        step = np.zeros(len(theta))
        step[entry] = _STEP * max(abs(float(theta[entry])), 0.1)
        ends = [_log_determinant(_factored(problem, theta + side)[2]) for side in (step, -step)]
        slope[entry] = (ends[0] - ends[1]) / (2.0 * step[entry])
    return slope


def _log_determinant(matrix: FloatArray) -> float:
    return 2.0 * float(np.log(np.diag(dense_cholesky(matrix))).sum())
