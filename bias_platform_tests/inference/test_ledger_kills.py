"""Killed twenty times, a run of 5,000 cells ends with the same table, byte for byte, and nothing is asked twice."""

import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bias_platform.inference.ledger import LedgerReader
from bias_platform.inference.ledger_checks import verify_ledger
from bias_platform_tests.inference.killed_run import BATCH, CELLS

KILLS = 20


class Runs:
    """Processes that ask; each of them can be killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "bias_platform_tests.inference.killed_run"]
        self.starter = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, folder: Path, *when: object) -> int:
        """Lets one run to its end, or its death; returns its exit status."""
        assert self.starter.stdin is not None
        assert self.starter.stdout is not None
        print(folder, *when, file=self.starter.stdin, flush=True)
        return int(self.starter.stdout.readline())


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    made = Runs()
    yield made
    assert made.starter.stdin is not None
    made.starter.stdin.close()
    assert made.starter.wait(30) == 0


def _ids(path: Path, start: int = 0) -> list[str]:
    content = path.read_bytes()[16 * start :]
    return [content[at : at + 16].hex() for at in range(0, len(content), 16)]


def _held(path: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = [row[0].hex() for row in connection.execute("SELECT cell_id FROM cells")]
    assert len(rows) == len(set(rows))
    return set(rows)


def test_killed_at_twenty_random_points(runs: Runs, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    assert runs.run(whole) == 0
    generator = random.Random(20)
    asked_before, lost = 0, Counter[str]()
    for _ in range(KILLS):
        # up to 0.006 s after a batch was given away: before, amid or after its append, or in a later batch's
        status = runs.run(killed, generator.randrange(BATCH, 6 * BATCH), generator.uniform(0, 0.006))
        assert status == -signal.SIGKILL
        held = _held(killed / "ledger.sqlite")
        assert held.issuperset(_ids(killed / "appended"))  # nothing is lost that the ledger had taken
        in_flight = set(_ids(killed / "asked", asked_before)) - held
        assert len(in_flight) <= BATCH  # and of what it had not, at most the batch that was on its way
        lost.update(in_flight)
        asked_before = len(_ids(killed / "asked"))
        assert verify_ledger(killed / "ledger.sqlite").problems == ()
    assert len(held) < CELLS
    assert runs.run(killed) == 0
    times_asked = Counter(_ids(killed / "asked"))
    assert len(times_asked) == CELLS
    assert all(times == 1 + lost[cell] for cell, times in times_asked.items())  # asked again only where it was lost
    assert times_asked.total() == CELLS + lost.total() <= CELLS + KILLS * BATCH
    part = "published/part.parquet"
    assert (killed / part).read_bytes() == (whole / part).read_bytes()
    check = verify_ledger(killed / "ledger.sqlite")
    assert (check.cells, check.problems) == (CELLS, ())
    with LedgerReader(killed / "ledger.sqlite") as reader:
        assert reader.spent().input_tokens == 10 * CELLS  # what is spent is kept with what came, neither more nor less


def test_a_complete_run_asks_nothing_more(runs: Runs, tmp_path: Path) -> None:
    for _ in range(2):
        assert runs.run(tmp_path) == 0
    assert len(_ids(tmp_path / "asked")) == CELLS
