"""One real crawl of sketches and colourings for all tests of the review page, and a browser to look at it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from review_kit import Run, crawled
from review_tab import CHROMIUM, FLAGS, Open, Tab


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Never to be changed by a test."""
    return crawled(tmp_path_factory.mktemp("families"))


@pytest.fixture
def run(whole_run: Run, tmp_path: Path) -> Run:
    """A copy to judge."""
    return whole_run.copy(tmp_path / "run")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser: Any) -> Iterator[Open]:
    """Opens tabs of one window, and checks at the end that every one behaved."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    tabs: list[Tab] = []

    def open_it(url: str) -> Tab:
        tabs.append(Tab(context.new_page(), url))
        return tabs[-1]

    yield open_it
    for tab in tabs:
        assert tab.wrong == []
        base = tab.page.url.rstrip("/")
        assert {url for url in tab.asked if not url.startswith(base)} == set()
    context.close()
