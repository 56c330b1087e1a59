"""Paired differences, with Tango's interval checked against its definition."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from bias_platform.statistics import ModelError, paired_difference


def pairs(both: int, first: int, second: int, neither: int) -> tuple[list[int], list[int]]:
    a = [1] * both + [1] * first + [0] * second + [0] * neither
    b = [1] * both + [0] * first + [1] * second + [0] * neither
    return a, b


def score(first: int, second: int, items: int, difference: float) -> float:
    """(b - c - n d) over its error at the restricted maximum likelihood, found numerically."""

    def minus_loglik(c: float) -> float:
        b = c + difference
        rest = 1 - b - c
        if min(b, c, rest) < -1e-12:
            return 1e9
        terms = ((first, b), (second, c), (items - first - second, rest))
        return -sum(k * np.log(max(p, 1e-300)) for k, p in terms if k)

    low, high = max(0.0, -difference), (1 - difference) / 2
    c = minimize_scalar(minus_loglik, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (first - second - items * difference) / np.sqrt(items * (2 * c + difference - difference**2))


@pytest.mark.parametrize("cells", [(36, 12, 2, 0), (20, 9, 4, 40), (5, 3, 0, 42)])
def test_limits_solve_the_score_equation(cells: tuple[int, int, int, int]) -> None:
    gap = paired_difference(*pairs(*cells))
    items = sum(cells)
    assert gap.difference == pytest.approx((cells[1] - cells[2]) / items)
    assert score(cells[1], cells[2], items, gap.lower) == pytest.approx(1.959964, abs=1e-3)
    assert score(cells[1], cells[2], items, gap.upper) == pytest.approx(-1.959964, abs=1e-3)


def test_no_discordant_item() -> None:
    gap = paired_difference(*pairs(0, 0, 0, 100))
    bound = 1.959964**2 / (100 + 1.959964**2)
    assert (gap.lower, gap.upper) == (pytest.approx(-bound, abs=1e-6), pytest.approx(bound, abs=1e-6))
    assert gap.p == 1.0


def test_all_items_discordant() -> None:
    gap = paired_difference([1] * 20, [0] * 20)
    assert (gap.difference, gap.upper) == (1.0, pytest.approx(1.0, abs=1e-9))
    share = 1.959964**2 / 20
    assert gap.lower == pytest.approx((1 - share) / (1 + share), abs=1e-6)


def test_swapping_turns_the_sign() -> None:
    a, b = pairs(10, 7, 2, 30)
    forth, back = paired_difference(a, b), paired_difference(b, a)
    assert (forth.lower, forth.upper) == (pytest.approx(-back.upper), pytest.approx(-back.lower))
    assert forth.p == back.p == pytest.approx(0.1796875)


def test_coverage_for_rare_answers() -> None:
    rng = np.random.default_rng(5)
    cells = rng.multinomial(60, [0.02, 0.08, 0.03, 0.87], size=600)
    gaps = [paired_difference(*pairs(*row)) for row in cells]
    assert np.mean([gap.lower <= 0.05 <= gap.upper for gap in gaps]) == pytest.approx(0.95, abs=0.025)


def test_shares_get_a_t_interval() -> None:
    gap = paired_difference([1 / 3, 2 / 3, 1, 0, 1], [0, 0, 1, 0, 1])
    assert gap.method == "t"
    assert (gap.lower, gap.upper) == (pytest.approx(-0.170193, abs=1e-5), pytest.approx(0.570193, abs=1e-5))


def test_equal_shares_keep_a_width() -> None:
    gap = paired_difference([1 / 3] * 10, [1 / 3] * 10)
    assert (gap.method, gap.difference, gap.p) == ("tango-bound", 0.0, 1.0)
    assert gap.lower < -0.2 < 0.2 < gap.upper


@pytest.mark.parametrize(
    ("a", "b", "match"),
    [
        ([1, 0], [1], "one length"),
        ([1], [1], "two items"),
        ([1, np.nan], [1, 0], "1 of 2"),
        ([2, 0], [1, 0], "between"),
    ],
)
def test_errors(a: list[float], b: list[float], match: str) -> None:
    with pytest.raises(ModelError, match=match):
        paired_difference(a, b)
