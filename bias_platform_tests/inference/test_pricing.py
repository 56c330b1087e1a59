"""What a study would take, with numbers that can be checked by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.catalog.engine_settings import Budget, DecodingSettings, EngineSettings, Price
from bias_platform.catalog.entries import (
    Catalog,
    CorpusEntry,
    ItemSample,
    ModelEntry,
    OptionEntry,
    PersonaEntry,
    PersonaSetEntry,
    StudyEntry,
    TaskEntry,
    TemplateSetEntry,
)
from bias_platform.inference.answering import ask_missing, look_up
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.base import EngineStats, ScoredBatch, Usage
from bias_platform.inference.engines.registry import engine_identity
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.outcomes import Outcome
from bias_platform.inference.pricing import SystemPrice, budget_warnings, price_study
from bias_platform.models.chat import chat_template_hash
from bias_platform.models.loading import load_tokenizer
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.prompts.personas import personas_table
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer
from bias_platform.storage import Lake, write_table
from bias_platform.storage.names import ITEMS, PERSONAS, QUESTIONS, SYSTEM

TASK = TaskEntry(
    question="Post: {content}\nRude?\n{options}",
    options=tuple(OptionEntry(value=value) for value in ("Yes", "No")),
    positive=("Yes",),
)
PEOPLE = PersonaSetEntry(
    dimensions={"work": (PersonaEntry(id="teacher", phrase="a teacher"),)},
    control=PersonaEntry(id="anybody", phrase="a person"),
)
WORDINGS = {"t1": "You are {persona}.", "t2": "Take the role of {persona}."}
SERVED = EngineSettings(name="openai", ask="generate", decoding=DecodingSettings(maximum_tokens=50))


def template_hash(source: ModelSource) -> str:
    """As the system's engine will have it: by the tokenizer as it is read."""
    return chat_template_hash(load_tokenizer(Path(source.location), source.title), source.title)


class Place:
    """A catalog over a lake: 8 posts, two personas in two wordings and the baseline, 40 questions a system."""

    def __init__(self, folder: Path, engine: EngineSettings, **changes: Any) -> None:
        price = Price(input=2.0, output=10.0, cached_input=0.5, currency="EUR")
        models = {
            "small": ModelEntry(kind="reference"),
            "large": ModelEntry(kind="api", api_name="large-1", price=price),
            "other": ModelEntry(kind="api", api_name="other-1"),
        }
        systems = ("large", "other") if engine.name == "openai" else ("small",)
        study = {
            "title": "Who?", "task": "rude", "corpus": "posts", "persona_set": "people", "template_set": "two",
            "items": ItemSample(n=8), "systems": systems, "engine": engine,
        } | changes  # fmt: skip
        self.catalog = Catalog(
            name="made",
            corpora={"posts": CorpusEntry(reader="sample")},
            persona_sets={"people": PEOPLE},
            template_sets={"two": TemplateSetEntry(templates=WORDINGS)},
            tasks={"rude": TASK},
            models=models,
            studies={"who": StudyEntry.model_validate(study)},
        )
        self.lake, self.engine = Lake(folder, "made"), engine
        self.items = pd.DataFrame(
            [(f"item{number:05}", f"post number {number}") for number in range(8)], columns=["item_id", "text"]
        )
        self.personas = personas_table(PEOPLE)

    def publish_questions(self) -> None:
        folder = self.lake.questions("who")
        folder.mkdir(parents=True)
        self.questions = build_questions(self.items, self.personas, WORDINGS, "rude", TASK)
        for name, table in ((QUESTIONS, self.questions), (ITEMS, self.items), (PERSONAS, self.personas)):
            write_table(table, folder / name)

    def publish_system(self, slug: str, source: ModelSource) -> ResolvedSystem:
        system = ResolvedSystem(slug=slug, source=source, identity="1" * 32)
        self.lake.system(slug).mkdir(parents=True)
        (self.lake.system(slug) / SYSTEM).write_text(system.model_dump_json(), "utf-8")
        return system

    def cells(self, system: ResolvedSystem, template_hash: str) -> CellTable:
        return CellTable(
            self.questions,
            self.items,
            renderer=Renderer(TASK, self.personas, WORDINGS),
            system=system,
            settings=self.engine,
            engine=engine_identity(self.engine, template_hash),
        )

    def answered(self, slug: str, ids: list[str], *, seconds: float, usage: Usage) -> None:
        outcomes = [Outcome(cell, "item00000", "answered", "Yes", raw_text="Yes", finish="stop") for cell in ids]
        with Ledger.open(self.lake.ledger(slug, "rude")) as ledger:
            ledger.append(outcomes, seconds=seconds, usage=usage)

    def prices(self) -> list[SystemPrice]:
        return price_study(self.catalog, self.lake, "who")


