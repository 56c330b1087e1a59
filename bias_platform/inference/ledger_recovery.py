"""A damaged ledger is set aside whole, what can be trusted of it is taken over, what is missing comes from what was
published, and only the rest is asked again.

Killed at any moment, the next call goes on where it was: the note of the suspicion (`ledger_damage`) names where the
file is set aside before anything is moved, and the new ledger takes its place by one rename.
"""

import datetime as dt
import itertools
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from bias_platform.catalog.entries import Catalog
from bias_platform.errors import ArtifactError, counted
from bias_platform.inference.engines.base import Usage
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.ledger_batches import (
    ADD_BATCH,
    ADD_NEW,
    add_batch,
    batch_facts,
    batch_row,
    checksums_by_batch,
    next_batch,
)
from bias_platform.inference.ledger_checks import page_problems, verify_ledger
from bias_platform.inference.ledger_damage import (
    DamagedLedgerError,
    Suspicion,
    forget_suspicion,
    note_suspicion,
    suspicion_of,
)
from bias_platform.inference.ledger_file import connect_for_reading, connect_for_writing
from bias_platform.inference.ledger_rows import checksum_sum, row_checksum
from bias_platform.inference.ledger_salvage import Salvage
from bias_platform.inference.published_outcomes import published_rows
from bias_platform.inference.writer_lock import locked
from bias_platform.storage import Lake
from bias_platform.storage.names import PART
from bias_platform.storage.publication import sync_directory

_ROWS_AT_ONCE = 4096
_LOG_LOST = "its write-ahead log is missing"
_COMPANIONS = ("-wal", "-shm", "")  # the file itself goes last: once it is set aside, all of it is


class Recovery(NamedTuple):
    """What became of a damaged ledger."""

    ledger: Path
    reason: str
    """what was wrong"""
    aside: Path | None
    """where the damaged file lies now; None: it was sound as far as it went, and stays"""
    salvaged: int
    """cells taken over from it"""
    distrusted: int
    """rows of it that could be read but are not as written"""
    published: int
    """cells taken from published partitions"""
    skipped: tuple[str, ...]
    """why published partitions were not trusted, a sentence each"""

    @property
    def sentence(self) -> str:
        """One line for the user."""
        aside = f"set aside as {self.aside.name}, {self._salvaged()}, " if self.aside else ""
        published = f"{counted(self.published, 'cell')} taken from what was published"
        skipped = f". Not trusted: {'; '.join(self.skipped)}" if self.skipped else ""
        what = f"the ledger {self.ledger} was damaged ({self.reason})"
        return f"{what}: {aside}{published}; the rest is asked again{skipped}"

    def _salvaged(self) -> str:
        distrusted = f" ({counted(self.distrusted, 'row')} not trusted)" if self.distrusted else ""
        return f"{counted(self.salvaged, 'cell')} taken over from it{distrusted}"


def open_or_recover(
    path: Path,
    published: Iterable[Path],
    *,
    wait: bool = True,
    on_wait: Callable[[str], None] = lambda message: None,
    say: Callable[[str], None] = lambda message: None,
) -> Ledger:
    """Opens or creates a ledger for writing; a damaged one is mended first.

    The pages are checked (0.2 s for a million cells), not every cell: a cell is checked when it is read, and what is
    found wrong then is noted, so that the next opening looks at everything.

    Args:
        path: the SQLite file; its folder is made.
        published: `part.parquet` files that hold this ledger's outcomes (`published_parts`); read only when needed.
        wait: wait for another writer to finish (True) or refuse.
        on_wait: is told whom one waits for.
        say: is told, in one line, what was mended.

    Raises:
        LedgerBusyError: another process writes it and `wait` is False.
        UserError: not a ledger, written by a newer version, or the disk refuses.
    """
    lock = locked(path, wait=wait, on_wait=on_wait)
    try:
        recovery = _mended(path, published, _damage(path, log_lost=_log_lost(path, lock.left_open), thorough=False))
        if recovery is not None:
            say(recovery.sentence)
        return Ledger(path, lock)
    except BaseException:
        lock.release(closed=False)
        raise


def recover_ledger(path: Path, published: Iterable[Path]) -> Recovery | None:
    """Checks a ledger wholly, and mends it where it is damaged.

    Args:
        path: the SQLite file.
        published: as for `open_or_recover`.

    Returns:
        what was done; None: the ledger is sound.

    Raises:
        LedgerBusyError: it is being written.
        UserError: not a ledger, written by a newer version, or the disk refuses.
    """
    lock = locked(path, wait=False, on_wait=lambda message: None)
    sound = False
    try:
        recovery = _mended(path, published, _damage(path, log_lost=_log_lost(path, lock.left_open), thorough=True))
        sound = True
        return recovery
    finally:
        lock.release(closed=sound)


def published_parts(lake: Lake, catalog: Catalog, system: str, task: str) -> list[Path]:
    """All published answers of a system at a task, whichever study they were asked for, its noise floor included."""
    parts: list[Path] = []
    for study, entry in catalog.studies.items():
        if entry.task == task:
            parts += sorted(lake.predictions(study).glob(f"model={system}/persona=*/{PART}"))
            parts += sorted(lake.repeat_partition(study, system, "any").parent.glob(f"repeat=*/{PART}"))
    return parts


def files_set_aside(path: Path) -> list[Path]:
    """Damaged files of a ledger that were set aside, with their companions (-wal, -shm). They hold what it held."""
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


