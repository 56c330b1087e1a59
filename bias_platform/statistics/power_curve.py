"""Power over a row of gaps, from studies that were simulated at all of them, and the gap that reaches a given power."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest, norm

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.spread import Interval

_RESAMPLES = 400


@dataclass(frozen=True)
class PowerCurve:
    """In which simulated studies a gap was found.

    The replicates are shared: row k holds the same study with each of the gaps put in. Each column is an independent
    sample of studies, so its power and interval are those of a single gap; columns are correlated with each other,
    which makes differences between gaps, and where the curve crosses a level, more precise than the single intervals
    let suppose. Uncertainty of the crossing therefore comes from resampling whole rows.

    >>> import numpy as np
    >>> needed = np.random.default_rng(0).normal(0.5, 0.2, 500)
    >>> curve = PowerCurve((0.0, 0.5, 1.0), needed[:, None] < np.array([0.0, 0.5, 1.0]))
    >>> curve.table()["power"].round(1).tolist()
    [0.0, 0.5, 1.0]
    >>> found = curve.smallest(0.8)
    >>> found.lower < found.estimate < found.upper
    True
    """

    gaps: tuple[float, ...]
    """Rising."""
    found: NDArray[np.bool_]
    """(replicates, gaps)."""

    def __post_init__(self) -> None:
        if self.found.ndim != 2 or self.found.shape[1] != len(self.gaps) or not self.found.size:
            raise ModelError(f"A power curve needs (replicates, {len(self.gaps)}) findings, not {self.found.shape}.")
        if any(b <= a for a, b in pairwise(self.gaps)):
            raise ModelError(f"The gaps of a power curve must rise, but are {list(self.gaps)}.")

    @property
    def power(self) -> FloatArray:
        """(gaps,): share of the studies in which the gap was found."""
        share: FloatArray = self.found.mean(axis=0)
        return share

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Columns gap, power, lower, upper (Wilson), replicates; one row a gap."""
        hits, replicates = self.found.sum(axis=0), len(self.found)
        bounds = [binomtest(int(k), replicates).proportion_ci(level, method="wilson") for k in hits]
        return pd.DataFrame(
            {
                "gap": self.gaps,
                "power": self.power,
                "lower": [bound.low for bound in bounds],
                "upper": [bound.high for bound in bounds],
                "replicates": replicates,
            }
        )

    def smallest(self, power: float = 0.8, level: float = 0.95, seed: int = 0) -> Interval:
        """The gap that is found with this power, by a monotone curve through the powers.

        Between neighbouring gaps the curve is straight on the probit scale, on which the power of a normal test is
        straight in the gap. Infinite where the largest gap does not reach the power, the smallest gap where that
        already has it: look at wider gaps then. The interval is that of the crossing over resampled replicates, for
        the Monte-Carlo error only.

        Raises:
            ModelError: a power that is not between 0 and 1.
        """
        if not 0 < power < 1:
            raise ModelError(f"The power must lie between 0 and 1, not {power}.")
        replicates = len(self.found)
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(replicates, np.full(replicates, 1.0 / replicates), size=_RESAMPLES)
        findings = self.found.astype(np.float64)
        estimate = float(self._crossings(findings.sum(axis=0, keepdims=True), power)[0])
        outside = (1.0 - level) / 2.0
        resampled = self._crossings(drawn.astype(np.float64) @ findings, power)
        lower, upper = np.quantile(resampled, [outside, 1.0 - outside], method="inverted_cdf")
        return Interval(estimate, min(float(lower), estimate), max(float(upper), estimate))

    def _crossings(self, hits: FloatArray, power: float) -> FloatArray:
        """(curves,) from how many replicates found each gap (curves, gaps)."""
        replicates, gaps = len(self.found), np.array(self.gaps)
        rising = _monotone(hits)
        above = rising >= power * replicates
        after = np.maximum(above.argmax(axis=1), 1)
        steps = np.arange(len(hits))
        scale = norm.ppf((rising + 0.5) / (replicates + 1.0))
        target = norm.ppf((power * replicates + 0.5) / (replicates + 1.0))
        if len(gaps) > 1:
            before_scale, after_scale = scale[steps, after - 1], scale[steps, after]
            rise = np.where(after_scale > before_scale, after_scale - before_scale, 1.0)
            between = gaps[after - 1] + (target - before_scale) / rise * (gaps[after] - gaps[after - 1])
        else:
            between = np.full(len(hits), gaps[0])
        crossing: FloatArray = np.select([~above.any(axis=1), above[:, 0]], [np.inf, gaps[0]], between)
        return crossing


def _monotone(values: FloatArray) -> FloatArray:
    """The rising rows nearest to rows (curves, gaps) by least squares: largest of the smallest means around a place."""
    count = values.shape[1]
    rising = np.full_like(values, -np.inf)
    for start in range(count):
        means = np.cumsum(values[:, start:], axis=1) / np.arange(1, count - start + 1)
        least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        rising[:, start:] = np.maximum(rising[:, start:], least)
    return rising
