"""Maximum of the likelihood by quadrature, searched from where Laplace's approximation has its own."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.design import Design
from bias_platform.statistics.evaluation import evaluate
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.optimum import LARGEST_SD, Optimum
from bias_platform.statistics.quadrature import Quadrature, QuadratureModel
from bias_platform.statistics.quasi_newton import minimise
from bias_platform.statistics.start_values import StartValues

_LEAST_SD = 0.05
"""Where Laplace finds less, the search starts from here: at zero nothing pulls the deviation away."""
_NO_WORSE = 1e-6
_STEP = 1e-4
"""Of the differences that give the information, in standard errors."""


class QuadratureOptimum(NamedTuple):
    """The maximum by quadrature."""

    optimum: Optimum
    """Its evaluation is Laplace's at the maximum by quadrature, for the modes."""
    loglik: float
    information: FloatArray
    """Observed, of beta and the deviation, (p + 1, p + 1); (p, p) where the deviation is zero."""


class _Path:
    """The function that is minimised, in the scaled variables; keeps the best point so far."""

    def __init__(self, model: QuadratureModel, start: StartValues, origin: FloatArray) -> None:
        self.model, self.origin = model, origin
        self.root = np.zeros((len(origin),) * 2)
        self.root[:-1, :-1] = start.beta_root
        self.root[-1, -1] = start.theta_scale[0]
        self.modes = np.zeros(model.design.terms[0].size)
        self.best: tuple[FloatArray, Quadrature] | None = None

    def at(self, parameters: FloatArray) -> Quadrature:
        return self.model.evaluate(parameters[:-1], float(parameters[-1]), self.modes)

    def __call__(self, move: FloatArray) -> tuple[float, FloatArray]:
        parameters = self.origin + self.root @ move
        found = self.at(parameters)
        if self.best is None or found.loglik > self.best[1].loglik:
            self.best, self.modes = (parameters, found), found.modes
        return -found.loglik, -found.gradient @ self.root


def find_quadrature_optimum(
    engine: Design, layout: Layout, start: StartValues, laplace: Optimum, nodes: int
) -> QuadratureOptimum:
    """Searches from Laplace's maximum.

    Args:
        engine: a binomial design with one random intercept.
        layout: of the same design.
        start: scales of the parameters.
        laplace: maximum by Laplace's approximation.
        nodes: of the quadrature.
    """
    before = laplace.evaluation
    sd = float(np.clip(abs(before.theta[0]), _LEAST_SD, LARGEST_SD))
    path = _Path(QuadratureModel(engine, nodes), start, np.append(before.beta, sd))
    found = minimise(path, np.zeros(len(path.origin)))
    assert path.best is not None, "the optimiser evaluates its start"
    parameters, best = path.best
    zero = _is_zero(path, parameters, best)
    if zero:
        parameters = np.append(parameters[:-1], 0.0)
        best = path.at(parameters)
    free = len(parameters) - zero
    after = evaluate(layout, parameters[:-1], parameters[-1:], before.modes, None)
    optimum = replace(
        laplace,
        evaluation=after,
        zero=(0,) if zero else (),
        gradient_norm=float(np.abs(best.gradient @ path.root)[:free].max()),
        evaluations=laplace.evaluations + found.evaluations,
        iterations=laplace.iterations + found.iterations,
        converged=found.converged and not laplace.runaway,
    )
    return QuadratureOptimum(optimum, best.loglik, _information(path, parameters, free))


def _is_zero(path: _Path, parameters: FloatArray, best: Quadrature) -> bool:
    """Whether a small deviation is no better than none."""
    if abs(parameters[-1]) >= _LEAST_SD:
        return False
    return path.at(np.append(parameters[:-1], 0.0)).loglik >= best.loglik - _NO_WORSE


def _information(path: _Path, parameters: FloatArray, free: int) -> FloatArray:
    """By differences of the gradient along the scaled directions, which are about standard errors."""
    inverse = np.linalg.inv(path.root[:free, :free])
    slopes = []
    for direction in path.root[:, :free].T:
        ahead, behind = (path.at(parameters + side * _STEP * direction).gradient[:free] for side in (1.0, -1.0))
        slopes.append((behind - ahead) / (2.0 * _STEP))
    found = np.column_stack(slopes) @ inverse
    return 0.5 * (found + found.T)
