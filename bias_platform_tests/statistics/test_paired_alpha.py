"""Gwet's paired test against pairedCAC, single against many, what cannot be tested, and its level by simulation."""

from typing import Any

import numpy as np
import pytest

from bias_platform.statistics import ModelError, encode_ratings, paired_alpha_test, paired_alpha_tests, pairwise_alphas
from bias_platform.statistics.pair_tables import column_pairs
from bias_platform.statistics.paired_alpha import IDENTICAL, OTHER_ITEMS, TOO_FEW, UNDEFINED
from bias_platform_tests.statistics.agreement_cases import (
    CATEGORIES,
    FIRST_OCCASION,
    SECOND_OCCASION,
    baseline,
    changed,
    digits,
    random_codes,
    replaced,
    side,
    uneven,
)

BASE = baseline(60)
A = changed(BASE, (7, 3, "No"), (11, 5, "Maybe"))
B = changed(BASE, (5, 2, "No"), (9, 4, "Yes"))
SIX = baseline(300)
COLUMNS = [
    changed(SIX, change) for change in ((13, 4, "No"), (6, 1, "No"), (4, 2, "Yes"), (17, 5, "Maybe"), (5, 3, "Maybe"))
]


def faithful(first: Any, second: Any) -> Any:
    return paired_alpha_test(side(BASE, first), side(BASE, second), categories=CATEGORIES, invalid="as_category")


def test_as_pairedcac() -> None:
    for found in (faithful(A, B), paired_alpha_test(side(BASE, A), side(BASE, B))):
        assert found[:5] == pytest.approx(
            (0.708398306973, 0.80528284245, 0.0968845354771, 0.0959987854418, 1.0092266796), abs=1e-10
        )
        assert found.p == pytest.approx(0.316987105261, abs=1e-11)
        assert found.items == 60


def test_an_invalid_answer_is_a_category_or_is_left_out() -> None:
    other = replaced(A, {0: "Yes."})
    found = faithful(other, B)
    assert (found.first, found.difference, found.standard_error, found.t, found.p) == pytest.approx(
        (0.686360641335, 0.118922201114, 0.0974272050139, 1.22062622137, 0.227083551773), abs=1e-10
    )
    dropped = paired_alpha_test(side(BASE, other), side(BASE, B), categories=CATEGORIES)
    without = paired_alpha_test(side(BASE[1:], A[1:]), side(BASE[1:], B[1:]))
    assert dropped == without
    assert dropped.items == 59


def test_the_original_never_tests_or_mispairs_where_items_differ() -> None:
    missing = replaced(A, {1: ""})
    found = faithful(missing, B)
    assert (found.first, found.difference) == pytest.approx((0.706097282485, 0.0991855599652), abs=1e-12)
    assert np.isnan([found.standard_error, found.t, found.p]).all()
    assert found.reason == OTHER_ITEMS
    as_many = faithful(missing, replaced(B, {2: None}))
    assert (as_many.first, as_many.second) == pytest.approx((0.706097282485, 0.83031182016), abs=1e-11)
    assert np.isnan(as_many.p)  # the original prints .185179394725 of items paired wrongly
    assert as_many.reason == OTHER_ITEMS
    consistent = paired_alpha_test(side(BASE, missing), side(BASE, replaced(B, {2: None})))
    kept = [place for place in range(60) if place not in (1, 2)]
    base, a, b = ([column[place] for place in kept] for column in (BASE, A, B))
    assert consistent == paired_alpha_test(side(base, a), side(base, b))


def test_the_example_of_pairedcac() -> None:
    found = paired_alpha_test(digits(FIRST_OCCASION), digits(SECOND_OCCASION))
    assert found[:5] == pytest.approx((0.3959044, 0.7294354, 0.3335309, 0.1548083, 2.154477), abs=5e-7)
    assert found.p == pytest.approx(0.04910569, abs=5e-9)


