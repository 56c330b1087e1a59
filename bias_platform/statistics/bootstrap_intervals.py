"""What the replicates of a bootstrap say: bias, standard error, and intervals of several kinds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy.stats import norm

from bias_platform.statistics.arrays import BoolArray, FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import check_confidence
from bias_platform.statistics.power_replicates import STATES

IntervalKind = Literal["percentile", "basic", "bias_corrected", "normal"]
KINDS: tuple[str, ...] = get_args(IntervalKind)
_FEWEST = 20
_MANY_LOST = 0.05


@dataclass(frozen=True)
class BootstrapResult:
    """A statistic of a fit, and of the refits to drawn responses."""

    estimate: FloatArray
    """(k,) of the fit itself."""
    values: FloatArray = field(repr=False)
    """(replicates, k); NaN where there was no refit or it cannot give the statistic."""
    states: BoolArray = field(repr=False)
    """(replicates, states of `power_replicates.STATES`): failed, not converged, separated, singular."""

    @property
    def usable(self) -> BoolArray:
        """(replicates,): refits that converged and gave finite values."""
        return np.asarray(np.isfinite(self.values).all(axis=1) & ~self.states[:, :2].any(axis=1))

    @property
    def counts(self) -> dict[str, int]:
        """How many replicates are what, and how many are usable; separated and singular refits are used."""
        found = dict(zip(STATES, self.states.sum(axis=0).tolist(), strict=True))
        return {"replicates": len(self.values), **found, "usable": int(self.usable.sum())}

    @property
    def messages(self) -> tuple[str, ...]:
        """What a reader of the intervals must know."""
        lost = len(self.values) - int(self.usable.sum())
        if lost == 0:
            return ()
        text = f"{lost} of {len(self.values)} bootstrap refits failed, did not converge, or could not give a value"
        if lost <= _MANY_LOST * len(self.values):
            return (f"{text}; the intervals are of the others.",)
        return (f"{text}: those left are not a fair sample, so the intervals are not to be trusted.",)

    def interval(
        self, kind: IntervalKind = "percentile", level: float = 0.95, names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """One row a statistic: name, estimate, bias, standard_error, lower, upper, replicates (the usable ones).

        Args:
            kind: ``percentile``: quantiles of the replicates. ``basic``: these reflected at the estimate, 2 t - t*.
                ``bias_corrected``: percentile with levels shifted by twice the normal quantile of the share of
                replicates below the estimate (Efron, 1981; BCa without acceleration). ``normal``: estimate - bias +- z
                standard errors.
            names: of the statistics; None numbers them.

        Raises:
            ModelError: an unknown kind, a level outside 0..1, or fewer than 20 usable replicates.
        """
        check_confidence(level)
        if kind not in KINDS:
            raise ModelError(f"Unknown bootstrap interval {kind!r}: choose one of {', '.join(KINDS)}.")
        values = self.values[self.usable]
        if len(values) < _FEWEST:
            raise ModelError(
                f"Only {len(values)} of {len(self.values)} bootstrap refits can be used: an interval needs "
                f"{_FEWEST} or more; ask for more replicates, or simplify the model."
            )
        lower, upper = _bounds(self.estimate, values, kind, level)
        return pd.DataFrame(
            {
                "name": list(names) if names is not None else range(len(self.estimate)),
                "estimate": self.estimate,
                "bias": values.mean(axis=0) - self.estimate,
                "standard_error": values.std(axis=0, ddof=1),
                "lower": lower,
                "upper": upper,
                "replicates": len(values),
            }
        )


def _bounds(estimate: FloatArray, values: FloatArray, kind: str, level: float) -> tuple[FloatArray, FloatArray]:
    tails = np.array([0.5 - level / 2, 0.5 + level / 2])
    if kind == "normal":
        reach = norm.ppf(tails[1]) * values.std(axis=0, ddof=1)
        center = 2.0 * estimate - values.mean(axis=0)
        return center - reach, center + reach
    if kind == "bias_corrected":
        return _bias_corrected(estimate, values, tails)
    lower, upper = np.quantile(values, tails, axis=0)
    return (2.0 * estimate - upper, 2.0 * estimate - lower) if kind == "basic" else (lower, upper)


def _bias_corrected(estimate: FloatArray, values: FloatArray, tails: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The bounds are replicates where all of these lie on one side of the estimate."""
    below = (values < estimate).mean(axis=0) + 0.5 * (values == estimate).mean(axis=0)
    half = 0.5 / len(values)
    shift = norm.ppf(np.clip(below, half, 1.0 - half))
    levels = norm.cdf(2.0 * shift + norm.ppf(tails)[:, None])
    bounds = np.array([np.quantile(column, at) for column, at in zip(values.T, levels.T, strict=True)])
    return bounds[:, 0], bounds[:, 1]
