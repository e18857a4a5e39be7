"""Folders of images that appear whole: built under `.export/`, then given their name in one step."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import stat
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from crawler.dataset.bodies import Body
from crawler.dataset.manifest import Manifest, ShardFile
from crawler.disk import Disk
from crawler.within import no_link, no_links

METADATA = "metadata.jsonl"
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES})


class Folder:
    """The folder of one split: images, hard links to the originals or copies, and a table with a line for each.

    What an export that was killed has built is found again: a file is there whole or not at all. Linked files are the
    crawl's own: who wants to change them asks for copies.
    """

    def __init__(self, manifest: Manifest, disk: Disk, split: str, *, source: Path, copy: bool) -> None:
        self._manifest = manifest
        self._disk = disk
        self.split = split
        self._source = source
        self._copy = copy
        self.finished = bool(manifest.shards(split))
        self._root = manifest.scratch / split
        self._made: set[Path] = set()
        self._table: ShardFile | None = None
        self._images = self._samples = self._bytes = 0
        self._left: Counter[str] = Counter()
        if not self.finished:
            named = manifest.out / split
            if named.is_dir():  # killed between the folder's name and the manifest's line
                shutil.rmtree(self._root, ignore_errors=True)
                disk.replace(named, self._root)
            no_link(self._root)
            disk.make_folder(self._root)
            self._table = ShardFile(disk, self._root / f"{METADATA}.part")

    def put(self, name: str, path: str, body: Body) -> None:
        """Give an image its place: `body`'s bytes, or the original at `path`."""
        target = self._root / name
        if target.parent not in self._made:
            no_links(self._root, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        self._images += 1
        if body.data is not None:
            self._bytes += len(body.data)
            if not (_has(target, len(body.data)) and target.read_bytes() == body.data):
                self._write(target, body.data)
            return
        original = self._source / path
        size = original.stat().st_size
        self._bytes += size
        if _has(target, size) and filecmp.cmp(original, target, shallow=False):
            return
        if not self._copy:
            self._disk.unlink(target)
            try:
                self._disk.link(original, target)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                self._copy = True  # another file system, or one without links
            else:
                return
        part = target.with_name(target.name + ".part")
        part.unlink(missing_ok=True)
        shutil.copyfile(original, part, follow_symlinks=False)
        self._disk.replace(part, target)

    def _write(self, target: Path, data: bytes) -> None:
        part = target.with_name(target.name + ".part")
        file = self._disk.fresh(part)
        try:
            self._disk.write(file, data)
        finally:
            self._disk.close(file)
        self._disk.replace(part, target)

    def row(self, values: Mapping[str, Any]) -> None:
        """Append a line to the table."""
        assert self._table is not None
        self._table.write(orjson.dumps(dict(values)) + b"\n")
        self._samples += 1

    def leave(self, why: str) -> None:
        """An image is left out."""
        self._left[why] += 1

    def end(self) -> Counter[str]:
        """Give the folder its name; what was left out of it."""
        if self.finished:
            return Counter()
        assert self._table is not None
        if not self._samples:
            self._table.drop()
            shutil.rmtree(self._root)
            return self._left
        size = self._table.size
        sha256 = self._table.publish(self._root / METADATA)
        os.sync()  # a million small files: one wait for all of them
        target = self._manifest.out / self.split
        self._disk.replace(self._root, target)
        self._disk.sync_folder(target.parent)
        self._manifest.add(
            {
                "name": self.split,
                "folder": True,
                "split": self.split,
                "samples": self._samples,
                "images": self._images,
                "bytes": self._bytes,
                "table": f"{self.split}/{METADATA}",
                "table_bytes": size,
                "sha256": sha256,
                "left_out": dict(sorted(self._left.items())),
            }
        )
        return Counter()

    def drop(self) -> None:
        """Leave the folder unfinished; the next attempt goes on with it."""
        if self._table is not None:
            self._table.drop()


def _has(path: Path, size: int) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size
