"""A study's noise floor: what each repeat changes, and what cannot be, named with what can."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bias_platform.catalog import EngineSettings, load_catalog
from bias_platform.catalog.noise_settings import NoiseFloor, RepeatSettings
from bias_platform.errors import CatalogError

PLACE = "studies.first.noise_floor"
WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"repeats": []}, f"{PLACE}.repeats: must name at least one, e.g. {{name: again}}"),
    ({}, {"items": 1, "repeats": [{"name": "again"}]}, f"{PLACE}.items: 1 is not possible: it must be greater than or"),
    (
        {"items": {"n": 10}},
        {"items": 11, "repeats": [{"name": "again"}]},
        f"{PLACE}.items: 11 is too many: the study asks about 10 items; lower it",
    ),
    (
        {},
        {"personas": ["man", "womman"], "repeats": [{"name": "again"}]},
        f"{PLACE}.personas[1]: there is no persona in this study 'womman'; allowed: man, woman, night-owl, anyone, "
        "no-persona. Did you mean 'woman'?",
    ),
    (
        {"dimensions": ["gender"]},
        {"personas": ["night-owl"], "repeats": [{"name": "again"}]},
        f"{PLACE}.personas[0]: there is no persona in this study 'night-owl'; allowed: man, woman, anyone, no-persona",
    ),
    (
        {},
        {"personas": ["man", "man"], "repeats": [{"name": "again"}]},
        f"{PLACE}.personas[1]: 'man' is named twice; keep one",
    ),
    ({}, {"repeats": [{"name": "a b"}]}, f"{PLACE}.repeats[0].name: 'a b' is not a slug"),
    ({}, {"repeats": [{"order": "shuffled"}]}, f"{PLACE}.repeats[0].name: is required"),
    ({}, {"repeats": [{"name": "x", "order": "sorted"}]}, "order: 'sorted' is not possible; allowed: study, shuffled"),
    (
        {},
        {"repeats": [{"name": "x"}, {"name": "x", "order": "shuffled"}]},
        f"{PLACE}.repeats[1].name: 'x' is the name of another repeat",
    ),
    (
        {},
        {"repeats": [{"name": "x", "dtype": "float32"}]},
        f"{PLACE}.repeats[0].dtype: float32 is what the study uses already; name another, or leave it out",
    ),
    ({}, {"repeats": [{"name": "x", "batch_tokens": 16384}]}, "batch_tokens: 16384 is what the study uses already"),
    ({}, {"repeats": [{"name": "x", "engine": "transformers"}]}, "engine: transformers is what the study uses already"),
    ({}, {"repeats": [{"name": "x", "engine": "openai"}]}, f"{PLACE}.repeats[0].engine: an endpoint asks api models"),
    (
        {},
        {"repeats": [{"name": "x", "concurrency": 4}]},
        "concurrency: transformers is sent no requests; use batch_tok",
    ),
    (
        {},
        {"repeats": [{"name": "x", "systems": ["tiny", "big"]}]},
        f"{PLACE}.repeats[0].systems[1]: 'big' is not among the study's systems; allowed: tiny, tiny+tuned, big@int8",
    ),
    ({}, {"repeats": [{"name": "x", "systems": ["tiny", "tiny"]}]}, "systems[1]: 'tiny' is named twice; keep one"),
]
SERVED: dict[str, Any] = {
    "systems": ["served"],
    "analysis": {},
    "engine": {"name": "openai", "ask": "generate"},
}
WRONG += [
    (SERVED, {"repeats": [{"name": "x", "engine": "vllm"}]}, f"{PLACE}.repeats[0].engine: an endpoint asks api models"),
    (SERVED, {"repeats": [{"name": "x", "batch_tokens": 512}]}, "batch_tokens: an endpoint makes its own batches; use"),
    (SERVED, {"repeats": [{"name": "x", "dtype": "bfloat16"}]}, "dtype: an endpoint computes in the number format of"),
    (
        {"engine": {"name": "vllm", "ask": "generate", "structured": True}},
        {"repeats": [{"name": "x", "engine": "transformers"}]},
        f"{PLACE}.repeats[0].engine: the study's answers are `structured`, which transformers cannot write",
    ),
]


@pytest.mark.parametrize(("study", "floor", "expected"), WRONG)
def test_a_mistake_is_named(
    write: Callable[..., Path], sound: dict[str, Any], study: dict[str, Any], floor: dict[str, Any], expected: str
) -> None:
    sound["studies"]["first"] |= {**study, "noise_floor": floor}
    with pytest.raises(CatalogError) as caught:
        load_catalog(write({"a.yaml": sound}))
    (line,) = str(caught.value).splitlines()[1:]
    assert expected in line


def test_a_study_may_ask_again_in_several_ways(write: Callable[..., Path], sound: dict[str, Any]) -> None:
    repeats = [
        {"name": "again"},
        {"name": "small-batches", "batch_tokens": 512},
        {"name": "shuffled", "order": "shuffled"},
        {"name": "bf16", "dtype": "bfloat16"},
        {"name": "vllm", "engine": "vllm", "systems": ["tiny"]},
    ]
    floor = {"items": 20, "personas": ["man", "no-persona"], "repeats": repeats}
    sound["studies"]["first"]["noise_floor"] = floor
    loaded = load_catalog(write({"a.yaml": sound})).studies["first"].noise_floor
    assert loaded is not None
    assert [repeat.name for repeat in loaded.of_system("tiny")] == [str(each["name"]) for each in repeats]
    assert [repeat.name for repeat in loaded.of_system("big@int8")] == ["again", "small-batches", "shuffled", "bf16"]


def test_none_is_measured_unless_it_is_asked_for(write: Callable[..., Path], sound: dict[str, Any]) -> None:
    assert load_catalog(write({"a.yaml": sound})).studies["first"].noise_floor is None


def test_a_repeat_changes_what_it_names_and_nothing_else() -> None:
    settings = EngineSettings(dtype="bfloat16", batch_tokens=4096, scoring="mean")
    assert RepeatSettings(name="again", order="shuffled").applied_to(settings) == settings
    other = RepeatSettings(name="x", batch_tokens=512, dtype="float32", engine="vllm").applied_to(settings)
    assert other == settings.model_copy(update={"batch_tokens": 512, "dtype": "float32", "name": "vllm"})


def test_whatever_a_cell_does_not_know_of_its_asking_stands_in_its_repetition() -> None:
    """Else an asking-again with other batches would be served the answers of the one before."""
    ways = [
        RepeatSettings(name="a"),
        RepeatSettings(name="b"),
        RepeatSettings(name="a", batch_tokens=512),
        RepeatSettings(name="a", batch_tokens=1024),
        RepeatSettings(name="a", concurrency=512),
        RepeatSettings(name="a", order="shuffled"),
    ]
    found = [way.repetition(seed=0) for way in ways]
    assert len(set(found)) == len(found)
    assert ways[-1].repetition(seed=1) != found[-1]
    assert ways[0].repetition(seed=1) == found[0]
    assert RepeatSettings(name="a", systems=("tiny",)).repetition(seed=0) == found[0]


def test_what_was_changed_is_said_in_words() -> None:
    every = RepeatSettings(name="x", batch_tokens=1024, order="shuffled", dtype="bfloat16", engine="vllm")
    assert every.changed() == "batches of at most 1,024 tokens; shuffled order; bfloat16; engine vllm"
    assert RepeatSettings(name="x", concurrency=4).changed() == "at most 4 requests at once"
    assert RepeatSettings(name="x").changed() == ""
    assert NoiseFloor(repeats=(every,)).named("x") is every
