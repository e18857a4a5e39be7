"""JPEG and PNG that came whole and are as nearly all are, looked through in one go, at a third of the steps.

Nothing is judged here but that all is well: whatever is out of the common, or wrong, is for the readers of
`media_usual` to say, who see the same bytes then. What is called well here they call the same.
"""

from __future__ import annotations

import struct
from zlib import crc32

from crawler.rules.media_usual import MARKER, PASSED, SOF, image
from crawler.rules.media_walk import Media

_MARK = struct.Struct(">HH").unpack_from
"""A marker, and the size of its segment."""
_PASSED = frozenset(0xFF00 | code for code in PASSED if not 0xD0 <= code <= 0xD7)
_SOF = frozenset(0xFF00 | code for code in SOF)
_SOS, _EOI = 0xFFDA, 0xD9
_FRAME = struct.Struct(">HH").unpack_from
"""Height and width."""

_HEADER = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_LAST = b"\0\0\0\0IEND\xaeB`\x82"
_BETWEEN = struct.Struct(">II4s").unpack_from
"""A chunk's checksum, and the head of the next."""
_SIZE = struct.Struct(">II").unpack_from


def plain(data: bytes) -> Media | None:
    """What a body is, if it is one of these; else None: another look has to be taken."""
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    return _png(data) if data.startswith(_HEADER) else None


def _jpeg(data: bytes) -> Media | None:
    """Segment by segment with nothing between them, scans up to the next marker, to the end of image."""
    at = 2
    width = height = 0
    try:
        while True:
            mark, size = _MARK(data, at)
            if mark in _PASSED:
                at += 2 + size  # one below 2 leads to 00 or 01, and neither begins a marker
            elif mark == _SOS and size > 1:
                found = MARKER.search(data, at + 2 + size)
                if found is None:
                    return None
                at = found.start()
                if data[at + 1] == _EOI:
                    break
            elif mark in _SOF and size >= 8:
                height, width = _FRAME(data, at + 5)
                at += 2 + size
            else:
                return None
    except struct.error:
        return None
    verdict = image("jpeg", width, height)
    return verdict if isinstance(verdict, Media) else None


def _png(data: bytes) -> Media | None:
    """Chunk by chunk to the last, every checksum compared."""
    view, at, stop = memoryview(data), 12, 29  # from a chunk's kind to the end of its data; the first is the header
    imaged = False
    try:
        while True:
            said, size, kind = _BETWEEN(data, stop)
            if said != crc32(view[at:stop]):
                return None
            if kind == b"IDAT":
                imaged = True
            elif kind == b"IEND":
                break
            elif not kind.isalpha() or kind == b"IHDR":
                return None
            at = stop + 8
            stop = at + 4 + size
    except struct.error:
        return None
    verdict = image("png", *_SIZE(data, 16))
    whole = imaged and data.startswith(_LAST, stop + 4)
    return verdict if whole and isinstance(verdict, Media) else None
