"""One attempt at a shard: the ordinary engine on a short list, with a log of its own and a door that others use too."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crawler.cluster.commits import Commit
from crawler.cluster.output import Output
from crawler.cluster.protocol import Lease
from crawler.cluster.seed import Seed, unpack
from crawler.engine.books import Books
from crawler.engine.crew import Crew, Manner, Seats, found_in
from crawler.engine.recheck import Again
from crawler.engine.work import Misses, Tools
from crawler.fetch.door import Door
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import WorkId
from crawler.sites.chosen import Chosen
from crawler.sites.site import Site
from crawler.sources.source import Item
from crawler.stop import Gate

if TYPE_CHECKING:
    from crawler.model import Page


@dataclass(frozen=True, slots=True)
class Kit:
    """What all attempts of a worker share. `low` is told when an attempt has nearly nothing left to take."""

    name: str
    output: Output
    site: Site
    door: Door
    manner: Manner
    seats: Seats
    gate: Gate
    quality: str
    log: LogSettings
    threads: Executor
    low: Callable[[], None]


class Attempt:
    """Works through a lease. `until`: the moment (loop time) at which it has run out, by the worker's own clock."""

    def __init__(self, lease: Lease, until: float, kit: Kit) -> None:
        self.lease = lease
        self.until = until
        self.name = f"{lease.shard.id}.e{lease.epoch}.{secrets.token_hex(4)}"
        self.left = len(lease.shard.items)
        """Works not taken yet."""
        self.crew: Crew | None = None
        self.books = Books(kit.output.home, kit.gate)
        self._kit = kit
        self._seed: Seed = unpack(lease.shard.seed)

    @property
    def key(self) -> tuple[str, int]:
        """What names its lease."""
        return self.lease.shard.id, self.lease.epoch

    def items(self) -> Iterator[Item]:
        """The works of the shard."""
        for item in self.lease.shard.items:
            self.left -= 1
            if self.left == self._kit.seats.most:
                self._kit.low()
            yield item
        self._kit.low()

    async def crawl(self) -> int:
        """Take every work as far as it goes, or until the gate is closed; all of it is durable in the log then.

        How many lines that has. Raises StorageFailed.
        """
        kit = self._kit
        begin = b""
        if self.lease.epoch > 1:
            begin = await kit.output.drafts(self.lease.round, self.lease.shard.id)
        path = kit.output.log_path(self.lease.round, self.name)
        log = self.books.log = await Log.scratch(path, kit.log, kit.output.disk, begin)
        again = Again(log, path, kit.output.replacing())
        try:
            for line in self._seed.lines:
                log.state.apply(line)
            await self._crawl(log, again)
        finally:
            again.close()
            await log.close()
        return begin.count(b"\n") + log.next_seq - 1

    async def _crawl(self, log: Log, again: Again) -> None:
        kit = self._kit
        async with asyncio.TaskGroup() as group:
            crew = Crew(group, kit.manner, kit.seats, self.books, kit.gate)
            sink = kit.output.sink(self.lease.round, self.name, kit.threads)
            tools = Tools(
                site=self._site(),
                door=kit.door,
                sink=sink,
                log=log,
                note=log.note,
                quality=kit.quality,
                stop=kit.manner.stop,
                spawn=crew.spawn,
                counters=self.books.counters,
                rotten=leave,
            )
            helpers = [group.create_task(chore) for chore in (log.run(), crew.deadline(), crew.watch_room(sink))]
            crew.begin(found_in(self, again, log.state), again, tools)
            self.crew = crew
            kit.low()  # seats may be free elsewhere
            await crew.finished()
            await log.commit()
            for helper in helpers:
                helper.cancel()

    def _site(self) -> Site:
        pages = self._seed.pages
        if pages is None:
            return self._kit.site

        def wanted(id: WorkId, page: Page) -> bool:
            return page in pages.get(id, ())

        return Chosen(self._kit.site, wanted)

    async def commit(self, lines: int) -> Commit:
        """What says that this is done: its log is where a commit may name it. Raises StorageFailed."""
        part = await self._kit.output.publish(self.lease.round, self.name, lines)
        counters = self.books.counters
        counts = {"works": counters.works, "images": counters.images, "bytes": counters.bytes, "left": self.left}
        return Commit(self.lease.shard.id, self.lease.epoch, self._kit.name, (part,), counts)


async def leave(id: WorkId, misses: Misses, tools: Tools) -> None:
    """A work of which no missing image is where it was stays as it is: the driver asks for it anew, in the main log.

    What an answer would change of files that stand in the main log must not be done by one who may still lose.
    """