@pytest.fixture
def here(tmp_path: Path, tokenizer: Any) -> ModelSource:
    """Where a tokenizer lies, and no weights."""
    tokenizer.save_pretrained(tmp_path / "model")
    return ModelSource(kind="folder", location=str(tmp_path / "model"))


def test_a_local_system_is_counted_by_its_tokenizer(tmp_path: Path, tokenizer: Any, here: ModelSource) -> None:
    place = Place(tmp_path / "lake", EngineSettings())
    place.publish_questions()
    system = place.publish_system("small", here)
    cells = place.cells(system, template_hash(here))
    place.answered("small", cells.ids()[:10], seconds=4.0, usage=Usage())
    (price,) = place.prices()
    assert (price.cells, price.known, price.to_ask) == (40, 10, 30)
    assert price.seconds == 30 / 2.5
    assert (price.written, price.bought, price.cost, price.remarks) == (0.0, False, None, ())
    whole = 0
    for prompt in cells.cells(np.arange(10, 40)).prompts:
        chat = [dict(message) for message in prompt.messages]
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True)["input_ids"]
        whole += sum(len(ids) + len(tokenizer(option)["input_ids"]) - 1 for option in TASK.option_values)
    assert price.tokens is not None
    assert price.tokens[:2] == (whole, 0.0)
    assert price.tokens.basis == "tokenizer"
    assert price.tokens.distinct is not None
    assert price.tokens.distinct < whole / 2


def test_no_weights_are_needed_and_none_read(tmp_path: Path, here: ModelSource) -> None:
    assert not list(Path(here.location).glob("*.safetensors"))
    place = Place(tmp_path / "lake", EngineSettings())
    place.publish_questions()
    place.publish_system("small", here)
    assert place.prices()[0].to_ask == 40


def test_a_price_agrees_with_the_run_that_follows(tmp_path: Path, here: ModelSource) -> None:
    class Null:
        identity = engine_identity(EngineSettings(), template_hash(here))
        stats = EngineStats()

        def score_choices(self, prompts: Any, options: Any, scoring: Any) -> Any:
            yield ScoredBatch(list(range(len(prompts))), np.tile([-1.0, -2.0], (len(prompts), 1)))

    place = Place(tmp_path / "lake", EngineSettings())
    place.publish_questions()
    system = place.publish_system("small", here)
    assert place.prices()[0].to_ask == 40
    cells = place.cells(system, Null.identity.chat_template_hash)
    with Ledger.open(place.lake.ledger("small", "rude")) as ledger:
        engine: Any = Null()
        ask_missing(look_up(cells, ledger), task=TASK, engine=engine, ledger=ledger)
    (after,) = place.prices()
    assert (after.known, after.to_ask) == (40, 0)
    assert after.tokens == (0.0, 0.0, 0.0, "tokenizer")


def test_an_endpoint_is_priced_by_what_was_measured(tmp_path: Path) -> None:
    place = Place(tmp_path / "lake", SERVED)
    place.publish_questions()
    source = ModelSource(kind="api", location="large-1", endpoint="openai")
    cells = place.cells(place.publish_system("large", source), "served")
    place.answered("large", cells.ids()[:20], seconds=5.0, usage=Usage(2_000, 300, 500))
    price, unasked = place.prices()
    assert (price.cells, price.known, price.to_ask) == (40, 20, 20)
    assert price.tokens == (2_000, 0.0, None, "ledger")
    assert (price.written, price.written_at_most, price.seconds) == (300, False, 5.0)
    assert price.cost == pytest.approx((1_500 * 2 + 500 * 0.5 + 300 * 10) / 1e6)
    assert (price.currency, price.spent, price.spent_money) == ("EUR", Usage(2_000, 300, 500), price.cost)
    assert (unasked.known, unasked.to_ask, unasked.seconds, unasked.cost) == (None, 40, None, None)
    assert "is not materialized yet" in unasked.remarks[0]
    assert "has no `price`" in unasked.remarks[1]


