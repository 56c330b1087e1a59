"""How many pairs of columns differ in their agreement with a base, and how many would if columns were interchangeable.

Where no column differs from another, about a share of the significance level of unadjusted tests is below that level
all the same; how far that share varies depends on how the tests hang together. The null distribution is made by giving
each item's answers to its columns in random order: that keeps how alike the columns are, and what each item is like.
Resampling items instead is no way to an interval and is not offered: resampled differences vary around the observed
ones, which vary already, so at 5 % about 17 % of pairs without a difference would seem to differ.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_platform.statistics.agreement_weights import NOMINAL
from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.families import NONE
from bias_platform.statistics.multiplicity import METHODS, adjust_p_values
from bias_platform.statistics.pair_tables import column_pairs, portions, three_way_tables
from bias_platform.statistics.paired_alpha_grid import (
    AlphaSettings,
    PairedAlphaTests,
    paired_alpha_tests,
    prepared,
    tests_of_tables,
)
from bias_platform.statistics.rating_codes import DROP

SEED = 20_261
LOWER, MEDIAN, UPPER = 0.025, 0.5, 0.975
_TIE = 1e-9
"""Shares that differ by less are the same."""


class DifferingShare(NamedTuple):
    """Shares of pairs that differ, one row an adjustment."""

    table: pd.DataFrame
    """``adjust``, ``share``, ``different``, ``tested`` (pairs), ``untested``, ``identical``, ``expected`` (under no
    difference: the significance level, known for unadjusted tests only), ``null_mean``, ``null_lower``,
    ``null_median``, ``null_upper`` (2.5, 50 and 97.5 %), ``p`` (of a share as large or larger); NaN without
    permutations."""
    tests: PairedAlphaTests
    null: FloatArray
    """(permutations, adjustments) shares."""


def differing_share(
    base: ArrayLike,
    columns: ArrayLike,
    pairs: ArrayLike | Sequence[tuple[int, int]] | None = None,
    *,
    significance: float = 0.05,
    adjust: Sequence[str] = (NONE, "holm", "fdr_bh"),
    permutations: int = 999,
    clusters: ArrayLike | None = None,
    seed: int = SEED,
    categories: int | None = None,
    invalid: str = DROP,
    level: str = NOMINAL,
    values: Sequence[float] | None = None,
) -> DifferingShare:
    """Share of a family's pairs whose alphas with the base differ, beside what interchangeable columns would give.

    Pairs that cannot be tested count neither way; identical columns count as not different.

    Args:
        base: (items,) codes, -1 missing.
        columns: (items, k) codes of one family, -1 missing.
        pairs: (P, 2) positions of columns; None: all of them. Columns in no pair have no part in the permutations.
        significance: p values below it are "different".
        adjust: ``none`` or methods of `adjust_p_values`; the pairs are the family.
        permutations: 0 for no null distribution. The p value is at least 1 / (permutations + 1).
        clusters: (items,) labels of items that are permuted together, where items come from templates.
        seed: of the permutations.
        categories: as for `paired_alpha_tests`, and so are the rest.

    Raises:
        ModelError: as for `paired_alpha_tests`; unknown adjustments, a level outside 0..1, clusters that do not fit.

    >>> rng = np.random.default_rng(1)
    >>> base = rng.integers(0, 2, 300)
    >>> noise = rng.random((300, 4)) < [0.1, 0.1, 0.1, 0.4]
    >>> found = differing_share(base, base[:, None] ^ noise, permutations=199)
    >>> found.table[["adjust", "share", "p"]].to_numpy().tolist()
    [['none', 0.5, 0.015], ['holm', 0.5, 0.005], ['fdr_bh', 0.5, 0.01]]
    """
    if not 0.0 < significance < 1.0:
        raise ModelError(f"The significance level must lie between 0 and 1, not {significance}.")
    unknown = [one for one in adjust if one not in (NONE, *METHODS)]
    if unknown or not len(adjust) or permutations < 0:
        raise ModelError(f"Adjustments are {', '.join((NONE, *METHODS))}, not {unknown}; permutations are 0 or more.")
    tests = paired_alpha_tests(base, columns, pairs, categories=categories, invalid=invalid, level=level, values=values)
    one, many, settings = prepared(base, columns, categories, invalid, level, values)
    places, which = np.unique(column_pairs(many.shape[1], pairs), return_inverse=True)
    family = _Family(one, many[:, places], which.reshape(-1, 2), settings, _grouped(clusters, len(one)))
    share = _shares(tests.p[None], significance, adjust)[0]
    rng = np.random.default_rng(seed)
    null = np.concatenate(
        [_shares(p, significance, adjust) for p in family.permuted(permutations, rng)] or [np.empty((0, len(adjust)))]
    )
    return DifferingShare(_table(share, null, tests, significance, adjust), tests, null)


class _Family(NamedTuple):
    """What is permuted."""

    base: IntArray
    columns: IntArray
    pairs: IntArray
    settings: AlphaSettings
    groups: IntArray | None

    def permuted(self, permutations: int, rng: np.random.Generator) -> "list[FloatArray]":
        """p values (some permutations, P) until all are made."""
        same = (self.columns == self.columns[:, :1]).all(axis=1)
        count, moved = self.settings.size, ~same
        if self.settings.invalid == DROP:
            moved &= self.base >= 0
        still = three_way_tables(self.base[same], self.columns[same], self.pairs, count)
        base, columns = self.base[moved], self.columns[moved]
        groups = None if self.groups is None else self.groups[moved]
        cells = len(self.pairs) * max(len(base), (count + 1) ** 3)
        return [
            self._one_portion(part.stop - part.start, still, base, columns, groups, rng)
            for part in portions(permutations, cells)
        ]

    def _one_portion(
        self,
        number: int,
        still: IntArray,
        base: IntArray,
        columns: IntArray,
        groups: IntArray | None,
        rng: np.random.Generator,
    ) -> FloatArray:
        width = columns.shape[1]
        units = len(base) if groups is None else int(groups.max(initial=-1)) + 1
        order = rng.random((number, units, width)).argsort(axis=-1)
        order = order if groups is None else order[:, groups]
        mixed = np.take_along_axis(columns[None], order, axis=-1).transpose(1, 0, 2).reshape(len(base), number * width)
        pairs = (self.pairs + width * np.arange(number)[:, None, None]).reshape(-1, 2)
        tables = three_way_tables(base, mixed, pairs, self.settings.size) + np.tile(still, (number, 1, 1, 1))
        return np.asarray(tests_of_tables(tables, self.settings).p).reshape(number, -1)


def _grouped(clusters: ArrayLike | None, items: int) -> IntArray | None:
    if clusters is None:
        return None
    codes, _ = pd.factorize(np.asarray(clusters))
    if codes.shape != (items,) or (codes < 0).any():
        raise ModelError(f"'clusters' must have a label for each of {items} items.")
    return codes.astype(np.int64)


def _shares(p: FloatArray, significance: float, adjust: Sequence[str]) -> FloatArray:
    """(some, adjustments) from p values (some, P); NaN where no pair was tested."""
    tested = np.isfinite(p).sum(axis=-1).astype(float)
    with np.errstate(invalid="ignore"):
        return np.stack(
            [((p if one == NONE else adjust_p_values(p, one)) < significance).sum(axis=-1) / tested for one in adjust],
            axis=-1,
        )


def _table(
    share: FloatArray, null: FloatArray, tests: PairedAlphaTests, significance: float, adjust: Sequence[str]
) -> pd.DataFrame:
    tested = int(np.isfinite(tests.p).sum())
    known = bool(len(null)) and np.isfinite(null).all()
    bounds = np.quantile(null, (LOWER, MEDIAN, UPPER), axis=0) if known else np.full((3, len(adjust)), np.nan)
    reached = (~(null < share - _TIE)).sum(axis=0)  # an untestable permutation counts against the claim
    return pd.DataFrame(
        {
            "adjust": list(adjust),
            "share": share,
            "different": np.rint(np.nan_to_num(share) * tested).astype(int),
            "tested": tested,
            "untested": len(tests.p) - tested,
            "identical": int(tests.identical.sum()),
            "expected": [significance if one == NONE else np.nan for one in adjust],
            "null_mean": null.mean(axis=0) if known else np.nan,
            "null_lower": bounds[0],
            "null_median": bounds[1],
            "null_upper": bounds[2],
            "p": np.where(np.isfinite(share) & (len(null) > 0), (reached + 1.0) / (len(null) + 1.0), np.nan),
        }
    )
