"""The life of one list, read from top to bottom: begin, ask for a page, believe it or not, note it, go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from crawler.collect.book import Book, Pass, Query
from crawler.collected import Began, Capped, Emptied, Ended, Found, Missed, Paged
from crawler.engine.exchanges import Question
from crawler.engine.refusals import heed
from crawler.events import Event
from crawler.fetch.door import Door
from crawler.fetch.hosts import utc
from crawler.fetch.memory import Room
from crawler.log.writer import Log
from crawler.model import Absent, Failure, Kind
from crawler.rules.windows import Cursor, Page, Shape, Step, step, throttled
from crawler.sites.pixiv import Pixiv
from crawler.sites.pixiv_listing import (
    BOOKMARKS,
    SEARCH,
    WHOLE,
    ListAsk,
    ListPage,
    bookmarks,
    description_of,
    search,
    works_of,
)
from crawler.sources.links import linked_works
from crawler.stop import Blocked, Draining, Gate, Stop
from crawler.words import seconds_of

SILENT = 3
"""Lists in a row that the site answered with pages that cannot be empty, after which nothing is asked for a while."""


class Lull:
    """Whether the site throttles searches as a whole: page after page is empty that cannot be (pixiv.md 1.5)."""

    def __init__(self, wait_s: float, gate: Gate) -> None:
        self._wait_s = wait_s
        self._gate = gate
        self._silent: set[int] = set()
        self._until = 0.0
        self.doubt = False
        """An empty page says nothing while this holds."""

    def heard(self, number: int, verdict: str) -> None:
        """A list's page was read: is it empty and cannot be (`surely`), or does it say something?"""
        if verdict == "no":
            self._silent.clear()
            self.doubt = False
        elif verdict == "surely":
            self.doubt = True
            self._silent.add(number)
            if len(self._silent) >= SILENT:
                self._silent.clear()
                self._until = asyncio.get_running_loop().time() + self._wait_s

    async def over(self) -> None:
        """Wait while nothing is to be asked. Raises Draining."""
        while (rest := self._until - asyncio.get_running_loop().time()) > 0:
            await self._gate.sleep(rest)


@dataclass(slots=True)
class Tools:
    """What a list needs on its way. `note` writes a line and takes it into the book; `today`: Japan's day.

    `attempts`: how often a page that is empty and cannot be is asked for again.
    """

    site: Pixiv
    door: Door
    gate: Gate
    log: Log
    book: Book
    note: Callable[[Event], None]
    stop: Callable[[Stop], None]
    lull: Lull
    today: Callable[[], str]
    cap_pages: int
    empty_wait_s: float
    attempts: int
    most_x_restrict: int
    waiting: int = 0
    pages: int = 0


class Place:
    """A place among the lists in flight, held when this is made; given back at the latest by `give` in the end."""

    def __init__(self, places: Room) -> None:
        self._places = places
        self._held = True

    def give(self) -> None:
        """Let another list have it, if it is held."""
        if self._held:
            self._held = False
            self._places.give(1)

    async def take(self) -> None:
        """Have one again. Raises Draining."""
        await self._places.take(1)
        self._held = True


async def read_list(query: Query, place: Place, tools: Tools) -> None:
    """Read a list as far as it goes now; what became of it is in the log when this returns.

    Raises StorageFailed only; a drain ends it quietly, to be gone on with.
    """
    try:
        await _read(query, place, tools)
    except Draining:
        return
    except Blocked as stop:
        tools.stop(stop)
    finally:
        place.give()


async def _read(query: Query, place: Place, tools: Tools) -> None:
    one = tools.book.passes.get(query)
    if one is None or one.cursor is None:
        one = begin(query, tools)
    shape = shape_of(query.kind, tools.cap_pages)
    while (cursor := one.cursor) is not None:
        await wait(one, place, tools)
        await tools.lull.over()
        said = await ask(one, cursor, tools)
        if said is None:
            return
        page = Page(said.items, said.total, [row.day for row in said.rows], [r.id in one.known for r in said.rows])
        verdict = "no" if shape is WHOLE else throttled(cursor, page, shape)
        tools.lull.heard(one.number, verdict)
        if verdict != "no" and not believed(verdict, one.empties, tools):
            if one.empties >= tools.attempts:
                failure = Failure(Kind.RATE_LIMITED, "nothing but empty pages", 200, attempts=one.empties + 1)
                tools.note(missed(one, cursor, failure))
                return
            until = iso(utc() + tools.empty_wait_s)
            tools.note(Emptied(one.number, query.tag, cursor.page, tools.empty_wait_s, until))
            continue
        if verdict == "maybe":
            tools.note(Emptied(one.number, query.tag, cursor.page, 0))
        take(one, cursor, said, step(cursor, page, shape), tools)
        # Before the next page is asked for this one is safe: a kill costs what is in flight, and no page more.
        await tools.log.commit()


