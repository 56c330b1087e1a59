"""Fingerprints of recipes: what changes them, and that fields the catalog gains later do not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bias_platform.catalog import Catalog, TrainingData, load_catalog
from bias_platform.catalog.declared import declared
from bias_platform.catalog.recipes import (
    learner_data,
    learner_fingerprint,
    learners,
    learns_here,
    model_slugs,
    recipe_fingerprint,
)

Writer = Callable[..., Path]
SMALL = Path(__file__).parents[1] / "wiring" / "small_catalog.yaml"

POLICIES = {"by-sex": {"rule": "unanimous", "within": "gender"}, "mode": {"rule": "mode", "priority": ["Yes", "No"]}}
ELSEWHERE = {"endpoint": "lab", "api_names": {"big": "tuned-big"}, "snapshot": "2026-02-01"}


def _specific(catalog: dict[str, Any]) -> None:
    catalog["corpora"]["posts"]["label_policies"] = POLICIES
    catalog["adapters"]["tuned"]["training"] |= {"personas": "specific", "persona": "man", "labels": "by-sex"}


def _loaded(write: Writer, content: dict[str, Any]) -> Catalog:
    return load_catalog(write({"a.yaml": content}))


def test_models_made_before_a_field_was_added_are_not_out_of_date(tmp_path: Path) -> None:
    """As they were before training data, corpora, tasks and recipes gained fields."""
    shutil.copy(SMALL, tmp_path)
    catalog = load_catalog(tmp_path)
    assert {slug: recipe_fingerprint(catalog, slug) for slug in model_slugs(catalog)} == {
        "tiny": "c3a8334b15c1a8b6bd071bcf34e5cbc3",
        "tiny+people": "716bd40623cb797aae513fa89c062375",
        "tiny+people@nf4": "193c170bed06c23d051ab0c46282d94c",
    }
    assert {learner: learner_fingerprint(catalog, learner) for learner in learners(catalog)} == {
        "tiny": "a2bb847daa60ae19dc93ebc200c3fad0",
        "people": "05b9cb82e0eede8d7850baaeb0432b54",
    }


def test_a_later_field_counts_once_it_is_used() -> None:
    data = TrainingData(corpus="c", task="t", persona_set="p", template_set="w")
    assert not {"persona", "labels", "templates", "answer_prefix"} & set(declared(data))
    assert declared(data)["seed"] == 0, "a field from the beginning stands there at its default, too"
    used = declared(data.model_copy(update={"answer_prefix": "The meme "}))
    assert used == declared(data) | {"answer_prefix": "The meme "}


@pytest.mark.parametrize(
    ("path", "value", "changes"),
    [
        ("corpora/posts/label_policies/by-sex/minimum_annotators", 2, True),
        ("corpora/posts/label_policies/mode/minimum_annotators", 2, False),
        ("corpora/posts/access", "Ask.", False),
        ("persona_sets/people/dimensions/gender/0/phrase", "a male person", True),
        ("persona_sets/people/dimensions/gender/1/phrase", "a female person", False),
        ("persona_sets/people/dimensions/gender/0/label", "men", False),
        ("adapters/tuned/training/persona", "woman", True),
        ("adapters/tuned/rank", 8, True),
        ("tasks/rude/version", 2, True),
    ],
)
def test_what_a_group_s_adapter_depends_on(
    write: Writer, sound: dict[str, Any], path: str, value: object, changes: bool
) -> None:
    _specific(sound)
    del sound["models"]["tiny"]["recipe"], sound["models"]["tiny"]["kind"]
    sound["models"]["tiny"] |= {"kind": "hub", "hub_id": "somebody/tiny"}
    before = recipe_fingerprint(_loaded(write, sound), "tiny+tuned")
    *way, last = path.split("/")
    place: Any = sound
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[last] = value
    assert (recipe_fingerprint(_loaded(write, sound), "tiny+tuned") != before) == changes


def test_an_adapter_of_a_folder_is_its_folder(write: Writer, sound: dict[str, Any]) -> None:
    adapter = sound["adapters"]["tuned"]
    adapter["trained_elsewhere"] = {"folder": "there"}
    catalog = _loaded(write, sound)
    assert learners(catalog) == ("tiny", "tuned"), "its examples are published for whoever trains it"
    assert (learns_here(catalog, "tuned"), learns_here(catalog, "tiny")) == (False, True)
    before = recipe_fingerprint(catalog, "tiny+tuned")
    adapter["rank"] = 99
    adapter["training"]["seed"] = 4
    assert recipe_fingerprint(_loaded(write, sound), "tiny+tuned") == before
    del adapter["training"]
    catalog = _loaded(write, sound)
    assert (learners(catalog), recipe_fingerprint(catalog, "tiny+tuned")) == (("tiny",), before)
    with pytest.raises(ValueError, match="'tuned' learns nothing here"):
        learner_data(catalog, "tuned")
    adapter["trained_elsewhere"]["folder"] = "elsewhere"
    assert recipe_fingerprint(_loaded(write, sound), "tiny+tuned") != before


def test_a_served_adapter_needs_no_base_here(write: Writer, sound: dict[str, Any]) -> None:
    sound["adapters"]["tuned"] = {"trained_elsewhere": ELSEWHERE}
    study = sound["studies"]["first"] | {"systems": ["big+tuned"], "analysis": {}}
    sound["studies"]["first"] = study | {"engine": {"name": "openai", "ask": "generate"}}
    catalog = _loaded(write, sound)
    assert model_slugs(catalog) == ()
    before = recipe_fingerprint(catalog, "big+tuned")
    sound["models"]["big"]["hub_id"] = "somebody/bigger"
    assert recipe_fingerprint(_loaded(write, sound), "big+tuned") == before, "the base is the endpoint's affair"
    sound["adapters"]["tuned"]["trained_elsewhere"] = ELSEWHERE | {"snapshot": "2026-03-01"}
    assert recipe_fingerprint(_loaded(write, sound), "big+tuned") != before
