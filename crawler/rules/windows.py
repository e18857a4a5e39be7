"""Which page of which dates of a list comes next, so that all of it is seen though the site caps every search. Pure.

A list is read newest first. At the cap the next window ends on the day where the cap was met, and begins at the page
that holds the last row read: a seam costs one page at most, and a row read twice is known. A day that exceeds the cap
by itself is read from its other end too; what even that does not reach is counted (`Short`), and the day before goes
on. Windows never begin later than the one before ended, so nothing lies between them.

What moves while it is read: works that appear push rows down, and come twice; works that vanish pull rows up, past the
reader. The latter shows in the total, which then is smaller: as many pages back are read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal

FIRST_DAY = "2007-09-10"
"""The site is not older: no window ends before."""
BACKS_MAX = 200
"""So often a window is gone back in, at most: a total that flickers must not hold a list for ever."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the site pages a list: `rows` a page (those without a work among them if `mixed`), `cap` pages of one search
    (0: all), and whether windows of dates can be asked for (`dated`)."""

    rows: int
    cap: int = 0
    dated: bool = False
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """What a page said. `items`: rows of any sort; `days`: of each work's row the day (Japan's, `YYYY-MM-DD`) it
    appeared on, "" where it says none; `known`: whether an earlier page of this pass had that row."""

    items: int
    total: int
    days: Sequence[str]
    known: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Short:
    """A day of which the site shows `reached` works of `total`."""

    day: str
    total: int
    reached: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a list goes on: `page` of the window `since` to `until` (days, inclusive, "" = no bound).

    `seen` works of the window before that page; `total` as last told, -1 before the window's first page; `day` of the
    last row, and `of_day` rows of it so far. `seam`: 1, the page must have a row of an earlier window; 2, it had
    none but such; 0, those are behind. Up to page `again_to` known rows are no wonder; `backs` times pages were read
    again. `sure`: there are works in it. From the other end (`order` oldest) of a day, the window it belongs to began
    at `outer` and has `older` works before that day. `loose`: the window began in its midst, so `seen` may be off
    by what vanished before, and only a short page ends it.
    """

    since: str = ""
    until: str = ""
    page: int = 1
    order: Literal["newest", "oldest"] = "newest"
    seen: int = 0
    total: int = -1
    day: str = ""
    of_day: int = 0
    seam: int = 0
    again_to: int = 0
    outer: str = ""
    older: int = 0
    sure: bool = False
    backs: int = 0
    loose: bool = False

    def said(self) -> dict[str, Any]:
        """As plain values for a log line; what has its default is left out."""
        return {name: value for name, value in asdict(self).items() if value != getattr(_START, name)}


_START = Cursor()


def cursor_of(said: Mapping[str, Any]) -> Cursor:
    """The cursor in a log line; keys of a later version are passed over."""
    return Cursor(**{name: said[name] for name in Cursor.__slots__ if name in said})


@dataclass(frozen=True, slots=True)
class Step:
    """Where the list goes on after a page; `next` None: it is read to its end."""

    next: Cursor | None
    short: Short | None = None


def throttled(cursor: Cursor, page: Page, shape: Shape) -> Literal["no", "maybe", "surely"]:
    """Whether an empty page is the site's way to refuse (pixiv.md 1.5: 200, no rows, total 0) and not the end."""
    if page.items:
        return "no"
    if page.total == 0:
        return "surely" if cursor.total > 0 or cursor.seam or cursor.sure else "maybe"
    inside = (cursor.page - 1) * shape.rows < page.total and cursor.seen < page.total
    return "surely" if inside else "no"


