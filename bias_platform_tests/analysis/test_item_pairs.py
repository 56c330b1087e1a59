import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from bias_platform.analysis.item_pairs import _most_common, paired_differences
from bias_platform.analysis.rates import clustered_rate_interval


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
