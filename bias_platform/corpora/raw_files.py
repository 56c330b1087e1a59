"""Raw CSV, JSONL and Parquet files as text columns, or one error that lists all that is wrong with the file.

CSV is read by the standard library's strict reader: faster parsers cut a field at a NUL, and shift or drop cells of
rows that are too long, without a word.
"""

import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bias_platform.errors import CorpusError, bullet_list, counted

Format = Literal["csv", "jsonl", "parquet"]
_BY_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_EXAMPLES = 5


def file_format(path: Path, declared: Format | None) -> Format:
    """The declared format, else the one the extension stands for."""
    if declared is not None:
        return declared
    if path.suffix.lower() not in _BY_SUFFIX:
        known = ", ".join(_BY_SUFFIX)
        raise CorpusError(f"{path}: the extension '{path.suffix}' says no format; set `format` or use one of {known}")
    return _BY_SUFFIX[path.suffix.lower()]


def read_columns(
    path: Path, declared: Format | None, required: Sequence[str], optional: Sequence[str] = ()
) -> pd.DataFrame:
    """Reads the named columns of a file; values are as in the file (text for CSV), missing ones None or "".

    Raises:
        CorpusError: no such file, an unknown format, undecodable bytes, malformed rows, missing columns.
    """
    if not path.is_file():
        raise CorpusError(f"there is no file {path}")
    readers = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}
    return readers[file_format(path, declared)](path, required, optional)


def as_texts(values: pd.Series, strict: bool = False) -> tuple[pd.Series, list[int]]:
    """Values as text, "" for missing ones; whole numbers lose a trailing `.0`.

    Returns:
        the texts, and the row numbers (from 1) that hold no text, number or truth value - with `strict`, no text.
    """
    if all(type(value) is str for value in values):
        return values.astype(object), []
    allowed = (str,) if strict else (str, int, float, bool)
    missing = values.isna()
    right = values.map(lambda value: isinstance(value, allowed)) | missing
    texts = values.where(right & ~missing, "").map(_as_text).astype(object)
    return texts, [int(row) + 1 for row in values.index[~right]]


def row_examples(rows: Sequence[int]) -> str:
    """`3 rows (1, 4, 9)`: how many and the first few row numbers; row 1 is the first row of data."""
    shown = ", ".join(map(str, rows[:_EXAMPLES])) + (", ..." if len(rows) > _EXAMPLES else "")
    return f"{counted(len(rows), 'row')} ({shown})"


def _as_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _read_csv(path: Path, required: Sequence[str], optional: Sequence[str]) -> pd.DataFrame:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default refuses posts beyond 131,072 characters
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    rows = csv.reader(io.StringIO(_decoded(path), newline=""), delimiter=delimiter, strict=True)
    records = _csv_records(path, rows)
    header = next(records, None)
    if header is None:
        raise CorpusError(f"{path} is empty: not even a header row is there")
    places = _places(path, header, required, optional)
    kept: list[list[str]] = []
    wrong: list[int] = []
    for number, row in enumerate(records, start=1):
        if len(row) == len(header):
            kept.append([row[place] for place in places.values()])
        else:
            wrong.append(number)
    if wrong:
        raise CorpusError(f"{path}: {row_examples(wrong)} without the {len(header)} cells of the header")
    return pd.DataFrame(kept, columns=list(places), dtype=object)


def _csv_records(path: Path, rows: Any) -> Iterator[list[str]]:
    try:
        yield from (row for row in rows if row)  # an empty line is no row
    except csv.Error as error:
        raise CorpusError(f"{path}: line {rows.line_num} is no valid CSV ({error}); check its quotes") from None


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        wrong = [number for number, line in enumerate(raw.split(b"\n"), start=1) if not _is_utf8(line)]
        shown = ", ".join(map(str, wrong[:_EXAMPLES])) + (", ..." if len(wrong) > _EXAMPLES else "")
        message = f"{path}: not UTF-8 in {counted(len(wrong), 'line')} ({shown}); save the file as UTF-8"
        raise CorpusError(message) from None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return True


def _read_jsonl(path: Path, required: Sequence[str], optional: Sequence[str]) -> pd.DataFrame:
    records: list[dict[str, Any]] = []
    problems: list[str] = []
    for number, line in enumerate(_decoded(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(f"line {number} is no JSON: {error.msg} at character {error.pos + 1}")
            continue
        if isinstance(record, dict):
            records.append(record)
        else:
            problems.append(f"line {number} is no JSON object but a {type(record).__name__}")
    if problems:
        raise CorpusError(f"{path} is no JSONL file:\n{bullet_list(problems)}")
    names = list(dict.fromkeys(name for record in records for name in record))
    if not records:
        raise CorpusError(f"{path} is empty: it holds no JSON object")
    wanted = _places(path, names, required, optional)
    return pd.DataFrame({name: pd.Series([r.get(name) for r in records], dtype=object) for name in wanted})


def _read_parquet(path: Path, required: Sequence[str], optional: Sequence[str]) -> pd.DataFrame:
    try:
        file = pq.ParquetFile(path)
        wanted = list(_places(path, file.schema_arrow.names, required, optional))
        table = file.read(columns=wanted)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(f"{path} is no readable Parquet file: {error}") from None
    # through Python values, because a frame would turn whole numbers beside a missing one into fractions
    return pd.DataFrame({name: pd.Series(table.column(name).to_pylist(), dtype=object) for name in wanted})


def _places(path: Path, there: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> dict[str, int]:
    """Column name -> position, or an error that names every column that is missing or there twice."""
    wanted = list(dict.fromkeys([*required, *optional]))
    problems = [f"column '{name}' is missing" for name in dict.fromkeys(required) if name not in there]
    problems += [f"column '{name}' is there {there.count(name)} times" for name in wanted if there.count(name) > 1]
    if problems:
        columns = ", ".join(repr(name) for name in there)
        raise CorpusError(f"{path} has not the declared shape:\n{bullet_list(problems)}\nthe columns there: {columns}")
    return {name: there.index(name) for name in wanted if name in there}
