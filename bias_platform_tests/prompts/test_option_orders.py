"""Balanced orders of options."""

from collections import Counter
from itertools import pairwise

import pytest

from bias_platform.errors import CatalogError
from bias_platform.prompts import balanced_orders
from bias_platform.prompts.option_orders import order_text


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
def test_with_all_orders_each_option_stands_equally_often_everywhere(n: int) -> None:
    orders = balanced_orders(n, n)
    assert orders[0] == tuple(range(n))
    assert len(set(orders)) == n
    assert set(Counter((place, option) for order in orders for place, option in enumerate(order)).values()) <= {1, 2}
    if n != 2:
        assert set(Counter((p, option) for order in orders for p, option in enumerate(order)).values()) == {1}


@pytest.mark.parametrize(("n", "orders", "times"), [(2, 2, 1), (4, 4, 1), (6, 6, 1), (3, 6, 2), (5, 10, 2)])
def test_each_option_follows_each_other_equally_often(n: int, orders: int, times: int) -> None:
    design = balanced_orders(n, orders)
    assert len(set(design)) == orders
    pairs = Counter(pair for order in design for pair in pairwise(order))
    assert set(pairs.values()) == {times}
    assert len(pairs) == n * (n - 1)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_two_orders_are_mirror_images(n: int) -> None:
    first, second = balanced_orders(n, 2)
    assert second == first[::-1]


def test_without_options_there_is_one_order_of_nothing() -> None:
    assert [order_text(order) for order in balanced_orders(0, 1)] == [""]


@pytest.mark.parametrize(("n", "orders", "most"), [(4, 5, 4), (3, 7, 6), (4, 0, 4), (0, 2, 1), (0, 0, 1)])
def test_more_orders_than_the_design_has_are_refused(n: int, orders: int, most: int) -> None:
    with pytest.raises(CatalogError, match=f"allowed: 1 to {most}" if n else "allowed: 1, not"):
        balanced_orders(n, orders)
