"""Nothing that was appended is lost or doubled, whatever happens to the writer."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bias_platform.errors import ArtifactError, LedgerBusyError, UserError
from bias_platform.inference import ledger_file
from bias_platform.inference.engines.base import Usage
from bias_platform.inference.ledger import Ledger, LedgerReader
from bias_platform.inference.ledger_checks import verify_ledger
from bias_platform.inference.ledger_damage import DamagedLedgerError
from bias_platform.inference.outcomes import Outcome
from bias_platform_tests.inference.made_outcomes import SCORES, answered, cell, failed, write_first_shape


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "system" / "task.sqlite"


def test_what_is_appended_is_known(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append([answered(1), Outcome(cell(2), "i", "invalid", None, SCORES, "Hm <b>", "tie: Yes = No")])
        known = ledger.known([cell(2), cell(1), cell(3)]).set_index("cell_id")
    assert set(known.index) == {cell(1), cell(2)}
    np.testing.assert_array_equal(known.loc[cell(1), "option_logprobs"], SCORES - 1)
    assert known.loc[cell(1), "option_logprobs"].dtype == np.float64
    assert known.loc[cell(2), ["outcome", "raw_text", "detail"]].tolist() == ["invalid", "Hm <b>", "tie: Yes = No"]
    assert known.loc[cell(2), "answer"] is None
    assert known.loc[cell(1), "raw_text"] is None


def test_it_survives_closing(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append([answered(1)])
        ledger.append([])
    with Ledger.open(path) as ledger:
        ledger.append([answered(2)])
        assert len(ledger.known([cell(1), cell(2)])) == 2


def test_a_cell_has_one_row_and_the_first_answer_stays(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append([answered(1, "Yes"), answered(1, "No")])
        ledger.append([answered(1, "No"), failed(1, transient=True), failed(1, transient=False)])
        assert ledger.known([cell(1)])["answer"].tolist() == ["Yes"]
        assert ledger.counts() == ({"answered": 1}, 0)


def test_transient_failures_are_asked_again_and_permanent_ones_are_not(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append([failed(1, transient=True), failed(2, transient=False)])
        assert ledger.counts() == ({"failed": 2}, 1)
        assert ledger.known([cell(1), cell(2)])["cell_id"].tolist() == [cell(2)]
        assert ledger.count_known([cell(1), cell(2)]) == 1
        ledger.append([answered(1), answered(2)])
        known = ledger.known([cell(1), cell(2)]).set_index("cell_id")["outcome"]
        assert known.to_dict() == {cell(1): "answered", cell(2): "failed"}
        assert ledger.forget_failures() == 1
        assert ledger.known([cell(2)]).empty


def test_many_cells_are_looked_up_in_parts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bias_platform.inference.ledger._IDS_PER_QUERY", 7)
    with Ledger.open(path) as ledger:
        ledger.append([answered(number) for number in range(100)])
        asked = [cell(number) for number in range(50, 150)]
        assert sorted(ledger.known(asked)["cell_id"]) == [cell(number) for number in range(50, 100)]
        assert ledger.count_known(asked) == 50
        assert ledger.known([]).empty


def _batches(path: Path) -> list[tuple[int, int]]:
    """Number and cells of every batch."""
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT batch, cells FROM batches ORDER BY batch").fetchall()


def test_checksums_stay_true_whatever_goes_and_comes(path: Path) -> None:
    with Ledger.open(path) as ledger:
        assert ledger.append([answered(1, item="gone"), failed(2, transient=True), failed(3, transient=False)]) == 3
        assert ledger.append([answered(2), answered(3), answered(1), failed(4, transient=True)]) == 2
        assert ledger.append([answered(2), answered(3)]) == 0
        assert _batches(path) == [(1, 2), (2, 2)]  # what brought nothing and took nothing is no batch
        assert verify_ledger(path) == (4, 2, ())
        assert ledger.append([failed(5, transient=True), answered(5), failed(5, transient=False)]) == 1
        assert ledger.append([answered(number) for number in range(4, 40)]) == 35
        assert _batches(path) == [(1, 2), (2, 1), (3, 1), (4, 35)]
        ledger.forget(["gone"])
        assert ledger.forget_failures() == 1
        assert _batches(path) == [(1, 0), (2, 1), (3, 1), (4, 35)]
        assert verify_ledger(path) == (37, 4, ())


def test_what_was_spent_and_at_what_pace(path: Path) -> None:
    with Ledger.open(path) as ledger:
        assert ledger.spent() == Usage(0, 0, 0)
        assert ledger.rate() is None
        ledger.append([answered(1)], origin="imported")
        assert ledger.rate() is None  # nothing was measured
        ledger.append([answered(2), answered(3)], usage=Usage(100, 10, 40), seconds=2.0)
        ledger.append([answered(2), answered(3)], usage=Usage(100, 10, 0), seconds=1.0)  # asked in vain, but paid
        ledger.append([], usage=Usage(7, 0, 0))  # a request that brought nothing
    with LedgerReader(path) as reader:
        assert reader.spent() == Usage(207, 20, 40)
        rate = reader.rate()
        assert rate is not None
        assert (rate.cells, rate.seconds, rate.usage) == (4, 3.0, Usage(200, 20, 40))
        assert (rate.cells_per_second, rate.tokens_per_second) == (pytest.approx(4 / 3), pytest.approx(220 / 3))
    assert verify_ledger(path) == (3, 4, ())


def test_the_pace_is_that_of_the_last_batches(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bias_platform.inference.ledger._BATCHES_OF_RATE", 2)
    with Ledger.open(path) as ledger:
        for number, seconds in enumerate((100.0, 1.0, 3.0)):
            ledger.append([answered(number)], seconds=seconds)
        rate = ledger.rate()
    assert rate is not None
    assert rate.cells_per_second == 0.5


def test_a_cell_that_is_not_as_written_is_no_answer(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append([answered(number) for number in range(10)])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE cells SET answer = 'No' WHERE cell_id = ?", (bytes.fromhex(cell(3)),))
    with LedgerReader(path) as reader:
        assert len(reader.known([cell(2), cell(4)])) == 2
        with pytest.raises(DamagedLedgerError, match=r"is damaged \(1 cell no longer as written\)"):
            reader.known([cell(number) for number in range(10)])
    with pytest.raises(DamagedLedgerError, match="1 cell no longer as written"):  # the next writer knows
        Ledger.open(path)


def test_an_answer_that_does_not_go_with_its_outcome_is_a_bug(path: Path) -> None:
    with Ledger.open(path) as ledger:
        for wrong in (Outcome(cell(1), "i", "answered"), Outcome(cell(1), "i", "invalid", "Yes")):
            with pytest.raises(ValueError, match="exactly when the outcome is 'answered'"):
                ledger.append([wrong])
        assert ledger.counts().by_outcome == {}


def test_a_ledger_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    write_first_shape(path, 500)
    with LedgerReader(path) as reader:  # reading changes nothing
        before = reader.known([cell(number) for number in range(600)]).sort_values("cell_id", ignore_index=True)
        assert reader.counts() == ({"answered": 500, "failed": 1}, 1)
        assert (reader.spent(), reader.rate()) == (Usage(0, 0, 0), None)
    assert len(before) == 500
    assert before["finish"].isna().all()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert verify_ledger(path) == (501, 0, ())
    with Ledger.open(path) as ledger:
        after = ledger.known([cell(number) for number in range(600)]).sort_values("cell_id", ignore_index=True)
        pd.testing.assert_frame_equal(after, before)
        assert verify_ledger(path) == (501, 1, ())
        assert ledger.append([answered(number) for number in range(490, 510)]) == 10
        assert (ledger.spent(), ledger.rate()) == (Usage(0, 0, 0), None)
    assert verify_ledger(path) == (510, 2, ())
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        migrated = connection.execute("SELECT cells, asked, origin FROM batches WHERE batch = 1").fetchone()
        assert migrated == (500, 501, "migrated")  # the failure was asked again
        shape = connection.execute("PRAGMA table_info(cells)").fetchall()
    with Ledger.open(path.with_name("new.sqlite")):
        pass
    with sqlite3.connect(path.with_name("new.sqlite")) as connection:
        assert connection.execute("PRAGMA table_info(cells)").fetchall() == shape


def test_an_empty_ledger_of_the_first_version(path: Path) -> None:
    write_first_shape(path, 0)
    with Ledger.open(path) as ledger:
        assert ledger.forget_failures() == 1
        assert ledger.counts() == ({}, 0)
    assert verify_ledger(path) == (0, 1, ())


def test_forgetting_is_not_done_while_somebody_reads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_file, "_BUSY_SECONDS", 0.05)
    with Ledger.open(path) as ledger:
        ledger.append([answered(number) for number in range(100)])
        ledger.append([answered(1000, item="withdrawn-post")])
        with LedgerReader(path) as reader:
            reader._connection.execute("BEGIN")
            reader.counts()
            with pytest.raises(ArtifactError, match=r"is being read.*give the same command again"):
                ledger.forget(["withdrawn-post"])
            reader._connection.execute("ROLLBACK")
        assert ledger.forget(["withdrawn-post"]) == 0
    for file in path.parent.iterdir():
        assert b"withdrawn-post" not in file.read_bytes()


def test_a_failed_append_leaves_nothing_half_done(path: Path) -> None:
    with Ledger.open(path) as ledger:
        with pytest.raises(ValueError, match="hex"):
            ledger.append([answered(1), Outcome("no hex", "i", "answered", "Yes")])
        with pytest.raises(sqlite3.IntegrityError):
            ledger.append([answered(2), Outcome(cell(3), None, "answered", "Yes")])  # type: ignore[arg-type]
        ledger.append([answered(4)])
        assert ledger.counts().by_outcome == {"answered": 1}


def test_a_full_disk_is_said(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append([answered(0)])
        pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
        ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(ArtifactError, match=r"full.*make room"):
            ledger.append([answered(number) for number in range(1, 2000)])
        assert ledger.counts().by_outcome == {"answered": 1}


def test_a_withdrawn_post_leaves_no_trace(path: Path) -> None:
    secret = "a sentence that was taken back"
    with Ledger.open(path) as ledger:
        ledger.append([answered(number, item="stays") for number in range(50)])
        ledger.append([Outcome(cell(99), "withdrawn-post", "answered", "Yes", SCORES, secret)])
        assert ledger.forget(["withdrawn-post", "unknown"]) == 1
        assert ledger.forget([]) == 0
        assert ledger.known([cell(99)]).empty
        assert ledger.counts().by_outcome == {"answered": 50}
    for file in path.parent.iterdir():
        assert secret.encode() not in file.read_bytes()
        assert b"withdrawn-post" not in file.read_bytes()


def test_a_ledger_that_is_not_there_reads_as_empty(path: Path) -> None:
    with LedgerReader(path) as reader:
        assert reader.known([cell(1)]).empty
        assert reader.counts() == ({}, 0)
    assert not path.exists()


def test_reading_while_another_writes(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append([answered(1)])
        with LedgerReader(path) as reader:
            assert reader.count_known([cell(1), cell(2)]) == 1
            ledger.append([answered(2)])
            assert reader.count_known([cell(1), cell(2)]) == 2
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader._connection.execute("DELETE FROM cells")


def test_a_newer_ledger_is_refused(path: Path) -> None:
    with Ledger.open(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {ledger_file.SCHEMA_VERSION + 1}")
    for opened in (lambda: Ledger.open(path), lambda: LedgerReader(path)):
        with pytest.raises(UserError, match=r"newer version of bias-platform .*update bias-platform"):
            opened()
    with pytest.raises(UserError, match="newer version"):  # the first refusal has given the lock back
        Ledger.open(path, wait=False)


def test_what_is_no_ledger_is_left_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedLedgerError, match=r"is damaged \(file is not a database\)\. Run it again"):
        Ledger.open(path)
    assert path.read_bytes() == b"no database at all" * 100
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x)")
    for opened in (lambda: Ledger.open(path), lambda: LedgerReader(path)):
        with pytest.raises(UserError, match="not a ledger"):
            opened()


def test_a_second_writer_is_refused_or_waits(path: Path) -> None:
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with Ledger.open(path, wait=True, on_wait=said.append) as ledger:
            order.append("second")
            ledger.append([answered(2)])

    with Ledger.open(path) as ledger:
        ledger.append([answered(1)])
        with pytest.raises(LedgerBusyError, match=f"written by process {os.getpid()}; wait"):
            Ledger.open(path, wait=False)
        waiting = threading.Thread(target=second)
        waiting.start()
        while not said:
            time.sleep(0.01)
        order.append("first")
    waiting.join(timeout=20)
    assert order == ["first", "second"]
    assert len(said) == 1
    assert str(path) in said[0]
    with LedgerReader(path) as reader:
        assert reader.counts().by_outcome == {"answered": 2}


_WRITER = """
import sys, itertools
from pathlib import Path
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.outcomes import Outcome
import numpy as np
with Ledger.open(Path(sys.argv[1]), wait=False) as ledger:
    for batch in itertools.count():
        numbers = range(batch * 16, batch * 16 + 16)
        ledger.append([Outcome(f"{n:032x}", "item", "answered", "Yes", np.array([-1.0, -n])) for n in numbers])
        print(batch, flush=True)
"""


def _killed_writer(path: Path, batches: int) -> int:
    """Starts a writer, kills it outright amid its appends, and returns the last batch it had said was appended."""
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= batches:
            with pytest.raises(LedgerBusyError, match=f"process {writer.pid}"):
                Ledger.open(path, wait=False)
            writer.send_signal(signal.SIGKILL)
            break
    last = [int(line) for line in writer.stdout.read().split()]
    assert writer.wait() == -signal.SIGKILL
    return max(last, default=batches)


def test_killed_amid_appends_nothing_is_lost_or_doubled(path: Path) -> None:
    last = 0
    for batches in (40, 300):  # the second one begins anew: what is there must not double
        last = max(last, _killed_writer(path, batches))
    with LedgerReader(path) as reader:
        found = reader.counts().by_outcome["answered"]
    assert found >= (last + 1) * 16
    assert found % 16 == 0  # an append is there whole or not at all
    with Ledger.open(path, wait=False) as ledger:
        known = ledger.known([cell(number) for number in range(found)])
        assert len(known) == known["cell_id"].nunique() == found
        assert ledger._connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        ledger.append([answered(10**9)])
