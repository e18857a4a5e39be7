"""Types the site's metadata, and keeps what is worth keeping. Tolerant: the site changes its types (pixiv.md 8.5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, cast

from crawler.model import Tag, Work

KINDS = {0: "illust", 1: "manga", 2: "ugoira"}
"""`illustType` (pixiv.md 2). An illust may have many pages, a manga one."""

_TWINS = (("illustId", "id"), ("illustTitle", "title"), ("illustComment", "description"))
"""Pairs that are identical in every capture (pixiv.md 2)."""
_DROPPED = frozenset(
    {
        # ads, navigation, search engines
        *("zoneConfig", "extraData", "noLoginData", "contestBanners", "comicPromotion", "fanboxPromotion"),
        *("userIllusts", "alt", "imageResponseOutData", "imageResponseData", "imageResponseCount"),
        # of the one who asks, not of the work
        *("likeData", "bookmarkData", "isBookmarkable", "storableTags"),
    }
)
_DROPPED_AND_TWINS = _DROPPED.union(twin for twin, _ in _TWINS)
_ORIGINALS = frozenset(name for _, name in _TWINS)


def kept(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body under its own names, without ads, navigation, doubles and what is about the session.

    What is unknown is kept, so that a field the site adds tomorrow need not be asked for again.
    """
    out = dict(body)
    if out.keys() >= _ORIGINALS:
        deque(map(out.__delitem__, _DROPPED_AND_TWINS.intersection(body)), 0)
        return out
    deque(map(out.__delitem__, _DROPPED.intersection(body)), 0)
    for twin, name in _TWINS:
        if twin in out:
            value = out.pop(twin)
            out.setdefault(name, value)
    return out


class Glance:
    """Of a body, whole or `kept`, what decides whether the work is wanted (see rules.filter.Traits), read when asked
    for: typing all of it takes longer than the rest of the reply. Absent or odd fields read as unknown.

    Raises ValueError naming the field, when `id`, `illustType` or `pageCount` is missing or no number of its range.
    """

    __slots__ = ("_metadata", "id", "kind", "page_count")

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self._metadata = metadata
        self.id = number(metadata.get("id", metadata.get("illustId")))
        self.kind = KINDS.get(number(metadata.get("illustType"), -1), "")
        self.page_count = number(metadata.get("pageCount"))
        if not (self.id and self.kind and self.page_count):
            good = (("id", self.id), ("illustType", self.kind), ("pageCount", self.page_count))
            name = next(name for name, value in good if not value)
            raise ValueError(f"`{name}` is {metadata.get(name)!r:.40}")

    @property
    def x_restrict(self) -> int:
        return number(self._metadata.get("xRestrict"))

    @property
    def ai_type(self) -> int:
        return number(self._metadata.get("aiType"))

    @property
    def bookmarks(self) -> int:
        return number(self._metadata.get("bookmarkCount"))

    @property
    def tags(self) -> tuple[Tag, ...]:
        return _tags(self._metadata.get("tags"))


def work_of(metadata: Mapping[str, Any]) -> Work:
    """The typed view of a body, whole or `kept`: absent or odd fields read as unknown. Raises ValueError as Glance."""
    seen = Glance(metadata)
    series = _object(metadata.get("seriesNavData"))
    return Work(
        id=seen.id,
        title=_text(metadata.get("title", metadata.get("illustTitle"))),
        description=_text(metadata.get("description", metadata.get("illustComment"))),
        kind=seen.kind,
        created=_text(metadata.get("createDate")),
        uploaded=_text(metadata.get("uploadDate")),
        restrict=number(metadata.get("restrict")),
        x_restrict=seen.x_restrict,
        sanity=number(metadata.get("sl")),
        ai_type=seen.ai_type,
        page_count=seen.page_count,
        width=number(metadata.get("width")) or None,
        height=number(metadata.get("height")) or None,
        bookmarks=seen.bookmarks,
        likes=number(metadata.get("likeCount")),
        views=number(metadata.get("viewCount")),
        comments=number(metadata.get("commentCount")),
        tags=seen.tags,
        user_id=number(metadata.get("userId")),
        user_name=_text(metadata.get("userName")),
        series_id=number(series.get("seriesId")) or None,
        series_title=_text(series.get("title")),
        series_order=number(series.get("order")) or None,
    )


def number(value: object, default: int = 0) -> int:
    """A whole number of up to 18 digits from an int or its decimal digits, as the site mixes them; else `default`."""
    if type(value) is int:  # nothing that JSON gives is of a kind beneath these; a bool is no number
        return value if 0 <= value < 10**18 else default
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return default


def _tags(value: object) -> tuple[Tag, ...]:
    # An object with a list of objects; in thumbs a plain list of names; [] for an empty object, as PHP does.
    items = _object(value).get("tags", value)
    if not isinstance(items, list):
        return ()
    tags: list[Tag] = []
    for item in cast(list[object], items):
        if isinstance(item, str):
            tags.append(Tag(name=item))
            continue
        fields = _object(item)
        name = fields.get("tag")
        if isinstance(name, str):
            tags.append(Tag(name=name, translation=_text(_object(fields.get("translation")).get("en"))))
    return tuple(tags)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
