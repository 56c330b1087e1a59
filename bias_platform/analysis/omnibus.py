"""Degrees of freedom of a test over several contrasts at once, carried by items, or by items and wordings.

A mixed model with one item x persona variance takes all contrasts between personas to vary alike over items. They do
not: personas that resemble each other move together, one that the system hardly knows moves alone. With the full
degrees such a test rejected a true null in 15 to 20 % of studies simulated with the covariance of a tuned model's
scores (28 personas, 20-120 items); with Box's reduced degrees, estimated by Huynh and Feldt's formula, in 3 to 7 %.

Sources: G. E. P. Box (1954), Annals of Mathematical Statistics 25, 484-498; H. Huynh and L. S. Feldt (1976), Journal of
Educational Statistics 1, 69-82; F. E. Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.analysis.paired_wording import filled, over_wordings

FloatArray = NDArray[np.float64]


_ROUNDING = 1e-18
"""Variances below this are rounding."""


class Degrees(NamedTuple):
    """Of an F test; NaN where items do not vary at all."""

    numerator: float
    denominator: float


def carried_degrees(
    data: pd.DataFrame, value: str, factors: Sequence[str], tested: Collection[str], sampled_wordings: bool
) -> Degrees:
    """Degrees of freedom of the F test of a term, or of an interaction.

    Args:
        data: the rows of the model, with the columns item, `value` and `factors`.
        value: the outcome.
        factors: crossed fixed factors; a `template` among them is the last one.
        tested: those that the term is made of; the others are averaged over.
        sampled_wordings: whether the claim reaches beyond the wordings, which then carry the term together with items.
    """
    cells = _cells(data, value, factors)
    averaged = _scores(cells, factors, tested)
    wording, wording_df = 0.0, 1.0
    if sampled_wordings:
        apart = _scores(cells, factors[:-1], [name for name in tested if name != "template"], keep_last=True)
        wording, wording_df = over_wordings(apart, apart.shape[1])
    return degrees_of_scores(averaged, 0.0 if np.isnan(wording) else wording, wording_df)


def _cells(data: pd.DataFrame, value: str, factors: Sequence[str]) -> FloatArray:
    """(items, levels of each factor): means, what is missing filled in."""
    columns = ["item", *factors]
    codes = [data[name].cat.codes.to_numpy(np.int64) for name in columns]
    shape = tuple(len(data[name].cat.categories) for name in columns)
    at, size = np.ravel_multi_index(tuple(codes), shape), int(np.prod(shape))
    count = np.bincount(at, minlength=size).astype(float)
    with np.errstate(invalid="ignore"):
        cells = np.bincount(at, data[value].to_numpy(float), size) / count
    cells = cells.reshape(shape[0], -1, shape[-1])
    of_item = np.nanmean(cells, axis=(1, 2), keepdims=True)
    cells = np.where(np.isfinite(cells).any(axis=0), cells, of_item)  # what no item has
    return filled(cells).reshape(-1, *shape[1:])


def _scores(cells: FloatArray, factors: Sequence[str], tested: Collection[str], keep_last: bool = False) -> FloatArray:
    """(items, contrasts): orthonormal contrasts of the tested factors, means over the others.

    With `keep_last`, the last axis of `cells` (wordings) stays: (items, contrasts, wordings).
    """
    scores = cells
    for place, name in enumerate(factors, start=1):
        levels = scores.shape[place]
        weights = _orthonormal(levels) if name in tested else np.full((1, levels), 1.0 / levels)
        scores = np.moveaxis(np.tensordot(scores, weights, axes=(place, 1)), -1, place)
    return scores.reshape(len(scores), -1, scores.shape[-1]) if keep_last else scores.reshape(len(scores), -1)


def _orthonormal(levels: int) -> FloatArray:
    """(levels - 1, levels): contrasts of length one, at right angles to each other and to the mean."""
    basis, _ = np.linalg.qr(np.column_stack([np.ones(levels), np.eye(levels)[:, 1:]]))
    contrasts: FloatArray = basis[:, 1:].T
    return contrasts


def degrees_of_scores(scores: FloatArray, wording: float = 0.0, wording_df: float = 1.0) -> Degrees:
    """Box's degrees for the covariance over items plus `wording` on its diagonal; Satterthwaite's denominator.

    Args:
        scores: (items, contrasts), of orthonormal contrasts.
        wording: variance that wordings add to the mean of each contrast.
        wording_df: its degrees of freedom.
    """
    items, k = scores.shape
    if items < 2 or k < 1:
        return Degrees(np.nan, np.nan)
    covariance = np.atleast_2d(np.cov(scores, rowvar=False))
    over_items = float(np.trace(covariance)) / k / items
    total = over_items + wording
    if not total > _ROUNDING:
        return Degrees(np.nan, np.nan)
    alike = _likeness(covariance, items) if over_items > 0 else 1.0
    squares = over_items**2 / alike + 2.0 * over_items * wording + wording**2
    denominator = total**2 / (over_items**2 / (alike * k * (items - 1.0)) + wording**2 / wording_df)
    return Degrees(k * total**2 / squares, denominator)


def _likeness(covariance: FloatArray, items: int) -> float:
    """Huynh and Feldt's epsilon: 1 where contrasts vary alike and apart, down to 1 / k."""
    k = len(covariance)
    plain = float(np.trace(covariance)) ** 2 / (k * float((covariance**2).sum()))
    left = items - 1.0 - k * plain
    corrected = (items * k * plain - 2.0) / (k * left) if left > 0 else 1.0
    return float(np.clip(corrected, 1.0 / k, 1.0))
