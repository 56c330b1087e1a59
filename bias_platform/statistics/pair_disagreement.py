"""How often two columns say different things, and whether one of them says the wanted thing more often.

A difference of two agreements with a third column is blind to columns that err on different items equally often; the
share of items they differ on is not. McNemar's test (1947) is of the items on which only one of them gave the answer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from bias_platform.statistics.arrays import BoolArray, FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.pair_tables import column_pairs, portions, two_way_tables
from bias_platform.statistics.proportions import proportion_interval
from bias_platform.statistics.rating_codes import MISSING, require_codes


def pairwise_disagreement(
    columns: ArrayLike,
    pairs: ArrayLike | Sequence[tuple[int, int]] | None = None,
    *,
    positive: int | Sequence[int],
    categories: int | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Disagreement and signed McNemar test of pairs of columns, on the items that both rated.

    Args:
        columns: (items, k) codes, -1 missing.
        pairs: (P, 2) positions of columns; None: all of them, each once.
        positive: the code, or codes, of the answer that McNemar's test is about.
        categories: how many; codes from there up are taken as missing. None: one more than the largest code.
        confidence: of the interval (Wilson's) of the share.

    Returns:
        One row a pair: ``first``, ``second`` (positions), ``items``, ``different`` (items), ``share``, ``lower``,
        ``upper`` (of items on which they differ), ``first_only``, ``second_only`` (items with a positive answer of
        one of them only), ``difference`` (share of positive answers, second minus first), ``sign`` (of it: -1, 0, 1),
        ``exact_p`` and ``mid_p`` (two-sided; 1 where neither has an answer alone; NaN without items).

    Raises:
        ModelError: codes that are not such, a column that is not there, or a positive code outside the categories.

    >>> found = pairwise_disagreement([[0, 1], [0, 1], [1, 1], [0, 2], [2, -1]], positive=1)
    >>> found[["items", "different", "second_only", "exact_p", "mid_p"]].to_numpy().tolist()
    [[4.0, 3.0, 2.0, 0.5, 0.25]]
    """
    codes = require_codes(columns, "columns", 2)
    count = int(codes.max(initial=0)) + 1 if categories is None else categories
    wanted = _wanted(positive, count)
    codes, which = np.where(codes < count, codes, MISSING), column_pairs(codes.shape[1], pairs)
    tables = np.concatenate(
        [two_way_tables(codes, which[part], count) for part in portions(len(which), max(len(codes), count**2))]
    )[:, 1:, 1:]
    ends = pd.DataFrame({"first": which[:, 0], "second": which[:, 1]})
    return ends.assign(**_disagreement(tables, confidence), **_one_sided(tables, wanted))


def _disagreement(tables: IntArray, confidence: float) -> dict[str, NDArray[Any]]:
    """Items on which two columns differ, from counts (P, q, q) of what both said."""
    items = tables.sum(axis=(1, 2))
    different = items - np.trace(tables, axis1=1, axis2=2)
    share, lower, upper = proportion_interval(different, items, confidence)
    return {"items": items, "different": different, "share": share, "lower": lower, "upper": upper}


def _one_sided(tables: IntArray, wanted: BoolArray) -> dict[str, NDArray[Any]]:
    """Items on which one column alone gave a wanted answer."""
    items = tables.sum(axis=(1, 2))
    first_only, second_only = (
        tables[:, mine, :][:, :, theirs].sum(axis=(1, 2)) for mine, theirs in ((wanted, ~wanted), (~wanted, wanted))
    )
    exact, mid = mcnemar_p(first_only, second_only)
    with np.errstate(invalid="ignore"):
        difference = (second_only - first_only) / items.astype(float)
    return {
        "first_only": first_only,
        "second_only": second_only,
        "difference": difference,
        "sign": np.sign(second_only - first_only),
        "exact_p": np.where(items > 0, exact, np.nan),
        "mid_p": np.where(items > 0, mid, np.nan),
    }


def _wanted(positive: int | Sequence[int], count: int) -> BoolArray:
    """Whether each category (count,) is a positive answer."""
    asked = np.atleast_1d(np.asarray(positive))
    if asked.dtype.kind not in "iu" or not asked.size or ((asked < 0) | (asked >= count)).any():
        raise ModelError(f"'positive' must be codes from 0 to {count - 1}, not {positive!r}.")
    return np.isin(np.arange(count), asked)


def mcnemar_p(first_only: IntArray, second_only: IntArray) -> tuple[FloatArray, FloatArray]:
    """Two-sided exact and mid-p values (Fagerland, Lydersen and Laake, 2013), element by element.

    The mid-p value counts half of the probability of what was observed; it keeps its level on average, the exact one in
    every single case. Both are twice the smaller tail, at most 1.

    >>> [round(float(one[0]), 6) for one in mcnemar_p(np.array([3]), np.array([12]))]
    [0.035156, 0.021271]
    """
    fewer, both = np.minimum(first_only, second_only), first_only + second_only
    tail, at = binom.cdf(fewer, both, 0.5), binom.pmf(fewer, both, 0.5)
    return np.minimum(1.0, 2.0 * tail), np.minimum(1.0, 2.0 * tail - at)
