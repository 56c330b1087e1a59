"""Parquet in and out."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bias_platform.errors import ArtifactError


def write_table(table: pd.DataFrame, path: Path) -> int:
    """Writes a table as Parquet (zstd) and returns its number of rows. Equal tables give equal bytes."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata(None)
    pq.write_table(arrow, path, compression="zstd", row_group_size=131_072)
    return int(arrow.num_rows)


def read_table(path: Path, asset: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Reads a published Parquet file.

    Raises:
        ArtifactError: the file is missing or damaged; names the asset to materialize.
    """
    if not path.exists():
        raise ArtifactError(f"'{asset}' is not there ({path}): materialize it first")
    try:
        table: pd.DataFrame = pq.read_table(path, columns=list(columns) if columns else None).to_pandas()
        return table
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(f"'{asset}' is damaged ({path}: {error}): materialize it again") from error
