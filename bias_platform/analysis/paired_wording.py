"""How much wordings move Yes-rates on the probability scale, without a model: what a claim beyond wording adds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bias_platform.analysis.answers import JUDGED, YES_COLUMN, Answers

FloatArray = NDArray[np.float64]


class PairedWording(NamedTuple):
    """What other wordings would add to the variance of a cell's mean over these wordings, by system."""

    variance: FloatArray
    """(systems,); NaN where fewer than two wordings are judged: nothing is known of others."""
    df: FloatArray
    """(systems,)."""
    covariance: FloatArray
    """(systems, systems): a wording moves a persona in two systems alike as far as this is positive."""


def paired_wording(answers: Answers, reading: str) -> PairedWording:
    """Persona x wording variance of each system by the two-way analysis of variance, item noise taken off.

    The variance is pooled over personas. It is that of a cell's mean over the study's wordings; a difference of two
    personas has twice as much. Covariances follow from the variance of the difference between two systems.
    """
    shares = [_shares(answers, reading, system) for system in answers.systems]
    found = [_interaction(share) for share in shares]
    variance = np.array([v for v, _ in found])
    covariance = np.diag(variance)
    for a in range(len(shares)):
        for b in range(a):
            apart, _ = _interaction(shares[a] - shares[b])
            covariance[a, b] = covariance[b, a] = (variance[a] + variance[b] - apart) / 2.0
    return PairedWording(variance, np.array([df for _, df in found]), covariance)


def _interaction(shares: FloatArray) -> tuple[float, float]:
    """Variance and degrees of freedom from (items, personas, wordings); cells that nobody judged are NaN."""
    shares = _filled(shares)
    items, personas, templates = shares.shape
    if templates < 2 or personas < 2:
        return float("nan"), 1.0
    df = (personas - 1.0) * (templates - 1.0)
    observed = float((_centred(shares.mean(axis=0)) ** 2).sum() / df)
    if items < 2:
        return observed / templates, df
    left = _centred(shares)
    left = left - left.mean(axis=0)
    noise = float((left**2).sum() / df / (items - 1.0) / items)
    return max(0.0, observed - noise) / templates, df


def _centred(values: FloatArray) -> FloatArray:
    """Persona x wording interaction of the last two axes."""
    over_both = values.mean(axis=(-2, -1), keepdims=True)
    inner: FloatArray = values - values.mean(axis=-1, keepdims=True) - values.mean(axis=-2, keepdims=True) + over_both
    return inner


def _filled(shares: FloatArray) -> FloatArray:
    """Items, personas and wordings with at least one judged cell; what is left open has the item's mean."""
    known = np.isfinite(shares)
    keep = [known.any(axis=(1, 2)), known.any(axis=(0, 2)), known.any(axis=(0, 1))]
    shares = shares[np.ix_(*keep)]
    if not shares.size:
        return np.zeros((0, 0, 0))
    return np.where(np.isfinite(shares), shares, np.nanmean(shares, axis=(1, 2), keepdims=True))


def _shares(answers: Answers, reading: str, system: str) -> FloatArray:
    """Yes shares (items, personas, wordings) in the categories of the study; NaN where nobody judged."""
    rows = answers.with_persona
    rows = rows[((rows["system"] == system) & (rows["state"] == JUDGED)).to_numpy()]
    columns = [rows[name] for name in ("item_id", "persona_id", "template_id")]
    shape = tuple(len(column.cat.categories) for column in columns)
    cell = np.ravel_multi_index(tuple(c.cat.codes.to_numpy(np.int64) for c in columns), shape)
    size = int(np.prod(shape))
    count = np.bincount(cell, minlength=size).reshape(shape).astype(float)
    yes = np.bincount(cell, rows[YES_COLUMN[reading]].to_numpy(float), size).reshape(shape)
    with np.errstate(invalid="ignore"):
        shares: FloatArray = yes / count
    return shares
