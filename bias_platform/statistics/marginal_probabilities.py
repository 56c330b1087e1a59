"""Probabilities and log-odds of a marginal model, averaged over the rows it was fitted to."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.estimates import LINK, PROBABILITY, Estimates, EstimateSet
from bias_platform.statistics.marginal_data import MarginalData
from bias_platform.statistics.marginal_models import MarginalModelFit


def average_probabilities(fit: MarginalModelFit, by: Sequence[str] | str) -> EstimateSet:
    """The average probability (and log-odds) if every answer had been given at one combination of some factors.

    All other variables keep their values, each answer counting alike, so that `versus_reference` of the result gives
    average differences. Errors by the delta method from the model's covariance; the answers' other variables are taken
    as given. Both scales are population-averaged: ``link`` is attenuated against a mixed model. Give
    ``degrees_of_freedom=fit.degrees_of_freedom`` to `EstimateSet.frame`, which cannot know them.

    Args:
        fit: from `fit_glm` or `fit_gee`.
        by: factors of the formula.

    Returns:
        Labels: the columns ``by``; scales ``probability`` and ``link``; NaN where a combination cannot be estimated.

    Raises:
        ModelError: a name that is no factor of the formula.

    >>> from bias_platform.statistics.marginal_models import fit_glm
    >>> rows = [(i, p, int((i * 7 + 3 * (p == "b")) % 5 < 2 + (p == "b"))) for i in range(50) for p in "ab"]
    >>> fit = fit_glm("yes ~ persona", pd.DataFrame(rows, columns=["item", "persona", "yes"]), ["item"])
    >>> average_probabilities(fit, "persona").frame("probability")["estimate"].round(3).tolist()
    [0.4, 0.6]
    """
    if not isinstance(fit, MarginalModelFit):
        raise ModelError(
            f"Average probabilities are those of a fit by fit_glm or fit_gee, not of a {type(fit).__name__}: a mixed "
            "model has average_effects and marginal_means."
        )
    return average_probabilities_of([fit], by)[0]


def average_probabilities_of(fits: Sequence[MarginalModelFit], by: Sequence[str] | str) -> list[EstimateSet]:
    """The same of several fits of one formula to the same answers, which differ in their clusters or method."""
    names, fit = [by] if isinstance(by, str) else list(by), fits[0]
    levels = fit.data.fixed.levels
    for name in names:
        if name not in levels:
            raise ModelError(f"{name!r} is no factor of {fit.formula!r} ({spell_check(name, levels)}).")
    labels = pd.DataFrame(list(product(*(levels[name] for name in names))), columns=names)
    betas = [one.beta for one in fits]
    averaged = _averages(fit.data, betas, labels)
    return [
        EstimateSet(labels, {scale: _estimates(found, one) for scale, found in scales.items()})
        for one, scales in zip(fits, averaged, strict=True)
    ]


def _estimates(found: "_Averages", fit: MarginalModelFit) -> Estimates:
    spread = found.slopes @ fit.covariance.to_numpy() @ found.slopes.T
    unknown = np.isnan(found.values)
    spread[unknown, :], spread[:, unknown] = np.nan, np.nan
    return Estimates(found.values, spread)


_CHUNK = 2**20
"""Entries of X that are held at once."""


class _Averages(NamedTuple):
    """Of every combination of levels; NaN where it cannot be estimated."""

    values: FloatArray
    """(combinations,)."""
    slopes: FloatArray
    """(combinations, columns), their derivatives in the coefficients."""


def _averages(data: MarginalData, betas: Sequence[FloatArray], labels: pd.DataFrame) -> list[dict[str, _Averages]]:
    """By fit and scale; several combinations at once, because each building of X takes far longer than its use."""
    patterns, columns = data.fixed.patterns.shape
    span = max(1, _CHUNK // (patterns * columns))
    parts: list[list[dict[str, _Averages]]] = [[] for _ in betas]
    for start in range(0, len(labels), span):
        x, unknown = _standardised(data, labels.iloc[start : start + span])
        for own, beta in zip(parts, betas, strict=True):
            own.append(_of_some(x, unknown, data.pattern_trials / data.observations, beta))
    return [
        {
            scale: _Averages(
                np.concatenate([one[scale].values for one in own]), np.vstack([one[scale].slopes for one in own])
            )
            for scale in (LINK, PROBABILITY)
        }
        for own in parts
    ]


def _standardised(data: MarginalData, labels: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """X (combinations, patterns, columns) of all patterns at each combination; 0, or NaN where it is not estimable."""
    variables = data.fixed.variables
    count, patterns = len(labels), len(variables)
    frame = variables.iloc[np.tile(np.arange(patterns), count)].reset_index(drop=True)
    for name in labels.columns:
        frame[name] = _repeated(labels[name], patterns, variables[name])
    x, estimable = data.fixed.rows(frame)
    whole = estimable.reshape(count, patterns).all(axis=1)
    return x.reshape(count, patterns, -1), np.where(whole, 0.0, np.nan)


def _of_some(x: FloatArray, unknown: FloatArray, weight: FloatArray, beta: FloatArray) -> dict[str, _Averages]:
    mean = expit(x @ beta)
    on_link = np.einsum("p,cpq->cq", weight, x)
    on_probability = np.einsum("cp,cpq->cq", weight * mean * (1.0 - mean), x)
    return {
        LINK: _Averages(on_link @ beta + unknown, on_link),
        PROBABILITY: _Averages(mean @ weight + unknown, on_probability),
    }


def _repeated(labels: pd.Series, times: int, column: pd.Series) -> pd.Series:
    """Each label so many times, as the type of the column it stands for."""
    values = np.repeat(labels.to_numpy(dtype=object), times)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical(values, column.cat.categories))
    return pd.Series(values, dtype=column.dtype)
