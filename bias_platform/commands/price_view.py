"""What `bias-platform price` prints: a table for people, a record for machines."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from bias_platform.errors import bullet_list
from bias_platform.inference.pricing import SystemPrice
from bias_platform.inference.run_display import short
from bias_platform.inference.token_counts import TokenCount
from bias_platform.progress import duration

_UNKNOWN = "?"
_HEADINGS = ("system", "cells", "in ledger", "to ask", "tokens read", "if shared", "tokens written", "time", "cost")

_ABOUT_TOKENS: dict[str | None, str] = {
    "ledger": "tokens as measured when it was asked before",
    "characters": "tokens guessed, one for every four characters: its tokenizer is not here",
}
"""What is said of counts that no tokenizer made."""


def price_view(study: str, prices: Sequence[SystemPrice], warnings: Sequence[str]) -> str:
    """A table for people, with everything below it that its figures do not tell."""
    rows = [_HEADINGS, *map(_row, prices)]
    if len(prices) > 1:
        rows.append(_total_row(prices))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(map(str.rjust, row[1:], widths[1:]))]).rstrip()  # numbers to the right
        for row in rows
    ]
    remarks = [*warnings, *_grouped_remarks(prices)]
    notes = f"\n\n{bullet_list(remarks)}" if remarks else ""
    return f"study {study}\n\n" + "\n".join(lines) + notes


def price_record(study: str, prices: Sequence[SystemPrice], warnings: Sequence[str]) -> dict[str, Any]:
    """The same for machines: numbers unrounded, null where something is not known."""
    return {
        "study": study,
        "systems": [_record(price) for price in prices],
        "total": {
            "cells": _sum(prices, lambda price: price.cells),
            "known": _sum(prices, lambda price: price.known),
            "to_ask": _sum(prices, lambda price: price.to_ask),
            "tokens": tokens._asdict() if (tokens := _tokens(prices)) else None,
            "written": _sum(prices, lambda price: price.written),
            "seconds": _sum(prices, lambda price: price.seconds),
            "cost": dict(_costs(prices)),
        },
        "warnings": list(warnings),
    }


def _record(price: SystemPrice) -> dict[str, Any]:
    return {
        **price._asdict(),
        "tokens": price.tokens._asdict() if price.tokens else None,
        "spent": price.spent._asdict(),
    }


def _row(price: SystemPrice) -> tuple[str, ...]:
    return (
        price.system,
        _count(price.cells),
        _count(price.known),
        _count(price.to_ask),
        *_token_cells(price.tokens),
        ("at most " if price.written_at_most else "") + _short(price.written),
        _time(price.seconds),
        _cost(price),
    )


def _total_row(prices: Sequence[SystemPrice]) -> tuple[str, ...]:
    at_most = any(price.written_at_most for price in prices)
    costs = [_money(cost, currency, at_most) for currency, cost in sorted(_costs(prices).items())]
    costs += [_UNKNOWN] if any(price.bought and price.cost is None for price in prices) else []
    return (
        "all",
        _count(_sum(prices, lambda price: price.cells)),
        _count(_sum(prices, lambda price: price.known)),
        _count(_sum(prices, lambda price: price.to_ask)),
        *_token_cells(_tokens(prices)),
        ("at most " if at_most else "") + _short(_sum(prices, lambda price: price.written)),
        _time(_sum(prices, lambda price: price.seconds)),
        " + ".join(costs) or "-",
    )


def _sum(prices: Sequence[SystemPrice], part: Callable[[SystemPrice], float | None]) -> Any:
    """None if it is not known of every system."""
    parts = [part(price) for price in prices]
    return None if None in parts else sum(value for value in parts if value is not None)


def _tokens(prices: Sequence[SystemPrice]) -> TokenCount | None:
    total = TokenCount(0.0, 0.0, 0.0, "tokenizer")
    for price in prices:
        if price.tokens is None:
            return None
        total = total + price.tokens
    return total


def _costs(prices: Sequence[SystemPrice]) -> dict[str, float]:
    costs: dict[str, float] = defaultdict(float)
    for price in prices:
        if price.cost is not None and price.currency is not None:
            costs[price.currency] += price.cost
    return costs


def _count(number: int | None) -> str:
    return _UNKNOWN if number is None else f"{number:,}"


def _short(number: float | None) -> str:
    return _UNKNOWN if number is None else short(number)


def _token_cells(tokens: TokenCount | None) -> tuple[str, str]:
    if tokens is None:
        return _UNKNOWN, _UNKNOWN
    margin = f" ± {short(tokens.margin)}" if tokens.margin else ""
    about = "" if tokens.basis == "tokenizer" else "about "
    return f"{about}{short(tokens.full)}{margin}", _short(tokens.distinct)


def _time(seconds: float | None) -> str:
    return "never measured" if seconds is None else duration(seconds)


def _cost(price: SystemPrice) -> str:
    if not price.bought:
        return "-"
    return _UNKNOWN if price.cost is None else _money(price.cost, price.currency, price.written_at_most)


def _money(cost: float, currency: str | None, at_most: bool) -> str:
    return f"{'at most ' if at_most else ''}{cost:,.2f} {currency}"


def _grouped_remarks(prices: Sequence[SystemPrice]) -> list[str]:
    """One line a remark, with the systems it is about."""
    about: dict[str, list[str]] = defaultdict(list)
    for price in prices:
        basis = price.tokens.basis if price.tokens else None
        if basis in _ABOUT_TOKENS:
            about[_ABOUT_TOKENS[basis]].append(price.system)
        for remark in price.remarks:
            about[remark].append(price.system)
    everywhere = len(prices) if len(prices) > 1 else None
    return [
        f"{'all systems' if len(systems) == everywhere else ', '.join(systems)}: {remark}"
        for remark, systems in about.items()
    ]
