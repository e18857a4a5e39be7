"""A folder as the place for images: written aside, made durable, then renamed; no partial file has a final name.

Order of durability: write, fsync(file), rename, fsync(folder). The caller writes the log line after `keep` returns.
A body that fits one buffer is written in one go; larger ones are appended a buffer at a time, so that memory does not
know how long a body is. What goes to a thread and what does not: see `FolderPart._hop`.

After a write, fsync or rename that failed, nothing is known of what the disk holds, and the next fsync of the same
folder, for another image, may lie: the sink takes nothing more, and the run stops.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from copy import copy
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypeVar

import aiofiles
import orjson

from crawler import within
from crawler.disk import Disk, Name
from crawler.model import Page, WorkId
from crawler.numbers import digest_of
from crawler.rules.naming import image_path, is_digest
from crawler.sinks.names import UNSYNCED, Names
from crawler.sinks.sink import Held, Kept
from crawler.stop import StorageFailed

if TYPE_CHECKING:
    from hashlib import _Hash as _Digest  # pyright: ignore[reportPrivateUsage]

BUFFER_BYTES = 256 * 1024
"""What a part holds in memory before it goes to the disk."""

_GO_ON = os.O_WRONLY | os.O_CREAT
_ANEW = _GO_ON | os.O_EXCL
T = TypeVar("T")
N = TypeVar("N", bound=Name)


class Parts:
    """Images being written: each a file under `root/.crawl/parts`, once it is more than a buffer.

    `threads` reach the disk (None: the loop's own).
    """

    def __init__(self, root: Path, disk: Disk, threads: Executor | None = None) -> None:
        self.root = root
        self.disk = disk
        self.threads = threads
        self.parts = root / ".crawl" / "parts"
        _own(disk, root, ".crawl", ".crawl/parts")
        self.left = {entry.name for entry in os.scandir(self.parts)}
        """Notes of parts that an earlier attempt left: asked instead of the disk, once for each image."""
        self.broken = ""
        self._beside = f"{self.parts}/"

    def apart(self, parts: Path) -> Self:
        """The same place, with its parts under `parts` (made): one of many writers that may be at the same image."""
        other = copy(self)
        other.parts, other.left, other._beside = parts, set[str](), f"{parts}/"
        other.disk.make_folder(parts)
        return other

    def path_of(self, id: WorkId, page: Page) -> str:
        """Where the part for one image lies."""
        if isinstance(id, int):
            return f"{self._beside}{id}_{page}.part"
        # A key may differ from another in case only, which not every file system sees; a digest of digits does not.
        return f"{self._beside}{f'u{id}' if is_digest(id) else f'{digest_of(id):016x}'}_{page}.part"

    def free_bytes(self) -> int:
        """Bytes that an ordinary user may still write. Raises StorageFailed."""
        try:
            return self.disk.free_bytes(self.root)
        except OSError as error:
            raise StorageFailed(
                f"{self.root}: cannot be read any more: {reason(error)}. Stopping now; mend the disk, then "
                "run the same command again."
            ) from error

    def check(self) -> None:
        """Raises StorageFailed once anything has failed."""
        if self.broken:
            raise StorageFailed(self.broken)


def _own(disk: Disk, root: Path, *names: str) -> None:
    """Make the last of these folders, none of them being a symbolic link. Raises StorageFailed, OSError."""
    try:
        for name in names:
            within.no_link(root / name)
    except OSError as error:
        raise StorageFailed(
            f"{error.filename}: {error.strerror}: what was written there would lie elsewhere. Nothing was asked of any "
            "site. Put output.dir itself where there is room, then run the same command again."
        ) from None
    disk.make_folder(root / names[-1])


class Folder(Parts):
    """Images under `root/images`."""

    def __init__(self, root: Path, disk: Disk, threads: Executor | None = None) -> None:
        super().__init__(root, disk, threads)
        images = root / "images"
        _own(disk, root, "images")
        disk.sync_folder(images)  # a process that was killed may have made folders there, and not synced their names
        self._below = f"{root}/"
        self._names: dict[str, Names] = {}
        self._making = Lock()
        self._whole = self  # of `apart` ones too: a fault of theirs is none of the folders that all write to

    async def part(self, id: WorkId, page: Page) -> FolderPart:
        """The part for one image, with what an earlier run left of it if that can be trusted."""
        part = FolderPart(self, id, page)
        if self.left:
            await part.look()
        return part

    def place(self, source: str, relative: str) -> None:
        """Give a durable file its final name, `images/<folder>/<file>`, and make the name durable. Blocking."""
        folder = relative.rpartition("/")[0]
        names = self._names.get(folder) or self._make(folder)
        disk = self.disk
        disk.replace(source, self._below + relative)
        if disk.synced:
            names.sync()

    def _make(self, folder: str) -> Names:
        whole = self._whole
        with self._making:
            names = self._names.get(folder)
            if names is None:
                path = self._below + folder
                within.no_link(path)
                whole._durably(self.disk.make_folder, path)
                names = (
                    Names(lambda: whole._durably(self.disk.sync_folder, Path(path))) if self.disk.synced else UNSYNCED
                )
                self._names[folder] = names
            return names

    def _durably(self, step: Callable[[N], None], folder: N) -> None:
        """A step that syncs a folder: a fault is known to all before anybody else may try."""
        self.check()
        try:
            step(folder)
        except OSError as error:
            self.broken = self.broken or (
                f"{folder}: could not be made durable: {reason(error)}. Stopping now; make room or mend the "
                f"disk under {self.root}, then run the same command again."
            )
            raise


class PartFile:
    """The bytes of one image on their way: in memory up to a buffer, else in a file. Most of `sinks.sink.Part`.

    How they get their final name is another matter: see FolderPart.
    """

    held: Held | None = None
    _noted = False
    _on_disk: int = 0
    _waiting_bytes: int = 0
    _digest: _Digest | None = None
    _url = _validator = ""

    def __init__(self, folder: Parts, id: WorkId, page: Page) -> None:
        self._folder = folder
        self._id = id
        self._page: Page = page
        self._path = folder.path_of(id, page)
        self._waiting: list[bytes] = []

    @property
    def _note(self) -> Path:
        return Path(self._path).with_suffix(".json")

    async def look(self) -> None:
        """Find what an earlier run left. Trusted only if its note names the digest of exactly these bytes."""
        if self._note.name in self._folder.left:
            self._noted = True
            await self._hop(self._look, far=True)

    def _look(self) -> None:
        try:
            note: dict[str, Any] = orjson.loads(within.read(self._note))
            digest = hashlib.sha256()
            with open(self._path, "rb", opener=within.plain) as file:
                if os.fstat(file.fileno()).st_nlink > 1:
                    return  # somebody's file has this name too: nothing is written after its end
                while block := file.read(1 << 20):
                    digest.update(block)
                size = file.tell()
            if size and note["bytes"] == size and note["sha256"] == digest.hexdigest():
                self._digest, self._on_disk = digest, size
                self._url, self._validator = str(note["url"]), str(note["validator"])
                self.held = Held(size, self._url, self._validator)
        except (FileNotFoundError, PermissionError, ValueError, KeyError, TypeError):
            self.held = None

    async def begin(self, url: str, validator: str) -> None:
        """Start anew. What was there is overwritten with the first buffer that goes to the disk."""
        if self._noted:  # it speaks of other bytes from now on
            await self._hop(lambda: self._folder.disk.unlink(self._note))
            self._noted = False
        self._on_disk = 0
        if self._waiting:
            self._taken()
        self._digest = hashlib.sha256()
        self._url, self._validator = url, validator
        self.held = None

    async def write(self, chunk: bytes) -> None:
        """Append; the disk is reached when a buffer is full."""
        assert self._digest is not None
        self._digest.update(chunk)
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        if self._waiting_bytes >= BUFFER_BYTES:
            await self._flush()

    def whole(self, url: str, validator: str, body: bytes) -> bool:
        """See `sinks.sink.Part`. It waits in memory, where it is already, however large."""
        if self._noted:
            return False
        self._digest = hashlib.sha256(body)
        self._waiting, self._waiting_bytes, self._on_disk = [body], len(body), 0
        self._url, self._validator, self.held = url, validator, None
        return True

    def _taken(self) -> list[bytes]:
        """What waited to be written; nothing waits any more."""
        pieces, self._waiting = self._waiting, []
        self._waiting_bytes = 0
        return pieces

    async def _flush(self) -> None:
        # Opened once for each quarter of a megabyte: a part that waits for its next attempt holds no descriptor.
        size, pieces = self._waiting_bytes, self._taken()
        await self._hop(lambda: self._append(pieces), far=False)
        self._on_disk += size

    def pause(self) -> None:
        """An attempt ended early: offer what is written for the next one, if it can be told to be the same file."""
        size = self._on_disk + self._waiting_bytes
        self.held = Held(size, self._url, self._validator) if size and self._validator else None

    async def reread(self) -> AsyncIterator[bytes]:
        """The bytes held so far, in order."""
        if self._on_disk:
            async with aiofiles.open(self._path, "rb", executor=self._folder.threads) as file:
                while block := await file.read(1 << 20):
                    yield block
        for chunk in tuple(self._waiting):
            yield chunk

    def _append(self, pieces: list[bytes], *, last: bool = False) -> None:
        """Write after what is on disk, whatever an attempt that was cut off left there; `last`: and sync."""
        disk = self._folder.disk
        try:
            file = disk.open(self._path, _GO_ON if self._on_disk else _ANEW)
        except FileExistsError:  # of an earlier attempt; or a second name of somebody's file, which is not emptied
            file = disk.fresh(Path(self._path))
        try:
            if self._on_disk:
                disk.truncate(file, self._on_disk)
                os.lseek(file, 0, os.SEEK_END)
            if len(pieces) == 1:
                disk.write(file, pieces[0])
            else:
                disk.write_pieces(file, pieces)
            if last:
                disk.sync(file)
        finally:
            disk.close(file)

    async def leave(self) -> None:
        """Leave what is there for another run, with the note by which it will be trusted; or nothing."""
        if self._folder.broken:
            return None
        self.pause()
        if self.held is None:
            return await self.drop()
        if self._waiting:
            await self._flush()
        note = {
            "url": self._url,
            "validator": self._validator,
            "bytes": self._on_disk,
            "sha256": "" if self._digest is None else self._digest.hexdigest(),
        }
        await self._hop(lambda: self._write_note(orjson.dumps(note)))
        self._noted = True
        self._folder.left.add(self._note.name)
        return None

    def _write_note(self, note: bytes) -> None:
        with within.fresh(self._note) as file:
            file.write(note)

    async def drop(self) -> None:
        """Forget the bytes."""
        had = self._on_disk > 0
        self._taken()
        self._on_disk, self.held = 0, None
        if had or self._noted:
            await self._hop(self._unlink)

    def _unlink(self) -> None:
        self._folder.disk.unlink(Path(self._path))
        self._folder.disk.unlink(self._note)
        self._noted = False

    async def _hop(self, work: Callable[[], T], *, far: bool | None = None) -> T:
        """Do it in a thread, if it is `far` (default: if the disk syncs), else here and now.

        Decided by CPU an image, here / in a thread, all else alike (plain HTTP, one core, medians): 20 KB 201 / 226 us,
        300 KB 749 / 821, 1.5 MB 3,103 / 3,237 on tmpfs, 300 KB 1,182 / 1,532 on ext4. A thread is cheaper for no size,
        and hashing stays where the bytes are warm. An fsync takes milliseconds in which the loop must not stand still;
        many at once share the file system's own commits, so each image has a thread of its own for them (perf.md:
        writing a hundred and syncing them together is no cheaper than one by one).
        """
        self._folder.check()
        if far is False or (far is None and not self._folder.disk.synced):
            return self._guarded(work)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._folder.threads, partial(self._guarded, work))

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except OSError as error:  # in the thread: others are to know before they go on
            raise self._broken(error) from error

    def _broken(self, error: OSError) -> StorageFailed:
        """What is raised; from now on the place takes nothing more."""
        failed = StorageFailed(
            f"work {self._id}: writing its image failed: {reason(error)}. Nothing half-written has a final name. "
            f"Stopping now; make room or mend the disk under {self._folder.root}, then run the same command again."
        )
        self._folder.broken = self._folder.broken or str(failed)
        return failed


class FolderPart(PartFile):
    """One image on its way into a folder. See `sinks.sink.Part`."""

    def __init__(self, folder: Folder, id: WorkId, page: Page) -> None:
        super().__init__(folder, id, page)
        self._place = folder.place

    async def keep(self, ext: str) -> Kept:
        """Give the file its final name; durable when this returns (unless durability is `none`)."""
        assert self._digest is not None
        folder, pieces = self._folder, self._waiting
        path = image_path(self._id, self._page, ext)
        kept = Kept(path, self._on_disk + self._waiting_bytes, self._digest.hexdigest())
        self._waiting, self._waiting_bytes = [], 0
        if folder.disk.synced or folder.broken:
            await self._hop(partial(self._keep, path, pieces))
            return kept
        try:
            self._keep(path, pieces)
        except OSError as error:
            raise self._broken(error) from error
        return kept

    def _keep(self, path: str, pieces: list[bytes]) -> None:
        self._append(pieces, last=True)
        self._place(self._path, path)
        if self._noted:
            self._folder.disk.unlink(self._note)


def reason(error: OSError) -> str:
    """What the disk said, for people."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full (of bytes, or of files: see df and df -i)"
    return str(error)
