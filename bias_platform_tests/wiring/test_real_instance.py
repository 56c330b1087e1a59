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


def test_a_backfill_of_whole_systems_makes_one_run_a_system(served: Served) -> None:
    place, house = served.place, served.place.house()
    instance = place.instance()
    key = house.keys.predictions(STUDY)
    shutil.rmtree(house.lake.predictions(STUDY))
    before = instance.get_runs_count()
    start = latest_record(instance, key, "tiny|man").storage_id
    backfill = served.backfill(key, [f"{system}|{persona}" for system in SYSTEMS for persona in PERSONAS])
    _until(lambda: served.status(backfill) in ("COMPLETED_SUCCESS", "COMPLETED_FAILED"), 240, "it did not end")
    assert served.status(backfill) == "COMPLETED_SUCCESS"
    assert instance.get_runs_count() - before == 3
    versions = set()
    for system in SYSTEMS:
        for persona in PERSONAS:
            record = latest_record(instance, key, f"{system}|{persona}")
            assert record.storage_id > start
            versions.add(record.asset_materialization.tags["dagster/data_version"])
            assert house.lake.prediction_partition(STUDY, system, persona).exists()
    assert len(versions) == 12
    checks = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(key, "schema"), limit=12)
    assert {record.status.value for record in checks} == {"SUCCEEDED"}


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
