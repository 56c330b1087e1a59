"""Parts of the variance of item-paired differences, and what they would be in a study of another size.

Three things make a mean difference uncertain: what a persona does to one item whatever the wording, which shrinks with
items; what single answers add, which shrinks with items and wordings; and, for claims beyond wording, what a wording
does to a persona in all items, which shrinks with wordings only. The first two are told apart by an analysis of
variance of gaps by item and wording, all personas together; the third is `paired_wording`'s. Where few items turn
wholly, the doubt of `item_pairs.paired_differences` is in the first.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bias_platform.analysis.item_pairs import ROUNDING, too_skewed

FloatArray = NDArray[np.float64]


class WordingPart(NamedTuple):
    """What the wordings of a study add to the variance of a difference averaged over them."""

    variance: float
    """NaN where nothing is known of others."""
    df: float


class Prediction(NamedTuple):
    """Squared standard errors of k differences in a study of another size; each field (k,)."""

    items: FloatArray
    """Of that study, with both of a pair."""
    of_items: FloatArray
    """What a persona does to items, and doubt."""
    of_answers: FloatArray
    """What single answers add."""
    of_wordings: FloatArray
    df: FloatArray
    """Of the test in that study."""
    known_df: FloatArray
    """How well the variance is known: as from a chi-square with so many degrees of freedom; infinite where no item
    differs from another in any comparison, which tells nothing."""

    @property
    def total(self) -> FloatArray:
        """(k,)."""
        return self.of_items + self.of_answers + self.of_wordings


@dataclass(frozen=True)
class GapVariance:
    """Differences of k personas from the control in one system."""

    gaps: FloatArray
    """(items, k) over all wordings; NaN where an item lacks one of the two."""
    by_wording: FloatArray
    """(items, k, wordings); NaN likewise."""
    wording: WordingPart
    personas: tuple[str, ...] = ()
    """k identifiers."""

    @property
    def wordings(self) -> int:
        """Of this study."""
        return int(self.by_wording.shape[2])

    @cached_property
    def items(self) -> FloatArray:
        """(k,) that have a gap."""
        return np.asarray(np.isfinite(self.gaps).sum(axis=0), dtype=float)

    @property
    def paired(self) -> FloatArray:
        """(k,) share of the items asked that have a gap."""
        return self.items / len(self.gaps)

    @cached_property
    def mean(self) -> FloatArray:
        """(k,)."""
        return np.asarray(np.nan_to_num(self.gaps).sum(axis=0) / np.maximum(self.items, 1.0))

    @cached_property
    def apart(self) -> FloatArray:
        """(items, k): gap minus its mean over items; 0 where there is none."""
        return np.where(np.isfinite(self.gaps), self.gaps - self.mean, 0.0)

    @cached_property
    def within(self) -> FloatArray:
        """(items, k): each item's share in the variance of gaps between wordings, scaled like `apart` squared; 0 where
        an item lacks a wording."""
        complete = np.isfinite(self.by_wording).all(axis=2, keepdims=True)
        own = np.where(complete, self.by_wording, 0.0)
        own = np.where(complete, own - own.mean(axis=2, keepdims=True), 0.0)
        count = np.maximum(complete.sum(axis=0, keepdims=True), 1)
        apart = np.where(complete, own - own.sum(axis=0, keepdims=True) / count, 0.0)
        # items that lack a wording are taken to be like the others
        scale = self.items / np.maximum(complete.sum(axis=0)[:, 0], 1)
        shares: FloatArray = (apart**2).sum(axis=2) / max(1, self.wordings - 1) * scale
        return shares

    @cached_property
    def between(self) -> FloatArray:
        """(k,) variance over items of the mean gap of an item."""
        return np.asarray((self.apart**2).sum(axis=0) / np.maximum(self.items - 1.0, 1.0))

    @cached_property
    def answers(self) -> FloatArray:
        """(k,) variance of a single wording's gap within an item: the same share of `between` for all personas, and no
        more than leaves the items none of their own."""
        found = float((self.within.sum(axis=0) / np.maximum(self.items - 1.0, 1.0)).sum())
        most = float(self.between.sum()) * self.wordings
        share = min(1.0, found / most) if most > 0 else 0.0
        return np.asarray(share * self.wordings * self.between)

    def predicted(self, items: int, wordings: int, beyond: bool) -> Prediction:
        """Of a study with so many items and wordings, all else being like this one.

        At this study's own numbers, standard errors and degrees of freedom are those of its report: as many items as
        here are taken to lack one of a pair.

        Args:
            items: asked, at least 2.
            wordings: at least 1; beyond wording at least 2.
            beyond: whether the claim is one about other wordings too.
        """
        variance = self.between + self.answers * (1.0 / wordings - 1.0 / self.wordings)
        count = np.maximum(2.0, items * self.paired)
        error, df = self._over_items(variance, count)
        single = np.minimum(self.answers / wordings / count, error)
        added, known = np.zeros_like(error), self._doubt_over_items(variance, wordings) * error**2
        if beyond:
            added += self.wording.variance * self.wordings / wordings
            own_df = self.wording.df / max(1, self.wordings - 1) * (wordings - 1)
            with np.errstate(invalid="ignore", divide="ignore"):
                df = np.where(added > 0, (error + added) ** 2 / (error**2 / df + added**2 / own_df), df)
            seen = self.wording.variance * self.wordings + self.answers.mean() / self.items
            known = known + 2.0 * (seen / wordings) ** 2 / self.wording.df
        with np.errstate(divide="ignore"):
            known_df = 2.0 * (error + added) ** 2 / known
        return Prediction(count, error - single, single, added, df, known_df)

    def _over_items(self, variance: FloatArray, items: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Squared standard error over items and its degrees of freedom, with doubt where a mean is too skewed."""
        size = np.maximum(1.0, np.abs(np.nan_to_num(self.gaps)).max(axis=0, initial=0.0))
        ratio = np.divide(variance, self.between, out=np.ones_like(variance), where=self.between > 0)
        cubes = items * (self.apart**3).sum(axis=0) / np.maximum(self.items, 1.0) * ratio**1.5
        squares = (items - 1.0) * variance
        added = 2.0 * too_skewed(squares / size**2, cubes / size**3)
        count = items + added
        spread = squares + added * (size**2 + items / count * self.mean**2)
        return np.asarray(spread / (count - 1.0) / count), np.asarray(count - 1.0)

    def _doubt_over_items(self, variance: FloatArray, wordings: int) -> FloatArray:
        """(k,) squared relative errors of the variances, by how much items differ in what they add to them; 0 where no
        item differs from another. Personas share items and the control, so that together they know it little better
        than one.

        Items that happen to be equally far from the mean would know it exactly. So the degrees of freedom are at most
        those that the mean of k variances of normal gaps with one control (correlated by 1/2, their variances by 1/4)
        has: (items - 1) 4 k / (k + 3), which is items - 1 for one persona and below 4 (items - 1) for many.
        """
        if np.abs(self.apart).max(initial=0.0) < ROUNDING:
            return np.zeros_like(variance)
        personas = len(variance)
        most = np.maximum(1.0, self.items - 1.0) * 4.0 * personas / (personas + 3.0)
        return np.maximum(self._unequal_items(variance, wordings), 2.0 / most)

    def _unequal_items(self, variance: FloatArray, wordings: int) -> float:
        """Squared relative error of the mean over items of what each adds to the variances of its gaps."""
        shares = self.apart**2 + self.within * (1.0 / wordings - 1.0 / self.wordings)
        expected = (np.isfinite(self.gaps) * variance).sum(axis=1)
        seen = expected > 0
        if seen.sum() < 2:
            return 0.0
        relative = shares.sum(axis=1)[seen] / expected[seen]
        return float(relative.var(ddof=1) / len(relative))
