"""Dispatch and data versions."""

import subprocess
import sys
from pathlib import Path

import pytest

from bias_platform.catalog.entries import ColumnMapping, CorpusEntry
from bias_platform.corpora import read_corpus, source_hash
from bias_platform.corpora.pseudonyms import KEY_VARIABLE
from bias_platform.errors import CorpusError


def entry(path: Path, **fields: object) -> CorpusEntry:
    return CorpusEntry(path=str(path), columns=ColumnMapping(text="post")).model_copy(update=fields)


def test_the_source_hash_follows_what_changes_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.csv").write_text("post\nhi\n")
    path = tmp_path / "x" / "p.csv"
    first = source_hash("c", entry(path))
    assert first == source_hash("c", entry(tmp_path / "y" / "p.csv")), "where the file lies does not count"
    assert first == source_hash("c", entry(path, licence="MIT", text_may_leave_machine=True))
    assert first != source_hash("d", entry(path))
    assert first != source_hash("c", entry(path, decode_html=True))
    monkeypatch.setenv(KEY_VARIABLE, "k")
    assert first != source_hash("c", entry(path))
    monkeypatch.delenv(KEY_VARIABLE)
    path.write_text("post\nho\n")
    assert first != source_hash("c", entry(path))


def test_the_hash_of_a_generated_corpus_follows_its_parameters() -> None:
    hashes = {source_hash("c", CorpusEntry(reader="sample", parameters={"seed": seed})) for seed in (0, 1)}
    assert len(hashes) == 2


def test_a_hash_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="there is no file"):
        source_hash("c", entry(tmp_path / "no.csv"))


def test_a_generated_corpus_takes_its_parameters() -> None:
    small = {"train": 20, "dev": 0, "test": 5, "seed": 7}
    tables = read_corpus("c", CorpusEntry(reader="sample", parameters=small))
    assert tables.facts["splits"] == {"train": 20, "test": 5}
    with pytest.raises(CorpusError, match="parameters of the sample corpus are wrong"):
        read_corpus("c", CorpusEntry(reader="sample", parameters={"posts": 3}))


def test_the_generator_runs_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "bias_platform.corpora.sample", str(tmp_path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert [Path(line).name for line in printed.split()] == [f"SBIC.v2.{name}.csv" for name in ("trn", "dev", "tst")]
