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
from bias_platform.inference.answering import Standing, ask_missing, look_up
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.base import (
    NO_USAGE,
    EngineIdentity,
    EngineStats,
    Failure,
    LazyEngine,
    Prompt,
    ScoredBatch,
    Usage,
)
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.inference.ledger import Ledger, LedgerReader
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
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

    def __init__(
        self,
        fails: dict[str, Failure] | None = None,
        dies_after: int | None = None,
        width: int = 4,
        usage: Usage = NO_USAGE,
    ) -> None:
        self.identity, self.stats = IDENTITY, EngineStats()
        self.fails, self.dies_after, self.width, self.usage = fails or {}, dies_after, width, usage
        self.asked: list[Prompt] = []
        self.calls: list[int] = []

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: str
    ) -> Iterator[ScoredBatch]:
        self.calls += [len(prompts)] if prompts else []
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
            yield ScoredBatch(good, np.array(scores).reshape(len(good), len(options[start])), failures, self.usage)


class World:
    """A small study."""

    def __init__(self, n: int = 10) -> None:
        rows = [(f"item{number:05}", f"post number {number}") for number in range(n)]
        self.items = pd.DataFrame(rows, columns=["item_id", "text"])
        phrases = [("teacher", "a teacher", "named"), ("no-persona", None, "baseline")]
        self.personas = pd.DataFrame(phrases, columns=["persona_id", "phrase", "role"])
        self.renderer = Renderer(TASK, self.personas, TEMPLATES)
        self.questions = build_questions(self.items, self.personas, TEMPLATES, "rude", TASK)

    def cells(self, questions: pd.DataFrame | None = None, **changes: Any) -> CellTable:
        arguments = {
            "renderer": self.renderer, "system": SYSTEM, "settings": EngineSettings(), "engine": IDENTITY,
        } | changes  # fmt: skip
        return CellTable(self.questions if questions is None else questions, self.items, **arguments)

    def answer(
        self, engine: Any, path: Path, questions: pd.DataFrame | None = None, maximum: float = 0.0, **changes: Any
    ) -> pd.DataFrame:
        cells = self.cells(questions, **{"engine": engine.identity} | changes)
        with Ledger.open(path, wait=False) as ledger:
            looked_up = look_up(cells, ledger)
            return ask_missing(looked_up, task=TASK, engine=engine, ledger=ledger, maximum_failed_share=maximum).table()


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
        world.answer(engine, path, maximum=0.19)
    said = str(refusal.value)
    assert "6 of 30 cells of system 'small+kind@nf4' failed (20.00%)" in said
    assert "prompt too long: 3 cells" in said
    assert "out of memory: 3 cells" in said
    with LedgerReader(path) as reader:
        assert reader.counts() == ({"answered": 24, "failed": 6}, 3)


def test_few_failures_are_counted_never_answered(world: World, path: Path) -> None:
    engine = Scripted({"number 3": TOO_LONG, "number 7": NO_MEMORY})
    table = world.answer(engine, path, maximum=0.2)
    failed = table[table["outcome"] == "failed"]
    assert len(failed) == 6
    assert failed["answer"].isna().all()
    assert failed["option_logprobs"].isna().all()
    assert set(failed["detail"]) == {TOO_LONG.detail, NO_MEMORY.detail}
    second = Scripted()
    healed = world.answer(second, path, maximum=0.1)
    assert len(second.asked) == 3  # the transient ones
    assert (healed["outcome"] == "failed").sum() == 3


def test_everything_failed_is_still_said(world: World, path: Path) -> None:
    with pytest.raises(UserError, match="30 of 30"):
        world.answer(Scripted({"post": TOO_LONG}), path)


