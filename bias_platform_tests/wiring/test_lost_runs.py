"""A run whose process was killed is marked as failed and gives back its place in the pool; no other run is touched."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.test_utils import create_run_for_test

from bias_platform.orchestration.execution import prepare_instance, sweep_lost_runs
from bias_platform.orchestration.recording import PROCESS_TAG
from bias_platform_tests.wiring.conftest import Workplace, make_workplace

STARTED, CANCELING = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING
FAILURE = dg.DagsterRunStatus.FAILURE


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return make_workplace(tmp_path / "place")


@pytest.fixture
def bare(place: Workplace) -> Iterator[dg.DagsterInstance]:
    """An instance without runs."""
    made = prepare_instance(place.home)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def gone() -> str:
    """A process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    tag = f"{socket.gethostname()}:{process.pid}:{_created(process.pid)}"
    process.wait()
    return tag


def _created(pid: int) -> int:
    return int(psutil.Process(pid).create_time())


def _marked(instance: dg.DagsterInstance, process: str | None, status: dg.DagsterRunStatus = STARTED) -> dg.DagsterRun:
    tags = {PROCESS_TAG: process} if process else {}
    return create_run_for_test(instance, job_name="any", status=status, tags=tags)


def _status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    return instance.get_run_by_id(run.run_id).status


@pytest.mark.parametrize("status", [STARTED, CANCELING])
def test_a_run_without_its_process_fails_and_frees_its_pool(
    bare: dg.DagsterInstance, gone: str, status: dg.DagsterRunStatus
) -> None:
    run, storage = _marked(bare, gone, status), bare.event_log_storage
    storage.claim_concurrency_slot("gpu", run.run_id, "step")
    assert storage.get_concurrency_info("gpu").active_run_ids == {run.run_id}
    assert sweep_lost_runs(bare) == [run.run_id]
    assert _status(bare, run) == FAILURE
    assert storage.get_concurrency_info("gpu").active_slot_count == 0
    messages = [entry.message for entry in bare.all_logs(run.run_id)]
    assert any("the process of this run is gone; what it had published is kept" in message for message in messages)
    assert sweep_lost_runs(bare) == []


def test_a_living_run_keeps_its_place(bare: dg.DagsterInstance, gone: str) -> None:
    me = f"{socket.gethostname()}:{os.getpid()}:{_created(os.getpid())}"
    living, lost = _marked(bare, me), _marked(bare, gone)
    bare.event_log_storage.claim_concurrency_slot("gpu", living.run_id, "step")
    assert sweep_lost_runs(bare) == [lost.run_id]
    assert _status(bare, living) == STARTED
    assert bare.event_log_storage.get_concurrency_info("gpu").active_run_ids == {living.run_id}


def test_a_clock_that_was_set_kills_nobody_but_a_reused_process_id_counts_as_gone(bare: dg.DagsterInstance) -> None:
    host, pid, created = socket.gethostname(), os.getpid(), _created(os.getpid())
    shifted = _marked(bare, f"{host}:{pid}:{created - 20}")
    another = _marked(bare, f"{host}:{pid}:{created - 3600}")
    assert sweep_lost_runs(bare) == [another.run_id]
    assert _status(bare, shifted) == STARTED


def test_runs_of_other_machines_and_unmarked_and_ended_ones_are_left_alone(bare: dg.DagsterInstance, gone: str) -> None:
    elsewhere = "another-machine:" + gone.split(":", 1)[1]
    left = [
        _marked(bare, elsewhere),
        _marked(bare, None),
        _marked(bare, gone, dg.DagsterRunStatus.SUCCESS),
        _marked(bare, gone, dg.DagsterRunStatus.NOT_STARTED),
    ]
    before = [_status(bare, run) for run in left]
    assert sweep_lost_runs(bare) == []
    assert [_status(bare, run) for run in left] == before


def test_a_process_that_nobody_has_buried_is_gone_too(bare: dg.DagsterInstance) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = _marked(bare, f"{socket.gethostname()}:{process.pid}:{_created(process.pid)}")
    assert sweep_lost_runs(bare) == []
    process.kill()
    try:
        _until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "it did not die")
        assert sweep_lost_runs(bare) == [run.run_id]
    finally:
        process.communicate()


KILLED_IN_THE_MIDDLE = """
import sys, time
from pathlib import Path
from bias_platform_tests.wiring.conftest import Workplace
from bias_platform.orchestration.assets import corpora

def never_ends(*_):
    print("reading", flush=True)
    time.sleep(600)

corpora.read_corpus = never_ends
place = Workplace(Path(sys.argv[1]))
place.run_plan(place.instance())
"""


def test_a_killed_run_is_found_by_the_next_command(place: Workplace) -> None:
    command = [sys.executable, "-c", KILLED_IN_THE_MIDDLE, str(place.folder)]
    with subprocess.Popen(command, env=place.environment, stdout=subprocess.PIPE, text=True) as process:
        assert any(line.strip() == "reading" for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    instance = place.instance()
    (run,) = instance.get_runs()
    assert run.status == STARTED
    done = subprocess.run(
        [sys.executable, "-m", "bias_platform.command", "prepare"],
        env=place.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"run {run.run_id} had lost its process: marked as failed\n"
    assert _status(instance, run) == FAILURE
    instance.dispose()


def _until(true: Callable[[], bool], complaint: str) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, complaint
        time.sleep(0.05)
