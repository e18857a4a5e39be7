"""What a log of `crawler collect` adds up to: where each list stands, and which ids there are. A fold, no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pyroaring import BitMap64

from crawler.collected import Began, Capped, Emptied, Found, Missed, Paged
from crawler.events import Event
from crawler.rules.windows import Cursor, cursor_of
from crawler.sites.pixiv_listing import day_of


class Query(NamedTuple):
    """What makes two lists the same: a pass over one goes on where the last stopped."""

    kind: str
    tag: str
    match: str = ""
    mode: str = ""
    since: str = ""
    until: str = ""


@dataclass(slots=True)
class Pass:
    """One reading of a list. `cursor` None: it is over, or (`began` False) not begun.

    `rank` different rows so far; `ids` of them found, `masked` and `left_out` not; `pages` read; `short` works that no
    page shows, of the `days`; `total` the site's, as told first. `known`: the rows of finished pages, while it is open.
    `empties`: so often the page at the cursor was empty, and is asked for again from `until` on.
    """

    number: int
    query: Query
    cursor: Cursor | None
    rank: int = 0
    ids: int = 0
    masked: int = 0
    left_out: int = 0
    pages: int = 0
    short: int = 0
    days: tuple[str, ...] = ()
    total: int = -1
    newest: str = ""
    missed: Missed | None = None
    empties: int = 0
    until: str = ""
    known: BitMap64 = field(default_factory=BitMap64)


class Book:
    """All passes of a log, the newest of each list; all ids, in order of discovery only for who asks `fresh`.

    Of the kind `links`, whose lists are as many as works, only which are over is kept.
    """

    def __init__(self) -> None:
        self.ids = BitMap64()
        self.passes: dict[Query, Pass] = {}
        self.linked = BitMap64()
        self.last = 0
        self.doubles = 0
        self._numbers: dict[int, Pass] = {}
        self._pending: dict[int, dict[int, Found]] = {}
        self._newest: dict[Query, str] = {}
        self._earlier: dict[Query, BitMap64] = {}

    def apply(self, event: Event | None) -> int | None:
        """Take a line in; the id, where it is one that no line before it had."""
        match event:
            case Found():
                return self._found(event)
            case Paged():
                self._paged(event)
            case Began():
                self._began(event)
            case Capped():
                one = self._of(event.list)
                one.short += event.total - event.reached
                one.days += (event.day,)
            case Missed():
                one = self._of(event.list)
                one.missed, one.empties, one.until = event, 0, ""
                if event.permanent:
                    self._close(one)
            case Emptied():
                one = self._of(event.list)
                one.missed, one.empties, one.until = None, one.empties + 1, event.until
            case _:
                pass
        return None

    def newest(self, query: Query) -> str:
        """The newest day that an earlier pass over the list saw a work of; "" for none."""
        return self._newest.get(query, "")

    def earlier(self, query: Query) -> BitMap64:
        """Of bookmarks: the rows of earlier passes over the list."""
        return self._earlier.get(query) or BitMap64()

    def over(self, query: Query) -> bool:
        """Whether a list is read to its end, or given up for good."""
        if query.kind == "links":
            return int(query.tag) in self.linked
        one = self.passes.get(query)
        return one is not None and one.cursor is None

    def open_passes(self) -> Iterator[Pass]:
        """Passes that are begun and not over."""
        return (one for one in self.passes.values() if one.cursor is not None)

    def _of(self, number: int) -> Pass:
        # Without a beginning it is of a log that was repaired: its ids count, the list is read again.
        return self._numbers.get(number) or Pass(number, Query("", ""), Cursor())

    def _began(self, event: Began) -> None:
        query = Query(event.kind, event.tag, event.match, event.mode, event.since, event.until)
        old = self.passes.pop(query, None)
        if old is not None:
            self._numbers.pop(old.number, None)
            self._pending.pop(old.number, None)
        one = Pass(event.list, query, Cursor(event.first, event.last))
        self.passes[query] = self._numbers[event.list] = one
        self.last = max(self.last, event.list)

    def _found(self, event: Found) -> int | None:
        # Known to its pass once its page is finished: of a page cut off by a kill the rest is still to come.
        self._pending.setdefault(event.list, {})[event.id] = event
        if event.id in self.ids:
            self.doubles += 1
            return None
        self.ids.add(event.id)
        return event.id

    def _paged(self, event: Paged) -> None:
        one = self._of(event.list)
        found = self._pending.pop(event.list, {})
        one.known.update(found)
        one.known.update(event.hidden)
        one.newest = max((one.newest, *(day_of(line.date) for line in found.values())))
        one.rank, one.ids = event.rank, one.ids + len(found)
        one.masked += event.masked
        one.left_out += event.left_out
        one.pages += 1
        one.total = event.total if one.total < 0 else one.total
        one.missed, one.empties, one.until = None, 0, ""
        if event.next is None:
            self._close(one)
        else:
            one.cursor = cursor_of(event.next)

    def _close(self, one: Pass) -> None:
        if one.query.kind == "bookmarks":
            self._earlier[one.query] = self.earlier(one.query) | one.known
        if one.newest:
            self._newest[one.query] = max(one.newest, self.newest(one.query))
        one.cursor, one.known = None, BitMap64()
        if one.query.kind == "links":
            self.linked.add(int(one.query.tag))
            self.passes.pop(one.query, None)
            self._numbers.pop(one.number, None)
