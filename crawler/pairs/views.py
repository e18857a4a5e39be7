"""Pictures as the review page shows them: the original where it is small, else one made to fit a screen; thumbnails."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from crawler.events import Stored
from crawler.watch.thumbs import Thumbs
from crawler.within import opened

SCREEN = 1600
"""The longer side of a picture that is made for the screen."""
THUMB = 120
PLAIN_PIXELS, PLAIN_BYTES = 2_600_000, 2_000_000
"""Originals up to here are shown themselves: decoded by a browser in a few milliseconds, and little to keep."""
PLAIN_KINDS = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
KEPT_BYTES = 96 << 20


@dataclass(frozen=True, slots=True)
class View:
    """Bytes to show, and what they are."""

    data: bytes
    mime: str


class _Maker:
    """A worker process and the one thread that talks to it."""

    def __init__(self, name: str, nice: int) -> None:
        self.thumbs = Thumbs(nice=nice)
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

    async def screen(self, stored: Stored) -> View | None:
        """A picture as large as a screen needs it, None where none can be made."""
        return await self._view(stored, "screen")

    async def thumb(self, stored: Stored) -> View | None:
        """A small square, None where none can be made."""
        return await self._view(stored, "thumb")

    async def _view(self, stored: Stored, size: str) -> View | None:
        key = (stored.sha256, size)
        lock = self._making.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                view = self._kept.get(key)
                if view is not None:
                    self._kept.move_to_end(key)
                    return view
                view = await (self._thumb(stored) if size == "thumb" else self._screen(stored))
                if view is not None:
                    self._keep(key, view)
                return view
        finally:
            if not lock.locked():
                self._making.pop(key, None)

    def _keep(self, key: tuple[str, str], view: View) -> None:
        self._kept[key] = view
        self._bytes += len(view.data)
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1].data)

    async def _screen(self, stored: Stored) -> View | None:
        if plain(stored):
            try:
                return View(await asyncio.to_thread(self._read, stored.path), stored.mime)
            except OSError:
                return None
        maker = min(self._makers, key=lambda maker: maker.free.locked())
        return await self._make(maker, stored, SCREEN, whole=True)

    async def _thumb(self, stored: Stored) -> View | None:
        return await self._make(self._small, stored, THUMB, whole=False)

    async def _make(self, maker: _Maker, stored: Stored, edge: int, *, whole: bool) -> View | None:
        def make() -> bytes | None:
            os.close(opened(self._directory, stored.path))  # the worker takes any path
            return maker.thumbs.make(str(self._directory / stored.path), edge, whole=whole)

        async with maker.free:
            try:
                jpeg = await asyncio.get_running_loop().run_in_executor(maker.thread, make)
            except OSError:
                return None
        return None if jpeg is None else View(jpeg, "image/jpeg")

    def _read(self, path: str) -> bytes:
        with open(opened(self._directory, path), "rb") as file:
            return file.read()

    def close(self) -> None:
        """End the workers."""
        for maker in (*self._makers, self._small):
            maker.thumbs.stop()
            maker.thread.shutdown(wait=True, cancel_futures=True)
            maker.thumbs.close()


def plain(stored: Stored) -> bool:
    """Whether an original is shown itself."""
    pixels = (stored.width or 0) * (stored.height or 0)
    return stored.mime in PLAIN_KINDS and 0 < pixels <= PLAIN_PIXELS and stored.bytes <= PLAIN_BYTES
