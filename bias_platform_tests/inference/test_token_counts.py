"""Tokens are counted as the engine will count them, and estimates lie within what they claim."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import OptionEntry, TaskEntry
from bias_platform.inference.answering import ask_missing, look_up
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.base import EngineIdentity
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.token_counts import TokenCount, TokenCounter, characters_count
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer

TASK = TaskEntry(
    question="Post: {content}\nRude?\n{options}",
    options=tuple(OptionEntry(value=value) for value in ("Yes", "Maybe so", "No", "Incomprehensible")),
    positive=("Yes",),
)
TEMPLATES = {"t1": "You are {persona}.", "t2": "Take the role of {persona}, and stay true to it in what you say."}
SYSTEM = ResolvedSystem(slug="small", source=ModelSource(kind="folder", location="/m"), identity="1" * 32)
IDENTITY = EngineIdentity("transformers", "1", "h" * 32)


def table_of(items: int, settings: EngineSettings | None = None, replicates: int = 1) -> CellTable:
    texts = [f"post number {number}: " + "what a lovely garden " * (number % 7) for number in range(items)]
    posts = pd.DataFrame({"item_id": [f"item{number:05}" for number in range(items)], "text": texts})
    people = [("teacher", "a teacher", "named"), ("old-man", "an old man", "named"), ("no-persona", None, "baseline")]
    personas = pd.DataFrame(people, columns=["persona_id", "phrase", "role"])
    questions = build_questions(posts, personas, TEMPLATES, "rude", TASK, 2, replicates)
    renderer, asked = Renderer(TASK, personas, TEMPLATES), settings or EngineSettings()
    return CellTable(questions, posts, renderer=renderer, system=SYSTEM, settings=asked, engine=IDENTITY)


def rows_of(cells: CellTable) -> Any:
    return np.arange(len(cells))


@pytest.mark.parametrize("scoring", ["sum", "first-token"])
def test_the_count_is_what_the_engine_will_have_counted(loaded: Any, tmp_path: Path, scoring: Any) -> None:
    settings = EngineSettings(scoring=scoring)
    cells = table_of(4, settings, replicates=2)  # what is said twice is read once
    count = TokenCounter(loaded.tokenizer, TASK).count(cells, rows_of(cells))
    engine = engine_on(loaded, settings)
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        for rows in cells.questions.groupby("persona_id", sort=False).indices.values():
            ask_missing(look_up(cells.only(rows), ledger), task=TASK, engine=engine, ledger=ledger)
    assert len(cells) == 80
    assert engine.stats.prompts == 80
    assert count == (engine.stats.full_tokens, 0.0, engine.stats.distinct_tokens, "tokenizer")
    assert count.distinct is not None
    assert count.full / count.distinct > 3


def test_written_answers_take_their_prompt_once(loaded: Any) -> None:
    cells = table_of(3, EngineSettings(ask="generate"))
    count = TokenCounter(loaded.tokenizer, TASK).count(cells, rows_of(cells))
    chats = [[dict(message) for message in prompt.messages] for prompt in cells.cells().prompts]
    whole = [
        len(loaded.tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True)["input_ids"])
        for chat in chats
    ]
    assert count.full == sum(whole)
    assert count.distinct is not None
    assert count.distinct < count.full


def test_an_estimate_holds_what_it_claims(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = table_of(60)
    counter = TokenCounter(loaded.tokenizer, TASK)
    exact = counter.count(cells, rows_of(cells))
    monkeypatch.setattr("bias_platform.inference.token_counts.COUNTED_AT_MOST", 300)
    monkeypatch.setattr("bias_platform.inference.token_counts.SAMPLED_CELLS", 150)
    monkeypatch.setattr("bias_platform.inference.token_counts.PROMPTS_PER_CALL", 60)
    estimate = counter.count(cells, rows_of(cells))
    assert 0 < estimate.margin < 0.06 * exact.full
    assert estimate.full != exact.full
    assert abs(estimate.full - exact.full) < 1.5 * estimate.margin
    monkeypatch.setattr("bias_platform.inference.token_counts.COUNTED_AT_MOST", 600)
    same_calls = counter.count(cells, rows_of(cells))  # counted in full again, with the smaller calls
    assert estimate.distinct is not None
    assert same_calls.distinct is not None
    assert same_calls.margin == 0.0
    assert abs(estimate.distinct / same_calls.distinct - 1) < 0.1
    assert same_calls.distinct > exact.distinct, "what is asked apart shares less"  # type: ignore[operator]


def test_nothing_to_ask_takes_nothing(loaded: Any) -> None:
    cells = table_of(2)
    assert TokenCounter(loaded.tokenizer, TASK).count(cells, rows_of(cells)[:0]) == (0.0, 0.0, 0.0, "tokenizer")
    assert characters_count(cells, rows_of(cells)[:0]).full == 0


def test_characters_stand_in_for_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = table_of(10)
    rows = rows_of(cells)[::3]
    said = sum(len(message["content"]) for prompt in cells.cells(rows).prompts for message in prompt.messages)
    assert characters_count(cells, rows) == (pytest.approx(said / 4), 0.0, None, "characters")
    monkeypatch.setattr("bias_platform.inference.token_counts.SAMPLED_CELLS", 20)
    assert characters_count(cells, rows).full == pytest.approx(said / 4, rel=0.2)


def test_counts_add_up_to_what_the_least_known_one_allows() -> None:
    exact, sampled = TokenCount(100, 0, 20, "tokenizer"), TokenCount(50, 3, 10, "tokenizer")
    assert exact + sampled + sampled == TokenCount(200, pytest.approx(18**0.5), 40, "tokenizer")  # type: ignore[comparison-overlap]
    assert exact + TokenCount(7, 0, None, "ledger") == TokenCount(107, 0, None, "ledger")
    assert (TokenCount(7, 0, None, "characters") + exact).basis == "characters"
