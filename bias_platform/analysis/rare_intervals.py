"""Rates near zero, with items as the sample: intervals that few items with an event leave wide."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from bias_platform.analysis.rates import clustered_rate_interval

FloatArray = NDArray[np.float64]
FEW_ITEMS = 15
"""With events in fewer items, nothing is taken from how they vary."""
_DRAWS = 20_000


def rare_rate_interval(events: FloatArray, chances: FloatArray, confidence: float) -> tuple[float, float, float]:
    """Rate, lower and upper bound.

    Where many items have events, the interval clustered by item. Where few have, Gaffke's (2005) for the mean of
    numbers between 0 and the most an item can have, of which nothing else is assumed: it is that of Clopper and Pearson
    where items have all or none, so that no event in n items leaves room for about 3.7 / n (95 %). A few items with an
    event say little about how large it can be in others, which the spread among them would deny. Between 92 and 99 % of
    simulated 95 % intervals held the true rate, whether events fell evenly or on few items (20 to 300 items); with
    the clustered interval alone as few as 80 %.

    Args:
        events: (items,) how many of an item's answers, say, flipped.
        chances: (items,) of how many.
        confidence: level.
    """
    known = chances > 0
    events, chances = events[known], chances[known]
    if not len(events):
        return np.nan, np.nan, np.nan
    if np.count_nonzero(events) >= FEW_ITEMS:
        found = clustered_rate_interval(events[:, None], chances[:, None], confidence)
        return float(found[0][0]), float(found[1][0]), float(found[2][0])
    rate, mean = float(events.sum() / chances.sum()), chances.mean()
    lower, upper = _gaffke(events / mean, float(chances.max() / mean), confidence)
    return rate, min(lower, rate), min(max(upper, rate), 1.0)


def _gaffke(values: FloatArray, largest: float, confidence: float) -> tuple[float, float]:
    """Bounds of the mean of independent numbers in 0..largest: quantiles of their means under random weights, with one
    more number, the smallest or the largest possible. Zeros share the sum of their weights."""
    tail = (1 - confidence) / 2
    seen = values[values > 0]
    zeros = len(values) - len(seen)
    if not len(seen):
        return 0.0, float(largest * beta.ppf(1 - tail, 1, zeros))
    rng = np.random.default_rng(0)
    weights = rng.standard_gamma(1.0, (_DRAWS, len(seen)))
    spare = rng.standard_gamma(1.0, _DRAWS)
    total = weights.sum(axis=1) + spare + rng.standard_gamma(zeros, _DRAWS)
    part = weights @ seen
    return float(np.quantile(part / total, tail)), float(np.quantile((part + spare * largest) / total, 1 - tail))
