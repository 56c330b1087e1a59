"""A table written part by part is the table."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bias_platform.storage import read_table
from bias_platform.storage.table_parts import write_parts

SCHEMA = pa.schema([("name", pa.string()), ("note", pa.string()), ("scores", pa.list_(pa.float64()))])


def part(names: list[str], note: str | None) -> pd.DataFrame:
    notes = pd.Series([note] * len(names), dtype=object)
    return pd.DataFrame({"name": names, "note": notes, "scores": [[1.0, 2.0] if note else None] * len(names)})


def test_parts_stand_under_each_other_with_the_types_given(tmp_path: Path) -> None:
    parts = [part(["a", "b"], None), part(["c"], "said"), part(["d", "e"], None)]
    assert write_parts(iter(parts), tmp_path / "t.parquet", SCHEMA) == 5
    read = read_table(tmp_path / "t.parquet", "t")
    assert read["name"].tolist() == ["a", "b", "c", "d", "e"]
    assert read["note"].tolist() == [None, None, "said", None, None]
    assert read["scores"][2].tolist() == [1.0, 2.0]
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert file.schema_arrow.equals(SCHEMA)
    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [2, 1, 2]
    write_parts(parts, tmp_path / "again.parquet", SCHEMA)
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "t.parquet").read_bytes()


def test_no_part_is_a_table_without_rows(tmp_path: Path) -> None:
    assert write_parts([], tmp_path / "t.parquet", SCHEMA) == 0
    assert list(read_table(tmp_path / "t.parquet", "t").columns) == SCHEMA.names


def test_a_value_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(pa.ArrowTypeError):
        write_parts([part(["a"], None).assign(name=[1])], tmp_path / "t.parquet", SCHEMA)
