"""Maximum of the (restricted) likelihood of a Gaussian mixed model, directions without variance set to zero."""

from dataclasses import dataclass

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.evaluation import without_columns
from bias_platform.statistics.expectation import expectation_step, first_theta, theta_scale
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
_FAR = 30.0
"""A deviation of so many times the residual's is tried in the place of every other one."""
_CLEARLY = 1e-3


@dataclass(frozen=True)
class LinearOptimum:
    """The maximum and how it was reached."""

    evaluation: LinearEvaluation
    zero: tuple[int, ...]
    """Components whose column of the factor is zero."""
    gradient_norm: float
    """Largest entry of the gradient in units of (approximate) standard errors."""
    evaluations: int
    iterations: int
    converged: bool


class _Path:
    """The function that is minimised, in theta divided by about its standard error; keeps the best point so far."""

    def __init__(self, start: LinearEvaluation, evaluations: int) -> None:
        self.best, self.start, self.evaluations = start, start.theta, evaluations
        self.scale = standard_steps(start)

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
    while (better := _exchanged(path)) is not None:
        path = _Path(better, path.evaluations)
        found = minimise(path, np.zeros(len(start.theta)), tolerance=_TOLERANCE)
    best, zero = _without_dead_directions(path)
    norm = float(np.abs(best.gradient * standard_steps(best)).max(initial=0.0))
    return LinearOptimum(
        evaluation=best,
        zero=zero,
        gradient_norm=norm,
        evaluations=path.evaluations,
        iterations=found.iterations,
        converged=found.converged or norm < 2e-3,
    )


def _is_saturated(problem: LinearProblem) -> bool:
    """Whether unshrunk random effects leave nothing of y: then the likelihood grows without end."""
    if problem.within > _NOTHING_LEFT * problem.observations:
        return False
    free = evaluate_linear(problem, first_theta(problem.layout, _SATURATED, _SATURATED))
    return free.own_squares < _NOTHING_LEFT * problem.observations


def _find_start(problem: LinearProblem) -> tuple[LinearEvaluation, int]:
    """A few EM updates of the deviations, which need no derivative of log|X'PX|."""
    layout = problem.layout
    theta = first_theta(layout, _FIRST_NESTED, _FIRST_DENSE)
    for step in range(1, _STEPS + 1):
        found = evaluate_linear(problem, theta)
        levels = found.modes.counts(layout)
        update = expectation_step(layout, theta, found.modes, levels, found.determined, found.variance)
        if step == _STEPS or update.change < 1.1:
            break
        theta = update.theta
    return found, step


def standard_steps(found: LinearEvaluation) -> FloatArray:
    """About the standard error of each entry of theta."""
    layout = found.problem.layout
    largest = 0.3 * np.maximum(np.abs(found.theta), 1.0)
    return theta_scale(layout.shape, found.theta, found.determined, found.modes.counts(layout), largest)


def _exchanged(path: _Path) -> LinearEvaluation | None:
    """A better point with the largest deviation given to another term; None where there is none.

    Beside a deviation hundreds of times the residual's, that of a term it is nested in hardly moves the likelihood
    until it is as large: the search can end on that plateau, the variance with the wrong one of the two.
    """
    best, shape = path.best, path.best.problem.layout.shape
    sizes = np.where(np.isin(shape.term, shape.vectors), 0.0, np.abs(best.theta))
    largest = int(np.argmax(sizes))
    if sizes[largest] < _FAR:
        return None
    tried = []
    for other in np.flatnonzero(~np.isin(shape.term, shape.vectors)).tolist():
        if other == largest:
            continue
        theta = best.theta.copy()
        theta[[largest, other]] = max(abs(theta[other]), _FIRST_DENSE), sizes[largest]
        path.evaluations += 1
        tried.append(evaluate_linear(best.problem, theta))
    better = max(tried, key=lambda one: one.loglik, default=None)
    return better if better is not None and better.loglik > best.loglik + _CLEARLY else None


def _without_dead_directions(path: _Path) -> tuple[LinearEvaluation, tuple[int, ...]]:
    """Each short column of the factors in turn, shortest first, is tried at zero."""
    best, shape = path.best, path.best.problem.layout.shape
    lengths = shape.lengths(best.theta)
    zero: list[int] = []
    for component in np.argsort(lengths):
        if lengths[component] >= _NEAR_ZERO:
            break
        path.evaluations += 1
        tried = np.array([*zero, component], dtype=np.int64)
        without = evaluate_linear(best.problem, without_columns(shape, best.theta, tried))
        if without.loglik >= best.loglik - _NO_WORSE:
            best = without
            zero.append(int(component))
    return best, tuple(sorted(zero))
