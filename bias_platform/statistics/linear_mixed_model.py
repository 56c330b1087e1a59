"""Fit a Gaussian mixed model: exact (restricted) likelihood, profiled over fixed effects and residual variance."""

from typing import Literal

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.block_factor import dense_cholesky, dense_inverse
from bias_platform.statistics.design import Design
from bias_platform.statistics.diagnostics import diagnose_linear
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.fit_tables import components_table, conditional_modes, fixed_effects_table
from bias_platform.statistics.linear_evaluation import LinearEvaluation, evaluate_linear
from bias_platform.statistics.linear_optimum import LinearOptimum, find_linear_optimum, theta_scale
from bias_platform.statistics.linear_problem import linear_problem
from bias_platform.statistics.mixed_model_fit import MixedModelFit

Method = Literal["REML", "ML"]
RESIDUAL = "residual"


def fit_linear_design(design: Design, method: Method, with_sd_errors: bool) -> MixedModelFit:
    """Fit a Gaussian design.

    Raises:
        ModelError: fixed effects, or fixed and random effects together, explain the outcome exactly.
    """
    problem = linear_problem(design, restricted=method == "REML")
    optimum = find_linear_optimum(problem)
    if optimum is None:
        raise ModelError(
            f"The terms of {design.formula.text!r} explain {design.formula.response!r} exactly, so nothing is left for "
            "the residual: remove the random term that has a level for nearly every observation."
        )
    found = optimum.evaluation
    variance = found.variance * problem.scale**2
    covariance = problem.fixed_covariance(found.variance * dense_inverse(dense_cholesky(found.information)))
    return MixedModelFit(
        formula=design.formula.text,
        family=design.family,
        method=method,
        loglik=found.loglik,
        fixed_effects=fixed_effects_table(design, problem.fixed_effects(found.beta), covariance),
        variance_components=_components(design, optimum, float(np.sqrt(variance)), with_sd_errors),
        covariance=pd.DataFrame(covariance, design.fixed.columns, design.fixed.columns),
        diagnostics=diagnose_linear(design, optimum, problem.layout.plan.grouping),
        standard_errors="full" if with_sd_errors else "joint",
        n_rows=design.n_rows,
        n_observations=design.n_observations,
        n_levels={term.name: term.size for term in design.terms},
        df_model=design.n_fixed + len(design.terms) + 1,
        conditional_modes=conditional_modes(design, problem.layout, found.modes, found.theta * problem.scale),
        design=design,
    )


def _components(design: Design, optimum: LinearOptimum, sigma: float, with_errors: bool) -> pd.DataFrame:
    """Random terms, and last the residual."""
    theta = optimum.evaluation.theta
    errors = np.full(len(theta) + 1, np.nan)
    if with_errors:
        errors = sigma * _relative_errors(optimum.evaluation)
    table = components_table(design, sigma * theta, errors[:-1], optimum.zero)
    residual = {
        "term": RESIDUAL,
        "levels": design.n_observations,
        "sd": sigma,
        "variance": sigma**2,
        "sd_standard_error": errors[-1],
        "singular": False,
    }
    return pd.concat([table, pd.DataFrame([residual])], ignore_index=True)


def _relative_errors(found: LinearEvaluation) -> FloatArray:
    """Standard errors of all deviations, the residual's last, relative to the residual's; NaN for zero ones.

    From the observed information on (theta, s = 2 log sigma): with D the determinants,
    ``-log L = (m s + r2 exp(-s) + D) / 2``, whose second derivatives are differences of the first ones.
    """
    live = np.flatnonzero(found.theta != 0.0)
    m = found.problem.degrees
    scale = theta_scale(found)
    information = np.zeros((len(live) + 1,) * 2)
    information[-1, -1] = 0.5 * m
    information[-1, :-1] = information[:-1, -1] = -0.5 * found.slope.squares[live] / found.variance
    for row, term in enumerate(live):
        step = np.zeros(len(found.theta))
        step[term] = 0.01 * scale[term]
        slopes = [evaluate_linear(found.problem, found.theta + side).slope for side in (step, -step)]
        ends = [0.5 * (slope.determinant + slope.squares / found.variance)[live] for slope in slopes]
        information[row, :-1] = (ends[0] - ends[1]) / (2.0 * step[term])
    information[:-1, :-1] = 0.5 * (information[:-1, :-1] + information[:-1, :-1].T)
    jacobian = np.zeros((len(live) + 1, len(live) + 1))
    jacobian[np.arange(len(live)), np.arange(len(live))] = np.sign(found.theta[live])
    jacobian[:, -1] = 0.5 * np.append(np.abs(found.theta[live]), 1.0)
    errors = np.full(len(found.theta) + 1, np.nan)
    if np.linalg.eigvalsh(information)[0] > 0:
        variances = np.diag(jacobian @ np.linalg.inv(information) @ jacobian.T)
        errors[np.append(live, len(found.theta))] = np.sqrt(variances)
    return errors
