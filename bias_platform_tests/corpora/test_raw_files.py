"""Raw files: nothing is cut, shifted or skipped without a word."""

import json
from pathlib import Path

import pandas as pd
import pytest

from bias_platform.corpora.raw_files import as_texts, read_columns
from bias_platform.errors import CorpusError


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv_keeps_newlines_quotes_nul_and_long_fields(tmp_path: Path) -> None:
    long = "x" * 200_000
    path = written(tmp_path, "a.csv", f'\ufeffpost,n\n"two\nlines, ""quoted""",1\n\n"a\x00b",2\n{long},3\n')
    table = read_columns(path, None, ["post", "n"])
    assert table["post"].tolist() == ['two\nlines, "quoted"', "a\x00b", long]
    assert table["n"].tolist() == ["1", "2", "3"]


def test_tabs_by_extension(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", "post\tn\nhi, you\t1\n")
    assert read_columns(path, None, ["post"])["post"].tolist() == ["hi, you"]


def test_rows_of_another_length_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a,b\n1,2\n1,2,3\n1\n")
    with pytest.raises(CorpusError, match=r"2 rows \(2, 3\) without the 2 cells"):
        read_columns(path, None, ["a"])


def test_an_open_quote_is_an_error_not_a_huge_field(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'a,b\n"x,1\ny,2\n')
    with pytest.raises(CorpusError, match=r"line 3 is no valid CSV .* check its quotes"):
        read_columns(path, None, ["a"])


def test_undecodable_lines_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b"a\nfine\ncaf\xe9\nna\xefve\n")
    with pytest.raises(CorpusError, match=r"not UTF-8 in 2 lines \(3, 4\); save the file as UTF-8"):
        read_columns(path, None, ["a"])


def test_all_missing_columns_are_named_with_those_there(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a,b,b\n1,2,3\n")
    with pytest.raises(CorpusError) as caught:
        read_columns(path, None, ["x", "y", "b"])
    message = str(caught.value)
    for part in ("'x' is missing", "'y' is missing", "'b' is there 2 times", "the columns there: 'a', 'b', 'b'"):
        assert part in message


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_empty_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError, match="is empty"):
        read_columns(written(tmp_path, name, "\n"), None, ["a"])


def test_a_missing_file_and_an_unknown_extension(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="there is no file"):
        read_columns(tmp_path / "no.csv", None, ["a"])
    with pytest.raises(CorpusError, match=r"extension '.xlsx' says no format; set `format`"):
        read_columns(written(tmp_path, "a.xlsx", "a\n1\n"), None, ["a"])
    assert len(read_columns(tmp_path / "a.xlsx", "csv", ["a"])) == 1


def test_jsonl_problems_come_together(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"a": 1}\n{"a": \n[1]\n\n{"b": 2}\n')
    with pytest.raises(CorpusError) as caught:
        read_columns(path, None, ["a"])
    assert "line 2 is no JSON" in str(caught.value)
    assert "line 3 is no JSON object but a list" in str(caught.value)


def test_jsonl_values_survive(tmp_path: Path) -> None:
    records = [{"a": "x\ny\u2028z", "n": 3}, {"a": None, "extra": [1, 2]}]
    path = written(tmp_path, "a.jsonl", "\n".join(json.dumps(record, ensure_ascii=False) for record in records))
    table = read_columns(path, None, ["a"], ["n"])
    assert table["a"].tolist() == ["x\ny\u2028z", None]
    assert table["n"].tolist() == [3, None]


def test_parquet_keeps_whole_numbers_beside_missing_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": ["x", "y"]}).to_parquet(path)
    texts, wrong = as_texts(read_columns(path, None, ["a", "b"])["a"])
    assert (texts.tolist(), wrong) == (["1", ""], [])
    with pytest.raises(CorpusError, match="no readable Parquet file"):
        read_columns(written(tmp_path, "b.parquet", "junk"), None, ["a"])


def test_values_that_are_no_text_are_named_by_row() -> None:
    values = pd.Series(["x", 3, 2.0, 0.5, True, None, ["list"], float("nan")], dtype=object)
    texts, wrong = as_texts(values)
    assert texts.tolist() == ["x", "3", "2", "0.5", "True", "", "", ""]
    assert wrong == [7]
    assert as_texts(values, strict=True)[1] == [2, 3, 4, 5, 7]