def begin(query: Query, tools: Tools) -> Pass:
    """A new pass over a list: of days from its newest known work on, if it was read before, to today."""
    first, last = "", ""
    if query.kind == "tags":
        first, last = max(query.since, tools.book.newest(query)), query.until or tools.today()
    tools.note(
        Began(
            tools.book.last + 1, query.kind, query.tag, query.match, query.mode, query.since, query.until, first, last
        )
    )
    return tools.book.passes[query]


def shape_of(kind: str, cap_pages: int) -> Shape:
    """How the site pages such a list."""
    if kind == "tags":
        return Shape(SEARCH.rows, cap_pages, SEARCH.dated, SEARCH.mixed)
    return BOOKMARKS if kind == "bookmarks" else WHOLE


def request_of(query: Query, cursor: Cursor, site: Pixiv) -> ListAsk:
    """What to ask for the page at a cursor."""
    match query.kind:
        case "tags":
            mode = "safe" if query.mode == "safe" else "all"
            return search(site, query.tag, exact=query.match == "exact", mode=mode, cursor=cursor)
        case "bookmarks":
            return bookmarks(site, int(query.tag), cursor)
        case "users":
            return works_of(site, int(query.tag))
        case _:
            return description_of(site, int(query.tag), linked_works)


async def ask(one: Pass, cursor: Cursor, tools: Tools) -> ListPage | None:
    """The page, or None where there is none: why is noted then. Raises Draining, Blocked."""
    question = Question(request_of(one.query, cursor, tools.site))
    outcome = await tools.door.get(question)
    said = outcome if isinstance(outcome, Failure) else question.answer
    tools.pages += isinstance(said, ListPage)
    match said:
        case ListPage():
            return said
        case Failure():
            heed(said, one.query.tag, tools.stop)
            tools.note(missed(one, cursor, said))
        case Absent(reason=reason):
            if one.query.kind == "links":  # a work that is gone or hidden links to nothing
                return ListPage((), 0)
            what = Failure(Kind.NOT_FOUND if reason == "not_found" else Kind.FORBIDDEN, permanent=True)
            tools.note(missed(one, cursor, what))
        case None:
            raise AssertionError("a question that was had has an answer")
    return None


def believed(verdict: str, empties: int, tools: Tools) -> bool:
    """Whether an empty page is believed: a first one the second time, unless the site is known to hold back."""
    return verdict == "maybe" and empties > 0 and not tools.lull.doubt


async def wait(one: Pass, place: Place, tools: Tools) -> None:
    """Of a page that was empty, also in an earlier run: let others go on until it is time to ask again.

    Raises Draining.
    """
    rest = min((seconds_of(one.until) or 0.0) - utc(), tools.empty_wait_s) if one.until else 0.0
    if rest <= 0:
        return
    place.give()
    tools.waiting += 1
    try:
        await tools.gate.sleep(rest)
    finally:
        tools.waiting -= 1
    await place.take()


def take(one: Pass, cursor: Cursor, said: ListPage, then: Step, tools: Tools) -> None:
    """Note what a page brought, in one go: it is in the log as a whole, or not."""
    number, tag = one.number, one.query.tag
    rank, masked, hidden, here = one.rank, 0, list[int](), set[int]()
    for row in said.rows:
        if row.id in one.known or row.id in here:
            continue
        rank += 1
        here.add(row.id)
        if row.masked or row.x_restrict > tools.most_x_restrict:
            masked += bool(row.masked)
            hidden.append(row.id)
        else:
            tools.note(Found(number, row.id, tag, rank, row.date, cursor.page))
    going = then.next
    if going is not None and any(id in tools.book.earlier(one.query) for id in here):
        going = None  # bookmarks: what follows was there in an earlier pass
    if then.short is not None:
        tools.note(Capped(number, tag, then.short.day, then.short.total, then.short.reached))
    rows, ads, left_out = len(said.rows), said.ads, len(hidden) - masked
    said_next = None if going is None else going.said()
    tools.note(Paged(number, tag, cursor.page, rank, said.total, rows, masked, left_out, ads, said_next, hidden))
    if going is None:
        tools.note(Ended(number, tag, one.ids, one.masked, one.pages, one.short))


def missed(one: Pass, cursor: Cursor, failure: Failure) -> Missed:
    """The line that says that a list was given up."""
    return Missed(
        list=one.number,
        tag=one.query.tag,
        page=cursor.page,
        reason=failure.kind.value,
        status=failure.status,
        attempts=failure.attempts,
        permanent=failure.permanent,
        detail=failure.detail,
    )


def iso(t: float) -> str:
    """UTC seconds as the log writes times."""
    return datetime.fromtimestamp(t, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
