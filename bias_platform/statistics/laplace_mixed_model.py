"""Fit a binomial or ordinal mixed model: Laplace's approximation, or quadrature over one random intercept."""

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.choose_layout import lay_out
from bias_platform.statistics.curvature import conditional_information, observed_information
from bias_platform.statistics.design import Design
from bias_platform.statistics.diagnostics import Outcome, diagnose
from bias_platform.statistics.fit_tables import conditional_modes, fixed_effects_table
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.optimum import Optimum, find_optimum
from bias_platform.statistics.ordinal_design import engine_design
from bias_platform.statistics.quadrature_optimum import find_quadrature_optimum
from bias_platform.statistics.start_values import find_start
from bias_platform.statistics.variance_components import live_entries, tabulate_components

StandardErrors = Literal["full", "joint"]
LAPLACE = "Laplace"


class _Maximum(NamedTuple):
    """What was found, by whichever likelihood."""

    method: str
    loglik: float
    optimum: Optimum
    covariance: FloatArray
    """Of beta."""
    all_parameters: FloatArray | None
    """Of beta and the free entries of theta; None where it was not asked for or cannot be inverted."""


def fit_laplace_design(design: Design, standard_errors: StandardErrors, quadrature_nodes: int) -> MixedModelFit:
    """Fit a binomial or ordinal design; with more than one node, one with a single random intercept."""
    engine = engine_design(design)
    layout = lay_out(engine)
    found = _maximum(engine, layout, standard_errors, quadrature_nodes)
    at = found.optimum.evaluation
    fixed = fixed_effects_table(engine, at.beta, found.covariance)
    of_theta = None if found.all_parameters is None else found.all_parameters[engine.n_fixed :, engine.n_fixed :]
    components = tabulate_components(design.terms, design.shape, at.theta, found.optimum.zero, of_theta)
    outcome = Outcome(
        optimum=found.optimum,
        fixed_effects=fixed,
        deviations=components.deviations,
        grouping=layout.plan.grouping,
        asked_full=standard_errors == "full",
        invertible=found.all_parameters is not None,
    )
    return MixedModelFit(
        formula=design.formula.text,
        family=design.family,
        method=found.method,
        loglik=found.loglik + design.constant,
        fixed_effects=fixed,
        variance_components=components.deviations,
        random_correlations=components.correlations,
        covariance=pd.DataFrame(found.covariance, engine.fixed.columns, engine.fixed.columns),
        parameter_covariance=found.all_parameters,
        diagnostics=diagnose(design, outcome),
        standard_errors="joint" if found.all_parameters is None else "full",
        n_rows=design.n_rows,
        n_observations=design.n_observations,
        n_levels={term.name: term.size for term in design.terms},
        df_model=engine.n_fixed + design.shape.parameters,
        conditional_modes=conditional_modes(engine, layout, at.modes, at.theta),
        theta=at.theta,
        residual_sd=1.0,
        quadrature_nodes=quadrature_nodes,
        design=design,
    )


def _maximum(engine: Design, layout: Layout, standard_errors: StandardErrors, nodes: int) -> _Maximum:
    start = find_start(layout)
    optimum = find_optimum(layout, start)
    method, loglik, information = LAPLACE, optimum.evaluation.loglik, None
    if nodes > 1:
        better = find_quadrature_optimum(engine, layout, start, optimum, nodes)
        method = f"adaptive Gauss-Hermite quadrature, {nodes} nodes"
        optimum, loglik = better.optimum, better.loglik
    if standard_errors == "full" and not optimum.runaway:
        live = live_entries(layout.shape, optimum.zero)
        information = better.information if nodes > 1 else observed_information(layout, optimum.evaluation, live)
    inverse = None if information is None else _inverse(information)
    if inverse is not None:
        return _Maximum(method, loglik, optimum, inverse[: layout.n_fixed, : layout.n_fixed], inverse)
    joint, _ = conditional_information(layout, optimum.evaluation)
    covariance = np.asarray(np.linalg.pinv(joint, hermitian=True), dtype=np.float64)
    return _Maximum(method, loglik, optimum, covariance, None)


def _inverse(information: FloatArray) -> FloatArray | None:
    """Inverse of a positive definite matrix after scaling its diagonal to one; None where it is not."""
    diagonal = np.diag(information)
    if not np.isfinite(information).all() or diagonal.min() <= 0:
        return None
    scale = 1.0 / np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(information * scale[:, None] * scale)
    if values[0] <= 1e-10:
        return None
    inverse: FloatArray = (vectors / values) @ vectors.T * scale[:, None] * scale
    return inverse
