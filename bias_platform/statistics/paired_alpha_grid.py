"""Gwet's paired test for many pairs of columns that share one base, from counts of what the three of them said.

Everything in the test depends on an item only through its three codes, so all tests come from one table a pair.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_platform.statistics.agreement_weights import NOMINAL, category_values, require_measurement
from bias_platform.statistics.alpha_parts import Scale, parts_of_tables
from bias_platform.statistics.arrays import BoolArray, FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.pair_tables import column_pairs, named_pairs, portions, three_way_tables
from bias_platform.statistics.paired_alpha import IDENTICAL, OTHER_ITEMS, TOO_FEW, UNDEFINED, t_and_p
from bias_platform.statistics.pairwise_alpha import base_and_columns
from bias_platform.statistics.rating_codes import AS_CATEGORY, DROP, MISSING, require_policy


class PairedAlphaTests(NamedTuple):
    """(P,) each, one a pair of columns; NaN where there is nothing to test, and `reason` says why."""

    pairs: IntArray
    """(P, 2) positions of columns."""
    first: FloatArray
    """Alpha of the first column with the base, on the items of the test."""
    second: FloatArray
    difference: FloatArray
    """Second minus first."""
    standard_error: FloatArray
    t: FloatArray
    p: FloatArray
    """Two-sided, of no difference."""
    items: IntArray
    """Items the test stands on; one more than its degrees of freedom."""
    identical: BoolArray
    """Whether both columns say the same: then the difference is 0 and p is 1."""
    reason: tuple[str, ...]

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """One row a pair, columns called by their names in ``first_column`` and ``second_column``."""
        found = {name: getattr(self, name) for name in self._fields if name != "pairs"}
        return pd.DataFrame(named_pairs(self.pairs, names) | found)


class AlphaSettings(NamedTuple):
    """How the tests are made."""

    size: int
    """Codes that are categories for the test."""
    scale: Scale
    invalid: str


def paired_alpha_tests(
    base: ArrayLike,
    columns: ArrayLike,
    pairs: ArrayLike | Sequence[tuple[int, int]] | None = None,
    *,
    categories: int | None = None,
    invalid: str = DROP,
    level: str = NOMINAL,
    values: Sequence[float] | None = None,
) -> PairedAlphaTests:
    """`paired_alpha_test` of (base, first column) against (base, second column), for many pairs at once.

    Args:
        base: (items,) codes, -1 missing.
        columns: (items, k) codes, -1 missing.
        pairs: (P, 2) positions of columns; None: all of them, each once.
        categories: how many; codes from there up are invalid answers. None: one more than the largest code.
        invalid: what to do with those: ``drop`` or ``as_category``, as for `paired_alpha_test`.
        level: as for `krippendorff_alpha`, and so are `values`.

    Raises:
        ModelError: codes that are not such, lengths that differ, a column that is not there, unknown words.

    >>> found = paired_alpha_tests([1, 0, 0, 1, 0, 1], [[1, 0], [0, 0], [1, 1], [1, 1], [0, 1], [1, 1]])
    >>> found.difference.round(4).tolist(), found.p.round(4).tolist()
    ([-0.6286], [0.1703])
    """
    one, many, settings = prepared(base, columns, categories, invalid, level, values)
    which = column_pairs(many.shape[1], pairs)
    size = settings.size
    found = [
        tests_of_tables(three_way_tables(one, many, which[part], size), settings)
        for part in portions(len(which), max(len(one), (size + 1) ** 3))
    ]
    joined = [np.concatenate(values) for values in zip(*found, strict=True)]
    first, second, difference, error, t, p, items, identical, code = joined
    reason = tuple(_REASONS[int(one)] for one in code)
    return PairedAlphaTests(which, first, second, difference, error, t, p, items, identical.astype(bool), reason)


_REASONS = ("", IDENTICAL, OTHER_ITEMS, TOO_FEW, UNDEFINED)


def prepared(
    base: ArrayLike,
    columns: ArrayLike,
    categories: int | None,
    invalid: str,
    level: str,
    values: Sequence[float] | None,
) -> tuple[IntArray, IntArray, AlphaSettings]:
    """Codes with what is not used made missing, and the settings of the tests."""
    require_measurement(level)
    require_policy(invalid)
    one, many, known = base_and_columns(base, columns, categories)
    if invalid == AS_CATEGORY:
        if level != NOMINAL:
            raise ModelError(f"The policy {AS_CATEGORY!r} is for nominal categories only: give level={NOMINAL!r}.")
        known = max(known, int(one.max(initial=0)) + 1, int(many.max(initial=0)) + 1)
    one, many = (np.where(codes < known, codes, MISSING) for codes in (one, many))
    return one, many, AlphaSettings(known, Scale(level, category_values(known, None, values)), invalid)


class _Found(NamedTuple):
    """(P,) each, in the order of `PairedAlphaTests`, with a number for the reason."""

    first: FloatArray
    second: FloatArray
    difference: FloatArray
    error: FloatArray
    t: FloatArray
    p: FloatArray
    items: IntArray
    identical: BoolArray
    reason: IntArray


def tests_of_tables(tables: IntArray, settings: AlphaSettings) -> _Found:
    """Tests of many tables (P, q + 1, q + 1, q + 1) of base, first and second; missing codes come first."""
    counts = tables.astype(float)
    joint = counts[:, 1:, 1:, 1:]
    number = joint.sum(axis=(1, 2, 3))
    if settings.invalid == DROP:
        sides, items, mismatched = (joint.sum(axis=3), joint.sum(axis=2)), number, np.zeros(len(tables), dtype=bool)
    else:
        sides = (counts[:, 1:, 1:].sum(axis=3), counts[:, 1:, :, 1:].sum(axis=2))
        items = counts.sum(axis=(1, 2, 3))
        mismatched = np.any([side.sum(axis=(1, 2)) != number for side in sides], axis=0)
    (first, z_first), (second, z_second) = (_side(side, settings.scale) for side in sides)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = second - first
        apart = z_second[:, :, None, :] - z_first[:, :, :, None] - difference[:, None, None, None]
        error = np.sqrt((joint * apart**2).sum(axis=(1, 2, 3)) / ((number - 1.0) * items))
    identical = _identical(counts if settings.invalid == AS_CATEGORY else joint) & (items > 0)
    reason = np.select([identical, mismatched, number < 2, ~np.isfinite(difference)], [1, 2, 3, 4], 0)
    difference, error = (np.where(identical, 0.0, values) for values in (difference, error))
    t, p = t_and_p(difference, error, np.maximum(items - 1.0, 1.0))
    untested = reason >= 2
    error, t, p = (np.where(untested, np.nan, values) for values in (error, t, np.where(identical, 1.0, p)))
    return _Found(first, second, difference, error, t, p, items.astype(np.int64), identical, reason)


def _side(table: FloatArray, scale: Scale) -> tuple[FloatArray, FloatArray]:
    parts = parts_of_tables(table, scale)
    return parts.coefficient, parts.contributions.reshape(table.shape)


def _identical(counts: FloatArray) -> BoolArray:
    """Whether nothing lies off the diagonal of first and second."""
    same: BoolArray = counts.sum(axis=(1, 2, 3)) == np.trace(counts, axis1=2, axis2=3).sum(axis=1)
    return same
