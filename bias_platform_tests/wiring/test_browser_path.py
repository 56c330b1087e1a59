"""A new user's way through the running UI: a backfill, the reports, and from the headline to the posts behind it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bias_platform.storage import read_table
from bias_platform.storage.names import ITEMS, REPORT_PAGE
from bias_platform_tests.wiring.conftest import HERE, REPOSITORY, Workplace
from bias_platform_tests.wiring.watched_ui import WatchedUi, chromium, opened_browser, served_ui

CHROMIUM = chromium()
STUDY, SYSTEM = "posts", "tiny+people"
PERSONAS = ("man", "trans-man", "non-binary")
REPORTS = (f"reports/{STUDY}_agreement", f"reports/{STUDY}_regression")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on the path; install one, or name it in BIAS_PLATFORM_CHROMIUM"
)


@pytest.fixture
def prepared(tmp_path: Path) -> Workplace:
    """All answers but those of one system in one dimension, made by the command."""
    place = Workplace(tmp_path / "place")
    shutil.copytree(REPOSITORY / "data" / "sample-posts", place.catalog_file.parent / "sample-posts")
    shutil.copy(HERE / "watched_catalog.yaml", place.catalog_file)
    place.home.mkdir()
    shutil.copy(REPOSITORY / "dagster_home" / "dagster.yaml", place.home)
    for words in (("--run", "references"), ("--run", "gender", "--system", "tiny")):
        ended = _command(place, "materialize", STUDY, *words)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return place


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where people look at the steps: BIAS_PLATFORM_SCREENSHOTS, or a temporary folder."""
    folder = Path(os.environ.get("BIAS_PLATFORM_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def ui(prepared: Workplace, screenshots: Path) -> Iterator[WatchedUi]:
    assert CHROMIUM is not None
    with served_ui(prepared) as address, opened_browser(CHROMIUM) as browser:
        page = browser.new_page(viewport={"width": 1500, "height": 1100})
        try:
            yield WatchedUi(page, address, "watched", screenshots)
        finally:
            page.screenshot(path=screenshots / "last.png")


def test_from_a_backfill_to_the_posts_behind_the_headline(prepared: Workplace, ui: WatchedUi) -> None:
    ui.close_newsletter()
    ui.open_asset(f"predictions/{STUDY}")
    ui.shoot("predictions")
    ui.backfill(SYSTEM, PERSONAS)
    assert ui.see_backfill_succeed() == "Succeeded"
    for persona in PERSONAS:
        expect(ui.page.get_by_text(f"{SYSTEM}|{persona}", exact=True)).to_be_visible()

    ui.materialize_together((f"predictions/{STUDY}_index", *REPORTS))
    assert ui.see_run_succeed() == "Success"

    ui.open_asset(REPORTS[1])
    assert Path(ui.metadata("report")).name == REPORT_PAGE
    ui.open_asset(REPORTS[0])
    headline, report = ui.metadata("headline"), ui.metadata("report")
    number = _number_behind(ui, report, headline)

    traced = _command(prepared, "trace", f"{STUDY}_agreement", number)
    assert traced.returncode == 0, traced.stdout + traced.stderr
    assert traced.stdout.startswith(f"{number} of {REPORTS[0]}\n")
    assert "\n  the same as published" in traced.stdout
    first, second = (float(found) for found in re.findall(r"^  (?:first|second): (\S+)$", traced.stdout, re.M))
    assert f"(alpha {first:.2f} and {second:.2f};" in headline
    _assert_posts_of_the_corpus(prepared, traced.stdout)


def _command(place: Workplace, *words: str) -> "subprocess.CompletedProcess[str]":
    """`bias-platform`, as a person runs it in a terminal of the repository."""
    command = [str(Path(sys.executable).parent / "bias-platform"), *words]
    return subprocess.run(
        command, cwd=REPOSITORY, env=place.environment, capture_output=True, text=True, timeout=400, check=False
    )


def _number_behind(ui: WatchedUi, report: str, headline: str) -> str:
    """Opens the report, follows the link of its headline's number; returns the number of the row it leads to."""
    page: Page = ui.page
    page.goto(Path(report).as_uri())
    shown = page.locator("p.headline")
    expect(shown).to_have_text(headline)
    ui.shoot("report")
    link = shown.get_by_role("link")
    assert link.count() == 1, f"the headline leads to no row: {headline}"
    number = link.inner_text().strip("[]")
    link.click()
    row = page.locator(":target")
    expect(row.locator("td").first).to_have_text(number)
    expect(row).to_be_visible()
    expect(row).to_be_in_viewport()
    expect(row).to_contain_text(SYSTEM)
    ui.shoot("row_of_the_headline")
    return number


def _assert_posts_of_the_corpus(place: Workplace, told: str) -> None:
    """The trace names items, each once, all of them items of the corpus that the study asks about."""
    listed = re.search(r"Items on which the answers differ.*: ([1-9]\d*) of 200\n((?:  .*\n)+)", told)
    assert listed is not None, told
    house = place.house()
    known = set(read_table(house.lake.corpus("posts") / ITEMS, "items")["item_id"])
    named = [word.removesuffix(":") for word in listed[2].split() if word.removesuffix(":") in known]
    assert len(named) == len(set(named)) == min(int(listed[1]), 10), told
