"""Running a worker and reading what it says."""

import time
from collections.abc import Callable, Iterator, Set
from typing import Any

import dagster as dg

from bias_platform.errors import UserError
from bias_platform.orchestration.compute import Job, WorkerDiedError
from bias_platform.orchestration.partitioned import Run

RequestWithout = Callable[[Set[str]], dict[str, Any]]

ATTEMPTS = 2
_PAUSE_SECONDS = 2.0


def follow_published(run: Run, job: Job, request_without: RequestWithout) -> Iterator[tuple[str, dict[str, Any]]]:
    """Runs a worker; yields (key, metadata for the UI) of each artefact the moment it is published.

    A worker that died is started once more, for what it had not published. (Not by a retry policy of the step, which
    would also start a run again that somebody has terminated.)

    Args:
        run: that the worker works for.
        job: the worker.
        request_without: gives the request that leaves out what has been published.
    """
    published: set[str] = set()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            for message in run.compute.follow(run.context, job, request_without(published)):
                if message["kind"] == "published":
                    published.add(message["key"])
                    yield message["key"], ui_metadata(message["metadata"])
            return
        except WorkerDiedError as error:
            if attempt == ATTEMPTS:
                raise UserError(str(error)) from error
            run.context.log.warning(f"{error}. Starting it again")
            time.sleep(_PAUSE_SECONDS * 2 ** (attempt - 1))


def follow_one(run: Run, job: Job, request: dict[str, Any]) -> dict[str, Any]:
    """Runs a worker that publishes one artefact, and returns the metadata it reported."""
    reported = [metadata for _, metadata in follow_published(run, job, lambda _: request)]
    return reported[-1] if reported else {}


def ui_metadata(reported: dict[str, Any]) -> dict[str, Any]:
    """Turns what a worker reports into what the UI shows: `*_png` holds a picture in base64."""
    shown: dict[str, Any] = {}
    for name, value in reported.items():
        if name.endswith("_png"):
            title = name.removesuffix("_png")
            shown[title] = dg.MetadataValue.md(f"![{title}](data:image/png;base64,{value})")
        else:
            shown[name] = dg.MetadataValue.json(value) if isinstance(value, dict | list) else value
    return shown
