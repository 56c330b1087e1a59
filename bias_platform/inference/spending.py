"""What may still be spent at endpoints; asked before every request, told after it."""

import threading

from bias_platform.catalog.engine_settings import Budget, Price
from bias_platform.errors import BudgetError
from bias_platform.inference.engines.base import NO_USAGE, Usage


class Spending:
    """Keeps what is spent and what requests under way may cost at most; one for all requests of a worker.

    A request is let through only if the budget would hold even if it and all others under way cost the most they can.
    May be used by several threads.

    Args:
        budget: what may be spent in all.
        price: of the model; None: costs no money.
        spent: before.
        money: spent before, in the price's currency.
    """

    def __init__(
        self, budget: Budget | None = None, price: Price | None = None, spent: Usage = NO_USAGE, money: float = 0.0
    ) -> None:
        self.budget = budget or Budget()
        self.price = price
        self.spent = spent
        """tokens that endpoints say they have read and written"""
        self.money = money
        """what those have cost"""
        self.forfeited = NO_USAGE
        """most that requests may have cost whose replies were lost: counts towards the budget"""
        self.in_flight = 0
        """requests under way"""
        self._reserved_tokens = 0
        self._reserved_money = 0.0
        self._lock = threading.Lock()

    def reserve(self, most: Usage) -> None:
        """Sets aside what a request may cost at most.

        Raises:
            BudgetError: that could pass the budget. As long as requests are `in_flight` they may give back some of
                what is set aside for them.
        """
        with self._lock:
            tokens = _total(self.spent) + _total(self.forfeited) + self._reserved_tokens + _total(most)
            money = self.money + self.most_cost(self.forfeited) + self._reserved_money + self.most_cost(most)
            if self.budget.tokens is not None and tokens > self.budget.tokens:
                raise BudgetError(self._sentence(f"{self.budget.tokens:,} tokens"))
            if self.budget.money is not None and money > self.budget.money:
                raise BudgetError(self._sentence(f"{self.budget.money:,.2f} {self._currency}"))
            self.in_flight += 1
            self._reserved_tokens += _total(most)
            self._reserved_money += self.most_cost(most)

    def settle(self, most: Usage, used: Usage) -> None:
        """Ends a reservation with what the request has really cost, as its reply tells."""
        with self._lock:
            self._release(most)
            self.spent = self.spent.plus(used)
            self.money += self.cost(used)

    def forfeit(self, most: Usage) -> None:
        """Ends the reservation of a request of which nobody knows what it has cost: all of it counts."""
        with self._lock:
            self._release(most)
            self.forfeited = self.forfeited.plus(most)

    def cost(self, usage: Usage) -> float:
        """Money for tokens; 0 without a price."""
        return cost_of(usage, self.price)

    def most_cost(self, usage: Usage) -> float:
        """Money for tokens of which it is not known how many come from a cache: the dearer way."""
        return max(self.cost(usage._replace(cached_tokens=cached)) for cached in (0, usage.input_tokens))

    def _release(self, most: Usage) -> None:
        self.in_flight -= 1
        self._reserved_tokens -= _total(most)
        # many small differences would leave a rest
        self._reserved_money = self._reserved_money - self.most_cost(most) if self.in_flight else 0.0

    @property
    def _currency(self) -> str:
        return self.price.currency if self.price else ""

    def _sentence(self, limit: str) -> str:
        money = f" ({self.money:,.2f} {self._currency})" if self.price else ""
        lost = _total(self.forfeited)
        unknown = f", {lost:,} more may have been billed for replies that were lost" if lost else ""
        return (
            f"the study's budget of {limit} would be passed: {_total(self.spent):,} tokens{money} are spent{unknown}, "
            "and the next request could cost more than is left. What was answered is kept; raise `budget` in the study "
            "and run it again"
        )


def cost_of(usage: Usage, price: Price | None) -> float:
    """Money for tokens, in the price's currency; 0 without a price."""
    if price is None:
        return 0.0
    cached = price.input if price.cached_input is None else price.cached_input
    fresh = usage.input_tokens - usage.cached_tokens
    return (fresh * price.input + usage.cached_tokens * cached + usage.output_tokens * price.output) / 1e6


def _total(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens
