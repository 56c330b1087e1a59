"""How far the levels of a factor lie apart on the probability scale of a fitted model, by parametric bootstrap.

The range of estimates is biased upwards by their noise, and a bootstrap of it is biased twice: in simulations of five
levels with normal errors (600 studies a truth, Monte-Carlo error about 1 %), 95 % percentile intervals of the range
covered in 0 % of studies where all levels are equal, 79 % where one lies four errors out, and 95 % where levels spread
evenly over four errors; basic intervals in 81, 92 and 89 %, bias-corrected ones in 0, 89 and 90 %. So the bootstrap is
asked for the errors of differences only, and the bounds of the range invert tests of these: 94, 98 and 99 % in the same
studies. Of the noise-corrected standard deviation, basic and bias-corrected intervals covered in as little as 51 and
80 % of studies with small spreads; the inverted chi-square of `within_group_spread` in 95-97 %.

In 2,000 whole studies a truth (60 items of sd 1.2, five personas, one answer each; bootstraps of all studies pooled,
one refit a study: benchmarks/spread_coverage.py), the 95 % interval of the range covered in 95.6 % where all are equal
(p below 0.05 in 4.4 %), 98.8 % with one persona out and 99.0 % where they spread evenly; that of the standard deviation
in 98.1, 95.0 and 94.8 % (Monte-Carlo error .5 %). With 93 % Yes, some four No a persona: 99.2 and 95.4 % (22 studies
could not be fitted).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.bootstrap_intervals import BootstrapResult
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import CONDITIONAL, PROBABILITY, RESPONSE, check_confidence
from bias_platform.statistics.marginal_means import marginal_means
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.parametric_bootstrap import Report, bootstrap
from bias_platform.statistics.response import GAUSSIAN, ORDINAL
from bias_platform.statistics.spread import Interval, within_group_spread

FEWEST_REPLICATES = 100
_KNOWN = 1e-9
"""A difference whose error is below this share of the typical one is known exactly."""


@dataclass(frozen=True)
class FittedSpread:
    """Spreads of the levels of a factor, and the bootstrap that they rest on."""

    table: pd.DataFrame
    """One row a combination of the ``within`` columns: these, ``levels``, ``range``, ``range_lower``, ``range_upper``,
    ``sd``, ``sd_lower``, ``sd_upper`` and ``p`` of all levels being equal."""
    scale: str
    """``probability``, ``conditional`` or ``response``."""
    means: BootstrapResult
    """Of the marginal means of all levels, with what became of the refits."""


def fitted_spread(
    fit: MixedModelFit,
    factor: str,
    *,
    within: Sequence[str] | str = (),
    scale: str | None = None,
    level: float = 0.95,
    replicates: int = 999,
    seed: int = 0,
    report: Report | None = None,
) -> FittedSpread:
    """Range and noise-corrected standard deviation of the marginal means of a factor's levels.

    With e the errors of the refits' means (refit less fit): the lower bound of the range is the largest ``d - c s``
    over pairs, s the standard deviation of e's difference and c the `level` quantile of the largest of these
    differences over s; it is above zero in about ``1 - level`` of studies whose levels are all equal. The upper bound
    is the largest ``d - q``, q the quantile of one pair's error that leaves what c leaves over of ``1 - level``. Errors
    need not be normal, and what is not known of the random effects' variances is in them. The standard deviation is
    that of `within_group_spread` with the covariance of e, as is its interval. The range as an estimate is biased
    upwards.

    Args:
        within: other fixed factors; the spread is taken at each of their combinations.
        scale: ``probability`` (integrated over the random effects; None means this), ``conditional`` (these zero);
            ``response`` if Gaussian.
        level: confidence of the intervals.
        replicates: refits, at least 100; the quantile c is good to some 3 % with 999.
        seed: replicate k depends on the seed and k only.
        report: is told (replicates done, of how many) after each.

    Raises:
        ModelError: an unknown factor or scale, an ordinal fit, a level that cannot be estimated, or too few replicates.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(40), 6), "persona": ["a", "b", "c"] * 80})
    >>> logit = rng.normal(0, 1, 40)[data["item"]] + 2 * (data["persona"] == "b")
    >>> data["yes"] = (rng.random(240) < 1 / (1 + np.exp(-logit))).astype(int)
    >>> fit = fit_mixed_model("yes ~ persona + (1 | item)", data)
    >>> found = fitted_spread(fit, "persona", replicates=100).table.iloc[0]
    >>> bool(0 < found["range_lower"] < found["range"] < found["range_upper"]), bool(found["p"] < 0.02)
    (True, True)
    """
    keep = [within] if isinstance(within, str) else list(within)
    chosen = _checked(fit, [*keep, factor], scale)
    check_confidence(level)
    if replicates < FEWEST_REPLICATES:
        raise ModelError(f"Bounds of a spread need at least {FEWEST_REPLICATES} replicates, not {replicates}.")

    def means(one: MixedModelFit) -> FloatArray:
        return marginal_means(one, by=[*keep, factor]).on(chosen).values

    found = bootstrap(fit, means, replicates=replicates, seed=seed, report=report)
    labels = marginal_means(fit, by=[*keep, factor]).labels
    errors = found.values[found.usable] - found.estimate
    if len(errors) < FEWEST_REPLICATES:
        raise ModelError(f"Only {len(errors)} of {replicates} refits can be used, which is too few for bounds.")
    rows = [key | _row(found.estimate[own], errors[:, own], level) for key, own in _groups(labels, keep)]
    return FittedSpread(pd.DataFrame(rows), chosen, found)


def _checked(fit: MixedModelFit, factors: list[str], scale: str | None) -> str:
    """The scale to use."""
    if fit.family == ORDINAL:
        raise ModelError(
            "The spread of an ordinal fit has no single probability: fit the answer of interest as binomial."
        )
    scales = (RESPONSE,) if fit.family == GAUSSIAN else (PROBABILITY, CONDITIONAL)
    chosen = scales[0] if scale is None else scale
    if chosen not in scales:
        raise ModelError(f"The spread of a {fit.family} fit is on the scale {' or '.join(scales)}, not {scale!r}.")
    means = marginal_means(fit, by=factors)
    lost = means.labels[~np.isfinite(means.on(chosen).values)]
    if len(lost):
        first = ", ".join(f"{name}={value}" for name, value in lost.iloc[0].items())
        raise ModelError(
            f"{len(lost)} of {len(means.labels)} levels cannot be estimated (such as {first}): fit data in which every "
            "combination was observed, or leave out the interaction."
        )
    return chosen


def _groups(labels: pd.DataFrame, within: list[str]) -> list[tuple[dict[str, Any], list[int]]]:
    """Rows of the labels at each combination of some columns."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    columns = [labels[name].tolist() for name in within]
    for row, key in enumerate(zip(*columns, strict=True) if within else [()] * len(labels)):
        groups.setdefault(key, []).append(row)
    return [(dict(zip(within, key, strict=True)), rows) for key, rows in groups.items()]


