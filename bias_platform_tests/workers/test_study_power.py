"""The worker publishes what the request's parameters ask for, whole and validated, and says how far it is."""

from pathlib import Path
from typing import Any

import pytest

from bias_platform.analysis.assumed_answers import StudySize
from bias_platform.analysis.declared_power import declared_power
from bias_platform.catalog import PowerSettings
from bias_platform.progress import ProgressPrinter
from bias_platform.schemas import validate_table
from bias_platform.schemas.power import POWER_TABLES
from bias_platform.statistics import ModelError
from bias_platform.storage import Manifest, read_table, verify_artifact
from bias_platform.workers.study_power import work
from bias_platform_tests.analysis.simulated_study import study_entry

SIZE = StudySize(40, 2, 2, 2)
STUDY = study_entry(("small", "small+tuned")).model_copy(
    update={"power": PowerSettings(gaps=(0.0, 0.1, 0.3), replicates=20)}
)


class _Session:
    """A worker's line to nobody."""

    def __init__(self, target: Path, size: StudySize = SIZE) -> None:
        parameters = {"size": size._asdict(), "cells_per_item": 14}
        self.request: dict[str, Any] = {
            "publication": {
                "target": str(target),
                "name": "demo/reports/first_power",
                "code_version": "1",
                "inputs": {},
                "parameters": parameters,
            },
            "catalog": "demo",
            "study_slug": "first",
            "study": STUDY.model_dump(mode="json", by_alias=True),
        }
        self.lines: list[str] = []
        self.told: list[Manifest] = []

    def progress(self, title: str, every: float) -> ProgressPrinter:
        return ProgressPrinter(self.lines.append, title, every)

    def published(self, key: str, manifest: Manifest) -> None:
        assert key == ""
        self.told.append(manifest)


def test_it_publishes_tables_page_plot_and_summary(tmp_path: Path) -> None:
    session = _Session(tmp_path / "power")
    work(session)  # type: ignore[arg-type]
    manifest = verify_artifact(tmp_path / "power", "power")
    assert session.told == [manifest]
    tables = {f"tables/{name}.parquet" for name in POWER_TABLES}
    assert set(manifest.files) == {"report.html", "summary.md", "plots/power_curves.png", *tables}
    expected = declared_power(STUDY, SIZE, 14)
    for name, schema in POWER_TABLES.items():
        table = validate_table(read_table(tmp_path / "power" / "tables" / f"{name}.parquet", "power"), schema, name)
        assert table.equals(expected.tables[name])
        assert manifest.files[f"tables/{name}.parquet"].rows == len(table)
    assert manifest.facts == {"headline": expected.headline, "cells": 560, "items": 40}
    assert session.lines[-1].startswith("simulating: 40/40 studies")


def test_the_same_request_gives_the_same_version(tmp_path: Path) -> None:
    versions = set()
    for name in ("first", "second"):
        session = _Session(tmp_path / name)
        work(session)  # type: ignore[arg-type]
        versions.add(session.told[0].data_version)
    assert len(versions) == 1


def test_what_cannot_be_simulated_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="at least 2 are needed"):
        work(_Session(tmp_path / "power", SIZE._replace(items=1)))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
