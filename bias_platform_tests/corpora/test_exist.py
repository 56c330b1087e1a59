"""EXIST 2024: parallel lists, splits and languages, labels."""

import json
from pathlib import Path
from typing import Any

import pytest

from bias_platform.catalog.entries import CorpusEntry
from bias_platform.corpora import CorpusTables, read_corpus, source_hash
from bias_platform.errors import CorpusError


def record(**fields: Any) -> dict[str, Any]:
    """A tweet judged by six people, in the form that the organisers publish."""
    return {
        "id_EXIST": "100001",
        "lang": "es",
        "tweet": "hola @alguien",
        "number_annotators": 6,
        "annotators": [f"Annotator_{n}" for n in range(1, 7)],
        "gender_annotators": ["F", "F", "F", "M", "M", "M"],
        "age_annotators": ["18-22", "23-45", "46+", "46+", "23-45", "18-22"],
        "ethnicities_annotators": ["Hispano or Latino", "other", "Multiracial", "other", "other", "other"],
        "study_levels_annotators": [
            "Bachelor\u2019s degree",
            "Doctorate",
            "Bachelor's degree",
            "other",
            "other",
            "other",
        ],
        "countries_annotators": ["Spain", "Mexico", "Spain", "Spain", "Spain", "Spain"],
        "labels_task1": ["YES", "NO", "YES", "NO", "NO", "NO"],
        "labels_task2": ["DIRECT", "-", "DIRECT", "-", "-", "-"],
        "labels_task3": [["OBJECTIFICATION"], ["-"], ["OBJECTIFICATION"], ["-"], ["-"], ["-"]],
        "split": "TRAIN_ES",
        **fields,
    }


def corpus(folder: Path, dev: dict[str, Any] | None = None, **parameters: Any) -> CorpusEntry:
    train = {"100001": record(), "200001": record(tweet="hello", lang="en", split="TRAIN_EN")}
    (folder / "EXIST2024_training.json").write_text(json.dumps(train))
    dev = dev if dev is not None else {"300001": record(tweet="adiós", split="DEV_ES")}
    (folder / "EXIST2024_dev.json").write_text(json.dumps(dev, ensure_ascii=False), "utf-8")
    return CorpusEntry(reader="exist", path=str(folder), parameters=parameters)


def read(folder: Path, dev: dict[str, Any] | None = None, **parameters: Any) -> CorpusTables:
    return read_corpus("e", corpus(folder, dev, **parameters))


def problems(folder: Path, dev: dict[str, Any]) -> list[str]:
    with pytest.raises(CorpusError) as caught:
        read(folder, dev)
    return str(caught.value).splitlines()


def test_a_tweet_becomes_an_item_and_six_judgements(tmp_path: Path) -> None:
    tables = read(tmp_path, language="es")
    assert tables.items[["text", "split", "source_id"]].to_numpy().tolist() == [
        ["hola @user", "train", "100001"],
        ["adiós", "dev", "300001"],
    ]
    first = tables.annotations.iloc[:6]
    assert first["label"].tolist() == ["Yes", "No", "Yes", "No", "No", "No"]
    assert first["annotator_gender"].tolist() == ["woman"] * 3 + ["man"] * 3
    assert first["annotator_age"].tolist() == ["18-22", "23-45", "46+", "46+", "23-45", "18-22"]
    assert first["annotator_ethnicity"].tolist()[:2] == ["Hispano or Latino", "other"]
    assert first["annotator_study_level"].tolist()[:3] == ["Bachelor's degree", "Doctorate", "Bachelor's degree"]
    assert first["annotator_country"].tolist()[:2] == ["Spain", "Mexico"]
    assert first["annotator_id"].nunique() == 6
    assert not first["annotator_id"].str.contains("Annotator").any()
    assert tables.facts["annotators"] == 6


def test_the_language_is_chosen_by_the_split(tmp_path: Path) -> None:
    assert read(tmp_path).items["text"].tolist() == ["hola @user", "hello", "adiós"]
    assert read(tmp_path, language="en").items["text"].tolist() == ["hello"]
    spanish = read(tmp_path, language="es").facts
    assert (spanish["tweets"], spanish["tweets_of_the_language"]) == (3, 2)
    with pytest.raises(CorpusError, match="holds no tweet of language 'en'"):
        read_corpus(
            "e", CorpusEntry(reader="exist", path=str(tmp_path / "EXIST2024_dev.json"), parameters={"language": "en"})
        )


