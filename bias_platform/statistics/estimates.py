"""Several estimates with their covariance on several scales, and any linear combination of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student

from bias_platform.statistics.arrays import BoolArray, FloatArray
from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.families import NONE, Statistics, adjusted_within_families

LINK, PROBABILITY, CONDITIONAL, RESPONSE = "link", "probability", "conditional", "response"


class Estimates(NamedTuple):
    """Values (k,) and covariance (k, k); NaN where a value cannot be estimated."""

    values: FloatArray
    covariance: FloatArray

    @property
    def standard_errors(self) -> FloatArray:
        """(k,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def combined(self, matrix: FloatArray) -> "Estimates":
        """matrix @ self; a value that cannot be estimated spoils only the rows that use it."""
        known = np.isfinite(self.values)
        spoiled = (matrix[:, ~known] != 0).any(axis=1)
        used = matrix[:, known]
        values = used @ self.values[known]
        covariance = used @ self.covariance[np.ix_(known, known)] @ used.T
        values[spoiled] = np.nan
        covariance[spoiled, :] = np.nan
        covariance[:, spoiled] = np.nan
        return Estimates(values, covariance)

    def without(self, lost: BoolArray) -> "Estimates":
        """The same, but NaN where ``lost`` (k,) says that a value cannot be estimated."""
        values, covariance = self.values.copy(), self.covariance.copy()
        values[lost] = np.nan
        covariance[lost, :] = np.nan
        covariance[:, lost] = np.nan
        return Estimates(values, covariance)


@dataclass(frozen=True)
class EstimateSet:
    """Labelled estimates on the scales ``link``, ``probability`` and ``conditional``; if Gaussian, ``response``.

    ``link``: log-odds, or for a Gaussian model the units of the outcome, which are also those of ``response``.
    ``probability``: integrated over the random effects, the rate to expect over items and wordings. ``conditional``:
    probability where every random effect is zero.
    """

    labels: pd.DataFrame
    """One row an estimate."""
    scales: Mapping[str, Estimates] = field(repr=False)
    fixed_weights: FloatArray | None = field(default=None, repr=False)
    """(k, p): weights of the fixed effects in each estimate on the link scale, NaN where it cannot be estimated; None
    where they were not kept."""

    @property
    def usual_scale(self) -> str:
        """``response`` if there is one, else ``probability``, else the only one there is."""
        return next((name for name in (RESPONSE, PROBABILITY) if name in self.scales), next(iter(self.scales)))

    def on(self, scale: str) -> Estimates:
        """The estimates on one scale."""
        if scale not in self.scales:
            raise ModelError(f"Unknown scale {scale!r}: choose one of {', '.join(self.scales)}.")
        return self.scales[scale]

    def frame(
        self,
        scale: str | None = None,
        *,
        level: float = 0.95,
        degrees_of_freedom: float | FloatArray = np.inf,
        adjust: str = NONE,
        families: str | Sequence[str] = (),
        number_of_means: int | None = None,
    ) -> pd.DataFrame:
        """Labels with ``estimate``, ``standard_error``, ``lower``, ``upper``, ``statistic``, ``p``.

        ``statistic`` and ``p`` test the value zero, which is a question to ask of contrasts, not of probabilities. If
        adjusted, also ``adjusted_p``, ``simultaneous_lower``, ``simultaneous_upper``: contrasts that cannot be
        estimated are NaN and do not count.

        Args:
            scale: ``link``, ``probability`` or ``conditional``, or ``response`` if Gaussian; None means
                ``probability``, or ``response`` where there is none.
            level: confidence of the intervals, which are symmetric on the scale asked for; of the simultaneous ones,
                that all of a family hold at once.
            degrees_of_freedom: of Student's t for interval and p, one for all or (k,) one an estimate; infinite means
                normal. ``mvt`` and ``tukey`` know one for all: the smallest of a family.
            adjust: ``none``. ``mvt``: single-step, from the correlations of the estimates (`largest_statistic`; its
                Monte-Carlo error is below 1e-4 where p is below 0.1). ``tukey``: all pairs of some means, by
                the studentized range; exact where these have equal variances and covariances. ``bonferroni``. With
                ``holm``, ``hochberg``, ``fdr_bh``, ``fdr_by`` (`adjust_p_values`) the bounds are NaN, because these
                methods go step by step and have no intervals of this form.
            families: label column or columns; contrasts that agree in them are adjusted together, apart from all
                others. None named: all are one family.
            number_of_means: how many means ``tukey`` compares in each family. None counts them in the labels
                ``level`` and ``reference`` (of `all_pairs`), which must be all their pairs.

        Raises:
            ModelError: an unknown scale, adjustment or column, degrees of freedom that are not positive or not one an
                estimate; for ``tukey``, contrasts that are not all pairs.

        >>> import numpy as np, pandas as pd
        >>> labels = pd.DataFrame({"contrast": ["b - a", "d - c"]})
        >>> gaps = EstimateSet(labels, {"link": Estimates(np.array([2.0, 3.0]), np.eye(2))})
        >>> gaps.frame("link", adjust="mvt")[["p", "adjusted_p"]].round(4).values.tolist()
        [[0.0455, 0.0889], [0.0027, 0.0054]]
        """
        check_confidence(level, degrees_of_freedom)
        df = _each(degrees_of_freedom, len(self.labels))
        found = self.on(scale or self.usual_scale)
        values, errors = found.values, found.standard_errors
        reach = student.ppf(0.5 + level / 2, df) * errors
        statistic = np.divide(values, errors, out=np.full_like(values, np.nan), where=errors > 0)
        columns = {
            "estimate": values,
            "standard_error": errors,
            "lower": values - reach,
            "upper": values + reach,
            "statistic": statistic,
            "p": 2.0 * student.sf(np.abs(statistic), df),
        }
        if adjust != NONE:
            by = [families] if isinstance(families, str) else list(families)
            require_columns(self, by)
            statistics = Statistics(self.labels, statistic, columns["p"], found.covariance, df)
            adjusted = adjusted_within_families(
                statistics, adjust, level=level, families=by, number_of_means=number_of_means
            )
            columns["adjusted_p"] = adjusted.p
            columns["simultaneous_lower"] = values - adjusted.critical * errors
            columns["simultaneous_upper"] = values + adjusted.critical * errors
        return pd.concat([self.labels.reset_index(drop=True), pd.DataFrame(columns)], axis=1)

    def subset(self, rows: ArrayLike) -> "EstimateSet":
        """Some of the rows, by position or by a mask."""
        picked = np.arange(len(self.labels))[np.asarray(rows)]
        scales = {
            name: Estimates(one.values[picked], one.covariance[np.ix_(picked, picked)])
            for name, one in self.scales.items()
        }
        weights = None if self.fixed_weights is None else self.fixed_weights[picked]
        return EstimateSet(self.labels.iloc[picked].reset_index(drop=True), scales, weights)


def contrast(means: EstimateSet, matrix: ArrayLike, labels: pd.DataFrame | Sequence[str]) -> EstimateSet:
    """Linear combinations of estimates, on every scale at once.

    Args:
        means: k estimates, such as marginal means or other contrasts.
        matrix: (contrasts, k) weights.
        labels: a frame with one row a contrast, or one name each.

    Raises:
        ModelError: shapes that do not fit.

    >>> import numpy as np, pandas as pd
    >>> two = EstimateSet(pd.DataFrame({"g": ["a", "b"]}), {"link": Estimates(np.array([1., 3.]), np.eye(2))})
    >>> contrast(two, [[-1, 1]], ["b - a"]).frame("link")[["contrast", "estimate"]].values.tolist()
    [['b - a', 2.0]]
    """
    weights = np.atleast_2d(np.asarray(matrix, dtype=float))
    if weights.shape[1] != len(means.labels):
        raise ModelError(
            f"The contrast matrix has {weights.shape[1]} columns, but there are {len(means.labels)} estimates."
        )
    frame = labels if isinstance(labels, pd.DataFrame) else pd.DataFrame({"contrast": list(labels)})
    if len(frame) != len(weights):
        raise ModelError(f"There are {len(weights)} contrasts but {len(frame)} labels.")
    scales = {name: one.combined(weights) for name, one in means.scales.items()}
    return EstimateSet(frame.reset_index(drop=True), scales, _combined_weights(weights, means.fixed_weights))


def _combined_weights(matrix: FloatArray, fixed_weights: FloatArray | None) -> FloatArray | None:
    """matrix @ fixed_weights; rows of NaN spoil only what uses them."""
    if fixed_weights is None:
        return None
    known = np.isfinite(fixed_weights).all(axis=1)
    combined: FloatArray = matrix[:, known] @ fixed_weights[known]
    combined[(matrix[:, ~known] != 0).any(axis=1)] = np.nan
    return combined


def check_confidence(level: float, degrees_of_freedom: float | FloatArray = np.inf) -> None:
    """Raise `ModelError` where an interval of this level and these degrees of freedom makes no sense.

    Of several degrees of freedom some may be NaN: those of estimates that do not exist.
    """
    if not 0.0 < level < 1.0:
        raise ModelError(f"The level of an interval is {level}: give one between 0 and 1, such as 0.95.")
    df = np.asarray(degrees_of_freedom)
    if (df <= 0).any() or (df.ndim == 0 and np.isnan(df)):
        raise ModelError(f"The degrees of freedom of an interval must be positive, not {degrees_of_freedom}.")


def _each(degrees_of_freedom: float | FloatArray, estimates: int) -> FloatArray:
    """(k,) degrees of freedom."""
    df = np.asarray(degrees_of_freedom, dtype=np.float64)
    if df.shape not in ((), (estimates,)):
        raise ModelError(
            f"There are {estimates} estimates but degrees of freedom of shape {df.shape}: give one for each."
        )
    return np.broadcast_to(df, (estimates,))


def require_columns(means: EstimateSet, names: Sequence[str]) -> None:
    """Raise `ModelError` where the estimates are not labelled by these columns."""
    for name in names:
        if name not in means.labels.columns:
            raise ModelError(
                f"The estimates are not labelled by {name!r} ({spell_check(name, map(str, means.labels.columns))})."
            )
