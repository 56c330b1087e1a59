"""The page's sections on crossed personas, wordings, errors by target and people: where they stand, and where not."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults, analyse_study
from bias_platform.reports import write_regression_report
from bias_platform.reports.figures.number_grid import NumberGrid, number_grid_figure
from bias_platform.reports.further_views import FURTHER_VIEWS
from bias_platform.reports.people_views import PEOPLE_VIEWS, error_figure
from bias_platform.reports.regression_views import regression_views
from bias_platform_tests.analysis.simulated_people import (
    GRID,
    GRID_SIZES,
    Panel,
    Sampled,
    answered,
    inputs_of,
    judgements_of,
)
from bias_platform_tests.analysis.simulated_study import CONTROL, Design, simulate_study
from bias_platform_tests.reports.test_regression_page import PROVENANCE

HOSTILE = "<b>these & those</b>"
SECTIONS = ("crossed", "wordings", "errors", "own-group")


@pytest.fixture(scope="module")
def results() -> RegressionResults:
    """A study that can answer every further question."""
    rng = np.random.default_rng(3)
    personas = [CONTROL, *(p for members in GRID_SIZES.values() for p in members)]
    traits = {p: {"camp": "mn"[k % 2]} for k, p in enumerate(personas[3:])}
    traits |= {"a-0": {"kind": "x"}, "a-1": {"kind": "y"}}
    found = answered(Sampled(items=100, effects={"a-0": 0.5, "ab-01": 2.5, "b-2": (0.0, 0.9)}), personas, rng)
    judgements = judgements_of(Panel(), found.item, rng)
    humans = judgements.groupby("item_id")["yes"].agg(annotators="size", yes="sum").reset_index()
    changes = [{"from": "small", "to": "small+tuned"}]
    inputs = inputs_of(found, GRID_SIZES, traits, changes=changes, groups="camp", minimum_minority=5)
    targets = {f"item{k:05d}": "newcomers" if k % 2 else HOSTILE for k in range(100)}
    named = replace(inputs, judgements=judgements, humans=humans, crossed={"ab": GRID}, target_groups=targets)
    return analyse_study(named)


@pytest.fixture(scope="module")
def folder(results: RegressionResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The written report."""
    out = tmp_path_factory.mktemp("report")
    write_regression_report(results, PROVENANCE, out)
    return out


def section(folder: Path, name: str) -> str:
    page = (folder / "report.html").read_text("utf-8")
    start = page.index(f'<section id="{name}">')
    return re.sub(r"\s+", " ", page[start : page.index("</section>", start)])


def test_every_section_stands_on_the_page_and_in_its_contents(folder: Path) -> None:
    page = (folder / "report.html").read_text("utf-8")
    for name in SECTIONS:
        assert f'<a href="#{name}">' in page
        assert len(section(folder, name)) > 500
    assert "Do personas lie farther apart?" in section(folder, "changes")
    assert HOSTILE not in page
    assert "&lt;b&gt;these &amp; those&lt;/b&gt;" in page


def test_every_view_is_shown_and_its_numbers_can_be_found_again(folder: Path, results: RegressionResults) -> None:
    views = regression_views(results.tables)
    shown = " ".join(section(folder, name) for name in (*SECTIONS, "changes"))
    for name in (*FURTHER_VIEWS, *PEOPLE_VIEWS):
        view = views[name]
        kept = pd.read_parquet(folder / "tables" / f"{view.name}.parquet")
        assert len(kept.query(view.query) if view.query else kept) == len(view.rows) > 0
        assert f"tables/{view.name}.parquet" in shown


def test_tests_of_errors_do_not_stand_with_the_models_too(results: RegressionResults) -> None:
    views = regression_views(results.tables)
    counted = sum(len(views[name].rows) for name in ("tests", "group_tests", "error_tests"))
    assert counted == len(results.tables["term_tests"])
    assert {row[0] for row in views["error_tests"].rows} == {"B, false alarms by target", "B, misses by target"}


def test_the_maps_have_a_panel_a_system_and_all_their_numbers(folder: Path, results: RegressionResults) -> None:
    figure = error_figure(results.tables, "miss")
    assert figure is not None
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == ["small", "small+tuned"]
    table = results.tables["error_rates"].query("kind == 'miss' and role == 'named' and system == 'small'")
    assert len(panels[0].texts) == len(table) == 11 * table["target"].nunique()
    written = sorted(int(text.get_text().replace("−", "-")) for text in panels[0].texts)
    assert written == sorted(int(value) for value in (100 * table["difference"]).round())
    assert "misses, percentage points more" in figure.texts[0].get_text()
    for name in ("false_alarms", "misses", "people"):
        assert (folder / "plots" / f"{name}.png").stat().st_size > 5_000


def test_unknown_cells_have_a_dash_and_significant_ones_a_frame() -> None:
    values = np.array([[np.nan, -12.0], [3.0, 0.0]])
    marks = np.array([[False, True], [False, False]])
    figure = number_grid_figure(NumberGrid({"small": values}, ["a", "b"], ["c", "d"], "errors", {"small": marks}))
    texts = figure.axes[0].texts
    assert [text.get_text() for text in texts] == ["–", "−12", "+3", "0"]
    assert [text.get_bbox_patch() is not None for text in texts] == [False, True, False, False]
    assert "significant after adjustment" in figure.texts[0].get_text()


def test_a_study_without_people_targets_or_crossed_personas_has_no_such_section(tmp_path: Path) -> None:
    plain = analyse_study(simulate_study(Design(items=20, sizes={"gender": 2}), 6, minimum_minority=5).inputs)
    write_regression_report(plain, PROVENANCE, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    for name in ("crossed", "errors", "own-group"):
        assert f'id="{name}"' not in page
        assert f'href="#{name}"' not in page
    assert '<section id="wordings">' in page
