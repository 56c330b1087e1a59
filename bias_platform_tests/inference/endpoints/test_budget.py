"""A budget ends a run before it is passed, and everything that was paid for is kept."""

from typing import Any

import pytest

from bias_platform.catalog.engine_settings import Budget, Price
from bias_platform.errors import BudgetError
from bias_platform.inference.engines.base import Usage
from bias_platform.inference.spending import Spending
from bias_platform_tests.inference.endpoints.conftest import engine_at, numbered, written_until_stopped
from bias_platform_tests.inference.endpoints.scripted_server import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Fault,
    ScriptedServer,
    completion,
    random_faults,
)

EACH = INPUT_TOKENS + OUTPUT_TOKENS
MOST = 300
"""above what a request of these tests sets aside"""


def _spend(server: ScriptedServer, spending: Spending, **settings: Any) -> tuple[set[int], Usage]:
    """What 500 prompts bring until the budget ends it."""
    heard, stopped = written_until_stopped(engine_at(server.url, spending=spending, **settings), numbered(500))
    assert isinstance(stopped, BudgetError)
    return set(heard.texts), heard.usage


@pytest.mark.parametrize("concurrency", [1, 32])
def test_tokens_are_never_passed_and_nearly_used_up(concurrency: int) -> None:
    with ScriptedServer() as server:
        spending = Spending(Budget(tokens=5000))
        seen, usage = _spend(server, spending, concurrency=concurrency)
        billed = len(server.chats) * EACH
        assert 5000 - MOST < billed <= 5000
        assert len(seen) == len(server.chats)
        assert usage == spending.spent == Usage(len(seen) * INPUT_TOKENS, len(seen) * OUTPUT_TOKENS, len(seen) * 10)
        assert spending.in_flight == 0


def test_money_is_never_passed() -> None:
    price = Price(input=2.0, output=8.0, cached_input=1.0, currency="EUR")
    each = Spending(price=price).cost(Usage(INPUT_TOKENS, OUTPUT_TOKENS, 10))
    with ScriptedServer() as server:
        spending = Spending(Budget(money=0.01), price)
        seen, _ = _spend(server, spending)
        assert len(seen) == len(server.chats)
        assert 0.01 - 2 * MOST * 2e-6 < len(seen) * each <= 0.01
        assert spending.money == pytest.approx(len(seen) * each)


def test_long_answers_are_set_aside_and_given_back() -> None:
    """Two answers at their longest would pass the budget; they are short, so many fit, one after the other."""
    with ScriptedServer() as server:
        seen, _ = _spend(server, Spending(Budget(tokens=1200)), concurrency=8)
        assert len(seen) * EACH <= 1200
        assert len(seen) >= (1200 - MOST) // EACH


def test_a_budget_that_is_spent_sends_nothing() -> None:
    with ScriptedServer() as server:
        assert _spend(server, Spending(Budget(tokens=5000), spent=Usage(4000, 900)))[0] == set()
        assert server.chats == []


@pytest.mark.parametrize("concurrency", [1, 16])
def test_what_may_have_been_billed_for_lost_replies_counts(concurrency: int) -> None:
    kinds = ["truncated", "reset", "no choices", "500"]
    with ScriptedServer(random_faults(0.3, 2, kinds)) as server:
        spending = Spending(Budget(tokens=8000))
        seen, usage = _spend(server, spending, concurrency=concurrency)
        billed = len(server.chats) - server.faulty["500"]
        assert billed * EACH <= 8000
        told = len(seen) + server.faulty["no choices"]
        assert usage == spending.spent == Usage(told * INPUT_TOKENS, told * OUTPUT_TOKENS, told * 10)
        lost = server.faulty["truncated"] + server.faulty["reset"]
        assert spending.forfeited.output_tokens == lost * 16


def test_a_reply_that_tells_no_usage_counts_at_its_most() -> None:
    def silent(body: Any) -> Any:
        return completion("Yes") | {"usage": None}

    with ScriptedServer(answer=silent) as server:
        spending = Spending(Budget(tokens=5000))
        seen, usage = _spend(server, spending)
        assert 5000 // MOST <= len(seen) < 5000 // EACH
        assert (usage, spending.spent) == (Usage(), Usage())


def test_refusals_cost_nothing() -> None:
    with ScriptedServer(lambda number, body: Fault("500") if number % 2 else None) as server:
        seen, _ = _spend(server, Spending(Budget(tokens=5000)), concurrency=1)
        assert len(seen) * EACH > 5000 - MOST
        assert len(server.chats) >= 2 * len(seen) - 1
