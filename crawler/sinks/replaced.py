"""Keeps the bytes that an edited work had: under .crawl/replaced, by name and digest. Nothing is lost silently.

In two steps, so that a kill between them is mended by `settle`: before any line changes, a second name under
.crawl/replacing; once the log says otherwise, the old file goes from images/ and the second name moves to its place
under .crawl/replaced. All methods block, and raise OSError.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from crawler.disk import Disk
from crawler.sinks.sink import Pending
from crawler.within import fresh, no_link, no_links, plain

PATH = re.compile(r"images/[0-9]{3}/[^/\0]+\.[a-z]+")
_NAME = re.compile(r"([0-9]{3})_(.+)\.([0-9a-f]{16})\.([a-z]+)")
SHOWN = 16
"""Hexadecimal digits of a file's SHA-256 that its name shows."""


class Replaced:
    """The old files of edited works in the data set at `root`."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self.folder = root / ".crawl" / "replaced"
        self._pending = root / ".crawl" / "replacing"
        self._root = root
        self._disk = disk

    def keep(self, files: Iterable[tuple[str, str]]) -> None:
        """Give each file (path, SHA-256) its second name, durably. What is not there is not kept."""
        made = False
        for path, sha256 in files:
            if not PATH.fullmatch(path):
                continue  # no path that a run writes: a log cannot lead out of images/
            no_links(self._root, path)
            if not made:
                no_link(self._pending)
                self._disk.make_folder(self._pending)
            made = True
            name = self._pending / pending_name(path, sha256)
            try:
                self._disk.link(self._root / path, name)
            except (FileExistsError, FileNotFoundError):
                continue
            except OSError:  # a file system without hard links, or images/ on another disk
                self._copy(self._root / path, name)
        if made:
            self._disk.sync_folder(self._pending)

    def pending(self) -> list[Pending]:
        """The second names for which nothing was settled."""
        no_link(self._pending)
        try:
            names = sorted(os.listdir(self._pending))
        except FileNotFoundError:
            return []
        return [found for name in names if (found := read_name(name)) is not None]

    def settle(self, pending: Iterable[Pending], claims: Mapping[str, str]) -> None:
        """Finish what `keep` began; `claims`: path to SHA-256 of the files that standing `stored` lines name."""
        for one in pending:
            claim = claims.get(one.path, "")
            if claim.startswith(one.digest) and claim:
                self._disk.unlink(self._pending / one.name)  # the log has it as it was
                continue
            no_links(self._root, one.path)
            old = self._root / one.path
            if not claim and self._is(old, one.digest):
                self._disk.unlink(old)
                self._disk.sync_folder(old.parent)
            no_link(self.folder)
            self._disk.make_folder(self.folder)
            self._disk.replace(self._pending / one.name, self.folder / kept_name(one.name))
            self._disk.sync_folder(self.folder)

    def _is(self, path: Path, digest: str) -> bool:
        try:
            with open(path, "rb", opener=plain) as file:
                return hashlib.file_digest(file, "sha256").hexdigest().startswith(digest)
        except (FileNotFoundError, IsADirectoryError, PermissionError):
            return False

    def _copy(self, source: Path, target: Path) -> None:
        with open(source, "rb", opener=plain) as old, fresh(target) as new:
            shutil.copyfileobj(old, new, 1 << 20)
            new.flush()
            self._disk.sync(new.fileno())


def pending_name(path: str, sha256: str) -> str:
    """images/034/1234_p0.png -> 034_1234_p0.<digest>.png"""
    _, folder, name = path.split("/")
    stem, _, ext = name.rpartition(".")
    return f"{folder}_{stem}.{sha256[:SHOWN]}.{ext}"


def kept_name(pending: str) -> str:
    """034_1234_p0.<digest>.png -> 1234_p0.<digest>.png"""
    return pending[4:]


def read_name(name: str) -> Pending | None:
    """What a second name says of its file."""
    match = _NAME.fullmatch(name)
    return Pending(name, f"images/{match[1]}/{match[2]}.{match[4]}", match[3]) if match else None
