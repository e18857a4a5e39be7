"""Pictures made for the screen, kept under .crawl/ so that each is made once; what is there can be deleted any time."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from crawler.within import make_private, no_link, read, replace

MOST_BYTES = 1 << 30
"""Some three thousand pictures; who was not looked at for longest makes room."""
SPARE_BYTES = 1 << 30
"""With less room than this on the disk nothing is kept: what a crawl may need is not for copies."""
MOST_OF_ONE = 8 << 20
_JPEG = b"\xff\xd8\xff"


class Shelf:
    """The pictures of one folder, by the digest of what they were made of. For any thread."""

    def __init__(self, directory: Path, most_bytes: int = MOST_BYTES) -> None:
        self._directory = directory
        self._most = most_bytes
        self._sizes: OrderedDict[str, int] | None = None
        self._bytes = 0
        self._lock = Lock()

    def has(self, digest: str) -> bool:
        """Whether the picture is there."""
        with self._lock:
            return _name(digest) in self._known()

    def get(self, digest: str) -> bytes | None:
        """The picture, None where there is none. What somebody else put in its place is not shown."""
        name = _name(digest)
        with self._lock:
            if name not in self._known():
                return None
            try:
                body = read(self._folder() / name, MOST_OF_ONE)
                os.utime(self._folder() / name)
            except (OSError, ValueError):
                body = b""
            if not body.startswith(_JPEG):
                self._drop(name)
                return None
            self._known().move_to_end(name)
            return body

    def put(self, digest: str, body: bytes) -> None:
        """Keep a picture, if there is room; a disk that refuses is no trouble: it is made again."""
        name = _name(digest)
        with self._lock:
            try:
                folder = self._folder()
                folder.mkdir(exist_ok=True)
                if len(body) > MOST_OF_ONE or shutil.disk_usage(folder).free < SPARE_BYTES:
                    return
                replace(folder / name, folder / f".{name}", body)
            except OSError:
                return
            known = self._known()
            self._bytes += len(body) - known.pop(name, 0)
            known[name] = len(body)
            while self._bytes > self._most and len(known) > 1:
                self._drop(next(iter(known)))

    def _folder(self) -> Path:
        folder = make_private(self._directory) / "views"
        no_link(folder)
        return folder

    def _known(self) -> OrderedDict[str, int]:
        """What there is and how large, who was looked at longest ago first."""
        if self._sizes is None:
            try:
                with os.scandir(self._folder()) as entries:
                    found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
            except OSError:
                found = []
            found = [(name, seen) for name, seen in found if name.endswith(".jpg") and not name.startswith(".")]
            found.sort(key=lambda one: one[1].st_mtime_ns)
            self._sizes = OrderedDict((name, seen.st_size) for name, seen in found)
            self._bytes = sum(self._sizes.values())
        return self._sizes

    def _drop(self, name: str) -> None:
        self._bytes -= self._known().pop(name, 0)
        try:
            (self._folder() / name).unlink(missing_ok=True)
        except OSError:
            return


def _name(digest: str) -> str:
    return hashlib.sha256(digest.encode()).hexdigest()[:32] + ".jpg"