def test_parameters_are_checked(tmp_path: Path) -> None:
    for wrong in ({"language": "fr"}, {"task": 2}, {"seed": 1}):
        with pytest.raises(CorpusError, match=r"allowed are language \(es or en or all\), task \(1\); found"):
            read(tmp_path, **wrong)


def test_a_text_under_two_ids_is_one_item_with_all_judgements(tmp_path: Path) -> None:
    tables = read(tmp_path, {"300001": record(split="DEV_ES"), "300002": record(split="DEV_ES")}, language="es")
    assert tables.items["text"].tolist() == ["hola @user"]
    assert tables.items["split"].tolist() == ["dev"], "what is tested must not have been learnt"
    assert len(tables.annotations) == 18
    assert tables.facts["tweets_repeated_under_another_id"] == 2


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    broken = record(split="TEST_ES", labels_task1=["YES", "Y", "MAYBE", "NO", "NO"])
    del broken["countries_annotators"]
    wrong = {
        "1": record(split="DEV_ES", gender_annotators=["F", "M"]),
        "2": record(split="TEST_ES", labels_task1=["YES", "Y", "MAYBE", "NO", "Y", "NO"]),
        "3": broken,
        "4": "text",
        "5": record(tweet=None, annotators=7),
        "100001": record(split="DEV_ES"),
    }
    lines = problems(tmp_path, wrong)
    assert lines[0] == f"corpus 'e': {tmp_path} holds wrong values:"
    found = "\n".join(lines[1:])
    assert "record '1': lists of unequal length: annotators 6, gender_annotators 2, age_annotators 6" in found
    assert "record '2': split 'TEST_ES' is unknown; allowed: TRAIN_ES, TRAIN_EN, DEV_ES, DEV_EN" in found
    assert "record '2': labels_task1: 'Y', 'MAYBE' unknown; allowed: YES, NO" in found
    assert "record '3': has no countries_annotators" in found
    assert "record '4' is no JSON object but a str" in found
    assert "record '5': tweet is no text but a NoneType" in found
    assert "record '5': annotators: no list of texts" in found
    assert "record '100001' stands twice (again in EXIST2024_dev.json)" in found


def test_a_record_without_annotators_is_not_lost(tmp_path: Path) -> None:
    lists = [name for name, value in record().items() if isinstance(value, list)]
    assert problems(tmp_path, {"1": record(split="DEV_ES", **{name: [] for name in lists})})[1:] == [
        "  - record '1': has no annotator"
    ]


def test_a_key_that_stands_twice_in_a_file_is_seen(tmp_path: Path) -> None:
    corpus(tmp_path)
    one = json.dumps(record(split="DEV_ES"))
    (tmp_path / "EXIST2024_dev.json").write_text(f'{{"7": {one}, "7": {one}}}')
    with pytest.raises(CorpusError, match=r"record '7' stands twice"):
        read_corpus("e", CorpusEntry(reader="exist", path=str(tmp_path)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"[]", "holds no JSON object"), (b'{"a": ', "is no JSON: .* in line 1"), (b'{"\xff": 1}', "not UTF-8 at byte 2")],
)
def test_other_files(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "EXIST2024_dev.json").write_bytes(content)
    with pytest.raises(CorpusError, match=expected):
        read_corpus("e", CorpusEntry(reader="exist", path=str(tmp_path)))


def test_missing_files_say_how_one_gets_them(tmp_path: Path) -> None:
    entry = CorpusEntry(reader="exist", path=str(tmp_path), access="Ask the organisers.")
    expected = r"holds none of EXIST2024_training\.json, .*; Ask the organisers\. Then set `path` to where it lies"
    with pytest.raises(CorpusError, match=expected):
        read_corpus("e", entry)
    with pytest.raises(CorpusError, match=r"there is nothing at .*Ask the organisers"):
        source_hash("e", entry.model_copy(update={"path": str(tmp_path / "no")}))


def test_the_source_hash_follows_files_and_language(tmp_path: Path) -> None:
    first = source_hash("e", corpus(tmp_path))
    assert first == source_hash("e", corpus(tmp_path))
    assert first != source_hash("e", corpus(tmp_path, language="es"))
    assert first != source_hash("e", corpus(tmp_path, {"300001": record(tweet="otra", split="DEV_ES")}))
