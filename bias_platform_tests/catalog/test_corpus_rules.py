"""What must hold within a corpus's entry: downloads, pictures, label policies."""

from typing import Any

import pytest

from bias_platform.catalog.corpus_rules import READER_ATTRIBUTES, READER_LABELS, corpus_problems
from bias_platform.catalog.corpus_settings import CorpusEntry
from bias_platform.catalog.problems import field_path
from bias_platform.corpora import exist, sbic

ARCHIVE = {"url": "https://example.org/a.tgz", "members": ["a.csv"]}
FILE = {"url": "https://example.org/a.csv"}
SBIC = {"reader": "sbic", "path": "x"}
EXIST = {"reader": "exist", "path": "x"}
HATRED = {"reader": "hatred", "path": "x", "pictures": "y"}
TABLE = {"path": "x.csv", "columns": {"text": "t", "label": "l", "annotator_attributes": {"sex": "s"}}}
YES_NO = {**TABLE, "label_values": {"1": "Yes", "0": "No"}}
PRIORITY = ["Yes", "Maybe", "No", "Incomprehensible"]


def found(entry: dict[str, Any]) -> list[str]:
    problems = corpus_problems(CorpusEntry.model_validate(entry), ("corpora", "c"))
    return [f"{field_path(problem.field)}: {problem.message}" for problem in problems]


def policy(**fields: Any) -> dict[str, Any]:
    return {"label_policies": {"p": fields}}


@pytest.mark.parametrize(
    "entry",
    [
        {**SBIC, **policy(rule="mode", priority=PRIORITY, count="rows")},
        {**EXIST, **policy(rule="unanimous", within="gender")},
        {**YES_NO, **policy(rule="mode", priority=["No", "Yes"], within="sex")},
        {**TABLE, **policy(rule="mode", priority=["anything"])},
        {**HATRED, **policy(rule="union", within="whatever")},
        {"reader": "sbic", "download": [ARCHIVE]},
        {"columns": {"text": "t"}, "download": [FILE]},
        {"reader": "sample"},
    ],
)
def test_sound_entries(entry: dict[str, Any]) -> None:
    assert found(entry) == []


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"reader": "exist"}, "corpora.c.path: is required by the reader 'exist'; name the file or folder"),
        ({"reader": "hatred", "path": "x"}, "corpora.c.pictures: is required by the reader 'hatred'"),
        ({**SBIC, "pictures": "y"}, "corpora.c.pictures: is not used by the reader 'sbic'; remove it or use 'hatred'"),
        ({**HATRED, "label_values": {"a": "b"}}, "corpora.c.label_values: is used only with `columns.label`"),
        ({"reader": "sample", "download": [FILE]}, "corpora.c.download: is not used by the reader 'sample'"),
        (
            {**SBIC, "download": [{"url": "https://example.org/a.zip"}]},
            "corpora.c.download[0].members: must name the files that are taken out of the archive 'a.zip'",
        ),
        (
            {**SBIC, "download": [{**FILE, "members": ["a.csv"]}]},
            "corpora.c.download[0].members: is used only with an archive (.tgz, .tar.gz, .zip), and 'a.csv' is none",
        ),
        ({**SBIC, "download": [{"url": "https://example.org/"}]}, "corpora.c.download[0].url: names no file"),
        (
            {**SBIC, "download": [{**ARCHIVE, "members": ["a.csv", "../b.csv"]}]},
            "corpora.c.download[0].members[1]: '../b.csv' is not the plain relative name of a file",
        ),
        (
            {**SBIC, "download": [{**ARCHIVE, "members": ["/b.csv"]}]},
            "corpora.c.download[0].members[0]: '/b.csv' is not the plain relative name of a file",
        ),
        ({**SBIC, "download": [ARCHIVE, FILE]}, "corpora.c.download: brings 2 files of the name 'a.csv' into one"),
        (
            {**TABLE, "download": [FILE, {"url": "https://example.org/b.csv"}]},
            "corpora.c.download: brings 2 files, and the reader 'table' reads one; keep one",
        ),
        (
            {**SBIC, **policy(rule="mode")},
            "label_policies.p.priority: is required by `rule: mode` and must name Yes, Maybe, No, Incomprehensible",
        ),
        (
            {**TABLE, **policy(rule="mode")},
            "p.priority: is required by `rule: mode` and must name every label, the one",
        ),
        (
            {**EXIST, **policy(rule="mode", priority=["Yes"])},
            "p.priority: is required by `rule: mode` and must name No",
        ),
        (
            {**EXIST, **policy(rule="mode", priority=["Yes", "No", "Nope"])},
            "p.priority[2]: there is no label of this corpus 'Nope'; allowed: Yes, No. Did you mean 'No'?",
        ),
        ({**YES_NO, **policy(rule="mode", priority=["Yes", "No", "Yes"])}, "p.priority[2]: 'Yes' is named twice"),
        (
            {**SBIC, **policy(rule="union", priority=["Yes"])},
            "p.priority: is used only with `rule: mode`, and this is 'union'; remove it",
        ),
        ({**HATRED, **policy(rule="mode", priority=["x"])}, "p.rule: 'mode' ranks labels, and those of the reader"),
        ({**EXIST, **policy(rule="union", count="rows")}, "p.count: the reader 'exist' has one row a judgement"),
        (
            {**EXIST, **policy(rule="unanimous", within="politics")},
            "p.within: there is no annotator attribute of this corpus 'politics'; allowed: gender, age, ethnicity",
        ),
        ({**TABLE, **policy(rule="unanimous", within="gender")}, "p.within: there is no annotator attribute of this"),
    ],
)
def test_a_mistake_is_named(entry: dict[str, Any], expected: str) -> None:
    lines = found(entry)
    assert any(expected in line for line in lines), lines


def test_what_readers_are_said_to_know_is_what_they_read() -> None:
    assert READER_ATTRIBUTES["sbic"] == (*sbic.ATTRIBUTES, *sbic.OPTIONAL_ATTRIBUTES)
    assert READER_ATTRIBUTES["exist"] == tuple(exist.ATTRIBUTES)
    assert READER_LABELS["sbic"] == tuple(sbic.LABELS.values())
    assert READER_LABELS["exist"] == tuple(exist.LABELS[1].values())


@pytest.mark.parametrize("url", ["http://example.org/a.csv", "ftp://example.org/a.csv", "file:///etc/passwd"])
def test_only_https_can_be_declared(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        CorpusEntry.model_validate({"reader": "sbic", "download": [{"url": url}]})
