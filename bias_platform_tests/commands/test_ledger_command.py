"""`bias-platform ledger`: what it prints, how it ends, and that it refuses with a sentence."""

import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from bias_platform import command
from bias_platform.inference.engines.base import Usage
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.ledger_damage import Suspicion, note_suspicion
from bias_platform.storage import publish, write_table
from bias_platform_tests.inference.made_outcomes import answered, cell, failed, write_first_shape, written

CATALOG = Path(__file__).parents[1] / "wiring" / "small_catalog.yaml"
TINY, TUNED = "tiny", "tiny+people"


class Place:
    """A catalog, and a lake with two ledgers of its task."""

    def __init__(self, folder: Path) -> None:
        (folder / "catalog").mkdir(parents=True)
        shutil.copy(CATALOG, folder / "catalog" / "catalog.yaml")
        self.folder, self.lake = folder, folder / "lake" / "small"
        with Ledger.open(self.ledger(TINY)) as ledger:
            ledger.append(map(answered, range(12_000)), usage=Usage(1_234_567, 45_678, 1_000), seconds=60.0)
            ledger.append([failed(number, transient=number < 20_010) for number in range(20_000, 20_012)])
        with Ledger.open(self.ledger(TUNED)) as ledger:
            ledger.append([written(number) for number in range(30)], origin="imported")

    def ledger(self, system: str) -> Path:
        return self.lake / "ledger" / system / "offence.sqlite"

    def run(self, *words: object) -> Result:
        environment = {
            "BIAS_PLATFORM_CATALOG": str(self.folder / "catalog"),
            "BIAS_PLATFORM_LAKE": str(self.lake.parent),
        }
        return CliRunner().invoke(command.app, ["ledger", *map(str, words)], env=environment)

    def said(self, *words: object) -> str:
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, *words: object) -> str:
        result = self.run(*words)
        assert result.exit_code == 2, result.output
        assert isinstance(result.exception, SystemExit)
        return result.stderr.strip()

    def damage(self, system: str) -> None:
        with closing(sqlite3.connect(self.ledger(system), isolation_level=None)) as connection:
            connection.execute("UPDATE cells SET answer = 'No' WHERE cell_id = ?", (bytes.fromhex(cell(7)),))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place")


def test_inspect_lines_up(place: Place) -> None:
    path = place.ledger(TINY)
    said = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "WHEN", place.said("inspect", TINY))
    assert (
        re.sub(r"\([\d.]+ MB, schema 2\)", "(SIZE)", said)
        == f"""\
tiny / offence
  file      {path} (SIZE)
  written   WHEN to WHEN UTC
  batches   2 batches asked (12,012 cells)
  tokens    1,234,567 read (1,000 from a cache), 45,678 written
  pace      200.0 cells/s, 21,337 tokens/s (last 12,000 cells asked)
  writer    nobody writes it now

  outcome    cells    share
  answered  12,000  99.90 %
  failed        12   0.10 %
  all       12,012

  no answer because  cells
  out of memory         10  failed, asked again by the next run
  out of memory          2  failed, not asked again
"""
    )


def test_inspect_tells_all_ledgers_and_their_state(place: Place) -> None:
    write_first_shape(place.lake / "ledger" / "old" / "offence.sqlite", 3)
    note_suspicion(place.ledger(TUNED), Suspicion(reason="1 cell no longer as written"))
    (place.ledger(TUNED).parent / "offence.sqlite.damaged-20260101T000000Z").write_bytes(b"x" * 1234)
    with Ledger.open(place.ledger(TINY)):
        said = place.said("inspect")
    blocks = said.split("\n\n")
    assert [line for line in said.splitlines() if line[:1] != " " and line] == [
        "old / offence",
        "tiny / offence",
        "tiny+people / offence",
    ]
    assert f"  writer    process {os.getpid()} is writing it now" in said
    assert "schema 1)" in blocks[0]
    assert "  batches   1 batch imported (30 cells)" in said
    assert "  damage    1 cell no longer as written; the next run mends it" in said
    assert "  set aside offence.sqlite.damaged-20260101T000000Z (1.2 kB)" in said
    assert "pace" not in said.rpartition("tiny+people / offence")[2]


def test_verify_ends_with_1_when_something_is_broken(place: Place) -> None:
    assert place.said("verify") == (
        "tiny / offence: sound (12,012 cells in 2 batches)\ntiny+people / offence: sound (30 cells in 1 batch)\n"
    )
    place.damage(TUNED)
    before = place.ledger(TUNED).read_bytes()
    result = place.run("verify")
    assert result.exit_code == 1
    assert "tiny+people / offence: DAMAGED (30 cells in 1 batch read)\n  - batch 1 (30 cells, written " in result.stdout
    assert result.stdout.endswith(": 1 cell not as written\n")
    assert "1 ledger damaged: the next run takes over what can still be read" in result.stderr
    assert place.ledger(TUNED).read_bytes() == before
    assert place.run("verify", TINY).exit_code == 0


