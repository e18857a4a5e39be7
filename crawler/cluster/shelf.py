"""Where a cluster keeps its small objects: a folder or an object store, with a create that only one can win."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from crawler.disk import Disk
from crawler.stop import StorageFailed
from crawler.store.objects import Objects
from crawler.within import leads_out, no_link

T = TypeVar("T")

_TMP = ".new"
_NONE: tuple[str, ...] = ()


class Shelf(Protocol):
    """Small immutable objects under keys like `room/shelf/name`. Every verb raises StorageFailed.

    `create`: put an object that is not there yet; whether it was this call that did so, or one just like it before
    (equal bytes are ours). It is durable then, also where the answer is no. A `room` (the first part of a key) must
    have been made; to create in one that was removed is StorageFailed or makes garbage that nobody reads.
    `get`: an object whole; None where there is none. `keys`: all keys under a folder, sorted; an empty tuple where
    there is none. `delete`: what is not there is removed. `make`: the room of this name; `remove`: with all in it.
    `rooms`: their names.
    """

    place: str

    async def make(self, room: str) -> None: ...
    async def create(self, key: str, data: bytes) -> bool: ...
    async def get(self, key: str) -> bytes | None: ...
    async def keys(self, folder: str) -> Sequence[str]: ...
    async def delete(self, keys: Sequence[str]) -> None: ...
    async def remove(self, room: str) -> None: ...
    async def rooms(self) -> Sequence[str]: ...


class FolderShelf:
    """Files of a folder that all members reach, made elsewhere and linked to their names: link(2) fails for a name
    that is there, on NFS too, and a name never has half of its bytes."""

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self.place = str(root)
        self._root = root
        self._disk = disk or Disk()

    async def make(self, room: str) -> None:
        """See `Shelf`."""
        await self._ask(lambda: self._make(room))

    async def create(self, key: str, data: bytes) -> bool:
        """See `Shelf`."""
        return await self._ask(lambda: self._create(key, data))

    async def get(self, key: str) -> bytes | None:
        """See `Shelf`."""
        return await self._ask(lambda: self._get(self._path(key)))

    async def keys(self, folder: str) -> Sequence[str]:
        """See `Shelf`."""
        return await self._ask(lambda: sorted(self._walk(folder)))

    async def delete(self, keys: Sequence[str]) -> None:
        """See `Shelf`."""
        await self._ask(lambda: self._delete(keys))

    async def remove(self, room: str) -> None:
        """See `Shelf`."""
        await self._ask(lambda: self._remove(self._path(room)))

    async def rooms(self) -> Sequence[str]:
        """See `Shelf`."""
        return await self._ask(self._rooms)

    # -- in a thread ---------------------------------------------------------------------------------

    async def _ask(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise StorageFailed(
                f"{error.filename or self.place}: {error.strerror or error}. Nothing more is written here. Look at "
                "the disk (room, rights; hard links must be possible) and run again."
            ) from error

    def _path(self, key: str) -> Path:
        if leads_out(key):
            raise OSError(None, "leads out of the folder", key)
        return self._root / key

    def _make(self, room: str) -> None:
        no_link(self._root)
        self._disk.make_folder(self._path(room) / _TMP)

    def _create(self, key: str, data: bytes) -> bool:
        room, _, rest = key.partition("/")
        path, part = self._path(key), self._path(room) / _TMP / secrets.token_hex(8)
        self._make_parents(room, rest)
        file = self._disk.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            self._disk.write(file, data)
            self._disk.sync(file)
        finally:
            self._disk.close(file)
        try:
            self._disk.link(part, path)
            won = True
        except FileExistsError:
            won = self._get(path) == data
        finally:
            self._disk.unlink(part)
        self._disk.sync_folder(path.parent)
        return won

    def _make_parents(self, room: str, rest: str) -> None:
        """The folders between room and name; the room itself is not made again: it may have been removed."""
        folder = self._path(room)
        for name in rest.split("/")[:-1]:
            folder = folder / name
            try:
                os.mkdir(folder)
            except FileExistsError:
                no_link(folder)
            self._disk.sync_folder(folder.parent)

    def _get(self, path: Path) -> bytes | None:
        try:
            file = self._disk.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        with open(file, "rb") as stream:
            return stream.read()

    def _walk(self, folder: str) -> list[str]:
        found: list[str] = []
        try:
            with os.scandir(self._path(folder)) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name != _TMP:
                            found += self._walk(f"{folder}/{entry.name}")
                    else:
                        found.append(f"{folder}/{entry.name}")
        except FileNotFoundError:
            return []
        return found

    def _delete(self, keys: Sequence[str]) -> None:
        folders: set[Path] = set()
        for key in keys:
            path = self._path(key)
            self._disk.unlink(path)
            folders.add(path.parent)
        for folder in folders:
            if folder.exists():
                self._disk.sync_folder(folder)

    def _remove(self, folder: Path) -> None:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = folder / entry.name
                    if entry.is_dir(follow_symlinks=False):
                        self._remove(path)
                    else:
                        self._disk.unlink(path)
            os.rmdir(folder)
        except FileNotFoundError:
            return
        self._disk.sync_folder(folder.parent)

    def _rooms(self) -> Sequence[str]:
        try:
            with os.scandir(self._root) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return _NONE


class ObjectShelf:
    """Objects of a store under a prefix's `root`, made by conditional create. See `Shelf`."""

    def __init__(self, objects: Objects, root: str) -> None:
        self.place = f"{objects.address}/{root}"
        self._objects = objects
        self._root = root

    async def make(self, room: str) -> None:
        """An object store has no folders to make."""

    async def create(self, key: str, data: bytes) -> bool:
        """See `Shelf`."""
        return await self._objects.create(f"{self._root}/{key}", data)

    async def get(self, key: str) -> bytes | None:
        """See `Shelf`."""
        return await self._objects.get(f"{self._root}/{key}")

    async def keys(self, folder: str) -> Sequence[str]:
        """See `Shelf`."""
        start = len(self._root) + 1
        return [found.key[start:] for found in await self._objects.listing(f"{self._root}/{folder}")]

    async def delete(self, keys: Sequence[str]) -> None:
        """See `Shelf`."""
        await self._objects.delete(*[f"{self._root}/{key}" for key in keys])

    async def remove(self, room: str) -> None:
        """See `Shelf`."""
        await self.delete(await self.keys(room))

    async def rooms(self) -> Sequence[str]:
        """See `Shelf`."""
        start = len(self._root) + 1
        return sorted({found.key[start:].partition("/")[0] for found in await self._objects.listing(self._root)})
