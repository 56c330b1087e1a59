"""Answers are read back and written in parts, the same whatever was asked when."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import OptionEntry, TaskEntry
from bias_platform.errors import TableError
from bias_platform.inference.answered import ARROW_SCHEMA, AnsweredCells, CellIds
from bias_platform.inference.answering import ask_missing, look_up
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.base import (
    Decoding,
    EngineIdentity,
    EngineStats,
    Failure,
    GeneratedBatch,
    Generation,
    Prompt,
)
from bias_platform.inference.ledger import Ledger
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer
from bias_platform.schemas import Predictions
from bias_platform.storage import read_table

TASK = TaskEntry(
    question="Post: {content}\nRude?\n{options}",
    options=tuple(OptionEntry(value=value) for value in ("Yes", "No")),
    positive=("Yes",),
)
TEMPLATES = {"t1": "You are {persona}.", "t2": "Take the role of {persona}."}
IDENTITY = EngineIdentity("writing", "writing-1", "h" * 32)
SYSTEM = ResolvedSystem(slug="small", source=ModelSource(kind="folder", location="/m"), identity="1" * 32)
ITEMS = pd.DataFrame(
    [(f"item{number:05}", f"post number {number}") for number in range(20)], columns=["item_id", "text"]
)
PERSONAS = pd.DataFrame(
    [("teacher", "a teacher", "named"), ("no-persona", None, "baseline")], columns=["persona_id", "phrase", "role"]
)
BAD_LINE = Failure("reset: by peer", transient=True)


class Writing:
    """Writes Yes to even posts, No to odd ones, nonsense to every fifth; some prompts fail, some runs die."""

    def __init__(self, width: int = 7, fails: Sequence[str] = (), dies_after: int | None = None) -> None:
        self.identity, self.stats = IDENTITY, EngineStats()
        self.width, self.fails, self.dies_after = width, fails, dies_after

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[GeneratedBatch]:
        for number, start in enumerate(range(0, len(prompts), self.width)):
            if number == self.dies_after:
                raise RuntimeError("the machine went away")
            places = list(range(start, min(start + self.width, len(prompts))))[::-1]
            posts = {at: prompts[at].messages[-1]["content"].split("\n")[0] for at in places}
            failed = {at: BAD_LINE for at in places if posts[at] in self.fails}
            good = [at for at in places if at not in failed]
            yield GeneratedBatch(good, [_written(int(posts[at].split()[-1])) for at in good], failed)


def _written(number: int) -> Generation:
    text = "Perhaps." if number % 5 == 4 else "Yes" if number % 2 == 0 else "No"
    return Generation(text, "stop", 20, 2)


def table_of(questions: pd.DataFrame | None = None) -> CellTable:
    made = build_questions(ITEMS, PERSONAS, TEMPLATES, "rude", TASK) if questions is None else questions
    renderer = Renderer(TASK, PERSONAS, TEMPLATES)
    settings = EngineSettings(ask="generate")
    return CellTable(made, ITEMS, renderer=renderer, system=SYSTEM, settings=settings, engine=IDENTITY)


def answered(ledger: Ledger, engine: Any, cells: CellTable | None = None) -> AnsweredCells:
    looked_up = look_up(table_of() if cells is None else cells, ledger)
    return ask_missing(looked_up, task=TASK, engine=engine, ledger=ledger, maximum_failed_share=0.5)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def test_parts_are_the_table(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bias_platform.inference.answered.PART_ROWS", 25)
    cells = answered(ledger, Writing())
    parts = list(cells.parts())
    assert [len(part) for part in parts] == [25, 25, 10]
    table = cells.table()
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), table)
    assert table["question_id"].is_monotonic_increasing
    numbers = table["item_id"].str[-5:].astype(int)
    expected = np.where(numbers % 5 == 4, "invalid", "answered")
    assert table["outcome"].tolist() == expected.tolist()
    said = table["outcome"] == "answered"
    assert table.loc[said, "answer"].tolist() == np.where(numbers[said] % 2 == 0, "Yes", "No").tolist()
    assert set(table.loc[~said, "raw_text"]) == {"Perhaps."}
    assert set(table["finish"]) == {"stop"}


def test_the_file_has_the_same_bytes_however_the_answers_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bias_platform.inference.answered.PART_ROWS", 17)
    files = []
    for name, width in (("whole", 60), ("halting", 3)):
        with Ledger.open(tmp_path / f"{name}.sqlite") as ledger:
            if name == "halting":
                for dies_after in (2, 5, 1):
                    with pytest.raises(RuntimeError, match="went away"):
                        answered(ledger, Writing(width, dies_after=dies_after))
                answered(ledger, Writing(width, fails=["Post: post number 3"]))
            questions = table_of().questions.sample(frac=1, random_state=2) if name == "halting" else None
            written = answered(ledger, Writing(width), table_of(questions)).write(tmp_path / f"{name}.parquet")
            assert written.rows == 60
            files.append((tmp_path / f"{name}.parquet").read_bytes())
    assert files[0] == files[1]


def test_what_is_written_is_read_and_counted(ledger: Ledger, tmp_path: Path) -> None:
    cells = answered(ledger, Writing(fails=["Post: post number 0", "Post: post number 6"]))
    written = cells.write(tmp_path / "part.parquet")
    assert written.facts == {
        "questions": 60,
        "outcomes": {"answered": 42, "failed": 6, "invalid": 12},
        "coverage": 0.7,
        "yes_rate": 18 / 42,
    }
    pd.testing.assert_frame_equal(read_table(tmp_path / "part.parquet", "predictions"), cells.table())
    schema = pq.read_schema(tmp_path / "part.parquet")
    assert schema.equals(ARROW_SCHEMA)
    assert list(schema.names) == list(Predictions.to_schema().columns)


def test_a_transient_failure_is_in_the_table_of_its_run_and_healed_by_the_next(ledger: Ledger) -> None:
    first = answered(ledger, Writing(fails=["Post: post number 0"])).table()
    failed = first[first["outcome"] == "failed"]
    assert failed["detail"].tolist() == ["reset: by peer"] * 3
    assert failed[["answer", "raw_text", "finish", "option_logprobs"]].isna().all(axis=None)
    second = answered(ledger, Writing())
    assert second.asked == 3
    assert not second.table()["outcome"].eq("failed").any()


def test_no_questions_are_a_table_without_rows(ledger: Ledger, tmp_path: Path) -> None:
    cells = answered(ledger, Writing(), table_of(table_of().questions.iloc[:0]))
    assert list(cells.table().columns) == list(Predictions.to_schema().columns)
    assert cells.write(tmp_path / "part.parquet") == (
        0,
        {"questions": 0, "outcomes": {}, "coverage": None, "yes_rate": None},
    )
    assert read_table(tmp_path / "part.parquet", "predictions").empty


def test_a_question_that_stands_twice_is_refused(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bias_platform.inference.answered.PART_ROWS", 1)  # no part sees it
    questions = table_of().questions
    doubled = pd.concat([questions, questions.iloc[[3, 7]]], ignore_index=True)
    with pytest.raises(TableError, match="would hold 2 question ids twice"):
        list(answered(ledger, Writing(), table_of(doubled)).parts())


def test_what_the_ledger_lost_is_not_passed_over(ledger: Ledger) -> None:
    cells = answered(ledger, Writing())
    ledger.forget(["item00003"])
    with pytest.raises(RuntimeError, match="does not hold it"):
        cells.table()


def test_a_part_frees_its_memory_when_it_is_gone(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables in circles would stay until the garbage collector comes, and a large one would pile up its parts."""
    import gc
    import weakref

    monkeypatch.setattr("bias_platform.inference.answered.PART_ROWS", 10)
    cells = answered(ledger, Writing())
    gc.collect()
    gc.disable()
    try:
        gone = [weakref.ref(part) for part in cells.parts()]
        assert len(gone) == 6
        assert [reference() for reference in gone] == [None] * 6
    finally:
        gc.enable()


def test_ids_are_kept_in_16_bytes_and_doubles_noticed() -> None:
    random = np.random.default_rng(0)
    ids = [random.bytes(16).hex() for _ in range(1000)]
    packed = CellIds(iter(ids))
    assert len(packed) == 1000
    assert packed.at(np.array([5, 0, 999])) == [ids[5], ids[0], ids[999]]
    assert packed.unique
    assert not CellIds(iter([*ids, ids[17]])).unique
    half = f"{'0' * 16}{ids[0][16:]}"  # the same in one half, and in the other one
    assert CellIds(iter([half, "0" * 32, ids[0], f"{ids[0][:16]}{'0' * 16}"])).unique
    assert CellIds(iter([])).unique
