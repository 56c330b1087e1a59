"""A ledger's outcomes as one table, Parquet or CSV; texts are left out unless asked for."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from bias_platform.errors import ArtifactError, UserError
from bias_platform.inference.ledger_damage import damage_noticed, damaged
from bias_platform.inference.ledger_file import connect_for_reading
from bias_platform.inference.ledger_rows import STORED, Row, row_checksum, score_array

SUFFIXES = (".parquet", ".csv")
_ROWS_AT_ONCE = 8192

_SCHEMA = pa.schema(
    [
        ("cell_id", pa.string()),
        ("item_id", pa.string()),
        ("outcome", pa.string()),
        ("answer", pa.string()),
        ("option_logprobs", pa.list_(pa.float64())),
        ("raw_text", pa.string()),
        ("detail", pa.string()),
        ("transient", pa.bool_()),
        ("finish", pa.string()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("batch", pa.int64()),
        ("written_at", pa.timestamp("ms", tz="UTC")),
    ]
)
_QUERY = f"""
SELECT {", ".join(f"cells.{name}" for name in STORED)}, cells.checksum, cells.batch, batches.written_at
FROM cells LEFT JOIN batches USING (batch) ORDER BY cells.batch
"""


class _Writer(Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""


def export_ledger(path: Path, target: Path, *, texts: bool = False, answers: bool = True) -> int:
    """Writes all outcomes of a ledger to one file, a few thousand at a time; an existing file is replaced at the end.

    Outcomes are those of the parser of the day they came.

    Args:
        path: the SQLite file.
        target: its extension says the format: .parquet (zstd), or .csv with log-probabilities as JSON arrays.
        texts: with raw_text and the whole detail; else the column is left out, and of the detail of what the model
            wrote the reason stands only.
        answers: False leaves out the column answer too: for tasks whose answers are what the model wrote.

    Returns:
        rows written.

    Raises:
        UserError: another extension.
        DamagedLedgerError: the ledger does not hold what was written.
        ArtifactError: the file cannot be written.
    """
    if target.suffix.lower() not in SUFFIXES:
        raise UserError(f"{target}: the extension says no format; use one of {', '.join(SUFFIXES)}")
    hidden = {name for name, shown in (("raw_text", texts), ("answer", answers)) if not shown}
    schema = pa.schema([each for each in _SCHEMA if each.name not in hidden])
    written = 0
    with (
        closing(connect_for_reading(path)) as connection,
        _replacing(target) as new,
        _writer(new, target, schema) as writer,
    ):
        for rows in _chunks(connection, path):
            writer.write_batch(_batch(rows, schema, texts=texts))
            written += len(rows)
    return written


def _chunks(connection: sqlite3.Connection, path: Path) -> Iterator[list[Row]]:
    with damage_noticed(path):
        cursor = connection.execute(_QUERY)
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            if any(row[-3] is not None and row[-3] != row_checksum(row[:-3]) for row in rows):
                raise damaged(path, "cells no longer as written")
            yield rows


def _batch(rows: list[Row], schema: pa.Schema, *, texts: bool) -> pa.RecordBatch:
    records = [_record(row, texts=texts) for row in rows]
    arrays = [pa.array([record[each.name] for record in records], each.type) for each in schema]
    return pa.record_batch(arrays, schema=schema)


def _record(row: Row, *, texts: bool) -> dict[str, Any]:
    *stored, _, batch, written_at = row
    record = dict(zip(STORED, stored, strict=True)) | {"batch": batch}
    record["written_at"] = None if written_at is None else 1000 * written_at
    record["cell_id"] = record["cell_id"].hex()
    record["option_logprobs"] = score_array(record["option_logprobs"])
    record["transient"] = bool(record["transient"])
    if not texts and record["detail"] is not None and record["outcome"] != "failed":
        record["detail"] = record["detail"].partition(":")[0]  # what follows may quote the model
    return record


@contextmanager
def _writer(new: Path, target: Path, schema: pa.Schema) -> Iterator[_Writer]:
    if target.suffix.lower() == ".parquet":
        with pa.parquet.ParquetWriter(new, schema, compression="zstd") as writer:
            yield writer
    else:
        with pa.csv.CSVWriter(new, _flat(schema)) as writer:
            yield _Flattening(writer)


class _Flattening:
    """CSV has no lists: they become JSON arrays."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        flat = _flat(batch.schema)
        columns = [
            pa.array([None if value is None else json.dumps(value) for value in column.to_pylist()], pa.string())
            if pa.types.is_list(column.type)
            else column
            for column in batch.columns
        ]
        self._writer.write_batch(pa.record_batch(columns, schema=flat))


def _flat(schema: pa.Schema) -> pa.Schema:
    return pa.schema([(each.name, pa.string() if pa.types.is_list(each.type) else each.type) for each in schema])


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A file beside the target that takes its place when all went well."""
    new = target.with_name(f".{target.name}.new-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield new
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"{target} cannot be written ({error.strerror or error}); make room or check the permissions of its folder"
        ) from error
