"""Running a plan's steps in this process, through Dagster, on the shared instance."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil

from bias_platform.errors import UserError
from bias_platform.orchestration.house import House
from bias_platform.orchestration.plain_log import PLAIN
from bias_platform.orchestration.plan import Step, missing_part, observe_recipes
from bias_platform.orchestration.recording import FORCE_TAG, PROCESS_TAG

_CLOCK_SECONDS = 60
"""A process's start is told by the wall clock, which may be set meanwhile; no process id comes back that soon."""

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def execute_plan(
    definitions: dg.Definitions,
    house: House,
    steps: list[Step],
    instance: dg.DagsterInstance,
    say: Callable[[str], None],
    *,
    force: bool = False,
) -> int:
    """Runs what is missing of each step, in order; returns how many steps had something to run.

    Raises:
        UserError: a step failed; carries the sentences of its failures. What was finished stays.
    """
    observe_recipes(house, instance)
    ran = 0
    for number, step in enumerate(steps, 1):
        part = step if force else missing_part(instance, step)
        where = f"[{number}/{len(steps)}]"
        if part is None:
            say(f"{where} {step}: current")
            continue
        ran += 1
        say(f"{where} {part} ...")
        started = time.monotonic()
        for tags in partition_ranges(definitions, part):
            _execute(definitions, part, instance, {**tags, **({FORCE_TAG: "true"} if force else {})})
        say(f"{where} {part}: done in {time.monotonic() - started:.1f} s")
    return ran


def partition_ranges(definitions: dg.Definitions, step: Step) -> Iterator[dict[str, str]]:
    """Run tags that select a step's partitions: one set of tags for each stretch without a gap."""
    if not step.partitions:
        yield {}
        return
    node = definitions.resolve_asset_graph().get(step.key)
    assert node.partitions_def is not None
    order = {key: position for position, key in enumerate(node.partitions_def.get_partition_keys())}
    keys = sorted(step.partitions, key=order.__getitem__)
    start = previous = keys[0]
    for key in [*keys[1:], None]:
        if key is not None and order[key] == order[previous] + 1 and _same_model(key, previous):
            previous = key
            continue
        yield {RANGE_START: start, RANGE_END: previous}
        if key is not None:
            start = previous = key


def sweep_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fails runs that are marked as running on this machine although their process is gone; returns their ids."""
    lost = []
    active = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    for run in instance.get_runs(active):
        process = run.tags.get(PROCESS_TAG)
        if process and not _alive(process):
            instance.report_run_failed(run, "the process of this run is gone; what it had published is kept")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            lost.append(run.run_id)
    return lost


def prepare_instance(home: Path) -> dg.DagsterInstance:
    """The instance at `home` (an absolute folder with a `dagster.yaml`), its GPU pool limited to one run.

    Raises:
        UserError: there is no such folder.
    """
    if not home.is_dir():
        raise UserError(
            f"there is no folder {home} for Dagster's records; set DAGSTER_HOME to an existing folder, best the "
            "repository's dagster_home, or run this from the repository"
        )
    os.environ["DAGSTER_HOME"] = str(home)
    instance = dg.DagsterInstance.get()
    instance.event_log_storage.set_concurrency_slots("gpu", 1)
    return instance


def _same_model(key: str, previous: str) -> bool:
    return "|" not in key or key.split("|", maxsplit=1)[0] == previous.split("|", maxsplit=1)[0]


def _execute(definitions: dg.Definitions, step: Step, instance: dg.DagsterInstance, tags: dict[str, str]) -> None:
    job = definitions.resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection={step.key}, asset_check_selection=_checks_to_run(definitions, step))
    quiet: dict[str, Any] = {"loggers": {PLAIN: {}}}
    result = subset.execute_in_process(run_config=quiet, instance=instance, tags=tags, raise_on_error=False)
    if not result.success:
        failures = [event.step_failure_data for event in result.get_step_failure_events()]
        sentences = [_sentence(data) for data in failures]
        raise UserError(f"{step} failed:\n" + "\n".join(sentences))


def _checks_to_run(definitions: dg.Definitions, step: Step) -> set[dg.AssetCheckKey]:
    """Checks of unpartitioned assets; a partitioned asset records its check with each partition."""
    every = definitions.resolve_asset_graph().asset_check_keys
    return set() if step.partitions else {check for check in every if check.asset_key == step.key}


def _sentence(data: object) -> str:
    error = getattr(data, "error", None)
    failure = getattr(data, "user_failure_data", None)
    if failure is not None and failure.description:
        return str(failure.description)
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "no reason was recorded"


def _alive(process: str) -> bool:
    host, pid, created = process.rsplit(":", 2)
    if host != socket.gethostname():
        return True  # another machine's run: not ours to judge
    try:
        found = psutil.Process(int(pid))
        # a zombie has ended; only its parent has not asked yet how
        return found.status() != psutil.STATUS_ZOMBIE and abs(found.create_time() - int(created)) < _CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False
