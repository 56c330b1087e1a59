"""Whatever happens to a ledger's file, nothing wrong is taken for an answer, and only what is lost is asked again."""

import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bias_platform.errors import LedgerBusyError, UserError
from bias_platform.inference import ledger_recovery
from bias_platform.inference.engines.base import Usage
from bias_platform.inference.ledger import Ledger, LedgerReader
from bias_platform.inference.ledger_checks import verify_ledger
from bias_platform.inference.ledger_damage import DamagedLedgerError, Suspicion, note_suspicion, suspicion_of
from bias_platform.inference.ledger_recovery import files_set_aside, open_or_recover, recover_ledger
from bias_platform.inference.outcomes import Outcome
from bias_platform.storage import publish, write_table
from bias_platform_tests.inference.made_outcomes import SCORES, answered, cell, failed, write_first_shape, written

CELLS, BATCH = 2_000, 50


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of 2,000 cells in 40 batches, scored ones and written ones in turn."""
    path = tmp_path / "ledger" / "system" / "task.sqlite"
    with Ledger.open(path) as ledger:
        for start in range(0, CELLS, BATCH):
            ledger.append(map(_outcome, range(start, start + BATCH)), usage=Usage(1000, 100, 0), seconds=0.5)
    return path


def _outcome(number: int) -> Outcome:
    return answered(number) if number % 2 else written(number, f"Yes, because of {number}. " * 5)


def _publish(folder: Path, numbers: range, *, finish: bool = True, also: list[dict[str, object]] | None = None) -> Path:
    """A partition of predictions that holds these cells."""
    outcomes = [_outcome(number) for number in numbers]
    rows = [{name: getattr(outcome, name) for name in outcome._fields[:7]} for outcome in outcomes] + (also or [])
    table = pd.DataFrame(rows, dtype=object)
    if finish:
        table["finish"] = [outcome.finish for outcome in outcomes] + [None] * len(also or [])
    with publish(folder, "predictions", code_version="1", inputs={}, parameters={}) as staging:
        staging.rows["part.parquet"] = write_table(table, staging.folder / "part.parquet")
    return folder / "part.parquet"


def _held(path: Path) -> pd.DataFrame:
    """What a ledger holds of the cells, in their order; every value is compared with what was put in."""
    with LedgerReader(path) as reader:
        known = reader.known([cell(number) for number in range(CELLS)]).set_index("cell_id")
    for number in range(CELLS):
        if cell(number) in known.index:
            row, outcome = known.loc[cell(number)], _outcome(number)
            assert (row["outcome"], row["answer"], row["raw_text"]) == (outcome[2], outcome[3], outcome[5])
            if outcome.option_logprobs is not None:
                np.testing.assert_array_equal(row["option_logprobs"], outcome.option_logprobs)
    return known


def _flip(path: Path, start: int, length: int, seed: int) -> None:
    content = bytearray(path.read_bytes())
    generator = random.Random(seed)
    for place in range(start, start + length):
        content[place] ^= generator.randrange(1, 256)
    path.write_bytes(content)


def _page_of(path: Path, needle: bytes) -> int:
    """Where the page begins that holds some bytes."""
    return path.read_bytes().index(needle) // 4096 * 4096


def _cut(path: Path, share: float) -> None:
    size = path.stat().st_size
    os.truncate(path, int(size * share) // 4096 * 4096)


DAMAGES: dict[str, tuple[Callable[[Path], None], float]] = {
    # what is done to the file, and the share of cells that must be left of it at least
    "one leaf page is garbage": (lambda path: _flip(path, _page_of(path, b"because of 900."), 4096, 1), 0.98),
    "60 of some 90 pages, the index among them": (lambda path: _flip(path, 8192, 4096 * 60, 2), 0.2),
    "cut in the middle": (lambda path: _cut(path, 0.5), 0.3),
    "cut within the last page": (lambda path: os.truncate(path, path.stat().st_size - 100), 0.9),
    "no database at all": (lambda path: path.write_bytes(b"no database at all" * 100), 0.0),
    "its head is gone": (lambda path: _flip(path, 0, 100, 3), 0.0),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_seen_on_opening_set_aside_and_what_can_be_trusted_is_kept(path: Path, name: str) -> None:
    damage, least = DAMAGES[name]
    damage(path)
    wreck = path.read_bytes()
    said: list[str] = []
    published = [_publish(path.parents[2] / "a", range(800, 1200)), _publish(path.parents[2] / "b", range(1990, 2000))]
    with open_or_recover(path, published, say=said.append) as ledger:
        assert verify_ledger(path).problems == ()
        kept = _held(path)
        missing = [number for number in range(CELLS) if cell(number) not in kept.index]
        assert ledger.append([_outcome(number) for number in range(CELLS)]) == len(missing)  # nothing is there twice
    assert len(_held(path)) == CELLS
    assert not set(missing) & {*range(800, 1200), *range(1990, 2000)}
    (line,) = said
    assert "\n" not in line
    aside = files_set_aside(path)[0]
    assert [each.name for each in files_set_aside(path)[1:]] in ([], [f"{aside.name}-shm", f"{aside.name}-wal"])
    assert aside.read_bytes() == wreck
    assert f"set aside as {aside.name}, " in line
    salvaged = int(line.split(f"{aside.name}, ")[1].split(" cell")[0].replace(",", ""))
    published_cells = int(line.split(" taken from what was published")[0].rsplit(", ", 1)[1].split(" cell")[0])
    assert salvaged + published_cells + len(missing) == CELLS
    assert salvaged >= least * CELLS
    with open_or_recover(path, published, say=said.append):
        assert len(said) == 1  # it is sound now


@pytest.mark.parametrize("flipped", [b"Yes, because of 909.", b"Yes, because of 90\xff."])
def test_a_flipped_byte_within_an_answer_is_found_when_it_is_read(path: Path, flipped: bytes) -> None:
    """SQLite does not see it, and opening a ledger does not read it: the run that meets it ends, the next one mends."""
    needle = b"Yes, because of 900."
    content = path.read_bytes()
    assert content.count(needle) == 5
    path.write_bytes(content.replace(needle, flipped, 1))
    said: list[str] = []
    with open_or_recover(path, [], say=said.append) as ledger:
        assert len(ledger.known([cell(number) for number in range(900)])) == 900
        with pytest.raises(DamagedLedgerError, match=r"1 cell no longer as written\). Run it again") as told:
            ledger.known([cell(number) for number in range(CELLS)])
        assert "because" not in str(told.value)
    assert said == []
    with open_or_recover(path, [], say=said.append):
        missing = set(range(CELLS)) - {int(found, 16) for found in _held(path).index}
    assert missing == {900}
    assert "(1 row not trusted), 0 cells taken from what was published; the rest is asked again" in said[0]


def test_damage_that_shows_in_reading_only_is_noted_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the check of the pages, which is quick, had not seen it."""
    monkeypatch.setattr(ledger_recovery, "page_problems", lambda connection, path, thorough: iter(()))
    _flip(path, _page_of(path, b"because of 900."), 4096, 1)
    with open_or_recover(path, []) as ledger, pytest.raises(DamagedLedgerError, match="malformed"):
        ledger.known([cell(number) for number in range(CELLS)])
    with pytest.raises(DamagedLedgerError, match="malformed"):
        Ledger.open(path)  # who cannot mend it leaves it alone
    with open_or_recover(path, []) as ledger:
        assert 0.98 * CELLS < ledger.counts().by_outcome["answered"] < CELLS