def test_standings_go_from_known_to_total(world: World, path: Path) -> None:
    world.answer(Scripted({"number 3": TOO_LONG}), path, questions=world.questions.iloc[:10], maximum=1)
    with Ledger.open(path) as ledger:
        looked_up = look_up(world.cells(), ledger)
        seen: list[Standing] = []
        told: list[dict[str, int]] = []

        def tell(standing: Standing) -> None:
            seen.append(standing)
            told.append(dict(standing.outcomes))

        engine = Scripted({"number 7": NO_MEMORY}, usage=Usage(10, 2, 5))
        arguments: Any = {"task": TASK, "engine": engine, "ledger": ledger, "on_standing": tell}
        answered = ask_missing(looked_up, maximum_failed_share=1, **arguments)
        assert (len(answered), answered.from_ledger, answered.asked) == (30, 10, 20)
    assert [(standing.total, standing.from_ledger) for standing in seen] == [(30, 10)] * 6
    assert [standing.asked for standing in seen] == [0, 4, 8, 12, 16, 20]
    assert told[0] == {"answered": 9, "failed": 1}
    assert told[-1] == {"answered": 27, "failed": 3}
    assert [standing.usage for standing in seen[:2]] == [Usage(), Usage(10, 2, 5)]
    assert seen[-1].usage == Usage(50, 10, 25)


def test_large_tables_are_asked_in_parts(world: World, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = world.answer(Scripted(), path)
    monkeypatch.setattr("bias_platform.inference.answering.PROMPTS_PER_CALL", 7)
    monkeypatch.setattr("bias_platform.inference.answered.PART_ROWS", 11)
    engine = Scripted()
    pd.testing.assert_frame_equal(world.answer(engine, path.with_name("o.sqlite")), whole)
    assert engine.calls == [7, 7, 7, 7, 2]


def test_loading_is_over_before_the_first_standing_and_in_no_batch(world: World, path: Path) -> None:
    events: list[str] = []

    def make() -> Any:
        events.append("made")
        return Scripted()

    with Ledger.open(path) as ledger:
        arguments: Any = {"task": TASK, "engine": LazyEngine(IDENTITY, make), "ledger": ledger}
        ask_missing(look_up(world.cells(), ledger), on_standing=lambda _: events.append("told"), **arguments)
    assert events == ["made"] + ["told"] * 9


def test_what_is_missing_is_found_without_an_engine(world: World, path: Path) -> None:
    with LedgerReader(path) as reader:
        assert look_up(world.cells(), reader).missing.tolist() == list(range(30))
    world.answer(Scripted({"number 3": NO_MEMORY}), path, questions=world.questions.iloc[:10], maximum=1)
    with LedgerReader(path) as reader:
        looked_up = look_up(world.cells(), reader)
    assert looked_up.missing.tolist() == [3, *range(10, 30)]
    assert looked_up.known.outcomes == {"answered": 9}
    assert len(looked_up.ids) == 30


def test_an_item_that_is_not_there_is_named(world: World, path: Path) -> None:
    world.items = world.items.iloc[1:]
    with pytest.raises(TableError, match=r"1 item that table 'items' does not hold, e.g. item00000"):
        world.answer(Scripted(), path)


def test_an_engine_that_leaves_something_out_is_a_bug(world: World, path: Path) -> None:
    class Silent(Scripted):
        def score_choices(self, *arguments: Any) -> Iterator[ScoredBatch]:
            yield from list(super().score_choices(*arguments))[1:]

    with pytest.raises(RuntimeError, match="of 10 prompts the engine said nothing about 4, 0 it told twice"):
        world.answer(Silent(), path, questions=world.questions.iloc[:10])


def test_an_engine_that_tells_something_twice_is_a_bug(world: World, path: Path) -> None:
    class Stammering(Scripted):
        def score_choices(self, *arguments: Any) -> Iterator[ScoredBatch]:
            batches = list(super().score_choices(*arguments))
            yield from [*batches, batches[0]]

    with pytest.raises(RuntimeError, match="nothing about 0, 4 it told twice"):
        world.answer(Stammering(), path)


def test_no_questions_no_rows(world: World, path: Path) -> None:
    assert world.answer(Scripted(), path, questions=world.questions.iloc[:0]).empty


def test_with_a_real_model_from_catalog_to_table(loaded: Any, path: Path) -> None:
    world = World(4)
    engine = engine_on(loaded, EngineSettings())
    monster = pd.DataFrame([("item99999", "rude " * 30_000)], columns=["item_id", "text"])
    world.items = pd.concat([world.items, monster], ignore_index=True)
    world.questions = build_questions(world.items, world.personas, TEMPLATES, "rude", TASK)
    table = world.answer(engine, path, maximum=0.2)
    assert table["outcome"].value_counts().to_dict() == {"answered": 12, "failed": 3}
    assert set(table.loc[table["outcome"] == "failed", "item_id"]) == {"item99999"}
    assert engine.stats.prompts == 12