class _Damage(NamedTuple):
    """What is wrong with a ledger."""

    reason: str
    file_is_sound: bool = False
    """only the end is missing"""


def _log_lost(path: Path, left_open: bool) -> bool:
    """Whether the writer before was cut off and what it wrote last is gone. To be asked before anybody opens it."""
    log = path.with_name(path.name + "-wal")
    return left_open and path.exists() and not (log.exists() and log.stat().st_size)


def _damage(path: Path, *, log_lost: bool, thorough: bool) -> _Damage | None:
    suspicion = suspicion_of(path)
    if suspicion is not None and suspicion.aside is not None:
        return _Damage(suspicion.reason)  # its recovery was cut off
    if thorough or suspicion is not None or log_lost:
        problems = verify_ledger(path).problems
        more = f", and {counted(len(problems) - 1, 'more problem')}" if len(problems) > 1 else ""
        if problems:
            return _Damage(problems[0] + more)
        return _Damage(_LOG_LOST, file_is_sound=True) if log_lost else None
    try:
        connection = connect_for_reading(path)
    except DamagedLedgerError as error:
        return _Damage(str(error.__cause__))
    with closing(connection):
        problem = next(page_problems(connection, path, thorough=False), None)
    return _Damage(problem) if problem else None


def _mended(path: Path, published: Iterable[Path], damage: _Damage | None) -> Recovery | None:
    if damage is None:
        forget_suspicion(path)
        return None
    try:
        if damage.file_is_sound:
            return _filled(path, published, damage.reason)
        return _rebuilt(path, published, damage.reason)
    except (OSError, sqlite3.OperationalError) as error:
        raise ArtifactError(
            f"the ledger {path} is damaged ({damage.reason}) and could not be rebuilt ({error}); nothing was deleted: "
            "make room or check the permissions of its folder, then run it again"
        ) from error


def _filled(path: Path, published: Iterable[Path], reason: str) -> Recovery | None:
    """Adds what was published to a ledger that lacks its end."""
    with closing(connect_for_writing(path)) as connection:
        taken, skipped = _take_published(connection, published)
    forget_suspicion(path)
    return Recovery(path, reason, None, 0, 0, taken, skipped) if taken else None


def _rebuilt(path: Path, published: Iterable[Path], reason: str) -> Recovery:
    aside = _set_aside(path, reason)
    new = path.with_name(path.name + ".rebuilding")
    for suffix in _COMPANIONS:
        new.with_name(new.name + suffix).unlink(missing_ok=True)
    salvage = Salvage(aside)
    with closing(connect_for_writing(new)) as connection:
        salvaged = _take_salvage(connection, salvage)
        taken, skipped = _take_published(connection, published)
    new.replace(path)
    sync_directory(path.parent)
    forget_suspicion(path)
    return Recovery(path, reason, aside, salvaged, salvage.distrusted, taken, skipped)


def _set_aside(path: Path, reason: str) -> Path:
    suspicion = suspicion_of(path)
    name = suspicion.aside if suspicion else None
    if name is None:
        name = _free_name(path)
        note_suspicion(path, Suspicion(reason=reason, aside=name))
    aside = path.with_name(name)
    if not aside.exists():
        for suffix in _COMPANIONS:
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(path.with_name(name + suffix))
        sync_directory(path.parent)
    return aside


def _free_name(path: Path) -> str:
    stamp = f"{path.name}.damaged-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}"
    names = itertools.chain([stamp], (f"{stamp}.{number}" for number in itertools.count(2)))
    return next(name for name in names if not path.with_name(name).exists())


def _take_salvage(connection: sqlite3.Connection, salvage: Salvage) -> int:
    """Batches keep their numbers, times and tokens; cells whose batch is lost become one batch of their own."""
    connection.execute("BEGIN IMMEDIATE")
    facts = dict(salvage.batches())
    connection.executemany(ADD_BATCH, [batch_row(number, each, []) for number, each in facts.items()])
    rest, read, written = next_batch(connection), 0, 0
    cells = salvage.cells()
    while chunk := list(itertools.islice(cells, _ROWS_AT_ONCE)):
        stamped = [(*row, batch if batch in facts else rest, row_checksum(row)) for batch, row in chunk]
        connection.executemany(ADD_NEW, stamped)
        orphans = [row for batch, row in chunk if batch not in facts]
        read, written = read + sum(row[-2] for row in orphans), written + sum(row[-1] for row in orphans)
    found = checksums_by_batch(connection)
    if rest in found:
        # what their batch took is lost with it: what is known of the cells alone is the least it can have been
        usage = Usage(read, written)
        connection.execute(ADD_BATCH, batch_row(rest, batch_facts(len(found[rest]), usage, origin="rebuilt"), []))
    sums = [(len(each), checksum_sum(each), batch) for batch, each in found.items()]
    connection.executemany("UPDATE batches SET cells = ?, cells_checksum = ? WHERE batch = ?", sums)
    connection.execute("COMMIT")
    return sum(len(each) for each in found.values())


def _take_published(connection: sqlite3.Connection, parts: Iterable[Path]) -> tuple[int, tuple[str, ...]]:
    """How many cells were missing and are there now, and which partitions were not trusted."""
    taken, skipped = 0, []
    for part in parts:
        try:
            rows = published_rows(part)
        except ArtifactError as error:
            skipped.append(str(error))
            continue
        connection.execute("BEGIN IMMEDIATE")
        taken += add_batch(connection, rows, batch_facts(len(rows), origin="rebuilt"))
        connection.execute("COMMIT")
    return taken, tuple(skipped)
