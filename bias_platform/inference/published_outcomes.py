"""Outcomes read back from published answers, as the rows of a ledger."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bias_platform.errors import ArtifactError
from bias_platform.inference.ledger_rows import Row, row_flaw, stored_row
from bias_platform.inference.outcomes import Outcome
from bias_platform.storage import verify_artifact

_COPIED = ("cell_id", "item_id", "outcome", "answer", "raw_text", "detail", "finish")
"""`finish` is missing in tables of the time before there were written answers."""


def published_rows(part: Path) -> list[Row]:
    """Rows of all cells of a published partition that did not fail.

    Args:
        part: its `part.parquet`.

    Raises:
        ArtifactError: it is not what its manifest says, or no table of predictions.
    """
    name = "/".join(part.parts[-4:-1])  # <study>/model=<system>/persona=<persona>
    manifest = verify_artifact(part.parent, name)
    if part.name not in manifest.files:
        raise ArtifactError(f"'{name}' is damaged: its manifest does not list {part.name}")
    try:
        table = pq.read_table(part)
        columns = [column for column in (*_COPIED, "option_logprobs") if column in table.column_names]
        rows = [stored_row(outcome) for outcome in _outcomes(table.select(columns).to_pylist())]
    except (pa.ArrowInvalid, OSError, TypeError, KeyError, ValueError) as error:
        raise ArtifactError(f"'{name}' is no table of predictions ({part}: {error})") from error
    flaw = next(filter(None, map(row_flaw, rows)), None)
    if flaw:
        raise ArtifactError(f"'{name}' is no table of predictions ({part}: {flaw})")
    return rows


def _outcomes(records: list[dict[str, Any]]) -> Iterator[Outcome]:
    for record in records:
        if record["outcome"] == "failed":
            continue  # asked again
        scores = record.pop("option_logprobs")
        yield Outcome(**record, option_logprobs=None if scores is None else np.asarray(scores, dtype=np.float64))
