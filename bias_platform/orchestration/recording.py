"""Telling Dagster what has been published: one materialization a partition, as soon as it is there.

A run over many partitions must not wait for its last one to record the first, and each partition needs a data version
and lineage of its own; so partitioned assets log events themselves instead of letting Dagster make them of an output.
"""

import os
import socket
from collections.abc import Mapping
from typing import Any

import dagster as dg
import psutil
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

from bias_platform.storage import Manifest

PROCESS_TAG = "bias_platform/process"
FORCE_TAG = "bias_platform/force"
SCHEMA_CHECK = "schema"


def tag_run(context: dg.AssetExecutionContext, catalog: str) -> None:
    """Marks the run with its catalog and its process, so that a lost run can be told from a slow one."""
    created = int(psutil.Process().create_time())
    tags = {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}:{created}", "bias_platform/catalog": catalog}
    context.instance.add_run_tags(context.run_id, tags)


def forced(context: dg.AssetExecutionContext) -> bool:
    """Whether the run was told to make again what is already current (tag `bias_platform/force`: true)."""
    return bool(context.run_tags.get(FORCE_TAG) == "true")


def record_partition(
    context: dg.AssetExecutionContext,
    partition: str,
    manifest: Manifest,
    upstream: Mapping[dg.AssetKey, str | None],
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Logs a partition's materialization with its data version, its lineage, and its green schema check.

    Args:
        context: of the running asset.
        partition: key of the finished partition.
        manifest: of what has been published.
        upstream: each direct upstream asset and the partition of it that went in (None: unpartitioned).
        metadata: for the UI, beside what the manifest says.
    """
    tags = {
        DATA_VERSION_TAG: manifest.data_version,
        CODE_VERSION_TAG: context.assets_def.specs_by_key[context.asset_key].code_version or "",
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        **_lineage_tags(context.instance, upstream),
    }
    event = dg.AssetMaterialization(
        context.asset_key,
        partition=partition,
        metadata={**(metadata or {}), **manifest_metadata(manifest)},
        tags=tags,
    )
    context.log_event(event)
    context.log_event(schema_evaluation(context.asset_key, partition, manifest))


def recorded_output() -> dg.Output[None]:
    """What a step yields whose partitions have all been recorded: lets the steps after it in the same run start.

    An ordinary output would make Dagster record every partition once more, all with one data version. Dagster's own
    observable sources, which log their events themselves, too, tell it so by this mark.
    """
    return dg.Output(None, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: "true"})


def schema_evaluation(key: dg.AssetKey, partition: str | None, manifest: Manifest) -> dg.AssetCheckEvaluation:
    """The schema check's result for something that was validated before it was published."""
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=SCHEMA_CHECK,
        passed=True,
        partition=partition,
        metadata={"rows": manifest.rows, "files": len(manifest.files)},
        blocking=True,
    )


def manifest_metadata(manifest: Manifest) -> dict[str, Any]:
    """What the UI shows of every artefact: rows, size, where from, and its facts."""
    facts = {
        name: dg.MetadataValue.json(value) if isinstance(value, dict | list) else value
        for name, value in manifest.facts.items()
    }
    return {
        **facts,
        "dagster/row_count": manifest.rows,
        "bytes": sum(file.size for file in manifest.files.values()),
        "inputs": dg.MetadataValue.json(manifest.inputs),
        "environment": dg.MetadataValue.json(manifest.environment),
    }


def _lineage_tags(instance: dg.DagsterInstance, upstream: Mapping[dg.AssetKey, str | None]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for key, partition in upstream.items():
        record = latest_record(instance, key, partition)
        if record is None:
            continue
        version = record_version(record)
        if version is not None:
            tags[get_input_data_version_tag(key)] = version
        # without the pointer to the upstream event, staleness would be reported always
        tags[get_input_event_pointer_tag(key)] = str(record.storage_id)
    return tags


def latest_record(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None) -> dg.EventLogRecord | None:
    """The latest materialization, or else observation, of an asset (partition)."""
    chosen = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None)
    for fetch in (instance.fetch_materializations, instance.fetch_observations):
        records = fetch(chosen, limit=1).records
        if records:
            return records[0]
    return None


def record_version(record: dg.EventLogRecord) -> str | None:
    """The data version an event carries."""
    event = record.asset_materialization or record.asset_observation
    tags = event.tags if event else None
    return tags.get(DATA_VERSION_TAG) if tags else None
