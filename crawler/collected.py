"""What the log of `crawler collect` says besides what every log does: which list named which work, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class Collected:
    """Base of these events: a fold over the works of a crawl passes them by."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Began(Collected):
    """A pass over a list began; from now on it is `list` in this log.

    `kind` tags, users, bookmarks or links; `tag` its name (a tag, or the number of a user or a work); `match`, `mode`
    and the days `since` and `until` as asked for; `first` and `last`: the days (Japan's, inclusive, "" = no bound)
    that this pass reads.
    """

    event: ClassVar[str] = "began"
    list: int
    kind: str
    tag: str
    match: str
    mode: str
    since: str
    until: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Found(Collected):
    """A list names a work: `rank` its place in the list (1 = first), `date` as the site gives it, `page` where."""

    event: ClassVar[str] = "found"
    list: int
    id: int
    tag: str
    rank: int
    date: str
    page: int


@dataclass(frozen=True, slots=True)
class Paged(Collected):
    """A page of a list is read, and every `found` of it is in the log before this. `next`: where the list goes on.

    `rank` different rows so far; `total` as the site says; `rows` on the page, of these `masked` hidden from the
    session, `left_out` of a rating that was not asked for (the ids of both: `hidden`); `ads` beside them.
    """

    event: ClassVar[str] = "paged"
    list: int
    tag: str
    page: int
    rank: int
    total: int
    rows: int
    masked: int
    left_out: int
    ads: int
    next: Mapping[str, Any] | None
    hidden: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Capped(Collected):
    """One day of a list has more works (`total`) than the site shows of it (`reached`)."""

    event: ClassVar[str] = "capped"
    list: int
    tag: str
    day: str
    total: int
    reached: int


@dataclass(frozen=True, slots=True)
class Emptied(Collected):
    """The site gave an empty page; asked again after `wait_s`, from `until` on (UTC, ISO 8601), or believed (0, "")."""

    event: ClassVar[str] = "emptied"
    list: int
    tag: str
    page: int
    wait_s: float
    until: str = ""


@dataclass(frozen=True, slots=True)
class Ended(Collected):
    """A list is read to its end by this pass: `ids` works found, `masked` hidden, `short` that no page shows."""

    event: ClassVar[str] = "ended"
    list: int
    tag: str
    ids: int
    masked: int
    pages: int
    short: int


@dataclass(frozen=True, slots=True)
class Missed(Collected):
    """Gave up on a list at a page, for now or (`permanent`) for good."""

    event: ClassVar[str] = "missed"
    list: int
    tag: str
    page: int
    reason: str
    status: int | None
    attempts: int
    permanent: bool
    detail: str = ""


CollectedEvent = Began | Found | Paged | Capped | Emptied | Ended | Missed
COLLECTED: tuple[type[CollectedEvent], ...] = (Began, Found, Paged, Capped, Emptied, Ended, Missed)
