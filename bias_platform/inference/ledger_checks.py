"""Whether a ledger holds what was written: every cell and every batch against its checksum. Changes nothing."""

import datetime as dt
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bias_platform.errors import counted
from bias_platform.inference.ledger_batches import BATCH_COLUMNS, BatchFacts
from bias_platform.inference.ledger_damage import DamagedLedgerError, is_damage
from bias_platform.inference.ledger_file import connect_for_reading
from bias_platform.inference.ledger_rows import STORED, checksum_sum, row_checksum, row_flaw

_MOST_PAGE_PROBLEMS = 20
_ROWS_AT_ONCE = 4096
_NOT_AS_WRITTEN = "not as written"


class LedgerCheck(NamedTuple):
    """What a check has found."""

    cells: int
    batches: int
    problems: tuple[str, ...]
    """sentences, each broken batch by its number; empty: sound"""


@dataclass
class _Found:
    """What the cells of one batch add up to."""

    cells: int = 0
    checksum: int = 0
    flaws: Counter[str] = field(default_factory=Counter)


def verify_ledger(path: Path) -> LedgerCheck:
    """Reads a whole ledger and compares it with its checksums, also while it is being written.

    Args:
        path: the SQLite file; one that is not there is sound and empty.

    Raises:
        UserError: not a ledger, or written by a newer version.
    """
    try:
        connection = connect_for_reading(path)
    except DamagedLedgerError as error:
        return LedgerCheck(0, 0, (f"the file cannot be read: {error.__cause__}",))
    with closing(connection):
        connection.execute("BEGIN")  # one moment of the ledger, whoever writes to it meanwhile
        problems = list(page_problems(connection, path, thorough=True))
        found: dict[int, _Found] = {}
        batches = 0
        try:
            found = _read_cells(connection)
            for problem in _batch_problems(connection, found):
                batches += 1
                problems += [problem] if problem else []
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            problems.append(f"it cannot be read to its end: {error}")
    return LedgerCheck(sum(each.cells for each in found.values()), batches, tuple(problems))


def page_problems(connection: sqlite3.Connection, path: Path, *, thorough: bool) -> Iterator[str]:
    """What SQLite finds wrong with the pages of a file.

    Args:
        connection: to a ledger.
        path: its file.
        thorough: compare the index with the table too, which takes ten times as long; else 0.2 s for a million cells.
    """
    check = "integrity_check" if thorough else "quick_check"
    try:
        if path.exists() and path.stat().st_size % connection.execute("PRAGMA page_size").fetchone()[0]:
            yield "its last page is cut off"  # SQLite takes what is missing for zeros
        for (line,) in connection.execute(f"PRAGMA {check}({_MOST_PAGE_PROBLEMS})"):
            if line != "ok":
                yield from (f"its pages: {each}" for each in line.splitlines() if not each.startswith("***"))
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        yield f"its pages: {error}"


def _read_cells(connection: sqlite3.Connection) -> dict[int, _Found]:
    """Batch -> what its cells add up to."""
    found: dict[int, _Found] = {}
    cursor = connection.execute(f"SELECT batch, checksum, {', '.join(STORED)} FROM cells")
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        for batch, checksum, *stored in rows:
            of_batch = found.setdefault(batch, _Found())
            of_batch.cells += 1
            if checksum is not None:  # None: a ledger of the time before there were checksums
                of_batch.checksum = checksum_sum((of_batch.checksum, checksum))
            flaw = row_flaw(tuple(stored))
            if checksum is not None and checksum != row_checksum(stored):
                of_batch.flaws[_NOT_AS_WRITTEN] += 1
            elif flaw:
                of_batch.flaws[flaw] += 1
    return found


def _batch_problems(connection: sqlite3.Connection, found: dict[int, _Found]) -> Iterator[str | None]:
    """One entry a batch, None for a sound one; then those of cells whose batch is not there."""
    left = dict(found)
    first_version = 0 in left  # its cells have no batch
    for row in connection.execute(f"SELECT {', '.join(BATCH_COLUMNS)} FROM batches ORDER BY batch"):
        number, cells, cells_checksum, *facts, checksum = row
        yield _batch_problem(number, BatchFacts(*facts), cells, cells_checksum, checksum, left.pop(number, _Found()))
    for number, of_batch in sorted(left.items()):
        if of_batch.flaws or not (first_version and number == 0):
            missing = [] if number == 0 else ["its record is missing"]
            yield f"batch {number}: {'; '.join([*missing, *_flaws(of_batch)])} ({counted(of_batch.cells, 'cell')})"


def _batch_problem(
    number: int, facts: BatchFacts, cells: int, cells_checksum: int, checksum: int, found: _Found
) -> str | None:
    problems = list(_flaws(found))
    if facts.checksum(number) != checksum:
        problems.append("its record is not as written")
    if found.cells < cells:
        problems.append(f"{counted(cells - found.cells, 'cell')} missing")
    elif found.cells > cells:
        problems.append(f"{counted(found.cells - cells, 'cell')} too many")
    elif found.checksum != cells_checksum:
        problems.append("other cells than were written")
    if not problems:
        return None
    return f"batch {number} ({counted(cells, 'cell')}, written {_moment(facts.written_at)}): {'; '.join(problems)}"


def _flaws(found: _Found) -> Iterator[str]:
    for flaw, cells in found.flaws.items():
        yield f"{counted(cells, 'cell')} {'' if flaw == _NOT_AS_WRITTEN else 'with '}{flaw}"


def _moment(seconds: int) -> str:
    try:
        return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (TypeError, ValueError, OverflowError, OSError):
        return "at a time that is none"
