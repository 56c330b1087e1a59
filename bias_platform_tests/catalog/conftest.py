"""A small sound catalog, and a way to break one thing of it."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

SOUND: dict[str, Any] = {
    "name": "trial",
    "corpora": {
        "posts": {
            "path": "posts.csv",
            "columns": {"text": "post", "label": "verdict", "annotator_attributes": {"gender": "sex"}},
            "label_values": {"1": "Yes", "0": "No"},
        },
        "sample": {"reader": "sample", "parameters": {"seed": 3}},
    },
    "persona_sets": {
        "people": {
            "dimensions": {
                "gender": [
                    {"id": "man", "phrase": "a man", "attributes": {"gender": "m"}},
                    {"id": "woman", "phrase": "a woman", "attributes": {"gender": "f"}},
                ],
                "sleep": [{"id": "night-owl", "phrase": "a night owl"}],
            },
            "control": {"id": "anyone", "phrase": "a person"},
        }
    },
    "template_sets": {"wordings": {"templates": {"role": "Play {persona}.", "view": "See it as {persona}."}}},
    "tasks": {
        "rude": {
            "question": "Is it rude?\n{options}\n{content}",
            "options": [{"value": "Yes"}, {"value": "Perhaps"}, {"value": "No"}, {"value": "Unclear"}],
            "positive": ["Yes"],
            "positive_lenient": ["Yes", "Perhaps"],
            "set_aside": ["Unclear"],
        }
    },
    "models": {
        "tiny": {
            "kind": "reference",
            "recipe": {"corpus": "posts", "task": "rude", "persona_set": "people", "template_set": "wordings"},
        },
        "big": {"kind": "hub", "hub_id": "somebody/big"},
        "served": {"kind": "api", "api_name": "served-large"},
    },
    "adapters": {
        "tuned": {"training": {"corpus": "posts", "task": "rude", "persona_set": "people", "template_set": "wordings"}}
    },
    "quantizations": {"int8": {"method": "bitsandbytes-int8"}},
    "studies": {
        "first": {
            "title": "Who finds what rude?",
            "task": "rude",
            "corpus": "posts",
            "persona_set": "people",
            "template_set": "wordings",
            "systems": ["tiny", "tiny+tuned", "big@int8"],
            "analysis": {"changes": [{"from": "tiny", "to": "tiny+tuned"}]},
        }
    },
}

Writer = Callable[..., Path]


@pytest.fixture
def sound() -> dict[str, Any]:
    """A catalog without a mistake, free to be changed."""
    return deepcopy(SOUND)


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Writes `file name -> text or content` into a folder of the test's own and returns the folder."""

    def write_files(files: dict[str, Any], folder: str = "trial") -> Path:
        home = tmp_path / folder
        home.mkdir(exist_ok=True)
        for name, content in files.items():
            text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
            (home / name).write_text(text, "utf-8")
        return home

    return write_files
