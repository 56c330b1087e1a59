"""One comparison, two ways: from the model where it can be made, paired by item where it cannot."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from bias_platform.analysis.item_pairs import paired_differences
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.schemas.results import ITEM_PAIRED, MIXED_MODEL
from bias_platform.statistics import adjust_p_values
from bias_platform.statistics.estimates import LINK, PROBABILITY

FloatArray = NDArray[np.float64]
POWER = 0.8
"""Share of repetitions in which a `detectable` difference is found."""


class PairedGaps(NamedTuple):
    """Item-paired differences of k comparisons, and what other wordings would add to their variance."""

    gaps: FloatArray
    """(items, k)."""
    wording_variance: FloatArray
    """(k,), on the probability scale; 0 for claims about these wordings."""
    wording_df: FloatArray
    """(k,)."""
    bound: float
    """Largest possible gap."""


def compared(
    labels: pd.DataFrame, keys: Sequence[str], model: ScopedMeans | None, paired: PairedGaps, confidence: float
) -> pd.DataFrame:
    """Labels with difference, standard_error, lower, upper, df, p_value, log_odds ..., method.

    Args:
        labels: one row a comparison.
        keys: columns of `labels` that name a comparison; the model's contrasts are labelled by the same ones.
        model: contrasts of the model; None where there is no model.
        paired: the comparisons by item, in the order of `labels`.
        confidence: level of the intervals.
    """
    table = _paired_frame(paired, confidence)
    table["method"] = ITEM_PAIRED
    for column in ("log_odds", "log_odds_lower", "log_odds_upper"):
        table[column] = np.nan
    if model is not None:
        _overlay(table, labels, list(keys), model, confidence)
    for column in ("lower", "upper"):
        table[column] = table[column].clip(-paired.bound, paired.bound)
    return pd.concat([labels.reset_index(drop=True), table], axis=1)


def _paired_frame(paired: PairedGaps, confidence: float) -> pd.DataFrame:
    found = paired_differences(paired.gaps, confidence, paired.bound)
    over_items, more = found.standard_error**2, paired.wording_variance
    with np.errstate(invalid="ignore", divide="ignore"):
        total = over_items + more
        df = np.where(more > 0, total**2 / (over_items**2 / found.df + more**2 / paired.wording_df), found.df)
        reach = student.ppf(0.5 + confidence / 2, df) * np.sqrt(total)
        p = np.where(more > 0, 2 * student.sf(np.abs(found.difference) / np.sqrt(total), df), found.p_value)
    return pd.DataFrame(
        {
            "difference": found.difference,
            "standard_error": np.sqrt(total),
            "lower": np.where(more > 0, found.difference - reach, found.lower),
            "upper": np.where(more > 0, found.difference + reach, found.upper),
            "df": df,
            "p_value": p,
        }
    )


def _overlay(table: pd.DataFrame, labels: pd.DataFrame, keys: list[str], model: ScopedMeans, confidence: float) -> None:
    """Replaces the item-paired numbers of every comparison that the model can make."""
    position = {key: k for k, key in enumerate(model.means.labels[keys].itertuples(index=False, name=None))}
    at = np.array([position.get(key, -1) for key in labels[keys].itertuples(index=False, name=None)], dtype=int)
    probability, link = model.frame(PROBABILITY, confidence), model.frame(LINK, confidence)
    usable = at >= 0
    usable[usable] &= np.isfinite(probability["standard_error"].to_numpy()[at[usable]])
    rows, source = np.flatnonzero(usable), at[usable]
    for column, name in (
        ("difference", "estimate"),
        ("standard_error", "standard_error"),
        ("lower", "lower"),
        ("upper", "upper"),
        ("df", "df"),
        ("p_value", "p_value"),
    ):
        table.loc[rows, column] = probability[name].to_numpy()[source]
    for column, name in (("log_odds", "estimate"), ("log_odds_lower", "lower"), ("log_odds_upper", "upper")):
        table.loc[rows, column] = link[name].to_numpy()[source]
    table.loc[rows, "method"] = MIXED_MODEL


def adjust(table: pd.DataFrame, method: str, confidence: float) -> pd.DataFrame:
    """Adds p_adjusted and significant, the whole table being one family."""
    adjusted = adjust_p_values(table["p_value"].to_numpy(float), method)
    return table.assign(p_adjusted=adjusted, significant=np.nan_to_num(adjusted, nan=1.0) < 1.0 - confidence)


def add_simultaneous(table: pd.DataFrame, confidence: float, bound: float) -> pd.DataFrame:
    """Adds Bonferroni intervals over the table, and the difference found in 80 % of repetitions at that level."""
    tests = max(1, int(table["p_value"].notna().sum()))
    quantile = student.ppf(1.0 - (1.0 - confidence) / (2 * tests), table["df"].to_numpy(float))
    reach = quantile * table["standard_error"]
    return table.assign(
        simultaneous_lower=np.minimum((table["difference"] - reach).clip(-bound, bound), table["lower"]),
        simultaneous_upper=np.maximum((table["difference"] + reach).clip(-bound, bound), table["upper"]),
        detectable=(quantile + norm.ppf(POWER)) * table["standard_error"],
    )


def add_equivalence(table: pd.DataFrame, margin: float, method: str, confidence: float) -> pd.DataFrame:
    """Adds the adjusted p of two one-sided tests against +-margin, and whether the difference is shown to be within."""
    error, df = table["standard_error"].to_numpy(float), table["df"].to_numpy(float)
    gap = table["difference"].to_numpy(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.maximum(student.sf((gap + margin) / error, df), student.cdf((gap - margin) / error, df))
    adjusted = adjust_p_values(p, method)
    return table.assign(equivalence_p=adjusted, equivalent=np.nan_to_num(adjusted, nan=1.0) < 1.0 - confidence)
