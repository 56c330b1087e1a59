"""Estimated marginal means over a reference grid, on the link and on the probability scale."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import BoolArray, FloatArray, IntArray
from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.estimates import CONDITIONAL, LINK, PROBABILITY, RESPONSE, Estimates, EstimateSet
from bias_platform.statistics.fixed_part import FixedPart
from bias_platform.statistics.logistic_normal_moments import logistic_normal
from bias_platform.statistics.mixed_model_fit import MixedModelFit, require_mixed_fit
from bias_platform.statistics.ordinal_design import slope_columns
from bias_platform.statistics.response import GAUSSIAN, ORDINAL


def marginal_means(
    fit: MixedModelFit,
    by: Sequence[str] | str,
    *,
    at: Mapping[str, Sequence[Any]] | None = None,
) -> EstimateSet:
    """Means at each combination of some factors, the other fixed factors averaged with equal weights.

    The scales of the result: ``link`` averages the linear predictor; ``conditional`` averages the probabilities
    at random effects of zero; ``probability`` averages the probabilities integrated over the random effects
    (normal, with their total variance in each cell). Standard errors of the probabilities are by the delta method
    from the covariance of the fixed effects; the variances of the random effects are held at their estimates,
    so these errors leave out what is not known about them. A Gaussian fit has the scales ``link`` and
    ``response``, which are the same; an ordinal one has ``link``, its predictor without the thresholds, of which only
    differences mean something (`category_probabilities` has its probabilities).

    Args:
        by: fixed variables to keep; categorical ones, or numeric ones given in ``at``.
        at: values for variables. Numeric variables not named here stand at their mean over the rows.

    Returns:
        Labels: the ``by`` columns. Combinations that the data cannot identify are NaN.

    Raises:
        ModelError: a variable that the model does not have, or a numeric one without values.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(80), 6), "persona": ["a", "b", "c"] * 160})
    >>> logit = rng.normal(0, 1, 80)[data["item"]] + (data["persona"] == "b")
    >>> data["yes"] = (rng.random(480) < 1 / (1 + np.exp(-logit))).astype(int)
    >>> means = marginal_means(fit_mixed_model("yes ~ persona + (1 | item)", data), by="persona")
    >>> means.frame("probability")["persona"].tolist()
    ['a', 'b', 'c']
    """
    keep = [by] if isinstance(by, str) else list(by)
    grid, cell = reference_grid(fit, keep, dict(at or {}))
    labels, average, rows, lost = grid_averages(fit, grid, cell, keep)
    own = predictor_columns(fit)
    rows = rows[:, own.of_rows]
    beta = fit.fixed_effects["estimate"].to_numpy()[own.of_parameters]
    covariance = fit.covariance.to_numpy()[np.ix_(own.of_parameters, own.of_parameters)]
    scales = {}
    for name, (value, slope) in _scales(fit, rows @ beta, grid).items():
        jacobian = average @ (slope[:, None] * rows)
        scales[name] = Estimates(average @ value, jacobian @ covariance @ jacobian.T).without(lost)
    weights = np.zeros((len(labels), len(fit.fixed_effects)))
    weights[:, own.of_parameters] = average @ rows
    weights[lost] = np.nan
    return EstimateSet(labels, scales, weights)


class PredictorColumns(NamedTuple):
    """Which columns of X stand in the linear predictor, and which of the fit's coefficients belong to them."""

    of_rows: IntArray
    of_parameters: IntArray


def predictor_columns(fit: MixedModelFit) -> PredictorColumns:
    """All of them; but of an ordinal fit, whose thresholds stand apart from the predictor, not the intercept."""
    if fit.family != ORDINAL:
        both = np.arange(fit.design.n_fixed)
        return PredictorColumns(both, both)
    slopes = slope_columns(fit.design.fixed)
    return PredictorColumns(slopes, np.arange(len(slopes)) + len(fit.design.categories) - 1)


def grid_averages(
    fit: MixedModelFit, grid: pd.DataFrame, cell: IntArray, keep: Sequence[str]
) -> tuple[pd.DataFrame, FloatArray, FloatArray, BoolArray]:
    """How a reference grid is averaged over everything but ``keep``.

    Args:
        grid: rows of the grid.
        cell: which label each of them belongs to.
        keep: the columns that make a label.

    Returns:
        Labels; the averages as a matrix (labels, grid); X of the grid (grid, columns); labels that cannot be estimated.
    """
    labels = grid.loc[~pd.Series(cell).duplicated().to_numpy(), list(keep)].reset_index(drop=True)
    rows, estimable = fit.design.fixed.rows(grid)
    average = np.zeros((len(labels), len(grid)))
    average[cell, np.arange(len(grid))] = 1.0
    average /= average.sum(axis=1, keepdims=True)
    return labels, average, rows, np.asarray((average[:, ~estimable] > 0).any(axis=1))


def _scales(fit: MixedModelFit, eta: FloatArray, grid: pd.DataFrame) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Values and derivatives in eta, by scale."""
    same = (eta, np.ones_like(eta))
    if fit.family == GAUSSIAN:
        return {LINK: same, RESPONSE: same}
    if fit.family == ORDINAL:
        return {LINK: same}
    return {
        LINK: same,
        PROBABILITY: logistic_normal(eta, fit.predictor_sd(grid))[:2],
        CONDITIONAL: logistic_normal(eta)[:2],
    }


def reference_grid(
    fit: MixedModelFit, by: Sequence[str], at: Mapping[str, Sequence[Any]]
) -> tuple[pd.DataFrame, IntArray]:
    """All combinations of the fixed variables (rows) and which combination of ``by`` each row belongs to."""
    require_mixed_fit(fit, "A marginal mean")
    fixed = fit.design.fixed
    known = [*fixed.levels, *(name for name in fixed.centers if name not in fixed.levels)]
    for name in [*by, *at]:
        if name not in known:
            raise ModelError(f"{name!r} is not a fixed variable of {fit.formula!r} ({spell_check(name, known)}).")
    for name in by:
        if name not in fixed.levels and name not in at:
            raise ModelError(f"{name!r} is numeric: give the values to take its means at, at={{{name!r}: [...]}}.")
    for name, values in at.items():
        unknown = [value for value in values if name in fixed.levels and value not in fixed.levels[name]]
        if unknown:
            raise ModelError(f"{name!r} has no level {unknown[0]!r}; known are {list(fixed.levels[name])}.")
    order = [*by, *(name for name in known if name not in by)]
    axes = [_axis(fixed, name, at) for name in order]
    frame = pd.DataFrame(list(product(*axes)), columns=order, index=range(int(np.prod([len(a) for a in axes]))))
    inner = int(np.prod([len(axis) for axis in axes[len(by) :]]))
    return frame, np.arange(len(frame), dtype=np.int64) // inner


def _axis(fixed: FixedPart, name: str, at: Mapping[str, Sequence[Any]]) -> list[Any]:
    if name in at:
        return list(at[name])
    return list(fixed.levels[name]) if name in fixed.levels else [fixed.centers[name]]
