"""The report's tests of probability differences, for many simulated studies at once.

The estimates are `item_pairs.paired_differences`, one column a study and comparison. What wordings add
(`paired_wording`), the test over items and wordings (`comparisons`) and the adjustment (`statistics.adjust_p_values`)
are written here once more with a leading axis of studies, because those take one study at a time; they hold for
complete answers only, and tests hold them to the report's own numbers.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from bias_platform.analysis.item_pairs import paired_differences

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Comparisons(NamedTuple):
    """Signed sums of cells, k of them with as many cells each."""

    signs: FloatArray
    """(cells,)."""
    systems: IntArray
    """(k, cells)."""
    personas: IntArray
    """(k, cells); the control is 0."""

    @property
    def bound(self) -> float:
        """Largest possible value."""
        return float(np.abs(self.signs).sum()) / 2

    def of_cell(self, system: int, persona: int) -> NDArray[np.bool_]:
        """(k,): which of them a cell is part of."""
        found: NDArray[np.bool_] = ((self.systems == system) & (self.personas == persona)).any(axis=1)
        return found

    def only(self, chosen: NDArray[np.bool_]) -> "Comparisons":
        """Some of them."""
        return Comparisons(self.signs, self.systems[chosen], self.personas[chosen])

    def gaps(self, means: FloatArray) -> FloatArray:
        """(items, studies, k) from Yes shares (items, studies, systems, personas)."""
        total: FloatArray = (means[:, :, self.systems, self.personas] * self.signs).sum(axis=-1)
        return total

    def wording_variance(self, covariance: FloatArray) -> FloatArray:
        """(studies, k) from (studies, systems, systems): personas have wordings of their own, systems share them."""
        same = self.personas[:, :, None] == self.personas[:, None, :]
        weight = same * (self.signs[:, None] * self.signs)
        pairs = covariance[:, self.systems[:, :, None], self.systems[:, None, :]]
        total: FloatArray = np.maximum(0.0, (pairs * weight).sum(axis=(-2, -1)))
        return total


def against_control(systems: int, personas: int) -> Comparisons:
    """Each of the named personas (1, 2, ...) minus the control, within each system."""
    grid = np.indices((systems, personas)).reshape(2, -1)
    return Comparisons(
        np.array([1.0, -1.0]),
        np.column_stack([grid[0], grid[0]]),
        np.column_stack([grid[1] + 1, np.zeros_like(grid[1])]),
    )


def between_systems(changes: Sequence[tuple[int, int]], personas: int) -> Comparisons:
    """How each persona's difference from the control moves, for (from, to) pairs of systems."""
    pairs = [(before, after, p + 1) for before, after in changes for p in range(personas)]
    return Comparisons(
        np.array([1.0, -1.0, -1.0, 1.0]),
        np.array([(to, to, fr, fr) for fr, to, _ in pairs], dtype=np.int64).reshape(-1, 4),
        np.array([(p, 0, p, 0) for _, _, p in pairs], dtype=np.int64).reshape(-1, 4),
    )


class ItemTests(NamedTuple):
    """Each field (studies, k)."""

    difference: FloatArray
    standard_error: FloatArray
    df: FloatArray
    p_value: FloatArray

    def with_some(self, places: NDArray[np.bool_], others: "ItemTests") -> "ItemTests":
        """With the tests at these places (k,) taken from others (studies, places)."""
        whole = [field.copy() for field in self]
        for field, other in zip(whole, others, strict=True):
            field[:, places] = other
        return ItemTests(*whole)


def item_tests(gaps: FloatArray, bound: float) -> ItemTests:
    """The report's item-paired tests of gaps (items, studies, k)."""
    items, *shape = gaps.shape
    found = paired_differences(gaps.reshape(items, -1), 0.95, bound)
    fields = (found.difference, found.standard_error, found.df, found.p_value)
    return ItemTests(*(field.reshape(shape) for field in fields))


def p_beyond_wording(found: ItemTests, variance: FloatArray, wording_df: float) -> FloatArray:
    """p values (studies, k) with what other wordings add (studies, k); Satterthwaite's degrees of freedom."""
    over_items = found.standard_error**2
    total = over_items + variance
    with np.errstate(invalid="ignore", divide="ignore"):
        df = total**2 / (over_items**2 / found.df + variance**2 / wording_df)
        p = 2 * student.sf(np.abs(found.difference) / np.sqrt(total), df)
    chosen: FloatArray = np.where(variance > 0, p, found.p_value)
    return chosen


def interactions(cells: FloatArray) -> FloatArray:
    """What is left of cells (..., personas, wordings) without what a persona or a wording does throughout."""
    apart: FloatArray = cells - cells.mean(axis=-2, keepdims=True)
    apart -= mean_of_last(apart)[..., None]
    return apart


def mean_of_last(values: NDArray[Any]) -> FloatArray:
    """Mean over the last axis; as a product, which is several times quicker for the few wordings or orders there."""
    count = values.shape[-1]
    means: FloatArray = values.astype(np.float64, copy=False) @ np.ones(count) / count
    return means


def wording_products(one: FloatArray, others: FloatArray) -> FloatArray:
    """(studies, systems): what the wordings of one system share with those of each system, item noise taken off.

    On the scale of a cell's mean over its wordings; with itself, before it is kept from falling below zero.

    Args:
        one: (items, studies, personas, wordings) interactions of a system.
        others: (items, studies, systems, personas, wordings).
    """
    items, _, personas, wordings = one.shape
    means = np.einsum("bpt,bspt->bs", one.mean(axis=0), others.mean(axis=0))
    squares = np.einsum("ibpt,ibspt->bs", one, others)
    noise = (squares - items * means) / (items - 1.0) / items
    shared: FloatArray = (means - noise) / ((personas - 1.0) * (wordings - 1.0)) / wordings
    return shared


def wording_covariance(products: FloatArray) -> FloatArray:
    """(studies, systems, systems) from all `wording_products`: variances not below zero, of differences neither."""
    raw = np.einsum("bss->bs", products)
    variance = np.maximum(0.0, raw)
    apart = np.maximum(0.0, raw[:, :, None] + raw[:, None, :] - 2.0 * products)
    covariance: FloatArray = (variance[:, :, None] + variance[:, None, :] - apart) / 2.0
    return covariance
