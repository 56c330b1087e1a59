"""Published corpora, where they are at hand (never part of the repository)."""

import os
from pathlib import Path

import pytest

from bias_platform.catalog.entries import ColumnMapping, CorpusEntry
from bias_platform.corpora import human_yes_share, read_corpus

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
