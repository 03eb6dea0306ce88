"""A real browser for tests: Debian's Chromium, driven by Playwright; without one these tests are skipped."""

import os
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

LOCAL = ("http://127.0.0.1:", "http://localhost:", "ws://127.0.0.1:", "ws://localhost:", "data:", "blob:", "about:")
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1400, "height": 900}
# So that it looks up no host of its own accord.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def browser() -> Iterator[Browser]:
    """One for each test: between tests, Playwright's event loop would be in the way of theirs."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium or not Path(chromium).exists():
        pytest.skip("no chromium on this machine (CHROMIUM=/path/to/it names one)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


class Watch:
    """What a page must not do: complain, break, or ask another host. ``allowed`` names expected complaints."""

    def __init__(self, page: Page) -> None:
        self.wrongs: list[str] = []
        self.allowed: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", self._broken)
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrongs.append(f"console: {message.text}")

    def _broken(self, error: Error) -> None:
        self.wrongs.append(f"error: {error}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith(LOCAL):
            self.wrongs.append(f"request to {request.url}")

    @property
    def unexpected(self) -> list[str]:
        return [wrong for wrong in self.wrongs if not any(words in wrong for words in self.allowed)]


@pytest.fixture
def watch(page: Page) -> Watch:
    """To name what a test provokes: ``watch.allowed.append("status of 401")``."""
    return page.watch  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a browser that knows nothing yet; fails the test for what `Watch` saw."""
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.watch = Watch(page)  # type: ignore[attr-defined]
    yield page
    context.close()
    wrongs = page.watch.unexpected  # type: ignore[attr-defined]
    assert not wrongs, wrongs


def serious_axe_findings(page: Page) -> list[str]:
    """What axe finds on the page as it stands, of impact serious or critical: rule and first element of each."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run()).violations")
    serious = [violation for violation in found if violation["impact"] in ("serious", "critical")]
    return [f"{violation['id']}: {violation['nodes'][0]['html'][:200]}" for violation in serious]
