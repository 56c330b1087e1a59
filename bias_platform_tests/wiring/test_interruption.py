"""Work killed at any moment goes on where it was: nothing lost, nothing doubled, nothing half-written, no orphan."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from bias_platform.orchestration.recording import latest_record
from bias_platform.storage import read_table, verify_artifact
from bias_platform_tests.wiring.conftest import STUDY, Workplace

SYSTEM = "tiny+people"
PERSONAS = ("man", "woman", "anybody", "no-persona")
ITEMS, CELLS = 260, 260 * 7


@pytest.fixture(scope="module")
def prepared(finished_workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The study with many more posts, everything made but the predictions."""
    place = Workplace(tmp_path_factory.mktemp("prepared") / "place")
    shutil.copytree(finished_workplace.folder, place.folder)
    place.edit("test: 30", "test: 300")
    place.edit("n: 12", f"n: {ITEMS}")
    place.edit("[tiny, tiny+people, tiny+people@nf4]", f"[{SYSTEM}]")
    lake = place.house().lake
    shutil.rmtree(lake.home / "ledger")
    shutil.rmtree(lake.home / "predictions")
    instance = place.instance()
    place.run_plan(instance, until="systems")
    instance.dispose()
    return place


@pytest.fixture(scope="module")
def uninterrupted(prepared: Workplace, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    place = _copy(prepared, tmp_path_factory.mktemp("uninterrupted"))
    assert _start(place).wait(240) == 0
    return _answers(place)


def test_a_killed_worker_is_started_again_and_asks_only_what_is_missing(
    prepared: Workplace, uninterrupted: pd.DataFrame, tmp_path: Path
) -> None:
    place = _copy(prepared, tmp_path)
    run = _start(place)
    worker = _worker_in_the_middle(place, run)
    os.kill(worker, signal.SIGKILL)
    kept = _ledger(place)
    assert run.wait(240) == 0
    _assert_nothing_asked_twice(place, kept)
    _assert_same(_answers(place), uninterrupted)


def test_a_killed_run_takes_its_worker_along_and_goes_on_later(
    prepared: Workplace, uninterrupted: pd.DataFrame, tmp_path: Path
) -> None:
    place = _copy(prepared, tmp_path)
    run = _start(place)
    worker = _worker_in_the_middle(place, run)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    _until(lambda: not psutil.pid_exists(worker), 15, "the worker outlived its run")
    kept = _ledger(place)
    assert 0 < len(kept) < CELLS
    for folder in place.house().lake.predictions(STUDY).glob("model=*/persona=*"):
        verify_artifact(folder, folder.name)
    again = _start(place)
    assert again.wait(240) == 0
    _assert_nothing_asked_twice(place, kept)
    _assert_same(_answers(place), uninterrupted)
    assert not list(place.house().lake.predictions(STUDY).glob("**/.*staging*"))


def _copy(place: Workplace, folder: Path) -> Workplace:
    shutil.copytree(place.folder, folder / "place")
    return Workplace(folder / "place")


def _start(place: Workplace) -> subprocess.Popen[bytes]:
    program = (
        "from bias_platform_tests.wiring.conftest import Workplace; from pathlib import Path; import sys\n"
        "place = Workplace(Path(sys.argv[1])); place.run_plan(place.instance(), until='offence')"
    )
    with (place.folder / "log").open("ab") as log:
        command = [sys.executable, "-c", program, str(place.folder)]
        return subprocess.Popen(command, env=place.environment, stdout=log, stderr=log)


def _worker_in_the_middle(place: Workplace, run: subprocess.Popen[bytes]) -> int:
    """Waits until some of the cells, not all, are in the ledger; returns the worker's process id."""
    _until(lambda: len(_ledger(place)) > 0 or run.poll() is not None, 240, "nothing reached the ledger")
    assert len(_ledger(place)) < CELLS, "too fast to be interrupted"
    children = psutil.Process(run.pid).children(recursive=True)
    workers = [child.pid for child in children if "bias_platform.workers.predict" in " ".join(child.cmdline())]
    assert len(workers) == 1
    return workers[0]


def _ledger(place: Workplace) -> pd.DataFrame:
    path = place.house().lake.ledger(SYSTEM, "offence")
    if not path.exists():
        return pd.DataFrame()
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30) as connection:
        try:
            return pd.read_sql("select rowid, * from cells", connection).set_index("cell_id", verify_integrity=True)
        except pd.errors.DatabaseError:
            return pd.DataFrame()


def _assert_nothing_asked_twice(place: Workplace, kept: pd.DataFrame) -> None:
    """What the ledger held when the worker died was neither written nor asked again."""
    after = _ledger(place)
    assert len(after) == CELLS
    pd.testing.assert_frame_equal(after.loc[kept.index], kept)
    house, instance = place.house(), place.instance()
    key = house.keys.predictions(STUDY)
    latest = [latest_record(instance, key, f"{SYSTEM}|{persona}").asset_materialization for persona in PERSONAS]
    counts = {
        field: sum(each.metadata[field].value for each in latest)
        for field in ("cells_asked", "cells_from_ledger", "cells_kept")
    }
    # a partition that was published before the kill counts as kept, recorded by the killed run or not
    assert counts["cells_from_ledger"] + counts["cells_kept"] > 0
    assert sum(counts.values()) == CELLS


def _answers(place: Workplace) -> pd.DataFrame:
    folder = place.house().lake.predictions(STUDY) / f"model={SYSTEM}"
    parts = [read_table(path, "p") for path in sorted(folder.glob("persona=*/part.parquet"))]
    return pd.concat(parts).set_index("question_id", verify_integrity=True).sort_index()


def _assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert len(found) == CELLS
    pd.testing.assert_series_equal(found["answer"], expected["answer"])
    pd.testing.assert_series_equal(found["cell_id"], expected["cell_id"])
    difference = np.stack(list(found["option_logprobs"])) - np.stack(list(expected["option_logprobs"]))
    assert np.abs(difference).max() < 1e-5


def _until(true: Callable[[], bool], seconds: float, complaint: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, complaint
        time.sleep(0.05)
