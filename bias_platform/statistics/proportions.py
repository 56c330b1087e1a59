"""Shares of independent items, with Wilson's interval (Wilson, 1927, JASA 22, 209-212).

Not here: shares of answers that come in clusters (analysis knows how its answers hang together).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from bias_platform.statistics.arrays import BoolArray, FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.rating_codes import MISSING, require_codes


class Proportion(NamedTuple):
    """Shares from 0 to 1 with their bounds; NaN where there were no trials."""

    estimate: FloatArray
    lower: FloatArray
    upper: FloatArray


class Recall(NamedTuple):
    """(k,) each: shares of items on which the wanted answer was given, one a column."""

    share: Proportion
    """Of the items that were answered."""
    hits: IntArray
    answered: IntArray
    missing: IntArray
    lowest: FloatArray
    """The share if every missing answer were another one ..."""
    highest: FloatArray
    """... and if it were the wanted one."""


def proportion_interval(successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> Proportion:
    """Wilson's interval without continuity correction; arguments broadcast.

    Raises:
        ModelError: numbers that are negative, more successes than trials, or a confidence outside 0..1.

    >>> [round(float(one), 4) for one in proportion_interval(8, 10)]
    [0.8, 0.4902, 0.9433]
    """
    require_confidence(confidence)
    hits, number = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(trials, dtype=float))
    if not ((hits >= 0) & (hits <= number)).all():
        raise ModelError("A proportion needs numbers of successes from 0 up to the number of trials.")
    quantile = float(norm.isf((1.0 - confidence) / 2.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        share, shrink = hits / number, quantile**2 / number
        center = (share + shrink / 2.0) / (1.0 + shrink)
        reach = quantile / (1.0 + shrink) * np.sqrt(share * (1.0 - share) / number + shrink / number / 4.0)
    lower, upper = np.where(hits == 0, 0.0, center - reach), np.where(hits == number, 1.0, center + reach)
    return Proportion(share, np.where(number > 0, lower, np.nan), np.where(number > 0, upper, np.nan))


def perfect_agreement_bound(items: ArrayLike, chance: ArrayLike, confidence: float = 0.95) -> FloatArray:
    """Lower bound of a chance-corrected coefficient that is 1 on all its items, whose standard error is then 0.

    The lower bound of Wilson's interval of "all of them agree", corrected for the same agreement by chance: that 80
    items agree does not show that all others would.

    Args:
        items: how many agree.
        chance: agreement expected by chance, below 1.

    >>> float(perfect_agreement_bound(80, 0.5)).__round__(3)
    0.908
    """
    lower = proportion_interval(items, items, confidence).lower
    with np.errstate(invalid="ignore", divide="ignore"):
        found: FloatArray = np.maximum(1.0 - (1.0 - lower) / (1.0 - np.asarray(chance, dtype=float)), -1.0)
    return found


def recall_on_subset(
    answers: ArrayLike, wanted: int | Sequence[int], subset: ArrayLike | None = None, confidence: float = 0.95
) -> Recall:
    """How often items known to deserve an answer got it.

    Args:
        answers: (items, k) codes, -1 missing.
        wanted: the code, or codes, that count as found.
        subset: (items,) true for the items that deserve it; None: all.

    Raises:
        ModelError: codes that are not such, or a subset of another length.

    >>> found = recall_on_subset([[1, 0], [1, -1], [0, 0], [1, 1]], wanted=1, subset=[True, True, True, False])
    >>> found.hits.tolist(), found.missing.tolist(), found.highest.round(3).tolist()
    ([2, 0], [0, 1], [0.667, 0.333])
    """
    codes = require_codes(answers, "answers", 2)
    rows = require_rows(subset, len(codes))
    hits = np.isin(codes[rows], np.atleast_1d(wanted)).sum(axis=0)
    missing = (codes[rows] == MISSING).sum(axis=0)
    number = int(rows.sum())
    with np.errstate(invalid="ignore"):
        lowest, highest = (np.asarray(count / np.float64(number)) for count in (hits, hits + missing))
    return Recall(
        proportion_interval(hits, number - missing, confidence), hits, number - missing, missing, lowest, highest
    )


def require_rows(subset: ArrayLike | None, items: int) -> BoolArray:
    """A mask (items,); all of them where none is given.

    Raises:
        ModelError: a mask that is no array of true and false of that length.
    """
    rows = np.ones(items, dtype=bool) if subset is None else np.asarray(subset)
    if rows.dtype != np.bool_ or rows.shape != (items,):
        raise ModelError(f"'subset' must be true or false for each of {items} items, not {rows.dtype} of {rows.shape}.")
    return rows


def require_confidence(confidence: float) -> None:
    """Raises ModelError for a confidence that is not between 0 and 1."""
    if not 0.0 < confidence < 1.0:
        raise ModelError(f"The confidence of an interval must lie between 0 and 1, such as 0.95, not {confidence}.")
