"""Says what the bytes of a file are, and whether they are all there, while they stream by; nothing is decoded.

A body counts as whole when the format's own structure comes to its end: JPEG's EOI outside every segment, PNG's IEND,
GIF's trailer, the length in a WebP, BMP or AVIF, a zip's central directory that lies where its record says. Bytes after
that end are let pass: originals of the site carry camera trailers and padding, and no decoder reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from crawler.model import Failure, Kind, Page
from crawler.rules.media_formats import avif, bmp, gif, webp
from crawler.rules.media_plain import plain
from crawler.rules.media_usual import Jpeg, Png
from crawler.rules.media_walk import Media, Verdict, Walk
from crawler.rules.media_zip import ZipTail

__all__ = ["Inspector", "Media", "inspect"]

_ZIP = b"PK\x03\x04"
_HEAD = 12
"""Bytes that tell every format above apart; no whole image is as short."""
_GUESSED = 64
"""Bytes that say what a body is that is none of them."""
_TEXT = frozenset(range(0x20, 0x7F)) | {9, 10, 13}


class _Reader(Protocol):
    def feed(self, data: bytes) -> None: ...
    def finish(self) -> Verdict: ...


_FORMATS: tuple[tuple[str, int, bytes, Callable[[], _Reader]], ...] = (
    ("jpeg", 0, b"\xff\xd8\xff", Jpeg),
    ("png", 0, b"\x89PNG\r\n\x1a\n", Png),
    ("gif", 0, b"GIF87a", lambda: Walk("gif", gif())),
    ("gif", 0, b"GIF89a", lambda: Walk("gif", gif())),
    ("webp", 8, b"WEBP", lambda: Walk("webp", webp())),
    ("avif", 4, b"ftyp", lambda: Walk("avif", avif())),
    ("bmp", 0, b"BM", lambda: Walk("bmp", bmp())),
)


class Inspector:
    """Feed it a body in chunks of any size, then ask `finish`.

    With a `page`, an archive is taken only for page "zip", and nothing else for that page. Holds little of a
    stream whatever its length: 128 KB of a zip, 64 KB of an AVIF, a few bytes of the rest.
    """

    def __init__(self, page: Page | None = None) -> None:
        self._page = page
        self._head = b""
        self._reader: _Reader | None = None

    def feed(self, chunk: bytes) -> None:
        if self._reader is not None:
            self._reader.feed(chunk)
            return
        self._head = self._head + chunk if self._head else chunk
        if len(self._head) >= _HEAD:
            self._reader = _reader_of(self._head)
            self._reader.feed(self._head)
            self._head = b""

    def finish(self) -> Media | Failure:
        """What it is; else NOT_AN_IMAGE (something else), TRUNCATED (no end), BROKEN (it contradicts itself)."""
        verdict = self._reader.finish() if self._reader is not None else _short(self._head)
        page = self._page
        if page is not None and isinstance(verdict, Media) and (page == "zip") != (verdict.ext == "zip"):
            wanted = "the archive of an animation" if page == "zip" else "an image"
            return Failure(Kind.NOT_AN_IMAGE, f"{verdict.mime} where {wanted} should be")
        return verdict


def inspect(body: bytes, page: Page | None = None) -> Media | Failure:
    """What a body is that came whole: as an Inspector says that is fed with it."""
    media = plain(body) if page != "zip" else None
    if media is not None:
        return media
    inspector = Inspector(page)
    inspector.feed(body)
    return inspector.finish()


class _Other:
    """No format that is taken. What it is instead, its first bytes tell."""

    def __init__(self) -> None:
        self._head = b""

    def feed(self, data: bytes) -> None:
        self._head += data[: _GUESSED - len(self._head)]

    def finish(self) -> Failure:
        return Failure(Kind.NOT_AN_IMAGE, f"the body is {_guess(self._head)}")


def _reader_of(head: bytes) -> _Reader:
    for name, at, magic, reader in _FORMATS:
        if head.startswith(magic, at) and (name != "webp" or head.startswith(b"RIFF")):
            return reader()
    if head.startswith(_ZIP):
        return ZipTail()
    return _Other()


def _short(head: bytes) -> Failure:
    begun = any(head.startswith(magic) for _, at, magic, _ in _FORMATS if not at) or head.startswith((_ZIP, b"RIFF"))
    if not head or begun:
        return Failure(Kind.TRUNCATED, f"only {len(head)} bytes came")
    return Failure(Kind.NOT_AN_IMAGE, f"the body is {_guess(head)}")


def _guess(head: bytes) -> str:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        return "HTML or XML"
    if start.startswith((b"{", b"[")):
        return "JSON"
    if _TEXT.issuperset(start):
        return "text"
    return f"of no known format: {head[:8].hex(' ')}"
