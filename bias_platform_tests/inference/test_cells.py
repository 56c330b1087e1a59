"""Cells: what is said in each, under which identity, and that a part of a table is cut from the whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.catalog.engine_settings import DecodingSettings, EngineSettings
from bias_platform.catalog.entries import OptionEntry, TaskEntry
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.base import EngineIdentity, Image
from bias_platform.inference.identity import image_hash, message_hash, sampling_seed
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer

TASK = TaskEntry(
    question="Post: {content}\nRude?\n{options}",
    options=tuple(OptionEntry(value=value) for value in ("Yes", "Maybe", "No")),
    positive=("Yes",),
)
TEMPLATES = {"t1": "You are {persona}.", "t2": "Take the role of {persona}."}
ITEMS = pd.DataFrame([(f"item{number:05}", f"post {number}") for number in range(6)], columns=["item_id", "text"])
PERSONAS = pd.DataFrame(
    [("teacher", "a teacher", "named"), ("no-persona", None, "baseline")], columns=["persona_id", "phrase", "role"]
)
QUESTIONS = build_questions(ITEMS, PERSONAS, TEMPLATES, "rude", TASK, 2, 2)
SYSTEM = ResolvedSystem(slug="small", source=ModelSource(kind="folder", location="/m"), identity="1" * 32)
IDENTITY = EngineIdentity("scripted", "scripted-1", "h" * 32)
SAMPLED = EngineSettings(ask="generate", decoding=DecodingSettings(temperature=0.7, seed=3))


def table(settings: EngineSettings = SAMPLED, **changes: Any) -> CellTable:
    renderer = Renderer(TASK, PERSONAS, TEMPLATES)
    arguments = {"renderer": renderer, "system": SYSTEM, "settings": settings, "engine": IDENTITY} | changes
    return CellTable(QUESTIONS, ITEMS, **arguments)


def test_every_cell_says_what_its_question_asks() -> None:
    cells = table().cells()
    renderer = Renderer(TASK, PERSONAS, TEMPLATES)
    texts = dict(zip(ITEMS["item_id"], ITEMS["text"], strict=True))
    assert len(cells.prompts) == len(cells.ids) == len(QUESTIONS) == 72
    for row, prompt in zip(QUESTIONS.itertuples(), cells.prompts, strict=True):
        template = None if pd.isna(row.template_id) else row.template_id
        said = renderer.messages(row.persona_id, template, texts[row.item_id], row.option_order)
        assert list(prompt.messages) == said
        assert prompt.seed == sampling_seed(row.question_id, 3)
        assert message_hash(said)
    assert len(set(cells.ids)) == 72
    assert len({id(prompt.messages[-1]) for prompt in cells.prompts}) == 6 * 2, "equal messages are one object"


@pytest.mark.parametrize("settings", [EngineSettings(), EngineSettings(ask="generate")])
def test_without_sampling_there_is_no_seed(settings: EngineSettings) -> None:
    assert {prompt.seed for prompt in table(settings).cells().prompts} == {None}


def test_a_part_is_cut_from_the_whole() -> None:
    cells = table()
    whole = cells.cells()
    assert cells.ids() == whole.ids
    rows = np.array([40, 3, 71])
    assert cells.ids(rows) == [whole.ids[row] for row in rows]
    assert cells.cells(rows).prompts == [whole.prompts[row] for row in rows]
    assert cells.cells(slice(10, 20)) == (whole.ids[10:20], whole.prompts[10:20])
    assert cells.cells(np.array([], dtype=np.int64)) == ([], [])
    assert cells.only(rows).cells() == cells.cells(rows)
    assert (len(cells.only(rows)), len(cells)) == (3, 72)


def test_a_picture_changes_the_cell_and_not_the_question(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG one")
    picture = Image(path, image_hash(path), "image/png")
    path.write_bytes(b"\x89PNG two")
    other = Image(path, image_hash(path), "image/png")
    without = table().ids()
    with_it, with_other = (table(images={"item00002": image}) for image in (picture, other))
    shows = (QUESTIONS["item_id"] == "item00002").to_numpy()
    for one, two in ((without, with_it.ids()), (with_it.ids(), with_other.ids())):
        np.testing.assert_array_equal(np.array(one) != np.array(two), shows)
    assert with_it.questions["question_id"].equals(QUESTIONS["question_id"])
    for prompt, shown in zip(with_it.cells().prompts, shows, strict=True):
        assert prompt.images == ((picture,) if shown else ())
    moved = picture._replace(path=tmp_path / "elsewhere.png", media_type="image/jpeg")
    assert table(images={"item00002": moved}).ids() == with_it.ids(), "only the bytes count"


def test_asking_again_makes_other_cells_of_the_same_questions() -> None:
    assert not set(table(repetition="batch 1").ids()) & set(table().ids())
