"""Intervals near zero: exact where items have all or none, and right however events fall on items."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from bias_platform.analysis import rare_intervals
from bias_platform.analysis.rare_intervals import FEW_ITEMS, rare_rate_interval
from bias_platform.analysis.rates import clustered_rate_interval

FloatArray = NDArray[np.float64]
QUESTIONS = 84
"""Of an item."""
STUDIES = 400


@pytest.mark.parametrize(("events", "items"), [(0, 50), (0, 2), (1, 50), (5, 50), (14, 400), (12, 12), (1, 1)])
def test_all_or_none_items_have_the_interval_of_clopper_and_pearson(events: int, items: int) -> None:
    hit = (np.arange(items) < events).astype(float)
    exact = binomtest(events, items).proportion_ci(0.95)
    rate, lower, upper = rare_rate_interval(hit * QUESTIONS, np.full(items, float(QUESTIONS)), 0.95)
    assert rate == events / items
    tolerance = 1e-12 if events == 0 else 0.015 * (1 if events == items else events / items + 0.2)
    assert [lower, upper] == pytest.approx([exact.low, exact.high], abs=tolerance)


def test_no_event_is_the_rule_of_three() -> None:
    upper = rare_rate_interval(np.zeros(100), np.ones(100), 0.9)[2]
    assert upper == pytest.approx(3.0 / 100, rel=0.02)


def test_with_events_in_many_items_it_is_the_clustered_interval() -> None:
    rng = np.random.default_rng(0)
    events = rng.binomial(QUESTIONS, 0.05, 60).astype(float)
    chances = np.full(60, float(QUESTIONS))
    assert np.count_nonzero(events) >= FEW_ITEMS
    expected = [float(bound[0]) for bound in clustered_rate_interval(events[:, None], chances[:, None], 0.95)]
    assert rare_rate_interval(events, chances, 0.95) == pytest.approx(expected)


def test_items_without_a_chance_do_not_count() -> None:
    events, chances = np.array([0.0, 2, 0, 0]), np.array([4.0, 4, 4, 0])
    assert rare_rate_interval(events, chances, 0.95) == rare_rate_interval(events[:3], chances[:3], 0.95)
    assert np.isnan(rare_rate_interval(np.zeros(2), np.zeros(2), 0.95)).all()


def test_more_events_never_lower_the_bounds() -> None:
    chances = np.full(50, float(QUESTIONS))
    found = [rare_rate_interval(np.where(np.arange(50) < 3, k, 0.0), chances, 0.95) for k in range(0, QUESTIONS, 7)]
    assert (np.diff([bound[1] for bound in found]) >= 0).all()
    assert (np.diff([bound[2] for bound in found]) >= 0).all()


def _even(rng: np.random.Generator, items: int) -> FloatArray:
    return np.full(items, 0.004)


def _near_ties(rng: np.random.Generator, items: int) -> FloatArray:
    return np.where(rng.random(items) < 0.06, 0.3, 0.0)


def _whole_items(rng: np.random.Generator, items: int) -> FloatArray:
    return (rng.random(items) < 0.03).astype(float)


def _skewed(rng: np.random.Generator, items: int) -> FloatArray:
    return rng.beta(0.05, 0.05 * 0.99 / 0.01, items)


@pytest.mark.parametrize("items", [20, 60, 120])
@pytest.mark.parametrize(
    ("rates", "truth"), [(_even, 0.004), (_near_ties, 0.018), (_whole_items, 0.03), (_skewed, 0.01)]
)
def test_it_holds_the_true_rate(
    monkeypatch: pytest.MonkeyPatch,
    rates: Callable[[np.random.Generator, int], FloatArray],
    truth: float,
    items: int,
) -> None:
    """In 400 studies each: nominal 95 %, and no fewer than 92 % (Monte-Carlo standard error about 1 %)."""
    monkeypatch.setattr(rare_intervals, "_DRAWS", 1000)
    rng = np.random.default_rng([items, round(1e4 * truth)])
    chances = np.full(items, float(QUESTIONS))
    held = 0
    for _ in range(STUDIES):
        events = rng.binomial(QUESTIONS, rates(rng, items)).astype(float)
        _, lower, upper = rare_rate_interval(events, chances, 0.95)
        held += lower <= truth <= upper
    assert held >= 0.92 * STUDIES


def test_the_clustered_interval_alone_would_not() -> None:
    """Why there are two: with few and uneven flips the spread among items denies what was not seen."""
    rng = np.random.default_rng(3)
    chances = np.full((20, 1), float(QUESTIONS))
    held = 0
    for _ in range(STUDIES):
        events = rng.binomial(QUESTIONS, _skewed(rng, 20)).astype(float)[:, None]
        _, lower, upper = clustered_rate_interval(events, chances, 0.95)
        held += bool(lower[0] <= 0.01 <= upper[0])
    assert held < 0.9 * STUDIES
