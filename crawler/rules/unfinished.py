"""A work that is not finished: what the log says of it, fact by fact, and what the facts join to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import NamedTuple, TypeVar

from crawler.events import Line
from crawler.model import Image, Page, WorkId

T = TypeVar("T")

Key = tuple[str, int]
"""A line's name: log and `seq`."""
Moment = tuple[str, str, int]
"""A line's place in time: `t`, then log and `seq`."""

_PAGE = attrgetter("page")


class Seen(NamedTuple):
    moment: Moment
    images: tuple[Image, ...]


class Had(NamedTuple):
    moment: Moment
    page: Page
    bytes: int
    quality: str


class Lost(NamedTuple):
    permanent: bool
    moment: Moment
    page: Page | None
    reason: str


Fact = Seen | Had | Lost
Facts = Mapping[Key, Fact]


class Unfinished:
    """A work that is not finished: its standing facts by line, and what they join to."""

    __slots__ = ("bit", "facts", "had", "lost", "seen")

    def __init__(self, bit: int, facts: Facts) -> None:
        self.bit = bit
        self.facts: dict[Key, Fact] = dict(facts)
        self._join_all()

    def add(self, key: Key, fact: Fact) -> bool:
        """Whether the fact is new."""
        if key in self.facts:
            return False
        self.facts[key] = fact
        if type(fact) is Had and fact.page not in self.had:  # nearly every fact
            self.had[fact.page] = fact
        else:
            self._join(fact)
        return True

    def remove(self, key: Key) -> None:
        """Take a fact back; what it outshone stands again."""
        del self.facts[key]
        self._join_all()

    def _join_all(self) -> None:
        self.seen: Seen | None = None
        self.had: dict[Page, Had] = {}
        self.lost: dict[Page | None, Lost] = {}
        for fact in self.facts.values():
            self._join(fact)

    def _join(self, fact: Fact) -> None:
        # Moments are unique, so comparing tuples never gets as far as what cannot be compared.
        if isinstance(fact, Had):
            best = self.had.get(fact.page)
            if best is None or fact > best:
                self.had[fact.page] = fact
        elif isinstance(fact, Seen):
            if self.seen is None or fact > self.seen:
                self.seen = fact
        elif (worst := self.lost.get(fact.page)) is None or fact > worst:
            self.lost[fact.page] = fact

    @property
    def expected(self) -> int:
        """Images of the work, as far as known."""
        return len(self.seen.images) if self.seen else 0

    def pages(self, id: WorkId) -> tuple[Page, ...] | None:
        """Its pages, as far as known; a work of site `urls` has no description, and one page."""
        if isinstance(id, str):
            return (0,)
        if self.seen is None:
            return None
        pages: Iterable[Page] = map(_PAGE, self.seen.images)
        return (*pages,)

    def whole(self, id: WorkId) -> tuple[Page, ...] | None:
        """Its pages, if every one of them is stored."""
        if self.seen is not None and len(self.had) < len(self.seen.images):
            return None
        pages = self.pages(id)
        return pages if pages is not None and all(map(self.had.__contains__, pages)) else None

    def losses(self, pages: tuple[Page, ...] | None) -> tuple[list[Lost], bool]:
        """What failed, given the work's pages (None: not known yet), and whether anything is left to try."""
        if pages is None:
            lost = self.lost.get(None)
            return ([lost] if lost else []), lost is None
        missing = [page for page in pages if page not in self.had]
        lost = [self.lost[page] for page in missing if page in self.lost]
        return lost, len(lost) < len(missing)


def moment_of(line: Line) -> Moment:
    """A line's place in time."""
    return (line.t, line.log, line.seq)


def later(best: tuple[Moment, T] | None, line: Line, value: T) -> tuple[Moment, T]:
    """The newer of what was best so far and what a line says."""
    moment = moment_of(line)
    return (moment, value) if best is None or moment > best[0] else best
