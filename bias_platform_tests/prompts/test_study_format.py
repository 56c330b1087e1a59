"""The persona study's own files: shapes, slugs, and personas that break their dimension's pattern."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bias_platform.catalog import PersonaEntry
from bias_platform.errors import CorpusError
from bias_platform.prompts.study_format import (
    column_slug,
    odd_personas,
    persona_id,
    read_persona_map,
    read_persona_set,
    read_question,
    read_templates,
)

CONTROL = PersonaEntry(id="anyone", phrase="a person in Utopia")
_REPOSITORY = Path(__file__).parents[2]
_STUDY = Path(os.environ.get("BIAS_PLATFORM_SHARED_DATA", _REPOSITORY / "../shared/data")) / "persona_study"


@pytest.fixture
def study() -> Path:
    """The study's files."""
    if not _STUDY.is_dir():
        pytest.skip(f"the persona study's files are not at {_STUDY}; set BIAS_PLATFORM_SHARED_DATA")
    return _STUDY


def _file(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


@pytest.mark.parametrize(
    ("phrase", "slug"),
    [
        ("a non-binary individual in the United States", "a_non_binary_individual_in_the_United_States"),
        ("an Asian/Asian American individual", "an_Asian_Asian_American_individual"),
        ("  (a) café owner! ", "a_caf_owner"),
    ],
)
def test_slugs_are_those_of_the_result_columns(phrase: str, slug: str) -> None:
    assert column_slug(phrase) == slug


@settings(deadline=None)
@given(st.text(max_size=200))
def test_ids_are_catalog_slugs_and_depend_on_the_phrase_alone(phrase: str) -> None:
    assume(re.search(r"[A-Za-z0-9]", column_slug(phrase)))
    slug = persona_id(phrase)
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", slug)
    assert len(slug) <= 80
    assert slug == persona_id(phrase)


@settings(deadline=None)
@given(st.text("abc ", min_size=81, max_size=120), st.text("abc", min_size=1, max_size=3))
def test_long_phrases_that_differ_at_the_end_stay_apart(phrase: str, ending: str) -> None:
    long = f"{'x' * 81} {phrase}".rstrip()
    assert persona_id(long) != persona_id(f"{long} {ending}")


def test_phrase_without_letters_has_no_id() -> None:
    with pytest.raises(CorpusError, match="no letter a-z or digit"):
        persona_id("***")


def test_files_become_one_set(tmp_path: Path) -> None:
    gender = _file(tmp_path, "gender.json", {"gender": ["a man in Utopia", "a woman in Utopia"]})
    single = _file(tmp_path, "owl.json", {"Night Owls": ["a night owl in Utopia"]})
    codes = _file(tmp_path, "map.json", {"m": "a man in Utopia", "x": "a robot in Utopia"})
    found = read_persona_set([gender, single], CONTROL, {"sex": codes})
    assert list(found.entry.dimensions) == ["gender", "night_owls"]
    man, woman = found.entry.dimensions["gender"]
    assert (man.id, man.phrase, dict(man.attributes)) == ("a_man_in_utopia", "a man in Utopia", {"sex": "m"})
    assert dict(woman.attributes) == {}
    assert found.entry.control == CONTROL
    assert (found.odd, found.unmatched) == ((), ("a robot in Utopia",))


def test_problems_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    one = _file(tmp_path, "one.json", {"gender": ["a man", "a Man"], "age": "old"})
    two = _file(tmp_path, "two.json", {"gender": ["a woman"], "sleep": []})
    with pytest.raises(CorpusError) as caught:
        read_persona_set([one, two], CONTROL)
    text = str(caught.value)
    assert "one.json: 'age' must hold a list of phrases" in text
    assert "two.json: 'sleep' must hold a list of phrases" in text
    assert "two.json: the dimension 'gender' occurs in an earlier file too" in text
    assert "the persona id 'a_man' occurs 2 times" in text


@pytest.mark.parametrize(
    ("content", "part"),
    [("[1]", "must hold one JSON object"), ("{", "is not JSON"), ('{"a": "x", "a": "y"}', "key 'a' is given twice")],
)
def test_files_of_another_shape(tmp_path: Path, content: str, part: str) -> None:
    with pytest.raises(CorpusError, match=part):
        read_persona_map(_file(tmp_path, "a.json", content))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read: No such file"):
        read_question(tmp_path / "none.json")


def test_wordings_and_question(tmp_path: Path) -> None:
    wordings = read_templates(_file(tmp_path, "t.json", {"Instruction 1": "Be {persona}.", "two": "As {persona}:"}))
    assert dict(wordings.templates) == {"instruction_1": "Be {persona}.", "two": "As {persona}:"}
    with pytest.raises(CorpusError, match=r"two: \{persona\} must stand exactly once"):
        read_templates(_file(tmp_path, "t.json", {"one": "Be {persona}.", "two": "Be somebody."}))
    assert read_question(_file(tmp_path, "q.json", {"user_prompt": "Rude? {content}"})) == "Rude? {content}"
    with pytest.raises(CorpusError, match=r"expected the key 'user_prompt', found prompt"):
        read_question(_file(tmp_path, "q.json", {"prompt": "x"}))
    with pytest.raises(CorpusError, match="user_prompt must be a text"):
        read_question(_file(tmp_path, "q.json", {"user_prompt": 3}))


@pytest.mark.parametrize(
    ("phrases", "reasons"),
    [
        (["a man in Utopia", "a woman in Utopia", "a gamer"], ["lacks 'in Utopia', which 2 of 3 have"]),
        (["a man in Utopia", "a woman in Utopia", "a gamer in Utopia who sings"], []),
        (["a tall man in Utopia", "a wise man in Utopia", "a gamer in Utopia"], []),
        (["a man", "a woman", "gamer"], ["has no article; 2 of 3 have one"]),
        (["man", "woman", "a gamer"], []),
        (["a man", "an woman", "a gamer"], ["'an' does not go with 'woman'"]),
        (["a Asian cook", "a Black cook"], ["'a' does not go with 'Asian'"]),
        (["a European cook", "an honest cook", "a university cook", "an LGBT cook", "a US cook"], []),
        (["a man in Utopia", "a gamer"], []),
        (["the man in the moon"], []),
    ],
)
def test_patterns(phrases: list[str], reasons: list[str]) -> None:
    assert [found.reason for found in odd_personas("d", phrases)] == reasons


@settings(deadline=None)
@given(
    names=st.lists(st.text("bcdfg", min_size=3, max_size=8), min_size=3, max_size=8, unique=True),
    data=st.data(),
)
def test_the_one_without_the_ending_is_found_wherever_it_stands(names: list[str], data: st.DataObject) -> None:
    phrases = [f"a {name} in the United Islands" for name in names]
    assert list(odd_personas("d", phrases)) == []
    place = data.draw(st.integers(0, len(names) - 1))
    phrases[place] = f"a {names[place]}"
    assert [found.phrase for found in odd_personas("d", phrases)] == [f"a {names[place]}"]


def test_typo_of_the_study_is_found_and_nothing_else(study: Path) -> None:
    found = [
        (path.name, odd)
        for path in sorted(study.glob("*_personas.json"))
        for dimension, phrases in json.loads(path.read_text("utf-8")).items()
        for odd in odd_personas(dimension, phrases)
    ]
    assert [name for name, _ in found] == ["SBIC_race_ethnicity_personas.json"]
    odd = found[0][1]
    assert odd.dimension == "race_ethnicity"
    assert "mixed-race" in odd.phrase
    assert odd.reason == "lacks 'in the United States', which 6 of 7 have"


def test_corrected_persona_is_no_oddity(study: Path) -> None:
    content = json.loads((study / "SBIC_race_ethnicity_personas.json").read_text("utf-8"))
    mended = json.loads((study / "mixed_race_persona.json").read_text("utf-8"))
    phrases = [*content["race_ethnicity"][:-1], *mended["mixed_race"]]
    assert list(odd_personas("race_ethnicity", phrases)) == []


def test_whole_study_is_read(study: Path) -> None:
    names = ("gender_identity", "sexual_orientation", "gender_identity_x_sexual_orientation", "political_leaning")
    files = [study / f"SBIC_{name}_personas.json" for name in (*names, "race_ethnicity")]
    maps = {"gender": "gender_identity", "politics": "political_leaning", "race": "race_ethnicity"}
    found = read_persona_set(files, CONTROL, {a: study / f"SBIC_{n}_personas_map.json" for a, n in maps.items()})
    assert {name: len(personas) for name, personas in found.entry.dimensions.items()} == {
        "gender_identity": 5,
        "sexual_orientation": 3,
        "gender_identity_x_sexual_orientation": 6,
        "political_leaning": 6,
        "race_ethnicity": 7,
    }
    attributes = [p.attributes for personas in found.entry.dimensions.values() for p in personas if p.attributes]
    assert len(attributes) == 2 + 6 + 4
    assert (len(found.odd), found.unmatched) == (1, ())
    assert len(read_templates(study / "persona_prompts.json").templates) == 3
    assert read_question(study / "SBIC_offensiveYN.json").count("{content}") == 1
    assert "{content}" not in read_question(study / "HatReD_reasonings.json")
