"""`_manifest.json`: what an export is made of and what of it is there; and the files, each whole or not there.

A shard is written under `.export/`, made durable, renamed, and then named in the manifest with count and SHA-256.
A reader of a tar that was cut off sees no error (engines.md 3), so a torn one must never have its name.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections import Counter
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

import orjson

from crawler.dataset.stops import Refused
from crawler.disk import Disk
from crawler.stop import StorageFailed
from crawler.within import leads_out, no_link, read

NAME = "_manifest.json"
SCRATCH = ".export"
INDEX = ".index.sqlite"
"""The index has a name for a moment only."""
FORMAT = 1
_BUFFER = 1 << 20
_LARGE = 1 << 17
"""From so many bytes on data is written as it is: copying it would cost more than a write of its own."""


class ShardFile:
    """A file being written: its bytes and their digest, and at last its name."""

    def __init__(self, disk: Disk, part: Path) -> None:
        self._disk = disk
        self._part = part
        self._file = disk.fresh(part)
        self._buffer = memoryview(bytearray(_BUFFER))  # one for all its life: memory that is fresh costs page faults
        self._held = 0
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Append."""
        size = len(data)
        self.size += size
        if self._held + size > _BUFFER or size >= _LARGE:
            self._flush()
            if size >= _LARGE:
                self._put(data)
                return size
        self._buffer[self._held : self._held + size] = data
        self._held += size
        return size

    def publish(self, target: Path) -> str:
        """Make it durable under its final name; the SHA-256 of its bytes."""
        self._flush()
        with _storing(target):
            self._disk.sync(self._file)
            self._disk.close(self._file)
            self._file = -1
            self._disk.replace(self._part, target)
            self._disk.sync_folder(target.parent)
        return self._digest.hexdigest()

    def drop(self) -> None:
        """Leave the file unfinished; the next attempt overwrites it."""
        if self._file >= 0:
            self._disk.close(self._file)
            self._file = -1

    def _flush(self) -> None:
        if self._held:
            self._put(self._buffer[: self._held])
            self._held = 0

    def _put(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        with _storing(self._part):
            self._disk.write(self._file, data)


class _storing:
    """Turns OSError into StorageFailed, with words."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            what = "the disk is full" if full else error.strerror or str(error)
            raise StorageFailed(
                f"{self._path}: {what}. The shards that are finished are whole and stay; nothing half-written has a "
                "final name. Make room or mend the disk, then run the same command again to go on."
            ) from error


class Elsewhere(Protocol):
    """Where the shards of an export go, if not here: each is sent once it is named in the manifest, and then not kept.

    `holds`: whether a shard of so many bytes is there. `send` begins to send a shard, and takes its file away when it
    is there. Both raise StorageFailed, `send` for a shard before it too.
    """

    def holds(self, name: str, size: int) -> bool: ...
    def send(self, path: Path) -> None: ...


class Manifest:
    """The manifest of an export, kept as its shards appear. `asked` says what is exported and how, as plain JSON.

    Raises Refused when `out` holds something else, or an export of something else.
    """

    def __init__(
        self,
        disk: Disk,
        out: Path,
        asked: Mapping[str, Any],
        *,
        made_by: str,
        replace: bool,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._disk = disk
        self._elsewhere = elsewhere
        self.out = out
        self.scratch = out / SCRATCH
        self.data: dict[str, Any] = {
            "format": FORMAT,
            "complete": False,
            "made_by": made_by,
            **asked,
            "shards": [],
            "totals": {},
        }
        self._take_over(asked, replace=replace)
        if not self.complete:
            no_link(self.scratch)
            disk.make_folder(self.scratch)
            self.save()  # from here on what lies in the scratch folder is known to be of this export

    def _take_over(self, asked: Mapping[str, Any], *, replace: bool) -> None:
        """Go on where an earlier export of the same stopped."""
        path = self.out / NAME
        try:
            old: dict[str, Any] = orjson.loads(read(path))
            earlier = [_shard(shard) for shard in old["shards"]]
            if type(old["complete"]) is not bool or type(old["totals"]) is not dict:
                raise ValueError("no export")
        except FileNotFoundError:
            strange = sorted(p.name for p in self.out.iterdir() if p.name not in (SCRATCH, INDEX))
            if strange:
                raise Refused(
                    f"{self.out}: holds {strange[0]!r} and no export; name an empty or a new folder with --out"
                ) from None
            shutil.rmtree(self.scratch, ignore_errors=True)
            return
        except (ValueError, KeyError, TypeError):
            raise Refused(f"{path}: is not an export's manifest; name another folder with --out") from None
        if old.get("format") == FORMAT and all(old.get(key) == value for key, value in asked.items()):
            self.data = old
            self.data["shards"] = self._present(earlier)
            if len(self.data["shards"]) < len(earlier):
                self.data["complete"] = False
            return
        differing = ", ".join(key for key, value in asked.items() if old.get(key) != value)
        if not replace:
            raise Refused(
                f"{self.out}: holds another export ({differing or 'format'} differ); name another folder with --out, "
                "or take its place with --replace"
            )
        self._clear(earlier)

    def _present(self, shards: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The shards up to the first of each split that is not there as it was."""
        kept: list[dict[str, Any]] = []
        ended: set[str] = set()
        for shard in shards:
            path = self.out / shard["name"]
            there = path.is_dir() if "folder" in shard else self._has(path, shard["bytes"])
            if not there:
                ended.add(shard["split"])
            if shard["split"] not in ended:
                kept.append(shard)
        return kept

    def _has(self, path: Path, size: int) -> bool:
        if path.is_file():
            return path.stat().st_size == size
        return self._elsewhere is not None and self._elsewhere.holds(path.name, size)

    def _clear(self, shards: list[dict[str, Any]]) -> None:
        """Take away what an earlier export left: first the names, then the manifest that speaks of them."""
        for name in sorted({str(shard["name"]) for shard in shards}):
            path = self.out / name
            if path.parent != self.out or name.startswith("."):
                continue  # no name that an export gives
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                self._disk.unlink(path)
        for sidecar in self.out.glob("_*"):
            self._disk.unlink(sidecar)
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is there."""
        return bool(self.data["complete"])

    def shards(self, split: str) -> list[dict[str, Any]]:
        """The finished shards of a split, in order."""
        return [shard for shard in self.data["shards"] if shard["split"] == split]

    def add(self, shard: Mapping[str, Any]) -> None:
        """A shard has its name: say so, durably."""
        self.data["shards"].append(dict(shard))
        self.save()
        if self._elsewhere is not None and "folder" not in shard:
            self._elsewhere.send(self.out / shard["name"])

    def finish(self, totals: Mapping[str, Any]) -> None:
        """Everything is there. The order of shards no longer tells in which order they were finished."""
        self.data["shards"] = sorted(self.data["shards"], key=itemgetter("name"))
        self.data["totals"] = dict(totals)
        self.data["complete"] = True
        self.save()

    def save(self) -> None:
        """Replace the manifest, durably."""
        self.place(NAME, orjson.dumps(self.data, option=orjson.OPT_INDENT_2) + b"\n")

    def place(self, name: str, data: bytes) -> str:
        """A small file of the export, whole or not there; its SHA-256."""
        file = ShardFile(self._disk, self.scratch / f"{name}.part")
        file.write(data)
        return file.publish(self.out / name)

    def file(self, name: str) -> ShardFile:
        """A shard to be written."""
        with _storing(self.scratch / name):
            return ShardFile(self._disk, self.scratch / f"{name}.part")


def _shard(told: Any) -> dict[str, Any]:
    """A shard as a manifest tells it, which can be anybody's. Raises ValueError, KeyError, TypeError."""
    shard = dict(told)
    size = shard["table_bytes" if "folder" in shard else "bytes"]
    if not (isinstance(shard["name"], str) and isinstance(shard["split"], str) and isinstance(size, int)):
        raise ValueError("no shard")
    if not all(type(shard[name]) is int for name in ("samples", "images", "bytes")):
        raise ValueError("no counts")
    if not all(type(count) is int for count in dict(shard.get("left_out", {})).values()):
        raise ValueError("no counts")
    if "/" in shard["name"] or leads_out(shard["name"]):
        raise ValueError("a shard elsewhere")
    return shard


def total_left(shards: list[dict[str, Any]]) -> Counter[str]:
    """How many images the finished shards left out, by reason."""
    left: Counter[str] = Counter()
    for shard in shards:
        left.update(shard.get("left_out", {}))
    return left
