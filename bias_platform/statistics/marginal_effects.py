"""Average marginal effects: how much the probability of an answer changes with a variable, averaged over the rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse

from bias_platform.statistics.arrays import BoolArray, FloatArray, combine_codes, sorted_codes
from bias_platform.statistics.counterfactual_comparisons import Comparison, comparison_of
from bias_platform.statistics.counterfactual_means import Averager, Rows, parameters_of
from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.estimates import CONDITIONAL, PROBABILITY, RESPONSE, Estimates, EstimateSet
from bias_platform.statistics.mixed_model_fit import MixedModelFit, require_mixed_fit
from bias_platform.statistics.response import GAUSSIAN, ORDINAL

At = Literal["integrated", "conditional"]
Uncertainty = Literal["delta", "simulation"]
CATEGORY = "category"
FEWEST_DRAWS = 100


@dataclass(frozen=True)
class AverageEffects:
    """Average marginal effects of a variable, and how they were averaged."""

    estimates: EstimateSet
    """One row an effect, on one scale."""
    scale: str
    """``probability`` (integrated over the random effects), ``conditional`` (these zero); ``response`` if Gaussian."""
    averaging: str
    """What was averaged over, and what the errors allow for, in a sentence."""
    draws: FloatArray | None = field(default=None, repr=False)
    """(draws, effects) where uncertainty was simulated."""

    def frame(self, *, level: float = 0.95, **options: Any) -> pd.DataFrame:
        """As `EstimateSet.frame` on the own scale; where there are draws, ``lower`` and ``upper`` are their quantiles.

        Raises:
            ModelError: as there.
        """
        table = self.estimates.frame(self.scale, level=level, **options)
        if self.draws is not None:
            known = np.isfinite(table["estimate"].to_numpy())
            bounds = np.quantile(self.draws[:, known], [0.5 - level / 2, 0.5 + level / 2], axis=0)
            table.loc[known, ["lower", "upper"]] = bounds.T
        return table


def average_effects(
    fit: MixedModelFit,
    variable: str,
    *,
    compare: str | float | None = None,
    reference: Any = None,
    by: Sequence[str] | str = (),
    at: At = "integrated",
    uncertainty: Uncertainty = "delta",
    draws: int = 2000,
    seed: int = 0,
) -> AverageEffects:
    """Average marginal effects of one variable on the probability scale; if Gaussian, in units of the outcome.

    Every observed row is predicted as it would be at other values of the variable, all else as observed; effects are
    means over the observations of the differences. In a balanced design that is the contrast of marginal means;
    elsewhere rows count as often as they were seen, where marginal means count each cell alike.

    Args:
        variable: a fixed one.
        compare: of a factor: None for each level minus the reference, ``"pairs"`` for all pairs. Of a number: None or
            ``"slope"`` for the mean derivative, ``"sd"`` for an increase by one standard deviation over the
            observations, or a number for an increase by so much.
        reference: of a factor; None means its first level.
        by: fixed variables; effects are averaged within each of their combinations that was observed.
        at: ``"integrated"``: probabilities integrated over normal random effects with their total variance in each
            row (see `MixedModelFit.predictor_sd`), those of a new item. ``"conditional"``: at random effects of zero.
        uncertainty: ``"delta"`` method, or ``"simulation"``: normal draws of the parameters (Krinsky and Robb, 1986),
            quantiles of the effects. Both allow for the errors of the random effects' variances where the fit has
            them (``standard_errors="full"``), and hold the variances at their estimates elsewhere.
        draws: of a simulation, at least 100.
        seed: of the draws.

    Returns:
        Labels: the ``by`` columns; of a factor ``level``, ``reference`` and ``contrast``, of a number ``contrast``; of
        an ordinal fit also ``category``: the effect on the probability of each. Effects that need a combination which
        the data cannot identify are NaN.

    Raises:
        ModelError: an unknown variable, level, comparison, averaging or uncertainty, or too few draws.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(80), 6), "persona": ["a", "b", "c"] * 160})
    >>> logit = rng.normal(0, 1, 80)[data["item"]] + (data["persona"] == "b")
    >>> data["yes"] = (rng.random(480) < 1 / (1 + np.exp(-logit))).astype(int)
    >>> effects = average_effects(fit_mixed_model("yes ~ persona + (1 | item)", data), "persona")
    >>> effects.scale, effects.frame()["contrast"].tolist(), bool(0.05 < effects.frame()["estimate"][0] < 0.35)
    ('probability', ['b - a', 'c - a'], True)
    """
    groups = [by] if isinstance(by, str) else list(by)
    require_mixed_fit(fit, "An average effect")
    _check(fit, variable, groups, at, uncertainty)
    if uncertainty == "simulation" and (draws < FEWEST_DRAWS or seed < 0):
        raise ModelError(f"Simulate with at least {FEWEST_DRAWS} draws and a seed from 0 up, not {draws} and {seed}.")
    comparison = comparison_of(fit.design, variable, compare, reference)
    keys, averager = _averager(fit, comparison, groups, at == "integrated")
    effects = _Effects(averager, comparison, variable)
    drawn = effects.drawn(draws, seed) if uncertainty == "simulation" else None
    scale = RESPONSE if fit.family == GAUSSIAN else PROBABILITY if at == "integrated" else CONDITIONAL
    return AverageEffects(
        estimates=EstimateSet(_labels(fit, keys, comparison), {scale: effects.estimates(drawn)}),
        scale=scale,
        averaging=_said(averager, scale, groups),
        draws=drawn,
    )


def _check(fit: MixedModelFit, variable: str, by: Sequence[str], at: str, uncertainty: str) -> None:
    known = [str(name) for name in fit.design.fixed.variables.columns]
    for name in [variable, *by]:
        if name not in known:
            raise ModelError(f"{name!r} is not a fixed variable of {fit.formula!r} ({spell_check(name, known)}).")
    if variable in by:
        raise ModelError(f"The effect of {variable!r} cannot be averaged within {variable!r}: take it out of 'by'.")
    if at not in get_args(At):
        raise ModelError(f"Effects are 'integrated' over the random effects or 'conditional' on zero ones, not {at!r}.")
    if uncertainty not in get_args(Uncertainty):
        raise ModelError(f"Uncertainty is by 'delta' or by 'simulation', not {uncertainty!r}.")


def _averager(
    fit: MixedModelFit, comparison: Comparison, by: list[str], integrated: bool
) -> tuple[list[dict[str, Any]], Averager]:
    """The groups by their labels, and what averages rows of the base within them."""
    base = comparison.base
    code, first = np.zeros(len(base), dtype=np.int64), np.zeros(1, dtype=np.int64)
    if by:
        code, first = combine_codes([sorted_codes(base[name])[0] for name in by])
    share = comparison.observations / np.bincount(code, comparison.observations)[code]
    weights = sparse.csr_array((share, (code, np.arange(len(base)))), shape=(len(first), len(base)))
    keys = [dict(zip(by, base[by].iloc[row].tolist(), strict=True)) for row in first] if by else [{}]
    return keys, Averager(fit, weights, integrated, parameters_of(fit, integrated))


class _Effects:
    """Averages at all values of the variable, and their comparisons: by group, comparison and category."""

    def __init__(self, averager: Averager, comparison: Comparison, variable: str) -> None:
        self.averager, self.matrix = averager, comparison.matrix
        fit = averager.fit
        self.rows = [Rows.of(fit, comparison.base.assign(**{variable: value})) for value in comparison.values]
        self.categories = _category_matrix(averager.outcomes) if fit.family == ORDINAL else np.eye(1)

    def estimates(self, drawn: FloatArray | None) -> Estimates:
        """With the covariance of the draws, or by the delta method where there are none."""
        values, slopes = zip(*(self.averager.means(rows) for rows in self.rows), strict=True)
        jacobian = self._compared(np.stack(slopes))
        covariance = jacobian @ self.averager.parameters.covariance @ jacobian.T
        if drawn is not None:
            covariance = np.cov(drawn, rowvar=False).reshape(covariance.shape)
        return Estimates(self._compared(np.stack(values)[..., None])[:, 0], covariance).without(self._lost())

    def drawn(self, count: int, seed: int) -> FloatArray:
        """(draws, effects)."""
        beta, theta = self.averager.parameters.drawn(count, seed)
        means = np.stack([self.averager.drawn_means(rows, beta, theta) for rows in self.rows])
        return self._compared(np.moveaxis(means, 1, -1)).T

    def _lost(self) -> BoolArray:
        lost = np.stack([self.averager.lost(rows) for rows in self.rows])
        by_group = (np.abs(self.matrix) @ lost > 0).T
        return np.repeat(by_group.ravel(), len(self.categories))

    def _compared(self, means: FloatArray) -> FloatArray:
        """(values, groups, outcomes, n) to (effects, n)."""
        found = np.einsum("cv,ko,vgon->gckn", self.matrix, self.categories, means, optimize=True)
        return np.ascontiguousarray(found.reshape(-1, means.shape[-1]))


def _category_matrix(thresholds: int) -> FloatArray:
    """Changes of the probability of each category from those of being above each threshold."""
    matrix: FloatArray = np.eye(thresholds + 1, thresholds, -1) - np.eye(thresholds + 1, thresholds)
    return matrix


def _labels(fit: MixedModelFit, keys: list[dict[str, Any]], comparison: Comparison) -> pd.DataFrame:
    categories = [{CATEGORY: name} for name in fit.design.categories] if fit.family == ORDINAL else [{}]
    rows = [key | label | category for key in keys for label in comparison.labels for category in categories]
    return pd.DataFrame(rows)


def _said(averager: Averager, scale: str, by: Sequence[str]) -> str:
    within = f" within {' and '.join(map(repr, by))}" if by else ""
    what = {
        PROBABILITY: "Probabilities integrated over the random effects",
        CONDITIONAL: "Probabilities at random effects of zero",
        RESPONSE: "Predicted outcomes",
    }[scale]
    errors = ""
    if scale == PROBABILITY:
        held = "allow for" if len(averager.parameters.known) else "leave out"
        errors = f"; errors {held} what is not known of the random effects' variances"
    return f"{what}, averaged over the observations{within}{errors}."
