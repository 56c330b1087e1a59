"""The log-likelihood of a fitted model as a function of a vector, with its gradient: what profiles are taken of.

One vector holds all parameters that are not maximised out in closed form: ``(beta, theta)`` of a Laplace likelihood;
``(theta, log sigma)`` of a Gaussian one, with one fixed effect before them where that one is held. `surface_of` is
the only place that knows how a family is evaluated.
"""

from typing import Protocol

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.block_factor import exact_solver
from bias_platform.statistics.choose_layout import lay_out
from bias_platform.statistics.curvature import observed_information
from bias_platform.statistics.design import Design
from bias_platform.statistics.evaluation import Evaluation, alive, evaluate
from bias_platform.statistics.linear_evaluation import LinearEvaluation, evaluate_linear
from bias_platform.statistics.linear_problem import LinearProblem, linear_problem
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.modes import sums, zero_modes
from bias_platform.statistics.ordinal_design import engine_design
from bias_platform.statistics.response import GAUSSIAN

_STEP = 1e-4
"""Of differences of the gradient: the information only steers the search."""


class Surface(Protocol):
    """A log-likelihood, less what does not depend on the parameters."""

    scale: float
    """Units of the outcome in one of the random effects'; 1 on the logit scale."""
    evaluations: int

    def __call__(self, at: FloatArray) -> tuple[float, FloatArray]:
        """Log-likelihood and gradient; minus infinity where there is none."""

    def top(self, fit: MixedModelFit, theta: FloatArray) -> FloatArray:
        """Where the maximum is."""

    def holding(self, coefficient: int) -> "Surface":
        """The likelihood with this fixed effect in the vector."""

    def place_of(self, coefficient: int) -> int:
        """Where a fixed effect stands, if it does."""

    def theta_places(self) -> IntArray:
        """Where theta stands."""

    def information(self, at: FloatArray) -> FloatArray:
        """About the negative second derivatives."""


def surface_of(design: Design, restricted: bool = False) -> Surface:
    """The likelihood of a design: Laplace, or if Gaussian the full or the restricted one."""
    if design.family == GAUSSIAN:
        return LinearSurface(linear_problem(design, restricted))
    return LaplaceSurface(design)


class LaplaceSurface:
    """Binomial or ordinal, at (beta, theta). Each evaluation starts from the modes of the one before."""

    def __init__(self, design: Design) -> None:
        self.layout = lay_out(engine_design(design))
        self.scale, self.evaluations = 1.0, 0
        self._near: Evaluation | None = None
        self._informed: tuple[FloatArray, FloatArray] | None = None

    def __call__(self, at: FloatArray) -> tuple[float, FloatArray]:
        found = self._evaluated(at)
        if found is None:
            return -np.inf, np.zeros_like(at)
        return found.loglik, np.concatenate([found.beta_gradient, found.theta_gradient])

    def top(self, fit: MixedModelFit, theta: FloatArray) -> FloatArray:
        """The fit's beta, and theta as it stands in this design."""
        return np.concatenate([fit.fixed_effects["estimate"].to_numpy(), theta])

    def holding(self, coefficient: int) -> "LaplaceSurface":
        """All fixed effects stand in the vector."""
        del coefficient
        return self

    def place_of(self, coefficient: int) -> int:
        """As in the fit."""
        return coefficient

    def theta_places(self) -> IntArray:
        """After beta."""
        return self.layout.n_fixed + np.arange(self.layout.shape.parameters)

    def information(self, at: FloatArray) -> FloatArray:
        """The observed information; no entry of theta counts as dead. All parameters ask for it at one point."""
        if self._informed is None or not np.array_equal(self._informed[0], at):
            found = self._evaluated(at)
            if found is None:
                raise AssertionError("a fit has a likelihood")
            self._informed = at, observed_information(self.layout, found, np.arange(self.layout.shape.parameters))
        return self._informed[1]

    def _evaluated(self, at: FloatArray) -> Evaluation | None:
        self.evaluations += 1
        p, near = self.layout.n_fixed, self._near
        beta, theta = at[:p], at[p:]
        if not np.isfinite(self.layout.gaps.loglik(beta)):
            return None
        start = zero_modes(self.layout) if near is None else near.modes
        try:
            found = evaluate(self.layout, beta, theta, start, None if near is None else near.dense_factor)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(found.loglik):
            return None
        self._near = found
        return found


