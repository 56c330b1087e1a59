"""A model whose random effects have no variance: the smaller model of a test of its only random term."""

from dataclasses import replace

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.choose_layout import lay_out
from bias_platform.statistics.curvature import conditional_information
from bias_platform.statistics.design import Design
from bias_platform.statistics.evaluation import evaluate
from bias_platform.statistics.linear_evaluation import evaluate_linear
from bias_platform.statistics.linear_problem import linear_problem
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.modes import zero_modes
from bias_platform.statistics.ordinal_design import engine_design
from bias_platform.statistics.response import GAUSSIAN

_MOST_STEPS = 50
_TOLERANCE = 1e-9
"""Predicted gain in log-likelihood at which Newton's method ends."""


def fit_without_variance(near: MixedModelFit, design: Design) -> MixedModelFit:
    """The maximum-likelihood fit at deviations of zero: least squares, or (ordinal) logistic regression.

    Only what a likelihood-ratio test and `simulated_design` need is that of the new fit: log-likelihood, estimates of
    fixed effects, deviations, design, and whether it converged. The rest is that of ``near``.

    Args:
        near: a fit of the same model, from whose fixed effects the search starts.
        design: its design, commonly with another response.
    """
    beta = near.fixed_effects["estimate"].to_numpy()
    residual_sd, converged = 1.0, True
    if design.family == GAUSSIAN:
        problem = linear_problem(design, restricted=False)
        found = evaluate_linear(problem, np.zeros(design.shape.parameters))
        loglik, beta = found.loglik, problem.fixed_effects(found.beta)
        residual_sd = float(np.sqrt(found.variance)) * problem.scale
    else:
        loglik, beta, converged = _regression(engine_design(design), beta)
    return replace(
        near,
        loglik=loglik + design.constant,
        fixed_effects=near.fixed_effects.assign(estimate=beta),
        theta=np.zeros(design.shape.parameters),
        residual_sd=residual_sd,
        design=design,
        diagnostics=replace(near.diagnostics, converged=converged),
    )


def _regression(design: Design, start: FloatArray) -> tuple[float, FloatArray, bool]:
    """Newton's method with halved steps: log-likelihood, beta, whether it converged."""
    layout, theta = lay_out(design), np.zeros(design.shape.parameters)
    modes, beta = zero_modes(layout), start
    here = evaluate(layout, beta, theta, modes)
    for _ in range(_MOST_STEPS):
        information, _ = conditional_information(layout, here)
        step = np.linalg.lstsq(information, here.beta_gradient, rcond=None)[0]
        if 0.5 * float(here.beta_gradient @ step) < _TOLERANCE:
            return here.loglik, beta, True
        size = 1.0
        ahead = evaluate(layout, beta + step, theta, modes)
        while not ahead.loglik > here.loglik and size > 1e-6:
            size *= 0.5
            ahead = evaluate(layout, beta + size * step, theta, modes)
        if not ahead.loglik > here.loglik:
            break
        beta, here = beta + size * step, ahead
    return here.loglik, beta, False
