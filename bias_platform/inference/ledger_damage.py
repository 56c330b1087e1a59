"""How a damaged ledger file is noticed, said, and remembered until a writer mends it (`ledger_recovery`).

What was noticed is noted in `<file>.suspect`, because not all damage shows when a file is opened: a damaged cell is
found when it is read.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from bias_platform.errors import ArtifactError


class DamagedLedgerError(ArtifactError):
    """A ledger does not hold what was written; what is left of it is taken over by the next run."""


class Suspicion(BaseModel):
    """What is noted of a ledger that is, or may be, damaged."""

    reason: str
    aside: str | None = None
    """name that the file gets, once its recovery has begun"""


def suspicion_of(path: Path) -> Suspicion | None:
    """What is noted of a ledger; None if nothing is."""
    note = _note(path)
    if not note.exists():
        return None
    try:
        return Suspicion.model_validate_json(note.read_text("utf-8"))
    except (ValidationError, UnicodeDecodeError):
        return Suspicion(reason="it was noted as damaged")  # the note itself was cut off: look at the ledger again


def note_suspicion(path: Path, suspicion: Suspicion) -> None:
    """Notes that a ledger is to be looked at, or how far its recovery has come.

    Raises:
        OSError: it cannot be noted.
    """
    note = _note(path)
    new = note.with_name(f"{note.name}.new-{os.getpid()}")
    new.write_text(suspicion.model_dump_json(), "utf-8")
    new.replace(note)


def forget_suspicion(path: Path) -> None:
    """The ledger is sound."""
    _note(path).unlink(missing_ok=True)


def damaged(path: Path, reason: str) -> DamagedLedgerError:
    """The sentence for the user."""
    return DamagedLedgerError(
        f"the ledger {path} is damaged ({reason}). Run it again, or give `bias-platform ledger recover`: the file is "
        "set aside, what can still be read of it is taken over, what is missing is taken from what was published, and "
        "only the rest is asked again"
    )


def noticed(path: Path, reason: str) -> DamagedLedgerError:
    """Notes damage that the next opening would not see; returns the sentence to raise."""
    # where nothing can be written the sentence is said all the same, and the next reading notices again
    with contextlib.suppress(OSError):
        if suspicion_of(path) is None:
            note_suspicion(path, Suspicion(reason=reason))
    return damaged(path, reason)


@contextlib.contextmanager
def damage_noticed(path: Path) -> Iterator[None]:
    """Turns what SQLite says of a file it cannot read into a sentence, and notes it.

    Raises:
        DamagedLedgerError: the file is damaged.
        ArtifactError: it cannot be read now.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise noticed(path, str(error)) from error
        if isinstance(error, sqlite3.OperationalError):
            raise ArtifactError(f"the ledger {path} cannot be read ({error}); it is as it was: try again") from error
        raise


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file is not what it wrote. Its subclasses mean other things: locks, full disks."""
    return type(error) is sqlite3.DatabaseError


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".suspect")
