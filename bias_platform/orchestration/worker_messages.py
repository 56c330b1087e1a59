"""Reading what a worker says."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from bias_platform.orchestration.compute import Job
from bias_platform.orchestration.partitioned import Run


def follow_published(run: Run, job: Job, request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Runs a worker; yields (key, metadata for the UI) of each artefact the moment it is published."""
    for message in run.compute.follow(run.context, job, request):
        if message["kind"] == "published":
            yield message["key"], ui_metadata(message["metadata"])


def follow_one(run: Run, job: Job, request: dict[str, Any]) -> dict[str, Any]:
    """Runs a worker that publishes one artefact, and returns the metadata it reported."""
    metadata: dict[str, Any] = {}
    for _, metadata in follow_published(run, job, request):
        pass
    return metadata


def ui_metadata(reported: dict[str, Any]) -> dict[str, Any]:
    """Turns what a worker reports into what the UI shows: `*_png` holds a picture in base64."""
    shown: dict[str, Any] = {}
    for name, value in reported.items():
        if name.endswith("_png"):
            shown[name.removesuffix("_png")] = dg.MetadataValue.md(f"![{name}](data:image/png;base64,{value})")
        else:
            shown[name] = dg.MetadataValue.json(value) if isinstance(value, dict | list) else value
    return shown
