"""Variances told for studies of other sizes, held against the report's own and against known ones."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from bias_platform.analysis.comparisons import PairedGaps, compared
from bias_platform.analysis.gap_variance import GapVariance, WordingPart
from bias_platform.analysis.item_pairs import paired_differences

FloatArray = NDArray[np.float64]
STILL = WordingPart(0.0, 6.0)
PILOTS = 200


def _answered(rng: np.random.Generator, chance: float, lost: float = 0.0) -> FloatArray:
    """(items, personas, wordings) gaps of 0/1 answers, some of them lost."""
    gaps = (rng.random((40, 5, 3)) < chance).astype(float) - (rng.random((40, 5, 3)) < 0.1)
    return np.where(rng.random(gaps.shape) < lost, np.nan, gaps)


@pytest.mark.parametrize("chance", [0.02, 0.1, 0.5])
def test_at_its_own_size_it_is_the_error_of_the_report(chance: float) -> None:
    by_wording = _answered(np.random.default_rng(0), chance)
    gaps = by_wording.mean(axis=2)
    found, expected = (
        GapVariance(gaps, by_wording, STILL).predicted(40, 3, beyond=False),
        paired_differences(gaps, 0.95),
    )
    assert np.sqrt(found.total) == pytest.approx(expected.standard_error, rel=1e-12)
    assert found.df.tolist() == expected.df.tolist()


def test_beyond_wording_too() -> None:
    by_wording, wording = _answered(np.random.default_rng(1), 0.4), WordingPart(0.003, 8.0)
    gaps = by_wording.mean(axis=2)
    found = GapVariance(gaps, by_wording, wording).predicted(40, 3, beyond=True)
    paired = PairedGaps(gaps, 0.003 * np.eye(5), np.full(5, 8.0), 1.0, 1e-9)
    expected = compared(pd.DataFrame({"persona": range(5)}), paired, 0.95)
    assert np.sqrt(found.total) == pytest.approx(expected["standard_error"].to_numpy(), rel=1e-12)
    assert found.df == pytest.approx(expected["df"].to_numpy(), rel=1e-12)


def test_items_that_lack_a_wording_are_taken_to_be_like_the_others() -> None:
    whole = _answered(np.random.default_rng(2), 0.4)
    lacking = whole.copy()
    lacking[::2, :, 0] = np.nan
    full, part = (GapVariance(np.nanmean(one, axis=2), one, STILL) for one in (whole, lacking))
    half = GapVariance(whole[1::2].mean(axis=2), whole[1::2], STILL)
    assert part.within.sum(axis=0) / 39 == pytest.approx(half.within.sum(axis=0) / 19 * 19 / 20 * 40 / 39)
    assert np.isfinite(part.predicted(80, 5, beyond=False).total).all()
    assert full.wordings == part.wordings == 3


def test_where_nothing_differs_nothing_is_known_of_the_variance() -> None:
    found = GapVariance(np.zeros((40, 2)), np.zeros((40, 2, 3)), STILL).predicted(80, 3, beyond=False)
    assert np.isinf(found.known_df).all()
    assert np.sqrt(found.total) == pytest.approx(paired_differences(np.zeros((80, 2)), 0.95).standard_error)


def test_items_as_far_from_the_mean_as_each_other_know_no_more_than_normal_ones() -> None:
    """Two items always are; so are halves that answer in opposite ways."""
    pair = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = GapVariance(pair, pair[:, :, None], STILL).predicted(2, 1, beyond=False)
    assert found.known_df == pytest.approx([8 / 5] * 2)
    halves = np.repeat([[1.0], [-1.0]], 20, axis=0)
    found = GapVariance(halves, halves[:, :, None], STILL).predicted(40, 1, beyond=False)
    assert found.known_df == pytest.approx([39.0])


def test_the_cap_is_what_normal_gaps_with_one_control_have() -> None:
    """4,000 studies: degrees of freedom of the mean of 6 variances, within 3 standard errors (2.2 % each)."""
    rng, items, personas = np.random.default_rng(3), 20, 6
    cells = rng.standard_normal((4000, items, personas + 1))
    pooled = (cells[:, :, 1:] - cells[:, :, :1]).var(axis=1, ddof=1).mean(axis=1)
    expected = (items - 1) * 4 * personas / (personas + 3)
    assert 2 * pooled.mean() ** 2 / pooled.var() == pytest.approx(expected, rel=0.07)


def test_items_without_a_pair_do_not_count() -> None:
    whole = _answered(np.random.default_rng(4), 0.4)
    lacking = whole.copy()
    lacking[:10, 0] = np.nan
    lacking[10:12] = np.nan
    full, part = (GapVariance(one.mean(axis=2), one, STILL) for one in (whole, lacking))
    assert part.paired.tolist() == [0.7] + [0.95] * 4
    assert part.predicted(80, 3, beyond=False).items.tolist() == [56.0] + [76.0] * 4
    own = paired_differences(lacking.mean(axis=2), 0.95)
    found = part.predicted(40, 3, beyond=False)
    assert np.sqrt(found.total) == pytest.approx(own.standard_error, rel=1e-12)
    assert found.df == pytest.approx(own.df, rel=1e-12)
    assert (found.known_df < full.predicted(40, 3, beyond=False).known_df * 1.2).all()


OF_ITEMS, OF_ANSWERS, OF_WORDINGS = 0.04, 0.3, 0.004
"""Variances of a difference: persona on an item, a single answer, persona in a wording."""


def _pilot(rng: np.random.Generator, personas: int = 8, items: int = 60, wordings: int = 3) -> GapVariance:
    """Normal gaps of persona and control with known variances; the control is shared."""
    shape = (items, personas + 1, wordings)
    cells = np.sqrt(OF_ITEMS / 2) * rng.standard_normal((*shape[:2], 1))
    cells = cells + np.sqrt(OF_WORDINGS / 2) * rng.standard_normal((1, *shape[1:]))
    cells = cells + np.sqrt(OF_ANSWERS / 2) * rng.standard_normal(shape)
    gaps = cells[:, 1:] - cells[:, :1]
    means = cells.mean(axis=0)
    apart = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    df = personas * (wordings - 1.0)
    own = np.maximum(0.0, 2 * (apart**2).sum() / df - OF_ANSWERS / items) / wordings
    return GapVariance(gaps.mean(axis=2), gaps, WordingPart(float(own), df))


@pytest.mark.parametrize(("items", "wordings"), [(60, 3), (120, 3), (60, 10), (240, 10)])
@pytest.mark.parametrize("beyond", [False, True])
def test_known_variances_are_told_for_other_sizes(items: int, wordings: int, beyond: bool) -> None:
    """200 pilots of 60 items and 3 wordings: no bias beyond 6 % of the variance, and 95 % intervals hold in 90 % or
    more (Monte-Carlo standard error of a coverage 1.5 points)."""
    truth = (OF_ITEMS + OF_ANSWERS / wordings) / items + (OF_WORDINGS / wordings if beyond else 0.0)
    told, held = [], []
    for seed in range(PILOTS):
        found = _pilot(np.random.default_rng([7, seed])).predicted(items, wordings, beyond)
        total, df = float(np.median(found.total)), float(np.median(found.known_df))
        told.append(total)
        held.append(total * df / chi2.ppf(0.975, df) <= truth <= total * df / chi2.ppf(0.025, df))
    assert np.mean(told) == pytest.approx(truth, rel=0.06)
    assert np.mean(held) >= 0.9
