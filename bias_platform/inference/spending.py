"""What may still be spent at endpoints; asked before every request, told after it."""

from bias_platform.catalog.engine_settings import Budget, Price
from bias_platform.errors import BudgetError
from bias_platform.inference.engines.base import NO_USAGE, Usage


class Spending:
    """Keeps what is spent and what requests in flight may cost at most; one for all requests of a worker.

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
        self.money = money
        self._reserved_tokens = 0
        self._reserved_money = 0.0

    def reserve(self, most: Usage) -> None:
        """Sets aside what a request may cost at most.

        Raises:
            BudgetError: that could pass the budget.
        """
        tokens = self.spent.input_tokens + self.spent.output_tokens + self._reserved_tokens
        tokens += most.input_tokens + most.output_tokens
        money = self.money + self._reserved_money + self.cost(most)
        if self.budget.tokens is not None and tokens > self.budget.tokens:
            raise BudgetError(self._sentence(f"{self.budget.tokens:,} tokens"))
        if self.budget.money is not None and money > self.budget.money:
            raise BudgetError(self._sentence(f"{self.budget.money:,.2f} {self.price.currency if self.price else ''}"))
        self._reserved_tokens += most.input_tokens + most.output_tokens
        self._reserved_money += self.cost(most)

    def settle(self, most: Usage, used: Usage) -> None:
        """Ends a reservation with what the request has really cost."""
        self._reserved_tokens -= most.input_tokens + most.output_tokens
        self._reserved_money -= self.cost(most)
        self.spent = Usage(*(before + now for before, now in zip(self.spent, used, strict=True)))
        self.money += self.cost(used)

    def cost(self, usage: Usage) -> float:
        """Money for tokens; 0 without a price."""
        if self.price is None:
            return 0.0
        cached = self.price.input if self.price.cached_input is None else self.price.cached_input
        fresh = usage.input_tokens - usage.cached_tokens
        return (fresh * self.price.input + usage.cached_tokens * cached + usage.output_tokens * self.price.output) / 1e6

    def _sentence(self, limit: str) -> str:
        spent = f"{self.spent.input_tokens + self.spent.output_tokens:,} tokens"
        money = f" ({self.money:,.2f} {self.price.currency})" if self.price else ""
        return (
            f"the study's budget of {limit} would be passed: {spent}{money} are spent, and the next request could cost "
            "more than is left. What was answered is kept; raise `budget` in the study and run it again"
        )
