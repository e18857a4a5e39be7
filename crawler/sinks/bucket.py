"""A prefix of an object store as the place of a data set, with a local work folder in which the log is written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path

from crawler.sinks.objects import ObjectReplaced, ObjectSink
from crawler.store.lease import PROBE, Lease
from crawler.store.mirror import mark
from crawler.store.objects import Objects
from crawler.store.segments import Published

STATUS = "status.json"


class ObjectPlace:
    """A prefix of an object store, and the local folder `root`. See `sinks.sink.Place`.

    `hello`: the same place with less patience, for the first word: a mistake in an endpoint should be told soon.
    """

    def __init__(self, objects: Objects, root: Path, publish_s: float, *, hello: Objects | None = None) -> None:
        self.root = root
        self.objects = objects
        self._publish_s = publish_s
        self._hello = hello
        self._lease = Lease(objects)
        self._published = Published(objects, root)

    async def take(self) -> Sequence[str]:
        """Become the prefix's only writer, and have its log here. Raises Taken, StorageFailed."""
        if self._hello is not None:
            await self._hello.put(PROBE, b"")
        await self._lease.take()
        said = [await self._published.begin()]
        await asyncio.to_thread(mark, self.root, self.objects.address)
        if not self._lease.conditional:
            said.append(
                f"{self.objects.address}: this store ignores `If-None-Match: *`, so it cannot keep two crawlers apart "
                "that start in the same moment. See to it that only one writes here."
            )
        return [text for text in said if text]

    def sink(self, threads: Executor) -> ObjectSink:
        return ObjectSink(self.objects, self.root, threads)

    def replacing(self) -> ObjectReplaced:
        return ObjectReplaced(self.objects)

    async def tend(self) -> None:
        """Publish what is new every `publish_s`, and stay the writer. Raises Lost, StorageFailed."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lease.beat())
            group.create_task(self._publish())

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(self._publish_s)
            await self._published.publish()
            await self._status()

    async def finish(self) -> None:
        """Publish the rest, the whole log, and the status. Raises Lost, StorageFailed."""
        if self.objects.failed:  # nothing is lost: the next run on this machine publishes what this one could not
            return
        await self._lease.check()
        await self._published.publish()
        await self._published.publish_whole()
        await self._status()

    async def _status(self) -> None:
        with suppress(OSError):  # no status is no reason to stop
            await self.objects.put(STATUS, await asyncio.to_thread((self.root / STATUS).read_bytes))

    async def leave(self) -> None:
        if not self.objects.failed:
            await self._lease.leave()
