"""The blocking schema check of every asset: what is published is whole and meets the schema of each of its tables.

Tables are validated before they are published; the check says so in the UI, and can be run again at any time to find
what was damaged since.
"""

from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.pandas as pa

from bias_platform.errors import UserError
from bias_platform.orchestration.recording import SCHEMA_CHECK
from bias_platform.schemas import validate_table
from bias_platform.storage import read_table, verify_artifact

TableSchemas = Mapping[str, type[pa.DataFrameModel]]
"""File name inside the artefact -> schema of the table in it."""


def schema_check(
    key: dg.AssetKey,
    schemas: TableSchemas,
    folder_of: Callable[[str | None], Path],
    partitions: dg.PartitionsDefinition | None = None,
    optional: Set[str] = frozenset(),
) -> dg.AssetChecksDefinition:
    """A check over an asset's published folder (or each selected partition's).

    Args:
        key: of the asset.
        schemas: its tables; optional: names of those that not every partition has.
        folder_of: partition -> published folder; partitions: of the asset, if it has any.
    """

    @dg.asset_check(
        asset=key,
        name=SCHEMA_CHECK,
        blocking=True,
        partitions_def=partitions,
        description="every file is there with its published content, and every table meets its schema",
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        if partitions is None:
            problems = _problems(folder_of(None), key, schemas, optional)
            return dg.AssetCheckResult(passed=not problems, metadata=_metadata(problems))
        every = {name: _problems(folder_of(name), key, schemas, optional) for name in context.partition_keys}
        for name, problems in every.items():
            # dagster takes evaluations here, though the annotation does not say so
            context.op_execution_context.log_event(_evaluation(key, name, problems))  # type: ignore[arg-type]
        failed = [f"{name}: {text}" for name, texts in every.items() for text in texts]
        return dg.AssetCheckResult(passed=not failed, metadata=_metadata(failed))

    return check


def _problems(folder: Path, key: dg.AssetKey, schemas: TableSchemas, optional: Set[str]) -> list[str]:
    problems = []
    try:
        published = verify_artifact(folder, key.to_user_string()).files
        for name, schema in schemas.items():
            if name in optional and name not in published:
                continue
            validate_table(read_table(folder / name, key.to_user_string()), schema, name)
    except UserError as error:
        problems.append(str(error))
    return problems


def _evaluation(key: dg.AssetKey, partition: str, problems: list[str]) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=SCHEMA_CHECK,
        passed=not problems,
        partition=partition,
        metadata=_metadata(problems),
        blocking=True,
    )


def _metadata(problems: list[str]) -> dict[str, Any]:
    return {"problems": dg.MetadataValue.json(problems)} if problems else {}
