import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults, analyse_study
from bias_platform.reports import Provenance, write_regression_report
from bias_platform.reports.regression_figures import regression_figures
from bias_platform.reports.regression_views import regression_views
from bias_platform.schemas.results import RESULT_TABLES
from bias_platform_tests.analysis.simulated_study import Design, simulate_study
from bias_platform_tests.reports.read_page import ReadPage

HOSTILE = "<script>alert('x')</script> $\\alpha_1$ & \"b\""
PROVENANCE = Provenance(
    study="rudeness",
    catalog="demo",
    code_version="1.2.3",
    inputs={"demo/predictions/rudeness|small|<b>man</b>": "abc123"},
    packages={"numpy": "2.0"},
    seeds={"items": 7},
)


@pytest.fixture(scope="module")
def results() -> RegressionResults:
    """A small report in which a label, a wording and a corpus fact hold markup."""
    inputs = simulate_study(Design(items=30, sizes={"gender": 3, "race": 2}, lost=0.05), 9, groups="half").inputs
    personas = inputs.personas.assign(label=inputs.personas["label"].replace("race 1", HOSTILE))
    inputs = replace(
        inputs,
        personas=personas,
        templates={"t0": "Be {persona}. <img src=x onerror=alert(1)>"},
        corpus_facts={"licence": "<i>unknown</i>"},
        served_as={"small": "fp8"},
    )
    return analyse_study(inputs)


