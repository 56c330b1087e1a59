"""How much two categories agree: 1 for the same one, down to 0 for the two furthest apart.

A weight is 1 minus a distance over the largest distance. Coefficients of the form 1 - observed / expected disagreement
do not depend on that largest distance; the reported agreements do.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError

NOMINAL, ORDINAL, INTERVAL, LINEAR, FIXED_ORDINAL = "nominal", "ordinal", "interval", "linear", "fixed_ordinal"
LEVELS = (NOMINAL, ORDINAL, INTERVAL, LINEAR, FIXED_ORDINAL)


def agreement_weights(level: str, values: FloatArray, shares: FloatArray, own: FloatArray | None = None) -> FloatArray:
    """Weights (..., q, q) of q categories.

    Args:
        level: ``nominal``; ``interval`` (squared differences of values; irrCAC's "quadratic"); ``linear`` (absolute
            ones); ``ordinal`` (squared differences of mid-ranks, which depend on how often each category is used:
            Krippendorff's metric); ``fixed_ordinal`` (pairs of categories between two: irrCAC's "ordinal").
        values: (q,) of the categories.
        shares: (..., q) how often each category is used, summing to 1.
        own: (q, q) weights that replace those of the level.
    """
    size = shares.shape[-1]
    if own is not None:
        return np.broadcast_to(own, (*shares.shape[:-1], size, size))
    if level == ORDINAL:
        score = mid_ranks(shares)
        distance = (score[..., :, None] - score[..., None, :]) ** 2
    else:
        apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(float)
        gap = np.abs(np.subtract.outer(values, values))
        distance = {
            NOMINAL: (apart > 0).astype(float),
            FIXED_ORDINAL: apart * (apart + 1) / 2,
            LINEAR: gap,
            INTERVAL: gap**2,
        }[level]
        distance = np.broadcast_to(distance, (*shares.shape[:-1], size, size))
    largest = distance.max(axis=(-2, -1), keepdims=True)
    return 1.0 - distance / np.where(largest > 0, largest, 1.0)


def mid_ranks(shares: FloatArray) -> FloatArray:
    """(..., q) share of ratings below a category plus half of those in it.

    >>> mid_ranks(np.array([0.5, 0.25, 0.25])).tolist()
    [0.25, 0.625, 0.875]
    """
    found: FloatArray = np.cumsum(shares, axis=-1) - shares / 2
    return found


def mid_rank_slopes(coincidences: FloatArray, shares: FloatArray) -> FloatArray:
    """Slopes (..., q) of observed over expected disagreement by each category's share, through the mid-ranks alone.

    Mid-ranks depend on the sample, so its sampling error has this part too; fixed weights have none.

    Args:
        coincidences: (..., q, q) symmetric shares of pairs of ratings of one item, summing to 1.
        shares: (..., q) of ratings.
    """
    score = mid_ranks(shares)
    gap = score[..., :, None] - score[..., None, :]
    chance = shares[..., :, None] * shares[..., None, :]
    observed, expected = ((joint * gap**2).sum(axis=(-2, -1)) for joint in (coincidences, chance))
    with np.errstate(invalid="ignore", divide="ignore"):
        by_score = 4.0 * (
            (coincidences * gap).sum(axis=-1) / expected[..., None]
            - (chance * gap).sum(axis=-1) * (observed / expected**2)[..., None]
        )
    size = shares.shape[-1]
    by_share = np.tril(np.ones((size, size)), -1) + np.eye(size) / 2  # of score c by share g
    found: FloatArray = by_score @ by_share
    return found


def category_values(count: int, labels: Sequence[Any] | None, values: Sequence[float] | None) -> FloatArray:
    """Values (q,) of categories: as given, the labels themselves where all are numbers, or else their positions.

    Raises:
        ModelError: not as many finite, distinct values as categories.
    """
    if values is None:
        numbers = labels and all(isinstance(one, int | float | np.number) for one in labels)
        return np.array(labels, dtype=float) if numbers else np.arange(count, dtype=float)
    found = np.asarray(values, dtype=float)
    if found.shape != (count,) or not np.isfinite(found).all() or len(np.unique(found)) < count:
        raise ModelError(f"'values' must be {count} finite numbers, all different, one a category.")
    return found


def require_measurement(level: str) -> None:
    """Raises ModelError for an unknown level of measurement."""
    if level not in LEVELS:
        raise ModelError(f"Unknown level of measurement {level!r}: choose one of {', '.join(LEVELS)}.")
