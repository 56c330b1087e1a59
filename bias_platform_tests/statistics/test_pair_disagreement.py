"""Disagreement of pairs, McNemar's test against statsmodels and by simulation; Wilson's interval, and recall."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from bias_platform.statistics import (
    ModelError,
    paired_alpha_tests,
    pairwise_disagreement,
    proportion_interval,
    recall_on_subset,
)
from bias_platform.statistics.pair_disagreement import mcnemar_p
from bias_platform_tests.statistics.agreement_cases import random_codes


def test_each_pair_by_hand() -> None:
    codes = random_codes(1, 80, 5, 4, 0.1)
    found = pairwise_disagreement(codes, positive=[1, 2])
    for row in found.itertuples():
        both = codes[(codes[:, row.first] >= 0) & (codes[:, row.second] >= 0)][:, [row.first, row.second]]
        yes = np.isin(both, [1, 2])
        assert row.items == len(both)
        assert row.different == (both[:, 0] != both[:, 1]).sum()
        assert (row.first_only, row.second_only) == ((yes[:, 0] & ~yes[:, 1]).sum(), (~yes[:, 0] & yes[:, 1]).sum())
        assert row.difference == pytest.approx(yes[:, 1].mean() - yes[:, 0].mean())
        assert row.sign == np.sign(row.difference)
        table = [[0, row.first_only], [row.second_only, 0]]
        assert row.exact_p == pytest.approx(mcnemar(table, exact=True).pvalue)
        wilson = binomtest(row.different, row.items).proportion_ci(0.95, "wilson")
        assert (row.lower, row.upper) == pytest.approx((wilson.low, wilson.high))


def test_blind_spot_of_differences_in_agreement() -> None:
    """Columns that err on different items equally often: no difference in agreement, 24 % of items differ."""
    base = np.tile([0, 1], 50)
    columns = np.stack([base, base], axis=1)
    columns[:12, 0] ^= 1
    columns[12:24, 1] ^= 1
    assert paired_alpha_tests(base, columns).t[0] == pytest.approx(0.0, abs=1e-9)
    found = pairwise_disagreement(columns, positive=1).iloc[0]
    assert (found["share"], found["sign"]) == (0.24, 0)
    assert found["lower"] > 0.15


def test_mid_p() -> None:
    """Twice the tail less half of what was observed; published example: 1 against 7 pairs."""
    exact, mid = mcnemar_p(np.array([7, 3, 0, 0]), np.array([1, 3, 0, 5]))
    assert exact == pytest.approx([2 * 9 / 256, 1.0, 1.0, 2 / 32])
    assert mid == pytest.approx([0.0391, 1.0, 1.0, 1 / 32], abs=5e-5)


@pytest.mark.parametrize("discordant", [8, 25, 60])
def test_the_level_is_kept(discordant: int) -> None:
    """Exactly, over all outcomes: the exact test below 5 %, the mid-p test nearer to it."""
    first = np.arange(discordant + 1)
    weight = binom.pmf(first, discordant, 0.5)
    exact, mid = (weight[p < 0.05].sum() for p in mcnemar_p(first, discordant - first))
    assert exact <= 0.05
    assert exact <= mid < 0.075


def test_pairs_missing_and_categories() -> None:
    codes = np.array([[0, 1, -1], [1, 1, -1], [2, 1, -1]])
    found = pairwise_disagreement(codes, [(1, 0), (0, 2)], positive=1, categories=2)
    assert found["items"].tolist() == [2, 0]
    assert found["different"].tolist() == [1, 0]
    assert found[["share", "exact_p", "mid_p", "difference"]].iloc[1].isna().all()
    for wrong in (3, [], -1, 0.5):
        with pytest.raises(ModelError, match="codes from 0 to 2"):
            pairwise_disagreement(codes, positive=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_wilson(confidence: float) -> None:
    hits = np.arange(13)
    found = proportion_interval(hits, 12, confidence)
    low, high = proportion_confint(hits, 12, 1 - confidence, "wilson")
    assert found.lower == pytest.approx(low, abs=1e-12)
    assert found.upper == pytest.approx(high, abs=1e-12)
    assert (found.lower[0], found.upper[-1]) == (0.0, 1.0)
    assert np.isnan(proportion_interval(0, 0)).all()


def test_wilson_mistakes() -> None:
    for hits, trials in ((3, 2), (-1, 2), (np.nan, 2)):
        with pytest.raises(ModelError, match="from 0 up to the number of trials"):
            proportion_interval(hits, trials)
    with pytest.raises(ModelError, match="between 0 and 1"):
        proportion_interval(1, 2, 1.0)


def test_recall() -> None:
    answers = np.array([[1, 2, -1], [1, 0, -1], [0, 1, -1], [1, -1, -1], [0, 0, 1]])
    found = recall_on_subset(answers, [1, 2], np.array([True] * 4 + [False]))
    assert found.hits.tolist() == [3, 2, 0]
    assert found.answered.tolist() == [4, 3, 0]
    assert found.missing.tolist() == [0, 1, 4]
    assert found.share.estimate == pytest.approx([0.75, 2 / 3, np.nan], nan_ok=True)
    assert found.lowest.tolist() == [0.75, 0.5, 0.0]
    assert found.highest.tolist() == [0.75, 0.75, 1.0]
    assert found.share.lower[0] == pytest.approx(proportion_interval(3, 4).lower)
    with pytest.raises(ModelError, match="true or false for each of 5 items"):
        recall_on_subset(answers, 1, [0, 1, 2])
