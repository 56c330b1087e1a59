import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bias_platform.analysis.agreements.results import AgreementResults
from bias_platform.reports import Provenance, write_agreement_report
from bias_platform.reports.agreement_figures import agreement_figures
from bias_platform.reports.agreement_views import MOST, agreement_views
from bias_platform.schemas.results_of_agreement import AGREEMENT_TABLES
from bias_platform_tests.reports.made_agreement import Made, made_results
from bias_platform_tests.reports.read_page import ReadPage

HOSTILE = "<script>alert('x')</script> $\\alpha_1$ & \"b\""
PROVENANCE = Provenance(
    study="offence",
    catalog="demo",
    code_version="1.2.3",
    inputs={"demo/predictions/offence|small|<b>man</b>": "abc123"},
    packages={"numpy": "2.0"},
    parameters={"licence": "<i>unknown</i>"},
)
WIDE = {"gender": ("man", "woman", HOSTILE), "race": tuple(f"race {k}" for k in range(7))}


@pytest.fixture(scope="module")
def results() -> AgreementResults:
    """Closed answers; a label and a sentence hold markup, and a quoted row is none of the first hundred."""
    made = made_results(Made(dimensions=WIDE, headline="<b>The clearest</b> [pair_tests:2]."))
    pairs = made.tables["pair_tests"]
    last = int(pairs["p"].fillna(2).to_numpy().argmax())
    return replace(made, headline=f"<b>The clearest</b> [pair_tests:2] and [pair_tests:{last + 1}].")


