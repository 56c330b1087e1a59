"""With a real webserver and daemon: a backfill of whole systems, and termination from the UI's own API."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from bias_platform.orchestration.house import House
from bias_platform.orchestration.recording import latest_record
from bias_platform_tests.wiring.conftest import STUDY, Workplace

SYSTEMS = ["tiny", "tiny+people", "tiny+people@nf4"]
PERSONAS = ["man", "woman", "anybody", "no-persona"]

BACKFILL = """mutation Go($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
STATUS = "query S($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
TERMINATE = "mutation T($id: String!) { terminateRun(runId: $id) { __typename } }"


class Served:
    """A workplace with its webserver and daemon."""

    def __init__(self, place: Workplace, port: int) -> None:
        self.place, self.port = place, port

    def ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            reply: dict[str, Any] = json.load(answer)
        assert "errors" not in reply, reply
        return reply["data"]

    def backfill(self, key: dg.AssetKey, partitions: list[str]) -> str:
        params = {"assetSelection": [{"path": key.path}], "partitionNames": partitions}
        made = self.ask(BACKFILL, {"params": params})["launchPartitionBackfill"]
        assert made["__typename"] == "LaunchBackfillSuccess", made
        return str(made["backfillId"])

    def status(self, backfill: str) -> str:
        return str(self.ask(STATUS, {"id": backfill})["partitionBackfillOrError"]["status"])


@pytest.fixture
def served(workplace: Workplace) -> Iterator[Served]:
    port = _free_port()
    scripts = Path(sys.executable).parent
    workspace = workplace.folder / "workspace.yaml"
    shutil.copy(Path(__file__).parents[2] / "workspace.yaml", workspace)
    commands = [
        [str(scripts / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(port), "-w", str(workspace)],
        [str(scripts / "dagster-daemon"), "run", "-w", str(workspace)],
    ]
    with (workplace.folder / "served.log").open("ab") as log:
        processes = [
            subprocess.Popen(command, env=workplace.environment, stdout=log, stderr=log) for command in commands
        ]
    server = Served(workplace, port)
    try:
        _until(lambda: _answers(server), 90, "the webserver did not come up")
        yield server
    finally:
        for process in processes:
            for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                child.terminate()
        for process in processes:
            process.wait(30)


def test_backfills_of_any_selection_end_right(served: Served) -> None:
    house, instance = served.place.house(), served.place.instance()
    key = house.keys.predictions(STUDY)
    every = [f"{system}|{persona}" for system in SYSTEMS for persona in PERSONAS]
    start = max(latest_record(instance, key, name).storage_id for name in every)
    shutil.rmtree(house.lake.predictions(STUDY))
    # all at once: they overlap, wait for each other, and must end the same
    whole_systems = served.backfill(key, every)
    one_persona = served.backfill(key, [f"{system}|woman" for system in SYSTEMS])
    with_a_gap = served.backfill(key, ["tiny|man", "tiny|anybody", "tiny+people@nf4|no-persona"])
    for backfill in (whole_systems, one_persona, with_a_gap):
        _until(lambda: served.status(backfill).startswith("COMPLETED"), 300, f"{backfill} did not end")  # noqa: B023
        assert served.status(backfill) == "COMPLETED_SUCCESS"
    assert _runs(instance, whole_systems) == len(SYSTEMS)
    assert _runs(instance, one_persona) == 1
    assert _runs(instance, with_a_gap) == 3
    _assert_all_recorded(house, instance, every, start)


def _assert_all_recorded(house: House, instance: dg.DagsterInstance, every: list[str], start: int) -> None:
    """Each partition is there, with a version of its own, the lineage to its own system, and a green check."""
    key = house.keys.predictions(STUDY)
    versions = set()
    for name in every:
        system, persona = name.split("|")
        record = latest_record(instance, key, name)
        assert record.storage_id > start
        assert (house.lake.prediction_partition(STUDY, system, persona) / "manifest.json").exists()
        tags = record.asset_materialization.tags
        versions.add(tags["dagster/data_version"])
        pointer = tags[f"dagster/input_event_pointer/{house.keys.systems.to_user_string()}"]
        assert pointer == str(latest_record(instance, house.keys.systems, system).storage_id)
    assert len(versions) == len(every)
    check = dg.AssetCheckKey(key, "schema")
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=len(every))
    assert {each.status.value for each in history} == {"SUCCEEDED"}


def _runs(instance: dg.DagsterInstance, backfill: str) -> int:
    return instance.get_runs_count(dg.RunsFilter(tags={"dagster/backfill": backfill}))


def test_termination_stops_the_worker(served: Served) -> None:
    place, house = served.place, served.place.house()
    instance = place.instance()
    # a training long enough to be stopped
    place.edit("steps: 6,", "steps: 5000,")
    served.ask("mutation { reloadWorkspace { __typename } }", {})
    served.backfill(house.keys.base, ["tiny"])
    _until(lambda: bool(_workers(served)), 120, "no worker was started")
    run = instance.get_runs(limit=1)[0]
    served.ask(TERMINATE, {"id": run.run_id})
    _until(lambda: not _workers(served), 40, "the worker went on after the run was terminated")
    _until(lambda: instance.get_run_by_id(run.run_id).is_finished, 60, "the run did not end")
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.CANCELED


def _workers(served: Served) -> list[int]:
    lake = str(served.place.folder)
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = process.info["cmdline"] or []
        environment = process.info["environ"] or {}
        if "bias_platform.workers.make_base" in words and environment.get("BIAS_PLATFORM_LAKE", "").startswith(lake):
            found.append(process.pid)
    return found


def _answers(server: Served) -> bool:
    try:
        server.ask("{ version }", {})
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(true: Callable[[], bool], seconds: float, complaint: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, complaint
        time.sleep(0.3)
