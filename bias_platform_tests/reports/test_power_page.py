"""The page of a study's power: self-contained, escaped, equal for equal results; its plot small and complete."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bias_platform.analysis.assumed_answers import StudySize
from bias_platform.analysis.declared_power import DeclaredPower, declared_power
from bias_platform.catalog import PowerSettings
from bias_platform.reports import Provenance
from bias_platform.reports.figures.style import PNG_LIMIT
from bias_platform.reports.power_figures import power_curves_figure
from bias_platform.reports.power_page import write_power_report
from bias_platform.reports.power_views import power_summary, smallest_view
from bias_platform.schemas.power import POWER_TABLES
from bias_platform_tests.analysis.simulated_study import study_entry

PROVENANCE = Provenance(study="rude<b>ness", catalog="demo", code_version="1.2.3", packages={"numpy": "2.0"})


def _found(systems: tuple[str, ...], size: StudySize, **power: Any) -> DeclaredPower:
    settings = PowerSettings(**{"gaps": (0.0, 0.1, 0.2, 0.4), "replicates": 20, **power})
    return declared_power(study_entry(systems).model_copy(update={"power": settings}), size, 57)


@pytest.fixture(scope="module")
def found() -> DeclaredPower:
    return _found(("small", "small+tuned", "small@int8"), StudySize(60, 5, 3, 3))


@pytest.fixture(scope="module")
def folder(found: DeclaredPower, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("power")
    write_power_report(found, PROVENANCE, out)
    return out


def test_a_single_step_is_said_to_be_stood_in_for(found: DeclaredPower, tmp_path: Path) -> None:
    analysis = found.study.analysis.model_copy(update={"multiplicity": "single_step"})
    adjusted = found._replace(study=found.study.model_copy(update={"analysis": analysis}))
    write_power_report(adjusted, PROVENANCE, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "adjusted by Holm" in page
    assert "Holm stands in for that here" in page


def test_the_page_is_self_contained_and_escaped(folder: Path, found: DeclaredPower) -> None:
    page = (folder / "report.html").read_text("utf-8")
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "<script" not in page
    assert "rude<b>ness" not in page
    assert "rude&lt;b&gt;ness" in page
    assert "<svg" in page
    for said in (found.headline, *found.summary, *found.not_covered, "small+tuned", "adjusted by Holm", "1.2.3"):
        assert said.replace("'", "&#39;") in page


def test_tables_on_disk_are_the_results(folder: Path, found: DeclaredPower) -> None:
    assert {path.stem for path in (folder / "tables").iterdir()} == set(POWER_TABLES)
    for name, table in found.tables.items():
        pd.testing.assert_frame_equal(pd.read_parquet(folder / "tables" / f"{name}.parquet"), table, check_dtype=False)


def test_equal_results_give_equal_files(folder: Path, found: DeclaredPower, tmp_path: Path) -> None:
    write_power_report(found, PROVENANCE, tmp_path)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes(), path.name


def test_the_plot_has_a_panel_a_claim_and_a_line_a_number_of_items(folder: Path, found: DeclaredPower) -> None:
    panels = power_curves_figure(found).axes
    assert len(panels) == 2 * 2 * 2
    for axes in panels:
        assert len([line for line in axes.get_lines() if len(line.get_xdata()) == 5]) == 4
    assert 1_000 < (folder / "plots" / "power_curves.png").stat().st_size < PNG_LIMIT


def test_a_study_of_one_system_and_one_wording_makes_a_page(tmp_path: Path) -> None:
    bare = _found(("only",), StudySize(8, 1, 1, 1), gaps=(0.0, 0.02), base_rate=0.3)
    assert len(power_curves_figure(bare).axes) == 2
    write_power_report(bare, PROVENANCE, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "30.0 % of the control’s answers are Yes" in page
    assert "Changes</dt>" not in page


def test_the_table_has_prices_and_intervals_side_by_side(found: DeclaredPower) -> None:
    view = smallest_view(found)
    assert [heading for heading, _ in view.headings][3:] == [
        "15 items",
        "30 items",
        "60 items, this study",
        "120 items",
    ]
    assert view.rows[0][3:] == ["855", "1,710", "3,420", "6,840"]
    assert len(view.rows) == 1 + 2 * 2 * 2
    assert re.fullmatch(r"\d+\.\d \(\d+\.\d–(\d+\.\d|above 40)\)", view.rows[1][6])


def test_the_summary_is_sentences_and_a_table(found: DeclaredPower) -> None:
    text = power_summary(found)
    assert text.startswith(found.headline)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(row) for row in rows}) == 1
    assert len({row.count("|") for row in rows}) == 1
    assert text.rstrip().endswith(found.not_covered[-1])
