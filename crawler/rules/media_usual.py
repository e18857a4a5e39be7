"""JPEG and PNG: nearly every image is one of these, so they are read by hand, not step by step as in `media_formats`.

A PNG of 300 KB has forty chunks: as steps of a generator they cost ten times what their checksums do.
"""

from __future__ import annotations

import re
import struct
from zlib import crc32

from crawler.model import Failure, Kind
from crawler.rules.media_walk import Media, Verdict, broken

MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""A JPEG marker that means something wherever it stands: FF 00 is data, FF D0..D7 restart a scan, FF FF fills."""
_SOI, _EOI, _SOS, _DNL, _TEM = 0xD8, 0xD9, 0xDA, 0xDC, 0x01
SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PASSED = frozenset(range(0xC0, 0xFF)) - SOF - {_SOI, _EOI, _SOS, _DNL}
"""Segments of which nothing matters but their length."""
_SEGMENT = 9
"""Bytes of a segment, marker included, that are ever looked at."""

_HEAD = struct.Struct(">I4s").unpack_from
_BETWEEN = struct.Struct(">II4s").unpack_from
"""A chunk's checksum, and the head of the next."""
_SIZE = struct.Struct(">II").unpack_from
_IDAT = crc32(b"IDAT")
_FIRST = 8 + 25 + 8
"""Signature, header chunk, and the head of the chunk after it."""


def image(kind: str, width: int, height: int) -> Verdict:
    """An image of this size, if it has one."""
    if width <= 0 or height <= 0:
        return broken(f"a {kind} of {width} x {height}")
    return Media(f"image/{kind}", "jpg" if kind == "jpeg" else kind, width, height)


class Jpeg:
    """JPEG, ITU T.81 annex B. Segments are skipped by their length; scans, which have none, up to the next marker.

    Bytes between segments that are no marker are passed over, as decoders do. A second start of image is not: that is
    what a body looks like that was put together from two replies.
    """

    __slots__ = ("_framed", "_height", "_held", "_left", "_scanned", "_size", "_verdict", "_width")

    def __init__(self) -> None:
        self._left = 2  # the start of image; then bytes of a segment that need not be seen
        self._held = b""  # a marker, and what came of its segment, at the end of a piece
        self._size = self._width = self._height = 0
        self._framed = self._scanned = False
        self._verdict: Verdict | None = None

    def feed(self, data: bytes) -> None:
        """The next piece, of any size."""
        end = len(data)
        self._size += end
        at = self._left
        if self._held and data:
            begun = self._held + data[:_SEGMENT]
            if MARKER.match(begun):
                size = self._segment(begun, 0)
                if not size:
                    self._held = begun
                    return
                at = size - len(self._held)
            self._held = b""
        while self._verdict is None and at < end:
            found = MARKER.search(data, at)
            if found is None:
                self._held = b"\xff" if data.endswith(b"\xff") else b""
                self._left = 0
                return
            start = found.start()
            if data[start + 1] in PASSED and start + 4 <= end and (size := data[start + 2] << 8 | data[start + 3]) > 1:
                at = start + 2 + size
                continue
            size = self._segment(data, start)
            if not size:
                self._held, self._left = data[start:], 0
                return
            at = start + size
        self._left = at - end

    def _segment(self, data: bytes, at: int) -> int:
        """Take in the segment whose marker stands there: its size, marker included; 0 when too little of it came."""
        code = data[at + 1]
        if code < 0xC0 or code in (_SOI, _EOI):
            if code != _TEM:
                self._verdict = self._end(code)
            return 2
        if at + 4 > len(data):
            return 0
        size = data[at + 2] << 8 | data[at + 3]
        if code == _SOS:
            self._scanned = True
            if size < 2:
                self._verdict = _undersized(code, size)
        elif code in SOF:
            if size < 8:
                self._verdict = _undersized(code, size)
            elif at + _SEGMENT > len(data):
                return 0
            else:
                self._framed = True
                self._height, self._width = data[at + 5] << 8 | data[at + 6], data[at + 7] << 8 | data[at + 8]
        elif size < 2 or (size < 4 and code == _DNL):
            self._verdict = _undersized(code, size)
        elif code == _DNL:  # the height, where the frame did not know it yet
            if at + 6 > len(data):
                return 0
            self._height = self._height or data[at + 4] << 8 | data[at + 5]
        return 2 + size

    def _end(self, code: int) -> Verdict:
        if code != _EOI:
            return broken("jpeg: an image starts inside the image" if code == _SOI else f"jpeg: marker {code:#x}")
        if not self._framed or not self._scanned:
            return broken("jpeg: no image data")
        return image("jpeg", self._width, self._height)

    def finish(self) -> Verdict:
        """What it is."""
        return self._verdict or Failure(Kind.TRUNCATED, f"the jpeg goes on after the {self._size} bytes that came")


