"""The Dagster UI as `make ui` serves it, and a person's hands in it: what is clicked, and what is waited for."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from bias_platform_tests.wiring.conftest import REPOSITORY, Workplace

SECOND = 1000
PATIENCE = 60 * SECOND
"""For a page to show what is there already, in milliseconds."""
WORK = 240 * SECOND
"""For a run to end."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str | None:
    """The browser of this machine; none is ever downloaded."""
    named = os.environ.get("BIAS_PLATFORM_CHROMIUM")
    return named or next(filter(None, map(shutil.which, _BROWSERS)), None)


@contextmanager
def opened_browser(executable: str) -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served_ui(place: Workplace) -> Iterator[str]:
    """`dagster dev` over a workplace, as `make ui` starts it; gives its address, and leaves no process behind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "dagster"), "dev", "--host", "127.0.0.1", "--port", str(port)]
    log = place.folder / "ui.log"
    with log.open("wb") as out:
        started = subprocess.Popen(
            command, cwd=REPOSITORY, env=place.environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/server_info", started, log)
        yield address
    finally:
        _end(started)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while not _answers(address):
        told = log.read_text("utf-8", errors="replace")[-3000:]
        assert process.poll() is None, f"dagster dev ended: {told}"
        assert time.monotonic() < until, f"dagster dev does not answer: {told}"
        time.sleep(0.3)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the server with its whole process group, and the workers, which have sessions of their own."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for deadly in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, deadly)
        psutil.wait_procs(family, 20)
    for left in family:
        with suppress(psutil.NoSuchProcess):
            left.kill()
    process.wait(20)


class WatchedUi:
    """A page of the UI in which a person clicks; every step leaves a screenshot.

    Args:
        page: of the browser.
        address: where the UI is served.
        catalog: first part of every asset's key.
        screenshots: an existing folder.
    """

    def __init__(self, page: Page, address: str, catalog: str, screenshots: Path) -> None:
        self.page, self.catalog, self.screenshots = page, catalog, screenshots
        self._taken = 0
        page.set_default_timeout(PATIENCE)
        page.goto(address)

    def shoot(self, name: str) -> None:
        """Keeps what is to be seen, numbered in the order of the steps."""
        self._taken += 1
        self.page.screenshot(path=self.screenshots / f"{self._taken:02d}_{name}.png")

    def close_newsletter(self) -> None:
        """The first thing a new user sees."""
        skip = self.page.get_by_role("button", name="Skip")
        skip.wait_for()
        self.shoot("first_visit")
        skip.click()
        expect(self.page.get_by_text("Sign up for the Dagster newsletter")).to_have_count(0)

    def open_catalog(self) -> None:
        """By the navigation, until its assets are listed."""
        self._navigation("/assets").click()
        self._link("corpora/posts").wait_for()

    def open_asset(self, name: str) -> None:
        """From the catalog; `name` is the key without the catalog."""
        self.open_catalog()
        self._link(name).click()
        self.page.get_by_role("button", name=re.compile("Materialize")).first.wait_for()

    def choose(self, dimension: int, partitions: Sequence[str]) -> None:
        """In the dialog of partitions: ticks some of its first (0) or second (1) list, and closes the list."""
        boxes = self.page.get_by_role("dialog").first.locator("[aria-haspopup=dialog]")
        boxes.nth(dimension).click()
        for partition in partitions:
            self.page.get_by_role("menuitem").get_by_title(partition, exact=True).click()
        self.shoot(f"choosing_{'_'.join(partitions)}")
        self._heading().click()
        expect(self.page.get_by_placeholder("Filter partitions")).to_have_count(0)

    def backfill(self, system: str, personas: Sequence[str]) -> str:
        """Of the asset whose page is open; returns the backfill's id, when the UI says that it is launched."""
        self.page.get_by_role("button", name="Materialize…").click()
        self._heading().wait_for()
        self.choose(0, [system])
        self.choose(1, personas)
        dialog = self.page.get_by_role("dialog").first
        expect(dialog).to_contain_text(f"{len(personas)} partitions")
        self.shoot("chosen")
        dialog.get_by_role("button", name="Launch backfill").click()
        return self._open_launched("Created backfill", "Backfills")

    def see_backfill_succeed(self) -> str:
        """On the backfill's page, which is open: waits for its end; returns what the page says."""
        self.shoot("backfill_launched")
        status = self.page.get_by_text("Status", exact=True).locator("xpath=following-sibling::*[1]")
        return self._ended("backfill_ended", status.get_by_text(re.compile("^(Succeeded|Completed|Failed|Canceled)")))

    def materialize_together(self, names: Sequence[str]) -> str:
        """Ticks assets in the catalog and launches one run of them; returns the run's id. The run's page is open."""
        self.open_catalog()
        for name in names:
            self.page.locator(f'label:has([data-testid="checkbox-{self.catalog}/{name}"])').click()
        self.shoot("assets_ticked")
        self.page.get_by_role("button", name=f"Materialize selected ({len(names)})").click()
        return self._open_launched("Launched run", "All")

    def see_run_succeed(self) -> str:
        """On the run's page, which is open: waits for its end; returns what the page says."""
        self.shoot("run_launched")
        return self._ended("run_ended", self.page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first)

    def metadata(self, key: str) -> str:
        """What the page of an asset, which is open, shows under a key of its metadata."""
        row = self.page.get_by_role("row").filter(has=self.page.get_by_text(key, exact=True))
        row.scroll_into_view_if_needed()
        self.shoot(f"metadata_{key}")
        return row.get_by_role("cell").last.inner_text().strip()

    def _navigation(self, href: str) -> Locator:
        return self.page.locator(f'a[href="{href}"]').first

    def _link(self, name: str) -> Locator:
        return self.page.locator(f'a[href="/assets/{self.catalog}/{name}"]').first

    def _heading(self) -> Locator:
        return self.page.get_by_text("Launch runs to materialize")

    def _open_launched(self, said: str, tab: str) -> str:
        """Finds what the UI says it has launched in the list of runs, and opens it."""
        told = self.page.get_by_text(re.compile(rf"{said} \w+")).first.inner_text()
        identity = told.split(said)[1].split()[0]
        self._navigation("/runs").click()
        self.page.get_by_role("tab", name=tab).click()
        self.page.get_by_role("link", name=identity).first.click()
        self.page.wait_for_url(re.compile(f"/runs/.*{identity}"))
        return identity

    def _ended(self, name: str, status: Locator) -> str:
        status.wait_for(timeout=WORK)
        self.shoot(name)
        return status.inner_text()
