"""Krippendorff's alpha against irrCAC, the krippendorff package, its own derivative, and the truth by simulation."""

from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from bias_platform.statistics import ModelError, encode_ratings, krippendorff_alpha, pairwise_alphas
from bias_platform.statistics.alpha_parts import Scale, parts_of_items, parts_of_tables
from bias_platform_tests.statistics.agreement_cases import (
    CATEGORIES,
    FOUR_OBSERVERS,
    baseline,
    changed,
    random_codes,
    replaced,
    side,
    uneven,
)

A = changed(baseline(60), (7, 3, "No"), (11, 5, "Maybe"))
B = changed(baseline(60), (5, 2, "No"), (9, 4, "Yes"))
LEVELS = ("nominal", "ordinal", "interval", "linear", "fixed_ordinal")
TABLES = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.sampled_from([None, 1, 2, 3, 5]), min_size=raters, max_size=raters), min_size=2, max_size=25
    )
)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (A, (0.818194444444, 0.376527777778, 0.70840, 0.07941, 0.55, 0.867)),
        (B, (0.884305555556, 0.405833333333, 0.80528, 0.07167, 0.662, 0.949)),
        (replaced(A, {0: "Yes."}), (0.815139327779, 0.371014076415, 0.7061, 0.08003, None, None)),
        (replaced(A, {1: ""}), (0.815139327779, 0.371014076415, 0.7061, 0.08003, None, None)),
    ],
)
def test_as_irrcac_prints_it(column: Any, expected: tuple[float, ...]) -> None:
    found = krippendorff_alpha(side(baseline(60), column), categories=CATEGORIES, faithful=True)
    assert [found.observed_agreement, found.chance_agreement] == pytest.approx(expected[:2], abs=1e-12)
    assert (found.coefficient, found.standard_error) == expected[2:4]
    if expected[4] is not None:
        assert (round(found.lower, 3), round(found.upper, 3)) == expected[4:]
    exact = krippendorff_alpha(side(baseline(60), column), categories=CATEGORIES)
    assert exact.coefficient == pytest.approx(found.coefficient, abs=5e-6)
    assert exact.coefficient != found.coefficient


def test_p_value_of_irrcac() -> None:
    found = krippendorff_alpha(side(baseline(60), A), categories=CATEGORIES)
    assert found.p == pytest.approx(7.736e-13, abs=0.0006e-13)


def test_four_observers() -> None:
    found = krippendorff_alpha(FOUR_OBSERVERS, faithful=True)
    assert (found.coefficient, found.standard_error) == (0.74342, 0.14548)
    assert (found.observed_agreement, found.chance_agreement) == pytest.approx((0.805, 0.24))
    assert (found.usable, found.items) == (11, 12)
    published = {"nominal": 0.743, "ordinal": 0.815, "interval": 0.849}
    for level, value in published.items():
        assert krippendorff_alpha(FOUR_OBSERVERS, level=level).coefficient == pytest.approx(value, abs=5e-4)


@pytest.mark.parametrize(
    ("level", "observed", "chance", "alpha", "error", "lower", "upper", "p"),
    [
        (
            "nominal", 0.741508725839745, 0.273503471570651, 0.644194756554307, 0.0579564918535752,
            0.526966686724896, 0.761422826383718, 5.89528e-14,
        ),
        (
            "linear", 0.859417026333896, 0.592137361606305, 0.655317843723641, 0.0686710093425814,
            0.516417616656642, 0.794218070790640, 4.732880e-12,
        ),
        (
            "interval", 0.910812952190321, 0.728560705573278, 0.671429120098322, 0.0856071778449695,
            0.498272258781330, 0.844585981415314, 7.673677e-10,
        ),
        (
            "fixed_ordinal", 0.897963970726215, 0.694454869581535, 0.666052510363888, 0.0793068041189684,
            0.505639357775316, 0.826465662952459, 1.403058e-10,
        ),
    ],
)  # fmt: skip
def test_uneven_numbers_of_raters_against_r(
    level: str, observed: float, chance: float, alpha: float, error: float, lower: float, upper: float, p: float
) -> None:
    """irrCAC's formulae in R 4.2.2; its weights "linear", "quadratic" and "ordinal"."""
    found = krippendorff_alpha(uneven(40, 4, 1), level=level)
    assert found[:2] == pytest.approx((alpha, error), abs=1e-13)
    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=1e-12)
    assert (found.observed_agreement, found.chance_agreement) == pytest.approx((observed, chance), abs=1e-13)
    assert found.p == pytest.approx(p, rel=1e-3)


