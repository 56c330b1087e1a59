"""A Yes-rate's interval where items, not answers, are the sample."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

FloatArray = NDArray[np.float64]


def clustered_rate_interval(
    yes: FloatArray, judged: FloatArray, confidence: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rate, lower and upper bound of many rates at once.

    The variance is that of a ratio of item totals; it is turned into an effective sample size for a Wilson interval,
    so that bounds stay within 0..1 and a rate of 0 or 1 is not given a width of zero (the number of items is then
    taken as the sample size).

    Args:
        yes: (items, k) positive answers.
        judged: (items, k) judged answers.
        confidence: level.
    """
    total, items = judged.sum(axis=0), (judged > 0).sum(axis=0).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(total > 0, yes.sum(axis=0) / total, np.nan)
        residual = yes - judged * rate
        variance = items / (items - 1) * (residual**2).sum(axis=0) / total**2
        size = np.where(variance > 0, rate * (1 - rate) / variance, items)
        quantile = student.ppf(0.5 + confidence / 2, np.maximum(items - 1, 1.0))
        shrink = quantile**2 / size
        center = (rate + shrink / 2) / (1 + shrink)
        reach = quantile / (1 + shrink) * np.sqrt(rate * (1 - rate) / size + shrink / size / 4)
    return rate, np.clip(np.minimum(center - reach, rate), 0, 1), np.clip(np.maximum(center + reach, rate), 0, 1)
