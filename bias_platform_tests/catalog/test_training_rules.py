"""Mistakes in adapters' entries and in crossed dimensions, each made alone in a sound catalog."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bias_platform.catalog import load_catalog
from bias_platform.errors import CatalogError

Writer = Callable[..., Path]

SPECIFIC = {"personas": "specific", "persona": "man", "labels": "by-sex"}
SERVED = {"endpoint": "lab", "api_names": {"big": "tuned-big"}}

TRAINING: list[tuple[dict[str, Any], str]] = [
    ({"persona": None}, "training.persona: is required by `personas: specific`"),
    ({"labels": None}, "training.labels: is required by `personas: specific`"),
    ({"personas": "matching"}, "training.persona: is used only with `personas: specific`; remove it or say specific"),
    ({"dimensions": ["gender"]}, "training.dimensions: is used only with `personas: matching`; remove it or say match"),
    ({"permute_attributes": True}, "permute_attributes: is used only with `personas: matching or composite`; remove"),
    ({"persona": "wman"}, "training.persona: there is no persona in 'people' 'wman'; allowed: man, woman, night-owl"),
    ({"labels": "by-age"}, "training.labels: there is no label policy of corpus 'posts' 'by-age'; allowed: by-sex,"),
    ({"labels": "all"}, "training.labels: 'all' labels for all annotators together; name a policy `within` an"),
    ({"labels": "any"}, "training.labels: 'any' may give an item several labels; name a policy that gives one"),
    ({"persona": "night-owl"}, "the `attributes` of 'night-owl' must be just that, but are none"),
    ({"answer_prefix": "It is "}, "answer_prefix: 'It is ' cannot stand before the options of task 'rude'; it is for"),
    (
        {"personas": "none", "templates": "balanced-by-item"},
        "training.templates: is used only with `personas: matching",
    ),
]

ELSEWHERE: list[tuple[dict[str, Any], str]] = [
    ({}, "trained_elsewhere.folder: is required, or `endpoint`: name the folder of the adapter, or where the tuned"),
    ({"folder": "x", **SERVED}, "trained_elsewhere.endpoint: cannot stand beside `folder`; keep one of them"),
    ({"folder": "x", "snapshot": "1"}, "trained_elsewhere.snapshot: is used only with `endpoint`; remove it"),
    ({"endpoint": "lab"}, "trained_elsewhere.api_names: is required by `endpoint`; write e.g. {my-base: the tuned"),
    (
        {**SERVED, "api_names": {"bigg": "x"}},
        "api_names.bigg: there is no model 'bigg'; allowed: tiny, big, served. Did",
    ),
    (
        SERVED,
        "'tiny+tuned': adapter 'tuned' is served for other bases; add 'tiny' to its `trained_elsewhere.api_names`",
    ),
]

CROSSED: list[tuple[dict[str, Any], str]] = [
    ({"of": ["gender", "gender"]}, "crossed.both.of: crosses 'gender' with itself; name two dimensions"),
    (
        {"of": ["gender", "both"]},
        "of[1]: there is no dimension that is not itself crossed 'both'; allowed: gender, sle",
    ),
    ({"cells": {"man-owl": ["man", "night-owl"]}}, "crossed.both.cells: lacks woman-owl of 'both'; say which two"),
    (
        {"cells": {"man-owl": ["man", "night-owl"], "woman-owl": ["man", "night-owl"]}},
        "cells.woman-owl: combines the same as 'man-owl'; each cell may have one persona",
    ),
    (
        {"cells": {"man-owl": ["man", "woman"], "woman-owl": ["woman", "night-owl"]}},
        "cells.man-owl[1]: there is no persona in 'sleep' 'woman'; allowed: night-owl",
    ),
    (
        {"cells": {"man-owl": ["man", "night-owl"], "woman-owl": ["woman", "night-owl"], "x": ["man", "night-owl"]}},
        "cells.x: there is no persona in 'both' 'x'; allowed: man-owl, woman-owl",
    ),
]


def _lines(folder: Path) -> str:
    with pytest.raises(CatalogError) as caught:
        load_catalog(folder)
    return str(caught.value)


@pytest.fixture
def specific(sound: dict[str, Any]) -> dict[str, Any]:
    sound["corpora"]["posts"]["label_policies"] = {
        "by-sex": {"rule": "unanimous", "within": "gender"},
        "all": {"rule": "unanimous"},
        "any": {"rule": "union", "within": "gender"},
    }
    sound["adapters"]["tuned"]["training"] |= SPECIFIC
    return sound


@pytest.fixture
def crossed(sound: dict[str, Any]) -> dict[str, Any]:
    people = sound["persona_sets"]["people"]
    people["dimensions"]["both"] = [
        {"id": "man-owl", "phrase": "a man who is up at night"},
        {"id": "woman-owl", "phrase": "a woman who is up at night"},
    ]
    cells = {"man-owl": ["man", "night-owl"], "woman-owl": ["woman", "night-owl"]}
    people["crossed"] = {"both": {"of": ["gender", "sleep"], "cells": cells}}
    return sound


@pytest.mark.parametrize(("changes", "expected"), TRAINING)
def test_mistake_in_training_data(
    write: Writer, specific: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    assert load_catalog(write({"a.yaml": specific})).adapters["tuned"].training is not None
    specific["adapters"]["tuned"]["training"] |= changes
    assert expected in _lines(write({"a.yaml": specific}))


@pytest.mark.parametrize(("elsewhere", "expected"), ELSEWHERE)
def test_mistake_in_an_adapter_trained_elsewhere(
    write: Writer, sound: dict[str, Any], elsewhere: dict[str, Any], expected: str
) -> None:
    sound["adapters"]["tuned"] = {"trained_elsewhere": elsewhere}
    assert expected in _lines(write({"a.yaml": sound}))


def test_an_adapter_comes_from_somewhere(write: Writer, sound: dict[str, Any]) -> None:
    sound["adapters"]["tuned"] = {"rank": 4}
    assert "adapters.tuned.training: is required: what the adapter learns; or say" in _lines(write({"a.yaml": sound}))


@pytest.mark.parametrize(
    ("system", "engine", "expected"),
    [
        ("served+tuned", {"name": "openai", "ask": "generate"}, None),
        ("big+tuned", {"name": "openai", "ask": "generate"}, None),
        ("big+tuned", {}, "'big+tuned' is served at an endpoint, which only engine.name: openai can ask"),
        (
            "big+tuned@int8",
            {"name": "openai", "ask": "generate"},
            "with no weights here to quantize; leave out '@int8'",
        ),
    ],
)
def test_who_can_ask_a_served_adapter(
    write: Writer, sound: dict[str, Any], system: str, engine: dict[str, Any], expected: str | None
) -> None:
    names = {"api_names": {"big": "tuned-big", "served": "tuned-served"}}
    sound["adapters"]["tuned"] = {"trained_elsewhere": SERVED | names}
    sound["studies"]["first"] |= {"systems": [system], "engine": engine, "analysis": {}}
    if expected is None:
        assert load_catalog(write({"a.yaml": sound})).studies["first"].systems == (system,)
    else:
        assert expected in _lines(write({"a.yaml": sound}))


def test_money_for_a_served_adapter_needs_a_price(write: Writer, sound: dict[str, Any]) -> None:
    sound["adapters"]["tuned"] = {"trained_elsewhere": SERVED}
    engine = {"name": "openai", "ask": "generate"}
    sound["studies"]["first"] |= {"systems": ["big+tuned"], "engine": engine, "analysis": {}, "budget": {"money": 1}}
    assert "budget.money: needs a `price` in the entry of big+tuned" in _lines(write({"a.yaml": sound}))


@pytest.mark.parametrize(("changes", "expected"), CROSSED)
def test_mistake_in_a_crossed_dimension(
    write: Writer, crossed: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    assert "both" in load_catalog(write({"a.yaml": crossed})).persona_sets["people"].crossed
    crossed["persona_sets"]["people"]["crossed"]["both"] |= changes
    assert expected in _lines(write({"a.yaml": crossed}))


def test_free_answers_need_no_options_of_a_corpus(write: Writer, specific: dict[str, Any]) -> None:
    """Labels are then what annotators wrote, and may follow a fixed beginning."""
    specific["tasks"]["why"] = {"question": "Why? {content}", "answer": "text"}
    training = {"task": "why", "personas": "none", "persona": None, "labels": None, "answer_prefix": "Because "}
    specific["adapters"]["tuned"]["training"] |= training
    assert load_catalog(write({"a.yaml": specific})).adapters["tuned"].training is not None