class LinearSurface:
    """Gaussian, at ([b], theta, log sigma), sigma in the units of the standardised problem. Restricted only without b.

    Where ``l'beta = c`` is held, the least squares are ``r2 + (c - l'beta^)^2 / k`` at
    ``beta^ + (c - l'beta^) / k (X'PX)^-1 l``, with k = l'(X'PX)^-1 l.
    """

    def __init__(self, problem: LinearProblem, coefficient: int | None = None) -> None:
        self.problem, self.scale, self.evaluations = problem, problem.scale, 0
        self.held = 0 if coefficient is None else 1
        self.row = np.zeros(0)
        if coefficient is not None:
            unit = np.zeros(len(problem.root))
            unit[coefficient] = 1.0
            self.row = np.asarray(sla.solve_triangular(problem.root, unit, trans=1), dtype=np.float64)
        self.coefficient = coefficient

    def __call__(self, at: FloatArray) -> tuple[float, FloatArray]:
        self.evaluations += 1
        theta, log_sigma = at[self.held : -1], float(at[-1])
        found = evaluate_linear(self.problem, theta)
        squares, along, slope = self._squares(found, at)
        count, variance = self.problem.degrees, float(np.exp(2.0 * log_sigma))
        deviance = found.determinant + count * (np.log(2.0 * np.pi) + 2.0 * log_sigma) + squares / variance
        inner = -0.5 * (found.slope.determinant + slope / variance)
        gradient = np.concatenate([along / variance, inner, [squares / variance - count]])
        return float(-0.5 * (deviance + self.problem.log_units)), gradient

    def _squares(self, found: LinearEvaluation, at: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Least squares, minus half their slope in the held effect, their slope in theta."""
        if self.coefficient is None:
            return found.squares, np.zeros(0), found.slope.squares
        problem, layout = self.problem, self.problem.layout
        solved = sla.solve(found.information, self.row, assume_a="pos")
        gap = (float(at[0]) - float(self.row @ problem.origin)) / problem.scale - float(self.row @ found.beta)
        spread = float(self.row @ solved)
        left = layout.successes - layout.trials * layout.spread_fixed(found.beta + gap / spread * solved)
        posterior = found.blocks.posterior(left, exact_solver(found.dense_factor))
        pulled = sums(layout, left - layout.trials * posterior.rows)
        slope = alive(layout.shape, found.theta, -2.0 * pulled.products(layout, posterior.modes))
        return found.squares + gap**2 / spread, np.array([-gap / spread / problem.scale]), slope

    def top(self, fit: MixedModelFit, theta: FloatArray) -> FloatArray:
        """The fit's effect, theta as it stands in this design, and the fit's residual deviation."""
        held = [] if self.coefficient is None else [float(fit.fixed_effects["estimate"].iloc[self.coefficient])]
        return np.concatenate([held, theta, [np.log(fit.residual_sd / self.scale)]])

    def holding(self, coefficient: int) -> "LinearSurface":
        """The others are maximised out."""
        return LinearSurface(self.problem, coefficient)

    def place_of(self, coefficient: int) -> int:
        """First."""
        del coefficient
        return 0

    def theta_places(self) -> IntArray:
        """After the held effect."""
        return self.held + np.arange(self.problem.layout.shape.parameters)

    def information(self, at: FloatArray) -> FloatArray:
        """By central differences of the gradient."""
        columns = []
        for k, value in enumerate(at):
            step = np.zeros(len(at))
            step[k] = _STEP * max(abs(float(value)), 0.1)
            columns.append((self(at - step)[1] - self(at + step)[1]) / (2.0 * step[k]))
        raw = np.array(columns)
        symmetric: FloatArray = 0.5 * (raw + raw.T)
        return symmetric
