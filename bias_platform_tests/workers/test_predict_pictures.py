"""From a corpus's folder with pictures to published predictions, through the worker and a model that sees."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import OptionEntry, TaskEntry
from bias_platform.errors import ArtifactError, UserError
from bias_platform.models.reference import build_reference_model
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem, resolve_system
from bias_platform.progress import ProgressPrinter
from bias_platform.prompts.questions import build_questions
from bias_platform.schemas import Items, Predictions, validate_table
from bias_platform.storage import Manifest, read_table, write_table
from bias_platform.storage.names import ITEMS, PART, PERSONAS, PICTURES, QUESTIONS
from bias_platform.workers.predict import work
from bias_platform_tests.models.conftest import silent
from bias_platform_tests.models.pictured_examples import QUESTION, WRITTEN, make_pictured, save_picture, seeing_recipe

WRITING = TaskEntry(
    shown="picture", question=QUESTION, answer="sentence", patterns=("The meme {verb} {whom} who {what}.",)
)
CHOOSING = TaskEntry(
    shown="picture-and-text",
    question=f"{QUESTION}\nPost: {{content}}",
    options=tuple(OptionEntry(value=value) for value in ("The", "No")),
    positive=("The",),
)
TEMPLATES = {"act": "Play the part of {persona} in all you say."}
PEOPLE = pd.DataFrame(
    [("teacher", "a teacher", "named"), ("no-persona", None, "baseline")], columns=["persona_id", "phrase", "role"]
)


class _Session:
    """A worker's line to nobody."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.lines: list[str] = []
        self.told: dict[str, dict[str, Any]] = {}

    def say(self, line: str) -> None:
        self.lines.append(line)

    def progress(self, title: str, every: float = 10.0) -> ProgressPrinter:
        return ProgressPrinter(self.say, title, every)

    def published(self, key: str, manifest: Manifest, **metadata: Any) -> None:
        assert manifest.files[PART].rows == 12
        self.told[key] = metadata


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpus `memes` of twelve pictures, and a model that has learnt what to write of such."""
    home = tmp_path_factory.mktemp("lake")
    pictures, rng = home / "corpora" / "memes" / PICTURES, np.random.default_rng(5)
    pictures.mkdir(parents=True)
    drawn = [(save_picture(pictures, colour, rng), answer) for colour, answer in list(WRITTEN.items()) * 4]
    items = pd.DataFrame(
        {
            "item_id": [f"meme{number:04}" for number in range(len(drawn))],
            "text": [f"post {number}" for number in range(len(drawn))],
            "target_group": [answer for _, answer in drawn],
            "split": None,
            "source_id": None,
            "picture": [name for name, _ in drawn],
        }
    )
    write_table(validate_table(items, Items, "items"), home / "corpora" / "memes" / ITEMS)
    others = home / "others"
    others.mkdir()
    build_reference_model(seeing_recipe(), make_pictured(others, 300, seed=0), home / "model", silent, others)
    return home


def _request(lake: Path, folder: Path, task: TaskEntry, **changes: Any) -> dict[str, Any]:
    items = read_table(lake / "corpora" / "memes" / ITEMS, "memes")
    questions = build_questions(items, PEOPLE, TEMPLATES, "memes", task)
    (folder / "questions").mkdir(parents=True, exist_ok=True)
    for name, table in ((QUESTIONS, questions), (ITEMS, items), (PERSONAS, PEOPLE)):
        write_table(table, folder / "questions" / name)
    source = ModelSource(kind="folder", location=str(lake / "model"), dtype="float32")
    system = resolve_system("seeing", source, versions={"base": "1"})
    (folder / "system.json").write_text(system.model_dump_json(), "utf-8")
    ask: Any = "score" if task.options else "generate"
    settings = EngineSettings(ask=ask, dtype="float32", decoding={"maximum_tokens": 30})
    return {
        "study": "memes",
        "lake": str(lake),
        "system": str(folder / "system.json"),
        "task": task.model_dump(mode="json"),
        "templates": TEMPLATES,
        "questions": str(folder / "questions"),
        "pictures": str(lake / "corpora" / "memes" / PICTURES),
        "engine": settings.model_dump(mode="json"),
        "ledger": str(folder / "ledger.sqlite"),
        "published": [],
        "text_may_leave_machine": False,
        "spending": {"budget": {}, "price": None, "others": []},
        "maximum_failed_share": 0.0,
        "labels": {},
        "partitions": {persona: _publication(folder / persona) for persona in PEOPLE["persona_id"]},
        **changes,
    }


def _publication(target: Path) -> dict[str, Any]:
    return {"target": str(target), "name": target.name, "code_version": "1", "inputs": {}, "parameters": {}}


def _predictions(folder: Path) -> pd.DataFrame:
    table = pd.concat([read_table(folder / persona / PART, persona) for persona in PEOPLE["persona_id"]])
    return validate_table(table.reset_index(drop=True), Predictions, "predictions")


def test_a_model_writes_of_the_pictures_it_is_shown(lake: Path, tmp_path: Path) -> None:
    session = _Session(_request(lake, tmp_path, WRITING))
    work(session)  # type: ignore[arg-type]
    table = _predictions(tmp_path)
    items = read_table(lake / "corpora" / "memes" / ITEMS, "memes").set_index("item_id")
    assert len(table) == 24
    assert (table["outcome"] == "answered").mean() > 0.9
    right = table["raw_text"] == table["item_id"].map(items["target_group"])
    assert right.mean() > 0.8
    assert session.told["teacher"]["cells_asked"] == 12
    again = _Session(_request(lake, tmp_path, WRITING))
    again.request["partitions"] = {"teacher": _publication(tmp_path / "again")}
    work(again)  # type: ignore[arg-type]
    assert again.told["teacher"]["cells_asked"] == 0
    assert not [line for line in again.lines if "loading" in line]


def test_a_model_scores_options_of_pictures_and_texts(lake: Path, tmp_path: Path) -> None:
    session = _Session(_request(lake, tmp_path, CHOOSING))
    work(session)  # type: ignore[arg-type]
    table = _predictions(tmp_path)
    assert (table["answer"] == "The").all()
    scores = np.stack(table["option_logprobs"].to_list())
    assert np.ptp(scores[:, 0]) > 1e-4, "pictures and posts differ"


def test_a_changed_picture_is_said_and_nothing_is_asked(lake: Path, tmp_path: Path) -> None:
    request = _request(lake, tmp_path, WRITING)
    other = tmp_path / "memes" / PICTURES
    other.mkdir(parents=True)
    for path in Path(request["pictures"]).iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    next(other.iterdir()).write_bytes(b"no picture")
    request["pictures"] = str(other)
    with pytest.raises(ArtifactError, match=r"of 12 pictures of corpus 'memes' 1 is not what was published"):
        work(_Session(request))  # type: ignore[arg-type]
    assert not (tmp_path / "teacher").exists()


def test_pictures_stay_on_this_machine_like_texts(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_AWAY_BASE_URL", "https://far.example/v1")
    source = ModelSource(kind="api", location="seeing-large", endpoint="far-away", revision="1")
    system = ResolvedSystem(slug="seeing", source=source, identity="1" * 32)
    request = _request(lake, tmp_path, WRITING)
    (tmp_path / "system.json").write_text(json.dumps(system.model_dump(mode="json")), "utf-8")
    request["engine"] = EngineSettings(name="openai", ask="generate").model_dump(mode="json")
    with pytest.raises(
        UserError, match="posts of this study's corpus may not leave this machine, and endpoint 'far-away'"
    ):
        work(_Session(request))  # type: ignore[arg-type]
