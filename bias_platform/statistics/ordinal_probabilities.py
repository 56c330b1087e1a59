"""Probabilities of the categories of an ordinal model over a reference grid."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import CONDITIONAL, PROBABILITY, Estimates, EstimateSet
from bias_platform.statistics.logistic_normal_moments import logistic_normal
from bias_platform.statistics.marginal_means import grid_averages, reference_grid
from bias_platform.statistics.mixed_model_fit import MixedModelFit, require_mixed_fit
from bias_platform.statistics.ordinal_design import slope_columns
from bias_platform.statistics.response import ORDINAL

CATEGORY = "category"


def category_probabilities(
    fit: MixedModelFit,
    by: Sequence[str] | str,
    *,
    at: Mapping[str, Sequence[Any]] | None = None,
    at_least: bool = False,
) -> EstimateSet:
    """Probability of each category at each combination of some factors, the other factors averaged with equal weights.

    Standard errors are by the delta method from the covariance of thresholds and slopes; the variances of the random
    effects are held at their estimates. Contrasts (`versus_reference` ...) compare within a category.

    Args:
        fit: of family ``ordinal``.
        by: fixed variables to keep, as in `marginal_means`.
        at: values for variables.
        at_least: the probability of a category or one above it; the lowest, which is certain, is left out.

    Returns:
        Labels: the ``by`` columns and ``category``. Scales: ``probability``, integrated over the random effects;
        ``conditional``, at random effects of zero.

    Raises:
        ModelError: a fit of another family; otherwise as `marginal_means`.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(60), 8), "group": ["a", "b"] * 240})
    >>> latent = rng.normal(0, 1, 60)[data["item"]] + (data["group"] == "b") + rng.logistic(size=480)
    >>> data["answer"] = pd.Categorical.from_codes(np.digitize(latent, [0, 1]), ["No", "Maybe", "Yes"], ordered=True)
    >>> fit = fit_mixed_model("answer ~ group + (1 | item)", data, family="ordinal")
    >>> found = category_probabilities(fit, "group").frame("probability")
    >>> found[["group", "category"]].values.tolist()[:3], round(float(found["estimate"][:3].sum()), 9)
    ([['a', 'No'], ['a', 'Maybe'], ['a', 'Yes']], 1.0)
    """
    require_mixed_fit(fit, "A probability of categories")
    if fit.family != ORDINAL:
        raise ModelError(
            f"Probabilities of categories are those of an ordinal model; this fit is of family {fit.family!r}: "
            "marginal_means has its means."
        )
    keep = [by] if isinstance(by, str) else list(by)
    grid, cell = reference_grid(fit, keep, dict(at or {}))
    labels, average, rows, lost = grid_averages(fit, grid, cell, keep)
    categories = fit.design.categories[1:] if at_least else fit.design.categories
    scales = {
        PROBABILITY: _probabilities(fit, rows, average, fit.predictor_sd(grid), at_least),
        CONDITIONAL: _probabilities(fit, rows, average, 0.0, at_least),
    }
    spoiled = np.repeat(lost, len(categories))
    whole = labels.loc[labels.index.repeat(len(categories))].reset_index(drop=True)
    whole[CATEGORY] = list(categories) * len(labels)
    return EstimateSet(whole, {name: one.without(spoiled) for name, one in scales.items()})


def _probabilities(
    fit: MixedModelFit, rows: FloatArray, average: FloatArray, sd: float | FloatArray, at_least: bool
) -> Estimates:
    """Of (labels x categories), a label's categories side by side."""
    upper, slopes = exceedance(fit, rows, sd)
    above = average @ upper, np.einsum("lg,gkp->lkp", average, slopes)
    values, jacobian = above if at_least else (_differences(above[0], 1.0), _differences(above[1], 0.0))
    flat = jacobian.reshape(-1, jacobian.shape[-1])
    return Estimates(values.ravel(), flat @ fit.covariance.to_numpy() @ flat.T)


def exceedance(fit: MixedModelFit, rows: FloatArray, sd: float | FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(above each threshold) of rows of X, and its derivatives in thresholds and slopes.

    Args:
        fit: of family ``ordinal``.
        rows: (n, columns of X), intercept included.
        sd: of all random effects together, one or (n,); 0 for random effects of zero.

    Returns:
        (n, thresholds) and (n, thresholds, parameters).
    """
    cuts = len(fit.design.categories) - 1
    slopes = rows[:, slope_columns(fit.design.fixed)]
    matrix = np.concatenate([np.tile(-np.eye(cuts), (len(rows), 1)), np.repeat(slopes, cuts, axis=0)], axis=1)
    eta = matrix @ fit.fixed_effects["estimate"].to_numpy()
    found = logistic_normal(eta, np.repeat(np.broadcast_to(sd, len(rows)), cuts))
    return found.mean.reshape(-1, cuts), (found.slope[:, None] * matrix).reshape(len(rows), cuts, -1)


def _differences(above: FloatArray, all_of_it: float) -> FloatArray:
    """Of each category from the shares above the thresholds, along axis 1."""
    shape = (len(above), 1, *above.shape[2:])
    whole = np.concatenate([np.full(shape, all_of_it), above, np.zeros(shape)], axis=1)
    found: FloatArray = whole[:, :-1] - whole[:, 1:]
    return found
