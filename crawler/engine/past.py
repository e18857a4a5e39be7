"""Finds what the log says of single works: where their lines are, read when they are asked for.

Eight bytes a line and none of its words: a million lines are indexed in 8 MB, and read again one work at a time.
"""

from __future__ import annotations

import os
from array import array
from itertools import accumulate
from pathlib import Path

from pyroaring import BitMap64

from crawler.events import Described, Failed, Gone, Line, Stored
from crawler.log.codec import Glimpse, decode, skim
from crawler.log.reader import Scan
from crawler.model import WorkId, bit_of
from crawler.within import plain

BLOCK = 1 << 16
OF_A_WORK = (Glimpse, Described, Stored, Gone, Failed)


class Past:
    """The lines of some works (`bit_of` each in `ids`) in the log at `path`. Making one reads the log once; blocking.

    `answered`: those of them that gave an answer after `since` (a time as in the log, or ""): described, gone, failed
    for good, or, of site `urls`, stored. Raises OSError. Not for use by two threads at once. Close it.
    """

    def __init__(self, path: Path, ids: BitMap64, since: str = "") -> None:
        self._ids = ids
        self.answered = BitMap64()
        counts, ranks, offsets = array("Q", bytes(8 * (len(ids) + 1))), array("I"), array("Q")
        for offset, line in Scan[Glimpse | Line](path, 0, skim):
            about = line if isinstance(line, Glimpse) else line.event
            if not isinstance(about, OF_A_WORK) or (bit := bit_of(about.id)) not in ids:
                continue
            rank = ids.rank(bit) - 1
            counts[rank + 1] += 1
            ranks.append(rank)
            offsets.append(offset)
            if since and line.t > since and _is_answer(about):
                self.answered.add(bit)
        # The offsets by work: those of the work of rank n are at _ends[n] to _ends[n + 1].
        self._ends = array("Q", accumulate(counts))
        self._offsets = array("Q", bytes(8 * len(offsets)))
        place = array("Q", self._ends)
        for rank, offset in zip(ranks, offsets, strict=True):
            self._offsets[place[rank]] = offset
            place[rank] += 1
        self._file = plain(path)

    def lines(self, id: WorkId) -> list[Line]:
        """Every line of a work, as the log was when this was made. Blocking. Raises OSError."""
        bit = bit_of(id)
        if bit not in self._ids:
            return []
        rank = self._ids.rank(bit) - 1
        found = (decode(self._raw(offset)) for offset in self._offsets[self._ends[rank] : self._ends[rank + 1]])
        # A string's bit is a digest of it: another id may share it.
        return [line for line in found if line is not None and getattr(line.event, "id", None) == id]

    def _raw(self, offset: int) -> bytes:
        raw = b""
        while block := os.pread(self._file, BLOCK, offset + len(raw)):
            head, newline, _ = block.partition(b"\n")
            raw += head
            if newline:
                break
        return raw

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)


def _is_answer(about: Glimpse | Described | Stored | Gone | Failed) -> bool:
    match about:
        case Glimpse(images=None) | Stored():
            return isinstance(about.id, str)
        case Failed():
            return about.permanent
        case _:
            return True
