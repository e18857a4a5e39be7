"""An object store as the place for images: one put for a small body, a streamed upload of parts for a large one.

A body is whole and checked before the store hears of it: its name is made of what its bytes are, and what the store
does not take at once is sent again without asking the site again. Until then small bodies are in memory, BUFFER_BYTES
each and HELD_BYTES over all; what is more lies in `.crawl/parts` of the local work folder, not synced, where also an
attempt that ended early leaves what it got.

The line in the log is written once the store has said that it has the object. Then only a store that forgets can lose
it. A kill between the two leaves an object that no line names yet: it is fetched again, and put in its own place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from hashlib import sha256
from pathlib import Path

from crawler.disk import Disk
from crawler.model import Page, WorkId
from crawler.rules.naming import image_path
from crawler.sinks.folder import PartFile, Parts
from crawler.sinks.replaced import PATH, kept_name, pending_name, read_name
from crawler.sinks.sink import Kept, Pending
from crawler.store.objects import Objects

BUFFER_BYTES = 4 << 20
"""A body up to this is kept in memory, if there is room in HELD_BYTES: most images are smaller (pixiv.md 3.3)."""
HELD_BYTES = 128 << 20
PUTS = 64
"""So many objects are sent at once. More would not be faster, and each waits for its answer with its bytes."""


class ObjectSink(Parts):
    """Images under `images/` of `objects`; parts in the local folder `root`."""

    def __init__(self, objects: Objects, root: Path, threads: Executor | None = None) -> None:
        super().__init__(root, Disk(sync=False), threads)
        self.objects = objects
        self.held_bytes = 0
        self.turns = asyncio.Semaphore(PUTS)

    async def part(self, id: WorkId, page: Page) -> ObjectPart:
        """The part for one image, with what an earlier run left of it if that can be trusted."""
        part = ObjectPart(self, id, page)
        if self.left:
            await part.look()
        return part


class ObjectPart(PartFile):
    """One image on its way into an object store. See `sinks.sink.Part`."""

    def __init__(self, sink: ObjectSink, id: WorkId, page: Page) -> None:
        super().__init__(sink, id, page)
        self._sink = sink

    async def begin(self, url: str, validator: str) -> None:
        """Start anew. A body that fits into memory never overwrites what an earlier run left on the disk."""
        if self._noted:
            await self._hop(self._unlink)
        await super().begin(url, validator)

    async def write(self, chunk: bytes) -> None:
        """Append; the disk is reached when a buffer is full, or all of them together."""
        assert self._digest is not None
        self._digest.update(chunk)
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        self._sink.held_bytes += len(chunk)
        if self._waiting_bytes > BUFFER_BYTES or self._sink.held_bytes > HELD_BYTES:
            await self._flush()

    def whole(self, url: str, validator: str, body: bytes) -> bool:
        """As `begin` and `write`, if there is room in memory."""
        if len(body) > BUFFER_BYTES or self._sink.held_bytes + len(body) > HELD_BYTES:
            return False
        before = self._waiting_bytes
        if not super().whole(url, validator, body):
            return False
        self._sink.held_bytes += len(body) - before
        return True

    def _taken(self) -> list[bytes]:
        self._sink.held_bytes -= self._waiting_bytes
        return super()._taken()

    async def keep(self, ext: str) -> Kept:
        """Give the object its name; the store has it when this returns."""
        assert self._digest is not None
        path = image_path(self._id, self._page, ext)
        kept = Kept(path, self._on_disk + self._waiting_bytes, self._digest.hexdigest())
        async with self._sink.turns:
            if self._on_disk:
                if self._waiting:
                    await self._flush()
                await self._sink.objects.upload(path, Path(self._path))
            else:
                size = self._waiting_bytes
                data = b"".join(super()._taken())  # held until it is sent
                try:
                    await self._sink.objects.put(path, data)
                finally:
                    self._sink.held_bytes -= size
        if self._on_disk or self._noted:
            await self._hop(self._unlink)
        return kept


class ObjectReplaced:
    """As `sinks.replaced.Replaced`, with copies in the place of links. See `sinks.sink.Replacing`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def keep(self, files: Iterable[tuple[str, str]]) -> None:
        """Copy each file to its second name. What is not there is not kept."""
        for path, digest in files:
            if PATH.fullmatch(path):
                self._objects.copy_now(path, f"{_REPLACING}/{pending_name(path, digest)}")

    def pending(self) -> list[Pending]:
        """The second names for which nothing was settled."""
        names = sorted(one.key.rpartition("/")[2] for one in self._objects.listing_now(_REPLACING))
        return [found for name in names if (found := read_name(name)) is not None]

    def settle(self, pending: Iterable[Pending], claims: Mapping[str, str]) -> None:
        """Finish what `keep` began; `claims`: path to SHA-256 of the files that standing `stored` lines name."""
        for one in pending:
            claim = claims.get(one.path, "")
            if not claim or not claim.startswith(one.digest):
                if not claim and self._is(one.path, one.digest):
                    self._objects.delete_now(one.path)
                self._objects.copy_now(f"{_REPLACING}/{one.name}", f"{_REPLACED}/{kept_name(one.name)}")
            self._objects.delete_now(f"{_REPLACING}/{one.name}")

    def _is(self, path: str, digest: str) -> bool:
        found = sha256()
        try:
            for block in self._objects.blocks_now(path):
                found.update(block)
        except FileNotFoundError:
            return False
        return found.hexdigest().startswith(digest)


_REPLACING = ".crawl/replacing"
_REPLACED = ".crawl/replaced"
