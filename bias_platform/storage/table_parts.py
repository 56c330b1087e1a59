"""Parquet written part by part, so that a large table need never be in memory as a whole."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PART_ROWS = 32_768
"""Rows of a part, and of the row group it becomes."""


def write_parts(parts: Iterable[pd.DataFrame], path: Path, schema: pa.Schema) -> int:
    """Writes the parts of one table under each other as Parquet (zstd) and returns the number of rows.

    Equal parts give equal bytes. The types of the columns are given, since a part may hold nothing but missing values
    where another holds texts.

    Args:
        parts: of at most `PART_ROWS` rows each; none: a table without rows.
        path: the file.
        schema: names and types of all columns, in their order.

    Raises:
        pyarrow.ArrowException: a value does not fit its column's type.
    """
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in parts:
            arrow = pa.Table.from_pandas(part, schema=schema, preserve_index=False).replace_schema_metadata(None)
            writer.write_table(arrow, row_group_size=PART_ROWS)
            rows += arrow.num_rows
    return rows
