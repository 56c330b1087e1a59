"""Adjusted p values and simultaneous intervals: what is known exactly, what must always hold, and the error rate."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm, studentized_range
from scipy.stats import t as student

from bias_platform.statistics import (
    Estimates,
    EstimateSet,
    LargestStatistic,
    ModelError,
    adjust_p_values,
    all_pairs,
    largest_statistic,
    versus_reference,
    within_group_spread,
)
from bias_platform.statistics.families import ADJUSTMENTS
from bias_platform.statistics.multiplicity import METHODS
from bias_platform.statistics.studentized_range import studentized_range_quantile, studentized_range_tail

FEW = 2**13
"""Directions in tests of what must hold whatever the Monte-Carlo error."""
STATISTICS = np.linspace(0.0, 9.0, 60)


def pair_covariance(covariance: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(len(covariance), 1)
    weights = np.eye(len(covariance))[second] - np.eye(len(covariance))[first]
    return weights @ covariance @ weights.T


@st.composite
def families(draw: st.DrawFn) -> tuple[np.ndarray, float, np.ndarray]:
    """A covariance of any rank, degrees of freedom and statistics."""
    count, seed = draw(st.integers(2, 9)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((count, draw(st.integers(1, count)))) * 10.0 ** rng.uniform(-3, 3, (count, 1))
    df = draw(st.sampled_from([np.inf, 1.0, 4.5, 30.0]))
    return root @ root.T, df, rng.uniform(0, 8, count) * rng.choice([-1, 1], count)


@pytest.mark.parametrize("df", [np.inf, 12.0, 2.0])
@pytest.mark.parametrize("means", [2, 3, 5, 27])
def test_all_pairs_of_independent_means_are_the_studentized_range(means: int, df: float) -> None:
    largest = largest_statistic(pair_covariance(np.eye(means)), df)
    exact = studentized_range_tail(np.sqrt(2.0) * STATISTICS, means, df)
    difference = np.abs(largest.p_values(STATISTICS) - exact)
    assert largest.rank == means - 1
    assert difference.max() < 3e-4
    assert difference[exact < 0.2].max() < 1.5e-4  # which directions are drawn depends on the processor's LAPACK
    assert difference[exact < 0.1].max() < 1e-4
    tiny = (exact < 0.05) & (exact > 1e-13)
    assert np.abs(np.log(largest.p_values(STATISTICS)[tiny] / exact[tiny])).max(initial=0.0) < 0.11
    assert largest.critical_value(0.95) == pytest.approx(
        studentized_range_quantile(0.95, means, df) / np.sqrt(2), abs=1e-3
    )


@pytest.mark.parametrize("contrasts", [1, 2, 26, 130])
@pytest.mark.parametrize("one_sided", [False, True])
def test_independent_contrasts(contrasts: int, one_sided: bool) -> None:
    largest = largest_statistic(np.diag(np.arange(1.0, contrasts + 1)), one_sided=one_sided)
    at = np.linspace(-3, 9, 80) if one_sided else STATISTICS
    single = norm.sf(at) if one_sided else 2 * norm.sf(at)
    with np.errstate(divide="ignore"):
        exact = -np.expm1(contrasts * np.log1p(-single))
    difference = np.abs(largest.p_values(at) - exact)
    assert difference.max() < 1e-3
    assert difference[exact < 0.2].max() < 3e-4
    errors = largest.errors(at)
    assert (difference <= 5 * errors + 1e-5).all()


def test_perfectly_correlated_contrasts_are_one() -> None:
    signs = np.array([1.0, -2.0, 3.0])
    largest = largest_statistic(np.outer(signs, signs), 7.0)
    assert largest.p_values(STATISTICS) == pytest.approx(2 * student.sf(STATISTICS, 7.0), rel=1e-5, abs=1e-15)
    assert largest.critical_value(0.9) == pytest.approx(student.ppf(0.95, 7.0), abs=1e-5)
    opposite = largest_statistic([[1.0, -1.0], [-1.0, 1.0]], one_sided=True)
    assert opposite.p_values([1.5, 0.0, -1.0]) == pytest.approx([2 * norm.sf(1.5), 1.0, 1.0], rel=1e-5)


def test_two_contrasts_are_the_bivariate_normal() -> None:
    correlation = np.array([[1.0, 0.7], [0.7, 1.0]])
    largest, box = largest_statistic(correlation, one_sided=True), multivariate_normal(cov=correlation)
    for value in (-1.0, 0.0, 1.3, 2.5):
        assert largest.p_values(value) == pytest.approx(1 - box.cdf([value, value]), abs=2e-5)


@settings(max_examples=25, deadline=None)
@given(family=families())
def test_between_raw_and_bonferroni_and_in_order(family: tuple[np.ndarray, float, np.ndarray]) -> None:
    covariance, df, statistics = family
    raw = 2 * student.sf(np.abs(statistics), df)
    p = largest_statistic(covariance, df, directions=FEW).p_values(statistics)
    assert (p >= raw * (1 - 1e-12)).all()
    assert (p <= adjust_p_values(raw, "bonferroni") * (1 + 1e-12)).all()
    order = np.argsort(-np.abs(statistics))
    assert (np.diff(p[order]) >= -1e-12).all()


@settings(max_examples=25, deadline=None)
@given(family=families(), seed=st.integers(0, 10_000))
def test_order_sign_and_scale_of_contrasts_do_not_matter(
    family: tuple[np.ndarray, float, np.ndarray], seed: int
) -> None:
    covariance, df, statistics = family
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(covariance))
    scale = (10.0 ** rng.uniform(-2, 2, len(order))) * rng.choice([-1, 1], len(order))
    one = largest_statistic(covariance, df, directions=FEW)
    other = largest_statistic((covariance * np.outer(scale, scale))[np.ix_(order, order)], df, directions=FEW)
    noise = np.hypot(one.errors(statistics), other.errors(statistics))
    assert (np.abs(one.p_values(statistics) - other.p_values(statistics)) <= 6 * noise + 2e-5).all()


@settings(max_examples=25, deadline=None)
@given(family=families(), level=st.floats(0.01, 0.9999))
def test_critical_value_and_p_agree(family: tuple[np.ndarray, float, np.ndarray], level: float) -> None:
    covariance, df, _ = family
    for one_sided in (False, True):
        largest = largest_statistic(covariance, df, one_sided=one_sided, directions=FEW)
        assert largest.p_values(largest.critical_value(level)) == pytest.approx(1 - level, rel=1e-4)


def test_contrasts_that_cannot_be_estimated_do_not_count() -> None:
    full = np.full((4, 4), np.nan)
    full[np.ix_([0, 2], [0, 2])] = [[1.0, 0.3], [0.3, 2.0]]
    full[3, 3] = 0.0
    some, whole = largest_statistic(full), largest_statistic([[1.0, 0.3], [0.3, 2.0]])
    assert some.contrasts == 2
    assert some.p_values([2.0, np.nan, 1.0]) == pytest.approx(whole.p_values([2.0, np.nan, 1.0]), nan_ok=True)
    nothing = largest_statistic(np.full((2, 2), np.nan))
    assert np.isnan(nothing.p_values([1.0, np.nan])).all()
    assert np.isnan(nothing.errors([1.0])).all()
    assert np.isnan(nothing.critical_value())


def test_extreme_statistics() -> None:
    largest = largest_statistic(np.eye(3), 5.0, directions=FEW)
    assert largest.p_values([0.0, np.inf, -np.inf, 1e300]).tolist() == pytest.approx([1.0, 0.0, 0.0, 0.0], abs=1e-12)
    assert largest.p_values(np.zeros((2, 0))).shape == (2, 0)
    assert largest.p_values(2.0).shape == ()


def test_claimed_errors_are_the_spread_over_seeds() -> None:
    covariance, at = pair_covariance(np.diag(np.linspace(0.5, 2.0, 8)) + 0.1), np.array([2.0, 2.5, 3.0, 3.5])
    several = [largest_statistic(covariance, directions=FEW, seed=seed) for seed in range(25)]
    spread = np.std([one.p_values(at) for one in several], axis=0, ddof=1)
    claimed = np.mean([one.errors(at) for one in several], axis=0)
    assert (np.abs(np.log(spread / claimed)) < 0.5).all()


def test_same_seed_same_numbers() -> None:
    one, other = (largest_statistic(pair_covariance(np.eye(4)), directions=FEW, seed=3) for _ in range(2))
    assert np.array_equal(one.p_values(STATISTICS), other.p_values(STATISTICS))


def test_hundreds_of_pairs() -> None:
    p = largest_statistic(pair_covariance(np.eye(27))).p_values(np.linspace(0, 6, 351))
    assert (np.diff(p) <= 0).all()
    assert (p[0], p[-1] < 1e-5) == (1.0, True)


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ModelError, match=r"shape \(2, 3\)"):
        largest_statistic(np.ones((2, 3)))
    with pytest.raises(ModelError, match=r"0\.0 degrees of freedom"):
        largest_statistic(np.eye(2), 0.0)
    with pytest.raises(ModelError, match="between 0 and 1"):
        LargestStatistic(1, 1, np.inf, False, None).critical_value(1.0)


@pytest.mark.parametrize("df", [1.0, 3.5, 12.0, 200.0, np.inf])
@pytest.mark.parametrize("means", [2, 7, 40])
def test_studentized_range_is_that_of_scipy(means: int, df: float) -> None:
    at = np.array([0.01, 1.0, 2.5, 4.0, 7.0])
    assert studentized_range_tail(at, means, df) == pytest.approx(studentized_range.sf(at, means, df), abs=1e-6)
    found = studentized_range_quantile(0.95, means, df)
    assert studentized_range.sf(found, means, df) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("df", [np.inf, 8.0])
def test_error_rate_of_true_nulls_is_five_percent(df: float) -> None:
    rng = np.random.default_rng(11)
    root = rng.standard_normal((7, 7)) + 0.7
    covariance = pair_covariance(root @ root.T)
    draws = rng.multivariate_normal(np.zeros(21), covariance, 20_000, method="eigh") / np.sqrt(np.diag(covariance))
    if np.isfinite(df):
        draws /= np.sqrt(rng.chisquare(df, (20_000, 1)) / df)
    largest = np.abs(draws).max(axis=1)
    distribution = largest_statistic(covariance, df)
    assert np.mean(largest > distribution.critical_value(0.95)) == pytest.approx(0.05, abs=0.005)
    assert np.mean(distribution.p_values(largest[:4000]) < 0.05) == pytest.approx(0.05, abs=0.011)


def means_of(systems: list[str], personas: int, covariance: np.ndarray | None = None) -> EstimateSet:
    labels = pd.DataFrame([(s, f"p{k}") for s in systems for k in range(personas)], columns=["system", "persona"])
    values = np.random.default_rng(2).normal(0, 2, len(labels))
    return EstimateSet(labels, {"link": Estimates(values, np.eye(len(labels)) if covariance is None else covariance)})


@pytest.mark.parametrize("adjust", ADJUSTMENTS)
def test_frame_adds_columns_and_changes_none(adjust: str) -> None:
    gaps = all_pairs(means_of(["base"], 4), "persona")
    plain, frame = gaps.frame("link"), gaps.frame("link", adjust=adjust)
    pd.testing.assert_frame_equal(frame[plain.columns], plain)
    added = [] if adjust == "none" else ["adjusted_p", "simultaneous_lower", "simultaneous_upper"]
    assert list(frame.columns) == [*plain.columns, *added]
    if adjust in METHODS:
        assert frame["adjusted_p"].to_numpy() == pytest.approx(adjust_p_values(plain["p"], adjust))
        assert frame["simultaneous_lower"].isna().all() == (adjust != "bonferroni")
    elif adjust != "none":
        outside = (frame["simultaneous_lower"] > 0) | (frame["simultaneous_upper"] < 0)
        assert (outside == (frame["adjusted_p"] < 0.05)).all()


@pytest.mark.parametrize("df", [np.inf, 9.0])
def test_intervals_get_wider_from_single_step_to_bonferroni(df: float) -> None:
    gaps = all_pairs(means_of(["base"], 6), "persona")
    widths = {}
    for adjust in ("mvt", "tukey", "bonferroni"):
        frame = gaps.frame("link", adjust=adjust, degrees_of_freedom=df)
        widths[adjust] = (frame["simultaneous_upper"] - frame["simultaneous_lower"]).to_numpy()
    assert widths["mvt"] == pytest.approx(widths["tukey"], rel=2e-4)
    assert (widths["tukey"] < widths["bonferroni"]).all()


@pytest.mark.parametrize("adjust", ADJUSTMENTS[1:])
def test_families_are_adjusted_apart(adjust: str) -> None:
    gaps = all_pairs(means_of(["base", "tuned"], 4), "persona")
    whole = gaps.frame("link", adjust=adjust, families="system").set_index("system")
    for system in ("base", "tuned"):
        part = gaps.subset(gaps.labels["system"] == system).frame("link", adjust=adjust).set_index("system")
        pd.testing.assert_frame_equal(whole.loc[[system]], part)


def test_tukey_counts_the_means_that_can_be_estimated() -> None:
    means = means_of(["base"], 5)
    means.on("link").values[4] = np.nan
    gaps = all_pairs(means, "persona")
    frame = gaps.frame("link", adjust="tukey")
    known = frame["p"].notna()
    assert (known.sum(), frame["adjusted_p"].notna().sum()) == (6, 6)
    alone = gaps.subset(known).frame("link", adjust="tukey")
    assert frame.loc[known, "adjusted_p"].to_numpy() == pytest.approx(alone["adjusted_p"].to_numpy())
    wider = gaps.frame("link", adjust="tukey", number_of_means=5)
    assert (wider["adjusted_p"] >= frame["adjusted_p"])[known].all()


def test_tukey_refuses_what_is_not_all_pairs() -> None:
    means = means_of(["base", "tuned"], 4)
    with pytest.raises(ModelError, match="12 contrasts of 4 means are in one family"):
        all_pairs(means, "persona").frame("link", adjust="tukey")
    with pytest.raises(ModelError, match="3 contrasts of 4 means"):
        versus_reference(means, "persona", "p0").frame("link", adjust="tukey", families="system")
    with pytest.raises(ModelError, match="4 means have 6 pairs, but 12 contrasts"):
        all_pairs(means, "persona").frame("link", adjust="tukey", number_of_means=4)
    with pytest.raises(ModelError, match="labelled by 'level' and 'reference'"):
        means.frame("link", adjust="tukey")


def test_frame_errors() -> None:
    gaps = all_pairs(means_of(["base", "tuned"], 3), "persona")
    with pytest.raises(ModelError, match=r"Unknown adjustment 'sidak'.*mvt, tukey"):
        gaps.frame("link", adjust="sidak")
    with pytest.raises(ModelError, match=r"not labelled by 'sistem' \(did you mean system"):
        gaps.frame("link", adjust="mvt", families=["sistem"])
    with pytest.raises(ModelError, match="level of an interval is 1"):
        gaps.frame("link", adjust="tukey", families="system", level=1.0)


def test_the_range_stands_on_the_same_distribution() -> None:
    values, means = np.array([0.0, 0.0, 3.0, 6.0, 9.0]), 5
    for df in (np.inf, 11.0):
        found = within_group_spread(values, 0.5 * np.eye(means), degrees_of_freedom=df).range
        assert found.lower == pytest.approx(9.0 - studentized_range_quantile(0.95, means, df) / np.sqrt(2), abs=0.01)
    exact = within_group_spread(values, np.zeros((means, means)), degrees_of_freedom=10.0).range
    assert (exact.lower, exact.estimate, exact.upper) == (9.0, 9.0, 9.0)
