"""Maximum of the Laplace likelihood over (beta, theta), directions without variance set to zero."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.evaluation import Evaluation, evaluate, without_columns
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.quasi_newton import Minimum, minimise
from bias_platform.statistics.random_terms import FactorShape
from bias_platform.statistics.start_values import StartValues

LARGEST_SD = 20.0
"""On the logit scale. Beyond it nearly all levels stand at probability 0 or 1: commonly there is no finite estimate,
and following the deviation costs hundreds of evaluations."""
_NEAR_ZERO = 0.05
"""Deviations below this are tried at exactly zero."""
_NO_WORSE = 1e-6


@dataclass(frozen=True)
class Optimum:
    """The maximum and how it was reached."""

    evaluation: Evaluation
    zero: tuple[int, ...]
    """Components whose column of the factor is zero."""
    runaway: tuple[int, ...]
    """Components whose deviation passed `LARGEST_SD`; the search is given up where it still grows there."""
    gradient_norm: float
    """Largest entry of the gradient in units of standard errors."""
    evaluations: int
    iterations: int
    passes: int
    converged: bool


@dataclass
class _Path:
    """The function that is minimised; each evaluation starts from the best modes so far."""

    layout: Layout
    start: StartValues
    best: Evaluation | None = None
    passes: int = 0
    root: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        p = len(self.start.beta)
        self.root = np.zeros((p + len(self.start.theta),) * 2)
        self.root[:p, :p] = self.start.beta_root
        self.root[p:, p:] = np.diag(self.start.theta_scale)

    def __call__(self, at: FloatArray) -> tuple[float, FloatArray]:
        move = self.root @ at
        p = len(self.start.beta)
        beta, theta = self.start.beta + move[:p], self.start.theta + move[p:]
        near = self.best
        modes = self.start.modes if near is None else near.modes
        factor = self.start.dense_factor if near is None else near.dense_factor
        found = evaluate(self.layout, beta, theta, modes, factor)
        self.passes += found.passes
        if near is None or found.loglik > near.loglik:
            self.best = found
        return -found.loglik, -self.scaled_gradient(found)

    def runs_away(self) -> bool:
        """Whether at the best point so far a deviation is too large and still growing."""
        if self.best is None:
            return False
        shape = self.layout.shape
        growing = np.bincount(shape.row, self.best.theta_gradient * self.best.theta, shape.components) > 0
        return bool((growing & _too_large(shape, self.best.theta)).any())

    def scaled_gradient(self, found: Evaluation) -> FloatArray:
        """Gradient in the scaled variables."""
        gradient: FloatArray = np.concatenate([found.beta_gradient, found.theta_gradient]) @ self.root
        return gradient


def find_optimum(layout: Layout, start: StartValues) -> Optimum:
    """Run the optimiser, then set deviations that add nothing to zero."""
    path = _Path(layout, start)
    origin = np.zeros(len(start.beta) + len(start.theta))
    found = minimise(path, origin, hopeless=path.runs_away)
    best = path.best
    if best is None:
        raise AssertionError("the optimiser evaluates its start")
    runaway = tuple(int(k) for k in np.flatnonzero(_too_large(layout.shape, best.theta)))
    best, zero = (best, ()) if runaway else _without_dead_directions(layout, best)
    return Optimum(
        evaluation=best,
        zero=zero,
        runaway=runaway,
        gradient_norm=float(np.abs(path.scaled_gradient(best)).max()),
        evaluations=found.evaluations,
        iterations=found.iterations,
        passes=path.passes,
        converged=_settled(found) and not runaway,
    )


def _too_large(shape: FactorShape, theta: FloatArray) -> NDArray[np.bool_]:
    """(components,): whether the deviation of the effect, which is in units of the predictor, is beyond all reason."""
    large: NDArray[np.bool_] = shape.deviations(theta) > LARGEST_SD
    return large


def _settled(found: Minimum) -> bool:
    return found.converged or float(np.abs(found.gradient).max()) < 2e-3


def _without_dead_directions(layout: Layout, best: Evaluation) -> tuple[Evaluation, tuple[int, ...]]:
    lengths = layout.shape.lengths(best.theta)
    small = np.flatnonzero(lengths < _NEAR_ZERO)
    if not len(small):
        return best, ()
    for candidates in (small, small[lengths[small] < 1e-3]):
        theta = without_columns(layout.shape, best.theta, candidates)
        without = evaluate(layout, best.beta, theta, best.modes, best.dense_factor)
        if without.loglik >= best.loglik - _NO_WORSE:
            return without, tuple(int(k) for k in candidates)
    return best, ()
