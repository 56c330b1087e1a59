"""Krippendorff's alpha of two or more raters, with its standard error and interval."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student

from bias_platform.statistics.agreement_weights import NOMINAL, category_values, require_measurement
from bias_platform.statistics.alpha_parts import AlphaParts, Scale, parts_of_items
from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.proportions import few_disagreements, require_confidence
from bias_platform.statistics.rating_codes import MISSING, encode_ratings

DIGITS = 5
"""irrCAC rounds coefficients and standard errors to so many places."""
NOTHING, ONE_CATEGORY = "no item has two ratings", "only one category was used"


class Alpha(NamedTuple):
    """Agreement beyond chance: 1 perfect, 0 as by chance, below 0 worse; NaN where it is not defined."""

    coefficient: float
    standard_error: float
    """0 where agreement is perfect; NaN for fewer than two items."""
    lower: float
    upper: float
    """Of the interval by Student's t, at most 1; as of `few_disagreements` where few items disagree."""
    p: float
    """One-sided, of alpha not being above 0."""
    observed_agreement: float
    chance_agreement: float
    usable: int
    """Items with at least two ratings; only these count."""
    items: int
    invalid: int
    """Ratings outside the categories, which are taken as missing."""
    categories: tuple[Any, ...]
    reason: str
    """Why there is no coefficient; empty where there is one."""


def krippendorff_alpha(
    ratings: ArrayLike | pd.DataFrame,
    *,
    level: str = NOMINAL,
    categories: Sequence[Any] | None = None,
    values: Sequence[float] | None = None,
    weights: ArrayLike | None = None,
    small_sample: bool = True,
    confidence: float = 0.95,
    faithful: bool = False,
) -> Alpha:
    """Krippendorff's alpha; items may have any number of ratings.

    The coefficient is Krippendorff's own, in coincidences; irrCAC's, with its correction eps, is the same number. The
    standard error is irrCAC's (Gwet, Handbook of Inter-Rater Reliability), from contributions of items without
    that correction; for ``ordinal`` it also has the sampling error of the mid-ranks, which irrCAC's fixed weights lack.

    Args:
        ratings: (items, raters) labels; None, NaN and blank text are missing.
        level: ``nominal``, ``ordinal`` (Krippendorff's metric), ``interval``, ``linear`` (absolute differences), or
            ``fixed_ordinal`` (irrCAC's "ordinal"). irrCAC's "quadratic" is ``interval``.
        categories: in their order; ratings outside them are taken as missing. None: all labels found, sorted.
        values: of the categories, for ``interval`` and ``linear``; None: labels that are numbers, or else 0, 1, 2 ...
        weights: (q, q) agreement of categories, symmetric, 1 on the diagonal; replaces those of `level`.
        small_sample: Krippendorff's correction; without it the coefficient of two raters is Scott's pi.
        confidence: of the interval.
        faithful: as irrCAC prints it: text compared without case and outer blanks, coefficient and error rounded to
            5 places, degrees of freedom from all items instead of the usable ones.

    Raises:
        ModelError: an unknown level, or ratings, categories, values or weights that do not fit together.

    >>> found = krippendorff_alpha([["Yes", "Yes"], ["No", "No"], ["Yes", "No"], ["No", None]])
    >>> round(found.coefficient, 4), found.usable
    (0.4444, 3)
    """
    require_measurement(level)
    require_confidence(confidence)
    coded = encode_ratings(ratings, categories, fold=faithful)
    count = max(len(coded.categories), 1)
    scale = Scale(level, category_values(count, coded.categories, values), own_weights(weights, count))
    parts, usable = parts_of_items(coded.usable(), count, scale, small_sample=small_sample)
    items, number = len(usable), int(usable.sum())
    coefficient, error = float(parts.coefficient), _error(parts, number)
    df = (items if faithful else number) - 1
    reach = error * float(student.isf((1.0 - confidence) / 2.0, df)) if df > 0 else np.nan
    bounds = coefficient - reach, float(np.minimum(1.0, coefficient + reach))
    if not faithful:
        apart = _disagreeing(coded.usable()[usable])
        lower, upper = few_disagreements(bounds, number, apart, parts.chance, confidence)
        bounds = float(lower), float(upper)
    return Alpha(
        round(coefficient, DIGITS) if faithful else coefficient,
        round(error, DIGITS) if faithful else error,
        lower=bounds[0],
        upper=bounds[1],
        p=_above_zero(coefficient, error, df),
        observed_agreement=float(parts.observed),
        chance_agreement=float(parts.chance),
        usable=number,
        items=items,
        invalid=int((coded.codes >= len(coded.categories)).sum()),
        categories=coded.categories,
        reason="" if np.isfinite(coefficient) else ONE_CATEGORY if number else NOTHING,
    )


def _disagreeing(codes: IntArray) -> int:
    """How many items (n, raters) have different ratings."""
    largest = codes.max(axis=1, initial=MISSING)
    smallest = np.where(codes == MISSING, largest[:, None], codes).min(axis=1, initial=np.iinfo(np.int64).max)
    return int((smallest < largest).sum())


def _error(parts: AlphaParts, number: int) -> float:
    """Standard error of the mean of the contributions of so many items, as irrCAC takes it."""
    if number < 2:
        return float("nan")
    apart = parts.uncorrected_contributions - parts.uncorrected
    return float(np.sqrt((apart**2).sum() / (number * (number - 1.0))))


def _above_zero(coefficient: float, error: float, df: int) -> float:
    if not (np.isfinite(coefficient) and np.isfinite(error)) or df < 1:
        return np.nan
    if error == 0.0:
        return 0.0 if coefficient > 0 else 1.0
    return float(student.sf(coefficient / error, df))


def own_weights(weights: ArrayLike | None, count: int) -> FloatArray | None:
    """Weights given by the caller.

    Raises:
        ModelError: not one row and one column a category, not symmetric, or not 1 on the diagonal and at most 1 beside.
    """
    if weights is None:
        return None
    found = np.asarray(weights, dtype=float)
    if found.shape != (count, count):
        raise ModelError(f"'weights' must have one row and one column for each of {count} categories: {found.shape}.")
    if not (np.allclose(found, found.T) and np.allclose(np.diag(found), 1.0) and found.max() <= 1.0 + 1e-12):
        raise ModelError("'weights' must be symmetric, 1 on the diagonal and at most 1 beside it.")
    return found
