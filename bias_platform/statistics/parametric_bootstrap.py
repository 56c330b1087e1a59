"""Answers drawn anew from a fitted model, on the rows that it was fitted to, and what refits of them say.

A draw is a whole new study of the same design: other items, other wordings (random effects from the fitted
covariances), other answers. Only what the model leaves out is the same, so that a bootstrap is as right as its model.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from bias_platform.statistics.arrays import BoolArray, FloatArray
from bias_platform.statistics.bootstrap_intervals import BootstrapResult
from bias_platform.statistics.design import Design
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.laplace_mixed_model import StandardErrors
from bias_platform.statistics.linear_mixed_model import Method
from bias_platform.statistics.marginal_means import predictor_columns
from bias_platform.statistics.mixed_model import fit_design
from bias_platform.statistics.mixed_model_fit import MixedModelFit, require_mixed_fit
from bias_platform.statistics.one_thread import one_blas_thread
from bias_platform.statistics.power_replicates import STATES
from bias_platform.statistics.response import GAUSSIAN, ORDINAL

Statistic = Callable[[MixedModelFit], ArrayLike]
Report = Callable[[int, int], None]


def simulated_design(fit: MixedModelFit, rng: np.random.Generator) -> Design:
    """The design of a fit with a response drawn from the fitted model.

    Random effects, slopes included, are drawn anew from the fitted covariances; given these, counts of answers, or the
    sums and the sum of squares of a Gaussian outcome, on the design's distinct rows. Variances of zero stay zero.

    Returns:
        A design with the same rows; its binomial `constant` is 0, because the rows of data behind a count are not drawn
        apart.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(40), 6), "yes": [0, 1, 1, 0, 0, 1] * 20 + [1, 0] * 60})
    >>> fit = fit_mixed_model("yes ~ 1 + (1 | item)", data)
    >>> drawn = simulated_design(fit, np.random.default_rng(1))
    >>> drawn.trials.tolist() == fit.design.trials.tolist(), bool((drawn.successes <= drawn.trials).all())
    (True, True)
    """
    design, own = fit.design, predictor_columns(fit)
    beta = fit.fixed_effects["estimate"].to_numpy()
    fixed = design.fixed.patterns[:, own.of_rows] @ beta[own.of_parameters]
    predictor = fixed[design.pattern] + _random_part(fit, rng)
    if design.family == ORDINAL:
        return _drawn_categories(design, predictor, beta[: len(design.categories) - 1], rng)
    if design.family == GAUSSIAN:
        return _drawn_outcome(design, predictor, fit.residual_sd, rng)
    successes = rng.binomial(design.trials.astype(np.int64), expit(predictor)).astype(np.float64)
    return replace(design, successes=successes, constant=0.0)


def with_response_of(design: Design, drawn: Design) -> Design:
    """A design with the response of another one that has the same rows, such as that of a smaller model.

    Raises:
        ModelError: the rows differ.
    """
    if not np.array_equal(design.trials, drawn.trials):
        raise ModelError(
            f"The designs of {design.formula.text!r} and {drawn.formula.text!r} have different rows: build the smaller "
            "model by taking terms out of the design of the larger one."
        )
    return replace(
        design,
        successes=drawn.successes,
        constant=drawn.constant,
        within=drawn.within,
        category_counts=drawn.category_counts,
    )


def bootstrap(
    fit: MixedModelFit,
    statistic: Statistic,
    *,
    replicates: int = 1000,
    seed: int = 0,
    standard_errors: StandardErrors = "joint",
    report: Report | None = None,
) -> BootstrapResult:
    """Parametric bootstrap: a statistic of refits to responses drawn from a fitted model (`simulated_design`).

    Replicate k depends on the seed and k only. Refits that fail stay in the result as NaN, those that did not converge
    keep their value but are not used by its intervals; both are counted (`BootstrapResult.states`).

    Args:
        fit: a converged fit; refits use its method (REML or ML; as many quadrature nodes).
        statistic: of a fit, a number or (k,); a `ModelError` that it raises counts as a failed refit.
        replicates: 1,000 for standard errors, some thousand for bounds.
        standard_errors: of the refits; ``joint`` is quicker and changes the statistic only where it uses them.
        report: is told (replicates done, of how many) after each.

    Raises:
        ModelError: fewer than 2 replicates, a seed below zero, a fit that did not converge, or a statistic that cannot
            be computed from the fit itself.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(40), 6), "persona": ["a", "b"] * 120})
    >>> data["score"] = rng.normal(0, 1, 40)[data["item"]] + (data["persona"] == "b") + rng.normal(0, 1, 240)
    >>> fit = fit_mixed_model("score ~ persona + (1 | item)", data, family="gaussian")
    >>> found = bootstrap(fit, lambda one: one.fixed_effects["estimate"], replicates=50, seed=1)
    >>> found.values.shape, int(found.usable.sum()), found.interval().shape
    ((50, 2), 50, (2, 7))
    """
    require_mixed_fit(fit, "A bootstrap")
    if replicates < 2 or seed < 0:
        raise ModelError(f"A bootstrap needs 2 or more replicates and a seed from 0 up, not {replicates} and {seed}.")
    if not fit.converged:
        raise ModelError(f"The fit of {fit.formula!r} did not converge: there is no model to draw responses from.")
    estimate = _values(statistic, fit)
    values = np.full((replicates, len(estimate)), np.nan)
    states = np.zeros((replicates, len(STATES)), dtype=bool)
    for k in range(replicates):
        drawn = simulated_design(fit, np.random.default_rng([seed, k]))
        values[k], states[k] = _replicate(fit, drawn, statistic, standard_errors, len(estimate))
        if report is not None:
            report(k + 1, replicates)
    return BootstrapResult(estimate, values, states)


def refit(fit: MixedModelFit, design: Design, standard_errors: StandardErrors = "joint") -> MixedModelFit | None:
    """The model of a fit for another response; None where it cannot be fitted."""
    if not _varies(design):
        return None
    method: Method = "ML" if fit.method == "ML" else "REML"
    try:
        with one_blas_thread():
            return fit_design(design, standard_errors, method, fit.quadrature_nodes)
    except (np.linalg.LinAlgError, ModelError):
        return None


def fit_states(fit: MixedModelFit | None) -> BoolArray:
    """What is the matter with a refit, in the order of `power_replicates.STATES`."""
    if fit is None:
        return np.array([True, False, False, False])
    found = fit.diagnostics
    return np.array([False, not fit.converged, bool(found.separated), bool(found.singular_terms)])


def _replicate(
    fit: MixedModelFit, drawn: Design, statistic: Statistic, standard_errors: StandardErrors, size: int
) -> tuple[FloatArray, BoolArray]:
    again = refit(fit, drawn, standard_errors)
    if again is None:
        return np.full(size, np.nan), fit_states(None)
    try:
        return _values(statistic, again, size), fit_states(again)
    except ModelError:
        return np.full(size, np.nan), fit_states(None)


def _values(statistic: Statistic, fit: MixedModelFit, size: int | None = None) -> FloatArray:
    values = np.atleast_1d(np.asarray(statistic(fit), dtype=np.float64))
    if values.ndim != 1 or (size is not None and len(values) != size):
        raise ValueError(f"A statistic must give a number or (k,) numbers, always as many, not {values.shape}.")
    return values


def _varies(design: Design) -> bool:
    """Whether there is anything to model in a drawn response."""
    if design.family == GAUSSIAN:
        return True
    if design.family == ORDINAL:
        return bool((design.category_counts.sum(axis=0) > 0).all())
    return 0.0 < float(design.successes.sum()) < float(design.trials.sum())


def _random_part(fit: MixedModelFit, rng: np.random.Generator) -> FloatArray:
    """(distinct rows,): all random effects together, drawn anew."""
    design = fit.design
    total = np.zeros(len(design.pattern))
    for k, term in enumerate(design.terms):
        factor = fit.residual_sd * design.shape.matrix(fit.theta, k)
        effects = rng.standard_normal((term.size, len(factor))) @ factor.T
        if term.basis is None:
            total += effects[term.code, 0]
        else:
            total += np.einsum("re,re->r", term.basis.patterns[term.basis.pattern], effects[term.code])
    return total


def _drawn_outcome(design: Design, predictor: FloatArray, sd: float, rng: np.random.Generator) -> Design:
    """Sums over distinct rows, and the sum of squares about the means of these."""
    noise = sd * np.sqrt(design.trials) * rng.standard_normal(len(predictor))
    freedom = design.n_observations - len(predictor)
    within = sd**2 * float(rng.chisquare(freedom)) if freedom > 0 else 0.0
    return replace(design, successes=design.trials * predictor + noise, within=within)


def _drawn_categories(
    design: Design, predictor: FloatArray, thresholds: FloatArray, rng: np.random.Generator
) -> Design:
    """Counts of the categories."""
    above = expit(predictor[:, None] - thresholds)
    chances = -np.diff(above, axis=1, prepend=1.0, append=0.0)
    drawn = rng.multinomial(design.trials.astype(np.int64), chances / chances.sum(axis=1, keepdims=True))
    counts = drawn.astype(np.float64)
    return replace(design, category_counts=counts, successes=counts @ np.arange(chances.shape[1]))
