"""The SQLite file of a ledger: its shape, its version, and how it is opened."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bias_platform.errors import UserError
from bias_platform.inference.ledger_batches import ADD_BATCH, batch_facts, batch_row
from bias_platform.inference.ledger_damage import damaged
from bias_platform.inference.ledger_rows import STORED, lasting_text, row_checksum

SCHEMA_VERSION = 2
"""Kept in the file (`user_version`). Raise it with the shape of the tables and add the step to `_MIGRATIONS`."""

APPLICATION_ID = 0x42494153
_CACHE_KIB = (
    65_536  # cell ids come in random order: with the default 2 MiB a million cells are written at half the pace
)
_LOG_PAGES = 8192  # 32 MiB; pages of the index change with every batch, and are copied into the file once a checkpoint
_BUSY_SECONDS = 30.0

_CELLS = """
CREATE TABLE cells (
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
  output_tokens INTEGER NOT NULL DEFAULT 0,
  batch INTEGER NOT NULL DEFAULT 0,
  checksum INTEGER NOT NULL DEFAULT 0
)
"""
_BATCHES = """
CREATE TABLE batches (
  batch INTEGER PRIMARY KEY,
  cells INTEGER NOT NULL,
  cells_checksum INTEGER NOT NULL,
  asked INTEGER NOT NULL,
  written_at INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  seconds REAL NOT NULL,
  origin TEXT NOT NULL,
  checksum INTEGER NOT NULL
)
"""
_FIRST_SHAPE_AS_NOW = """
CREATE TEMP VIEW cells AS
SELECT cell_id, item_id, outcome, answer, option_logprobs, raw_text, detail, transient,
  NULL AS finish, 0 AS input_tokens, 0 AS output_tokens, 0 AS batch, NULL AS checksum
FROM main.cells
"""


def connect_for_writing(path: Path) -> sqlite3.Connection:
    """Opens or creates the file and brings it to today's shape. Transactions are begun and committed by the caller.

    Raises:
        DamagedLedgerError: damaged, or no database at all.
        UserError: another database, or written by a newer version.
    """
    return _guarded(path, lambda: _open_for_writing(path))


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """Opens the file read-only, in today's shape whatever its version; a missing or empty one reads as empty.

    The checksum of a cell is None where the file's version has none.

    Raises:
        DamagedLedgerError: damaged, or no database at all.
        UserError: another database, or written by a newer version.
    """
    return _guarded(path, lambda: _open_for_reading(path))


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing of the file, its write-ahead log included; nothing is checked."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    connection.text_factory = lasting_text
    return connection


def _open_for_writing(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
    connection.text_factory = lasting_text
    try:
        version = _checked_version(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if version < SCHEMA_VERSION:
            _bring_up_to_date(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _bring_up_to_date(connection: sqlite3.Connection, version: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if version == 0:
        connection.execute(_CELLS)
        connection.execute(_BATCHES)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    else:
        for step in range(version, SCHEMA_VERSION):
            _MIGRATIONS[step](connection)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    # the file itself is a ledger from now on, whatever becomes of its write-ahead log
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _add_batches(connection: sqlite3.Connection) -> None:
    """From 1 to 2: written answers, tokens, batches and checksums; all cells there are become one batch."""
    connection.execute("ALTER TABLE cells ADD COLUMN finish TEXT")
    for column in ("input_tokens", "output_tokens", "batch", "checksum"):
        connection.execute(f"ALTER TABLE cells ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    connection.execute(_BATCHES)
    connection.create_function("row_checksum", len(STORED), lambda *row: row_checksum(row), deterministic=True)
    connection.execute(f"UPDATE cells SET batch = 1, checksum = row_checksum({', '.join(STORED)})")
    checksums = [checksum for (checksum,) in connection.execute("SELECT checksum FROM cells")]
    if checksums:
        connection.execute(ADD_BATCH, batch_row(1, batch_facts(len(checksums), origin="migrated"), checksums))


_MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _add_batches}
"""Version -> what turns it into the next one, within one transaction."""


def _open_for_reading(path: Path) -> sqlite3.Connection:
    if path.is_file() and path.stat().st_size:
        connection = connect_read_only(path)
        try:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            version = _checked_version(connection, path)
            if version == 1:
                connection.execute(_FIRST_SHAPE_AS_NOW)
                connection.execute(_BATCHES.replace("CREATE TABLE", "CREATE TEMP TABLE"))
        except BaseException:
            connection.close()
            raise
        if version:
            return connection
        connection.close()
    empty = sqlite3.connect(":memory:", isolation_level=None)
    empty.execute(_CELLS)
    empty.execute(_BATCHES)
    return empty


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    """0: a new file."""
    with closing(connection.execute("PRAGMA user_version")) as cursor:
        version = int(cursor.fetchone()[0])
    with closing(connection.execute("PRAGMA application_id")) as cursor:
        application = int(cursor.fetchone()[0])
    tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (application or tables):
        raise UserError(f"{path} is a database but not a ledger; move it away, or choose another lake")
    if application == APPLICATION_ID and version < 1:
        raise sqlite3.DatabaseError("its schema version is gone")
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
        raise damaged(path, str(error)) from error
