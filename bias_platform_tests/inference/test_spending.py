"""A budget holds whatever requests under way may still cost."""

import threading

import pytest

from bias_platform.catalog.engine_settings import Budget, Price
from bias_platform.errors import BudgetError
from bias_platform.inference.engines.base import Usage
from bias_platform.inference.spending import Spending

PRICE = Price(input=2.0, output=8.0, cached_input=0.5, currency="EUR")


def test_money_is_by_kind_of_token() -> None:
    spending = Spending(price=PRICE)
    assert spending.cost(Usage(1_000_000, 500_000, 400_000)) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.5 * 8)
    assert Spending().cost(Usage(10**9, 10**9)) == 0.0


def test_what_is_under_way_counts_at_its_most() -> None:
    spending = Spending(Budget(tokens=1000))
    spending.reserve(Usage(300, 100))
    spending.reserve(Usage(300, 100))
    assert spending.in_flight == 2
    with pytest.raises(BudgetError, match="budget of 1,000 tokens would be passed: 0 tokens are spent"):
        spending.reserve(Usage(300, 100))
    spending.settle(Usage(300, 100), Usage(80, 10))
    spending.reserve(Usage(300, 100))
    assert (spending.in_flight, spending.spent) == (2, Usage(80, 10))


def test_what_was_lost_counts_whole_and_is_named() -> None:
    spending = Spending(Budget(tokens=1000), PRICE)
    spending.reserve(Usage(600, 100))
    spending.forfeit(Usage(600, 100))
    assert (spending.in_flight, spending.spent, spending.money) == (0, Usage(), 0.0)
    with pytest.raises(BudgetError, match=r"0 tokens \(0.00 EUR\) are spent, 700 more may have been billed"):
        spending.reserve(Usage(301, 0))
    spending.reserve(Usage(300, 0))


def test_money_spent_before_counts() -> None:
    spending = Spending(Budget(money=5.0), PRICE, Usage(1_000_000, 0), money=2.0)
    spending.reserve(Usage(1_500_000, 0))
    with pytest.raises(BudgetError, match=r"budget of 5.00 EUR would be passed: 1,000,000 tokens \(2.00 EUR\)"):
        spending.reserve(Usage(1, 0))


def test_a_cache_that_is_dearer_is_set_aside_as_such() -> None:
    dear = Price(input=1.0, output=0.0, cached_input=3.0)
    assert Spending(price=dear).most_cost(Usage(1_000_000, 0)) == 3.0


def test_nothing_is_left_reserved_by_rounding() -> None:
    spending = Spending(Budget(money=1.0), Price(input=0.1, output=0.7))
    for size in range(1, 2000):
        spending.reserve(Usage(size, size // 3))
        spending.settle(Usage(size, size // 3), Usage())
    spending.reserve(Usage(10_000_000, 0))


def test_threads_do_not_pass_it_together() -> None:
    spending = Spending(Budget(tokens=10_000))
    granted: list[int] = []

    def buy() -> None:
        for _ in range(2000):
            try:
                spending.reserve(Usage(5, 5))
            except BudgetError:
                return
            spending.settle(Usage(5, 5), Usage(5, 5))
            granted.append(10)

    threads = [threading.Thread(target=buy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == spending.spent.input_tokens + spending.spent.output_tokens == 10_000
