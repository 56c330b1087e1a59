"""Fit a mixed model with random intercepts and slopes: the front door of the engine."""

import pandas as pd

from bias_platform.statistics.design import Design, build_design
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.laplace_mixed_model import StandardErrors, fit_laplace_design
from bias_platform.statistics.linear_mixed_model import Method, fit_linear_design
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.one_thread import one_blas_thread
from bias_platform.statistics.quadrature import require_one_intercept
from bias_platform.statistics.response import BINOMIAL, GAUSSIAN


def fit_mixed_model(
    formula: str,
    data: pd.DataFrame,
    family: str = BINOMIAL,
    *,
    method: Method | None = None,
    weights: str | None = None,
    standard_errors: StandardErrors = "full",
    quadrature_nodes: int = 1,
) -> MixedModelFit:
    """Fit ``response ~ fixed effects + (1 | grouping) + ...``; the work is done in one BLAS thread.

    Binomial, logit link: maximum Laplace likelihood, the optimum of glmmTMB and of ``glmer(nAGQ = 1)``. Ordinal,
    cumulative logit, ``logit P(y <= k) = threshold_k - predictor``: the same, the optimum of ``ordinal::clmm``.
    As there, deviations come out too small where a level has only a few 0/1 answers (in one simulation with
    three answers an item, 1.30 for a true 1.5); of a model with one random intercept, more quadrature nodes mend that.
    Gaussian: exact restricted or full likelihood, that of ``lmer``.

    Args:
        formula: fixed part as formulaic reads it (``persona * system``, ``C(template, contr.sum)``,
            ``C(persona, contr.treatment('control'))``); any number of random terms, crossed or nested: intercepts
            ``(1 | item)``, intercepts with correlated slopes ``(1 + x | item)``, uncorrelated ones ``(1 + x || item)``,
            slopes alone ``(0 + x | item)``; x a number or a factor (with ``||``, each column of its coding has a
            variance of its own). The response is a 0/1 column or ``cbind(successes, failures)``; if Gaussian, a
            numeric column; if ordinal, an ordered categorical or whole numbers, of 3 to 20 categories.
        data: one row an answer (or a row of counts). Missing values are refused, never dropped.
        family: ``"binomial"``, ``"gaussian"`` or ``"ordinal"``.
        method: Gaussian only: ``"REML"`` (the default) or ``"ML"``.
        weights: column of whole numbers, how often each row was seen.
        standard_errors: ``"full"`` from the observed information of fixed effects and deviations together;
            ``"joint"`` from the joint information at fixed deviations: faster, commonly 1-3 % too small and
            more than that for rare outcomes. If Gaussian, those of the fixed effects are the same, and
            ``"joint"`` leaves out those of the deviations.
        quadrature_nodes: of adaptive Gauss-Hermite quadrature, for binomial and ordinal models with one random
            intercept and nothing else random (``glmer(nAGQ = n)``, ``clmm(nAGQ = n)``); 1 is Laplace. ``"joint"``
            standard errors are then those of Laplace's approximation at that maximum.

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
    if quadrature_nodes != 1 and family == GAUSSIAN:
        raise ModelError("The likelihood of a Gaussian model is exact: leave quadrature_nodes out.")
    with one_blas_thread():
        design = build_design(formula, data, weights, family)
        require_one_intercept(design, quadrature_nodes)
        return fit_design(design, standard_errors, method or "REML", quadrature_nodes)


def fit_design(
    design: Design,
    standard_errors: StandardErrors = "full",
    method: Method = "REML",
    quadrature_nodes: int = 1,
) -> MixedModelFit:
    """Fit a design that was built before; `fit_mixed_model` is the usual way in. `method` is for Gaussian ones."""
    if design.family == GAUSSIAN:
        return fit_linear_design(design, method, standard_errors == "full")
    return fit_laplace_design(design, standard_errors, quadrature_nodes)


def by_maximum_likelihood(fit: MixedModelFit) -> MixedModelFit:
    """The fit itself, or the same model by maximum likelihood where it was fitted by REML."""
    return fit_by_maximum_likelihood(fit.design) if fit.method == "REML" else fit


def fit_by_maximum_likelihood(design: Design, quadrature_nodes: int = 1) -> MixedModelFit:
    """Fit a design for its likelihood: no standard errors of deviations.

    Args:
        quadrature_nodes: those of the fit that its likelihood is compared with.
    """
    with one_blas_thread():
        return fit_design(design, "joint", "ML", quadrature_nodes)


def require_laplace(fit: MixedModelFit, what: str) -> None:
    """Raise `ModelError` where a fit by quadrature would be compared with fits by Laplace's approximation."""
    if fit.quadrature_nodes > 1:
        raise ModelError(
            f"{what} compares likelihoods by Laplace's approximation, but {fit.formula!r} was fitted with "
            f"{fit.quadrature_nodes} quadrature nodes: fit it without quadrature_nodes."
        )