def test_recover_takes_what_was_published(place: Place) -> None:
    place.damage(TUNED)
    table = pd.DataFrame({"cell_id": [cell(7)], "item_id": ["item7"], "outcome": ["answered"], "answer": ["Yes"]})
    table = table.assign(option_logprobs=None, raw_text="Yes.", detail=None, finish="stop")
    folder = place.lake / "predictions" / "offence" / f"model={TUNED}" / "persona=man"
    with publish(folder, "predictions", code_version="1", inputs={}, parameters={}) as staging:
        write_table(table, staging.folder / "part.parquet")
    said = place.said("recover").splitlines()
    assert said[0] == "tiny / offence: sound"
    assert said[1].startswith(f"the ledger {place.ledger(TUNED)} was damaged (batch 1 (30 cells, written ")
    assert ", 29 cells taken over from it (1 row not trusted), 1 cell taken from what was published" in said[1]
    assert place.said("verify", TUNED) == "tiny+people / offence: sound (30 cells in 2 batches)\n"


def test_a_recovery_that_was_cut_off_is_found(place: Place) -> None:
    path = place.ledger(TUNED)
    note_suspicion(path, Suspicion(reason="its pages", aside="offence.sqlite.damaged-x"))
    path.rename(path.with_name("offence.sqlite.damaged-x"))
    assert "30 cells taken over from it, 0 cells taken from what was published" in place.said("recover", TUNED)


def test_compact_gives_space_back(place: Place) -> None:
    with Ledger.open(place.ledger(TINY)) as ledger:
        ledger.append([answered(number, item="withdrawn") for number in range(30_000, 40_000)])
        ledger.forget(["withdrawn"])
    before = place.ledger(TINY).stat().st_size
    said = place.said("compact", TINY)
    assert re.fullmatch(r"tiny / offence: [\d.]+ MB before, [\d.]+ MB now\n", said)
    assert place.ledger(TINY).stat().st_size < 0.7 * before
    assert place.said("verify", TINY) == "tiny / offence: sound (12,012 cells in 3 batches)\n"


def test_writing_commands_refuse_while_somebody_writes(place: Place) -> None:
    with Ledger.open(place.ledger(TINY)):
        for words in (("compact",), ("recover", TINY)):
            writer = f"process {os.getpid()}; wait until it has finished, or stop it"
            assert place.refused(*words) == f"the ledger {place.ledger(TINY)} is being written by {writer}"
        assert place.said("verify", TINY)
    assert place.said("compact", TINY)


def test_compact_leaves_a_damaged_ledger_alone(place: Place) -> None:
    note_suspicion(place.ledger(TINY), Suspicion(reason="its pages: malformed"))
    assert "is damaged (its pages: malformed). Run it again, or give `bias-platform ledger recover`" in place.refused(
        "compact", TINY
    )


def test_export_writes_one_ledger(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "outcomes.parquet"
    said = place.said("export", TINY, "--to", target)
    assert said == f"12,012 rows written to {target}; texts are left out (--texts)\n"
    assert "raw_text" not in pd.read_parquet(target)
    assert (
        place.said("export", TUNED, "--texts", "-o", tmp_path / "t.csv") == f"30 rows written to {tmp_path / 't.csv'}\n"
    )
    assert set(pd.read_csv(tmp_path / "t.csv")["raw_text"]) == {"Yes."}
    sentence = place.refused("export", "-o", target)
    assert sentence == (
        "there are 2 ledgers: tiny offence, tiny+people offence; name the system, and the task where it has several"
    )
    assert "use one of .parquet, .csv" in place.refused("export", TINY, "-o", tmp_path / "o.xlsx")


def test_answers_that_are_texts_are_hidden_too(place: Place, tmp_path: Path) -> None:
    shutil.copytree(place.ledger(TUNED).parent, place.lake / "ledger" / "other")
    place.ledger("other").rename(place.ledger("other").with_name("gone.sqlite"))
    place.said("export", "other", "-o", tmp_path / "o.parquet")  # a task the catalog does not know may be anything
    assert "answer" not in pd.read_parquet(tmp_path / "o.parquet")
    place.said("export", TUNED, "-o", tmp_path / "o.parquet")
    assert "answer" in pd.read_parquet(tmp_path / "o.parquet")


def test_a_ledger_that_is_not_there(place: Place, tmp_path: Path) -> None:
    there = "there are: tiny offence, tiny+people offence"
    sentence = place.refused("inspect", "large", "offence")
    assert sentence == f"there is no ledger of large offence under {place.lake / 'ledger'}; {there}"
    shutil.rmtree(place.lake / "ledger")
    assert place.refused("verify").endswith("it is made when a study is asked for the first time")
