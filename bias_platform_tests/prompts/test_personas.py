"""Persona sets as tables."""

import json

import pytest

from bias_platform.catalog.entries import PersonaSetEntry
from bias_platform.errors import CatalogError
from bias_platform.prompts import personas_table


def test_named_then_control_then_baseline(persona_set: PersonaSetEntry) -> None:
    table = personas_table(persona_set)
    assert table["persona_id"].tolist()[-2:] == ["anyone", "no-persona"]
    assert table["role"].tolist() == ["named"] * 5 + ["control", "baseline"]
    assert table["dimension"].tolist()[-2:] == ["control", "baseline"]
    assert table["phrase"].tolist()[-1] is None
    assert json.loads(table["attributes"][2]) == {"gender": "man", "orientation": "gay"}
    assert table["label"][0] == "man"


def test_dimensions_and_baseline_are_chosen(persona_set: PersonaSetEntry) -> None:
    table = personas_table(persona_set, dimensions=("both",), baseline=False)
    assert table["persona_id"].tolist() == ["gay-man", "man-again", "gay-woman", "anyone"]
    with pytest.raises(CatalogError, match="no dimension sex, age; it has: gender, both"):
        personas_table(persona_set, dimensions=("sex", "gender", "age"))
