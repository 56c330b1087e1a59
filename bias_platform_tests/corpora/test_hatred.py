"""HatReD: records with one target, explanations as labels, the folder of memes."""

import json
from pathlib import Path
from typing import Any

import pytest

from bias_platform.catalog.entries import CorpusEntry
from bias_platform.corpora import CorpusTables, read_corpus, source_hash
from bias_platform.errors import CorpusError
from bias_platform_tests.corpora.pictures_for_tests import tiny_png, write_pictures

NAMES = ["00001.png", "00002.png", "00003.png", "00004.png"]


def record(number: int, **fields: Any) -> dict[str, Any]:
    plain = {"id": number, "img": f"{number:05d}.png", "target": ["the circles"], "reasonings": ["teases the circles."]}
    return {**plain, **fields}


def corpus(folder: Path, train: list[Any], test: list[Any] | None = None, **fields: Any) -> CorpusEntry:
    for split, records in (("train", train), ("test", test)):
        if records is not None:
            lines = "".join(json.dumps(line) + "\n" for line in records)
            (folder / f"fhm_{split}_reasonings.jsonl").write_text(lines)
    memes = write_pictures(folder / "memes", NAMES)
    return CorpusEntry(reader="hatred", path=str(folder), pictures=str(memes)).model_copy(update=fields)


def read(folder: Path, train: list[Any], test: list[Any] | None = None, **fields: Any) -> CorpusTables:
    return read_corpus("m", corpus(folder, train, test, **fields))


def test_records_with_one_target_are_kept(tmp_path: Path) -> None:
    train = [record(1), record(2, target=["a", "b"], reasonings=["x.", "y."]), record(3, target=[None])]
    tables = read(tmp_path, train, [record(4, target=["The  Crosses"])])
    assert tables.facts["records"] == {"train": 3, "test": 1}
    assert tables.facts["records_kept"] == {"train": 2, "test": 1}
    items = tables.items.set_index("source_id")
    assert items["target_group"].to_dict() == {"1": "the circles", "3": None, "4": "the crosses"}
    assert items["split"].to_dict() == {"1": "train", "3": "train", "4": "test"}
    assert (items["text"] == "").all()
    assert tables.pictures[items.loc["4", "picture"]].read_bytes() == tiny_png(3)
    every = read(tmp_path, train, parameters={"targets": "all"})
    assert every.items.set_index("source_id").loc["2", "target_group"] == "a, b"
    assert every.facts["records_kept"] == {"train": 3, "test": 1}


def test_sentences_are_labels_but_no_facts(tmp_path: Path) -> None:
    tables = read(
        tmp_path, [record(1, reasonings=[" teases the circles. ", "mocks the circles."]), record(2, reasonings=[])]
    )
    assert tables.annotations["label"].tolist() == ["teases the circles.", "mocks the circles."]
    assert tables.annotations["annotator_id"].tolist() == [None, None]
    assert tables.facts["items_without_annotation"] == 1
    assert "circles." not in json.dumps(tables.facts), "what is shown in the UI holds no text of the corpus"
    fewer = tables.without(tables.items["item_id"].tolist()[:1])
    assert "labels" not in fewer.facts


def test_annotators_are_an_extra_field(tmp_path: Path) -> None:
    people = [{"id": "p1", "gender": "man"}, {"id": "p2", "gender": "woman", "politics": "cons"}]
    train = [record(1, reasonings=["a.", "b."], annotators=people), record(2)]
    annotations = read(tmp_path, train).annotations
    assert annotations["annotator_gender"].tolist() == ["man", "woman", None]
    assert annotations["annotator_politics"].tolist() == [None, "cons", None]
    assert annotations["annotator_id"].notna().tolist() == [True, True, False]
    assert annotations["annotator_id"].nunique() == 2


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    train = [
        record(1, img="../../etc/passwd"),
        record(2, target="the circles"),
        record(3, reasonings=["", 4]),
        record(4, annotators=[{"gender": "man"}, {"gender": "man"}]),
        record(4, annotators=[{"Gen der": 1}], id=None),
    ]
    (tmp_path / "fhm_test_reasonings.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(CorpusError) as caught:
        read(tmp_path, train)
    found = str(caught.value)
    file = "fhm_train_reasonings.jsonl"
    assert f"{file}, record 1: img is not the plain name of a file" in found
    assert f"{file}, record 2: target is no list of texts" in found
    assert f"{file}, record 3: reasonings is no list of sentences" in found
    assert f"{file}, record 4: 1 reasonings and 2 annotators: the lists must be parallel" in found
    assert f"{file}, record 5: annotators is no list of objects" in found
    assert f"{file}, record 5: id is neither a number nor a text" in found
    assert "fhm_test_reasonings.jsonl has not the declared shape" in found
    (tmp_path / "fhm_test_reasonings.jsonl").unlink()
    with pytest.raises(CorpusError, match="the id 1 stands twice"):
        read(tmp_path, [record(1), record(1)])
    with pytest.raises(CorpusError, match=r"allowed is targets \(single or all\); found targets: two"):
        read(tmp_path, [record(1)], parameters={"targets": "two"})
    with pytest.raises(CorpusError, match=r"no record of .* has exactly one target"):
        read(tmp_path, [record(1, target=["a", "b"])])


def test_memes_that_are_missing(tmp_path: Path) -> None:
    entry = corpus(tmp_path, [record(1), record(8), record(9)], access="They come from the challenge.")
    with pytest.raises(
        CorpusError, match=r"2 of 3 pictures cannot be used: 00008\.png is not there; 00009\.png is not"
    ):
        read_corpus("m", entry)
    with pytest.raises(CorpusError, match="2 of 3 pictures cannot be used"):
        source_hash("m", entry)
    gone = entry.model_copy(update={"pictures": str(tmp_path / "no")})
    expected = (
        r"there is no folder .*no of the memes; They come from the challenge\. Then set `pictures` to where they lie"
    )
    for told_by in (read_corpus, source_hash):
        with pytest.raises(CorpusError, match=expected):
            told_by("m", gone)
    with pytest.raises(
        CorpusError, match=r"holds none of fhm_train_reasonings\.jsonl, .*; They come from the challenge"
    ):
        read_corpus("m", entry.model_copy(update={"path": str(tmp_path / "memes")}))


def test_the_source_hash_follows_the_pictures(tmp_path: Path) -> None:
    entry = corpus(tmp_path, [record(1), record(2, target=["a", "b"], reasonings=["x.", "y."])])
    first = source_hash("m", entry)
    (tmp_path / "memes" / "00002.png").write_bytes(tiny_png(99))
    assert source_hash("m", entry) == first, "the picture of a record that is left out does not count"
    (tmp_path / "memes" / "00001.png").write_bytes(tiny_png(98))
    assert source_hash("m", entry) != first


def test_one_file(tmp_path: Path) -> None:
    entry = corpus(tmp_path, [record(1)], [record(2)])
    alone = entry.model_copy(update={"path": str(tmp_path / "fhm_test_reasonings.jsonl")})
    assert read_corpus("m", alone).items["split"].tolist() == ["test"]
