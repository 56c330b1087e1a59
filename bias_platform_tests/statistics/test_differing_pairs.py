"""The share of differing pairs: pairedCAC's, and its null distribution by permutations."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from bias_platform.statistics import ModelError, adjust_p_values, differing_share, encode_ratings, paired_alpha_tests
from bias_platform_tests.statistics.agreement_cases import CATEGORIES, baseline, changed, random_codes, side

SIX = baseline(300)
CHANGES = ((13, 4, "No"), (6, 1, "No"), (4, 2, "Yes"), (17, 5, "Maybe"), (5, 3, "Maybe"))
FIVE = encode_ratings(side(SIX, *(changed(SIX, change) for change in CHANGES)), CATEGORIES).codes


def alike(seed: int, items: int = 150, columns: int = 4) -> Any:
    """A base and columns that err equally often."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 3, items)
    return base, np.where(rng.random((items, columns)) < 0.75, base[:, None], rng.integers(0, 3, (items, columns)))


def test_as_pairedcac() -> None:
    found = differing_share(FIVE[:, 0], FIVE[:, 1:], permutations=0)
    table = found.table.set_index("adjust")
    assert table["share"]["none"] == 0.4
    assert (table["different"]["none"], table["tested"]["none"], table["untested"]["none"]) == (4, 10, 0)
    assert table["expected"]["none"] == 0.05
    assert table[["null_mean", "p"]].isna().all(axis=None)
    for method in ("holm", "fdr_bh"):
        assert table["share"][method] == (adjust_p_values(found.tests.p, method) < 0.05).mean()
    assert table["share"].tolist() == [0.4, 0.2, 0.2]


def test_columns_that_differ_stand_out() -> None:
    found = differing_share(FIVE[:, 0], FIVE[:, 1:], permutations=999)
    row = found.table.iloc[0]
    assert row["p"] < 0.04
    assert row["null_lower"] <= row["null_median"] <= row["null_upper"] < row["share"]
    assert 0.01 < row["null_mean"] < 0.1
    assert found.null.shape == (999, 3)
    assert row["p"] == (1 + (found.null[:, 0] >= 0.4).sum()) / 1000


def test_p_is_uniform_where_columns_are_alike() -> None:
    """With ties broken at random, as exact permutation p values are; and about 5 % of pairs differ."""
    rng, p, means = np.random.default_rng(0), [], []
    for seed in range(150):
        found = differing_share(*alike(seed), adjust=["none"], permutations=79, seed=seed)
        null, share = found.null[:, 0], found.table["share"][0]
        above, equal = (null > share + 1e-9).sum(), (np.abs(null - share) < 1e-9).sum()
        p.append((above + rng.random() * (equal + 1)) / 80)
        means.append(found.table["null_mean"][0])
        assert found.table["p"][0] == pytest.approx((above + equal + 1) / 80)
    assert kstest(p, "uniform").pvalue > 0.01
    assert 0.035 < np.mean(means) < 0.065


def test_what_the_permutations_are() -> None:
    """One permutation made by hand: the columns' labels within each item, nothing else."""
    base, columns = alike(5, 60, 3)
    found = differing_share(base, columns, adjust=["none"], permutations=1, seed=8)
    moved = (columns != columns[:, :1]).any(axis=1)
    order = np.random.default_rng(8).random((1, int(moved.sum()), 3)).argsort(axis=-1)[0]
    mixed = columns.copy()
    mixed[moved] = np.take_along_axis(columns[moved], order, axis=1)
    assert (np.sort(mixed, axis=1) == np.sort(columns, axis=1)).all()
    assert found.null[0, 0] == (paired_alpha_tests(base, mixed).p < 0.05).mean()


def test_clusters_move_together() -> None:
    """Ten copies of each item are no ten items: unless they move together, the null distribution is far too narrow."""
    p: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(60):
        base, columns = (np.repeat(one, 10, axis=0) for one in alike(seed, 40))
        copies = np.repeat(np.arange(40), 10).astype(str)
        for together, values in p.items():
            found = differing_share(
                base, columns, adjust=["none"], permutations=59, clusters=copies if together else None, seed=seed
            )
            values.append(found.table["p"][0])
    assert np.mean(np.array(p[True]) <= 0.1) < 0.2
    assert np.mean(np.array(p[False]) <= 0.1) > 0.6


def test_seeds_and_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    base, columns = alike(1)
    first, second = (differing_share(base, columns, permutations=50, seed=3) for _ in range(2))
    assert (first.null == second.null).all()
    assert (differing_share(base, columns, permutations=50, seed=4).null != first.null).any()
    monkeypatch.setattr("bias_platform.statistics.pair_tables._AT_ONCE", 5_000)
    assert (differing_share(base, columns, permutations=50, seed=3).null == first.null).all()


def test_only_columns_of_the_pairs_are_exchanged() -> None:
    base, columns = alike(2)
    with_others = np.column_stack([1 - np.minimum(columns[:, :1], 1), columns])
    alone = differing_share(base, columns, [(0, 1), (0, 3)], permutations=30)
    among = differing_share(base, with_others, [(1, 2), (1, 4)], permutations=30)
    assert (alone.null == among.null).all()


@pytest.mark.parametrize("invalid", ["drop", "as_category"])
def test_missing_identical_and_untested_pairs(invalid: str) -> None:
    codes = random_codes(1, 90, 5, 3, 0.0)
    codes[:, 4] = codes[:, 3]
    codes[5, 1] = -1
    found = differing_share(codes[:, 0], codes[:, 1:], permutations=19, invalid=invalid)
    row = found.table.iloc[0]
    assert row["identical"] == 1
    assert row["untested"] == (3 if invalid == "as_category" else 0)
    assert row["tested"] + row["untested"] == 6
    assert np.isfinite(row["share"])


def test_all_columns_the_same() -> None:
    base, columns = alike(3)
    found = differing_share(base, columns[:, [0, 0, 0]], permutations=9)
    assert found.table["share"].tolist() == [0.0] * 3
    assert found.table["p"].tolist() == [1.0] * 3
    assert (found.null == 0).all()


def test_nothing_to_test() -> None:
    found = differing_share([0, 0, 0], [[0, 1], [0, 0], [0, 0]], permutations=9)
    assert found.table["share"].isna().all()
    assert found.table["p"].isna().all()
    assert found.table["untested"].tolist() == [1] * 3


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"significance": 5}, "between 0 and 1"),
        ({"adjust": ["bh"]}, r"not \['bh'\]"),
        ({"adjust": []}, "Adjustments are"),
        ({"permutations": -1}, "0 or more"),
        ({"clusters": ["a"]}, "each of 4 items"),
        ({"clusters": ["a", "b", None, "b"]}, "each of 4 items"),
    ],
)
def test_mistakes(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        differing_share([0, 1, 0, 1], [[0, 1], [1, 1], [0, 0], [1, 0]], **more)
