"""Adjustment over a family of tests; single-step from how the comparisons vary together.

Each test keeps its own p value: it becomes the normal statistic of that p, and the adjusted p is the probability that
the largest of correlated normal statistics is as large. So comparisons of different degrees of freedom can be one
family, and no adjusted p is above Bonferroni's. A multivariate t with the family's degrees would take all comparisons
to share one estimated variance, but those paired by item have each their own: with it, and the correlations as seen,
7 to 8 % of true families of 18 comparisons at 15 items were rejected, and 4 % with the normal and shrunk correlations.
"""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from bias_platform.analysis.item_pairs import ROUNDING
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.statistics import adjust_p_values, largest_statistic

FloatArray = NDArray[np.float64]
SINGLE_STEP: Final = "single_step"
_CERTAIN = 37.0
"""A normal statistic whose p value is all but the smallest number there is."""


class Together(NamedTuple):
    """How the rows of a table vary together: their covariances (rows, rows), which shape a joint test."""

    differences: FloatArray
    log_odds: FloatArray | None = None


class Adjusted(NamedTuple):
    """One family."""

    p: FloatArray
    """(k,) adjusted; NaN where there is no test."""
    error: float
    """Of one two-sided interval, such that all of the family hold together."""


def stepwise(method: str) -> str:
    """The method for tests without a known joint distribution: Holm in place of single-step."""
    return "holm" if method == SINGLE_STEP else method


def adjusted(p: FloatArray, settings: AnalysisSettings, covariance: FloatArray | None = None) -> Adjusted:
    """p values adjusted as a study says.

    Args:
        p: (k,); NaN where there is no test, which does not count.
        settings: method and confidence.
        covariance: (k, k) of the estimates, of any rank, needed for single-step; without it that is Holm's.
    """
    known = np.isfinite(p)
    if settings.multiplicity != SINGLE_STEP or covariance is None or not known.any():
        found = adjust_p_values(p, stepwise(settings.multiplicity))
        return Adjusted(found, (1.0 - settings.confidence) / max(1, int(known.sum())))
    largest = largest_statistic(covariance[np.ix_(known, known)])
    single = p[known]
    joint = np.full(len(p), np.nan)
    joint[known] = np.maximum(single, largest.p_values(np.minimum(norm.isf(single / 2), _CERTAIN)))
    return Adjusted(joint, float(2 * norm.sf(largest.critical_value(settings.confidence))))


def adjust(table: pd.DataFrame, settings: AnalysisSettings, together: Together | None = None) -> pd.DataFrame:
    """The table with `with_adjusted`; the whole table is a family."""
    return with_adjusted(table, adjusted_differences(table, settings, together), settings, together)


def adjusted_differences(table: pd.DataFrame, settings: AnalysisSettings, together: Together | None) -> Adjusted:
    """The tests of its differences as one family."""
    covariance = together.differences if together is not None else None
    return adjusted(table["p_value"].to_numpy(float), settings, covariance)


def with_adjusted(
    table: pd.DataFrame, found: Adjusted, settings: AnalysisSettings, together: Together | None
) -> pd.DataFrame:
    """Adds p_adjusted and significant, and log_odds_p_adjusted where there are log-odds.

    The two scales are two families: claims rest on probabilities, log-odds stand beside them.
    """
    significant = np.nan_to_num(found.p, nan=1.0) < 1.0 - settings.confidence
    table = table.assign(p_adjusted=found.p, significant=significant)
    if "log_odds_p" not in table.columns:
        return table
    covariance = together.log_odds if together is not None else None
    return table.assign(log_odds_p_adjusted=adjusted(table["log_odds_p"].to_numpy(float), settings, covariance).p)


def joint_covariance(gaps: FloatArray, standard_error: FloatArray, wording: FloatArray | None = None) -> FloatArray:
    """(k, k) of mean gaps whose errors are known: related as they are over items, and by wordings where these count.

    Args:
        gaps: (items, k), NaN where an item lacks one.
        standard_error: (k,), of items and wordings together; NaN where there is none.
        wording: (k, k), what wordings add to it; what is not known counts as unrelated.
    """
    of_wording = np.zeros((len(standard_error),) * 2) if wording is None else np.nan_to_num(wording)
    variance = np.nan_to_num(standard_error) ** 2
    over_items = np.sqrt(np.maximum(variance - np.diag(of_wording), 0.0))
    shared = np.minimum(over_items, _item_errors(gaps))
    covariance = item_correlation(gaps) * np.outer(shared, shared) + of_wording
    np.fill_diagonal(covariance, np.where(variance > 0, variance, 1.0))
    return np.asarray(covariance)


def item_correlation(gaps: FloatArray) -> FloatArray:
    """(k, k) correlation of mean gaps (items, k) by the items that two have in common.

    Shrunk towards none by as much as its entries vary by chance (J. Schaefer and K. Strimmer, 2005, Statistical
    Applications in Genetics and Molecular Biology 4, 32): as it is seen in few items, it makes comparisons look closer
    related than they are, and the adjustment too small (at 8 items and 18 comparisons 7 % of true families rejected).
    """
    known, apart = _apart(gaps)
    own = np.maximum(known.sum(axis=0) - 1.0, 1.0)
    spread = np.sqrt((apart**2).sum(axis=0) / own)
    scaled = np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)
    common, products = known.T @ known, scaled.T @ scaled
    correlation = products / np.sqrt(np.outer(own, own))
    with np.errstate(invalid="ignore", divide="ignore"):
        noise = common / (common - 1.0) ** 3 * ((scaled**2).T @ scaled**2 - products**2 / common)
    off = ~np.eye(len(own), dtype=bool) & np.isfinite(noise)
    seen = float((correlation[off] ** 2).sum())
    correlation *= max(0.0, 1.0 - float(noise[off].sum()) / seen) if seen > 0 else 0.0
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)


def _item_errors(gaps: FloatArray) -> FloatArray:
    """(k,) standard errors over items as they are; tests of rare differences add to them what nothing shares."""
    known, apart = _apart(gaps)
    items = known.sum(axis=0)
    return np.asarray(np.sqrt((apart**2).sum(axis=0) / np.maximum(items * (items - 1.0), 1.0)))


def _apart(gaps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(1 where there is a gap, how far it is from the mean of its comparison, 0 where there is none)."""
    known = np.isfinite(gaps).astype(float)
    mean = np.nan_to_num(gaps).sum(axis=0) / np.maximum(known.sum(axis=0), 1.0)
    apart: FloatArray = np.where(known > 0, gaps - mean, 0.0)
    return known, np.where(np.abs(apart) < ROUNDING, 0.0, apart)