@pytest.mark.parametrize(
    ("raters", "shift", "expected"),
    [
        (4, 2, (0.6441947565543072, 0.6640494272107094, 0.0198546706564021, 0.0767183942281520, 0.2587993512658325)),
        (3, 5, (0.6441947565543072, 0.6562288803784635, 0.0120341238241563, 0.1060883797779302, 0.1134348912609158)),
    ],
)
def test_uneven_numbers_of_raters_against_r(raters: int, shift: int, expected: tuple[float, ...]) -> None:
    """pairedCAC's formulae in R 4.2.2. The default has another error: its contributions are the derivative."""
    first, second = uneven(40, 4, 1), uneven(40, raters, shift)
    found = paired_alpha_test(first, second, invalid="as_category")
    assert found[:5] == pytest.approx(expected, abs=1e-12)
    usual = paired_alpha_test(first, second)
    assert usual[:3] == pytest.approx(expected[:3], abs=1e-12)
    assert usual.standard_error == pytest.approx(found.standard_error, rel=0.1)
    assert usual.standard_error != found.standard_error


def test_case_and_blanks() -> None:
    shouted = [" " + label.upper() if label else None for label in A]
    usual, folded = (paired_alpha_test(side(BASE, one), side(BASE, B), fold=True) for one in (A, shouted))
    assert usual == folded
    assert paired_alpha_test(side(BASE, shouted), side(BASE, B)).first < usual.first


def test_five_columns_as_pairedcac() -> None:
    """Alphas with errors, and p values of all ten pairs; four of ten differ at 5 %."""
    codes = encode_ratings(side(SIX, *COLUMNS), CATEGORIES).codes
    alphas = pairwise_alphas(codes[:, 0], codes[:, 1:])
    assert alphas.coefficient.round(5).tolist() == [0.89947, 0.78159, 0.81208, 0.90547, 0.84027]
    assert alphas.standard_error.round(5).tolist() == [0.02312, 0.03245, 0.03295, 0.02213, 0.02805]
    tests = paired_alpha_tests(codes[:, 0], codes[:, 1:])
    assert tests.p == pytest.approx(
        [
            0.002111190126, 0.033148606198, 0.852012186472, 0.086725540777, 0.535752948754,
            0.001366492179, 0.106520342067, 0.021710993890, 0.525176260308, 0.055932963450,
        ],
        abs=1e-11,
    )  # fmt: skip
    z = alphas.contributions
    apart = z[:, tests.pairs[:, 1]] - z[:, tests.pairs[:, 0]]
    assert tests.standard_error == pytest.approx(apart.std(axis=0, ddof=1) / np.sqrt(300), rel=1e-12)


@pytest.mark.parametrize("invalid", ["drop", "as_category"])
@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_many_are_many_single_ones(invalid: str, missing: float, seed: int) -> None:
    codes = random_codes(seed, 70, 5, 4, missing)
    codes[:, 4] = codes[:, 3]
    codes[3, 2] = 5
    found = paired_alpha_tests(codes[:, 0], codes[:, 1:], categories=4, invalid=invalid).frame(list("abcd"))
    assert found["identical"].tolist() == [False] * 5 + [True]
    labels = np.where(codes < 0, None, codes)
    for row, (first, second) in enumerate(column_pairs(4, None)):
        one = paired_alpha_test(
            labels[:, [0, first + 1]], labels[:, [0, second + 1]], categories=range(4), invalid=invalid
        )
        assert found.loc[row, ["first_column", "second_column"]].tolist() == ["abcd"[first], "abcd"[second]]
        for name in ("first", "second", "difference", "standard_error", "t", "p", "items"):
            assert found.loc[row, name] == pytest.approx(getattr(one, name), abs=1e-10, nan_ok=True), (name, row)
        assert found.loc[row, "reason"] == one.reason


@pytest.mark.parametrize("level", ["ordinal", "interval", "linear"])
def test_other_levels(level: str) -> None:
    codes = random_codes(8, 90, 3, 4, 0.05)
    labels = np.where(codes < 0, None, codes)
    many = paired_alpha_tests(codes[:, 0], codes[:, 1:], level=level)
    one = paired_alpha_test(labels[:, :2], labels[:, [0, 2]], level=level)
    assert (many.difference[0], many.standard_error[0], many.p[0]) == pytest.approx((one[2], one[3], one.p), abs=1e-12)


