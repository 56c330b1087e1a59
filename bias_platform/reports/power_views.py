"""The power tables as people read them: numbers of items side by side, what they cost above what they find."""

import math
from collections.abc import Sequence
from typing import Any

from bias_platform.analysis.declared_power import DeclaredPower, looked_at
from bias_platform.errors import counted
from bias_platform.reports.formats import percent, text
from bias_platform.reports.shared_columns import SCOPE, unsigned, unsigned_span
from bias_platform.reports.table_view import Column, TableView, one, two, view

_LABELS = [("Assumed", False), ("Difference", False), ("Claim", False)]
_KIND = Column("Assumed", one("assumptions", text), numeric=False)
_QUESTION = Column("Difference", one("question", text), numeric=False)
_ITEMS = Column("Items", one("items", text))


def smallest_view(found: DeclaredPower) -> TableView:
    """Smallest difference found in percentage points with its Monte-Carlo interval; a column a number of items."""
    smallest = found.tables["smallest_differences"]
    largest = max(looked_at(found.study))
    cells = dict(zip(smallest["items"], smallest["cells"], strict=True))
    own = {count: ", this study" if count == found.size.items else "" for count in cells}
    names = [(f"{counted(int(count), 'item')}{mark}", True) for count, mark in own.items()]
    rows = [["", "cells to ask", "", *(f"{number:,}" for number in cells.values())]]
    for labels, part in smallest.groupby(["assumptions", "question", "scope"], sort=False):
        by_count = {row.items: _reach(row, largest) for row in part.itertuples(index=False)}
        rows.append([*map(str, labels), *(by_count[count] for count in cells)])
    return TableView("smallest_differences", [*_LABELS, *names], rows)


def _reach(row: Any, largest: float) -> str:
    """A difference and its interval in percentage points.

    >>> from types import SimpleNamespace
    >>> _reach(SimpleNamespace(gap=0.29, lower=0.28, upper=math.nan), 0.3)
    '29.0 (28.0–above 30)'
    """
    beyond = f"above {unsigned(largest).removesuffix('.0')}"
    if math.isnan(row.gap):
        return beyond
    upper = beyond if math.isnan(row.upper) else unsigned(row.upper)
    return f"{unsigned(row.gap)} ({unsigned(row.lower)}–{upper})"


def curve_view(found: DeclaredPower) -> TableView:
    """Every point of every curve."""
    columns = [
        _KIND,
        _QUESTION,
        SCOPE,
        _ITEMS,
        Column("Difference, pp", one("gap", unsigned)),
        Column("Found in", one("power", percent)),
        Column("Monte-Carlo interval, %", two("lower", "upper", unsigned_span)),
    ]
    return view("power_curves", found.tables["power_curves"], columns)


def power_summary(found: DeclaredPower) -> str:
    """The same in Markdown, for the UI and for a terminal: sentences, and the table of smallest differences."""
    table = smallest_view(found)
    headings = [heading for heading, _ in table.headings]
    power = f"{100 * found.study.power.target:g} %"
    what = f"Smallest difference of P(Yes) that {power} of studies find, in points (95 % Monte-Carlo interval):"
    missing = "\n".join(["It does not cover:", "", *(f"- {line}" for line in found.not_covered)])
    parts = [found.headline, *found.summary, what, _markdown_table(headings, table.rows), missing]
    return "\n\n".join(parts) + "\n"


def _markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """
    >>> print(_markdown_table(["a", "long"], [["x", "1"]]))
    | a | long |
    |---|------|
    | x | 1    |
    """
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (headings, *rows)
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
