"""Every outcome of a system at a task, kept as it comes: one SQLite file, one writer, safe against being killed.

Every `append` is one transaction, handed to the operating system before it returns: a killed process loses nothing
that was appended, a power cut at most what the system had not yet written, and neither damages the file. A cell has one
row: a second outcome of it is ignored, unless the first was a transient failure. Every row has a checksum that is
compared whenever the row is read, so that no damaged outcome is ever taken for an answer.
Not here: what the cells are (`identity`), who asks them (`answering`), and what becomes of a damaged file
(`ledger_recovery`). Local disk only: SQLite's write-ahead log and file locks do not work on network file systems.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pandas as pd

from bias_platform.errors import ArtifactError, counted
from bias_platform.inference.engines.base import NO_USAGE, Usage
from bias_platform.inference.ledger_batches import Origin, add_batch, batch_facts, remove_cells
from bias_platform.inference.ledger_damage import damage_noticed, damaged, is_damage, noticed, suspicion_of
from bias_platform.inference.ledger_file import connect_for_reading, connect_for_writing
from bias_platform.inference.ledger_rows import STORED, Row, marks, row_checksum, score_array, stored_row
from bias_platform.inference.outcomes import Outcome
from bias_platform.inference.writer_lock import WriterLock, locked

_IDS_PER_QUERY = 8192
_BATCHES_OF_RATE = 200
_COLUMNS = ("cell_id", "outcome", "answer", "option_logprobs", "raw_text", "detail", "finish")

_SETTLED = f"SELECT {', '.join(STORED)}, checksum FROM cells WHERE transient = 0"
_TOKENS = ", ".join(f"COALESCE(SUM({name}), 0)" for name in Usage._fields)


class LedgerCounts(NamedTuple):
    """How many cells a ledger holds."""

    by_outcome: dict[str, int]
    transient: int
    """failures that the next run asks again"""


class LedgerRate(NamedTuple):
    """What the last batches took."""

    cells: int
    seconds: float
    """more than 0"""
    usage: Usage

    @property
    def cells_per_second(self) -> float:
        """Outcomes a second of the engine's work."""
        return self.cells / self.seconds

    @property
    def tokens_per_second(self) -> float:
        """Tokens read and written a second; 0 where the engine counts none."""
        return (self.usage.input_tokens + self.usage.output_tokens) / self.seconds


