"""Maximum of the (restricted) likelihood of a Gaussian mixed model, terms without variance set to zero."""

from dataclasses import dataclass

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.linear_evaluation import LinearEvaluation, evaluate_linear
from bias_platform.statistics.linear_problem import LinearProblem
from bias_platform.statistics.quasi_newton import minimise

_STEPS = 8
_FIRST_NESTED, _FIRST_DENSE = 1.0, 0.3
_NEAR_ZERO = 0.05
_NO_WORSE = 1e-7
_TOLERANCE = 1e-9
"""Predicted gain in log-likelihood at which the search ends."""
_SATURATED, _NOTHING_LEFT = 1e4, 1e-12


@dataclass(frozen=True)
class LinearOptimum:
    """The maximum and how it was reached."""

    evaluation: LinearEvaluation
    zero: tuple[int, ...]
    """Terms whose variance is zero."""
    gradient_norm: float
    """Largest entry of the gradient in units of (approximate) standard errors."""
    evaluations: int
    iterations: int
    converged: bool


class _Path:
    """The function that is minimised, in theta divided by about its standard error; keeps the best point so far."""

    def __init__(self, start: LinearEvaluation, evaluations: int) -> None:
        self.best, self.start, self.evaluations = start, start.theta, evaluations
        self.scale = theta_scale(start)

    def __call__(self, at: FloatArray) -> tuple[float, FloatArray]:
        theta = self.start + self.scale * at
        found = self.best
        if not np.array_equal(theta, found.theta):
            self.evaluations += 1
            found = evaluate_linear(found.problem, theta)
        if found.loglik > self.best.loglik:
            self.best = found
        return -found.loglik, -found.gradient * self.scale


def find_linear_optimum(problem: LinearProblem) -> LinearOptimum | None:
    """Run the optimiser, then set deviations that add nothing to zero; None where random effects leave no residual."""
    if _is_saturated(problem):
        return None
    start, steps = _find_start(problem)
    path = _Path(start, steps)
    found = minimise(path, np.zeros(len(start.theta)), tolerance=_TOLERANCE)
    best = _without_dead_terms(path)
    norm = float(np.abs(best.gradient * theta_scale(best)).max(initial=0.0))
    return LinearOptimum(
        evaluation=best,
        zero=tuple(int(k) for k in np.flatnonzero(best.theta == 0.0)),
        gradient_norm=norm,
        evaluations=path.evaluations,
        iterations=found.iterations,
        converged=found.converged or norm < 2e-3,
    )


def _is_saturated(problem: LinearProblem) -> bool:
    """Whether unshrunk random effects leave nothing of y: then the likelihood grows without end."""
    if problem.within > _NOTHING_LEFT * problem.observations:
        return False
    free = evaluate_linear(problem, np.full(problem.layout.terms, _SATURATED))
    return free.own_squares < _NOTHING_LEFT * problem.observations


def _find_start(problem: LinearProblem) -> tuple[LinearEvaluation, int]:
    """A few EM updates of the deviations, which need no derivative of log|X'PX|."""
    layout = problem.layout
    theta = np.full(layout.terms, _FIRST_NESTED)
    theta[list(layout.plan.dense.index)] = _FIRST_DENSE
    for step in range(1, _STEPS + 1):
        found = evaluate_linear(problem, theta)
        levels = found.modes.counts(layout)
        total = found.modes.times(found.modes).totals(layout) / found.variance + levels - found.determined
        ratio = np.clip(np.sqrt(total / levels), 0.5, 2.0)
        if step == _STEPS or float(np.maximum(ratio, 1.0 / ratio).max()) < 1.1:
            break
        theta = theta * ratio
    return found, step


def theta_scale(found: LinearEvaluation) -> FloatArray:
    """About the standard error of each theta: from the expected information 2 sum (1 - posterior variance)^2."""
    known = found.determined**2 / found.modes.counts(found.problem.layout)
    largest = 0.3 * np.maximum(np.abs(found.theta), 1.0)
    return np.minimum(np.abs(found.theta) / np.sqrt(2.0 * np.maximum(known, 1e-12)), largest)


def _without_dead_terms(path: _Path) -> LinearEvaluation:
    """Each small deviation in turn, smallest first, is tried at zero."""
    best = path.best
    for term in np.argsort(np.abs(best.theta)):
        if abs(best.theta[term]) >= _NEAR_ZERO:
            break
        theta = best.theta.copy()
        theta[term] = 0.0
        path.evaluations += 1
        without = evaluate_linear(best.problem, theta)
        if without.loglik >= best.loglik - _NO_WORSE:
            best = without
    return best
