"""A frozen picture of collecting, and how much of it is left: pages, requests, time. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from crawler.collect.book import Book, Pass, Query
from crawler.fetch.exchange import HostState
from crawler.progress import Note
from crawler.words import Range

WORKS_A_PAGE = {"tags": 59.25, "bookmarks": 100.0}
"""Rows with a work on a page: of 60 of a search, one in 80 is an advertisement (assumed; pixiv.md 1.5)."""
ENOUGH = 20
"""So many lists read, and what they held on average is used for those to come."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is still to be asked for. `lists` not over, of these `unknown` of a size that nobody has told yet.

    `least` requests that are sure to be needed; `likely` by the average of the lists read so far, None while these are
    too few to say. `waits` lists that were empty so far in `sampled`: each such costs one request more.
    """

    lists: int
    unknown: int
    least: int
    likely: int | None
    mean: float | None


def pages_left(one: Pass) -> int:
    """The least pages that a list still has; 1 where its size is not known."""
    if one.total < 0 or one.query.kind not in WORKS_A_PAGE:
        return 1
    return max(1, math.ceil((one.total - one.rank) / WORKS_A_PAGE[one.query.kind]))


def left_of(book: Book, queries: Iterable[Query]) -> Left:
    """What is left of the lists that are wanted."""
    lists = unknown = known = 0
    for query in queries:
        if book.over(query):
            continue
        lists += 1
        one = book.passes.get(query)
        if one is None or one.total < 0:
            unknown += 1
        else:
            known += pages_left(one)
    seen = [one.pages if one.cursor is None else one.pages + pages_left(one)
            for one in book.passes.values() if one.total >= 0]  # fmt: skip
    single = not any(one.query.kind in WORKS_A_PAGE for one in book.passes.values()) and bool(
        book.passes or book.linked
    )
    mean = 1.0 if single else sum(seen) / len(seen) if len(seen) >= ENOUGH else None
    likely = None if mean is None and unknown else known + round(unknown * (mean or 0))
    return Left(lists, unknown, known + unknown, likely, mean)


@dataclass(frozen=True, slots=True)
class Collection:
    """Collecting at one moment. `t` UTC seconds; `elapsed_s` of this run; `phase`: reading log, collecting, draining,
    closing, done. Lists: `over` of `lists` (of these `missed` for good), `open` in flight, `waiting` to be asked again.

    `ids` over all runs, `new_ids` by this one, `doubles` named by more lists than one; `pages` read by this run;
    `wait_s` until the last list that waits is asked for again.
    """

    t: float
    elapsed_s: float
    phase: str
    lists: int
    over: int
    missed: int
    open: int
    waiting: int
    ids: int
    new_ids: int
    doubles: int
    masked: int
    short: int
    pages: int
    requests: int
    retries: int
    left: Left
    wait_s: float = 0.0
    hosts: tuple[HostState, ...] = ()
    notes: tuple[Note, ...] = ()
    directory: str = ""
    stopping: str = ""


def time_left(now: Collection) -> Range | None:
    """How long what is left still takes at the pace of this run, or None where too little is known."""
    if now.left.lists == 0:
        return (0.0, 0.0)
    if now.pages < 8 or now.left.likely is None or now.elapsed_s <= 0:
        return None
    each_s = now.elapsed_s / now.pages
    error = min(0.75, max(0.05, 2 / math.sqrt(now.pages)))
    spread = 1.5 if now.left.unknown * 2 > now.left.lists else 1.0
    blocked_s = max((host.blocked_s for host in now.hosts), default=0.0)
    low = now.left.likely * each_s / (1 + error) / spread
    high = now.left.likely * each_s / (1 - error) * spread
    return (max(low + blocked_s, now.wait_s), max(high + blocked_s, now.wait_s + each_s))
