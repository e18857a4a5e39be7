"""The site's lists of works: what to ask for a page, and what its rows say. Pure: requests out, pages in.

Rows name works and little more: no description, no counts, no original's URL, and the further pages of a work not at
all (pixiv.md 1.8, 2.4). So a row never stands for the answer to `describe`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, cast
from urllib.parse import quote, urlencode

from crawler.fetch.exchange import Request
from crawler.model import Absent, Failure, Kind
from crawler.rules.windows import Cursor, Shape
from crawler.sites.pixiv import Pixiv
from crawler.sites.pixiv_reply import body_of
from crawler.sites.pixiv_work import number

JAPAN = timezone(timedelta(hours=9))
"""The site's days begin in Tokyo: dates of thumbs say +09:00 (pixiv.md 2)."""
SEARCH = Shape(rows=60, dated=True, mixed=True)
"""pixiv.md 1.5: 60 rows a page, advertisements among them. The cap is the user's to say."""
BOOKMARKS = Shape(rows=100)
"""pixiv.md 1.6: at most 100 a page; rows may be fewer than places."""
WHOLE = Shape(rows=10**9)
"""One reply tells all."""

Mode = Literal["all", "safe"]


@dataclass(frozen=True, slots=True)
class Row:
    """A work in a list. `date` as the site gives it ("" where it gives none), `masked` the site's reason for hiding
    it from this session ("" = it is shown); `x_restrict` as of Work."""

    id: int
    date: str = ""
    masked: str = ""
    x_restrict: int = 0

    @property
    def day(self) -> str:
        """The day in Japan, `YYYY-MM-DD`; "" where the row tells none."""
        return "" if self.masked else day_of(self.date)


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a list: its works in order, what the site says their total is, and rows that are no works."""

    rows: tuple[Row, ...]
    total: int
    ads: int = 0

    @property
    def items(self) -> int:
        return len(self.rows) + self.ads


@dataclass(frozen=True, slots=True)
class ListAsk:
    """A page still to be asked for. `read` never raises, whatever the body."""

    site: Pixiv
    path: str
    reader: Callable[[Any], ListPage | Failure]

    def request(self) -> Request:
        return self.site.api_request(self.path)

    def read(self, status: int, content_type: str, body: bytes) -> ListPage | Absent | Failure:
        said = body_of(status, content_type, body, session=bool(self.site.secret))
        return said if isinstance(said, Absent | Failure) else self.reader(said)


def search(site: Pixiv, word: str, *, exact: bool, mode: Mode, cursor: Cursor) -> ListAsk:
    """A page of a tag search (pixiv.md 1.5), newest or oldest first, within the cursor's days."""
    asked = {
        "word": word,
        "order": "date_d" if cursor.order == "newest" else "date",
        "mode": mode,
        "p": str(cursor.page),
        "s_mode": "s_tag_full" if exact else "s_tag",
        "type": "all",
        "lang": "en",
    }
    asked |= {"scd": cursor.since} if cursor.since else {}
    asked |= {"ecd": cursor.until} if cursor.until else {}
    return ListAsk(site, f"ajax/search/artworks/{quote(word, safe='')}?{urlencode(asked)}", _searched)


def bookmarks(site: Pixiv, user: int, cursor: Cursor) -> ListAsk:
    """A page of what a user bookmarked in public, newest first (pixiv.md 1.6)."""
    rows = BOOKMARKS.rows
    asked = {"tag": "", "offset": str((cursor.page - 1) * rows), "limit": str(rows), "rest": "show", "lang": "en"}
    return ListAsk(site, f"ajax/user/{user}/illusts/bookmarks?{urlencode(asked)}", _bookmarked)


def works_of(site: Pixiv, user: int) -> ListAsk:
    """All works of a user, newest first: one request (pixiv.md 1.7)."""
    return ListAsk(site, f"ajax/user/{user}/profile/all?lang=en", _profiled)


def description_of(site: Pixiv, id: int, links: Callable[[str], list[int]]) -> ListAsk:
    """The works that another work's description links to; `links` finds them in its HTML (pixiv.md 2.2)."""

    def reader(body: Any) -> ListPage | Failure:
        text = _object(body).get("description", _object(body).get("illustComment"))
        if not isinstance(text, str):
            return _bad("`description` is missing")
        rows = tuple(Row(found) for found in links(text) if found != id)
        return ListPage(rows, len(rows))

    return ListAsk(site, f"ajax/illust/{id}", reader)


def day_of(date: str) -> str:
    """The day in Japan of an ISO date with its offset; "" for what is none, and for the epoch of masked rows."""
    try:
        moment = datetime.fromisoformat(date)
        day = (moment if moment.tzinfo else moment.replace(tzinfo=JAPAN)).astimezone(JAPAN).date().isoformat()
    except (ValueError, OverflowError):
        return ""
    return "" if day < "2000" else day


def _searched(body: Any) -> ListPage | Failure:
    found = _object(_object(body).get("illustManga"))
    return _listed(found.get("data"), found.get("total"))


def _bookmarked(body: Any) -> ListPage | Failure:
    return _listed(_object(body).get("works"), _object(body).get("total"))


def _profiled(body: Any) -> ListPage | Failure:
    ids: set[int] = set()
    for name in ("illusts", "manga"):
        group = _object(body).get(name)
        if not isinstance(group, dict | list) or (isinstance(group, list) and group):
            return _bad(f"`{name}` is neither an object nor empty")  # an empty object is [] here (pixiv.md 1.7)
        ids.update(filter(None, map(number, cast("dict[str, Any]", group or {}))))
    return ListPage(tuple(Row(id) for id in sorted(ids, reverse=True)), len(ids))


def _listed(data: object, total: object) -> ListPage | Failure:
    if not isinstance(data, list) or not isinstance(total, int) or isinstance(total, bool) or total < 0:
        return _bad("a list without rows or without `total`")
    rows: list[Row] = []
    ads = 0
    for item in cast("list[object]", data):
        fields = _object(item)
        id = number(fields.get("id"))
        if fields.get("isAdContainer") and not id:
            ads += 1
        elif not id:
            return _bad(f"a row's `id` is {fields.get('id')!r:.40}")
        else:
            rows.append(_row(id, fields))
    return ListPage(tuple(rows), total, ads)


def _row(id: int, fields: dict[str, Any]) -> Row:
    # What is masked says so since 2022, and is of nobody or not to be bookmarked (pixiv.md 2.4).
    hidden = fields.get("isMasked") is True or number(fields.get("userId")) == 0
    masked = str(fields.get("maskReason") or "unknown")[:40] if hidden else ""
    date = fields.get("createDate")
    return Row(
        id, "" if hidden or not isinstance(date, str) else date[:40], masked, number(fields.get("xRestrict"))
    )  # fmt: skip


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _bad(detail: str) -> Failure:
    return Failure(Kind.BAD_REPLY, detail, 200)
