"""The tables of an agreement report's page: every row with its number, long tables cut to what matters most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bias_platform.reports.agreement_columns import columns_of
from bias_platform.reports.agreement_links import row_number
from bias_platform.reports.table_view import Column, TableView

Tables = Mapping[str, pd.DataFrame]
MOST = 100
"""Rows shown of a table."""
_FIRST: dict[str, tuple[str, bool]] = {
    "coverage": ("coverage", True),
    "alphas": ("alpha", True),
    "human_alphas": ("alpha", True),
    "pair_tests": ("p", True),
    "shares": ("share", False),
    "recalls": ("recall", True),
    "tuning_tests": ("p", True),
    "evenness": ("gini", False),
    "label_scores": ("macro_f1", True),
    "similarities": ("similarity", True),
    "noise_alphas": ("alpha", True),
}
"""Table -> the column that says which rows matter most, and whether low values do."""
_ALWAYS_SORTED = ("pair_tests", "tuning_tests")
_SORTED_BY = {
    "coverage": "least coverage",
    "alphas": "lowest alpha",
    "human_alphas": "lowest alpha",
    "pair_tests": "smallest p",
    "shares": "largest share",
    "recalls": "lowest recall",
    "tuning_tests": "smallest p",
    "evenness": "largest Gini coefficient",
    "label_scores": "lowest macro-F1",
    "similarities": "least similar",
    "noise_alphas": "lowest alpha",
}


@dataclass(frozen=True)
class NumberedView(TableView):
    """A table whose rows have numbers."""

    numbers: Sequence[str] = ()
    """of the rows, as `trace` takes them"""
    total: int = 0
    """rows of the file"""
    order: str = ""
    """what the rows are sorted by; empty: as in the file"""
    added: int = 0
    """rows at the end that are here because a sentence names them"""

    @property
    def snippet(self) -> str:
        """How to get the rows back (those that are added at the end aside)."""
        read = f'pandas.read_parquet("tables/{self.name}.parquet")'
        if not self.order:
            return read
        column, ascending = _FIRST[self.name]
        rising = "" if ascending else ", ascending=False"
        head = f".head({MOST})" if self.total > MOST else ""
        return f'{read}.sort_values("{column}"{rising}, kind="stable"){head}'


def agreement_views(tables: Tables, quoted: Mapping[str, Sequence[int]]) -> dict[str, NumberedView]:
    """Table -> view, of those with rows.

    Args:
        tables: by the names of `AGREEMENT_TABLES`.
        quoted: table -> places of rows that are shown whatever they hold.
    """
    return {name: _view(name, table, quoted.get(name, ())) for name, table in tables.items() if len(table)}


def _view(name: str, table: pd.DataFrame, quoted: Sequence[int]) -> NumberedView:
    rows = table
    is_sorted = len(table) > MOST or name in _ALWAYS_SORTED
    if is_sorted:
        column, ascending = _FIRST[name]
        rows = table.sort_values(column, ascending=ascending, kind="stable").head(MOST)
    more = [place for place in quoted if place not in rows.index]
    rows = pd.concat([rows, table.loc[more]]) if more else rows
    columns = columns_of(name, table)
    return NumberedView(
        name,
        [(column.heading, column.numeric) for column in columns],
        written(rows, columns),
        numbers=[row_number(name, place) for place in rows.index],
        total=len(table),
        order=_SORTED_BY[name] if is_sorted else "",
        added=len(more),
    )


def written(rows: pd.DataFrame, columns: Sequence[Column]) -> list[list[str]]:
    """The cells, row by row."""
    return [list(row) for row in zip(*[column.cells(rows) for column in columns], strict=True)]
