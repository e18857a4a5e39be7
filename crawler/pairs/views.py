"""Pictures as the review page shows them: the original where it is small, else one made to fit a screen; thumbnails."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from crawler.events import Stored
from crawler.pairs.shelf import Shelf
from crawler.stop import StorageFailed
from crawler.store.mirror import at_hand, images_of
from crawler.watch.thumbs import Thumbs
from crawler.within import opened

SCREEN = 1600
"""The longer side of a picture that is made for the screen."""
THUMB = 120
PLAIN_PIXELS, PLAIN_BYTES = 2_600_000, 2_000_000
"""Originals up to here are shown themselves: decoded by a browser in a few milliseconds, and little to keep."""
PLAIN_KINDS = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
KEPT_BYTES = 96 << 20
MAKING_S = 30.0
"""64 million pixels of a PNG take a second on a quiet machine."""


@dataclass(frozen=True, slots=True)
class View:
    """Bytes to show, and what they are."""

    data: bytes
    mime: str


class _Maker:
    """A worker process and the one thread that talks to it."""

    def __init__(self, name: str, nice: int) -> None:
        self.thumbs = Thumbs(timeout_s=MAKING_S, nice=nice)
        self.thread = ThreadPoolExecutor(1, name)
        self.free = asyncio.Lock()


class Views:
    """Makes and keeps views of the files in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kept: OrderedDict[tuple[str, str], View] = OrderedDict()
        self._bytes = 0
        self._making: dict[tuple[str, str], asyncio.Lock] = {}
        self._makers = (_Maker("views", 0), _Maker("views", 0))  # somebody waits for these
        self._small = _Maker("thumbs", 10)
        self._ahead = _Maker("ahead", 15)  # for pairs that are still some way off, while the machine has time
        self._coming: list[Stored] = []
        self._wanted = asyncio.Event()
        self._resting = False
        self._shelf = Shelf(directory)

    async def screen(self, stored: Stored) -> View | None:
        """A picture as large as a screen needs it, None where none can be made."""
        return await self._view(stored, "screen")

    async def thumb(self, stored: Stored) -> View | None:
        """A small square, None where none can be made."""
        return await self._view(stored, "thumb")

    def ahead(self, coming: Sequence[Stored]) -> None:
        """These will be asked for, in this order: `warm` makes what takes long, and keeps it on the disk."""
        self._coming = [stored for stored in coming if not plain(stored)]
        self._wanted.set()

    async def warm(self) -> None:
        """Makes pictures before they are asked for, until `rest`."""
        while True:
            await self._wanted.wait()
            if self._resting:
                return
            if not self._coming:
                self._wanted.clear()
                continue
            stored = self._coming.pop(0)
            async with self._alone((stored.sha256, "screen")):
                if not await asyncio.to_thread(self._shelf.has, stored.sha256):
                    await self._made(self._ahead, stored)

    def rest(self) -> None:
        """Nothing more is made ahead."""
        self._resting = True
        self._wanted.set()

    @asynccontextmanager
    async def _alone(self, key: tuple[str, str]) -> AsyncGenerator[None]:
        """One at a time makes the same picture."""
        lock = self._making.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._making.pop(key, None)

    async def _view(self, stored: Stored, size: str) -> View | None:
        key = (stored.sha256, size)
        async with self._alone(key):
            view = self._kept.get(key)
            if view is not None:
                self._kept.move_to_end(key)
                return view
            view = await (self._thumb(stored) if size == "thumb" else self._screen(stored))
            if view is not None:
                self._keep(key, view)
            return view

    def _keep(self, key: tuple[str, str], view: View) -> None:
        self._kept[key] = view
        self._bytes += len(view.data)
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1].data)

    async def _screen(self, stored: Stored) -> View | None:
        if plain(stored):
            try:
                return View(await asyncio.to_thread(self._read, stored.path), stored.mime)
            except (OSError, StorageFailed):
                return None
        if (kept := await asyncio.to_thread(self._shelf.get, stored.sha256)) is not None:
            return View(kept, "image/jpeg")
        return await self._made(min(self._makers, key=lambda maker: maker.free.locked()), stored)

    async def _made(self, maker: _Maker, stored: Stored) -> View | None:
        """For the screen, by this maker, and kept."""
        view = await self._make(maker, stored, SCREEN, whole=True)
        if view is not None:
            await asyncio.to_thread(self._shelf.put, stored.sha256, view.data)
        return view

    async def _thumb(self, stored: Stored) -> View | None:
        return await self._make(self._small, stored, THUMB, whole=False)

    async def _make(self, maker: _Maker, stored: Stored, edge: int, *, whole: bool) -> View | None:
        def make() -> bytes | None:
            with at_hand(self._directory, stored.path) as file:
                return maker.thumbs.make(file, edge, whole=whole) if file else None

        async with maker.free:
            try:
                jpeg = await asyncio.get_running_loop().run_in_executor(maker.thread, make)
            except (OSError, StorageFailed):
                return None
        return None if jpeg is None else View(jpeg, "image/jpeg")

    def _read(self, path: str) -> bytes:
        return read(self._directory, path)

    def close(self) -> None:
        """End the workers."""
        for maker in (*self._makers, self._small, self._ahead):
            maker.thumbs.stop()
            maker.thread.shutdown(wait=True, cancel_futures=True)
            maker.thumbs.close()


def read(directory: Path, path: str) -> bytes:
    """An image of a folder's log, wherever its bytes lie. Blocking. Raises OSError, StorageFailed."""
    with at_hand(directory, path) as file:
        if not file:
            raise FileNotFoundError(path)
        with open(file if images_of(directory) else opened(directory, path), "rb") as source:
            return source.read()


def plain(stored: Stored) -> bool:
    """Whether an original is shown itself."""
    pixels = (stored.width or 0) * (stored.height or 0)
    return stored.mime in PLAIN_KINDS and 0 < pixels <= PLAIN_PIXELS and stored.bytes <= PLAIN_BYTES
