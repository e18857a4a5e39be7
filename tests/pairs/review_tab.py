"""A tab of the review page in a real Chromium, and how long its user waited for pictures."""

import shutil
import time
from collections.abc import Callable
from typing import Any

from crawler.pairs.judgements import Pair

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
WATCH = """
window.keyed = []; window.painted = [];
addEventListener("keydown", (event) => { if ("ynu".includes(event.key)) window.keyed.push(event.timeStamp); }, true);
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.painted.push([new URL(entry.url).pathname, entry.renderTime]);
}).observe({ type: "element", buffered: true });
"""
"""Before anything of the page runs: when keys were pressed, and when the browser painted which picture."""


class Tab:
    """A page of the review. `wrong`: errors of scripts and breaches of the policy; `asked`: every address."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda m: self.wrong.append(m.text) if "Content Security" in m.text else None)
        page.on("request", lambda request: self.asked.append(request.url))
        page.add_init_script(WATCH)
        page.goto(url)

    def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        """Looks again and again: the page's policy forbids the browser to wait for an expression."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.page.inner_text("body")
            self.page.wait_for_timeout(10)

    @property
    def pair(self) -> Pair | None:
        """The pair that is shown."""
        text = self.page.evaluate("document.body.classList.contains('resting') ? '' : stage.dataset.pair || ''")
        return Pair(*map(int, text.split(","))) if text else None

    def shows(self, than: Pair | None = None) -> Pair:
        """Wait for a pair, another than that; its pictures are there."""
        self.until(lambda: self.pair not in (None, than))
        self.until(lambda: self.page.evaluate("[...document.querySelectorAll('.view img')].every((i) => i.complete)"))
        found = self.pair
        assert found is not None
        return found

    def press(self, key: str) -> Pair:
        """Press a key that leads to another pair; that pair."""
        before = self.shows()
        self.page.keyboard.press(key)
        return self.shows(before)

    def saved(self) -> None:
        """Wait until nothing is left to save."""
        self.until(lambda: self.page.inner_text("#pill") == "saved")

    @property
    def judged(self) -> str:
        return str(self.page.inner_text("#judged"))


Open = Callable[[str], Tab]


def times(page: Any, shown: list[Pair]) -> list[float]:
    """Milliseconds from each key to the moment when both pictures of the pair after it were painted."""
    keyed: list[float] = page.evaluate("window.keyed")
    painted: list[tuple[str, float]] = page.evaluate("window.painted")
    found: list[float] = []
    for key, pair in zip(keyed, shown, strict=True):
        moments = [
            min((t for path, t in painted if path.startswith(f"/image/{id}/") and t >= key), default=None)
            for id in pair
        ]
        if None not in moments:
            found.append(max(m for m in moments if m is not None) - key)
    return found
