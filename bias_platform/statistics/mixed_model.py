"""Fit a mixed model with random intercepts and slopes: the front door of the engine."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.choose_layout import lay_out
from bias_platform.statistics.curvature import conditional_information, observed_information
from bias_platform.statistics.design import Design, build_design
from bias_platform.statistics.diagnostics import Outcome, diagnose
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.fit_tables import conditional_modes, fixed_effects_table
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.linear_mixed_model import Method, fit_linear_design
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.one_thread import one_blas_thread
from bias_platform.statistics.optimum import Optimum, find_optimum
from bias_platform.statistics.response import BINOMIAL, GAUSSIAN
from bias_platform.statistics.start_values import find_start
from bias_platform.statistics.variance_components import live_entries, tabulate_components

StandardErrors = Literal["full", "joint"]


def fit_mixed_model(
    formula: str,
    data: pd.DataFrame,
    family: str = BINOMIAL,
    *,
    method: Method | None = None,
    weights: str | None = None,
    standard_errors: StandardErrors = "full",
) -> MixedModelFit:
    """Fit ``response ~ fixed effects + (1 | grouping) + ...``; the work is done in one BLAS thread.

    Binomial, logit link: maximum Laplace likelihood, the optimum of glmmTMB and of ``glmer(nAGQ = 1)``.
    As there, deviations come out too small where a level has only a few 0/1 answers (in one simulation with
    three answers an item, 1.30 for a true 1.5). Gaussian: exact restricted or full likelihood, that of ``lmer``.

    Args:
        formula: fixed part as formulaic reads it (``persona * system``, ``C(template, contr.sum)``,
            ``C(persona, contr.treatment('control'))``); any number of random terms, crossed or nested: intercepts
            ``(1 | item)``, intercepts with correlated slopes ``(1 + x | item)``, uncorrelated ones ``(1 + x || item)``,
            slopes alone ``(0 + x | item)``; x a number or a factor (with ``||``, each column of its coding has a
            variance of its own). The response is a 0/1 column or ``cbind(successes, failures)``; if Gaussian, a
            numeric column.
        data: one row an answer (or a row of counts). Missing values are refused, never dropped.
        family: ``"binomial"`` or ``"gaussian"``.
        method: Gaussian only: ``"REML"`` (the default) or ``"ML"``.
        weights: column of whole numbers, how often each row was seen.
        standard_errors: ``"full"`` from the observed information of fixed effects and deviations together;
            ``"joint"`` from the joint information at fixed deviations: faster, commonly 1-3 % too small and
            more than that for rare outcomes. If Gaussian, those of the fixed effects are the same, and
            ``"joint"`` leaves out those of the deviations.

    Raises:
        ModelError: what about the formula or the data makes the model impossible, in one sentence.

    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(60), 10), "group": ["a", "b"] * 300})
    >>> logit = rng.normal(0, 1, 60)[data["item"]] + 0.8 * (data["group"] == "b")
    >>> data["yes"] = (rng.random(600) < 1 / (1 + np.exp(-logit))).astype(int)
    >>> fit = fit_mixed_model("yes ~ group + (1 | item)", data)
    >>> fit.fixed_effects.index.tolist()
    ['Intercept', 'group[T.b]']
    >>> bool(0.4 < fit.fixed_effects.loc["group[T.b]", "estimate"] < 1.2)
    True
    >>> data["margin"] = logit + rng.normal(0, 0.5, 600)
    >>> linear = fit_mixed_model("margin ~ group + (1 | item)", data, family="gaussian")
    >>> linear.method, linear.variance_components["term"].tolist()
    ('REML', ['item', 'residual'])
    """
    if standard_errors not in ("full", "joint"):
        raise ModelError(f"standard_errors must be 'full' or 'joint', not {standard_errors!r}.")
    if method not in (None, "REML", "ML"):
        raise ModelError(f"The method must be 'REML' or 'ML', not {method!r}.")
    if method is not None and family != GAUSSIAN:
        raise ModelError(
            f"The method {method!r} is for family='gaussian'; a {family} model is fitted by maximum Laplace "
            "likelihood: leave method out."
        )
    with one_blas_thread():
        return fit_design(build_design(formula, data, weights, family), standard_errors, method or "REML")


def fit_design(design: Design, standard_errors: StandardErrors = "full", method: Method = "REML") -> MixedModelFit:
    """Fit a design that was built before; `fit_mixed_model` is the usual way in. `method` is for Gaussian ones."""
    if design.family == GAUSSIAN:
        return fit_linear_design(design, method, standard_errors == "full")
    return _fit_binomial(design, standard_errors)


def _fit_binomial(design: Design, standard_errors: StandardErrors) -> MixedModelFit:
    layout = lay_out(design)
    optimum = find_optimum(layout, find_start(layout))
    full = standard_errors == "full"
    standard_errors = "joint" if optimum.runaway else standard_errors
    covariance = _covariance(layout, optimum, standard_errors)
    found = optimum.evaluation
    fixed = fixed_effects_table(design, found.beta, covariance.beta)
    components = tabulate_components(design.terms, design.shape, found.theta, optimum.zero, covariance.theta)
    return MixedModelFit(
        formula=design.formula.text,
        family=BINOMIAL,
        method="Laplace",
        loglik=found.loglik + design.constant,
        fixed_effects=fixed,
        variance_components=components.deviations,
        random_correlations=components.correlations,
        covariance=pd.DataFrame(covariance.beta, design.fixed.columns, design.fixed.columns),
        diagnostics=diagnose(
            design,
            Outcome(
                optimum=optimum,
                fixed_effects=fixed,
                deviations=components.deviations,
                grouping=layout.plan.grouping,
                asked_full=full,
                invertible=covariance.theta is not None,
            ),
        ),
        standard_errors=standard_errors if covariance.usable else "joint",
        n_rows=design.n_rows,
        n_observations=design.n_observations,
        n_levels={term.name: term.size for term in design.terms},
        df_model=design.n_fixed + design.shape.parameters,
        conditional_modes=conditional_modes(design, layout, found.modes, found.theta),
        theta=found.theta,
        residual_sd=1.0,
        design=design,
    )


@dataclass(frozen=True)
class _Covariance:
    beta: FloatArray
    theta: FloatArray | None
    """Of its free entries; None where it was not computed."""
    usable: bool
    """Whether the observed information could be inverted."""


def _covariance(layout: Layout, optimum: Optimum, standard_errors: StandardErrors) -> _Covariance:
    found, p = optimum.evaluation, layout.n_fixed
    if standard_errors == "full":
        inverse = _inverse(observed_information(layout, found, live_entries(layout.shape, optimum.zero)))
        if inverse is not None:
            return _Covariance(inverse[:p, :p], inverse[p:, p:], True)
    joint, _ = conditional_information(layout, found)
    inverted = np.asarray(np.linalg.pinv(joint, hermitian=True), dtype=np.float64)
    return _Covariance(inverted, None, standard_errors == "joint")


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
