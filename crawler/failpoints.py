"""Dies by SIGKILL at a named step towards the disk, so that tests can look at what a crash leaves there.

CRAWLER_FAILPOINT="<moment>-<step>-<what>[:n]" names the step and at which time it is fatal (default: the first).
`moment`: before, mid (of a write: half the bytes are written), after. `step`: a method of `Disk`. `what`: image, note
(beside a part), log, closed (the log's write that holds the run's last line), torn (the tail of a log that heals),
snapshot, reserve, or folder for all other places. Nobody pays for this who does not ask for it.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from crawler.disk import Disk, Name

VARIABLE = "CRAWLER_FAILPOINT"

_NAME = re.compile(
    r"(?:before|mid|after)-(?:write|truncate|sync|replace|link|unlink|sync_folder)-"
    r"(?:image|note|log|closed|torn|snapshot|reserve|folder)"
)
_CLOSED = b'"event":"closed"'


class FailingDisk(Disk):
    """A disk that is the end of this process when it comes by `point` ("<name>[:n]"). Raises ValueError: no such."""

    def __init__(self, point: str, *, sync: bool) -> None:
        super().__init__(sync=sync)
        self._name, _, nth = point.partition(":")
        if not _NAME.fullmatch(self._name) or not re.fullmatch("|[1-9][0-9]*", nth):
            raise ValueError(f"{point}: no such failpoint; they look like after-sync-image:3")
        self._left = int(nth or 1)
        self._lock = Lock()  # images are written by many threads
        self._open: dict[int, str] = {}

    def _at(self, moment: str, step: str, what: str) -> bool:
        if self._name != f"{moment}-{step}-{what}":
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0

    def _pass(self, moment: str, step: str, what: str) -> None:
        if self._at(moment, step, what):
            os.kill(os.getpid(), signal.SIGKILL)

    def open(self, path: Name, flags: int) -> int:
        descriptor = super().open(path, flags)
        self._open[descriptor] = _what(path)
        return descriptor

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        what = self._open.get(descriptor, "folder")
        if what == "log" and _CLOSED in data:
            self._pass("before", "write", "closed")
        self._pass("before", "write", what)
        if self._at("mid", "write", what):
            super().write(descriptor, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(descriptor, data)
        self._pass("after", "write", what)
        if what == "log" and _CLOSED in data:
            self._pass("after", "write", "closed")

    def write_pieces(self, descriptor: int, pieces: Sequence[bytes]) -> None:
        self.write(descriptor, b"".join(pieces))

    def truncate(self, descriptor: int, size: int) -> None:
        what = self._open.get(descriptor, "folder")
        self._pass("before", "truncate", what)
        super().truncate(descriptor, size)
        self._pass("after", "truncate", what)

    def sync(self, descriptor: int) -> None:
        what = self._open.get(descriptor, "folder")
        self._pass("before", "sync", what)
        super().sync(descriptor)
        self._pass("after", "sync", what)

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        super().close(descriptor)

    def replace(self, source: Name, target: Name) -> None:
        self._pass("before", "replace", _what(source))
        super().replace(source, target)
        self._pass("after", "replace", _what(source))

    def link(self, source: Path, target: Path) -> None:
        self._pass("before", "link", _what(source))
        super().link(source, target)
        self._pass("after", "link", _what(source))

    def unlink(self, path: Path) -> None:
        self._pass("before", "unlink", _what(path))
        super().unlink(path)
        self._pass("after", "unlink", _what(path))

    def sync_folder(self, path: Path) -> None:
        what = "image" if path.parent.name == "images" else "folder"
        self._pass("before", "sync_folder", what)
        super().sync_folder(path)
        self._pass("after", "sync_folder", what)


def _what(name: Name) -> str:
    """What a file is to a run, from its name."""
    path = Path(name)
    if path.suffix == ".part":
        return "image"
    if path.parent.name == "parts":
        return "note"
    if path.name == "log.jsonl":
        return "log"
    stem = path.name.partition("-")[0].partition(".")[0]
    return stem if stem in ("torn", "snapshot", "reserve") else "folder"
