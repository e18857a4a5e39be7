"""Images made byte by byte, and what is said of them in every way they may come."""

import struct
from itertools import pairwise
from zlib import crc32

from crawler.model import Failure, Page
from crawler.rules.media import Inspector, Media, inspect
from crawler.rules.media_plain import plain


def words(verdict: Media | Failure) -> str:
    if isinstance(verdict, Failure):
        return f"{verdict.kind.value}: {verdict.detail}"
    return f"{verdict.mime} {verdict.ext} {verdict.width}x{verdict.height}"


def in_pieces(data: bytes, *cuts: int, page: Page | None = None) -> str:
    """What is said of a body that comes in pieces, cut at these places."""
    inspector = Inspector(page)
    for a, b in pairwise((0, *cuts, len(data))):
        inspector.feed(data[a:b])
    return words(inspector.finish())


def said(data: bytes, page: Page | None = None) -> str:
    """What is said of a body; the same if it comes whole, in any two pieces, or byte by byte."""
    found = words(inspect(data, page))
    fast = plain(data)
    assert fast is None or (isinstance(fast, Media) and (page is not None or words(fast) == found))
    assert in_pieces(data, page=page) == found
    assert in_pieces(data, *range(len(data)), page=page) == found
    for cut in range(len(data)):
        assert in_pieces(data, cut, page=page) == found, cut
    return found


def goes_on(name: str, data: bytes) -> str:
    """What is to be said of a body that was cut."""
    return f"truncated: the {name} goes on after the {len(data)} bytes that came"


def cut_everywhere(name: str, data: bytes) -> None:
    """However little a body lacks, it is said to go on."""
    for size in range(12, len(data)):
        part = data[:size]
        assert words(inspect(part)) == in_pieces(part, 12) == in_pieces(part, size - 1) == goes_on(name, part)


def segment(code: int, data: bytes = b"", size: int | None = None) -> bytes:
    """A JPEG's segment; `size` is what it says of itself, its own two bytes included."""
    return struct.pack(">BBH", 0xFF, code, len(data) + 2 if size is None else size) + data


def frame(width: int, height: int, code: int = 0xC0) -> bytes:
    return segment(code, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")


def jpeg(*segments: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xd9"


def chunk(kind: bytes, data: bytes = b"", *, wrong: int = 0, size: int | None = None) -> bytes:
    """A PNG's chunk; `wrong` is by how much its checksum is."""
    head = struct.pack(">I", len(data) if size is None else size) + kind
    return head + data + struct.pack(">I", crc32(kind + data) ^ wrong)


def header(width: int = 3, height: int = 5, *, wrong: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">II", width, height) + b"\x08\x02\0\0\1", wrong=wrong)


IDAT, IEND = chunk(b"IDAT", b"pixels"), chunk(b"IEND")


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def box(kind: bytes, data: bytes = b"", *, size: int | None = None, long: bool = False) -> bytes:
    """A box of an ISO media file; `size` is what it says of itself, head included, and `long` says it in 64 bits."""
    if long:
        return struct.pack(">I4sQ", 1, kind, len(data) + 16 if size is None else size) + data
    return struct.pack(">I4s", len(data) + 8 if size is None else size, kind) + data
