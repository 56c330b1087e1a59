"""Recorded answers become outcomes of the very cells a run would ask, and of no other."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import OptionEntry, TaskEntry
from bias_platform.errors import UserError
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.base import EngineIdentity
from bias_platform.inference.ledger import Ledger, LedgerReader
from bias_platform.inference.ledger_checks import verify_ledger
from bias_platform.inference.recorded_outcomes import ImportReport, Recorder
from bias_platform.inference.wide_results import read_wide_results
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer
from bias_platform.prompts.study_format import column_slug
from bias_platform_tests.inference.test_wide_results import completion

TASK = TaskEntry(
    question='Post: """{content}"""\nRude?\n{options}',
    options=tuple(OptionEntry(value=value) for value in ("Yes", "Maybe", "No", "Incomprehensible")),
    positive=("Yes",),
)
TEMPLATES = {"persona_instruction1": "You are {persona}.", "persona_instruction2": "Take the role of {persona}."}
POSTS = ["What a lovely garden.", "See http://… @user", "The bus was late & nobody minded.", "Nobody asked this one."]
PERSONAS = pd.DataFrame(
    [("woman", "a woman in the United States", "named"), ("no-persona", None, "baseline")],
    columns=["persona_id", "phrase", "role"],
)
SYSTEM = ResolvedSystem(slug="served", source=ModelSource(kind="folder", location="/m"), identity="1" * 32)
IDENTITY = EngineIdentity("openai", "openai-1", "served")
SETTINGS = EngineSettings(name="openai", ask="generate")


class World:
    """A small study and its ledger."""

    def __init__(self, folder: Path, option_orders: int = 1) -> None:
        self.path, self.file = folder / "ledger.sqlite", folder / "answers.csv"
        self.items = pd.DataFrame({"item_id": [f"item{n:04}" for n in range(len(POSTS))], "text": POSTS})
        self.questions = build_questions(self.items, PERSONAS, TEMPLATES, "rude", TASK, option_orders)
        self.cells = CellTable(
            self.questions,
            self.items,
            renderer=Renderer(TASK, PERSONAS, TEMPLATES),
            system=SYSTEM,
            settings=SETTINGS,
            engine=IDENTITY,
        )

    def cell(self, item: int, persona: str, template: str | None) -> str:
        """The first cell of a question: options in canonical order."""
        asked = self.questions
        same = asked["template_id"].isna() if template is None else asked["template_id"] == template
        rows = asked.index[(asked["item_id"] == f"item{item:04}") & (asked["persona_id"] == persona) & same]
        return self.cells.ids()[rows[0]]

    def write(self, *rows: dict[str, str]) -> None:
        names = list(dict.fromkeys(name for row in rows for name in row))
        with self.file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names, restval="")
            writer.writeheader()
            writer.writerows(rows)

    def take(self) -> ImportReport:
        phrases = {"woman": "a woman in the United States", "no-persona": None}
        _, rows = read_wide_results(self.file, "post", phrases, list(TEMPLATES))
        with Ledger.open(self.path) as ledger:
            return Recorder(self.cells, self.items, decode_html=True, task=TASK, ledger=ledger).take(rows)

    def known(self, cell_id: str) -> "pd.Series[object]":
        with LedgerReader(self.path) as reader:
            (row,) = reader.known([cell_id]).itertuples(index=False)
        return pd.Series(row._asdict())


def woman(template: int, text: str, said: str | None = None) -> dict[str, str]:
    begins = f"{column_slug('a woman in the United States')}_persona_instruction{template}"
    return {f"{begins}_response_text": text} | ({f"{begins}_response_json": said} if said else {})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_answers_are_filed_under_the_cells_that_a_run_would_ask(world: World) -> None:
    refusal = "I'm sorry, but I can't help with that."
    cut = "Well, when I think about gardens"
    world.write(
        {"post": POSTS[0], **woman(1, "No.", completion("No.")), **woman(2, refusal), "baseline_response_text": "Yes"},
        # the corpus masks names and links and decodes entities; the study's file has them as they came
        {"post": "See https://example.org/1 @somebody", **woman(1, cut, completion(cut, "length"))},
        {"post": " The bus was late &amp; nobody minded.", "baseline_response_text": "Incomprensible"},
    )
    report = world.take()
    assert report == ImportReport(
        rows=3,
        imported={"answered": 2, "refused": 1, "truncated": 1, "invalid": 1},
        models={"accounts/f/models/tiny": 2},
    )
    first = world.known(world.cell(0, "woman", "persona_instruction1"))
    assert (first["outcome"], first["answer"], first["raw_text"], first["finish"]) == ("answered", "No", "No.", "stop")
    refused = world.known(world.cell(0, "woman", "persona_instruction2"))
    assert (refused["outcome"], refused["answer"], refused["raw_text"]) == ("refused", None, refusal)
    assert world.known(world.cell(0, "no-persona", None))["answer"] == "Yes"
    assert world.known(world.cell(1, "woman", "persona_instruction1"))[["outcome", "finish"]].tolist() == [
        "truncated",
        "length",
    ]
    typo = world.known(world.cell(2, "no-persona", None))
    assert (typo["outcome"], typo["raw_text"]) == ("invalid", "Incomprensible")
    assert verify_ledger(world.path) == (5, 1, ())
    with LedgerReader(world.path) as reader:
        assert not any(reader.spent())  # it was paid elsewhere
        assert reader.rate() is None


def test_what_is_known_stays_and_is_counted(world: World) -> None:
    world.write({"post": POSTS[0], **woman(1, "No."), "baseline_response_text": "Yes"})
    world.take()
    world.write({"post": POSTS[0], **woman(1, "Yes."), **woman(2, "Maybe")})
    report = world.take()
    assert (report.already_known, dict(report.imported)) == (1, {"answered": 1})
    assert world.known(world.cell(0, "woman", "persona_instruction1"))["raw_text"] == "No."
    assert verify_ledger(world.path) == (3, 2, ())


def test_what_has_no_place_is_counted_by_row(world: World) -> None:
    world.write(
        {"post": "Nobody has this.", **woman(1, "No")},
        {"post": POSTS[0], **woman(1, "No")},
        {"post": POSTS[0] + " ", **woman(1, "Yes")},
        {"post": "", **woman(1, "Yes", "{not json")},
        {"post": POSTS[1], **woman(1, "Yes", "{not json")},
    )
    report = world.take()
    assert (report.rows, report.rows_without_item, report.repeated_rows) == (5, [1, 4], [3])
    assert (report.unreadable_completions, dict(report.imported)) == (1, {"answered": 2})
    assert world.known(world.cell(0, "woman", "persona_instruction1"))["answer"] == "No"


def test_other_orders_of_the_options_are_not_meant(tmp_path: Path) -> None:
    world = World(tmp_path, option_orders=2)
    world.write({"post": POSTS[0], **woman(1, "No"), "baseline_response_text": "Yes"})
    assert dict(world.take().imported) == {"answered": 2}
    with LedgerReader(world.path) as reader:
        assert reader.count_known(world.cells.ids()) == 2
        canonical = world.questions.index[world.questions["option_order"] == "0-1-2-3"]
        assert reader.count_known([world.cells.ids()[row] for row in canonical]) == 2


def test_what_came_before_a_broken_row_is_kept(world: World) -> None:
    world.write({"post": POSTS[0], **woman(1, "No")})
    with world.file.open("a") as stream:
        stream.write("too,many,cells\n")
    with pytest.raises(UserError, match="row 2 has 3 cells"):
        world.take()
    assert world.known(world.cell(0, "woman", "persona_instruction1"))["answer"] == "No"


def test_many_answers_in_many_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bias_platform.inference.recorded_outcomes._OUTCOMES_AT_ONCE", 3)
    rows = [{"post": post, **woman(1, "No"), **woman(2, "Yes"), "baseline_response_text": "No."} for post in POSTS]
    world.write(*rows)
    assert dict(world.take().imported) == {"answered": 12}
    assert verify_ledger(world.path) == (12, 4, ())
    assert world.take().already_known == 12
