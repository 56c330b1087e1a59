"""A check finds every kind of damage, names the batch, and changes nothing."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bias_platform.inference.engines.base import Usage
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.ledger_checks import verify_ledger
from bias_platform.inference.ledger_rows import STORED, row_checksum, row_flaw, stored_row
from bias_platform.inference.outcomes import Outcome
from bias_platform_tests.inference.made_outcomes import answered, cell, failed, write_first_shape, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three batches of ten, ten and five cells."""
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        ledger.append([answered(number) for number in range(10)], usage=Usage(10, 2, 1), seconds=0.5)
        ledger.append([written(number, f"Yes, number {number}.") for number in range(10, 20)])
        ledger.append([failed(number, transient=number % 2 == 0) for number in range(20, 25)])
    return path


def _change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(statement).rowcount == 1


def test_a_sound_ledger(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    assert verify_ledger(path) == (25, 3, ())
    assert path.read_bytes() == before
    assert verify_ledger(tmp_path / "none.sqlite") == (0, 0, ())
    assert not (tmp_path / "none.sqlite").exists()


AT_15, AT_20 = (f"WHERE cell_id = x'{cell(number)}'" for number in (15, 20))
FIRST, SECOND, THIRD = "batch 1 (10 cells, DAY)", "batch 2 (10 cells, DAY)", "batch 3 (5 cells, DAY)"
CHANGES = {
    f"UPDATE cells SET raw_text = 'No, number 15.' {AT_15}": f"{SECOND}: 1 cell not as written",
    f"UPDATE cells SET input_tokens = 51 {AT_15}": f"{SECOND}: 1 cell not as written",
    f"UPDATE cells SET item_id = 'item16' {AT_15}": f"{SECOND}: 1 cell not as written",
    f"UPDATE cells SET transient = 0 {AT_20}": f"{THIRD}: 1 cell not as written",
    f"DELETE FROM cells {AT_15}": f"{SECOND}: 1 cell missing",
    f"UPDATE cells SET batch = 9 {AT_15}": "batch 9: its record is missing (1 cell)",
    f"UPDATE cells SET batch = 1 {AT_15}": f"{SECOND}: 1 cell missing",
    "UPDATE batches SET input_tokens = 9 WHERE batch = 1": f"{FIRST}: its record is not as written",
    "UPDATE batches SET seconds = 0.25 WHERE batch = 1": f"{FIRST}: its record is not as written",
    "UPDATE batches SET cells_checksum = 1 WHERE batch = 1": f"{FIRST}: other cells than were written",
    "DELETE FROM batches WHERE batch = 3": "batch 3: its record is missing (5 cells)",
}


@pytest.mark.parametrize("statement", CHANGES)
def test_any_change_is_found_and_its_batch_named(path: Path, statement: str) -> None:
    _change(path, statement)
    problems = [re.sub("written [^)]* UTC", "DAY", problem) for problem in verify_ledger(path).problems]
    assert problems[-1] == CHANGES[statement]
    assert len(problems) == (2 if "SET batch" in statement else 1)  # there both batches are wrong


def test_a_replaced_row_with_a_checksum_of_its_own_is_found_by_the_batch(path: Path) -> None:
    row = list(stored_row(written(15, "No.")))
    sets = ", ".join(f"{name} = ?" for name in STORED)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"UPDATE cells SET {sets}, checksum = ? {AT_15}", [*row, row_checksum(row)])
    (problem,) = verify_ledger(path).problems
    assert problem.endswith("other cells than were written")


def test_what_cannot_be_is_found_without_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "first.sqlite"
    write_first_shape(path, 20)
    assert verify_ledger(path).problems == ()
    _change(path, f"UPDATE cells SET answer = NULL {AT_15}")
    assert verify_ledger(path).problems == (
        "batch 0: 1 cell with an answer that does not go with its outcome (21 cells)",
    )


def test_a_page_that_is_no_page_is_found(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 : 2 * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    os.truncate(path, path.stat().st_size - 100)
    problems = verify_ledger(path).problems
    assert problems[0] == "its last page is cut off"
    assert any("its pages" in problem for problem in problems)
    assert any("cannot be read to its end" in problem for problem in problems)


def test_a_file_that_is_no_database_is_found(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    assert verify_ledger(path).problems == ("the file cannot be read: file is not a database",)


def test_a_ledger_is_checked_while_it_is_written(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append([answered(100)])
        assert verify_ledger(path) == (26, 4, ())


GOOD = stored_row(written(1))


@pytest.mark.parametrize(
    ("column", "value", "flaw"),
    [
        ("cell_id", b"short", "a cell id that is not 16 bytes"),
        ("cell_id", "x" * 16, "a cell id that is not 16 bytes"),
        ("item_id", "", "no item"),
        ("outcome", "answerd", "an unknown outcome"),
        ("outcome", "refused", "an answer that does not go with its outcome"),
        ("answer", None, "an answer that does not go with its outcome"),
        ("option_logprobs", b"1234567", "scores that are no numbers"),
        ("raw_text", b"bytes", "a text that is none"),
        ("raw_text", "\udcff", "a text that is none"),
        ("transient", 1, "a passing failure that is none"),
        ("finish", "gone", "an unknown ending"),
        ("output_tokens", -1, "tokens that are no count"),
    ],
)
def test_rows_that_cannot_be(column: str, value: object, flaw: str) -> None:
    assert row_flaw(GOOD) is None
    assert row_flaw(stored_row(Outcome(cell(1), "ä", "failed", detail="x: ü😀", transient=True))) is None
    place = STORED.index(column)
    assert row_flaw((*GOOD[:place], value, *GOOD[place + 1 :])) == flaw


def test_a_checksum_tells_values_types_and_places_apart() -> None:
    rows = [("a", "b"), ("ab", ""), ("", "ab"), ("b", "a"), (b"a", "b"), ("a", None), ("a", 1), ("a", "1"), ("a", 1.0)]
    assert len({row_checksum(row) for row in rows}) == len(rows)
    assert all(-(2**63) <= row_checksum(row) < 2**63 for row in rows)
