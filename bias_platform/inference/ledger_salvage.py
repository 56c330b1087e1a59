"""Reads what is left of a damaged ledger file: row by row, around what cannot be read, and only what can be trusted.

Changes nothing of the file. Not here: where the rows go (`ledger_recovery`).
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_platform.inference.ledger_batches import BATCH_COLUMNS, BatchFacts
from bias_platform.inference.ledger_file import connect_read_only
from bias_platform.inference.ledger_rows import STORED, Row, row_checksum, row_flaw

_HIGHEST_ROWID = 2**62
_FIRST_SHAPE = STORED[:8]
"""columns of the time before there were checksums"""


@dataclass
class Salvage:
    """What is left of a damaged file. Iterate `batches` first, then `cells`, each once.

    Args:
        path: the damaged file, with its write-ahead log beside it if there is one.
    """

    path: Path
    distrusted: int = 0
    """rows that could be read but do not hold what was written; counted while iterating"""

    def batches(self) -> Iterator[tuple[int, BatchFacts]]:
        """Number and facts of every batch whose record is as written."""
        for row in self._rows("batches", BATCH_COLUMNS):
            number, _, _, *facts, checksum = row
            if _are_facts(facts) and BatchFacts(*facts).checksum(number) == checksum:
                yield number, BatchFacts(*facts)
            else:
                self.distrusted += 1

    def cells(self) -> Iterator[tuple[int, Row]]:
        """Number of its batch, and the row, of every cell that is as written; a cell may come more than once."""
        for row in self._rows("cells", (*STORED, "batch", "checksum")):
            *stored, batch, checksum = row
            if checksum == row_checksum(stored) and row_flaw(tuple(stored)) is None:
                yield batch, tuple(stored)
            else:
                self.distrusted += 1
        for row in self._rows("cells", _FIRST_SHAPE, unless="checksum"):
            stored = [*row, None, 0, 0]
            if row_flaw(tuple(stored)) is None:  # all that can be said without a checksum
                yield 0, tuple(stored)
            else:
                self.distrusted += 1

    def _rows(self, table: str, columns: Sequence[str], unless: str | None = None) -> Iterator[Row]:
        """Rows of a table, if it has these columns (and not that one)."""
        with closing(connect_read_only(self.path)) as connection:
            # lets SQLite read a file that is shorter than it should be
            connection.execute("PRAGMA writable_schema = ON")
            there = _columns(connection, table)
            if there.issuperset(columns) and unless not in there:
                yield from readable_rows(connection, table, columns)


def readable_rows(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> Iterator[Row]:
    """All rows that SQLite can read, in the order of their row ids; goes around those it cannot."""
    query = f"SELECT rowid, {', '.join(columns)} FROM {table} WHERE rowid > ? ORDER BY rowid"
    after: int | None = 0
    while after is not None:
        try:
            for rowid, *row in connection.execute(query, (after,)):
                after = max(after, rowid)
                yield tuple(row)
            return
        except sqlite3.DatabaseError:
            after = _next_readable(connection, query, after)


def _next_readable(connection: sqlite3.Connection, query: str, after: int) -> int | None:
    """The least row id after which something (or the end) can be read again; None: nothing.

    Goes on in steps that grow with the stretch that cannot be read, so that a lost page costs some microseconds and a
    lost half of a file milliseconds, then back to the stretch's exact end.
    """
    low, high = after, after + 1
    while not _can_read(connection, query, high):
        low, high = high, high + max(1, (high - after) // 16)
        if high > _HIGHEST_ROWID:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _can_read(connection, query, middle) else (middle, high)
    return high


def _can_read(connection: sqlite3.Connection, query: str, after: int) -> bool:
    try:
        connection.execute(f"{query} LIMIT 1", (after,)).fetchone()
    except sqlite3.DatabaseError:
        return False
    return True


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    try:
        return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return set()  # not even the list of tables is left


def _are_facts(values: Sequence[Any]) -> bool:
    *counts, seconds, origin = values
    whole = all(isinstance(count, int) and count >= 0 for count in counts)
    return whole and isinstance(seconds, float) and seconds >= 0 and isinstance(origin, str)