def test_degrees_of_freedom_of_unusable_items() -> None:
    """irrCAC counts items that it does not use; the interval of usable ones is wider."""
    few = side(baseline(60), [label if place < 12 else None for place, label in enumerate(A)])
    usual, faithful = (krippendorff_alpha(few, categories=CATEGORIES, faithful=yes) for yes in (False, True))
    assert usual.usable == faithful.usable == 12
    assert usual.lower < faithful.lower


@given(TABLES)
@settings(max_examples=150, deadline=None)
def test_the_krippendorff_package(rows: list[list[int | None]]) -> None:
    table = np.array([[np.nan if one is None else one for one in row] for row in rows])
    rated = table[(~np.isnan(table)).sum(axis=1) >= 2]
    if len(np.unique(rated[~np.isnan(rated)])) < 2:
        assert np.isnan(krippendorff_alpha(table).coefficient)
        return
    for level in ("nominal", "ordinal", "interval"):
        theirs = krippendorff.alpha(table.T, level_of_measurement=level, value_domain=[1, 2, 3, 5])
        assert krippendorff_alpha(table, level=level).coefficient == pytest.approx(theirs, abs=1e-10)


@given(TABLES, st.permutations([1, 2, 3, 5]), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_relabelling_and_the_order_of_raters_do_not_matter(
    rows: list[list[int | None]], names: list[int], random: Any
) -> None:
    renamed = dict(zip([1, 2, 3, 5], names, strict=True)) | {None: None}
    mixed = [random.sample(row, len(row)) for row in rows]
    usual = krippendorff_alpha(rows)
    for other in ([[renamed[one] for one in row] for row in rows], mixed):
        found = krippendorff_alpha(other)
        assert found[:5] == pytest.approx(usual[:5], abs=1e-10, nan_ok=True)
    for level in LEVELS:
        usual, found = (krippendorff_alpha(table, level=level) for table in (rows, mixed))
        assert found[:2] == pytest.approx(usual[:2], abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("raters", [2, 3])
def test_perfect_agreement(level: str, raters: int) -> None:
    rows = [[one] * raters for one in (1, 2, 3, 1, 5)]
    found = krippendorff_alpha(rows, level=level)
    assert found[:2] == (1.0, 0.0)
    assert (found.upper, found.p) == (1.0, 0.0)
    z2 = norm.isf(0.025) ** 2  # Wilson's lower bound of 5 of 5 is 5 / (5 + z2)
    assert found.lower == pytest.approx(max(1 - z2 / (5 + z2) / (1 - found.chance_agreement), -1))
    assert krippendorff_alpha(rows, level=level, faithful=True).lower == 1.0
    if raters == 2:
        codes = np.array([0, 1, 2, 0, 3])
        alike = pairwise_alphas(codes, codes[:, None], level="nominal")
        assert alike.lower[0] == pytest.approx(krippendorff_alpha(rows).lower)


@pytest.mark.parametrize(("items", "share"), [(40, 0.02), (242, 3.2 / 242), (549, 3.2 / 549), (1_000, 0.004)])
def test_intervals_hold_where_few_items_disagree(items: int, share: float) -> None:
    """Two equally common categories, so that alpha is 1 - share / .5; by standard error alone .86 to .90 held it."""
    rng = np.random.default_rng(11)
    truth = 1 - share / 0.5
    first = rng.integers(0, 2, (items, 2_000))
    second = np.where(rng.random(first.shape) < share, 1 - first, first)
    found = [pairwise_alphas(one, other[:, None]) for one, other in zip(first.T, second.T, strict=True)]
    lower, upper = (np.array([getattr(one, end)[0] for one in found]) for end in ("lower", "upper"))
    assert 0.94 <= np.mean((lower <= truth) & (truth <= upper)) <= 0.99


def test_what_has_no_coefficient_says_why() -> None:
    constant = krippendorff_alpha([["No", "No"], ["No", "No"]], categories=["No", "Yes"])
    assert np.isnan(constant.coefficient)
    assert constant.reason == "only one category was used"
    nothing = krippendorff_alpha([["No", None], [None, "Yes"]])
    assert np.isnan(nothing.coefficient)
    assert nothing.reason == "no item has two ratings"
    assert krippendorff_alpha([[None, None]]).reason == "no item has two ratings"
    single = krippendorff_alpha([["No", "Yes"]])
    assert (np.isnan(single.standard_error), np.isnan(single.upper), single.usable) == (True, True, 1)


@pytest.mark.parametrize("level", LEVELS)
def test_contributions_are_the_derivative(level: str) -> None:
    """A little more of one kind of item moves the coefficient by what that kind contributes."""
    table = np.random.default_rng(3).uniform(1.0, 20.0, (4, 4))
    scale = Scale(level, np.array([0.0, 1.0, 2.5, 3.0]))
    parts = parts_of_tables(table, scale, small_sample=False)
    for cell in range(16):
        step = np.zeros(16)
        step[cell] = 1e-4
        ends = [
            float(parts_of_tables(table + way * step.reshape(4, 4), scale, small_sample=False)[0]) for way in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / 2e-4 * table.sum()
        assert slope == pytest.approx(float(parts.contributions[cell] - parts.coefficient), abs=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_contributions_of_uneven_items_are_the_derivative(level: str) -> None:
    """Leaving an item out moves the coefficient likewise; pairedCAC's form does not follow where numbers are uneven."""
    codes = encode_ratings(uneven(600, 4, 1)).codes
    codes[np.arange(600) % 5 == 0, 2:] = -1
    scale = Scale(level, np.arange(4.0))
    parts, usable = parts_of_items(codes, 4, scale)
    codes = codes[usable]
    left_out = [float(parts_of_items(np.delete(codes, row, 0), 4, scale)[0].coefficient) for row in range(0, 300, 7)]
    apart = (len(codes) - 1.0) * (float(parts.coefficient) - np.array(left_out))
    ours = parts.contributions[0:300:7] - parts.coefficient
    assert np.abs(apart - ours).max() < 0.02
    published, _ = parts_of_items(codes, 4, scale, as_published=True)
    assert np.abs(apart - published.contributions[0:300:7] + published.coefficient).max() > 0.1
    assert published.contributions.mean() == pytest.approx(float(parts.coefficient))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("small_sample", [True, False])
def test_many_columns_are_many_single_ones(level: str, small_sample: bool) -> None:
    codes = random_codes(4, 80, 7, 4, 0.15)
    values = [0.0, 1.0, 2.5, 3.0]
    found = pairwise_alphas(codes[:, 0], codes[:, 1:], level=level, values=values, small_sample=small_sample)
    for place in range(6):
        both = np.where(codes[:, [0, place + 1]] < 0, None, codes[:, [0, place + 1]])
        one = krippendorff_alpha(both, categories=range(4), level=level, values=values, small_sample=small_sample)
        row = found.frame("abcdef").iloc[place]
        assert row["column"] == "abcdef"[place]
        names = ["coefficient", "standard_error", "lower", "upper", "observed_agreement", "chance_agreement", "usable"]
        assert [row[name] for name in names] == pytest.approx([getattr(one, name) for name in names], abs=1e-12)
        assert np.nanmean(found.contributions[:, place]) == pytest.approx(one.coefficient)
        assert np.isfinite(found.contributions[:, place]).sum() == one.usable


def test_codes_outside_the_categories_are_missing() -> None:
    base, column = np.array([0, 1, 1, 0, 1]), np.array([[0], [1], [0], [2], [1]])
    without = pairwise_alphas(base, np.where(column == 2, -1, column))
    assert pairwise_alphas(base, column, categories=2).coefficient == without.coefficient
    assert pairwise_alphas(base.astype(np.int8), column.astype(np.int8), categories=2).usable.tolist() == [4]


def test_own_weights() -> None:
    table, half = uneven(40, 4, 1), 1.0 - np.abs(np.subtract.outer(np.arange(4), np.arange(4))) / 3.0
    usual, own = krippendorff_alpha(table, level="linear"), krippendorff_alpha(table, weights=half)
    assert own[:7] == pytest.approx(usual[:7])
    for wrong, says in ((np.eye(3), "4 categories"), (np.eye(4) + np.tri(4, k=-1) / 2, "symmetric")):
        with pytest.raises(ModelError, match=says):
            krippendorff_alpha(table, weights=wrong)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "linear"])
def test_intervals_cover_the_truth(level: str) -> None:
    joint = np.array([[0.30, 0.04, 0.02], [0.05, 0.15, 0.06], [0.01, 0.07, 0.30]])
    scale = Scale(level, np.arange(3.0))
    truth = float(parts_of_tables(joint, scale, small_sample=False).coefficient)
    rng, covered, studies = np.random.default_rng(11), 0, 2_000
    cells = rng.choice(9, (200, studies), p=joint.ravel())
    for column in range(studies):
        found = pairwise_alphas(cells[:, column] // 3, cells[:, column : column + 1] % 3, level=level)
        covered += int(found.lower[0] <= truth <= found.upper[0])
    assert 0.935 < covered / studies < 0.965


def test_the_interval_of_several_raters_covers() -> None:
    """Three raters, one rating in five missing; the truth is that of 300,000 items."""
    truth = krippendorff_alpha(np.where((codes := _three(0, 300_000)) < 0, None, codes), level="ordinal").coefficient
    covered = 0
    for seed in range(1, 501):
        codes = _three(seed, 120)
        found = krippendorff_alpha(np.where(codes < 0, None, codes), level="ordinal")
        covered += int(found.lower <= truth <= found.upper)
    assert 0.925 < covered / 500 < 0.975


def _three(seed: int, items: int) -> Any:
    return random_codes(seed, items, 3, 4, 0.2)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: krippendorff_alpha([["No", "Yes"]], level="ratio"), "level of measurement 'ratio'"),
        (lambda: krippendorff_alpha(["No", "Yes"]), "table of items by raters"),
        (lambda: krippendorff_alpha([["No", 1]]), "cannot be ordered"),
        (lambda: krippendorff_alpha([["No", "Yes"]], categories=["No", "No"]), "all different"),
        (lambda: krippendorff_alpha([["No", "Yes"]], categories=[]), "one or more labels"),
        (lambda: krippendorff_alpha([["No", "Yes"]], confidence=95), "between 0 and 1"),
        (lambda: krippendorff_alpha([["No", "Yes"]], values=[1, 1]), "all different"),
        (lambda: pairwise_alphas([0, 1], [[0], [1], [1]]), "2 items and 'columns' has 3"),
        (lambda: pairwise_alphas([0.0, 1.0], [[0], [1]]), "whole-number codes"),
        (lambda: pairwise_alphas([0, -2], [[0], [1]]), "below -1"),
        (lambda: pairwise_alphas([-1, -1], [[-1], [-1]]), "every rating is missing"),
        (lambda: pairwise_alphas([[0]], [[0]]), "1 dimension"),
        (lambda: pairwise_alphas([0, 1], [[0], [1]]).frame(["a", "b"]), "2 names for 1 columns"),
    ],
)
def test_mistakes(call: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        call()
