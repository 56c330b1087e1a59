"""Wilcoxon's signed-rank test against scipy, R and pingouin's effect size."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from bias_platform.statistics import ModelError, signed_rank_tests


def test_242_scores_as_r_and_pingouin() -> None:
    i = np.arange(242)
    a = 0.5 + 0.3 * np.sin(0.37 * i) + 0.05 * np.cos(1.9 * i)
    b = a + 0.02 * np.sin(2.3 * i) + 0.004
    assert [a.mean(), a.std(ddof=1), b.mean(), b.std(ddof=1)] == pytest.approx(
        [0.5028333, 0.2150596, 0.5068889, 0.2156213], abs=6e-8
    )
    found = signed_rank_tests(np.column_stack([a, b]))
    assert found.statistic[0] == 9858
    assert found.p[0] == pytest.approx(8.8683958246e-06, rel=1e-10)
    assert found.rank_biserial[0] == pytest.approx(0.32945617794, abs=1e-11)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=40),
    st.sampled_from(["wilcox", "pratt", "zsplit"]),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_scipy(rows: list[tuple[int, int]], zero_method: str, continuity: bool) -> None:
    scores = np.array(rows, dtype=float)
    apart = scores[:, 1] - scores[:, 0]
    if not apart.any():
        return
    theirs = wilcoxon(apart, method="asymptotic", zero_method=zero_method, correction=continuity)
    found = signed_rank_tests(scores, zero_method=zero_method, continuity=continuity)
    assert found.statistic[0] == pytest.approx(theirs.statistic)
    assert found.p[0] == pytest.approx(theirs.pvalue, abs=1e-12)
    if not continuity:
        assert abs(found.z[0]) == pytest.approx(abs(theirs.zstatistic), abs=1e-10)


def test_many_pairs_with_missing_scores() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(60, 6)).round(1)
    scores[rng.random((60, 6)) < 0.1] = np.nan
    found = signed_rank_tests(scores)
    assert len(found.p) == 15
    for row, (first, second) in enumerate(found.pairs):
        apart = (scores[:, second] - scores[:, first]).round(9)  # else .3 - .2 and .2 - .1 are no tie
        apart = apart[~np.isnan(apart)]
        theirs = wilcoxon(apart, method="asymptotic")
        assert (found.statistic[row], found.p[row]) == pytest.approx((theirs.statistic, theirs.pvalue), abs=1e-12)
        assert (found.items[row], found.zeros[row]) == (len(apart), (apart == 0).sum())
        nonzero = apart[apart != 0]
        ranks = np.array(
            [(np.abs(nonzero) < abs(one)).sum() + ((np.abs(nonzero) == abs(one)).sum() + 1) / 2 for one in nonzero]
        )
        assert found.rank_biserial[row] == pytest.approx((ranks * np.sign(nonzero)).sum() / ranks.sum())
        assert np.sign(found.z[row]) == np.sign(found.rank_biserial[row])


def test_turned_round_the_sign_turns() -> None:
    scores = np.random.default_rng(5).normal(size=(30, 2))
    ahead, back = signed_rank_tests(scores, [(0, 1)]), signed_rank_tests(scores, [(1, 0)])
    for name, sign in {"p": 1, "statistic": 1, "rank_biserial": -1, "z": -1}.items():
        assert getattr(ahead, name) == pytest.approx(sign * getattr(back, name))
    larger = signed_rank_tests(np.column_stack([scores[:, 0], scores[:, 0] + 1.0]))
    assert larger.rank_biserial[0] == 1.0


@pytest.mark.parametrize("zero_method", ["wilcox", "pratt", "zsplit"])
def test_no_difference_at_all(zero_method: str) -> None:
    scores = np.array([[1.0, 1.0, np.nan], [2.0, 2.0, np.nan], [np.nan, 3.0, 1.0]])
    found = signed_rank_tests(scores, [(0, 1), (0, 2)], zero_method=zero_method)
    table = found.frame(["a", "b", "c"])
    assert table.loc[0, ["p", "z", "rank_biserial", "identical", "zeros"]].tolist() == [1.0, 0.0, 0.0, True, 2]
    assert table.loc[1, ["p", "z", "rank_biserial"]].isna().all()
    assert table.loc[1, ["first_column", "second_column", "identical", "items"]].tolist() == ["a", "c", False, 0]


def test_the_level_is_kept() -> None:
    rng = np.random.default_rng(6)
    item = rng.normal(size=(80, 1))
    scores = item + rng.normal(size=(80, 6_000))
    p = signed_rank_tests(scores, np.arange(6_000).reshape(-1, 2)).p
    assert 0.04 < (p < 0.05).mean() < 0.06


@pytest.mark.parametrize(
    ("scores", "more", "says"),
    [
        ([[1.0, 2.0]], {"zero_method": "drop"}, "zero method 'drop'"),
        ([1.0, 2.0], {}, "items by columns"),
        ([[1.0, np.inf]], {}, "finite numbers"),
        ([["a", "b"]], {}, "table of numbers"),
        ([[1.0]], {}, "no pair"),
    ],
)
def test_mistakes(scores: Any, more: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        signed_rank_tests(scores, **more)