def test_an_endpoint_that_was_never_asked_is_priced_by_characters_at_most(tmp_path: Path) -> None:
    place = Place(tmp_path / "lake", SERVED)
    place.publish_questions()
    source = ModelSource(kind="api", location="large-1", endpoint="openai")
    cells = place.cells(place.publish_system("large", source), "served")
    characters = sum(len(message["content"]) for prompt in cells.cells().prompts for message in prompt.messages)
    price = place.prices()[0]
    assert price.tokens == (pytest.approx(characters / 4), 0.0, None, "characters")
    assert (price.written, price.written_at_most, price.known) == (40 * 50, True, 0)
    assert price.cost == pytest.approx((characters / 4 * 2 + 2_000 * 10) / 1e6, abs=1e-6)


def test_a_scoring_endpoint_writes_one_token_a_cell(tmp_path: Path) -> None:
    place = Place(tmp_path / "lake", EngineSettings(name="openai"))
    place.publish_questions()
    place.publish_system("large", ModelSource(kind="api", location="large-1", endpoint="openai"))
    assert (place.prices()[0].written, place.prices()[0].written_at_most) == (40, False)


@pytest.mark.parametrize(("replicates", "orders", "cells"), [(1, 1, 40), (3, 2, 240)])
def test_before_anything_is_there_the_catalog_counts(tmp_path: Path, replicates: int, orders: int, cells: int) -> None:
    place = Place(tmp_path / "lake", EngineSettings(), replicates=replicates, option_orders=orders)
    (price,) = place.prices()
    assert (price.cells, price.known, price.to_ask, price.tokens, price.seconds) == (cells, None, cells, None, None)
    assert "counted from the catalog" in price.remarks[0]


def test_all_items_of_a_corpus_are_counted_when_it_is_there(tmp_path: Path) -> None:
    place = Place(tmp_path / "lake", EngineSettings(), items=ItemSample())
    assert (place.prices()[0].cells, place.prices()[0].to_ask) == (None, None)
    place.lake.corpus("posts").mkdir(parents=True)
    write_table(place.items.assign(split=None), place.lake.corpus("posts") / ITEMS)
    assert place.prices()[0].cells == 40


def test_a_system_without_its_tokenizer_or_template_is_said(tmp_path: Path, tokenizer_with: Any) -> None:
    place = Place(tmp_path / "lake", EngineSettings())
    place.publish_questions()
    place.publish_system("small", ModelSource(kind="folder", location=str(tmp_path / "gone")))
    (price,) = place.prices()
    assert (price.known, price.to_ask) == (None, 40)
    assert price.remarks == ("has no tokenizer on this machine, so all its cells count as to be asked",)
    cells = CellTable(
        place.questions, place.items, renderer=Renderer(TASK, place.personas, WORDINGS),
        system=ResolvedSystem(slug="x", source=ModelSource(kind="folder", location="/"), identity="1" * 32),
        settings=place.engine, engine=engine_identity(place.engine, "x"),
    )  # fmt: skip
    characters = sum(len(message["content"]) for prompt in cells.cells().prompts for message in prompt.messages)
    assert price.tokens == (pytest.approx(characters / 4 * 2), 0.0, None, "characters"), "once for either option"
    tokenizer_with("").save_pretrained(tmp_path / "gone")
    (price,) = place.prices()
    assert "cannot be asked as it is: model" in price.remarks[0]
    assert "has no chat template" in price.remarks[0]


def test_a_budget_that_would_end_the_run_is_said(tmp_path: Path) -> None:
    place = Place(tmp_path / "lake", SERVED)
    place.publish_questions()
    source = ModelSource(kind="api", location="large-1", endpoint="openai")
    cells = place.cells(place.publish_system("large", source), "served")
    place.answered("large", cells.ids()[:20], seconds=5.0, usage=Usage(2_000_000, 300_000, 0))
    price = place.prices()[:1]  # as much again: 4,600,000 tokens and 14 EUR in all
    assert budget_warnings(Budget(), price) == []
    assert budget_warnings(Budget(tokens=4_600_000, money=14.0), price) == []
    assert budget_warnings(Budget(tokens=4_599_999, money=13.99), price) == [
        "the budget of 4,599,999 tokens would end the run early: it is 4,600,000 in all",
        "the budget of 13.99 would end the run early: it is 14.00 in all",
    ]
