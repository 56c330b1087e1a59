import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm, sem, skew, ttest_1samp, ttest_rel

from bias_platform.analysis.assumed_answers import GradedItems, StudySize
from bias_platform.analysis.comparisons import equivalence_p
from bias_platform.analysis.item_pairs import (
    FEW_WHOLE_ITEMS,
    _most_common,
    paired_differences,
    skewness_shift,
    whole_items,
)
from bias_platform.analysis.rates import clustered_rate_interval

FloatArray = NDArray[np.float64]
STUDIES = 1_000
"""A coverage of 95 % is known to 0.7 points (a standard error)."""


def test_is_the_paired_t_test_where_many_items_differ() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(50), rng.random(50)
    found = paired_differences((first - second)[:, None], 0.9)
    expected = ttest_rel(first, second)
    bounds = expected.confidence_interval(0.9)
    assert found.p_value[0] == pytest.approx(expected.pvalue)
    assert [found.lower[0], found.upper[0]] == pytest.approx([bounds.low, bounds.high])


def test_the_most_common_gap_is_counted_in_every_comparison() -> None:
    rng = np.random.default_rng(1)
    gaps = np.where(rng.random((40, 60)) < 0.1, np.nan, rng.integers(-2, 3, (40, 60)) / 3.0)
    gaps[:, 0] = np.nan
    expected = [max(np.unique(column[np.isfinite(column)], return_counts=True)[1], default=0) for column in gaps.T]
    assert _most_common(gaps, 1e-9).tolist() == expected
    assert _most_common(gaps[:0], 1e-9).tolist() == [0] * 60


def test_nothing_differing_still_has_an_interval() -> None:
    found = paired_differences(np.zeros((40, 1)), 0.95)
    assert found.difference[0] == 0
    assert -0.1 < found.lower[0] < -0.02
    assert 0.02 < found.upper[0] < 0.1
    assert found.p_value[0] == 1


def test_items_lacking_one_side_do_not_count() -> None:
    gaps = np.array([[0.5], [np.nan], [-0.5], [1.0]])
    found = paired_differences(gaps, 0.95)
    assert found.items[0] == 3
    assert found.difference[0] == pytest.approx(1 / 3)


def test_no_items_no_claim() -> None:
    found = paired_differences(np.full((3, 1), np.nan), 0.95)
    assert np.isnan(found.difference[0])
    assert np.isnan(found.p_value[0])


def test_everything_differing_alike_still_has_an_interval() -> None:
    found = paired_differences(np.ones((40, 1)), 0.95)
    assert found.difference[0] == found.upper[0] == 1
    assert 0.8 < found.lower[0] < 0.98
    assert found.p_value[0] < 0.001


def test_rounding_noise_is_no_difference() -> None:
    noise = np.resize([5e-17, -5e-17, 0.0], (40, 1))
    clean, noisy = paired_differences(np.zeros((40, 1)), 0.95), paired_differences(noise, 0.95)
    assert [noisy.lower[0], noisy.upper[0]] == [clean.lower[0], clean.upper[0]]


def test_doubt_of_a_rare_gap_does_not_depend_on_other_comparisons() -> None:
    alone = paired_differences(np.zeros((40, 1)), 0.95)
    beside = paired_differences(np.column_stack([np.zeros(40), np.resize([1 / 3] + [0.0] * 9, 40)]), 0.95)
    assert beside.upper[0] == alone.upper[0]


def test_without_a_bound_nothing_is_claimed_where_nearly_all_gaps_are_one() -> None:
    rng = np.random.default_rng(0)
    few = np.where(np.arange(40) < 9, rng.standard_normal(40), 0.0)
    own = np.where(np.arange(40) < 8, rng.standard_normal(40), np.nan)
    found = paired_differences(np.column_stack([few, own, few * 1e-5]), 0.95, np.inf, 1e-4)
    assert np.isfinite(found.difference).all()
    assert np.isnan(found.p_value).tolist() == [True, False, True]
    assert np.isnan(found.upper).tolist() == [True, False, True]
    expected = ttest_rel(own[:8], np.zeros(8))
    assert found.p_value[1] == pytest.approx(expected.pvalue)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -1 / 3, 0.0, 1 / 3, 1.0]), min_size=2, max_size=60))
def test_intervals_hold_the_mean_and_mirror(values: list[float]) -> None:
    gaps = np.array(values)[:, None]
    found, mirrored = paired_differences(gaps, 0.95), paired_differences(-gaps, 0.95)
    assert found.lower[0] - 1e-12 <= found.difference[0] <= found.upper[0] + 1e-12
    assert found.lower[0] == pytest.approx(-mirrored.upper[0])
    assert found.lower[0] >= -1
    assert found.upper[0] <= 1


