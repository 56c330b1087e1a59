"""The persona study's folder as a catalog: on its real files, and on a small folder with slips."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from bias_platform import command
from bias_platform.catalog import load_catalog
from bias_platform.commands.study_import import imported_lines
from bias_platform.errors import CorpusError, UserError
from bias_platform.prompts import Renderer, personas_table
from bias_platform.prompts.rendering import canonical_order
from bias_platform.prompts.study_catalog import read_study_catalog
from bias_platform.prompts.study_tasks import picture_task, post_task

_REPOSITORY = Path(__file__).parents[2]
_STUDY = Path(os.environ.get("BIAS_PLATFORM_SHARED_DATA", _REPOSITORY / "../shared/data")) / "persona_study"


@pytest.fixture(scope="module")
def study() -> Path:
    """The study's files."""
    if not _STUDY.is_dir():
        pytest.skip(f"the persona study's files are not at {_STUDY}; set BIAS_PLATFORM_SHARED_DATA")
    return _STUDY


def test_the_files_become_a_catalog_that_loads(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "imported"
    result = CliRunner().invoke(command.app, ["catalog", "import-study", str(study), "--out", str(out)])
    assert result.exit_code == 0, result.output
    catalog = load_catalog(out)
    sizes = {slug: sum(map(len, catalog.persona_sets[slug].dimensions.values())) for slug in catalog.persona_sets}
    assert {slug: sizes[slug] for slug in ("sbic-27", "exist-5", "hatred-20")} == {
        "sbic-27": 27,
        "exist-5": 5,
        "hatred-20": 20,
    }
    assert len(catalog.template_sets["study-instructions"].templates) == 3
    assert {"study-sbic", "study-exist", "study-hatred"} <= set(catalog.tasks)
    odd = [line for line in result.output.splitlines() if "lacks 'in the United States'" in line]
    assert len(odd) == 1
    assert "of the single personas was taken instead" in odd[0]
    again = CliRunner().invoke(command.app, ["catalog", "import-study", str(study), "--out", str(out)])
    assert again.exit_code == 2
    assert "is not empty; name a new folder" in again.output


def test_groups_and_crossings_of_the_study(study: Path) -> None:
    people = read_study_catalog(study).persona_sets["sbic-27"]
    groups = {
        attribute: {p.attributes[attribute] for d in people.dimensions.values() for p in d if attribute in p.attributes}
        for attribute in ("gender", "race", "politics")
    }
    assert groups == {
        "gender": {"man", "woman"},
        "race": {"asian", "black", "hisp", "white", "other"},
        "politics": {"cons", "mod-cons", "mod-liberal", "liberal", "libert", "other"},
    }, "the 13 groups of annotators that have a model of their own"
    mixed = people.dimensions["race_ethnicity"][-1]
    assert mixed.phrase in json.loads((study / "mixed_race_persona.json").read_text("utf-8"))["mixed_race"]
    (crossed,) = people.crossed.values()
    assert len(set(crossed.cells.values())) == 6
    assert {side for side, _ in crossed.cells.values()} == {f"a_{g}_in_the_united_states" for g in ("man", "woman")}


def test_questions_are_asked_word_for_word(study: Path) -> None:
    tasks = read_study_catalog(study).tasks
    personas = personas_table(read_study_catalog(study).persona_sets["exist-5"])
    for slug, file in (("study-sbic", "SBIC_offensiveYN"), ("study-exist", "EXIST_sexist")):
        written = json.loads((study / f"{file}.json").read_text("utf-8"))["user_prompt"]
        task = tasks[slug]
        assert "{options}" in task.question, "so that the order of options can be varied"
        asked = Renderer(task, personas, {}).user_message("a post {options}", canonical_order(task))
        assert asked == written.replace("{content}", "a post {options}")
    memes = json.loads((study / "HatReD_reasonings.json").read_text("utf-8"))["user_prompt"]
    assert (tasks["study-hatred"].question, tasks["study-hatred"].shown) == (memes, "picture")
    assert [pattern.split("{")[0] for pattern in tasks["study-hatred"].patterns] == [
        "The meme ",
        "The meme uses derogatory terms against ",
    ]


def test_without_a_correction_the_odd_persona_stays_and_is_told(study: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(study, tmp_path / "study")
    (folder / "mixed_race_persona.json").unlink()
    found = read_study_catalog(folder)
    assert not found.persona_sets["sbic-27"].dimensions["race_ethnicity"][-1].attributes
    assert any("it was left as it is, look at it before you ask it" in note for note in found.notes)


def test_missing_files_are_named_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        read_study_catalog(tmp_path)
    text = str(caught.value)
    assert "lacks files of the persona study" in text
    assert all(name in text for name in ("SBIC_gender_identity_personas.json", "persona_prompts.json", "EXIST_sexist"))


def test_nothing_of_the_user_s_is_overwritten(study: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("name: own")
    with pytest.raises(UserError, match="is not empty; name a new folder, so that nothing of yours is overwritten"):
        imported_lines(study, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["own.yaml"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "Post: {content}\n\nOptions:\nYes: it is\nNo: it\nis not\n\nOne word.",
            [("Yes", "it is"), ("No", "it\nis not")],
        ),
        ("{content}\nYes: it is\nNo: not", [("Yes", "it is"), ("No", "not")]),
        ("{content}\nNo: not\nYes: it is", [("Yes", None), ("No", None)]),
        ("{content}\nYes or No?", [("Yes", None), ("No", None)]),
    ],
)
def test_options_are_set_apart_where_they_are_listed_in_order(
    question: str, expected: list[tuple[str, str | None]], personas: pd.DataFrame
) -> None:
    task = post_task(question, ("Yes", "No"))
    assert [(option.value, option.gloss) for option in task.options] == expected
    asked = Renderer(task, personas, {}).user_message("tea", canonical_order(task))
    assert asked == question.replace("{content}", "tea")


def test_questions_of_another_shape_are_refused() -> None:
    with pytest.raises(CorpusError, match=r"must contain \{content\}"):
        post_task("Yes or No?", ("Yes", "No"))
    with pytest.raises(CorpusError, match="must quote forms of the answer"):
        picture_task("What is it?")
    assert picture_task('Say "It is <what it is>."').patterns == ("It is {what_it_is}.",)
