"""The example catalogs load, and what they map is there."""

import csv
import os
from pathlib import Path

import pytest

from bias_platform.catalog import ColumnMapping, load_catalog, resolve_corpus, study_personas

REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("BIAS_PLATFORM_SHARED_DATA", REPOSITORY / "../shared/data"))


def _named_columns(columns: ColumnMapping) -> set[str]:
    single = {columns.text, columns.id, columns.label, columns.target_group, columns.annotator, columns.split}
    return {name for name in (*single, *columns.label_counts, *columns.annotator_attributes.values()) if name}


def _header(path: Path) -> set[str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return set(next(csv.reader(stream)))


def test_own_corpus_is_ten_mapped_sentences() -> None:
    catalog = load_catalog(REPOSITORY / "examples/own-corpus")
    entry = resolve_corpus(catalog, "my-posts")
    assert entry.columns is not None
    with Path(entry.path or "").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 10
    assert _named_columns(entry.columns) <= set(rows[0])
    assert {row["verdict"] for row in rows} == set(entry.label_values)
    assert list(catalog.studies) == ["sleep-and-offence"]


def test_real_posts_load_without_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIAS_PLATFORM_SHARED_DATA", raising=False)
    catalog = load_catalog(REPOSITORY / "examples/real-posts")
    assert list(catalog.studies) == ["sbic-gender", "davidson-gender"]
    for study in catalog.studies.values():
        assert study.items.n == 300
        assert study.systems[0] == "reference-mini"
        assert len(study_personas(catalog, study)) == 7


@pytest.mark.parametrize("slug", ["sbic-posts", "davidson-tweets"])
def test_columns_of_the_real_posts(monkeypatch: pytest.MonkeyPatch, slug: str) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"the real corpora are not at {SHARED}; set BIAS_PLATFORM_SHARED_DATA")
    monkeypatch.setenv("BIAS_PLATFORM_SHARED_DATA", str(SHARED.resolve()))
    entry = resolve_corpus(load_catalog(REPOSITORY / "examples/real-posts"), slug)
    assert entry.columns is not None
    assert _named_columns(entry.columns) <= _header(Path(entry.path or ""))