def test_a_false_alarm_is_forgotten(path: Path) -> None:
    note_suspicion(path, Suspicion(reason="somebody thought so"))
    with open_or_recover(path, [], say=pytest.fail) as ledger:
        assert ledger.counts().by_outcome == {"answered": CELLS}
    assert suspicion_of(path) is None
    assert files_set_aside(path) == []
    assert recover_ledger(path, []) is None


def test_batches_tokens_and_pace_survive(path: Path) -> None:
    _flip(path, _page_of(path, b"because of 900."), 4096, 1)
    with open_or_recover(path, []) as ledger:
        assert ledger.spent() == Usage(40_000, 4_000, 0)
        rate = ledger.rate()
        assert rate is not None
        assert rate.cells_per_second == 100
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*), MAX(batch) FROM batches").fetchone() == (40, 40)


def test_cells_whose_batch_is_lost_keep_their_tokens(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE batches SET cached_tokens = 1 WHERE batch = 7")
        connection.execute("DELETE FROM batches WHERE batch = 8")
    recovery = recover_ledger(path, [])
    assert recovery is not None
    assert (recovery.salvaged, recovery.distrusted) == (CELLS, 1)
    with LedgerReader(path) as reader:
        # 38 batches as they were, and the tokens of 100 cells, half of which were written
        assert reader.spent() == Usage(38_000 + 50 * 50, 3_800 + 50 * 2, 0)
    assert verify_ledger(path) == (CELLS, 39, ())


def test_failures_are_taken_over_but_not_from_what_was_published(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append([failed(5000, transient=True), failed(5001, transient=False)])
    _flip(path, _page_of(path, b"because of 900."), 4096, 1)
    failure = {"cell_id": cell(6000), "item_id": "item", "outcome": "failed", "detail": "out of memory: 9"}
    part = _publish(path.parent / "p", range(900, 901), also=[{**failure, "option_logprobs": None}])
    with open_or_recover(path, [part]) as ledger:
        assert ledger.counts().by_outcome["failed"] == 2
        assert ledger.counts().transient == 1
        assert ledger.count_known([cell(5001), cell(6000), cell(900)]) == 2


def test_a_partition_that_is_not_what_its_manifest_says_is_not_trusted(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    good, cut = _publish(tmp_path / "a", range(10)), _publish(tmp_path / "b", range(10, 20))
    bare, other = _publish(tmp_path / "c", range(20, 30)), _publish(tmp_path / "d", range(30, 40))
    old = _publish(tmp_path / "e", range(40, 50), finish=False)
    cut.write_bytes(cut.read_bytes()[:-1])
    (bare.parent / "manifest.json").unlink()
    with publish(other.parent, "predictions", code_version="1", inputs={}, parameters={}) as staging:
        write_table(pd.DataFrame({"x": [1]}), staging.folder / "part.parquet")
    recovery = recover_ledger(path, [good, cut, bare, other, old])
    assert recovery is not None
    assert (recovery.salvaged, recovery.published, len(recovery.skipped)) == (0, 20, 3)
    assert sorted(int(found, 16) for found in _held(path).index) == [*range(10), *range(40, 50)]
    assert "bytes instead of" in recovery.sentence
    assert "is not there" in recovery.sentence
    assert "is no table of predictions" in recovery.sentence


def test_what_was_published_comes_back_as_it_was(path: Path, tmp_path: Path) -> None:
    before = _held(path).sort_index()
    part = _publish(tmp_path / "a", range(CELLS))
    path.write_bytes(b"")  # an empty file is a new ledger: nothing is wrong with it
    with open_or_recover(path, [part]) as ledger:
        assert ledger.counts().by_outcome == {}
    path.write_bytes(b"garbage")
    with open_or_recover(path, [part]):
        pass
    pd.testing.assert_frame_equal(_held(path).sort_index(), before)


def test_a_damaged_ledger_of_the_first_version(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    write_first_shape(path, 500)
    needle = bytes.fromhex(cell(250)) + b"item"
    _flip(path, _page_of(path, needle), 4096, 4)
    recovery = recover_ledger(path, [])
    assert recovery is not None
    assert 400 < recovery.salvaged < 501
    with LedgerReader(path) as reader:
        known = reader.known([cell(number) for number in range(500)]).set_index("cell_id")
    assert 400 < len(known) < 500
    for number in (int(found, 16) for found in known.index):
        np.testing.assert_array_equal(known.loc[cell(number), "option_logprobs"], SCORES - number)
    assert verify_ledger(path).problems == ()


def test_other_peoples_files_are_not_set_aside(tmp_path: Path) -> None:
    newer, other = tmp_path / "newer.sqlite", tmp_path / "other.sqlite"
    with Ledger.open(newer):
        pass
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE other (x)")
    for path, said in ((newer, "newer version of bias-platform"), (other, "not a ledger")):
        for mend in (open_or_recover, recover_ledger):
            with pytest.raises(UserError, match=said):
                mend(path, [])
    assert not list(tmp_path.glob("*damaged*"))


def test_a_damaged_ledger_that_is_being_written_is_not_touched(path: Path) -> None:
    with Ledger.open(path):
        for mend in (lambda: recover_ledger(path, []), lambda: open_or_recover(path, [], wait=False)):
            with pytest.raises(LedgerBusyError, match=f"process {os.getpid()}"):
                mend()


def test_one_that_may_wait_waits_and_says_so(path: Path) -> None:
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with open_or_recover(path, [], on_wait=said.append) as ledger:
            order.append("second")
            ledger.append([answered(CELLS)])

    with Ledger.open(path) as ledger:
        waiting = threading.Thread(target=second)
        waiting.start()
        while not said:
            time.sleep(0.01)
        order.append("first")
        ledger.append([answered(CELLS + 1)])
    waiting.join(timeout=30)
    assert order == ["first", "second"]
    assert said == [f"the ledger {path} is being written by process {os.getpid()}; waiting for it to finish"]
    assert verify_ledger(path).cells == CELLS + 2


# ---------------------------------------------------------------- a log that is lost


def _write_and_die(path: Path, numbers: range) -> None:
    ledger = Ledger.open(path)
    ledger.append([_outcome(number) for number in numbers])
    os.kill(os.getpid(), signal.SIGKILL)


def _die_writing(path: Path, numbers: range) -> None:
    """Another process appends and is killed: what it wrote lies in the log."""
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(path, numbers))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert path.with_name(path.name + "-wal").stat().st_size > 0


def test_a_log_that_is_lost_is_filled_from_what_was_published(tmp_path: Path) -> None:
    path = tmp_path / "task.sqlite"
    with Ledger.open(path) as ledger:
        ledger.append([_outcome(number) for number in range(100)])
    _die_writing(path, range(100, 200))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    part = _publish(tmp_path / "a", range(50, 180))
    said: list[str] = []
    with open_or_recover(path, [part], say=said.append):
        assert sorted(int(found, 16) for found in _held(path).index) == list(range(180))  # 20 are asked again
    (line,) = said
    assert "its write-ahead log is missing): 80 cells taken from what was published; the rest is asked again" in line
    assert verify_ledger(path).problems == ()
    with open_or_recover(path, [part], say=said.append):
        assert len(said) == 1


def test_a_log_that_is_there_is_read(tmp_path: Path) -> None:
    path = tmp_path / "task.sqlite"
    _die_writing(path, range(100))
    with open_or_recover(path, [], say=pytest.fail):
        assert len(_held(path)) == 100


def test_a_new_ledger_whose_log_is_lost_is_still_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "task.sqlite"
    _die_writing(path, range(100))
    path.with_name(path.name + "-wal").unlink()
    with LedgerReader(path) as reader:
        assert reader.counts() == ({}, 0)
    with open_or_recover(path, [_publish(tmp_path / "a", range(30))]):
        assert len(_held(path)) == 30


def test_the_log_goes_along_when_the_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "task.sqlite"
    with Ledger.open(path) as ledger:
        ledger.append([_outcome(number) for number in range(400)])
    _die_writing(path, range(400, 500))
    _flip(path, _page_of(path, b"because of 200."), 4096, 1)
    log = path.with_name(path.name + "-wal").read_bytes()
    recovery = recover_ledger(path, [])
    assert recovery is not None
    assert recovery.aside is not None
    assert recovery.aside.with_name(recovery.aside.name + "-wal").read_bytes() == log
    held = {int(found, 16) for found in _held(path).index}
    assert held >= set(range(400, 500))
    assert 460 < len(held) < 500


# ---------------------------------------------------------------- a recovery that is cut off


class _CutOffError(Exception):
    """Stands for a kill."""


def test_a_recovery_cut_off_at_any_step_goes_on(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change of the folder is a step: the one after it never happens, then the next opening has to cope."""
    _flip(path, _page_of(path, b"because of 900."), 4096, 1)
    part = _publish(tmp_path / "a", range(900, 920))
    steps = {"left": 0}

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **named: object) -> object:
            if steps["left"] == 0:
                raise _CutOffError
            steps["left"] -= 1
            return change(*arguments, **named)

        return step

    for name in ("rename", "replace", "unlink"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    monkeypatch.setattr(ledger_recovery, "_take_salvage", counted(ledger_recovery._take_salvage))
    monkeypatch.setattr(ledger_recovery, "add_batch", counted(ledger_recovery.add_batch))
    cut_off = 0
    for number in range(100):
        steps["left"] = number
        try:
            with open_or_recover(path, [part]):
                steps["left"] = -1
                break
        except _CutOffError:
            cut_off += 1
    steps["left"] = -1
    assert cut_off >= 7
    held = {int(found, 16) for found in _held(path).index}
    assert held >= set(range(900, 920))
    assert len(held) > 0.98 * CELLS
    assert verify_ledger(path).problems == ()
    assert len([each for each in files_set_aside(path) if not each.name.endswith(("-wal", "-shm"))]) == 1
    assert suspicion_of(path) is None
    assert not list(path.parent.glob("*.rebuilding*"))