def step(cursor: Cursor, page: Page, shape: Shape) -> Step:
    """Where to go on after `page`, which is the one that `cursor` asked for."""
    if cursor.order == "oldest":
        return _other_end(cursor, page, shape)
    news = len(page.known) - sum(page.known)
    if cursor.seam == 1 and news == len(page.known) and page.items:
        # Rows vanished or moved: the last one read is not where it was. The whole window, then.
        again_to = cursor.page + 1 + cursor.page // 16
        return Step(Cursor(cursor.since, cursor.until, again_to=again_to, sure=True))
    seen = cursor.seen + len(page.days)
    if not shape.mixed:
        seen = max(seen, cursor.page * shape.rows)  # rows are left out of pages (pixiv.md 1.6): places count
    elif cursor.seam:
        at_most = (cursor.page - 1) * shape.rows + len(page.days)
        seen = min(cursor.seen + news, at_most) if news else cursor.seen
    seam = 2 if cursor.seam and not news else 0
    now = _counted(replace(cursor, seen=seen, total=page.total, seam=seam), page)
    lost = cursor.total - page.total
    if lost > 0 and cursor.page > 1 and cursor.backs < BACKS_MAX:
        back = max(1, cursor.page - -(-lost // shape.rows))
        before = max(0, seen - shape.rows * (cursor.page - back + 1))  # or a few more: then the end tells itself
        again_to = max(cursor.page, cursor.again_to)
        return Step(replace(now, page=back, seen=before, again_to=again_to, backs=cursor.backs + 1))
    # Rows that were all there already: the site caps earlier than we believe, and repeats its last page.
    stuck = page.items >= shape.rows and not news and not cursor.seam and cursor.page > max(1, cursor.again_to)
    if not stuck and _ends(now, page, shape):
        return Step(None)
    if shape.dated and shape.cap and (cursor.page >= shape.cap or stuck):
        return _next_window(cursor, now, page, shape)
    return Step(replace(now, page=cursor.page + 1))


def _ends(now: Cursor, page: Page, shape: Shape) -> bool:
    if page.items == 0 or (now.seen >= page.total and not now.loose):
        return True
    if not shape.mixed:
        return now.page * shape.rows >= page.total
    return page.items < shape.rows and now.page * shape.rows >= page.total


def _counted(now: Cursor, page: Page) -> Cursor:
    """With `day` and `of_day` after the new rows of a page; one that tells no day has that of the row before."""
    day, of_day = now.day, now.of_day
    for said, known in zip(page.days, page.known, strict=True):
        if known:
            continue
        if said and said != day:
            day, of_day = said, 0
        of_day += 1
    return replace(now, day=day, of_day=of_day)


def _next_window(cursor: Cursor, now: Cursor, page: Page, shape: Shape) -> Step:
    """The cap is met: on from the newest day of this page, which is safe even where the order is not quite by date."""
    dated = [day for day in page.days if day] or [now.day]
    day = next((day for day in (max(dated), dated[-1]) if day < cursor.until), "")
    if not day or day < cursor.since:
        return _whole_day(now)
    read = cursor.of_day if cursor.day and cursor.day <= day else 0
    said = cursor.day
    for row, known in zip(page.days, page.known, strict=True):
        said = row or said
        read += said <= day and not known
    start = min(max(1, -(-read // shape.rows)), shape.cap)
    return Step(
        Cursor(
            cursor.since,
            day,
            start,
            seen=read,
            day=now.day,
            of_day=now.of_day,
            seam=int(read > 0),
            sure=True,
            loose=read > 0,
        )
    )


def _whole_day(now: Cursor) -> Step:
    """The day `until` alone exceeds the cap: its oldest works are read from the other end."""
    older = 0 if now.since == now.until else now.total
    return Step(Cursor(now.until, now.until, 1, "oldest", now.of_day, outer=now.since, older=older, sure=True))


def _other_end(cursor: Cursor, page: Page, shape: Shape) -> Step:
    """`seen` counts the different works of the day from both ends; `older` those of the window it was met in, until
    the first page tells the day's own total."""
    older = max(0, cursor.older - page.total) if cursor.total < 0 else cursor.older
    now = replace(cursor, seen=cursor.seen + len(page.known), total=page.total, older=older)
    met = any(page.known)  # then it has come to its end, and what was seen no longer matters
    if page.items and not met and now.seen < page.total and cursor.page < shape.cap:
        return Step(replace(now, page=cursor.page + 1))
    short = None if met or now.seen >= page.total else Short(cursor.until, page.total, now.seen)
    before = (date.fromisoformat(cursor.until) - timedelta(days=1)).isoformat()
    if not now.older or before < max(cursor.outer, FIRST_DAY):
        return Step(None, short)
    return Step(Cursor(cursor.outer, before, sure=True), short)
