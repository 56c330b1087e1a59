"""Comparisons on two scales: outcomes paired by item, always; log-odds from the model, where it may claim them.

The difference of probabilities does not come from the model: integrated over normal item effects it is biased where
item effects are not normal (items that nearly all personas answer alike), while the mean over items of paired
differences needs no such assumption. Margins of scores are compared in just the same way, without a bound.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from bias_platform.analysis.adjustment import (
    SINGLE_STEP,
    Together,
    adjusted_differences,
    joint_covariance,
    stepwise,
    with_adjusted,
)
from bias_platform.analysis.item_pairs import paired_differences, skewness_shift
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import ITEM_PAIRED, WITH_LOG_ODDS
from bias_platform.statistics import adjust_p_values
from bias_platform.statistics.equivalence_tests import two_one_sided_tests
from bias_platform.statistics.estimates import LINK

FloatArray = NDArray[np.float64]
POWER = 0.8
"""Share of repetitions in which a `detectable` difference is found."""
RULE_OF_THREE = 3.0
"""What was seen in none of n items may be in 3 of n others."""


class PairedGaps(NamedTuple):
    """Item-paired differences of k comparisons, and what other wordings would add to their variance."""

    gaps: FloatArray
    """(items, k)."""
    wording_covariance: FloatArray
    """(k, k), on the scale of the gaps; 0 for claims about these wordings, NaN where nothing is known of others."""
    wording_df: FloatArray
    """(k,)."""
    bound: float
    """Largest possible gap; infinite for scores."""
    rounding: float
    """Gaps that differ by less are the same."""

    @property
    def wording_variance(self) -> FloatArray:
        """(k,)."""
        return np.diagonal(self.wording_covariance)

    @property
    def items(self) -> FloatArray:
        """(k,): items that have a gap."""
        count: FloatArray = np.isfinite(self.gaps).sum(axis=0).astype(float)
        return count


def compared(labels: pd.DataFrame, paired: PairedGaps, confidence: float) -> pd.DataFrame:
    """Labels with difference, standard_error, lower, upper, df, p_value.

    Comparisons whose wording variance is unknown are left out; the others keep their place in the index.

    Args:
        labels: one row a comparison.
        paired: the comparisons by item, in the order of `labels`.
        confidence: level of the intervals.
    """
    found = paired_differences(paired.gaps, confidence, paired.bound, paired.rounding)
    over_items, more = found.standard_error**2, paired.wording_variance
    with np.errstate(invalid="ignore", divide="ignore"):
        total = over_items + more
        df = np.where(more > 0, total**2 / (over_items**2 / found.df + more**2 / paired.wording_df), found.df)
        reach = student.ppf(0.5 + confidence / 2, df) * np.sqrt(total)
        p = np.where(more > 0, 2 * student.sf(np.abs(found.difference) / np.sqrt(total), df), found.p_value)
    table = pd.DataFrame(
        {
            "difference": found.difference,
            "standard_error": np.sqrt(total),
            "lower": np.where(more > 0, found.difference - reach, found.lower),
            "upper": np.where(more > 0, found.difference + reach, found.upper),
            "df": df,
            "p_value": p,
        }
    )
    for column in ("lower", "upper"):
        table[column] = table[column].clip(-paired.bound, paired.bound)
    whole = pd.concat([labels.reset_index(drop=True), table], axis=1)
    return whole[np.isfinite(more)]


_LOG_ODDS = {
    "log_odds": "estimate",
    "log_odds_lower": "lower",
    "log_odds_upper": "upper",
    "log_odds_standard_error": "standard_error",
    "log_odds_p": "p_value",
}


def with_log_odds(
    table: pd.DataFrame, keys: Sequence[str], model: ScopedMeans | None, confidence: float
) -> pd.DataFrame:
    """Adds method and log_odds ...: those of every comparison that the model can make.

    Args:
        table: from `compared`.
        keys: columns that name a comparison; the model's contrasts are labelled by the same ones.
        model: contrasts of the model; None where there is no model.
        confidence: level of the intervals.
    """
    table = table.assign(method=ITEM_PAIRED, **dict.fromkeys(_LOG_ODDS, np.nan))
    if model is None:
        return table
    at = _places(table, keys, model)
    link = model.frame(LINK, confidence)
    usable = at >= 0
    usable[usable] &= np.isfinite(link["standard_error"].to_numpy()[at[usable]])
    for column, name in _LOG_ODDS.items():
        table.loc[usable, column] = link[name].to_numpy()[at[usable]]
    table.loc[usable, "method"] = WITH_LOG_ODDS
    return table


def _places(table: pd.DataFrame, keys: Sequence[str], model: ScopedMeans) -> NDArray[np.int64]:
    """(rows,): which contrast of the model is that of each row; -1 where there is none."""
    names = list(keys)
    position = {key: k for k, key in enumerate(model.means.labels[names].itertuples(index=False, name=None))}
    return np.array([position.get(key, -1) for key in table[names].itertuples(index=False, name=None)], dtype=np.int64)


def together(
    table: pd.DataFrame, paired: PairedGaps, keys: Sequence[str], model: ScopedMeans | None, method: str
) -> Together | None:
    """How comparisons vary together, on both scales; None where the method of adjustment does not ask.

    Args:
        table: from `with_log_odds`, or from `compared` where there is no model.
        paired: what it was made from.
        keys: columns that name a comparison.
        model: contrasts of the model.
        method: of adjustment.
    """
    if method != SINGLE_STEP:
        return None
    rows = table.index.to_numpy(int)
    errors, wording = table["standard_error"].to_numpy(float), paired.wording_covariance[np.ix_(rows, rows)]
    differences = joint_covariance(paired.gaps[:, rows], errors, wording)
    if model is None:
        return Together(differences)
    at = _places(table, keys, model)
    log_odds = np.where((at >= 0) & (at[:, None] >= 0), model.total_covariance(LINK)[np.ix_(at, at)], np.nan)
    return Together(differences, log_odds)


def claims(
    table: pd.DataFrame, paired: PairedGaps, jointly: Together | None, settings: AnalysisSettings
) -> pd.DataFrame:
    """Comparisons as one family: adjusted, with simultaneous intervals.

    Differences of probabilities are tested for equivalence too; scores have no margin set beforehand.
    """
    family = adjusted_differences(table, settings, jointly)
    table = with_adjusted(table, family, settings, jointly)
    table = add_simultaneous(table, family.error, paired.bound)
    if np.isinf(paired.bound):
        return table
    method = stepwise(settings.multiplicity)
    return add_equivalence(table, settings.equivalence_margin, method, settings.confidence, paired)


def add_simultaneous(table: pd.DataFrame, error: float, bound: float) -> pd.DataFrame:
    """Adds intervals that hold together, and the difference found in 80 % of repetitions at that level.

    Args:
        table: comparisons with difference, standard_error, df, lower and upper.
        error: of one of them, such that all hold: Bonferroni's, or that of the single step.
        bound: largest possible difference.
    """
    quantile = student.ppf(1.0 - error / 2, table["df"].to_numpy(float))
    reach = quantile * table["standard_error"]
    return table.assign(
        simultaneous_lower=np.minimum((table["difference"] - reach).clip(-bound, bound), table["lower"]),
        simultaneous_upper=np.maximum((table["difference"] + reach).clip(-bound, bound), table["upper"]),
        detectable=(quantile + norm.ppf(POWER)) * table["standard_error"],
    )


def add_equivalence(
    table: pd.DataFrame, margin: float, method: str, confidence: float, paired: PairedGaps
) -> pd.DataFrame:
    """Adds the adjusted p of two one-sided tests against +-margin, and whether the difference is shown to be within.

    Not tested with fewer than 3 / margin items: an all-or-none effect as common as the margin could then be in none
    of them (the rule of three), whatever the variance seen. Where gaps are skewed, the difference is taken to be as
    much farther from zero as one-sided t tests overlook (`item_pairs.skewness_shift`).

    Args:
        table: comparisons with difference, standard_error and df; its index points into `paired`.
        margin: on the probability scale.
        method: of the adjustment over the table.
        confidence: 1 - level of the tests.
        paired: the comparisons by item.
    """
    rows = table.index.to_numpy(int)
    away = table["difference"] + skewness_shift(paired.gaps, confidence)[rows]
    adjusted = adjust_p_values(equivalence_p(table.assign(difference=away), margin, paired.items[rows]), method)
    return table.assign(equivalence_p=adjusted, equivalent=np.nan_to_num(adjusted, nan=1.0) < 1.0 - confidence)


def equivalence_p(table: pd.DataFrame, margin: float | FloatArray, items: FloatArray) -> FloatArray:
    """(rows,) p of two one-sided tests against +-margin, one by one; NaN with fewer than 3 / margin items."""
    gap, error, df = (table[name].to_numpy(float) for name in ("difference", "standard_error", "df"))
    p = two_one_sided_tests(gap, error, np.where(df > 0, df, np.nan), margin=margin).p
    return np.where(items * margin >= RULE_OF_THREE, p, np.nan)
