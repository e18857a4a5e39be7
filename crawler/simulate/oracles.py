"""The laws that every simulated world is held to, from outside: the folder, the log's bytes, what the server saw."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from crawler.log.codec import decode
from crawler.log.reader import replay
from crawler.origin.links import WWW
from crawler.origin.world import Expected, ExpectedImage
from crawler.rules.replay import State
from crawler.simulate.witness import Arrival, Told

_AJAX = re.compile(r"/ajax/illust/(\d+)(?:/|$)")
LATE_S = 0.02
"""A timer this late is not held against the one who waited (fetch/hosts.py); it shortens a window by as much."""
DAY_S = 86400.0
Key = tuple[Any, Any]


@dataclass(slots=True)
class Book:
    """What a log says, read line by line without the code that folds it. Only lines that stand."""

    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    described: Counter[Any] = field(default_factory=Counter[Any])
    gone: dict[Any, dict[str, Any]] = field(default_factory=dict[Any, dict[str, Any]])
    stored: dict[Key, dict[str, Any]] = field(default_factory=dict[Key, dict[str, Any]])
    twice: list[Key] = field(default_factory=list[Key])

    @property
    def paths(self) -> set[str]:
        """Every path that a line says is stored."""
        return {line["path"] for line in self.stored.values()}


def read_book(root: Path) -> Book:
    """The log of a folder; a torn tail is left out."""
    book = Book()
    path = root / "log.jsonl"
    if not path.exists():
        return book
    for raw in path.read_bytes().split(b"\n"):
        if decode(raw) is None:  # the torn tail, which the next run heals; damage before it was mended by now
            continue
        book.lines.append(orjson.loads(raw))
    voided = {(line["line"]["log"], line["line"]["seq"]) for line in book.lines if line["event"] == "voided"}
    for line in book.lines:
        if (line["log"], line["seq"]) in voided:
            continue
        if line["event"] == "described":
            book.described[line["id"]] += 1
        elif line["event"] == "gone":
            book.gone[line["id"]] = line
        elif line["event"] == "stored":
            key = (line["id"], line["page"])
            if key in book.stored:
                book.twice.append(key)
            book.stored[key] = line
    return book


def files_are_what_the_log_says(root: Path, book: Book, told: Told) -> None:
    """Nothing is `stored` whose file is missing or different."""
    for line in book.stored.values():
        path = root / line["path"]
        if not path.is_file():
            told.law(False, f"{line['path']} is stored (line {line['seq']}) and missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != line["sha256"]:
            told.law(False, f"{line['path']} is stored (line {line['seq']}) and its bytes are others")


def nothing_is_asked_again(before: Book, arrivals: Sequence[Arrival], lost: Set[int], told: Told) -> None:
    """What the log knew when a run began is not asked for by that run.

    `lost`: works with images that are nowhere to be had. When they are missing in a later run, the site is asked once
    more whether the work was edited.
    """
    known = {str(id) for id in (*before.described, *before.gone) if id not in lost}
    urls = {line["url"] for line in before.stored.values()}
    for one in arrivals:
        asked = _AJAX.match(one.target) if one.host == WWW else None
        if asked and asked[1] in known:
            told.law(False, f"t={one.t:.3f}: work {asked[1]} is asked for again, though the log has its answer")
        if f"https://{one.host}{one.target}" in urls:
            told.law(False, f"t={one.t:.3f}: {one.target} is asked for again, though it is stored")


def no_window_above_the_budget(
    arrivals: Mapping[str, Sequence[float]], budgets: Mapping[str, tuple[float, int]], jitter_s: float, told: Told
) -> None:
    """In every window of length T the server saw at most rate * T + burst requests of a host, robots.txt among them.

    `jitter_s`: how much longer than others a request may be under way; it shortens a window by as much.
    """
    for host, times in arrivals.items():
        rate, burst = budgets["api" if host == WWW else "images"]
        if not rate:
            continue
        least = float("inf")
        for number, t in enumerate(times):
            least = min(least, number - rate * t)
            over = number + 1 - rate * t - least - burst
            if over > rate * (LATE_S + jitter_s) + 1e-6:
                told.law(False, f"t={t:.3f}: {host}: {over:.3f} requests above {rate:g}/s with a burst of {burst}")
                break


def no_day_above_the_budget(arrivals: Mapping[str, Sequence[float]], budget: int, told: Told) -> None:
    """In every window of 24 h the server saw at most `budget` requests of a host (0: no limit), over all runs."""
    for host, times in arrivals.items() if budget else ():
        first = 0
        for number, t in enumerate(times):
            while times[first] <= t - DAY_S:
                first += 1
            if number - first + 1 > budget:
                told.law(False, f"t={t:.3f}: {host}: {number - first + 1} requests in 24 h, the budget is {budget}")
                break


def books_agree(root: Path, within: Any, memory: State, told: Told) -> None:
    """A reader of the log counts what the run had in memory, and knows as much of daily budgets."""
    read = replay(root / "log.jsonl")
    counted, known = read.totals(within), memory.totals(within)
    told.law(counted == known, f"the log adds up to {counted}, memory to {known}")
    spent = (sorted(state.spending.rows()) for state in (read, memory))
    told.law(next(spent) == next(spent), "of daily budgets the log says something else than memory")


def adds_up(counts: Any, told: Told, when: str) -> None:
    """listed = done + gone + failed + pending."""
    total = counts.done + counts.gone + counts.failed + counts.pending
    told.law(counts.listed == total, f"{when}: {counts.listed} listed, but {total} accounted for")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a story must end: by id, what is expected, and `filtered` if a rule leaves it out."""

    expected: Expected
    filtered: bool


def store_is_whole(root: Path, book: Book, wanted: Mapping[Any, Wanted], told: Told) -> None:
    """Each expected image is there byte for byte, with the one line that says so; and nothing else is."""
    files: set[str] = set()
    told.law(not book.twice, f"stored twice: {book.twice[:3]}")
    for id, want in wanted.items():
        expected, gone = want.expected, book.gone.get(id)
        reason = "filtered" if want.filtered else expected.reason
        if want.filtered or expected.outcome == "gone":
            told.law(gone is not None and gone["reason"] == reason, f"{id} should be gone ({reason}), log: {gone}")
            continue
        told.law(gone is None, f"{id} should be had, and is gone: {gone}")
        if isinstance(id, int):
            told.law(book.described[id] == 1, f"{id} is described {book.described[id]} times")
        for page, image in expected.images.items():
            line = book.stored.get((id, page))
            path = place_of(id, image)
            files.add(path)
            if line is None:
                told.law(False, f"{id} page {page} should be stored: {image.url}")
                continue
            found = (line["path"], line["sha256"], line["bytes"], line["quality"], line["url"])
            should = (path, image.sha256, image.bytes, image.quality, image.url)
            told.law(found == should, f"{id} page {page} is stored as {found}, should be {should}")
    there = {str(path.relative_to(root)) for path in (root / "images").rglob("*") if path.is_file()}
    told.law(there == files, f"files too many: {sorted(there - files)[:3]}, missing: {sorted(files - there)[:3]}")


def place_of(id: Any, image: ExpectedImage) -> str:
    """Where an image lies (design.md 1.3)."""
    if not isinstance(id, int):
        return f"images/{int(id, 16) % 1000:03d}/{id}.{image.ext}"
    stem = f"{id}_ugoira" if image.page == "zip" else f"{id}_p{image.page}"
    return f"images/{id % 1000:03d}/{stem}.{image.ext}"
