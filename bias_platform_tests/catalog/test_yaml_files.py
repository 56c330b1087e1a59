"""Reading one YAML file: values, lines, duplicate keys, syntax errors."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_platform.catalog.yaml_files import YamlFile, read_yaml


def _read(folder: Path, text: str) -> YamlFile:
    path = folder / "a.yaml"
    path.write_text(text, "utf-8")
    return read_yaml(path)


def test_answers_stay_texts_and_only_true_and_false_are_booleans(tmp_path: Path) -> None:
    text = "options: [Yes, No, on, off, y]\nflag: true\nother: False\nnothing: ~\nempty:\nquoted: 'true'"
    assert _read(tmp_path, text).content == {
        "options": ["Yes", "No", "on", "off", "y"],
        "flag": True,
        "other": False,
        "nothing": None,
        "empty": None,
        "quoted": "true",
    }


def test_numbers_and_what_only_looks_like_one(tmp_path: Path) -> None:
    text = "a: 3e-3\nb: 12\nc: -.5\nd: 2024-07-18\ne: 12:30\nf: '7'\ng: 010\nh: 1_000\ni: nan"
    assert _read(tmp_path, text).content == {
        "a": 0.003,
        "b": 12,
        "c": -0.5,
        "d": "2024-07-18",
        "e": "12:30",
        "f": "7",
        "g": 10,
        "h": "1_000",
        "i": "nan",
    }


def test_keys_are_texts_as_written(tmp_path: Path) -> None:
    assert _read(tmp_path, "map: {0: No, 0.5: Maybe, true: x}").content == {
        "map": {"0": "No", "0.5": "Maybe", "true": "x"}
    }


def test_duplicate_key_names_both_lines(tmp_path: Path) -> None:
    file = _read(tmp_path, "studies:\n  one: {n: 1}\n  two: {}\n  one: {n: 2}\n")
    assert file.problems == [(4, "studies.one is given twice, first in line 2; keep one")]
    assert file.content["studies"]["one"] == {"n": 1}


def test_lines_of_fields_and_of_what_is_missing(tmp_path: Path) -> None:
    file = _read(tmp_path, "a:\n  b:\n    - x\n    - y: 1\n")
    assert file.line(("a", "b", 1, "y")) == 4
    assert file.line(("a", "b", 0)) == 3
    assert file.line(("a", "b", 1, "absent", 3)) == 4
    assert file.line(("elsewhere",)) is None


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: [1,\nb: 2\n", 3, "not valid YAML"),
        ("a: 'open\n", 2, "quoted scalar"),
        ("a:\n\tb: 1\n", 2, "cannot start any token"),
        ("- a\n- b\n", 1, "must hold sections"),
        ("a: !!python/object:os.system {}\n", None, None),
        ("a: !secret x\n", 1, "has the tag !secret"),
        ("a: !!int twelve\n", 1, "is not allowed"),
        ("a: &x [*x]\n", 1, "refers to itself"),
        ("? [a, b]\n: 1\n", 1, "a key that is not a plain text"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(
    tmp_path: Path, text: str, line: int | None, part: str | None
) -> None:
    file = _read(tmp_path, text)
    if part is None:  # a tag on a mapping constructs nothing: only plain values come out
        assert file.content == {"a": {}}
        return
    assert [found for found, _ in file.problems] == [line]
    assert part in file.problems[0][1]


def test_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: \xff\xfe\n")
    assert "UTF-8" in read_yaml(path).problems[0][1]


def test_missing_file_is_a_problem_not_an_exception(tmp_path: Path) -> None:
    assert "cannot be read" in read_yaml(tmp_path / "none.yaml").problems[0][1]


def test_empty_file_holds_nothing(tmp_path: Path) -> None:
    file = _read(tmp_path, "# only a remark\n")
    assert (file.content, file.problems) == ({}, [])


_plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("abYes{}: #'\"-é\n", max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdef", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(content=st.dictionaries(st.text("abcdef", min_size=1, max_size=4), _plain, max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]) -> None:
    file = _read(tmp_path_factory.mktemp("yaml"), yaml.safe_dump(content, allow_unicode=True))
    assert file.problems == []
    assert file.content == content


def test_merged_fields_stand_under_the_own_ones(tmp_path: Path) -> None:
    text = "one: &one\n  a: 1\n  b: {c: 2}\ntwo:\n  b: own\n  <<: *one\n  d: 3\nthree: {<<: [*one, {a: 9, e: 5}]}\n"
    file = _read(tmp_path, text)
    assert file.problems == []
    assert file.content["two"] == {"a": 1, "b": "own", "d": 3}
    assert file.content["three"] == {"a": 1, "b": {"c": 2}, "e": 5}
    assert file.line(("two", "a")) == 2, "where it is written"
    assert file.line(("two", "b")) == 5


def test_only_mappings_can_be_merged(tmp_path: Path) -> None:
    assert _read(tmp_path, "a: {<<: text, b: 1}").problems == [
        (1, "a has a << that is no mapping; write e.g. <<: *settings")
    ]
    assert _read(tmp_path, "a: {'<<': 1}").content == {"a": {"<<": 1}}
    loop = _read(tmp_path, "a: &a\n  <<: *a\n")
    assert loop.problems == [(1, "a refers to itself through an alias")]
