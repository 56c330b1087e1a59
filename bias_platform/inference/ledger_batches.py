"""Batches: every append is one, with what it took and a checksum over its cells that stays true as cells go.

All functions here work inside the caller's transaction.
"""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from bias_platform.inference.engines.base import NO_USAGE, Usage
from bias_platform.inference.ledger_rows import STORED, Row, checksum_sum, marks, row_checksum

Origin = Literal["asked", "imported", "rebuilt", "migrated"]
"""Where a batch's outcomes come from: an engine, a file recorded elsewhere, what was left of a damaged ledger or was
published of it, or a ledger of the time before there were batches."""

_CELL_COLUMNS = (*STORED, "batch", "checksum")
_ADD = f"INSERT INTO cells ({', '.join(_CELL_COLUMNS)}) VALUES ({marks(_CELL_COLUMNS)})"
ADD_NEW = f"{_ADD} ON CONFLICT (cell_id) DO NOTHING"
_REPLACE = f"{_ADD} ON CONFLICT (cell_id) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in _CELL_COLUMNS[1:])}"
_IDS_PER_QUERY = 8192
_CHECKSUM, _TRANSIENT = _CELL_COLUMNS.index("checksum"), _CELL_COLUMNS.index("transient")


class BatchFacts(NamedTuple):
    """What is known of a batch when it is written; never changed afterwards."""

    asked: int
    """outcomes that came, those of settled cells included"""
    written_at: int
    """seconds since 1970, UTC"""
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    seconds: float
    """the engine worked on it; 0: not measured"""
    origin: str
    """an `Origin`"""

    @property
    def took_anything(self) -> bool:
        """Whether the batch is worth a record even if all its cells were settled before."""
        return bool(self.seconds or self.input_tokens or self.output_tokens)

    def checksum(self, batch: int) -> int:
        """Over the facts and the batch's number."""
        return row_checksum((batch, *self))


BATCH_COLUMNS = ("batch", "cells", "cells_checksum", *BatchFacts._fields, "checksum")
ADD_BATCH = f"INSERT INTO batches ({', '.join(BATCH_COLUMNS)}) VALUES ({marks(BATCH_COLUMNS)})"


def batch_facts(asked: int, usage: Usage = NO_USAGE, seconds: float = 0.0, origin: Origin = "asked") -> BatchFacts:
    """The facts of a batch that is written now."""
    return BatchFacts(asked, int(time.time()), *usage, float(seconds), origin)


def add_batch(connection: sqlite3.Connection, rows: Sequence[Row], facts: BatchFacts) -> int:
    """Adds rows as one batch: new cells, and those whose last outcome was a transient failure. Others stay as they are.

    Returns:
        how many of the rows were taken.
    """
    batch = next_batch(connection)
    stored = _stored(connection, [row[0] for row in rows])
    taken = _unsettled([(*row, batch, row_checksum(row)) for row in rows], stored)
    replaced = [cell_id for cell_id in taken if cell_id in stored] if stored else []
    _take_out(connection, [(stored[cell_id].batch, stored[cell_id].checksum) for cell_id in replaced])
    connection.executemany(_REPLACE, [taken[cell_id] for cell_id in replaced])
    connection.executemany(_ADD, [row for cell_id, row in taken.items() if cell_id not in stored])
    if taken or facts.took_anything:
        connection.execute(ADD_BATCH, batch_row(batch, facts, [row[_CHECKSUM] for row in taken.values()]))
    return len(taken)


def next_batch(connection: sqlite3.Connection) -> int:
    """The number of the batch to come."""
    return int(connection.execute("SELECT COALESCE(MAX(batch), 0) + 1 FROM batches").fetchone()[0])


def batch_row(batch: int, facts: BatchFacts, checksums: Sequence[int]) -> tuple[Any, ...]:
    """Values of `BATCH_COLUMNS` of a batch whose cells have these checksums."""
    return (batch, len(checksums), checksum_sum(checksums), *facts, facts.checksum(batch))


def checksums_by_batch(connection: sqlite3.Connection) -> dict[int, list[int]]:
    """Batch -> checksums of its cells."""
    found: dict[int, list[int]] = defaultdict(list)
    for batch, checksum in connection.execute("SELECT batch, checksum FROM cells"):
        found[batch].append(checksum)
    return found


def remove_cells(connection: sqlite3.Connection, condition: str, values: Sequence[Any] = ()) -> int:
    """Deletes cells and takes them out of the checksums of their batches; returns how many there were."""
    removed = connection.execute(f"DELETE FROM cells WHERE {condition} RETURNING batch, checksum", values).fetchall()
    _take_out(connection, removed)
    return len(removed)


def _unsettled(stamped: Sequence[Row], stored: Mapping[bytes, "_Stored"]) -> dict[bytes, Row]:
    """The rows to take, one a cell: a settled cell keeps what it has, and the first settled row of several wins."""
    taken: dict[bytes, Row] = {}
    for row in stamped:
        cell_id = row[0]
        before = taken.get(cell_id)
        settled = not before[_TRANSIENT] if before else cell_id in stored and not stored[cell_id].transient
        if not settled:
            taken[cell_id] = row
    return taken


class _Stored(NamedTuple):
    batch: int
    checksum: int
    transient: int


def _stored(connection: sqlite3.Connection, cell_ids: Sequence[bytes]) -> dict[bytes, _Stored]:
    found: dict[bytes, _Stored] = {}
    for start in range(0, len(cell_ids), _IDS_PER_QUERY):
        part = cell_ids[start : start + _IDS_PER_QUERY]
        query = f"SELECT cell_id, batch, checksum, transient FROM cells WHERE cell_id IN ({marks(part)})"
        found |= {row[0]: _Stored(*row[1:]) for row in connection.execute(query, part)}
    return found


def _take_out(connection: sqlite3.Connection, removed: Iterable[tuple[int, int]]) -> None:
    """Subtracts cells (batch, checksum) from their batches. In Python, because SQLite's sums do not wrap around."""
    gone: dict[int, list[int]] = defaultdict(list)
    for batch, checksum in removed:
        gone[batch].append(checksum)
    for batch, checksums in gone.items():
        query = "SELECT cells_checksum FROM batches WHERE batch = ?"
        for (before,) in connection.execute(query, (batch,)).fetchall():
            rest = checksum_sum([before, -sum(checksums)])
            update = "UPDATE batches SET cells = cells - ?, cells_checksum = ? WHERE batch = ?"
            connection.execute(update, (len(checksums), rest, batch))
