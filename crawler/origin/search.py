"""Tag searches of the stand-in: which page of which list a query asks for, and its JSON (pixiv.md 1.5). Pure.

GET https://www.pixiv.net/ajax/search/artworks/{word}?s_mode=s_tag_full&order=date_d&mode=all&p=1&scd=2016-01-01&ecd=…

`{word}` is percent-encoded; the parameter `word` is not looked at, nor are filters of size, tool, type and the like.
`s_mode`: s_tag_full is exact, all else partial. `order`: date is oldest first, all else newest first. `mode`: all,
safe, r18. `scd`, `ecd`: first and last day (Japan's), both may be missing. `illustrations` and `manga` give the same
works under their own key. A page has 60 rows, those without works (`isAdContainer`) among them, so 1000 pages hold
fewer than 60,000 works; the last has fewer rows, and those after it none, with the right `total`; pages past the cap
repeat the one at the cap. R-18 rows are masked for those without a session. 400: a parameter that makes no sense.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar
from urllib.parse import parse_qs, quote, unquote

from crawler.origin.body import Json, dump
from crawler.origin.listing import Listing, extra, row, zones
from crawler.origin.strands import Shelf
from crawler.origin.tags import LAST, Soil, is_loose, shelf, stem_of
from crawler.origin.work import OriginWork, first_of

T = TypeVar("T")
PATH = re.compile(r"/ajax/search/(artworks|illustrations|manga)/([^/]+)")
KEYS = {"artworks": "illustManga", "illustrations": "illust", "manga": "manga"}
RANGES = (None, 10_000, 5000, 1000, 500, 300, 100, 50)
_ADS = (0, 1, 0, 2)
"""Advertisements on the first page, the second, the third, the fourth, and so on in turn."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Query:
    """One list, read page by page (`page` is 1-based). `since` and `until` are days of Japan, both inclusive."""

    word: str
    exact: bool = False
    newest: bool = True
    mode: str = "all"
    since: date | None = None
    until: date | None = None
    page: int = 1
    key: str = "illustManga"


def parse(path: str, query: str) -> Query | None:
    """The query that a URL asks; None if a parameter makes no sense. Raises LookupError when it is no search."""
    found = PATH.fullmatch(path)
    if not found:
        raise LookupError(path)
    asked = {name: values[-1] for name, values in parse_qs(query).items()}
    page, mode = asked.get("p", "1"), asked.get("mode", "all")
    if not re.fullmatch(r"[1-9]\d{0,6}", page) or mode not in ("all", "safe", "r18"):
        return None
    try:
        since, until = (_day(asked.get(name, "")) for name in ("scd", "ecd"))
    except ValueError:
        return None
    return Query(
        unquote(found[2]),
        exact=asked.get("s_mode", "s_tag") == "s_tag_full",
        newest=asked.get("order", "date_d") != "date",
        mode=mode,
        since=since,
        until=until,
        page=int(page),
        key=KEYS[found[1]],
    )


def _day(text: str) -> date | None:
    if text and not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text) if text else None


def ads_on(listing: Listing, page: int) -> int:
    """How many rows of a page are advertisements."""
    return _ADS[(page - 1) % len(_ADS)] if listing.ads else 0


def place_of(listing: Listing, page: int) -> int:
    """How many works come before a page."""
    rounds, rest = divmod(page - 1, len(_ADS))
    ads = rounds * sum(_ADS) + sum(_ADS[:rest]) if listing.ads else 0
    return listing.rows * (page - 1) - ads


def pages_of(listing: Listing, total: int) -> int:
    """How many pages must be asked for, the cap left aside, to see `total` works; 1 for none."""
    page = max(1, total // listing.rows)
    while place_of(listing, page + 1) < total:
        page += 1
    return page


class Searches:
    """All searches of a world. Remembers the shelves and bounds of the last few hundred lists, and no list."""

    def __init__(self, soil: Soil, listing: Listing, work: Callable[[int], OriginWork]) -> None:
        self._soil, self._listing, self._work = soil, listing, work
        self._shelves: dict[tuple[object, ...], Shelf] = {}
        self._totals: dict[tuple[object, ...], int] = {}

    def page(self, query: Query, *, session: bool, fresh: int = 0) -> bytes:
        """The JSON of a page, when `fresh` works of each tag have appeared since the world was made."""
        low, high = _bounds(query.since, query.until)
        found = self._shelf(query, fresh)
        total = self._total(query, found, low, high, fresh)
        page = min(query.page, self._listing.cap_pages)
        start, ads = place_of(self._listing, page), ads_on(self._listing, page)
        count = max(0, min(self._listing.rows - ads, total - start))
        if query.newest:
            ids = found.between(low, high, start, count)
        else:
            ids = found.between(low, high, total - start - count, count)[::-1]
        rows: list[Json] = [self._row(query, id, session) for id in ids]
        for number in range(ads if rows else 0):
            rows.insert(min(len(rows), 11 + 24 * number), {"isAdContainer": True})
        return reply(query, rows, total)

    def _shelf(self, query: Query, fresh: int) -> Shelf:
        key = (query.word, query.exact, query.mode, fresh)
        found = self._shelves.get(key)
        if found is None:
            _trim(self._shelves)
            found = shelf(self._soil, query.word, exact=query.exact, mode=query.mode, fresh=fresh)
            self._shelves[key] = found
        return found

    def _total(self, query: Query, found: Shelf, low: int, high: int, fresh: int) -> int:
        if (low, high) == (0, _END):
            return found.count
        key = (query.word, query.exact, query.mode, fresh, low, high)
        if key not in self._totals:
            _trim(self._totals)
            self._totals[key] = max(0, found.below(high) - found.below(low))
        return self._totals[key]

    def _row(self, query: Query, id: int, session: bool) -> Json:
        also = (query.word + "系",) if not query.exact and is_loose(id) else (query.word,)
        return row(self._work(id), session=session, also=also)


def reply(query: Query, rows: list[Json], total: int) -> bytes:
    """The JSON of `rows`; it has no `message`, as on the site."""
    path = f"/tags/{quote(query.word, safe='')}/artworks"
    stem = stem_of(query.word)[0]
    ranges = [{"min": low, "max": None} for low in RANGES]
    body: Json = {query.key: {"data": rows, "total": total, "bookmarkRanges": ranges}}
    body |= {"popular": {"recent": [], "permanent": []}, "relatedTags": [stem, "オリジナル"] if total else []}
    body |= {"tagTranslation": {stem: {"en": "a stem"}} if total else [], "zoneConfig": zones("search")}
    return dump({"error": False, "body": body | {"extraData": extra(f"#{query.word}", path)}})


_END = LAST + (1 << 40)


def _bounds(since: date | None, until: date | None) -> tuple[int, int]:
    """The lowest id of a window, and the one after its highest."""
    low = first_of(since) if since else 0
    high = first_of(until + timedelta(days=1)) if until and until < date(2100, 1, 1) else _END
    return low, max(low, high)


def _trim(kept: dict[tuple[object, ...], T]) -> None:
    while len(kept) >= 512:
        del kept[next(iter(kept))]
