"""What is known is not asked again, what comes is kept at once, and the table is whole."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import OptionEntry, TaskEntry
from bias_platform.errors import TableError, UserError
from bias_platform.inference.answering import answer_persona, missing_cells
from bias_platform.inference.engines.base import (
    EngineIdentity,
    EngineStats,
    Failure,
    LazyEngine,
    Prompt,
    ScoredBatch,
)
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.inference.ledger import Ledger, LedgerReader
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.progress import Progress
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer

TASK = TaskEntry(
    question='Post: """{content}"""\nRude?\n{options}',
    options=tuple(OptionEntry(value=value) for value in ("Yes", "Maybe", "No")),
    positive=("Yes",),
)
TEMPLATES = {"t1": "You are {persona}.", "t2": "Take the role of {persona}."}
IDENTITY = EngineIdentity("scripted", "scripted-1", "h" * 32)
SYSTEM = ResolvedSystem(slug="small+kind@nf4", source=ModelSource(kind="folder", location="/m"), identity="1" * 32)


class Scripted:
    """An engine whose scores follow from the text; it can fail some prompts and die after some batches."""

    def __init__(self, fails: dict[str, Failure] | None = None, dies_after: int | None = None, width: int = 4) -> None:
        self.identity, self.stats = IDENTITY, EngineStats()
        self.fails, self.dies_after, self.width = fails or {}, dies_after, width
        self.asked: list[Prompt] = []

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: str
    ) -> Iterator[ScoredBatch]:
        for number, start in enumerate(range(0, len(prompts), self.width)):
            if number == self.dies_after:
                raise RuntimeError("the machine went away")
            rows = list(range(start, min(start + self.width, len(prompts))))[::-1]
            self.asked += [prompts[row] for row in rows]
            failures = {row: self.fails[w] for row in rows for w in self.fails if w in str(prompts[row].messages)}
            good = [row for row in rows if row not in failures]
            scores = [
                [-float(len(str(prompts[row].messages)) * (k + 1) % 7) - k / 10 for k in range(3)] for row in good
            ]
            yield ScoredBatch(good, np.array(scores).reshape(len(good), len(options[start])), failures)


class World:
    """A small study."""

    def __init__(self, n: int = 10) -> None:
        rows = [(f"item{number:05}", f"post number {number}") for number in range(n)]
        self.items = pd.DataFrame(rows, columns=["item_id", "text"])
        phrases = [("teacher", "a teacher", "named"), ("no-persona", None, "baseline")]
        self.personas = pd.DataFrame(phrases, columns=["persona_id", "phrase", "role"])
        self.renderer = Renderer(TASK, self.personas, TEMPLATES)
        self.questions = build_questions(self.items, self.personas, TEMPLATES, "rude", TASK)

    def answer(self, engine: Any, path: Path, **changes: Any) -> pd.DataFrame:
        arguments = {
            "renderer": self.renderer, "task": TASK, "engine": engine, "system": SYSTEM,
            "settings": EngineSettings(), "on_progress": lambda progress: None,
        } | changes  # fmt: skip
        with Ledger.open(path, wait=False) as ledger:
            return answer_persona(arguments.pop("questions", self.questions), self.items, ledger=ledger, **arguments)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def test_every_question_gets_its_own_answer(world: World, path: Path) -> None:
    table = world.answer(Scripted(), path)
    assert table["question_id"].tolist() == sorted(world.questions["question_id"])
    assert set(table["system"]) == {"small+kind@nf4"}
    joined = table.merge(world.questions, on="question_id", suffixes=("", "_asked"), validate="one_to_one")
    for row in joined.itertuples():
        text = world.items.set_index("item_id").loc[row.item_id_asked, "text"]
        template = None if pd.isna(row.template_id_asked) else row.template_id_asked
        messages = tuple(world.renderer.messages(row.persona_id_asked, template, text, row.option_order_asked))
        length = len(str(messages))
        expected = [-float(length * (k + 1) % 7) - k / 10 for k in range(3)]
        np.testing.assert_array_equal(row.option_logprobs, expected)
        assert row.answer == TASK.option_values[int(np.argmax(expected))]
    assert table["answer"].nunique() > 1


def test_a_complete_ledger_asks_nothing_and_loads_nothing(world: World, path: Path) -> None:
    first = world.answer(Scripted(), path)

    def never() -> Any:
        raise AssertionError("the engine was made")

    again = world.answer(LazyEngine(IDENTITY, never), path)
    pd.testing.assert_frame_equal(again, first)


def test_a_run_that_died_is_continued(world: World, path: Path) -> None:
    whole = world.answer(Scripted(), path.with_name("other.sqlite"))
    with pytest.raises(RuntimeError, match="went away"):
        world.answer(Scripted(dies_after=3), path)
    with LedgerReader(path) as reader:
        assert reader.counts().by_outcome == {"answered": 12}
    second = Scripted()
    pd.testing.assert_frame_equal(world.answer(second, path), whole)
    assert len(second.asked) == len(whole) - 12


def test_row_order_and_batches_do_not_matter(world: World, path: Path) -> None:
    first = world.answer(Scripted(width=3), path)
    shuffled = world.questions.sample(frac=1, random_state=3)
    other = world.answer(Scripted(width=7), path.with_name("other.sqlite"), questions=shuffled)
    pd.testing.assert_frame_equal(first, other)


def test_partly_known_and_partly_new(world: World, path: Path) -> None:
    teacher = world.questions[world.questions["persona_id"] == "teacher"]
    world.answer(Scripted(), path, questions=teacher.iloc[::2])
    engine = Scripted()
    table = world.answer(engine, path, questions=teacher)
    assert len(engine.asked) == len(teacher) // 2
    assert table["outcome"].eq("answered").all()


@pytest.mark.parametrize(
    "change",
    [
        {"system": SYSTEM.model_copy(update={"identity": "2" * 32})},
        {"settings": EngineSettings(scoring="mean")},
        {"settings": EngineSettings(dtype="bfloat16")},
    ],
)
def test_another_way_of_asking_is_asked_anew(world: World, path: Path, change: dict[str, Any]) -> None:
    world.answer(Scripted(), path)
    engine = Scripted()
    world.answer(engine, path, **change)
    assert len(engine.asked) == len(world.questions)


@pytest.mark.parametrize(
    "change",
    [
        {"system": SYSTEM.model_copy(update={"slug": "renamed", "source": ModelSource(kind="folder", location="/n")})},
        {"settings": EngineSettings(batch_tokens=512)},
    ],
)
def test_what_does_not_change_the_answer_is_not_asked_anew(world: World, path: Path, change: dict[str, Any]) -> None:
    world.answer(Scripted(), path)
    engine = Scripted()
    world.answer(engine, path, **change)
    assert engine.asked == []


TOO_LONG = Failure("prompt too long: 900 tokens, the model's context holds 512", transient=False)
NO_MEMORY = Failure("out of memory: a single prompt of 90 tokens", transient=True)


def test_too_many_failures_are_refused_after_everything_is_kept(world: World, path: Path) -> None:
    engine = Scripted({"number 3": TOO_LONG, "number 7": NO_MEMORY})
    with pytest.raises(UserError) as refusal:
        world.answer(engine, path, maximum_failed_share=0.19)
    said = str(refusal.value)
    assert "6 of 30 cells of system 'small+kind@nf4' failed (20.00%)" in said
    assert "prompt too long: 3 cells" in said
    assert "out of memory: 3 cells" in said
    with LedgerReader(path) as reader:
        assert reader.counts() == ({"answered": 24, "failed": 6}, 3)


def test_few_failures_are_counted_never_answered(world: World, path: Path) -> None:
    engine = Scripted({"number 3": TOO_LONG, "number 7": NO_MEMORY})
    table = world.answer(engine, path, maximum_failed_share=0.2)
    failed = table[table["outcome"] == "failed"]
    assert len(failed) == 6
    assert failed["answer"].isna().all()
    assert failed["option_logprobs"].isna().all()
    assert set(failed["detail"]) == {TOO_LONG.detail, NO_MEMORY.detail}
    second = Scripted()
    healed = world.answer(second, path, maximum_failed_share=0.1)
    assert len(second.asked) == 3  # the transient ones
    assert (healed["outcome"] == "failed").sum() == 3


def test_everything_failed_is_still_said(world: World, path: Path) -> None:
    with pytest.raises(UserError, match="30 of 30"):
        world.answer(Scripted({"post": TOO_LONG}), path)


def test_progress_goes_from_known_to_total(world: World, path: Path) -> None:
    world.answer(Scripted(), path, questions=world.questions.iloc[:10])
    seen: list[Progress] = []
    world.answer(Scripted(), path, on_progress=seen.append)
    assert (seen[0].done, seen[0].total, seen[0].unit) == (10, 30, "cells")
    assert [progress.done for progress in seen] == [10, 14, 18, 22, 26, 30]


def test_large_tables_are_asked_in_parts(world: World, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = world.answer(Scripted(), path)
    monkeypatch.setattr("bias_platform.inference.answering._PROMPTS_PER_CALL", 7)
    pd.testing.assert_frame_equal(world.answer(Scripted(), path.with_name("o.sqlite")), whole)


def test_missing_cells_are_counted_without_an_engine(world: World, path: Path) -> None:
    arguments = {
        "renderer": world.renderer, "system": SYSTEM, "settings": EngineSettings(), "engine": IDENTITY,
    }  # fmt: skip
    with LedgerReader(path) as reader:
        assert missing_cells(world.questions, world.items, ledger=reader, **arguments) == (30, 30)
    world.answer(Scripted({"number 3": NO_MEMORY}), path, questions=world.questions.iloc[:10], maximum_failed_share=1)
    with LedgerReader(path) as reader:
        assert missing_cells(world.questions, world.items, ledger=reader, **arguments) == (30, 21)


def test_an_item_that_is_not_there_is_named(world: World, path: Path) -> None:
    world.items = world.items.iloc[1:]
    with pytest.raises(TableError, match=r"1 item that table 'items' does not hold, e.g. item00000"):
        world.answer(Scripted(), path)


def test_an_engine_that_leaves_something_out_is_a_bug(world: World, path: Path) -> None:
    class Silent(Scripted):
        def score_choices(self, *arguments: Any) -> Iterator[ScoredBatch]:
            yield from list(super().score_choices(*arguments))[1:]

    with pytest.raises(RuntimeError, match="said nothing about 4"):
        world.answer(Silent(), path)


def test_no_questions_no_rows(world: World, path: Path) -> None:
    assert world.answer(Scripted(), path, questions=world.questions.iloc[:0]).empty


def test_with_a_real_model_from_catalog_to_table(loaded: Any, path: Path) -> None:
    world = World(4)
    engine = engine_on(loaded, EngineSettings())
    monster = pd.DataFrame([("item99999", "rude " * 30_000)], columns=["item_id", "text"])
    world.items = pd.concat([world.items, monster], ignore_index=True)
    world.questions = build_questions(world.items, world.personas, TEMPLATES, "rude", TASK)
    table = world.answer(engine, path, maximum_failed_share=0.2)
    assert table["outcome"].value_counts().to_dict() == {"answered": 12, "failed": 3}
    assert set(table.loc[table["outcome"] == "failed", "item_id"]) == {"item99999"}
    assert engine.stats.prompts == 12
