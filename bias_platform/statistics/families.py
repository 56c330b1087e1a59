"""p values and critical values adjusted within families of contrasts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.multiplicity import METHODS, adjust_p_values
from bias_platform.statistics.simultaneous import largest_statistic, require_level
from bias_platform.statistics.studentized_range import studentized_range_quantile, studentized_range_tail

NONE, SINGLE_STEP, TUKEY, BONFERRONI = "none", "mvt", "tukey", "bonferroni"
ADJUSTMENTS = (NONE, SINGLE_STEP, TUKEY, *METHODS)
LEVEL, REFERENCE = "level", "reference"
"""Labels of the two means that a pairwise contrast compares."""


class Statistics(NamedTuple):
    """Contrasts as test statistics, with what is needed to adjust them together."""

    labels: pd.DataFrame
    values: FloatArray
    """(k,) estimates over standard errors; NaN where there is nothing to test."""
    p: FloatArray
    """(k,) of each by itself."""
    covariance: FloatArray
    """(k, k) of the estimates."""
    degrees_of_freedom: FloatArray
    """(k,) of each; infinite where its variance is known."""

    def picked(self, rows: Sequence[int]) -> "Statistics":
        """Some of them."""
        chosen = np.asarray(rows)
        return Statistics(
            self.labels.iloc[chosen],
            self.values[chosen],
            self.p[chosen],
            self.covariance[np.ix_(chosen, chosen)],
            self.degrees_of_freedom[chosen],
        )


class Adjusted(NamedTuple):
    """(k,) each; NaN where there is nothing to test, or where the method has no intervals."""

    p: FloatArray
    critical: FloatArray
    """Estimates plus and minus so many standard errors are the simultaneous intervals."""


def adjusted_within_families(
    statistics: Statistics,
    method: str,
    *,
    level: float,
    families: Sequence[str],
    number_of_means: int | None,
) -> Adjusted:
    """Adjusted p values and critical values, each family of contrasts by itself.

    Args:
        statistics: of all families.
        method: one of `ADJUSTMENTS` but ``none``.
        level: of the simultaneous intervals.
        families: label columns; contrasts that agree in all of them are one family. None named: all are one.
        number_of_means: how many means ``tukey`` compares in each family; None means to count them in the labels.

    Raises:
        ModelError: an unknown method, a level outside 0..1, or for ``tukey`` contrasts that are not all
            pairs of the means.
    """
    if method not in ADJUSTMENTS:
        raise ModelError(f"Unknown adjustment {method!r}: choose one of {', '.join(ADJUSTMENTS)}.")
    require_level(level)
    result = Adjusted(*np.full((2, len(statistics.values)), np.nan))
    for rows in _families(statistics.labels, families):
        result.p[rows], result.critical[rows] = _one_family(statistics.picked(rows), method, level, number_of_means)
    return result


def _families(labels: pd.DataFrame, columns: Sequence[str]) -> Iterator[list[int]]:
    """Positions of the rows of each family."""
    if not columns:
        yield list(range(len(labels)))
        return
    groups: dict[tuple[object, ...], list[int]] = {}
    for row, key in enumerate(zip(*(labels[name].tolist() for name in columns), strict=True)):
        groups.setdefault(key, []).append(row)
    yield from groups.values()


def _one_family(family: Statistics, method: str, level: float, number_of_means: int | None) -> Adjusted:
    nothing = np.full(len(family.values), np.nan)
    known = np.isfinite(family.p)
    if not known.any():
        return Adjusted(nothing, nothing)
    df = float(family.degrees_of_freedom[known].min())  # of one variance for all: the least known is on the safe side
    if method == SINGLE_STEP:
        largest = largest_statistic(family.covariance, df)
        return Adjusted(largest.p_values(family.values), np.where(known, largest.critical_value(level), np.nan))
    if method == TUKEY:
        means = _number_of_means(family, number_of_means)
        p = np.maximum(studentized_range_tail(np.sqrt(2.0) * np.abs(family.values), means, df), family.p)
        critical = studentized_range_quantile(level, means, df) / np.sqrt(2.0)
        return Adjusted(p, np.where(known, critical, np.nan))
    tail = (1.0 - level) / (2.0 * known.sum())
    critical = student.isf(tail, family.degrees_of_freedom) if method == BONFERRONI else np.nan
    return Adjusted(adjust_p_values(family.p, method), np.where(known, critical, np.nan))


def _number_of_means(family: Statistics, given: int | None) -> int:
    """How many means the contrasts that can be estimated compare; counted only where these are all their pairs."""
    estimable = np.isfinite(np.diag(family.covariance))
    if given is None:
        return _means_of_all_pairs(family.labels[estimable])
    pairs, contrasts = given * (given - 1) // 2, int(estimable.sum())
    if contrasts > pairs:
        raise ModelError(
            f"{given} means have {pairs} pairs, but {contrasts} contrasts are in one family: give 'number_of_means' as "
            "it is, or name the columns that separate families in 'families'."
        )
    return given


def _means_of_all_pairs(labels: pd.DataFrame) -> int:
    if not {LEVEL, REFERENCE} <= set(labels.columns):
        raise ModelError(
            "The adjustment 'tukey' needs pairs labelled by 'level' and 'reference', as from all_pairs: "
            "give 'number_of_means', or adjust by 'mvt'."
        )
    pairs = [frozenset(pair) for pair in labels[[LEVEL, REFERENCE]].itertuples(index=False, name=None)]
    means = len(frozenset().union(*pairs))
    if not len(set(pairs)) == len(pairs) == means * (means - 1) // 2:
        raise ModelError(
            f"The adjustment 'tukey' is for all pairs of means, but {len(pairs)} contrasts of {means} means are in one "
            "family: name the columns that separate families in 'families', give 'number_of_means', or adjust by 'mvt'."
        )
    return means
