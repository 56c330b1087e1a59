"""A result table as the page shows it: chosen columns, formatted cells, and where the numbers lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

Cell = Callable[[pd.DataFrame], list[str]]


@dataclass(frozen=True)
class Column:
    """A column of the page: heading, how its cells are written, whether it holds numbers."""

    heading: str
    cells: Cell
    numeric: bool = True


@dataclass(frozen=True)
class TableView:
    """A table ready for the template; all of it is plain text, which the template escapes."""

    name: str
    """The Parquet file without its ending."""
    headings: list[tuple[str, bool]]
    """(text, numeric)."""
    rows: list[list[str]] = field(repr=False)
    query: str = ""
    """What `DataFrame.query` picks these rows with; empty for the whole table."""

    @property
    def snippet(self) -> str:
        """How to get the numbers back."""
        picked = f".query({self.query!r})" if self.query else ""
        return f'pandas.read_parquet("tables/{self.name}.parquet"){picked}'


def one(column: str, write: Callable[[object], str]) -> Cell:
    """Cells made from one column."""
    return lambda table: [write(value) for value in table[column]]


def two(first: str, second: str, write: Callable[[object, object], str]) -> Cell:
    """Cells made from two columns, such as the ends of an interval."""
    return lambda table: [write(a, b) for a, b in zip(table[first], table[second], strict=True)]


def view(name: str, table: pd.DataFrame, columns: Sequence[Column], query: str = "") -> TableView:
    """Formats `table` (already the rows that `query` picks)."""
    cells = [column.cells(table) for column in columns]
    rows = [list(row) for row in zip(*cells, strict=True)]
    return TableView(name, [(column.heading, column.numeric) for column in columns], rows, query)
