"""What a ledger holds, in numbers: for `bias-platform ledger inspect`."""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from bias_platform.inference.engines.base import Usage
from bias_platform.inference.ledger import LedgerRate, LedgerReader
from bias_platform.inference.ledger_damage import damage_noticed, suspicion_of
from bias_platform.inference.ledger_file import connect_for_reading
from bias_platform.inference.ledger_recovery import files_set_aside
from bias_platform.inference.writer_lock import holder_of, lock_of

_REASON = "CASE instr(detail, ':') WHEN 0 THEN detail ELSE substr(detail, 1, instr(detail, ':') - 1) END"


class Reason(NamedTuple):
    """Why cells have no answer."""

    outcome: str
    transient: bool
    """the next run asks them again"""
    reason: str
    """the part of the detail before its colon"""
    cells: int


class BatchCount(NamedTuple):
    """How many batches came from one origin."""

    origin: str
    batches: int
    cells: int


class LedgerSummary(NamedTuple):
    """A ledger in numbers."""

    path: Path
    size: int
    """bytes, write-ahead log included"""
    schema_version: int
    by_outcome: dict[str, int]
    reasons: list[Reason]
    """the commonest first"""
    batches: list[BatchCount]
    first_written: int | None
    """seconds since 1970, UTC; None: no batch"""
    last_written: int | None
    spent: Usage
    rate: LedgerRate | None
    writer: str | None
    """who is writing it now"""
    suspicion: str | None
    """why the next run will look at it"""
    set_aside: list[Path]
    """damaged files of earlier days"""

    @property
    def cells(self) -> int:
        """All outcomes."""
        return sum(self.by_outcome.values())


def summarize_ledger(path: Path) -> LedgerSummary:
    """Reads the numbers of a ledger, also while it is being written.

    Raises:
        DamagedLedgerError: damaged, or no database at all.
        UserError: not a ledger, or written by a newer version.
    """
    with LedgerReader(path) as reader:
        by_outcome, spent, rate = reader.counts().by_outcome, reader.spent(), reader.rate()
    contents = _contents(path)
    suspicion = suspicion_of(path)
    return LedgerSummary(
        path=path,
        size=ledger_size(path),
        schema_version=contents.schema_version,
        by_outcome=by_outcome,
        reasons=contents.reasons,
        batches=contents.batches,
        first_written=contents.first_written,
        last_written=contents.last_written,
        spent=spent,
        rate=rate,
        writer=holder_of(lock_of(path)),
        suspicion=suspicion.reason if suspicion else None,
        set_aside=files_set_aside(path),
    )


def ledger_size(path: Path) -> int:
    """Bytes of a ledger, its write-ahead log included."""
    parts = (path, path.with_name(path.name + "-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


class _Contents(NamedTuple):
    schema_version: int
    reasons: list[Reason]
    batches: list[BatchCount]
    first_written: int | None
    last_written: int | None


def _contents(path: Path) -> _Contents:
    with closing(connect_for_reading(path)) as connection, damage_noticed(path):
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        reasons = connection.execute(
            f"SELECT outcome, transient, COALESCE({_REASON}, '(none given)') AS reason, COUNT(*) AS cells FROM cells "
            "WHERE outcome <> 'answered' GROUP BY outcome, transient, reason ORDER BY cells DESC, outcome, reason"
        ).fetchall()
        batches = connection.execute(
            "SELECT origin, COUNT(*), SUM(cells) FROM batches GROUP BY origin ORDER BY MIN(batch)"
        ).fetchall()
        first, last = connection.execute("SELECT MIN(written_at), MAX(written_at) FROM batches").fetchone()
    return _Contents(
        version,
        [Reason(outcome, bool(transient), reason, cells) for outcome, transient, reason, cells in reasons],
        [BatchCount(*row) for row in batches],
        first,
        last,
    )