class LedgerReader:
    """Reads a ledger, also while another process writes it. A file that is not there reads as empty.

    Every method raises `DamagedLedgerError` where the file does not hold what was written.

    Args:
        path: the SQLite file.

    Raises:
        DamagedLedgerError: damaged, or no database at all.
        UserError: not a ledger, or written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect_for_reading(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    def known(self, cell_ids: Sequence[str]) -> pd.DataFrame:
        """The settled ones among the cells: everything but what was never asked and transient failures.

        Returns:
            cell_id, outcome, answer, option_logprobs (array of float64 or None), raw_text, detail, finish; in no order.
        """
        rows: list[Row] = []
        for part in map(_as_stored, _parts(cell_ids)):
            query = (
                f"SELECT {', '.join(STORED)}, checksum FROM cells WHERE transient = 0 AND cell_id IN ({marks(part)})"
            )
            rows += self._fetch(query, part)
        wrong = sum(row[-1] is not None and row[-1] != row_checksum(row[:-1]) for row in rows)
        if wrong:
            raise noticed(self.path, f"{counted(wrong, 'cell')} no longer as written")
        return _frame(rows)

    def count_known(self, cell_ids: Sequence[str]) -> int:
        """How many of the cells are settled."""
        query = "SELECT COUNT(*) FROM cells WHERE transient = 0 AND cell_id IN ({})"
        return sum(self._fetch(query.format(marks(part)), part)[0][0] for part in map(_as_stored, _parts(cell_ids)))

    def counts(self) -> LedgerCounts:
        """Cells by outcome."""
        by_outcome = self._fetch("SELECT outcome, COUNT(*) FROM cells GROUP BY outcome ORDER BY outcome")
        transient = self._fetch("SELECT COUNT(*) FROM cells WHERE transient = 1")
        return LedgerCounts(dict(by_outcome), transient[0][0])

    def spent(self) -> Usage:
        """Tokens of everything asked so far, failed attempts included; what came from elsewhere is not counted."""
        return Usage(*self._fetch(f"SELECT {_TOKENS} FROM batches")[0])

    def rate(self) -> LedgerRate | None:
        """What the last 200 batches took that an engine worked on; None when nothing was measured yet."""
        query = (
            f"SELECT COALESCE(SUM(asked), 0), COALESCE(SUM(seconds), 0.0), {_TOKENS} "
            "FROM (SELECT * FROM batches WHERE seconds > 0 ORDER BY batch DESC LIMIT ?)"
        )
        cells, seconds, *usage = self._fetch(query, [_BATCHES_OF_RATE])[0]
        return LedgerRate(cells, seconds, Usage(*usage)) if seconds > 0 else None

    def _fetch(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        with damage_noticed(self.path):
            return self._connection.execute(query, values).fetchall()


class Ledger(LedgerReader):
    """The one writer of a ledger; use `Ledger.open` in a `with` block. Belongs to the thread that opened it.

    Args:
        path: the SQLite file.
        lock: held; given back by `close`.
    """

    def __init__(self, path: Path, lock: WriterLock) -> None:
        self.path = path
        self._lock = lock
        self._connection = connect_for_writing(path)
        lock.note_writing()

    @classmethod
    def open(cls, path: Path, *, wait: bool = True, on_wait: Callable[[str], None] = lambda message: None) -> "Ledger":
        """Opens or creates a ledger for writing. To go on in spite of damage: `ledger_recovery.open_or_recover`.

        Args:
            path: the SQLite file; its folder is made.
            wait: wait for another writer to finish (True) or refuse.
            on_wait: is told, once and then every half minute, whom one waits for.

        Raises:
            LedgerBusyError: another process writes it and `wait` is False.
            DamagedLedgerError: damaged, or no database at all.
            UserError: not a ledger, written by a newer version, or the disk refuses.
        """
        lock = locked(path, wait=wait, on_wait=on_wait)
        try:
            suspicion = suspicion_of(path)
            if suspicion is not None:
                raise damaged(path, suspicion.reason)
            return cls(path, lock)
        except BaseException:
            lock.release(closed=False)
            raise

    def close(self) -> None:
        """Lets go of file and lock."""
        try:
            self._connection.close()
        finally:
            self._lock.release()

    def append(
        self,
        outcomes: Iterable[Outcome],
        *,
        usage: Usage = NO_USAGE,
        seconds: float = 0.0,
        origin: Origin = "asked",
    ) -> int:
        """Adds outcomes as one batch. Those of settled cells are ignored; a transient failure is replaced.

        Args:
            outcomes: of one batch.
            usage: tokens the batch took, failed attempts included.
            seconds: the engine worked on it; 0: not measured.
            origin: where they come from.

        Returns:
            how many were taken.

        Raises:
            ArtifactError: the disk refuses; nothing of the batch is kept, and everything before it is.
            DamagedLedgerError: the file is damaged.
        """
        rows = [stored_row(outcome) for outcome in outcomes]
        if not rows and usage == NO_USAGE:
            return 0
        with self._transaction():
            return add_batch(self._connection, rows, batch_facts(len(rows), usage, seconds, origin))

    def forget(self, item_ids: Sequence[str]) -> int:
        """Deletes every outcome of withdrawn posts, traces in the file included; returns how many there were.

        Raises:
            ArtifactError: somebody reads the ledger right now, so that the traces stay; give the call again.
        """
        with self._transaction():
            deleted = sum(
                remove_cells(self._connection, f"item_id IN ({marks(part)})", part) for part in _parts(item_ids)
            )
        self._write_back()
        return deleted

    def forget_failures(self) -> int:
        """Deletes all failures, the permanent ones too, so that they are asked again; returns how many there were."""
        with self._transaction():
            return remove_cells(self._connection, "outcome = 'failed'")

    def compact(self) -> None:
        """Gives back the space of what was deleted, the write-ahead log's included.

        Raises:
            ArtifactError: the disk refuses (it takes the file's size once more for a moment), or somebody is reading.
        """
        with self._refusals_said():
            self._connection.execute("VACUUM")
        self._write_back()

    def _write_back(self) -> None:
        with self._refusals_said():
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise ArtifactError(
                f"the ledger {self.path} is being read, so that its write-ahead log still holds what was deleted; wait "
                "until the reader has finished (or stop it), then give the same command again"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing."""
        with self._refusals_said():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _refusals_said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise ArtifactError(
                f"the ledger {self.path} cannot be written ({error}); make room or check the permissions, then "
                "run it again: what was answered before is kept"
            ) from error
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise noticed(self.path, str(error)) from error
            raise


def _parts(values: Sequence[str]) -> Iterator[list[str]]:
    """Few enough for one query each."""
    for start in range(0, len(values), _IDS_PER_QUERY):
        yield list(values[start : start + _IDS_PER_QUERY])


def _as_stored(cell_ids: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(cell_id) for cell_id in cell_ids]


def _frame(rows: list[Row]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[*STORED, "checksum"], dtype=object)[list(_COLUMNS)]
    table["cell_id"] = [cell_id.hex() for cell_id in table["cell_id"]]
    scores = [score_array(blob) for blob in table["option_logprobs"]]
    table["option_logprobs"] = pd.Series(scores, dtype=object, index=table.index)
    return table
