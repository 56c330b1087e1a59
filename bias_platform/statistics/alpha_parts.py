"""Krippendorff's alpha as a mean of one number an item: what its standard error and every paired test stand on.

Of n items with at least two ratings, item i has r_i of them, a_ik in category k; r is their mean and pi_k the share of
category k. With weights w, observed agreement is the mean of q_i = sum_k a_ik (sum_l w_kl a_il - 1) / (r (r_i - 1)),
chance agreement pe = sum_kl w_kl pi_k pi_l, and with eps = 1 / (n r), Krippendorff's correction for small samples,

    alpha = ((1 - eps) po + eps - pe) / (1 - pe).

This is the same number as 1 - observed / expected disagreement in coincidences (Krippendorff, 2011), for any weights.
Linearised (Gwet, 2016, Educational and Psychological Measurement 76, 609-637), item i contributes

    z_i = ((1 - eps) q_i + eps - pe) / (1 - pe) - 2 (1 - alpha) (e_i - pe) / (1 - pe),   e_i = sum_kl w_kl pi_k a_il / r

where r_i differ, q_i and e_i lose po (r_i - r) / r and pe (r_i - r) / r. The mean of z is alpha.
"""

from typing import NamedTuple

import numpy as np

from bias_platform.statistics.agreement_weights import ORDINAL, agreement_weights, mid_rank_slopes
from bias_platform.statistics.arrays import BoolArray, FloatArray, IntArray


class Scale(NamedTuple):
    """How far apart categories are."""

    level: str
    values: FloatArray
    """(q,) of the categories."""
    own: FloatArray | None = None
    """(q, q) weights that replace those of the level."""


class AlphaParts(NamedTuple):
    """One coefficient, or many: the leading dimensions."""

    coefficient: FloatArray
    """(...) NaN where fewer than two categories were used."""
    uncorrected: FloatArray
    """(...) without the correction for small samples."""
    observed: FloatArray
    """(...) observed agreement, corrected where the coefficient is."""
    chance: FloatArray
    """(...) agreement expected by chance."""
    contributions: FloatArray
    """(..., cells) z of each item, or of each kind of item; its mean over items is the coefficient."""
    uncorrected_contributions: FloatArray
    """(..., cells) likewise of the uncorrected one: what irrCAC takes its standard error from."""


class _Sums(NamedTuple):
    """What both forms below have in common; `cells` are items or kinds of items."""

    agreement: FloatArray
    """(...) po"""
    shares: FloatArray
    """(..., q) pi"""
    weights: FloatArray
    """(..., q, q)"""
    item_agreement: FloatArray
    """(..., cells) q_i"""
    item_chance: FloatArray
    """(..., cells) e_i"""
    through_ranks: FloatArray
    """(..., cells) what the item moves disagreement through mid-ranks; 0 for fixed weights."""


def parts_of_items(
    codes: IntArray, count: int, scale: Scale, *, small_sample: bool = True, as_published: bool = False
) -> tuple[AlphaParts, BoolArray]:
    """Coefficient of any number of raters, and which items (n,) have two ratings or more; the rest have no part in it.

    Args:
        codes: (n, raters) from 0 up; -1 missing.
        count: of categories.
        as_published: e_i loses (r_i - r) / r, as in pairedCAC, which is not its derivative where r_i differ.
    """
    counts = np.stack([(codes == k).sum(axis=1) for k in range(count)], axis=1).astype(float)
    usable = counts.sum(axis=1) >= 2
    counts = counts[usable]
    raters = counts.sum(axis=1)
    total, mean = raters.sum(), raters.mean() if len(raters) else np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = counts.sum(axis=0) / total
        weights = agreement_weights(scale.level, scale.values, shares, scale.own)
        agreeing = (counts * (counts @ weights - 1.0)).sum(axis=1) / (raters - 1.0)
        agreement, drift = agreeing.sum() / total, raters / mean - 1.0
        by_chance = weights @ shares
        lost = 1.0 if as_published else shares @ by_chance
        through = np.zeros(len(counts))
        if scale.level == ORDINAL and scale.own is None:
            through = _through_mid_ranks(counts, raters, shares, mean)
        sums = _Sums(
            np.asarray(agreement),
            shares,
            weights,
            agreeing / mean - agreement * drift,
            counts @ by_chance / mean - lost * drift,
            through,
        )
        return _parts(sums, 1.0 / total if small_sample else 0.0), usable


def _through_mid_ranks(counts: FloatArray, raters: FloatArray, shares: FloatArray, mean: float) -> FloatArray:
    """What each item moves observed over expected disagreement by moving the mid-ranks."""
    pairs = np.einsum("ik,il,i->kl", counts, counts, 1.0 / (raters - 1.0))
    pairs = (pairs - np.diag((counts / (raters - 1.0)[:, None]).sum(axis=0))) / raters.sum()
    moved = (counts - shares * raters[:, None]) / mean
    return np.asarray(moved @ mid_rank_slopes(pairs, shares))


def parts_of_tables(tables: FloatArray, scale: Scale, *, small_sample: bool = True) -> AlphaParts:
    """Coefficients of many pairs of raters, from how often each pair of categories was given.

    Args:
        tables: (..., q, q) numbers of items by the first rater's category and the second's.

    Returns:
        Parts whose cells are the q * q pairs of categories.
    """
    size = tables.shape[-1]
    number = tables.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        joint = tables / number[..., None, None]
        shares = (joint.sum(axis=-1) + joint.sum(axis=-2)) / 2.0
        weights = agreement_weights(scale.level, scale.values, shares, scale.own)
        by_chance = (weights @ shares[..., None])[..., 0]
        through = np.zeros(tables.shape)
        if scale.level == ORDINAL and scale.own is None:
            slopes = mid_rank_slopes((joint + np.swapaxes(joint, -1, -2)) / 2.0, shares)
            through = (slopes[..., :, None] + slopes[..., None, :]) / 2.0
            through = through - (slopes * shares).sum(axis=-1)[..., None, None]
        cells = (*tables.shape[:-2], size * size)
        sums = _Sums(
            (joint * weights).sum(axis=(-2, -1)),
            shares,
            weights,
            np.broadcast_to(weights, tables.shape).reshape(cells),
            ((by_chance[..., :, None] + by_chance[..., None, :]) / 2.0).reshape(cells),
            through.reshape(cells),
        )
        return _parts(sums, 0.5 / number if small_sample else np.zeros(number.shape))


def _parts(sums: _Sums, correction: FloatArray | float) -> AlphaParts:
    chance = np.einsum("...k,...kl,...l->...", sums.shares, sums.weights, sums.shares)
    one_category = (sums.shares > 0).sum(axis=-1) < 2  # nothing to disagree about: 0 / 0
    room = np.where(one_category, np.nan, 1.0 - chance)
    eps = np.asarray(correction)

    def coefficient(eps: FloatArray) -> FloatArray:
        found: FloatArray = 1.0 - (1.0 - eps) * (1.0 - sums.agreement) / room
        return found

    def contributions(eps: FloatArray) -> FloatArray:
        eps, alpha, left = eps[..., None], coefficient(eps)[..., None], room[..., None]
        disagreeing = (1.0 - eps) * ((1.0 - sums.item_agreement) / left + sums.through_ranks)
        found: FloatArray = 1.0 - disagreeing - 2.0 * (1.0 - alpha) * (sums.item_chance - chance[..., None]) / left
        return found

    none = np.zeros_like(eps)
    return AlphaParts(
        coefficient(eps),
        coefficient(none),
        1.0 - (1.0 - eps) * (1.0 - sums.agreement),
        chance,
        contributions(eps),
        contributions(none),
    )