@pytest.fixture(scope="module")
def folder(results: AgreementResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The written report."""
    out = tmp_path_factory.mktemp("agreement")
    write_agreement_report(results, PROVENANCE, out)
    return out


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    """Its page."""
    return (folder / "report.html").read_text("utf-8")


def test_the_page_is_one_file_without_scripts(page: str) -> None:
    tags = ReadPage(page).found
    assert not {name for name, _ in tags} & {"script", "link", "iframe", "img", "object", "embed", "form"}
    for _, attributes in tags:
        for key, value in attributes.items():
            assert not key.startswith("on")
            if key in ("src", "href", "xlink:href"):
                assert (value or "").startswith("#")
    assert "default-src 'none'" in page
    assert "url(http" not in page


def test_markup_in_labels_and_sentences_is_shown_not_obeyed(page: str) -> None:
    text = ReadPage(page).text
    for said in (HOSTILE, "<b>The clearest</b>", "<b>man</b>", "<i>unknown</i>"):
        assert said in text
    assert "<script" not in page


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    tags = ReadPage(page).found
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for name, attributes in tags:
        if name == "a":
            assert str(attributes["href"])[1:] in ids


def test_numbers_in_sentences_lead_to_their_rows(page: str, results: AgreementResults) -> None:
    last = re.findall(r"\[pair_tests:(\d+)\]", results.headline)[1]
    ranked = results.tables["pair_tests"].sort_values("p", kind="stable").head(MOST)
    assert int(last) - 1 not in ranked.index
    for number in ("pair_tests:2", f"pair_tests:{last}", "alphas:1", "coverage:1"):
        assert f'<a class="row" href="#{number.replace(":", "-")}">[{number}]</a>' in page
        assert f'<tr id="{number.replace(":", "-")}">' in page
    for nowhere in ("[alphas:9999]", "[nowhere:1]"):
        assert nowhere in page
        assert f">{nowhere}</a>" not in page
    assert "and 1 row that sentences above name" in ReadPage(page).text
    assert "bias-platform trace offence pair_tests:2 --catalog demo (or your catalog" in ReadPage(page).text


def test_rows_on_the_page_are_the_rows_of_the_tables(page: str, folder: Path, results: AgreementResults) -> None:
    views = agreement_views(results.tables, {})
    assert set(views) == {name for name, table in results.tables.items() if len(table)}
    for name, view in views.items():
        table = pd.read_parquet(folder / "tables" / f"{name}.parquet")
        chosen = _run(view.snippet, folder)
        assert [f"{name}:{place + 1}" for place in chosen.index] == list(view.numbers)
        assert view.total == len(table)
        assert len(view.rows) == min(len(table), MOST)
        assert all(len(row) == len(view.headings) for row in view.rows)
        for number in view.numbers:
            assert f'<tr id="{number.replace(":", "-")}">' in page


def _run(snippet: str, folder: Path) -> pd.DataFrame:
    """What the command under a table gives."""
    found = re.fullmatch(
        r'pandas\.read_parquet\("(tables/\w+\.parquet)"\)'
        r'(?:\.sort_values\("(\w+)"(, ascending=False)?, kind="stable"\)(?:\.head\((\d+)\))?)?',
        snippet,
    )
    assert found is not None
    table = pd.read_parquet(folder / found[1])
    if found[2]:
        table = table.sort_values(found[2], ascending=not found[3], kind="stable")
    return table.head(int(found[4])) if found[4] else table


def test_numbers_are_written_as_they_are(results: AgreementResults) -> None:
    view = agreement_views(results.tables, {})["alphas"]
    places = [int(number.split(":")[1]) - 1 for number in view.numbers]
    column = [heading for heading, _ in view.headings].index("Alpha")
    table = results.tables["alphas"].iloc[places]
    for row, value, reason in zip(view.rows, table["alpha"], table["reason"], strict=True):
        assert row[column] == (f"{value:.2f}" if reason == "" else f"not defined: {reason}")


def test_nothing_on_the_page_is_no_number(results: AgreementResults, page: str) -> None:
    assert results.tables["alphas"]["alpha"].isna().any()
    assert results.tables["pair_tests"]["p"].isna().any()
    assert not re.search(r"\b(nan|NaN|NaT|None|inf)\b", " ".join(ReadPage(page).pieces))
    assert "not defined: the two sides have no item in common" in page


def test_tables_on_disk_are_the_results(folder: Path, results: AgreementResults) -> None:
    assert {path.name for path in (folder / "tables").iterdir()} == {
        f"{name}.{ending}" for name in AGREEMENT_TABLES for ending in ("parquet", "csv", "tex")
    }
    for name, table in results.tables.items():
        read = pd.read_parquet(folder / "tables" / f"{name}.parquet")
        assert read.astype(str).replace("None", "nan").equals(table.astype(str).replace("None", "nan"))
        plain = pd.read_csv(folder / "tables" / f"{name}.csv", keep_default_na=False)
        assert list(plain.columns) == [column for column in table.columns if column != "query"]
        assert len(plain) == len(table)
    labels = pd.read_csv(folder / "tables" / "alphas.csv")["label"]
    assert HOSTILE in set(labels)


def test_plots_have_three_formats_and_are_small_enough_for_the_ui(folder: Path, results: AgreementResults) -> None:
    names = set(agreement_figures(results.tables, results.facts))
    plots = sorted((folder / "plots").iterdir())
    assert {path.name for path in plots} == {f"{name}.{ending}" for name in names for ending in ("svg", "pdf", "png")}
    assert all(1_000 < path.stat().st_size < 100_000 for path in plots if path.suffix == ".png")


def test_equal_results_give_equal_files(folder: Path, results: AgreementResults, tmp_path: Path) -> None:
    write_agreement_report(results, PROVENANCE, tmp_path)
    for path in folder.rglob("*"):
        if path.is_file():
            assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_sections_are_there_only_where_there_is_something_to_show(page: str, tmp_path: Path) -> None:
    closed = ("coverage", "alphas", "pairs", "shares", "people", "tuning", "recalls", "evenness", "scores", "noise")
    for name in closed:
        assert f'<section id="{name}">' in page
        assert f'<a href="#{name}">' in page
    assert 'id="similarities"' not in page
    bare = made_results(Made(systems=("small",), wordings=("role",), dimensions={"gender": ("man", "woman")}))
    empty = {name: table.iloc[:0] for name, table in bare.tables.items() if name != "alphas"}
    write_agreement_report(replace(bare, tables={**bare.tables, **empty}), PROVENANCE, tmp_path)
    alone = (tmp_path / "report.html").read_text("utf-8")
    ReadPage(alone)
    for name in closed:
        assert (f'<section id="{name}">' in alone) == (name == "alphas")
        assert (f'href="#{name}"' in alone) == (name == "alphas")


def test_written_answers_are_told_as_such(tmp_path: Path) -> None:
    results = made_results(Made(systems=("seer",), measures=("chrf", "bleurt"), headline="Texts [similarities:1]."))
    write_agreement_report(results, PROVENANCE, tmp_path)
    text = ReadPage((tmp_path / "report.html").read_text("utf-8")).text
    for said in ("Wilcoxon’s signed-rank test", "Rank-biserial", "Kerby", "answers are written texts", "chrf, bleurt"):
        assert said in text
    for unsaid in ("Krippendorff", "McNemar", "Landis"):
        assert unsaid not in text
    names = {path.stem for path in (tmp_path / "plots").iterdir()}
    assert {"similarities_chrf", "similarities_bleurt", "pairs_gender_seer_chrf", "pairs_race_seer_bleurt"} <= names


def test_the_page_says_how_bad_answers_count(results: AgreementResults, tmp_path: Path) -> None:
    for policy, said in (("category", "counts as one more answer"), ("as-published", "rest on different items")):
        facts = {**results.facts, "bad_answers": policy}
        bare = {name: table.iloc[:0] for name, table in results.tables.items()}
        write_agreement_report(replace(results, facts=facts, tables=bare), PROVENANCE, tmp_path)
        assert said in (tmp_path / "report.html").read_text("utf-8")
