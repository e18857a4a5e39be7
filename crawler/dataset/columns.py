"""The columns that every format has: names, types, what each means. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from crawler.dataset.lines import Item
from crawler.model import Page, WorkId

Type = Literal["id", "page", "int", "text", "word", "time", "words"]
"""`word`: text of few different values, `words`: a list of them; `time`: ISO 8601 in UTC; `page`: int or "zip"."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its type, and a sentence for its reader."""

    name: str
    type: Type
    help: str


COLUMNS = (
    Column("id", "id", "the work's id; for plain URLs a string"),
    Column("page", "page", "0-based page of the work; ugoira: zip (in parquet null)"),
    Column("key", "text", "unique name of the image: <id>_p<page>, <id>_ugoira, or the id of a plain URL"),
    Column("split", "word", "the part of the data set that the image belongs to"),
    Column("path", "text", "the original's path in the crawl's folder"),
    Column("sha256", "text", "SHA-256 of the original's bytes, lower-case hex"),
    Column("bytes", "int", "size of the original in bytes"),
    Column("mime", "word", "media type of the original, from its bytes"),
    Column("width", "int", "width of the original in pixels, from its bytes"),
    Column("height", "int", "height of the original in pixels, from its bytes"),
    Column("quality", "word", "rendition that was stored: original, or the smaller one that was to be had"),
    Column("url", "text", "where it was fetched, as the site described it"),
    Column("stored", "time", "when it was stored"),
    Column("title", "text", "title of the work"),
    Column("description", "text", "the artist's own words on the work, HTML as the site gives it"),
    Column("kind", "word", "illust, manga or ugoira"),
    Column("created", "time", "when the work was made, as its artist says"),
    Column("uploaded", "time", "when the work was uploaded"),
    Column("x_restrict", "int", "rating: 0 all ages, 1 R-18, 2 R-18G"),
    Column("sanity", "int", "the site's own sanity level: 2, 4 or 6, higher is stronger"),
    Column("ai_type", "int", "0 not told, 1 not AI-generated, 2 AI-generated"),
    Column("page_count", "int", "how many pages the work has"),
    Column("bookmarks", "int", "bookmarks at the time of asking"),
    Column("likes", "int", "likes at the time of asking"),
    Column("views", "int", "views at the time of asking"),
    Column("comments", "int", "comments at the time of asking"),
    Column("tags", "words", "tags in the site's order"),
    Column("tags_en", "words", "translation of each tag, in the same order; empty where there is none"),
    Column("user_id", "int", "id of the artist"),
    Column("user_name", "text", "name of the artist at the time of asking"),
    Column("series_id", "int", "id of the series that the work is part of"),
    Column("series_title", "text", "title of that series"),
    Column("series_order", "int", "place of the work in that series"),
)
DERIVED = (
    Column("derived_sha256", "text", "SHA-256 of the resized image's bytes"),
    Column("derived_bytes", "int", "size of the resized image in bytes"),
    Column("derived_mime", "word", "media type of the resized image"),
    Column("derived_width", "int", "width of the resized image in pixels"),
    Column("derived_height", "int", "height of the resized image in pixels"),
)
"""What `--resize` adds: the columns above go on describing the original, so that rows of both tiers join."""

_FIRST_TOLD = next(column for column in COLUMNS if column.name == "title")
_OF_WORK = tuple(
    column.name
    for column in COLUMNS[COLUMNS.index(_FIRST_TOLD) :]
    if column.name not in ("created", "uploaded", "tags", "tags_en")
)

_LOGGED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
"""How the log writes times, and so does an export."""
_UNTOLD: Mapping[str, None] = dict.fromkeys(column.name for column in COLUMNS[COLUMNS.index(_FIRST_TOLD) :])


@dataclass(frozen=True, slots=True)
class Row:
    """An image of the data set: its name, its part, its columns' values."""

    id: WorkId
    page: Page
    key: str
    split: str
    values: Mapping[str, Any]

    @property
    def ext(self) -> str:
        """The extension of the original, without a dot."""
        return str(self.values["path"]).rpartition(".")[2]


class Facts(NamedTuple):
    """What a card counts; None: the site told nothing of the work."""

    id: WorkId
    bytes: int
    mime: str
    rating: int | None
    kind: str | None
    year: str | None


def row_of(item: Item, splits: Sequence[tuple[str, float]]) -> Row:
    """The row of an image; its part of the data set is a function of its artist alone."""
    stored, work = item.stored, item.work
    key = key_of(stored.id, stored.page)
    split = split_of(group_of(stored.id, 0 if work is None else work.user_id), splits)
    values: dict[str, Any] = {
        "id": stored.id,
        "page": stored.page,
        "key": key,
        "split": split,
        "path": stored.path,
        "sha256": stored.sha256,
        "bytes": stored.bytes,
        "mime": stored.mime,
        "width": stored.width,
        "height": stored.height,
        "quality": stored.quality,
        "url": stored.url,
        "stored": utc(item.stored_at),
        **_UNTOLD,
    }
    if work is not None:
        values |= {name: getattr(work, name) for name in _OF_WORK}
        values["created"], values["uploaded"] = utc(work.created), utc(work.uploaded)
        values["tags"] = [tag.name for tag in work.tags]
        values["tags_en"] = [tag.translation for tag in work.tags]
    return Row(stored.id, stored.page, key, split, values)


def facts_of(row: Row) -> Facts:
    """What a card counts of a row."""
    values = row.values
    year = values["created"][:4] if values["created"] else None
    return Facts(row.id, values["bytes"], values["mime"], values["x_restrict"], values["kind"], year)


def key_of(id: WorkId, page: Page) -> str:
    """The name of an image in a data set: letters, digits, `_` and `-` only, different for different images.

    Readers of tars take everything after the first dot for the extension (engines.md 3), so a string id with a dot
    is written without, and with a part of its digest.
    """
    if isinstance(id, int):
        return f"{id}_ugoira" if page == "zip" else f"{id}_p{page}"
    if re.fullmatch(r"[A-Za-z0-9_-]+", id):
        return id
    return re.sub(r"[^A-Za-z0-9_-]", "_", id) + "-" + hashlib.sha256(id.encode()).hexdigest()[:12]


def group_of(id: WorkId, user_id: int) -> str:
    """What must not be torn apart by a split: all works of an artist, or a work whose artist is not known."""
    return f"user {user_id}" if user_id else f"work {id}"


def split_of(group: str, splits: Sequence[tuple[str, float]]) -> str:
    """The part a group belongs to: a function of its name, so that it never moves when the data set grows."""
    if len(splits) == 1:
        return splits[0][0]
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:7]) / (1 << 56)
    below = 0.0
    for name, share in splits:
        below += share
        if place < below:
            return name
    return splits[-1][0]


def utc(text: str) -> str | None:
    """An ISO 8601 time in UTC, to the millisecond where it has a fraction; None for what is no time."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    if when.microsecond and _LOGGED.fullmatch(text):
        return text  # nothing is left to do
    when = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    return when.isoformat(timespec="milliseconds" if when.microsecond else "seconds").replace("+00:00", "Z")