def _row(values: FloatArray, errors: FloatArray, level: float) -> dict[str, float]:
    """Spread of the levels (k,) with their errors (replicates, k)."""
    span, p = range_by_inversion(values, errors, level)
    sd = within_group_spread(values, np.cov(errors, rowvar=False), level=level).sd
    return {
        "levels": len(values),
        "range": span.estimate,
        "range_lower": span.lower,
        "range_upper": span.upper,
        "sd": sd.estimate,
        "sd_lower": sd.lower,
        "sd_upper": sd.upper,
        "p": p,
    }


def range_by_inversion(values: FloatArray, errors: FloatArray, level: float = 0.95) -> tuple[Interval, float]:
    """Range of several levels, and p of all being equal, from draws of their errors.

    Args:
        values: (k,) estimates.
        errors: (draws, k) of the estimates, such as bootstrap refits less the fit; any joint distribution.
        level: confidence of the interval.

    >>> errors = np.random.default_rng(1).normal(0, 0.1, (2000, 3))
    >>> span, p = range_by_inversion(np.array([0.0, 0.0, 1.0]), errors)
    >>> span.estimate, bool(0.6 < span.lower < 0.75), bool(1.2 < span.upper < 1.35), bool(p < 0.001)
    (1.0, True, True, True)
    """
    first, second = np.triu_indices(len(values), 1)
    difference = values[first] - values[second]
    sign = np.where(difference < 0, -1.0, 1.0)
    noise = (errors[:, first] - errors[:, second]) * sign
    sd = noise.std(axis=0, ddof=1)
    scale = np.where(sd > _KNOWN * sd.max(initial=0.0), sd, np.inf)
    largest = np.abs(noise / scale).max(axis=1)
    critical = float(np.quantile(largest, level))
    left = max(1.0 - level - 0.5 * float((np.abs(noise / scale) > critical).mean(axis=0).max()), 0.5 * (1.0 - level))
    size = np.abs(difference)
    reached = float((size / scale).max())
    span = Interval(
        estimate=float(size.max()),
        lower=float(max(0.0, (size - critical * sd).max())),
        upper=float((size - np.quantile(noise, left, axis=0)).max()),
    )
    return span, float((1 + (largest >= reached).sum()) / (1 + len(largest)))
