"""How the page shows what a study of another size could find."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults, analyse_study
from bias_platform.reports import write_regression_report
from bias_platform.reports.planning_views import PLANNING_VIEWS, next_study_figure
from bias_platform_tests.analysis.simulated_study import Design, simulate_study
from bias_platform_tests.reports.test_regression_page import PROVENANCE


@pytest.fixture(scope="module")
def results() -> RegressionResults:
    """A small report of one dimension."""
    return analyse_study(simulate_study(Design(items=30, sizes={"gender": 2}), 5).inputs)


@pytest.fixture(scope="module")
def page(results: RegressionResults, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its page."""
    out = tmp_path_factory.mktemp("next")
    write_regression_report(results, PROVENANCE, out)
    return Path(out / "report.html").read_text("utf-8")


def test_every_size_has_a_row_and_the_command_finds_it(results: RegressionResults) -> None:
    table = results.tables["next_studies"]
    for name, rows in (("next_studies", 24), ("next_studies_by_system", 48)):
        view = PLANNING_VIEWS[name](results.tables)
        assert len(view.rows) == rows == len(table.query(view.query))
    headings = [heading for heading, _ in PLANNING_VIEWS["next_studies"](results.tables).headings]
    own = next(row for row in PLANNING_VIEWS["next_studies"](results.tables).rows if "yes" in row)
    assert [own[headings.index(name)] for name in ("Items", "Wordings")] == ["30", "3"]
    shown = 100 * table.loc[table["this_study"] & table["system"].isna(), "detectable"].iloc[0]
    assert own[headings.index("Smallest difference found, pp")] == f"{shown:.1f}"


def test_log_odds_have_a_column_only_where_the_model_makes_claims(results: RegressionResults) -> None:
    bare = {"next_studies": results.tables["next_studies"].assign(log_odds=np.nan)}
    filled = {"next_studies": results.tables["next_studies"].assign(log_odds=1.0)}
    views = [PLANNING_VIEWS["next_studies"](tables) for tables in (bare, filled)]
    assert ["Log-odds" in [heading for heading, _ in view.headings] for view in views] == [False, True]
    assert [len(view.headings) == len(view.rows[0]) for view in views] == [True, True]


def test_the_section_stands_on_the_page(page: str) -> None:
    assert '<section id="next">' in page
    assert '<a href="#next">' in page
    assert page.count('id="next_studies-') > 0
    assert "The same by system (48 rows)" in page


def test_the_plot_has_a_panel_a_scope_and_the_margin(results: RegressionResults) -> None:
    figure = next_study_figure(results.tables["next_studies"], 5.0, "95 %")
    assert figure is not None
    panels = figure.axes
    assert [panel.get_title(loc="left") for panel in panels] == ["These wordings", "Beyond wording"]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[0] == "3 wordings (this study)"
    assert texts[-1] == "margin of equivalence: 5 points"
    assert len(panels[0].get_lines()) == 1 + 3
    assert next_study_figure(pd.DataFrame({"system": []}), 5.0, "95 %") is None
