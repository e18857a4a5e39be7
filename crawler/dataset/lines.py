"""Reads single lines of a log again, by their offsets: an image's `stored` line and its work's `described` line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from crawler.events import Described, Line, Stored
from crawler.log.codec import decode
from crawler.model import Work, WorkId
from crawler.sites.pixiv_work import work_of
from crawler.stop import Stop

LINE_BYTES = 2048
"""What is read of the log at once; most `stored` lines are shorter."""


class LogChanged(Stop):
    """A line is no longer where it was a moment ago: somebody rewrote the log."""

    code, reason = 7, "log_changed"


@dataclass(frozen=True, slots=True)
class Item:
    """An image that stands stored: its line, the time of the line, and what the site said of the work (None: nothing).

    `images` is how many images the work has, as described; 1 for a work without a description.
    """

    stored: Stored
    stored_at: str
    work: Work | None
    images: int


class Ref(NamedTuple):
    """An image by the offsets of its lines: the `stored` one, and the `described` one of its work, if it has one."""

    bytes: int
    stored_at: int
    described_at: int | None


class Lines:
    """The lines of the log at `path`, each proving itself by its checksum once more. Closes with `with`.

    Raises OSError (no log), and, from its methods, LogChanged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._seen: tuple[WorkId, Work | None, int] | None = None

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._log)

    def item(self, stored_at: int, described_at: int | None) -> Item:
        """The image whose lines begin at these offsets."""
        line = self.line(stored_at)
        stored = line.event
        if type(stored) is not Stored:
            raise self._changed()
        work, images = (None, 1) if described_at is None else self.work(stored.id, described_at)
        return Item(stored, line.t, work, images)

    def work(self, id: WorkId, at: int) -> tuple[Work | None, int]:
        """What the site said of a work, as far as this version can type it, and how many images it has."""
        if self._seen is None or self._seen[0] != id:
            event = self.line(at).event
            work, images = None, 1
            if isinstance(event, Described):
                images = len(event.images)
                try:
                    work = work_of(event.work)
                except ValueError:  # a description this version cannot type: the image is exported without it
                    work = None
            self._seen = (id, work, images)
        return self._seen[1], self._seen[2]

    def line(self, at: int) -> Line:
        """The line at an offset."""
        raw, ends, size = b"", -1, LINE_BYTES
        while ends < 0:
            block = os.pread(self._log, size, at + len(raw))
            ends = block.find(b"\n")
            raw += block if ends < 0 else block[:ends]
            if not block:
                break
            size = 8 * LINE_BYTES
        line = decode(raw)
        if line is None:
            raise self._changed()
        return line

    def _changed(self) -> LogChanged:
        return LogChanged(f"{self._path}: changed while it was read; nothing is lost, run the export again")
