"""Says whether a zip archive is all there, from its tail alone (APPNOTE.TXT 4.3.12 and 4.3.16).

A zip is written front to back and ends in a central directory and a record of where that lies. Only in a whole file
does the directory end exactly where its record begins; the tail of a stored zip inside the zip gives itself away, for
its numbers count from its own start.
"""

from __future__ import annotations

import struct

from crawler.model import Failure, Kind
from crawler.rules.media_walk import Media, Verdict, broken

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_KEEP = _END.size + 0xFFFF
"""The record and the longest comment that may follow it."""


class ZipTail:
    """Reads a zip as it streams by, holding its last 64 to 128 KB."""

    def __init__(self) -> None:
        self._tail = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        self._tail += data[-_KEEP:]
        if len(self._tail) > 2 * _KEEP:  # now and then, so that small chunks do not move 64 KB each
            del self._tail[:-_KEEP]

    def finish(self) -> Verdict:
        tail = bytes(self._tail[-_KEEP:])
        offset = self._size - len(tail)
        at = tail.rfind(b"PK\x05\x06")
        while at >= 0:
            verdict = _end(tail, at, offset)
            if verdict is not None:
                return verdict
            at = tail.rfind(b"PK\x05\x06", 0, at)
        return Failure(Kind.TRUNCATED, f"the zip goes on after the {self._size} bytes that came")


def _end(tail: bytes, at: int, offset: int) -> Verdict | None:
    """The verdict by the record at `at`, `tail` beginning at byte `offset` of the file; None: it is not the record."""
    if at + _END.size > len(tail):
        return None
    _, disk, _, here, entries, size, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment > len(tail) or start + size != offset + at:
        return None
    if disk or here != entries:
        return broken("zip: in several parts")
    if not entries:
        return broken("zip: empty")
    if start < offset:  # a directory of more than 64 KB: its place and length agree, its entries went by
        return Media("application/zip", "zip", None, None)
    place = start - offset
    for _ in range(entries):
        if place + _ENTRY.size > at:
            return broken("zip: the directory is cut short")
        fields = _ENTRY.unpack_from(tail, place)
        if fields[0] != b"PK\x01\x02" or fields[-1] >= start:
            return broken("zip: the directory is damaged")
        place += _ENTRY.size + sum(fields[10:13])
    return Media("application/zip", "zip", None, None) if place == at else broken("zip: the directory is damaged")
