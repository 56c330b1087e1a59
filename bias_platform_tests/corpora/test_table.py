"""The column-mapped reader: labels, counts, bad posts, errors."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bias_platform.catalog.entries import ColumnMapping, CorpusEntry
from bias_platform.corpora import CorpusTables, read_corpus
from bias_platform.errors import CorpusError


def read(folder: Path, rows: list[dict[str, Any]], *, decode_html: bool = False, **columns: Any) -> CorpusTables:
    label_values = columns.pop("label_values", {})
    path = folder / "posts.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    mapping = ColumnMapping(**{"text": "post", **columns})
    entry = CorpusEntry(path=str(path), columns=mapping, label_values=label_values, decode_html=decode_html)
    return read_corpus("t", entry)


BAD_POSTS = [
    "<script>alert(1)</script> &amp;",
    "nul\x00inside",
    "שלום עולם",
    "braces {content} {persona} {}",
    "long " + "y" * 100_000,
    "two\nlines",
    "comma, \"quotes\" and 'more'",
]


def test_bad_posts_are_read_whole(tmp_path: Path) -> None:
    tables = read(tmp_path, [{"post": post} for post in [*BAD_POSTS, "\x00 \t", ""]])
    assert tables.items["text"].tolist() == [BAD_POSTS[0], "nulinside", *BAD_POSTS[2:]]
    assert tables.facts["dropped_empty_posts"] == 2
    assert tables.facts["rows"] == 9
    assert tables.annotations.empty


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_the_three_formats_agree(tmp_path: Path, form: str) -> None:
    frame = pd.DataFrame({"post": BAD_POSTS[2:4], "n": [1, 0], "who": ["a", None]})
    path = tmp_path / f"posts.{form}"
    if form == "csv":
        frame.to_csv(path, index=False)
    elif form == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")))
    else:
        frame.to_parquet(path)
    mapping = ColumnMapping(text="post", label="n", annotator="who")
    tables = read_corpus("t", CorpusEntry(path=str(path), columns=mapping, label_values={"1": "Yes", "0": "No"}))
    assert tables.items["text"].tolist() == BAD_POSTS[2:4]
    assert tables.annotations["label"].tolist() == ["Yes", "No"]
    assert tables.annotations["annotator_id"].notna().tolist() == [True, False]


def test_judgements_of_one_text_share_the_item(tmp_path: Path) -> None:
    rows = [
        {"post": "a ", "y": "Yes", "who": "w1", "g": "man", "id": "1", "t": "x", "s": "train"},
        {"post": "a", "y": "No", "who": "w2", "g": "", "id": "2", "t": "y", "s": "train"},
        {"post": "b", "y": "", "who": "w1", "g": "man", "id": "7", "t": "", "s": "test"},
    ]
    columns = {"id": "id", "label": "y", "annotator": "who", "target_group": "t", "split": "s"}
    tables = read(tmp_path, rows, **columns, annotator_attributes={"gender": "g"})
    assert tables.items["text"].tolist() == ["a", "b"]
    assert tables.items["target_group"].tolist() == ["x", None]
    assert tables.items["source_id"].tolist() == ["1", "7"]
    assert tables.annotations["annotator_gender"].tolist() == ["man", None]
    assert tables.annotations["annotator_id"].nunique() == 2
    facts = tables.facts
    assert (facts["rows_without_label"], facts["items_without_annotation"]) == (1, 1)
    assert facts["missing_running_numbers"] == 4
    json.dumps(facts)


def test_count_columns_may_share_an_option(tmp_path: Path) -> None:
    rows = [{"post": "a", "hate": 1, "off": 2, "ok": 0}, {"post": "b", "hate": 0, "off": 0, "ok": 3}]
    rows.append({"post": "c", "hate": 0, "off": 0, "ok": 0})
    tables = read(tmp_path, rows, label_counts={"hate": "Yes", "off": "Yes", "ok": "No"})
    assert tables.annotations[["label", "annotators"]].to_numpy().tolist() == [["Yes", 3], ["No", 3]]
    assert tables.annotations["annotator_id"].isna().all()
    assert len(tables.items) == 3
    assert (tables.facts["rows"], tables.facts["rows_without_label"], tables.facts["annotations"]) == (3, 1, 6)


def test_labels_match_as_numbers(tmp_path: Path) -> None:
    rows = [{"post": str(n), "y": y} for n, y in enumerate(["1.0", "1", " 0.50", "0"])]
    values = {"1": "Yes", "0.5": "Maybe", "0.0": "No"}
    tables = read(tmp_path, rows, label="y", label_values=values)
    assert tables.annotations["label"].tolist() == ["Yes", "Yes", "Maybe", "No"]


def test_unmapped_labels_are_listed_with_counts(tmp_path: Path) -> None:
    rows = [{"post": str(n), "y": y} for n, y in enumerate(["a", "b", "b", "c", ""])]
    with pytest.raises(CorpusError) as caught:
        read(tmp_path, rows, label="y", label_values={"a": "Yes"})
    message = str(caught.value)
    assert "the value 'b' (2 rows)" in message
    assert "the value 'c' (1 row)" in message
    assert "(there are: 'a')" in message


def test_a_missing_label_can_be_an_option(tmp_path: Path) -> None:
    rows = [{"post": "p", "y": "a"}, {"post": "q", "y": ""}]
    tables = read(tmp_path, rows, label="y", label_values={"a": "Yes", "": "Incomprehensible"})
    assert tables.annotations["label"].tolist() == ["Yes", "Incomprehensible"]


def test_wrong_values_of_all_columns_come_together(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    records = [{"post": "a", "n": 1, "m": "x"}, {"post": 5, "n": -1, "m": 2}, {"post": ["l"], "n": 0.5, "m": 0}]
    path.write_text("\n".join(json.dumps(record) for record in records))
    mapping = ColumnMapping(text="post", label_counts={"n": "Yes", "m": "No"})
    with pytest.raises(CorpusError) as caught:
        read_corpus("t", CorpusEntry(path=str(path), columns=mapping))
    message = str(caught.value)
    assert "column 'post': 2 rows (2, 3) do not hold text" in message
    assert "column 'n': 2 rows (2, 3) hold no count" in message
    assert "column 'm': 1 row (1) hold no count" in message


def test_no_rows_no_posts_no_file_no_columns(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no post: 2 rows read, all with an empty text"):
        read(tmp_path, [{"post": " ", "x": 1}, {"post": "\x00", "x": 1}])
    (tmp_path / "h.csv").write_text("post\n")
    with pytest.raises(CorpusError, match="has a header but no row"):
        read_corpus("t", CorpusEntry(path=str(tmp_path / "h.csv"), columns=ColumnMapping(text="post")))
    entry = CorpusEntry(path=str(tmp_path / "no.csv"), columns=ColumnMapping(text="post"), source="the archive")
    with pytest.raises(
        CorpusError, match=r"corpus 't' cannot be read: there is no file .* \(it comes from the archive\)"
    ):
        read_corpus("t", entry)
    with pytest.raises(CorpusError, match="needs `columns`"):
        read_corpus("t", entry.model_copy(update={"columns": None}))


def test_item_ids_depend_on_corpus_and_cleaned_text_only(tmp_path: Path) -> None:
    first = read(tmp_path, [{"post": " @me: hi ", "x": 1}, {"post": "b", "x": 2}]).items
    second = read(tmp_path, [{"post": "b", "x": 9}, {"post": "@you: hi", "x": 9}], id="x").items
    assert first["item_id"].tolist() == second["item_id"].tolist()[::-1]
    assert first["item_id"].str.fullmatch("[0-9a-f]{16}").all()