def test_turned_round_the_sign_turns() -> None:
    codes = random_codes(2, 120, 6, 3, 0.1)
    pairs = column_pairs(5, None)
    ahead, back = (paired_alpha_tests(codes[:, 0], codes[:, 1:], way) for way in (pairs, pairs[:, ::-1]))
    assert ahead.difference == pytest.approx(-back.difference, abs=1e-14)
    assert ahead.t == pytest.approx(-back.t, abs=1e-10)
    assert ahead.p == pytest.approx(back.p, abs=1e-12)
    assert (ahead.first == back.second).all()


def test_identical_columns_are_not_different() -> None:
    for invalid in ("drop", "as_category"):
        found = paired_alpha_test(side(BASE, A), side(BASE, A), invalid=invalid)
        assert (found.difference, found.p, found.identical, found.reason) == (0.0, 1.0, True, IDENTICAL)
    constant = [["No", "No"]] * 5
    assert paired_alpha_test(constant, constant).p == 1.0
    many = paired_alpha_tests([0, 0, 0], [[0, 0], [0, 0], [0, 0]], categories=2)
    assert (many.p.tolist(), many.identical.tolist(), many.difference.tolist()) == ([1.0], [True], [0.0])
    assert np.isnan(many.first[0])


def test_what_cannot_be_tested_says_why() -> None:
    undefined = paired_alpha_tests([0, 0, 0, 0], [[0, 0], [0, 1], [0, 1], [0, 0]])
    assert (undefined.reason, np.isnan(undefined.p[0])) == ((UNDEFINED,), True)
    single = paired_alpha_tests([0, 1, 0], [[0, 1], [-1, 0], [-1, 1]])
    assert (single.reason, single.items.tolist()) == ((TOO_FEW,), [1])
    nothing = paired_alpha_test([["a", None]], [["a", "b"]])
    assert (nothing.reason, nothing.items, nothing.identical) == (TOO_FEW, 0, False)
    assert paired_alpha_tests([0], [[-1, 0]], categories=2).reason == (TOO_FEW,)


def test_portions_of_pairs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = random_codes(6, 150, 8, 3, 0.05)
    whole = paired_alpha_tests(codes[:, 0], codes[:, 1:])
    monkeypatch.setattr("bias_platform.statistics.pair_tables._AT_ONCE", 700)
    parts = paired_alpha_tests(codes[:, 0], codes[:, 1:])
    assert (parts.p == whole.p).all()
    assert parts.reason == whole.reason


def test_the_level_is_kept() -> None:
    """Two columns that err equally often on items of their own: 5 % of 2,000 tests."""
    rng = np.random.default_rng(9)
    base = rng.integers(0, 3, 250)
    codes = np.where(rng.random((250, 4_000)) < 0.8, base[:, None], rng.integers(0, 3, (250, 4_000)))
    tests = paired_alpha_tests(base, codes, np.arange(4_000).reshape(-1, 2))
    assert 0.04 < (tests.p < 0.05).mean() < 0.06


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: paired_alpha_test([["a", "b"]], [["a", "b"], ["a", "a"]]), "1 items, the second 2"),
        (lambda: paired_alpha_test([["a", "b"]], [["a", "b"]], invalid="keep"), "policy 'keep'"),
        (
            lambda: paired_alpha_test([[1, 2]], [[1, 2]], invalid="as_category", level="linear"),
            "nominal categories only",
        ),
        (lambda: paired_alpha_tests([1, 0], [[1, 0], [0, 0]], invalid="as_category", level="linear"), "nominal"),
        (lambda: paired_alpha_tests([1, 0], [[1], [0]]), "no pair to compare among 1"),
        (lambda: paired_alpha_tests([1, 0], [[1, 0], [0, 0]], [(0, 2)]), "from 0 to 1"),
        (lambda: paired_alpha_tests([1, 0], [[1, 0], [0, 0]], [(1, 1)]), "two different columns"),
        (lambda: paired_alpha_tests([1, 0], [[1, 0], [0, 0]], [(0.0, 1.0)]), "whole numbers"),
        (lambda: paired_alpha_tests([1, 0], [[1, 0], [0, 0]]).frame(["a"]), "1 names for 2 or more"),
    ],
)
def test_mistakes(call: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        call()
