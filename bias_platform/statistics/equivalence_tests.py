"""Equivalence: that a difference lies within a margin set beforehand, so that "no difference" can be claimed.

Two one-sided tests (Schuirmann, 1987, Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680): the difference is
above the lower margin and below the upper one. Both hold at level alpha exactly where the interval of confidence
1 - 2 alpha lies within the margins.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import EstimateSet, require_columns
from bias_platform.statistics.families import NONE
from bias_platform.statistics.marginal_effects import AverageEffects
from bias_platform.statistics.multiplicity import METHODS, adjust_p_values

EQUIVALENT, DIFFERENT, WITHIN, INCONCLUSIVE = (
    "equivalent",
    "different",
    "different but within the margin",
    "inconclusive",
)
Margin = ArrayLike | tuple[ArrayLike, ArrayLike]


class OneSidedTests(NamedTuple):
    """p values of the two one-sided tests; NaN where estimate, error or degrees of freedom are."""

    above_lower: FloatArray
    """Of the difference not being above the lower margin."""
    below_upper: FloatArray
    """Of it not being below the upper margin."""

    @property
    def p(self) -> FloatArray:
        """The larger of the two: that of the difference not being within the margins."""
        return np.maximum(self.above_lower, self.below_upper)


def two_one_sided_tests(
    estimate: ArrayLike,
    standard_error: ArrayLike,
    degrees_of_freedom: ArrayLike = np.inf,
    *,
    margin: Margin,
) -> OneSidedTests:
    """Tests of differences against both margins, each by itself; all arguments broadcast.

    An error of zero makes a difference known exactly: p is 0 inside the margins, 1 outside and on them.

    Args:
        degrees_of_freedom: of Student's t; infinite means normal.
        margin: above 0 for margins of -margin and +margin, or a pair (lower, upper), on the scale of the estimates.

    Raises:
        ModelError: a margin that holds nothing, a negative error, or no degrees of freedom.

    >>> tests = two_one_sided_tests([0.01, 0.04], 0.02, 50, margin=0.05)
    >>> tests.p.round(4).tolist()
    [0.0255, 0.3096]
    """
    low, high = margins_of(margin)
    gap, error = np.asarray(estimate, dtype=float), np.asarray(standard_error, dtype=float)
    df = np.asarray(degrees_of_freedom, dtype=float)
    if (error < 0).any() or (df <= 0).any():
        raise ModelError("Equivalence needs standard errors from 0 up and degrees of freedom above 0.")
    return OneSidedTests(_tail(gap - low, error, df), _tail(high - gap, error, df))


def margins_of(margin: Margin) -> tuple[FloatArray, FloatArray]:
    """Lower and upper margins.

    Raises:
        ModelError: a margin that is not finite, not above 0, or whose lower end is not below the upper one.

    >>> [float(end) for end in margins_of(0.05)]
    [-0.05, 0.05]
    """
    try:
        low, high = margin if isinstance(margin, tuple) else (-np.asarray(margin, dtype=float), margin)
        low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    except (TypeError, ValueError) as problem:
        raise ModelError(f"A margin is a number above 0 or a pair (lower, upper), not {margin!r}.") from problem
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise ModelError(
            f"The margin {margin!r} holds nothing: give a number above 0 for -margin and +margin, or a pair "
            "(lower, upper) with lower below upper."
        )
    return low, high


def _tail(distance: FloatArray, error: FloatArray, df: FloatArray) -> FloatArray:
    """p of a distance not being above zero."""
    distance, error = np.broadcast_arrays(distance, error)
    statistic = np.divide(distance, error, out=np.full(distance.shape, np.nan), where=error > 0)
    exact = error == 0
    statistic[exact] = np.where(distance[exact] > 0, np.inf, -np.inf)
    statistic[np.isnan(distance)] = np.nan
    return np.asarray(student.sf(statistic, df))


def equivalence(
    estimates: EstimateSet | AverageEffects,
    margin: Margin,
    *,
    scale: str | None = None,
    alpha: float = 0.05,
    degrees_of_freedom: ArrayLike = np.inf,
    adjust: str = NONE,
    families: str | Sequence[str] = (),
) -> pd.DataFrame:
    """Whether each contrast is shown to be different from zero, within a margin, both, or neither.

    Args:
        estimates: contrasts, as from `versus_reference`; or average effects.
        margin: set beforehand, on the scale asked for: a number above 0, a pair (lower, upper), or arrays of these.
        scale: as for `EstimateSet.frame`.
        alpha: level of either test.
        degrees_of_freedom: one for all, or one a contrast.
        adjust: ``none``, or a method of `adjust_p_values`. Tests for difference and for equivalence are adjusted each
            by themselves: by Holm's method at most `alpha` of reports have a false difference, and as many a false
            equivalence. With ``bonferroni`` that holds for both kinds together, because no contrast can be
            falsely claimed in both ways.
        families: label columns; contrasts that agree in them are adjusted together.

    Returns:
        Labels with ``estimate``, ``standard_error``, ``lower`` and ``upper`` (of confidence 1 - 2 alpha, not adjusted),
        ``margin_lower``, ``margin_upper``, ``difference_p``, ``equivalence_p``, with an adjustment also
        ``adjusted_difference_p`` and ``adjusted_equivalence_p``, and ``verdict``: ``equivalent``, ``different``,
        ``different but within the margin`` or ``inconclusive``. What could not be estimated is inconclusive.

    Raises:
        ModelError: a margin that holds nothing, a level outside 0..0.5, an unknown scale, adjustment or column.

    >>> from bias_platform.statistics.estimates import Estimates
    >>> labels = pd.DataFrame({"contrast": ["b - a", "c - a", "d - a"]})
    >>> gaps = EstimateSet(labels, {"probability": Estimates(np.array([0.0, 0.04, 0.2]), 0.01**2 * np.eye(3))})
    >>> equivalence(gaps, 0.06)["verdict"].tolist()
    ['equivalent', 'different but within the margin', 'different']
    """
    if not 0.0 < alpha < 0.5:
        raise ModelError(f"The level alpha of tests for equivalence must lie between 0 and 0.5, not {alpha}.")
    if isinstance(estimates, AverageEffects):
        estimates = estimates.estimates
    if not isinstance(estimates, EstimateSet):
        raise ModelError(f"Equivalence is tested of contrasts or average effects, not of a {type(estimates).__name__}.")
    found = estimates.on(scale or estimates.usual_scale)
    values, errors = found.values, np.where(np.isfinite(found.values), found.standard_errors, np.nan)
    df = np.asarray(degrees_of_freedom, dtype=float)
    tests = two_one_sided_tests(values, errors, df, margin=margin)
    reach = student.isf(alpha, df) * errors
    low, high = margins_of(margin)
    columns: dict[str, Any] = {
        "estimate": values,
        "standard_error": errors,
        "lower": values - reach,
        "upper": values + reach,
        "margin_lower": low,
        "margin_upper": high,
        "difference_p": 2.0 * _tail(np.abs(values), errors, df).clip(max=0.5),
        "equivalence_p": tests.p,
    }
    by = [families] if isinstance(families, str) else list(families)
    decided = _adjusted(estimates, columns, adjust, by)
    verdict = _verdicts(decided, alpha)
    more = {} if adjust == NONE else decided
    return pd.concat(
        [estimates.labels.reset_index(drop=True), pd.DataFrame(columns | more).assign(verdict=verdict)], axis=1
    )


def _adjusted(
    estimates: EstimateSet, columns: dict[str, Any], adjust: str, families: list[str]
) -> dict[str, FloatArray]:
    """p values that decide, of difference and of equivalence."""
    if adjust not in (NONE, *METHODS):
        raise ModelError(f"Unknown adjustment {adjust!r}: choose one of {', '.join((NONE, *METHODS))}.")
    require_columns(estimates, families)
    found = {}
    for kind in ("difference_p", "equivalence_p"):
        p = pd.Series(columns[kind])
        if adjust != NONE:
            keys = [estimates.labels[name].to_numpy() for name in families] or np.zeros(len(p))
            p = p.groupby(keys, dropna=False).transform(lambda own: adjust_p_values(own, adjust))
        found[f"adjusted_{kind}"] = p.to_numpy(dtype=float)
    return found


def _verdicts(decided: dict[str, FloatArray], alpha: float) -> list[str]:
    different, within = (p < alpha for p in decided.values())
    verdicts = np.select([different & within, different, within], [WITHIN, DIFFERENT, EQUIVALENT], INCONCLUSIVE)
    return [str(one) for one in verdicts]
