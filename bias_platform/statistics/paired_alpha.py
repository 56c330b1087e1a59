"""Whether two alphas from the same items differ: Gwet's paired t test of correlated coefficients.

Gwet (2016), Educational and Psychological Measurement 76, 609-637: both coefficients are means of contributions of
items (see alpha_parts), so their difference is the mean of the items' differences, with its usual standard error.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student

from bias_platform.statistics.agreement_weights import NOMINAL, category_values, require_measurement
from bias_platform.statistics.alpha_parts import Scale, parts_of_items
from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.krippendorff import ONE_CATEGORY
from bias_platform.statistics.rating_codes import AS_CATEGORY, DROP, MISSING, encode_ratings, require_policy

IDENTICAL = "identical ratings: not different"
OTHER_ITEMS = "the two sides have usable ratings on different items, which the original pairs wrongly or gives no p for"
TOO_FEW = "fewer than two items with two ratings on both sides"
UNDEFINED = f"a coefficient is not defined: {ONE_CATEGORY}"
_NO_SPREAD = 1e-12
"""Contributions are of order 1: a standard error below this is rounding."""


class PairedAlphaTest(NamedTuple):
    """Two alphas of the same items; NaN where there is nothing to test, and `reason` says why."""

    first: float
    second: float
    difference: float
    """Second minus first."""
    standard_error: float
    t: float
    df: int
    p: float
    """Two-sided, of no difference."""
    items: int
    """Items the test stands on."""
    identical: bool
    """Whether both sides gave the same ratings: then the difference is 0 and p is 1."""
    reason: str


def paired_alpha_test(
    first: ArrayLike | pd.DataFrame,
    second: ArrayLike | pd.DataFrame,
    *,
    categories: Sequence[Any] | None = None,
    invalid: str = DROP,
    level: str = NOMINAL,
    values: Sequence[float] | None = None,
    fold: bool = False,
) -> PairedAlphaTest:
    """Gwet's paired t test; rows of both tables are the same items in the same order.

    Args:
        first: (items, raters) labels; None, NaN and blank text are missing.
        second: (items, raters) labels, of as many raters or of others.
        categories: the labels that count. None: all found in either table.
        invalid: ``drop``: labels outside the categories are missing, and only items with two ratings on both sides
            count, for both coefficients. ``as_category``: as pairedCAC does it: such labels are categories of their
            own, each side drops items with fewer than two ratings by itself, all items count for the standard error
            and the degrees of freedom; where the sides keep different items there is no test (pairedCAC then gives
            none, or pairs the wrong items if their numbers happen to be equal). Only for ``nominal``.
        level: as for `krippendorff_alpha`, and so are `values`.
        fold: compare text without case and outer blanks, as pairedCAC does.

    Raises:
        ModelError: tables of different lengths, an unknown policy or level, categories or values that do not fit.

    >>> base, a = ["Yes", "No", "No", "Yes", "No", "Yes"], ["Yes", "No", "Yes", "Yes", "No", "Yes"]
    >>> b = ["No", "No", "Yes", "Yes", "Yes", "Yes"]
    >>> found = paired_alpha_test(list(zip(base, a)), list(zip(base, b)))
    >>> round(found.difference, 4), round(found.p, 4), found.items
    (-0.6286, 0.1703, 6)
    """
    require_measurement(level)
    require_policy(invalid)
    if invalid == AS_CATEGORY and level != NOMINAL:
        raise ModelError(f"The policy {AS_CATEGORY!r} is for nominal categories only: an invalid answer has no place.")
    sides, labels, known = _coded(first, second, categories, fold)
    if invalid == DROP:
        sides = [np.where(side < known, side, MISSING) for side in sides]
        both = np.logical_and(*((side >= 0).sum(axis=1) >= 2 for side in sides))
        sides = [side[both] for side in sides]
    same = sides[0].shape == sides[1].shape and bool((sides[0] == sides[1]).all())
    scale = Scale(level, category_values(known, labels[:known], values))
    published = invalid == AS_CATEGORY
    count = len(labels) if published else known
    parts, kept = zip(*(parts_of_items(side, count, scale, as_published=published) for side in sides), strict=True)
    apart = None
    if (kept[0] == kept[1]).all():
        apart = parts[1].contributions - parts[0].contributions
    return _tested(float(parts[0].coefficient), float(parts[1].coefficient), apart, len(sides[0]), same)


def _coded(
    first: ArrayLike | pd.DataFrame, second: ArrayLike | pd.DataFrame, categories: Sequence[Any] | None, fold: bool
) -> tuple[list[IntArray], tuple[Any, ...], int]:
    """Codes of both sides by one list of labels, that list, and how many of them are categories."""
    tables = [pd.DataFrame(np.asarray(side, dtype=object)) for side in (first, second)]
    if len(tables[0]) != len(tables[1]):
        raise ModelError(
            f"The first table has {len(tables[0])} items, the second {len(tables[1])}: a paired test needs the same "
            "items in the same order."
        )
    coded = encode_ratings(pd.concat(tables, axis=1), categories, fold=fold)
    raters = tables[0].shape[1]
    labels = (*coded.categories, *coded.unknown)
    return [coded.codes[:, :raters], coded.codes[:, raters:]], labels, max(len(coded.categories), 1)


def _tested(first: float, second: float, apart: FloatArray | None, items: int, same: bool) -> PairedAlphaTest:
    """The test from differences of contributions; None where the sides have different items."""
    difference, df, nothing = second - first, items - 1, float("nan")
    if same and items:
        return PairedAlphaTest(first, second, 0.0, 0.0, 0.0, df, 1.0, items, True, IDENTICAL)
    if apart is None or len(apart) < 2 or not np.isfinite(difference):
        reason = OTHER_ITEMS if apart is None else TOO_FEW if len(apart) < 2 else UNDEFINED
        return PairedAlphaTest(first, second, difference, nothing, nothing, df, nothing, items, False, reason)
    error = float(np.sqrt(apart.var(ddof=1) / items))
    t, p = t_and_p(np.array(difference), np.array(error), np.array(df))
    return PairedAlphaTest(first, second, difference, error, float(t), df, float(p), items, False, "")


def t_and_p(difference: FloatArray, error: FloatArray, df: FloatArray) -> tuple[FloatArray, FloatArray]:
    """t and its two-sided p, element by element; without spread p is 1 for no difference and 0 for one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        t = difference / error
    exact = error < _NO_SPREAD
    t = np.where(exact, np.where(np.abs(difference) < _NO_SPREAD, 0.0, np.copysign(np.inf, difference)), t)
    return t, 2.0 * student.sf(np.abs(t), df)
