"""A pair as the review page knows it: plain values of both works, without a line of anybody's HTML. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from crawler.events import Stored
from crawler.pairs.catalog import Side
from crawler.pairs.judgements import Judged, Noted, Pair
from crawler.pairs.listing import Hint
from crawler.pairs.queue import Deal
from crawler.pairs.text import pieces
from crawler.pairs.views import plain
from crawler.words import clean

MOST_PAGES = 60
"""Pages of a work to choose from; the tenth part of one in ten thousand works has more."""
MOST_TAGS = 24
_TEXT = 300


def card(deal: Deal, hint: Hint, sides: tuple[Side, Side]) -> dict[str, Any]:
    """What is shown of a pair; `at`: the pages that are looked at first, as places in the lists of pages."""
    colored, sketch = sides
    match = hint.match or {}
    return {
        "pair": list(deal.pair),
        "again": deal.again,
        "score": hint.score,
        "match": _number(match.get("score")),
        "flip": match.get("flip") is True,
        "place": _rect(match.get("place")),
        "at": [_place(colored, match.get("colored_page")), _place(sketch, match.get("sketch_page"))],
        "evidence": _evidence(hint.evidence),
        "sides": [_side(colored, sketch.id), _side(sketch, colored.id)],
    }


def looked_at(hint: Hint, sides: tuple[Side, Side]) -> Iterator[Stored]:
    """The pictures of a pair that are seen first."""
    match = hint.match or {}
    for side, page in zip(sides, ("colored_page", "sketch_page"), strict=True):
        if side.pictures:
            yield side.pictures[_place(side, match.get(page))]


def said(noted: Noted, judged: Judged) -> dict[str, Any]:
    """A judgement that stands."""
    return {
        "pair": list(judged.pair), "verdict": judged.verdict, "key": judged.key, "t": noted.t, "again": judged.again,
        "pages": list(judged.pages),
    }  # fmt: skip


def deal_of(raw: object) -> Deal | None:
    """What a page says that it holds: [colored, sketch, again]."""
    match raw:
        case [int() as colored, int() as sketch, bool() as again]:
            return Deal(Pair(colored, sketch), again)
        case _:
            return None


def _side(side: Side, other: int) -> dict[str, Any]:
    work = side.work
    told: dict[str, Any] = {
        "id": side.id,
        "pages": [_page(stored) for stored in side.pictures[:MOST_PAGES]],
        "more": max(0, len(side.pictures) - MOST_PAGES),
        "absence": clean(side.absence),
        # Of a work whose rating nobody knows the worst is assumed.
        "veiled": work is None or work.x_restrict > 0,
    }
    if work is None:
        return told | {"title": "", "user": "", "user_id": 0, "created": "", "tags": [], "text": [], "facts": []}
    return told | {
        "title": clean(work.title[:_TEXT]),
        "user": clean(work.user_name[:_TEXT]),
        "user_id": work.user_id,
        "created": clean(work.created[:10]),
        "tags": [clean(tag.name[:80]) for tag in work.tags[:MOST_TAGS]],
        "text": pieces(work.description, other),
        "rating": ("", "R-18", "R-18G")[min(2, work.x_restrict)],
        "page_count": work.page_count,
        "bookmarks": work.bookmarks,
    }


def _page(stored: Stored) -> dict[str, Any]:
    return {
        "page": stored.page, "width": stored.width, "height": stored.height, "bytes": stored.bytes,
        "kind": clean(stored.mime.rpartition("/")[2]), "digest": stored.sha256[:12], "fitted": not plain(stored),
    }  # fmt: skip


def _place(side: Side, page: object) -> int:
    pages = [stored.page for stored in side.pictures[:MOST_PAGES]]
    return pages.index(page) if isinstance(page, int) and page in pages else 0


def _rect(value: object) -> list[float] | None:
    """Where the sketch lies on the colouring: left, top, width, height in shares of its longer side."""
    if not isinstance(value, list | tuple):
        return None
    numbers = [_number(one) for one in cast("list[object]", value)]
    found = [one for one in numbers if one is not None]
    return found if len(found) == len(numbers) == 4 and found[2] > 0 and found[3] > 0 else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _evidence(evidence: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in ("link", "form", "words"):
        value = evidence.get(name)
        if isinstance(value, str):
            out[name] = clean(value[:_TEXT])
    for name in ("same_author", "older"):
        if isinstance(evidence.get(name), bool):
            out[name] = evidence[name]
    tags: object = evidence.get("tags")
    if isinstance(tags, list | tuple):
        out["tags"] = [clean(str(tag)[:80]) for tag in cast("list[object]", tags)[:MOST_TAGS]]
    return out