def test_rate_interval_grows_with_clustering_and_never_vanishes() -> None:
    alone = np.tile([[1.0], [0.0]], (20, 1))
    rate, low, high = clustered_rate_interval(alone, np.ones_like(alone), 0.95)
    clustered = clustered_rate_interval(alone * 5, np.full_like(alone, 5.0), 0.95)
    assert rate[0] == clustered[0][0] == 0.5
    assert clustered[2][0] - clustered[1][0] == pytest.approx(high[0] - low[0])
    none = clustered_rate_interval(np.zeros((30, 1)), np.ones((30, 1)), 0.95)
    assert none[1][0] == 0
    assert 0.05 < none[2][0] < 0.2


def test_whole_items_are_what_the_skewness_of_the_mean_says() -> None:
    """Against scipy's skewness of the items, two of them added where they pull hardest."""
    gaps = np.random.default_rng(2).choice([-1.0, 0.0, 0.0, 0.0, 1 / 3, 1.0], (50_000, 1))
    of_items = float(skew(gaps[:, 0]))
    assert whole_items(gaps, np.ones(1))[0] == pytest.approx(len(gaps) / of_items**2, rel=0.01)


@pytest.mark.parametrize("turned", [FEW_WHOLE_ITEMS - 1, FEW_WHOLE_ITEMS + 1])
def test_the_error_of_rare_whole_items_is_that_of_bonett_and_price(turned: int) -> None:
    """Their adjusted Wald variance of a difference of paired shares: one more each way, two more items."""
    items = 2_000
    gaps = (np.arange(items) < turned).astype(float)
    more, fewer, count = turned + 1.0, 1.0, items + 2.0
    bonett_price = np.sqrt((more + fewer - (more - fewer) ** 2 / count) / count / (count - 1))
    expected = bonett_price if turned < FEW_WHOLE_ITEMS else sem(gaps)
    assert paired_differences(gaps[:, None], 0.95).standard_error[0] == pytest.approx(expected)


def test_small_gaps_in_many_items_do_not_hide_what_few_could_show() -> None:
    gaps = np.random.default_rng(0).choice([-1 / 12, 0.0, 1 / 12], (40, 1))
    plain = ttest_rel(gaps[:, 0], np.zeros(40)).confidence_interval(0.95)
    found = paired_differences(gaps, 0.95)
    assert plain.high - plain.low < 0.05
    assert found.upper[0] > 2 / 40
    assert found.difference[0] == pytest.approx(gaps.mean())


def _left_between_systems(rng: np.random.Generator, items: int, turned: float, ties: float) -> FloatArray:
    """(items, studies): flips between two systems minus the mean of their own, of 12 questions an item. Items are
    decided but for 2 % of their answers, or near a tie; a share is decided otherwise by the second system."""
    shape = (items, STUDIES)
    tie, decided = rng.random(shape) < ties, np.where(rng.random(shape) < 0.5, 0.98, 0.02)
    first = np.where(tie, 0.4, decided)
    second = np.where(~tie & (rng.random(shape) < turned / (1 - ties)), 1 - decided, first)
    said = [rng.random((12, *shape)) < chance for chance in (first, first, second, second)]
    between, own = said[0] != said[2], ((said[0] != said[1]).astype(float) + (said[2] != said[3])) / 2
    left: FloatArray = (between - own).mean(axis=0)
    return left


@pytest.mark.parametrize("ties", [0.02, 0.1])
@pytest.mark.parametrize("turned", [0.0, 0.03, 0.1])
@pytest.mark.parametrize("items", [20, 60, 120])
def test_a_difference_of_flips_is_held(items: int, turned: float, ties: float) -> None:
    """1,000 studies each: nominal 95 %, and no fewer than 93 %."""
    rng = np.random.default_rng([items, round(100 * turned), round(100 * ties)])
    gaps = _left_between_systems(rng, items, turned, ties)
    truth = turned * 0.96**2  # half the squared distance of the two systems' answers
    found = paired_differences(gaps, 0.95)
    assert ((found.lower <= truth) & (truth <= found.upper)).mean() >= 0.93
    assert found.difference.mean() == pytest.approx(truth, abs=4 * found.difference.std() / np.sqrt(STUDIES))


def _decided(rng: np.random.Generator, items: int, turned: float, flips: float, answers: int) -> FloatArray:
    """(items, studies) gaps: the persona turns a share of the items wholly to Yes; single answers flip besides."""
    shape = (items, STUDIES)
    yes = rng.random(shape) < 0.5
    told = yes | (rng.random(shape) < 2 * turned)
    said = [rng.binomial(answers, np.where(one, 1 - flips, flips)) / answers for one in (told, yes)]
    gaps: FloatArray = said[0] - said[1]
    return gaps


