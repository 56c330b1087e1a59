"""Every outcome of a system at a task, kept as it comes: one SQLite file, one writer, safe against being killed.

Every `append` is one transaction, handed to the operating system before it returns: a killed process loses nothing
that was appended, a power cut at most what the system had not yet written, and neither damages the file. A cell has one
row: a second outcome of it is ignored, unless the first was a transient failure.
Not here: what the cells are (`identity`) and who asks them (`answering`). Local disk only: SQLite's write-ahead log and
file locks do not work on network file systems.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from bias_platform.errors import ArtifactError
from bias_platform.inference.engines.base import NO_USAGE, Usage
from bias_platform.inference.ledger_file import connect_for_reading, connect_for_writing
from bias_platform.inference.outcomes import Outcome
from bias_platform.inference.writer_lock import WriterLock

_IDS_PER_QUERY = 8192
_COLUMNS = ("cell_id", "outcome", "answer", "option_logprobs", "raw_text", "detail", "finish")

_INSERT = """
INSERT INTO cells (cell_id, item_id, outcome, answer, option_logprobs, raw_text, detail, transient,
  finish, input_tokens, output_tokens)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (cell_id) DO UPDATE SET
  item_id = excluded.item_id, outcome = excluded.outcome, answer = excluded.answer,
  option_logprobs = excluded.option_logprobs, raw_text = excluded.raw_text, detail = excluded.detail,
  transient = excluded.transient, finish = excluded.finish, input_tokens = excluded.input_tokens,
  output_tokens = excluded.output_tokens
WHERE cells.transient = 1
"""


class LedgerCounts(NamedTuple):
    """How many cells a ledger holds."""

    by_outcome: dict[str, int]
    transient: int
    """failures that the next run asks again"""


class LedgerReader:
    """Reads a ledger, also while another process writes it. A file that is not there reads as empty.

    Args:
        path: the SQLite file.

    Raises:
        UserError: not a ledger, damaged, or written by a newer version.
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
            cell_id, outcome, answer, option_logprobs (array of float64 or None), raw_text, detail; in no order.
        """
        rows: list[tuple[Any, ...]] = []
        for start in range(0, len(cell_ids), _IDS_PER_QUERY):
            part = [bytes.fromhex(cell_id) for cell_id in cell_ids[start : start + _IDS_PER_QUERY]]
            marks = ",".join("?" * len(part))
            query = f"SELECT {', '.join(_COLUMNS)} FROM cells WHERE transient = 0 AND cell_id IN ({marks})"
            rows += self._connection.execute(query, part).fetchall()
        return _frame(rows)

    def count_known(self, cell_ids: Sequence[str]) -> int:
        """How many of the cells are settled."""
        total = 0
        for start in range(0, len(cell_ids), _IDS_PER_QUERY):
            part = [bytes.fromhex(cell_id) for cell_id in cell_ids[start : start + _IDS_PER_QUERY]]
            marks = ",".join("?" * len(part))
            query = f"SELECT COUNT(*) FROM cells WHERE transient = 0 AND cell_id IN ({marks})"
            total += self._connection.execute(query, part).fetchone()[0]
        return total

    def counts(self) -> LedgerCounts:
        """Cells by outcome."""
        groups = self._connection.execute("SELECT outcome, COUNT(*) FROM cells GROUP BY outcome ORDER BY outcome")
        by_outcome = dict(groups.fetchall())
        transient = self._connection.execute("SELECT COUNT(*) FROM cells WHERE transient = 1").fetchone()[0]
        return LedgerCounts(by_outcome, transient)


class Ledger(LedgerReader):
    """The one writer of a ledger; use `Ledger.open` in a `with` block. Belongs to the thread that opened it."""

    def __init__(self, path: Path, lock: WriterLock) -> None:
        self.path = path
        self._lock = lock
        self._connection = connect_for_writing(path)

    @classmethod
    def open(cls, path: Path, *, wait: bool = True, on_wait: Callable[[str], None] = lambda message: None) -> "Ledger":
        """Opens or creates a ledger for writing.

        Args:
            path: the SQLite file; its folder is made.
            wait: wait for another writer to finish (True) or refuse.
            on_wait: is told, once and then every half minute, whom one waits for.

        Raises:
            LedgerBusyError: another process writes it and `wait` is False.
            UserError: not a ledger, damaged, or written by a newer version.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = WriterLock(path.with_name(path.name + ".lock"))
        lock.acquire(path, wait=wait, on_wait=on_wait)
        try:
            return cls(path, lock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Lets go of file and lock."""
        try:
            self._connection.close()
        finally:
            self._lock.release()

    def append(self, outcomes: Iterable[Outcome], *, usage: Usage = NO_USAGE, seconds: float = 0.0) -> None:
        """Adds outcomes. Those of settled cells are ignored; a transient failure is replaced.

        Args:
            outcomes: of one batch.
            usage: tokens the batch took, failed attempts included.
            seconds: the engine worked on it.
        """
        rows = [_row(outcome) for outcome in outcomes]
        if rows:
            with self._transaction():
                self._connection.executemany(_INSERT, rows)

    def forget(self, item_ids: Sequence[str]) -> int:
        """Deletes every outcome of withdrawn posts, traces in the file included; returns how many there were."""
        with self._transaction():
            deleted = 0
            for start in range(0, len(item_ids), _IDS_PER_QUERY):
                part = list(item_ids[start : start + _IDS_PER_QUERY])
                marks = ",".join("?" * len(part))
                deleted += self._connection.execute(f"DELETE FROM cells WHERE item_id IN ({marks})", part).rowcount
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return deleted

    def forget_failures(self) -> int:
        """Deletes all failures, the permanent ones too, so that they are asked again; returns how many there were."""
        with self._transaction():
            return int(self._connection.execute("DELETE FROM cells WHERE outcome = 'failed'").rowcount)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing.

        Raises:
            ArtifactError: the disk refuses.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise ArtifactError(
                    f"the ledger {self.path} cannot be written ({error}); make room or check the permissions, then "
                    "run it again: what was answered before is kept"
                ) from error
            raise


def _row(outcome: Outcome) -> tuple[Any, ...]:
    scores = outcome.option_logprobs
    return (
        bytes.fromhex(outcome.cell_id),
        outcome.item_id,
        outcome.outcome,
        outcome.answer,
        None if scores is None else np.ascontiguousarray(scores, dtype="<f8").tobytes(),
        outcome.raw_text,
        outcome.detail,
        int(outcome.transient),
        outcome.finish,
        outcome.input_tokens,
        outcome.output_tokens,
    )


def _frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object)
    table["cell_id"] = [cell_id.hex() for cell_id in table["cell_id"]]
    scores = [None if blob is None else np.frombuffer(blob, dtype="<f8") for blob in table["option_logprobs"]]
    table["option_logprobs"] = pd.Series(scores, dtype=object, index=table.index)
    return table
