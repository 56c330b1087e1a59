"""The page's section of the noise floor: what it shows where questions were asked again, and what where none were."""

import re
from pathlib import Path

import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults, analyse_study
from bias_platform.reports import Provenance, write_regression_report
from bias_platform.reports.noise_views import NOISE_VIEWS
from bias_platform.reports.regression_views import regression_views
from bias_platform_tests.analysis.simulated_repeats import with_repeats
from bias_platform_tests.analysis.simulated_study import Design, simulate_study

PROVENANCE = Provenance(study="rudeness", catalog="demo", code_version="1", inputs={}, packages={}, seeds={})
RATES = {"again": {"small": 0.0}, "shuffled": {"small": 0.04, "small+tuned": 0.08}}


@pytest.fixture(scope="module")
def results() -> RegressionResults:
    """A small scored study of two systems, asked again."""
    inputs = simulate_study(Design(items=20, sizes={"gender": 2}, scales=(1.0, 0.3)), 9, minimum_minority=5).inputs
    return analyse_study(with_repeats(inputs, RATES, seed=1))


@pytest.fixture(scope="module")
def folder(results: RegressionResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The written report."""
    out = tmp_path_factory.mktemp("report")
    write_regression_report(results, PROVENANCE, out)
    return out


def _section(folder: Path) -> str:
    page = (folder / "report.html").read_text("utf-8")
    start = page.index('<section id="noise">')
    return re.sub(r"\s+", " ", page[start : page.index("</section>", start)])


def test_every_repeat_has_its_row_and_its_numbers_can_be_found_again(folder: Path, results: RegressionResults) -> None:
    views = regression_views(results.tables)
    assert [len(views[name].rows) for name in NOISE_VIEWS] == [3, 6, 2]
    section = _section(folder)
    for name in NOISE_VIEWS:
        assert len(pd.read_parquet(folder / "tables" / f"{name}.parquet")) == len(views[name].rows)
        assert f"tables/{name}.parquet" in section
    headings = [heading for heading, _ in views["noise_floor"].headings]
    row = dict(zip(headings, views["noise_floor"].rows[0], strict=True))
    assert (row["Repeat"], row["Changed"], row["Flipped"], row["Share"]) == ("again", "nothing", "0", "0.0 %")
    assert row["Interval, %"].startswith("0.0 to 1")
    assert row["Whose"] == "–"


def test_the_section_says_what_a_flip_is_and_stands_in_the_contents(folder: Path, results: RegressionResults) -> None:
    section = _section(folder)
    for said in (
        "Noise floor: the same questions asked again",
        "An answer <em>flips</em> where",
        "Flips between systems, beside the floor",
        "half the squared distance",
        "both systems",
    ):
        assert said in section
    assert "Not measured" not in section
    page = (folder / "report.html").read_text("utf-8")
    assert '<a href="#noise">' in page
    assert sum("sked again" in sentence for sentence in results.summary) == 2


def test_what_was_not_measured_is_said_to_be_unknown(results: RegressionResults, tmp_path: Path) -> None:
    empty = {name: results.tables[name].iloc[:0] for name in NOISE_VIEWS}
    write_regression_report(results._replace(tables={**results.tables, **empty}), PROVENANCE, tmp_path)
    section = _section(tmp_path)
    assert "Not measured: the study asks no question again" in section
    assert "Flips between systems" not in section
    assert "Serving noise of replicates" not in section


def test_replicates_stand_apart_from_asking_again(results: RegressionResults, tmp_path: Path) -> None:
    empty = {name: results.tables[name].iloc[:0] for name in NOISE_VIEWS}
    drawn = results.tables["serving_noise"].assign(repeated=20, disagreeing=5, share=0.25)
    write_regression_report(
        results._replace(tables={**results.tables, **empty, "serving_noise": drawn}), PROVENANCE, tmp_path
    )
    section = _section(tmp_path)
    assert "Not measured: the study asks no question again" in section
    assert "Serving noise of replicates" in section
    assert "tables/serving_noise.parquet" in section
