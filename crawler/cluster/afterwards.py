"""What the driver asks itself once all shards are merged: works asked again, and works whose images moved.

Such an answer changes lines and files that stand, which is for the one writer of the main log.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Generator

from pyroaring import BitMap64

from crawler.assembly import build_site
from crawler.cluster.doors import door_of, give_back
from crawler.cluster.packing import Packer
from crawler.cluster.permits import Permits
from crawler.cluster.protocol import RateBudget
from crawler.engine.books import Books
from crawler.engine.crew import Crew, Found, Manner, Seats
from crawler.engine.doors import lanes_of
from crawler.engine.settings import LimitsSettings
from crawler.engine.work import Tools
from crawler.model import bit_of
from crawler.settings import Settings
from crawler.sinks.sink import Sink
from crawler.sites.chosen import Chosen
from crawler.stop import Gate, Stop


class Afterwards:
    """The ordinary engine on the main log, at the cluster's own pace. Raises ConfigError."""

    def __init__(
        self,
        settings: Settings,
        session: str,
        budget: RateBudget,
        books: Books,
        gate: Gate,
        stop: Callable[[Stop], None],
    ) -> None:
        self._settings = settings
        self._site, self._describe_url = build_site(settings, session)
        self._budget = budget
        self._books = books
        self._gate = gate
        self._stop = stop
        self._crew: Crew | None = None
        self._seats = Seats(settings.limits.works)
        self._manner = Manner(self._describe_url, stop, settings.limits.drain_s, settings.output.reserve_mb * 1_000_000)

    def reload(self, limits: LimitsSettings) -> None:
        """Obey other [limits] from now on."""
        self._settings = self._settings.model_copy(update={"limits": limits})
        self._seats.most, self._manner.drain_s = limits.works, limits.drain_s
        if self._crew is not None and self._books.door is not None:
            self._books.door.reload(lanes_of(limits), limits.memory_mb, limits.daily.budget)
            self._crew.hire()

    async def crawl(self, packer: Packer, sink: Sink, left: BitMap64) -> None:
        """Ask for the works (`bit_of` each) that workers `left` to us, and for those asked again. Raises
        StorageFailed."""
        if self._gate.closed or not (left or packer.again.chosen):
            return
        settings, limits = self._settings, self._settings.limits
        permits = Permits(f"driver.{secrets.token_hex(4)}", self._budget)
        door = door_of(settings, limits, permits, self._gate)
        site = self._site
        if settings.source.kind == "manifest":
            site = Chosen(site, packer.source.wants)
        async with door, asyncio.TaskGroup() as group:
            self._books.door = door
            crew = self._crew = Crew(group, self._manner, self._seats, self._books, self._gate)
            tools = Tools(
                site=site,
                door=door,
                sink=sink,
                log=packer.again.log,
                note=self._books.note,
                quality=settings.site.quality if settings.site.name == "pixiv" else "original",
                stop=self._stop,
                spawn=crew.spawn,
                counters=self._books.counters,
                rotten=packer.again.rotten,
            )
            chores = [group.create_task(chore) for chore in (permits.run(), crew.deadline(), crew.watch_room(sink))]
            crew.begin(_found(packer, left), packer.again, tools)
            await crew.finished()
            self._crew = None
            for chore in chores:
                chore.cancel()
            await give_back(permits)


def _found(packer: Packer, left: BitMap64) -> Generator[Found | None]:
    for count, item in enumerate(packer.source.items()):
        if packer.again.wants(item.id):
            yield item, packer.state.todo(item.id), True
        elif bit_of(item.id) in left and (todo := packer.state.todo(item.id)) is not None:
            yield item, todo, False
        elif count % 256 == 0:
            yield None
