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

FEW_DISAGREEMENTS = 10
"""Fewer items than this do not tell their own spread."""


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


def few_disagreements(
    usual: tuple[ArrayLike, ArrayLike],
    items: ArrayLike,
    disagreeing: ArrayLike,
    chance: ArrayLike,
    confidence: float = 0.95,
) -> tuple[FloatArray, FloatArray]:
    """Interval of a chance-corrected coefficient, by standard error unless fewer than ten items disagree.

    So few items do not tell their own spread: where all agree the standard error is 0, and that 80 items agree does not
    show that all others would. The interval is then Wilson's of the share of items that agree, corrected for the same
    agreement by chance.

    Args:
        usual: lower and upper bound by standard error.
        items: how many.
        disagreeing: of them, with different answers.
        chance: agreement expected by chance.

    >>> [round(float(end), 3) for end in few_disagreements((1.0, 1.0), 80, 0, 0.5)]
    [0.908, 1.0]
    """
    number, apart = np.asarray(items, dtype=float), np.asarray(disagreeing, dtype=float)
    share = proportion_interval(number - apart, number, confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        ends = [np.maximum(1.0 - (1.0 - end) / (1.0 - np.asarray(chance, dtype=float)), -1.0) for end in share[1:]]
    few = (apart < FEW_DISAGREEMENTS) & np.isfinite(np.asarray(usual[0], dtype=float))
    lower, upper = (np.where(few, end, by_error) for end, by_error in zip(ends, usual, strict=True))
    return np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)


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
