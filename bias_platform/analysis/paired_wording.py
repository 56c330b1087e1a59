"""How much wordings move Yes-rates on the probability scale, without a model: for cells the model cannot have."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bias_platform.analysis.answers import JUDGED, YES_COLUMN, Answers

FloatArray = NDArray[np.float64]


class PairedWording(NamedTuple):
    """By system (systems,): what other wordings would add to the variance of a cell's mean over these wordings."""

    variance: FloatArray
    df: FloatArray


def paired_wording(answers: Answers, reading: str) -> PairedWording:
    """Persona x wording variance of each system by the two-way analysis of variance, item noise taken off.

    The variance is pooled over personas. It is that of a cell's mean over the study's wordings; a difference of two
    cells has twice as much. Zero where there is one wording, which says nothing about others.
    """
    found = [_system(answers, reading, system) for system in answers.systems]
    return PairedWording(np.array([v for v, _ in found]), np.array([df for _, df in found]))


def _system(answers: Answers, reading: str, system: str) -> tuple[float, float]:
    shares = _shares(answers, reading, system)
    _, personas, templates = shares.shape
    if templates < 2 or personas < 2:
        return 0.0, 1.0
    means = np.nanmean(shares, axis=0)
    inner = means - means.mean(axis=1, keepdims=True) - means.mean(axis=0) + means.mean()
    df = (personas - 1.0) * (templates - 1.0)
    observed = float((inner**2).sum() / df)
    left = shares - np.nanmean(shares, axis=2, keepdims=True)
    left = left - np.nanmean(left, axis=0)
    noise = np.nanmean(np.nansum(left**2, axis=0) / np.isfinite(left).sum(axis=0) ** 2) * templates / (templates - 1)
    return max(0.0, observed - float(noise)) / templates, df


def _shares(answers: Answers, reading: str, system: str) -> FloatArray:
    """Yes shares (items, personas, wordings); cells that nobody judged are left at the item's mean."""
    rows = answers.with_persona
    rows = rows[((rows["system"] == system) & (rows["state"] == JUDGED)).to_numpy()]
    columns = [rows[name].cat.remove_unused_categories() for name in ("item_id", "persona_id", "template_id")]
    shape = tuple(len(column.cat.categories) for column in columns)
    if not len(rows):
        return np.zeros((0, 0, 0))
    cell = np.ravel_multi_index(tuple(c.cat.codes.to_numpy(np.int64) for c in columns), shape)
    count = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape).astype(float)
    yes = np.bincount(cell, rows[YES_COLUMN[reading]].to_numpy(float), int(np.prod(shape))).reshape(shape)
    with np.errstate(invalid="ignore"):
        shares: FloatArray = yes / count
    item = np.broadcast_to(np.nanmean(shares, axis=(1, 2), keepdims=True), shape)
    return np.where(np.isfinite(shares), shares, item)
