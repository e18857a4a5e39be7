"""The live page in a real Chromium while a real crawl of the stand-in runs: what people see, and what is loaded."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from page_kit import free_port
from starter import CRAWLER, popen

from crawler.origin.server import origin_thread

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no Chromium is installed (Debian: chromium)", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
CONFIG = """
[source]
path = "ids.txt"
[output]
dir = "out"
durability = "none"
[limits]
works = 8
[limits.api]
rate = 12
burst = 1
[limits.images]
rate = 20
burst = 1
[ui]
page_port = {port}
progress = "none"
[network]
ca_file = "{ca}"
resolve = {{ {resolve} }}
"""


class Crawl:
    """A run of `crawler` with a page at `url`, started and stopped at will."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        args = (*CRAWLER, "run", self.folder / "crawl.toml", "-q")
        self._process = popen(args)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130


@pytest.fixture
def crawl(tmp_path: Path) -> Iterator[Crawl]:
    made = Crawl(tmp_path)
    port = free_port()
    made.url = f"http://127.0.0.1:{port}/"
    ids = Random(4).sample(range(1000, 60_000_000), 4000)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    with origin_thread(seed=4, profile="none", ca_dir=tmp_path) as origin:
        resolve = ", ".join(f'"{host}" = "{address}"' for host, address in origin.resolve.items())
        config = CONFIG.format(port=port, ca=origin.ca_file, resolve=resolve)
        (tmp_path / "crawl.toml").write_text(config)
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
def page() -> Iterator["sync_api.Page"]:
    sync_api.expect.set_options(timeout=60_000)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 390, "height": 844})
        browser.close()


def arrive(page: "sync_api.Page", url: str) -> None:
    """Open the page as soon as it is served."""
    for _ in range(100):
        try:
            page.goto(url)
            return
        except sync_api.Error:
            page.wait_for_timeout(100)
    raise AssertionError("the page was never served")


def settled(page: "sync_api.Page") -> int:
    found = re.match(r"([\d,]+) of", page.inner_text("#settled"))
    return int(found[1].replace(",", "")) if found else 0


def until(page: "sync_api.Page", holds: Callable[[], bool], seconds: float = 60) -> None:
    """Looks again and again: the page's policy forbids the browser to wait for an expression."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        page.wait_for_timeout(50)


def grows(page: "sync_api.Page", than: int) -> None:
    until(page, lambda: settled(page) > than)


def test_numbers_move_and_nothing_comes_from_elsewhere(crawl: Crawl, page: "sync_api.Page") -> None:
    """Works are counted while one looks, charts and thumbnails appear, pausing stops it all, resuming goes on;
    when the run ends and the next begins the page says so and is live again. Every request is to the page's own
    address, no script failed, no policy was broken, and on a phone nothing is wider than the screen."""
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if "Content Security" in m.text else None)
    arrive(page, crawl.url)
    grows(page, 0)
    grows(page, settled(page))
    sync_api.expect(page.locator("#pill")).to_have_text("crawling")
    page.wait_for_selector("#wall img", timeout=60_000)
    until(page, lambda: page.evaluate("document.querySelector('#wall img').naturalWidth > 0"))
    page.wait_for_selector("#chart-images path.line", timeout=60_000)
    assert page.inner_text("#hosts").count("asked") == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.click("#pause")
    sync_api.expect(page.locator("#pill")).to_have_text("paused")
    still = settled(page)
    page.wait_for_timeout(1500)
    assert settled(page) == still
    page.click("#pause")
    grows(page, still)

    crawl.stop()
    sync_api.expect(page.locator("#pill")).to_have_text("the run is over", timeout=60_000)
    before = settled(page)
    crawl.start()
    grows(page, before)
    sync_api.expect(page.locator("#pill")).to_have_text("crawling", timeout=60_000)

    assert wrong == []
    assert {url for url in asked if not url.startswith(crawl.url)} == set()


def test_words_of_the_site_stay_words(page: "sync_api.Page", tmp_path: Path) -> None:
    """Markup in what is told is shown, not obeyed; a link is made of a number only."""
    static = Path(__file__).parents[2] / "crawler" / "watch" / "static"

    def serve(route: "sync_api.Route") -> None:
        file = static / (route.request.url.rpartition("/")[2] or "page.html")
        route.fulfill(path=file) if file.exists() else route.fulfill(status=404)

    page.route("**/*", serve)
    page.goto("http://127.0.0.1:9/")
    evil = "<img src=x onerror=window.hit=1>"
    trouble = {"t": 1, "event": "failed", "id": evil, "text": evil}
    state = {"listed": 5, "done": 1, "gone": 1, "failed": 1, "pending": 2, "images": 1, "bytes": 2}
    state |= {"expected_images": 3, "failed_images": 1, "left": evil, "limit": evil, "directory": evil, "elapsed_s": 3}
    state |= {"bytes_per_s": 1, "images_per_s": 1, "works_per_min": 1, "requests_per_s": 1, "in_flight": 1}
    state |= {"reasons": [[evil, 2]], "more_hosts": 0, "phase": evil, "stopping": ""}
    state["hosts"] = [
        {"host": evil, "lane": "api", "rate": 1, "budget": 2, "blocked_s": 5, "waiting": 1, "in_flight": 1}
        | {"requests": 1, "refused": 1, "bytes": 1, "latency_ms": None, "reason": evil}
    ]
    tile = {"key": "0" * 20, "order": 1, "id": evil, "page": evil, "bytes": 1, "width": None, "height": None}
    told = {"version": evil, "link": "https://www.pixiv.net/artworks/{id}", "state": state, "fine": [], "whole": []}
    told |= {"troubles": [trouble, trouble | {"id": "7"}], "wall": [tile | {"kind": evil, "veiled": False}]}
    page.evaluate("(told) => hello(told)", told)
    page.wait_for_timeout(200)
    assert page.evaluate("window.hit") is None
    assert page.inner_text("#limit") == evil
    assert page.evaluate("document.querySelectorAll('#troubles a, #wall a').length") == 1
    assert page.get_attribute("#troubles a", "href") == "https://www.pixiv.net/artworks/7"
