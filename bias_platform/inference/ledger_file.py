"""The SQLite file of a ledger: its shape, its version, and how it is opened."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bias_platform.errors import UserError

SCHEMA_VERSION = 2
"""Kept in the file (`user_version`). Raise it with the shape of the table and add the step to `_MIGRATIONS`."""

_APPLICATION_ID = 0x42494153
_SCHEMA = """
CREATE TABLE IF NOT EXISTS cells (
  cell_id BLOB PRIMARY KEY NOT NULL,
  item_id TEXT NOT NULL,
  outcome TEXT NOT NULL,
  answer TEXT,
  option_logprobs BLOB,
  raw_text TEXT,
  detail TEXT,
  transient INTEGER NOT NULL,
  finish TEXT,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0
)
"""
_MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE cells ADD COLUMN finish TEXT",
        "ALTER TABLE cells ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE cells ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0",
    )
}
"""Version -> statements that turn it into the next one."""


def connect_for_writing(path: Path) -> sqlite3.Connection:
    """Opens or creates the file. Transactions are begun and committed by the caller.

    Raises:
        UserError: not a ledger, damaged, or written by a newer version.
    """
    return _guarded(path, lambda: _open_for_writing(path))


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """Opens the file read-only; a missing or empty one reads as an empty ledger.

    Raises:
        UserError: not a ledger, damaged, or written by a newer version.
    """
    return _guarded(path, lambda: _open_for_reading(path))


def _open_for_writing(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30.0)
    try:
        version = _checked_version(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        if version < SCHEMA_VERSION:
            _bring_up_to_date(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _bring_up_to_date(connection: sqlite3.Connection, version: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if version == 0:
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    else:
        for step in range(version, SCHEMA_VERSION):
            for statement in _MIGRATIONS[step]:
                connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _open_for_reading(path: Path) -> sqlite3.Connection:
    if path.is_file() and path.stat().st_size:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=30.0
        )
        try:
            version = _checked_version(connection, path)
        except BaseException:
            connection.close()
            raise
        if version:
            return connection
        connection.close()
    empty = sqlite3.connect(":memory:", isolation_level=None)
    empty.execute(_SCHEMA)
    return empty


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    """0: a new file."""
    with closing(connection.execute("PRAGMA user_version")) as cursor:
        version = int(cursor.fetchone()[0])
    with closing(connection.execute("PRAGMA application_id")) as cursor:
        application = int(cursor.fetchone()[0])
    tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    if application != _APPLICATION_ID and (application or tables):
        raise UserError(f"{path} is a database but not a ledger; move it away, or choose another lake")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"the ledger {path} was written by a newer version of bias-platform (schema {version}; this one knows up "
            f"to {SCHEMA_VERSION}); update bias-platform"
        )
    return version


def _guarded(path: Path, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    try:
        return connect()
    except sqlite3.OperationalError as error:
        raise UserError(
            f"the ledger {path} cannot be opened ({error}); what it holds is kept: make room, or check the permissions "
            "of its folder, then run it again"
        ) from error
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"the ledger {path} is damaged ({error}); bring it back from a backup, or move it elsewhere (do not delete "
            "it): what cannot be brought back is asked again"
        ) from error
