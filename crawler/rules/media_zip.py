"""Says whether a zip archive is all there, from its tail alone (APPNOTE.TXT 4.3.12 and 4.3.16).

A zip is written front to back and ends in a central directory and a record of where that lies. Only in a whole file
does the directory end exactly where its record begins; the tail of a stored zip inside the zip gives itself away, for
its numbers count from its own start.

Whoever unpacks it later trusts what the directory says, so that is looked at too, and nothing unpacked: names that stay
in a folder and are no two alike, entries that lie side by side and share no bytes, and no more inside than frames
of an animation are (pixiv.md 2: JPEGs, stored as they are).
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from crawler.model import Failure, Kind
from crawler.rules.media_walk import Media, Verdict, broken

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL_BYTES = 30
_NAME = re.compile(rb"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_MOST_BYTES = 1 << 30
"""What all entries may unpack to."""
_MOST_RATIO = 20
"""And how many times the size of the archive that may be: stored JPEGs have 1, packed bitmaps seldom more than 10."""
_KEEP = _END.size + 0xFFFF
"""The record and the longest comment that may follow it."""


class _Entry(NamedTuple):
    """`at`: where its local header begins; `packed` and `size`: its bytes in the archive, and unpacked."""

    at: int
    name: bytes
    packed: int
    size: int
    flags: int


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
    if start < offset:
        return broken("zip: a directory of more than 64 KB")
    found = _listed(tail[start - offset : at], entries, start)
    return _judged(found, start) if isinstance(found, list) else found


def _listed(directory: bytes, entries: int, start: int) -> list[_Entry] | Failure:
    """The entries of a directory that begins at byte `start` of the file."""
    found: list[_Entry] = []
    place = 0
    for _ in range(entries):
        if place + _ENTRY.size > len(directory):
            return broken("zip: the directory is cut short")
        fields = _ENTRY.unpack_from(directory, place)
        if fields[0] != b"PK\x01\x02" or fields[-1] >= start:
            return broken("zip: the directory is damaged")
        name = directory[place + _ENTRY.size :][: fields[10]]
        found.append(_Entry(fields[-1], name, fields[8], fields[9], fields[3]))
        place += _ENTRY.size + sum(fields[10:13])
    return found if place == len(directory) else broken("zip: the directory is damaged")


def _judged(found: list[_Entry], start: int) -> Verdict:
    """Whether entries are what an animation's are, `start` being where they must end."""
    ends = [*sorted(entry.at for entry in found)[1:], start]
    for entry, end in zip(sorted(found), ends, strict=True):
        if not _NAME.fullmatch(entry.name) or b".." in entry.name:
            return broken("zip: an entry's name is none of a frame")
        if entry.flags & 1:
            return broken("zip: encrypted")
        if entry.at + _LOCAL_BYTES + len(entry.name) + entry.packed > end:
            return broken("zip: entries overlap")
    if len({entry.name.lower() for entry in found}) < len(found):
        return broken("zip: two entries of one name")
    inside = sum(entry.size for entry in found)
    if inside > min(_MOST_BYTES, _MOST_RATIO * start):
        return broken(f"zip: {inside} bytes in an archive of {start}")
    return Media("application/zip", "zip", None, None)