def _undersized(code: int, size: int) -> Verdict:
    return broken(f"jpeg: segment {code:#x} of {size} bytes")


class Png:
    """PNG, chunk by chunk to IEND. Checksums of what decoders need are compared; of the rest decoders let pass."""

    __slots__ = ("_crc", "_data", "_held", "_kind", "_left", "_media", "_need", "_size", "_verdict")

    def __init__(self) -> None:
        self._held = b""  # what came of the bytes between the data of two chunks
        self._need = _FIRST  # how many these are
        self._left = self._crc = self._size = 0
        self._kind = b""
        self._data = False
        self._media: Verdict | None = None
        self._verdict: Verdict | None = None

    def feed(self, data: bytes) -> None:
        """The next piece, of any size."""
        end = len(data)
        self._size += end
        at = 0
        if self._held:
            at = self._need - len(self._held)
            self._held += data[:at]
            if at > end:
                return
            held, self._held = self._held, b""
            self._between(held, 0)
        view = memoryview(data)
        while self._verdict is None:
            left = self._left
            if left:
                at, left = self._data_of(data, view, at)
                if left:
                    self._left = left
                    return
                self._left = 0
            need = self._need
            if at + need > end:
                self._held = data[at:]
                return
            self._between(data, at)
            at += need

    def _data_of(self, data: bytes, view: memoryview, at: int) -> tuple[int, int]:
        """Take in the data of a chunk, and of those that follow while they only go on with the image: where it ends,
        and what has not come of it. An image has forty such chunks for one of any other kind."""
        left, crc, end = self._left, self._crc, len(data)
        goes_on = self._kind == b"IDAT"
        while True:
            stop = at + left
            crc = crc32(view[at:stop], crc)
            if stop > end:
                self._crc = crc
                return end, stop - end
            if not goes_on or stop + 12 > end:
                break
            said, size, kind = _BETWEEN(data, stop)
            if kind != b"IDAT" or said != crc or not 0 < size < 2**31:
                break
            at, left, crc = stop + 12, size, _IDAT
        self._crc = crc
        return stop, 0

    def _between(self, data: bytes, at: int) -> None:
        """From the data of one chunk to the data of the next."""
        old = self._kind
        if not old:
            size, kind = _HEAD(data, at + _FIRST - 8)
            self._verdict = self._first(data, at)
        elif old == b"IEND":
            crc = int.from_bytes(data[at : at + 4], "big")
            whole = self._media if self._data else broken("png: no image data")
            self._verdict = _checked(old, good=crc == self._crc) or whole
            return
        else:
            crc, size, kind = _BETWEEN(data, at)
            if crc != self._crc:
                self._verdict = _checked(old, good=False)
        if self._verdict is not None:
            return
        if size >= 2**31 or not kind.isalpha():
            self._verdict = broken("png: no chunk where one should be")
        elif kind == b"IHDR":
            self._verdict = broken("png: the header is not where it should be")
        self._data = self._data or kind == b"IDAT"
        self._kind, self._left, self._crc = kind, size, crc32(kind)
        self._need = 4 if kind == b"IEND" else 12

    def _first(self, data: bytes, at: int) -> Failure | None:
        if failure := _unheaded(data, at):
            return failure
        width, height = _SIZE(data, at + 16)
        self._media = image("png", width, height)
        good = crc32(data[at + 12 : at + 29]) == int.from_bytes(data[at + 29 : at + 33], "big")
        return _checked(b"IHDR", good=good)

    def finish(self) -> Verdict:
        """What it is."""
        if self._verdict is not None:
            return self._verdict
        # So much is held only before the first chunk is taken in.
        headless = _unheaded(self._held, 0) if len(self._held) >= 16 else None
        return headless or Failure(Kind.TRUNCATED, f"the png goes on after the {self._size} bytes that came")


def _unheaded(data: bytes, at: int) -> Failure | None:
    size, kind = _HEAD(data, at + 8)
    if size >= 2**31 or not kind.isalpha():
        return broken("png: no chunk where one should be")
    return broken("png: the header is not where it should be") if kind != b"IHDR" or size != 13 else None


def _checked(kind: bytes, *, good: bool) -> Failure | None:
    """Chunks whose name begins with a capital are needed."""
    return None if good or kind[0] & 0x20 else broken(f"png: checksum of {kind.decode('ascii')}")