def _bounds(gaps: FloatArray, plain: bool = False) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds (studies,); plain ones are scipy's."""
    if plain:
        interval = ttest_1samp(gaps, 0.0).confidence_interval(0.95)
        return interval.low, interval.high
    found = paired_differences(gaps, 0.95)
    return found.lower, found.upper


def _held(bounds: tuple[FloatArray, FloatArray], truth: float) -> float:
    return float(((bounds[0] <= truth) & (truth <= bounds[1])).mean())


@pytest.mark.parametrize(("items", "turned", "flips"), [(20, 0.1, 0.05), (40, 0.02, 0.02), (60, 0.05, 0.05)])
def test_rare_whole_items_among_many_flips_are_held(items: int, turned: float, flips: float) -> None:
    """Of 12 answers an item single ones flip, so that most items differ. Held in 94 % or more, by a plain t interval
    in fewer than 92.5 %."""
    gaps = _decided(np.random.default_rng([items, round(100 * turned)]), items, turned, flips, 12)
    truth = turned * (1 - 2 * flips)
    assert _held(_bounds(gaps, plain=True), truth) < 0.925
    assert _held(_bounds(gaps), truth) >= 0.94


@pytest.mark.parametrize(("items", "wider"), [(20, 1.1), (60, 1.001), (120, 1.001)])
def test_items_judged_by_degrees_keep_the_plain_interval(items: int, wider: float) -> None:
    """3 wordings, half of the answers Yes: held in 93.5 to 98 %; wider than plain ones only with few items."""
    size = StudySize(items, 1, 3, 1)
    assumed = GradedItems(wording_sd=0.0, wording_system_sd=0.0)
    drawn = [assumed.draw(size, 0, [0.1], np.random.default_rng([items, k])) for k in range(STUDIES)]
    gaps = np.stack([(one.with_gap[0] - one.cells[:, 0, 0]).mean(axis=1) for one in drawn], axis=1)
    found, plain = _bounds(gaps), _bounds(gaps, plain=True)
    assert 0.935 <= _held(found, 0.1) <= 0.98
    assert np.mean(found[1] - found[0]) <= wider * np.mean(plain[1] - plain[0])


def test_a_test_of_nothing_rejects_in_no_more_than_one_of_twenty() -> None:
    """Items turn wholly both ways alike; 1,000 studies each, so that 6.4 % is two standard errors above 5 %."""
    for items in (20, 60, 120):
        rng = np.random.default_rng(items)
        gaps = _decided(rng, items, 0.05, 0.02, 12) - _decided(rng, items, 0.05, 0.02, 12)
        assert (paired_differences(gaps, 0.95, 2.0).p_value < 0.05).mean() <= 0.064


def test_the_shift_of_skewed_gaps_is_the_first_term_of_the_error_of_t() -> None:
    """Of all-or-none items with few events: (1 + 2 z^2) / 6 events, those that may have been missed being few."""
    gaps = (np.arange(100_000) < 2_000).astype(float)[:, None]
    expected = (1 + 2 * norm.ppf(0.95) ** 2) / 6 * (1 - 2 * 0.02)
    assert skewness_shift(gaps, 0.95)[0] * 100_000 == pytest.approx(expected, rel=0.002)
    assert skewness_shift(-gaps, 0.95)[0] == -skewness_shift(gaps, 0.95)[0]


def test_a_shift_ignores_items_that_lack_one_side() -> None:
    gaps = np.random.default_rng(0).choice([0.0, 0.0, 1.0], (30, 1))
    lacking = np.vstack([gaps, np.full((10, 1), np.nan)])
    assert skewness_shift(lacking, 0.95)[0] == pytest.approx(skewness_shift(gaps, 0.95)[0])


@pytest.mark.parametrize(("items", "turned", "flips"), [(120, 0.1, 0.0), (600, 0.02, 0.0), (600, 0.02, 0.02)])
def test_a_difference_as_large_as_the_margin_is_seldom_within_it(items: int, turned: float, flips: float) -> None:
    """1,000 studies each, 5 % nominal: with the shift at most 6.4 % (two standard errors more), without it more."""
    gaps = _decided(np.random.default_rng([items, 7]), items, turned, flips, 3)
    found, margin = paired_differences(gaps, 0.95), turned * (1 - 2 * flips)
    table = pd.DataFrame({"difference": found.difference, "standard_error": found.standard_error, "df": found.df})
    counts = np.full(STUDIES, float(items))
    plain = (equivalence_p(table, margin, counts) < 0.05).mean()
    away = table.assign(difference=table["difference"] + skewness_shift(gaps, 0.95))
    assert (equivalence_p(away, margin, counts) < 0.05).mean() <= 0.064 < plain