@pytest.fixture(scope="module")
def folder(results: RegressionResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The written report."""
    out = tmp_path_factory.mktemp("report")
    write_regression_report(results, PROVENANCE, out)
    return out


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    """Its page."""
    return (folder / "report.html").read_text("utf-8")


def test_the_page_is_one_file_without_scripts(page: str) -> None:
    tags = ReadPage(page)
    names = {name for name, _ in tags.found}
    assert not names & {"script", "link", "iframe", "img", "object", "embed", "form"}
    for _, attributes in tags.found:
        for key, value in attributes.items():
            assert not key.startswith("on")
            if key in ("src", "href", "xlink:href"):
                assert (value or "").startswith("#")
    assert "url(http" not in page


def test_markup_in_labels_is_shown_not_obeyed(page: str, results: RegressionResults) -> None:
    text = " ".join(ReadPage(page).pieces)
    assert HOSTILE in text
    assert "<img src=x onerror=alert(1)>" in text
    assert "<b>man</b>" in text
    assert "<script" not in page


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    tags = ReadPage(page)
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for name, attributes in tags.found:
        if name == "a":
            assert str(attributes["href"])[1:] in ids


def test_headline_summary_and_every_caveat_are_said(page: str, results: RegressionResults) -> None:
    text = re.sub(r"\s+", " ", " ".join(ReadPage(page).pieces))
    for sentence in (results.headline, *results.summary):
        assert re.sub(r"\s+", " ", sentence) in text
    for said in (
        "Simulated personas are not people",
        "base already served as fp8",
        "This mixes the persona with there being an instruction",
        "The mean of a dimension is not shown",
        "Not a headline",
        "abc123",
        "1.2.3",
        "items 7",
        "prefer the named personas",
    ):
        assert said in text


def test_tables_on_disk_are_the_results(folder: Path, results: RegressionResults) -> None:
    assert {path.stem for path in (folder / "tables").iterdir()} == set(RESULT_TABLES)
    for name, table in results.tables.items():
        read = pd.read_parquet(folder / "tables" / f"{name}.parquet")
        assert len(read) == len(table)
        if len(table):
            assert read.astype(str).replace("None", "nan").equals(table.astype(str).replace("None", "nan"))


def test_every_shown_number_can_be_found_again(folder: Path, results: RegressionResults) -> None:
    for view in regression_views(results.tables).values():
        table = pd.read_parquet(folder / "tables" / f"{view.name}.parquet")
        again = table.query(view.query) if view.query else table
        assert len(again) == len(view.rows)
        assert all(len(row) == len(view.headings) for row in view.rows)


def test_plots_are_small_enough_for_the_ui(folder: Path, results: RegressionResults) -> None:
    plots = sorted((folder / "plots").iterdir())
    assert {path.stem for path in plots} == set(regression_figures(results.tables, results.facts))
    assert all(1_000 < path.stat().st_size < 100_000 for path in plots)


def test_equal_results_give_an_equal_page(page: str, results: RegressionResults, tmp_path: Path) -> None:
    write_regression_report(results, PROVENANCE, tmp_path)
    assert (tmp_path / "report.html").read_text("utf-8") == page


def test_a_bare_study_makes_a_page(tmp_path: Path) -> None:
    design = Design(items=20, sizes={"gender": 2}, systems=("a-rather-long-name+with-an-adapter@int8",), templates=1)
    inputs = simulate_study(design, 3, minimum_minority=3).inputs
    predictions = inputs.predictions[inputs.predictions["persona_id"] != "no-persona"]
    results = analyse_study(replace(inputs, predictions=predictions, humans=None))
    write_regression_report(results, PROVENANCE.model_copy(update={"inputs": {}}), tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    ReadPage(page)
    assert 'id="baseline"' not in page
    assert 'id="humans"' not in page
    assert 'id="changes"' not in page


def test_constant_answers_make_a_page(tmp_path: Path) -> None:
    inputs = simulate_study(Design(items=20, sizes={"gender": 2}), 3).inputs
    results = analyse_study(replace(inputs, predictions=inputs.predictions.assign(answer="Yes", outcome="answered")))
    write_regression_report(results, PROVENANCE, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("model A is not used") == 1
    assert "Log-odds</th>" not in page
    assert "with bounds" in page
    assert "and log-odds" not in page


def test_texts_are_shown_only_where_asked_for(results: RegressionResults, tmp_path: Path) -> None:
    assert "Text" not in [heading for heading, _ in regression_views(results.tables)["divided"].headings]
    table = results.tables["divided_items"].assign(text="<b>a mild post</b>")
    shown = results._replace(
        tables={**results.tables, "divided_items": table}, facts={**results.facts, "show_texts": True}
    )
    write_regression_report(shown, PROVENANCE, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "&lt;b&gt;a mild post&lt;/b&gt;" in page


def test_log_odds_columns_are_there_where_the_model_is_used(results: RegressionResults) -> None:
    views = regression_views(results.tables)
    headings = [heading for heading, _ in views["contrasts"].headings]
    assert headings[-3:] == ["Log-odds", "Interval", "Method"]
    bare = results.tables["control_contrasts"].assign(log_odds=float("nan"))
    without = regression_views({**results.tables, "control_contrasts": bare})["contrasts"]
    assert [heading for heading, _ in without.headings] == headings[:-3]


def test_tests_of_terms_name_their_default_and_groups_stand_apart(results: RegressionResults) -> None:
    views = regression_views(results.tables)
    assert "p (F, the default)" in [heading for heading, _ in views["tests"].headings]
    assert "Carried by" in [heading for heading, _ in views["tests"].headings]
    assert {row[0] for row in views["tests"].rows} == {"A, named personas"}
    assert len(views["tests"].rows) + len(views["group_tests"].rows) == len(results.tables["term_tests"])


def test_what_stands_out_is_a_place_to_look(page: str, results: RegressionResults, folder: Path) -> None:
    assert len(results.tables["standing_out"])
    assert (folder / "plots" / "standing_out.png").exists()
    section = re.sub(r"\s+", " ", page[page.index("What stands out") : page.index("How the models were fitted")])
    assert "a place to look, not a finding" in section
    assert str(results.tables["standing_out"]["item_id"].iloc[0]) in section


@pytest.mark.parametrize("multiplicity", ["holm", "fdr_bh", "single_step"])
def test_the_page_names_its_adjustment(tmp_path: Path, multiplicity: str) -> None:
    design = Design(items=20, sizes={"gender": 2}, systems=("small",), templates=1)
    results = analyse_study(simulate_study(design, 9, multiplicity=multiplicity).inputs)
    write_regression_report(results, PROVENANCE, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    words = {"holm": "Holm’s correction", "fdr_bh": "Benjamini-Hochberg correction", "single_step": "Single-step"}
    assert f"<dt>{words[multiplicity]}" in page
    assert ("come from the joint distribution" in page) == (multiplicity == "single_step")


@pytest.mark.parametrize(("scoring", "said"), [("sum", "log-odds of Yes"), ("mean", "That is no log-odds")])
def test_scores_have_a_section_that_says_what_they_are(tmp_path: Path, scoring: str, said: str) -> None:
    design = Design(items=20, sizes={"gender": 2}, scales=(1.0, 0.3))
    results = analyse_study(simulate_study(design, 9, scoring).inputs)
    write_regression_report(results, PROVENANCE, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    ReadPage(page)
    assert 'id="scores"' in page
    assert said in re.sub(r"\s+", " ", page)
    assert (tmp_path / "plots" / "scored_changes.png").exists()
    assert {"scored_contrasts", "scored_changes", "scored_margins"} <= set(regression_views(results.tables))


def test_generated_answers_have_no_section_of_scores(page: str) -> None:
    assert 'id="scores"' not in page
    assert 'href="#scores"' not in page


def test_other_methods_stand_beside_the_report(page: str, results: RegressionResults) -> None:
    section = re.sub(r"\s+", " ", page[page.index('<section id="alternatives">') :])
    section = section[: section.index("</section>")]
    views = regression_views(results.tables)
    for method in ("Item-paired (this report)", "GLM, iid errors (naive)", "GLM, clustered by item"):
        assert [row[0] for row in views["alternatives"].rows].count(method) >= 1
        assert f"<td>{method}</td>" in section
    for said in (
        "population-averaged",
        "their log-odds cannot",
        "80&nbsp;%",
        "64&nbsp;%",
        "5.8&nbsp;%",
        "by arithmetic",
    ):
        assert said in section
    assert '<a href="#alternatives">' in page
    systems = {row[0] for row in views["alternatives_by_system"].rows}
    assert systems == {"small", "small+tuned"}


def test_flips_and_notes_of_other_methods_are_shown_only_where_there_are_some(results: RegressionResults) -> None:
    contrasts, methods = (results.tables[f"alternative_{name}"] for name in ("contrasts", "methods"))
    none = regression_views(
        {
            **results.tables,
            "alternative_contrasts": contrasts.assign(verdict="same"),
            "alternative_methods": methods.assign(note=""),
        }
    )
    assert not {"alternative_flips", "alternative_notes"} & set(none)
    one = contrasts.assign(verdict=["only the report", *["same"] * (len(contrasts) - 1)])
    noted = methods.assign(note="Not fitted: there is one wording only.")
    found = regression_views({**results.tables, "alternative_contrasts": one, "alternative_methods": noted})
    assert [row[4] for row in found["alternative_flips"].rows] == ["only the report"]
    assert {row[1] for row in found["alternative_notes"].rows} == {"Not fitted: there is one wording only."}
