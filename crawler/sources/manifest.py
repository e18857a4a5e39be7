"""Reads a published manifest: the images that a data set is made of, one JSON object a line, by id, page and digest.

What `crawler export --to manifest` writes is what this reads; of each line only what names the image is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import orjson
from pyroaring import BitMap64

from crawler.model import Page, WorkId, bit_of
from crawler.sources.ids import MAX_ID, Problem
from crawler.sources.lines import LONG
from crawler.sources.urls import parse_key, parse_url

PAGES = 2048
"""A page is a number below this less one (pixiv.md 1.2: a work has 200 at most); the last place is the zip's."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Named(NamedTuple):
    """An image as a manifest names it. `url` for plain URLs only; `bytes` 0 where it is not told."""

    id: WorkId
    url: str | None
    page: Page
    sha256: str
    bytes: int


def read_manifest(lines: Iterable[bytes]) -> Iterator[tuple[int, Named | Problem]]:
    """The images in order with their line numbers; blank lines are left out."""
    for number, raw in enumerate(lines, 1):
        if raw.strip():
            yield number, parse_named(raw)


def parse_named(raw: bytes) -> Named | Problem:
    """The image that a line names, or why it names none. Never raises."""
    text = raw[:200].decode(errors="backslashreplace").strip()
    if len(raw) > LONG:
        return Problem(f"a line of more than {LONG // 1024} KB", text)
    try:
        told: Any = orjson.loads(raw)
    except ValueError as error:
        return Problem(f"no line of a manifest: {error}", text)
    if not isinstance(told, dict):
        return Problem("no line of a manifest: not an object", text)
    found = _named(cast("dict[str, Any]", told))
    return Problem(f"no line of a manifest: {found}", text) if isinstance(found, str) else found


def _named(told: dict[str, Any]) -> Named | str:
    """The image, or what is wrong."""
    id, page, sha256, size = told.get("id"), told.get("page"), told.get("sha256"), told.get("bytes", 0)
    if not isinstance(id, int | str) or isinstance(id, bool):
        return "needs id, a number or (of plain URLs) a text"
    if isinstance(id, int) and not 0 < id <= MAX_ID:
        return f"id must be from 1 to {MAX_ID}"
    if page != "zip" and not (type(page) is int and 0 <= page < PAGES - 1):  # no bool
        return 'needs page, a number from 0 or "zip"'
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        return "needs sha256, 64 lower-case hex digits"
    url = None
    if isinstance(id, str):
        key, url = parse_key(id), parse_url(str(told.get("url", "")))
        if isinstance(key, Problem):
            return f"id: {key.why}"
        if isinstance(url, Problem):
            return f"url: {url.why}"
        if page != 0:
            return "a plain URL has page 0 only"
    return Named(id, url, page, sha256, size if type(size) is int and size > 0 else 0)


class Choice:
    """The images met so far. `ids` as `bit_of`; `images` and `bytes` are counts of different images."""

    def __init__(self) -> None:
        self.ids = BitMap64()
        self.images = self.bytes = 0
        self._places = BitMap64()
        self._lines = BitMap64()
        self._textual: bool | None = None

    def take(self, named: Named) -> Literal["id", "page", "again"] | Problem:
        """Whether it is the first of its work, another page, or a repeat; a Problem where it contradicts the others."""
        id, page = named.id, named.page
        textual = isinstance(id, str)
        if self._textual is None:
            self._textual = textual
        if textual != self._textual:
            return Problem("a manifest names works or plain URLs, not both", str(id))
        place, line = _place(id, page), bit_of(f"{id} {page} {named.sha256} {named.url}")
        if place in self._places:
            same = line in self._lines
            return "again" if same else Problem("the same image with another digest or URL", f"{id} page {page}")
        self._places.add(place)
        self._lines.add(line)
        self.images += 1
        self.bytes += named.bytes
        bit = bit_of(id)
        if bit in self.ids:
            return "page"
        self.ids.add(bit)
        return "id"

    def __contains__(self, image: tuple[WorkId, Page]) -> bool:
        id, page = image
        return (page == "zip" or page < PAGES - 1) and _place(id, page) in self._places

    def pages(self, id: int) -> tuple[Page, ...]:
        """The pages of a work that are named."""
        first = id * PAGES
        found = self._places & BitMap64(range(first, first + PAGES))
        return tuple(["zip" if place - first == PAGES - 1 else place - first for place in found])


def _place(id: WorkId, page: Page) -> int:
    return bit_of(id) if isinstance(id, str) else id * PAGES + (PAGES - 1 if page == "zip" else page)


def site_of(paths: Sequence[str]) -> Literal["pixiv", "urls"] | None:
    """Which site a manifest is of, by its first line that names an image; None where there is none to be read."""
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                for _, named in read_manifest(iter(lambda: file.readline(LONG + 1), b"")):
                    if isinstance(named, Named):
                        return "urls" if isinstance(named.id, str) else "pixiv"
        except (OSError, ValueError):
            continue
    return None
