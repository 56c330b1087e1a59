"""Published corpora, where they are at hand (never part of the repository)."""

import json
import os
from pathlib import Path

import pytest

from bias_platform.catalog import load_catalog
from bias_platform.catalog.entries import ColumnMapping, CorpusEntry
from bias_platform.catalog.paths import downloaded_names
from bias_platform.corpora import human_yes_share, read_corpus
from bias_platform.storage.hashing import file_hash
from bias_platform_tests.corpora.pictures_for_tests import write_pictures

SHARED = Path(os.environ.get("BIAS_PLATFORM_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there; set BIAS_PLATFORM_SHARED_DATA to run this test")
    return path


def test_every_row_of_davidson_is_read() -> None:
    votes = {"hate_speech": "Yes", "offensive_language": "Yes", "neither": "No"}
    columns = ColumnMapping(text="tweet", id="", label_counts=votes)
    path = shared("davidson/labeled_data.csv")
    tables = read_corpus("davidson", CorpusEntry(path=str(path), columns=columns, decode_html=True))
    assert tables.facts["rows"] == 24_783
    assert tables.facts["dropped_empty_posts"] == 0
    assert tables.facts["missing_running_numbers"] == 514
    assert tables.facts["rows_without_label"] == 0
    assert tables.facts["posts_changed_by_cleaning"]["html_entities"] > 6_000
    assert tables.items["text"].str.contains("\n").sum() > 800
    assert not tables.items["text"].str.contains(r"@(?!user)[A-Za-z]\w*", regex=True).any()
    humans = human_yes_share(tables.annotations, ("Yes",))
    assert humans["annotators"].sum() == tables.facts["annotations"] == 80_383
    assert humans["annotators"].min() == 3


def test_sbic_aggregated_posts() -> None:
    path = shared("sbic/SBIC.v2.agg.cmb_processed.csv")
    columns = ColumnMapping(text="post", target_group="target_minority")
    tables = read_corpus("sbic", CorpusEntry(path=str(path), columns=columns))
    assert tables.facts["rows"] == 10_734
    assert len(tables.items) == 10_691
    assert tables.items["target_group"].nunique() == 6


def test_hatred_keeps_the_records_with_one_target(tmp_path: Path) -> None:
    folder = shared("hatred")
    names = [json.loads(line)["img"] for file in sorted(folder.glob("*.jsonl")) for line in file.open(encoding="utf-8")]
    memes = write_pictures(tmp_path / "memes", names)
    entry = CorpusEntry(reader="hatred", path=str(folder), pictures=str(memes))
    tables = read_corpus("hatred", entry)
    assert tables.facts["records"] == {"train": 2_982, "test": 246}
    assert tables.facts["records_kept"] == {"train": 2_915, "test": 242}
    assert tables.facts["splits"] == {"train": 2_915, "test": 242}
    assert len(tables.pictures) == len(tables.items) == len(tables.annotations) == 3_157
    assert tables.items["target_group"].isna().sum() == 1, "the one target that is null is kept"
    test = tables.items[tables.items["split"] == "test"]["target_group"].value_counts()
    most = {"the muslim": 54, "the blacks": 42, "the jews": 32, "the females": 32}
    assert {group: test[group] for group in most} == most


def test_the_declared_checksums_of_hatred_are_those_of_the_files() -> None:
    entry = load_catalog("paper").corpora["hatred"]
    for file, name in zip(entry.download, downloaded_names(entry), strict=True):
        assert file.sha256 == file_hash(shared("hatred") / name)
