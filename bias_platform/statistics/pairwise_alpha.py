"""Krippendorff's alpha of many columns, each against one base: one pass over the table."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student

from bias_platform.statistics.agreement_weights import NOMINAL, category_values, require_measurement
from bias_platform.statistics.alpha_parts import Scale, parts_of_tables
from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.krippendorff import own_weights
from bias_platform.statistics.pair_tables import two_way_tables
from bias_platform.statistics.proportions import few_disagreements, require_confidence
from bias_platform.statistics.rating_codes import MISSING, require_codes


class PairwiseAlphas(NamedTuple):
    """(k,) each, one a column; coefficients are NaN where fewer than two categories were used."""

    coefficient: FloatArray
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    observed_agreement: FloatArray
    chance_agreement: FloatArray
    usable: IntArray
    """Items that both the base and the column rated."""
    contributions: FloatArray
    """(items, k) what each item adds: its mean over usable items is the coefficient; NaN where not usable."""

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """One row a column, without contributions."""
        if len(names) != len(self.usable):
            raise ModelError(f"There are {len(names)} names for {len(self.usable)} columns: give one a column.")
        found = {name: getattr(self, name) for name in self._fields if name != "contributions"}
        return pd.DataFrame({"column": list(names), **found})


def pairwise_alphas(
    base: ArrayLike,
    columns: ArrayLike,
    *,
    categories: int | None = None,
    level: str = NOMINAL,
    values: Sequence[float] | None = None,
    weights: ArrayLike | None = None,
    small_sample: bool = True,
    confidence: float = 0.95,
) -> PairwiseAlphas:
    """Alpha of each column with the base, as `krippendorff_alpha` of the two gives it.

    Args:
        base: (items,) codes, -1 missing.
        columns: (items, k) codes, -1 missing.
        categories: how many; codes from there up are taken as missing. None: one more than the largest code.
        level: as for `krippendorff_alpha`, and so are the rest.

    Raises:
        ModelError: codes that are not such, lengths that differ, or an unknown level.

    >>> found = pairwise_alphas([0, 1, 0, 1], [[0, 0], [1, 1], [0, 1], [1, -1]])
    >>> found.coefficient.round(4).tolist(), found.usable.tolist()
    ([1.0, 0.4444], [4, 3])
    """
    require_measurement(level)
    require_confidence(confidence)
    one, many, count = base_and_columns(base, columns, categories)
    one, many = (np.where(codes < count, codes, MISSING) for codes in (one, many))
    pairs = np.stack([np.zeros(many.shape[1], dtype=np.int64), np.arange(1, many.shape[1] + 1)], axis=1)
    tables = two_way_tables(np.column_stack([one, many]), pairs, count)[:, 1:, 1:].astype(float)
    scale = Scale(level, category_values(count, None, values), own_weights(weights, count))
    parts, usable = parts_of_tables(tables, scale, small_sample=small_sample), tables.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = parts.uncorrected_contributions - parts.uncorrected[:, None]
        spread = (tables.reshape(apart.shape) * apart**2).sum(axis=1)
        error = np.where(usable >= 2, np.sqrt(spread / (usable * (usable - 1.0))), np.nan)
    reach = error * student.isf((1.0 - confidence) / 2.0, np.maximum(usable - 1.0, 1.0))
    different = usable - np.trace(tables, axis1=1, axis2=2)
    by_error = (parts.coefficient - reach, np.minimum(1.0, parts.coefficient + reach))
    lower, upper = few_disagreements(by_error, usable, different, parts.chance, confidence)
    cells = np.where((one[:, None] >= 0) & (many >= 0), one[:, None] * count + many, count * count)
    per_cell = np.column_stack([parts.contributions, np.full(len(usable), np.nan)])
    return PairwiseAlphas(
        parts.coefficient,
        error,
        lower,
        upper,
        parts.observed,
        parts.chance,
        usable.astype(np.int64),
        per_cell[np.arange(len(usable)), cells],
    )


def base_and_columns(base: ArrayLike, columns: ArrayLike, categories: int | None) -> tuple[IntArray, IntArray, int]:
    """Codes (items,) and (items, k), and the number of categories.

    Raises:
        ModelError: lengths that differ, no column, or no category.
    """
    one, many = require_codes(base, "base", 1), require_codes(columns, "columns", 2)
    if len(one) != len(many) or not many.shape[1]:
        raise ModelError(
            f"'base' has {len(one)} items and 'columns' has {len(many)} in {many.shape[1]} column(s): "
            "both need the same items in the same order, and at least one column."
        )
    largest = max(int(one.max(initial=MISSING)), int(many.max(initial=MISSING))) + 1
    count = largest if categories is None else categories
    if count < 1:
        raise ModelError("There is no category: every rating is missing. Give 'categories', or ratings.")
    return one, many, count
