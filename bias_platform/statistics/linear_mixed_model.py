"""Fit a Gaussian mixed model: exact (restricted) likelihood, profiled over fixed effects and residual variance."""

from typing import Literal

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.block_factor import dense_cholesky, dense_inverse
from bias_platform.statistics.design import Design
from bias_platform.statistics.diagnostics import Outcome, diagnose
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.fit_tables import conditional_modes, fixed_effects_table
from bias_platform.statistics.linear_evaluation import evaluate_linear
from bias_platform.statistics.linear_optimum import LinearOptimum, find_linear_optimum, standard_steps
from bias_platform.statistics.linear_problem import linear_problem
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.random_terms import INTERCEPT
from bias_platform.statistics.variance_components import Components, live_entries, tabulate_components

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
    components = _components(design, optimum, float(np.sqrt(variance)), with_sd_errors)
    fixed = fixed_effects_table(design, problem.fixed_effects(found.beta), covariance)
    known = bool(np.isfinite(components.deviations["sd_standard_error"].iloc[-1]))
    return MixedModelFit(
        formula=design.formula.text,
        family=design.family,
        method=method,
        loglik=found.loglik,
        fixed_effects=fixed,
        variance_components=components.deviations,
        random_correlations=components.correlations,
        covariance=pd.DataFrame(covariance, design.fixed.columns, design.fixed.columns),
        parameter_covariance=None,
        diagnostics=diagnose(
            design,
            Outcome(optimum, fixed, components.deviations, problem.layout.plan.grouping, with_sd_errors, known),
        ),
        standard_errors="full" if with_sd_errors else "joint",
        n_rows=design.n_rows,
        n_observations=design.n_observations,
        n_levels={term.name: term.size for term in design.terms},
        df_model=design.n_fixed + design.shape.parameters + 1,
        conditional_modes=conditional_modes(design, problem.layout, found.modes, found.theta, problem.scale),
        theta=found.theta,
        residual_sd=float(np.sqrt(variance)),
        quadrature_nodes=1,
        design=design,
    )


def _components(design: Design, optimum: LinearOptimum, sigma: float, with_errors: bool) -> Components:
    """Random terms, and last the residual."""
    covariance = _theta_covariance(optimum) if with_errors else None
    theta = optimum.evaluation.theta
    found = tabulate_components(design.terms, design.shape, theta, optimum.zero, covariance, sigma)
    residual = {
        "term": RESIDUAL,
        "effect": INTERCEPT,
        "levels": design.n_observations,
        "sd": sigma,
        "variance": sigma**2,
        "sd_standard_error": np.nan if covariance is None else 0.5 * sigma * float(np.sqrt(covariance[-1, -1])),
        "singular": False,
    }
    return found._replace(deviations=pd.concat([found.deviations, pd.DataFrame([residual])], ignore_index=True))


def _theta_covariance(optimum: LinearOptimum) -> FloatArray | None:
    """Of the free entries of theta and of s = 2 log sigma; None where the information cannot be inverted.

    With D the determinants, ``-log L = (m s + r2 exp(-s) + D) / 2``, whose second derivatives are differences of the
    first ones.
    """
    found = optimum.evaluation
    live = live_entries(found.problem.layout.shape, optimum.zero)
    scale = standard_steps(found)
    information = np.zeros((len(live) + 1,) * 2)
    information[-1, -1] = 0.5 * found.problem.degrees
    information[-1, :-1] = information[:-1, -1] = -0.5 * found.slope.squares[live] / found.variance
    for row, entry in enumerate(live):
        step = np.zeros(len(found.theta))
        step[entry] = 0.01 * scale[entry]
        slopes = [evaluate_linear(found.problem, found.theta + side).slope for side in (step, -step)]
        ends = [0.5 * (slope.determinant + slope.squares / found.variance)[live] for slope in slopes]
        information[row, :-1] = (ends[0] - ends[1]) / (2.0 * step[entry])
    information[:-1, :-1] = 0.5 * (information[:-1, :-1] + information[:-1, :-1].T)
    if np.linalg.eigvalsh(information)[0] <= 0:
        return None
    return np.asarray(np.linalg.inv(information), dtype=np.float64)
