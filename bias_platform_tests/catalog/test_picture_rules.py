"""Tasks that show pictures are put to models that can see them; reference models that see have fitting sizes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bias_platform.catalog import load_catalog
from bias_platform.errors import CatalogError

Writer = Callable[..., Path]


@pytest.fixture
def pictured(sound: dict[str, Any]) -> dict[str, Any]:
    """The sound catalog, its task about pictures and all its models with eyes."""
    sound["tasks"]["rude"] |= {"shown": "picture", "question": "Is it rude?\n{options}"}
    for model in sound["models"].values():
        model["modality"] = "image-text"
    sound["models"]["tiny"]["recipe"]["vision"] = {"image_size": 32, "patch_size": 8}
    return sound


def _problems(folder: Path) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        load_catalog(folder)
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]


def test_a_sound_catalog_with_pictures_loads(pictured: dict[str, Any], write: Writer) -> None:
    task = load_catalog(write({"a.yaml": pictured})).tasks["rude"]
    assert task.shown == "picture"
    pictured["tasks"]["rude"] |= {"shown": "picture-and-text", "question": "Is it rude?\n{options}\n{content}"}
    assert load_catalog(write({"a.yaml": pictured})).tasks["rude"].shown == "picture-and-text"


def test_a_question_about_a_picture_has_no_place_for_a_text(pictured: dict[str, Any], write: Writer) -> None:
    pictured["tasks"]["rude"]["question"] = "Is it rude? {content}"
    (line,) = _problems(write({"a.yaml": pictured}))
    assert "tasks.rude.question: {content} stands for an item's text" in line
    assert line.endswith("remove it, or set `shown` to picture-and-text")
    pictured["tasks"]["rude"] |= {"shown": "picture-and-text", "question": "Is it rude?"}
    (line,) = _problems(write({"a.yaml": pictured}))
    assert "tasks.rude.question: {content} is missing; it must stand exactly once" in line
    pictured["tasks"]["rude"] |= {"shown": "picture", "question": "Is it {rood}?"}
    (line,) = _problems(write({"a.yaml": pictured}))
    assert "there is no placeholder '{rood}'; allowed: {options}" in line


def test_models_that_read_text_only_are_not_asked_about_pictures(pictured: dict[str, Any], write: Writer) -> None:
    pictured["models"]["big"]["modality"] = "text"
    (line,) = _problems(write({"a.yaml": pictured}))
    assert "studies.first.systems[2]: 'big@int8' reads text only, and task 'rude' shows pictures" in line
    assert line.endswith("; ask models of `modality: image-text`")


def test_a_reference_model_that_sees_says_so_and_has_eyes(pictured: dict[str, Any], write: Writer) -> None:
    pictured["models"]["tiny"]["modality"] = "text"
    lines = _problems(write({"a.yaml": pictured}))
    assert any("models.tiny.modality: must be image-text, because the recipe has a `vision`" in line for line in lines)
    assert any("adapters.tuned.training.task: 'rude' shows pictures, and system 'tiny+tuned'" in line for line in lines)
    del pictured["models"]["tiny"]["recipe"]["vision"]
    lines = _problems(write({"a.yaml": pictured}))
    assert any("models.tiny.recipe.task: 'rude' shows pictures, and the model has no eyes" in line for line in lines)
    pictured["models"]["tiny"]["modality"] = "image-text"
    lines = _problems(write({"a.yaml": pictured}))
    assert any("models.tiny.modality: image-text needs a reference model that sees" in line for line in lines)


def test_sizes_of_eyes_go_together(pictured: dict[str, Any], write: Writer) -> None:
    pictured["models"]["tiny"]["recipe"]["vision"] = {"image_size": 30, "patch_size": 8, "hidden_size": 66, "heads": 4}
    lines = _problems(write({"a.yaml": pictured}))
    assert len(lines) == 2
    assert "models.tiny.recipe.vision.patch_size: 8 must divide image_size (30)" in lines[0]
    assert "models.tiny.recipe.vision.hidden_size: 66 must be a multiple of the heads (4)" in lines[1]
