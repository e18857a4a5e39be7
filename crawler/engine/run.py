"""A run from its source to its last log line: the one place where a run is begun, watched and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from crawler import __version__
from crawler.disk import THREADS, Disk
from crawler.engine.books import Books, Outcome, Pull
from crawler.engine.course import accompanied
from crawler.engine.crew import Crew, Manner, Seats, found_in
from crawler.engine.doors import door_of, reload
from crawler.engine.follower import Follower
from crawler.engine.recheck import Again, Recheck
from crawler.engine.settings import LimitsSettings
from crawler.engine.work import Tools
from crawler.events import Opened
from crawler.fetch.settings import NetworkSettings
from crawler.log.files import LOG
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import Description
from crawler.progress import Snapshot
from crawler.rules.coming import coming
from crawler.rules.listed import listed_events
from crawler.rules.replay import State
from crawler.rules.settings import RetrySettings
from crawler.sinks.settings import OutputSettings
from crawler.sinks.sink import Place
from crawler.sites.site import Site
from crawler.sources.source import Census, Item, Source
from crawler.stop import Gate, StorageFailed

LOG_FORMAT = 1

Attendant = Callable[[Pull, asyncio.Event], Awaitable[None]]
"""Something that watches a run: given where to pull snapshots and an event that is set at the end."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """The settings that the engine hands on, and a digest of all settings for the log."""

    output: OutputSettings
    limits: LimitsSettings
    network: NetworkSettings
    retry: RetrySettings
    log: LogSettings
    source_path: str | tuple[str, ...]
    quality: str
    digest: str
    recheck: Recheck | None = None
    waits: bool = True
    """Whether a spent daily budget is waited out; else it ends the run."""
    images: bool = True
    """Whether images are fetched; else works are described, and a later run fetches them."""


class Run:
    """One run of a crawl into one folder.

    `where`: the place of the data set, and the disk on which its log is written. `describe_url` turns an item of site
    `urls` into its description; `counted` is told of the counting pass and how many of its ids the log does not know,
    before the first request.
    """

    def __init__(
        self,
        rooms: Rooms,
        site: Site,
        source: Callable[[Path], Awaitable[Source]],
        describe_url: Callable[[Item], Description | None],
        counted: Callable[[Census, int], None],
        where: tuple[Place, Disk],
    ) -> None:
        self._rooms = rooms
        self._site = site
        self._open_source = source
        self._counted = counted
        self._place, self._disk = where
        self._root = self._place.root
        self._gate = Gate()
        self._books = Books(self._root, self._gate)
        self._seats = Seats(rooms.limits.works)
        reserve = rooms.output.reserve_mb * 1_000_000
        self._manner = Manner(describe_url, self._books.stop, rooms.limits.drain_s, reserve, self._admit)
        self._hire_more: Callable[[], None] = lambda: None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="disk")

    # -- what others ask of a run -----------------------------------------------------------------

    @property
    def census(self) -> Census | None:
        """What the counting pass found, once it is over."""
        return self._books.census

    @property
    def state(self) -> State | None:
        """What the log adds up to, as this run has it in memory; None before the log was read."""
        return None if self._books.log is None else self._books.log.state

    def follow(self) -> Follower:
        """Every event that is committed from now on, once it is durable. Too many unread hold back admission."""
        return self._books.follow()

    def drain(self, reason: str, code: int, text: str = "") -> None:
        """Admit nothing more, let what is on the wire finish, then end with `code`. The first reason stands."""
        self._books.drain(reason, code, text)

    def reload(self, limits: LimitsSettings) -> None:
        """Obey other [limits] from now on: hosts start with nothing saved up, blocks stand, what is held stays held."""
        self._rooms = replace(self._rooms, limits=limits)
        self._seats.most, self._manner.drain_s = limits.works, limits.drain_s
        self._hire_more()
        reload(self._books.door, limits, self._books.note)

    def snapshot(self) -> Snapshot:
        """The run at this moment."""
        return self._books.snapshot()

    # -- the run -----------------------------------------------------------------------------------

    async def go(self, attendants: Sequence[Attendant] = ()) -> Outcome:
        """Run to the end. Raises InUse, LogDamaged, SourceError and StorageFailed before the first request.

        What goes wrong later is told by the outcome.
        """
        books = self._books
        books.began = asyncio.get_running_loop().time()
        books.phase = "replaying"
        try:
            return await self._go(await self._place.take(), attendants)
        finally:
            books.phase = "done"
            self._threads.shutdown(wait=False)
            await self._place.leave()

    async def _go(self, said: Sequence[str], attendants: Sequence[Attendant]) -> Outcome:
        books = self._books
        log = books.open(await Log.open(self._root, self._rooms.log, self._disk))
        try:
            books.phase = "counting"
            source = await self._open_source(self._root / ".crawl")
            census = books.census = await source.count()
            if census.hopeless:
                self._counted(census, 0)
                return books.end(2, "source", "")
            await note_opening(log, census, self._rooms.source_path, self._rooms.digest)
            again = Again(log, self._root / LOG, self._place.replacing())
            try:
                await again.prepare(self._rooms.recheck, census.bitmap)
                books.coming = await asyncio.to_thread(coming, log.state, census.bitmap, again.chosen)
                self._counted(census, books.totals(fresh=True).pending + again.settled())
                code, reason, text = await self._crawl_all(source, again, attendants)
            finally:
                again.close()
            return await books.close(books.end(code, reason, text), self._place.finish, said)
        finally:
            await log.close()

    async def _crawl_all(self, source: Source, again: Again, attendants: Sequence[Attendant]) -> tuple[int, str, str]:
        books, log = self._books, again.log
        sink = self._place.sink(self._threads)
        door = door_of(self._rooms, books, log, books.note)
        try:
            async with door, asyncio.TaskGroup() as group:
                books.door = door
                crew = Crew(group, self._manner, self._seats, books, self._gate)
                tools = Tools(
                    site=self._site,
                    door=door,
                    sink=sink,
                    log=log,
                    note=books.note,
                    quality=self._rooms.quality,
                    stop=books.stop,
                    spawn=crew.spawn,
                    counters=books.counters,
                    rotten=again.rotten,
                    images=self._rooms.images,
                )
                chores = (log.run(), crew.deadline(), crew.watch_room(sink), self._place.tend())
                async with accompanied(group, chores, attendants, self.snapshot):
                    books.phase = "crawling"
                    crew.begin(found_in(source, again, tools.log.state), again, tools)
                    self._hire_more = crew.hire
                    await crew.finished()
                    books.phase = "closing"
                    door.settle()
                    await log.commit()
                    books.totals(fresh=True)
        except* StorageFailed as failures:
            books.broken(failures)
        finally:
            self._hire_more = lambda: None
        return books.stopped or (*books.verdict(), "")

    def _admit(self) -> Awaitable[None] | None:
        follower = self._books.follower
        return None if follower is None else follower.room(self._gate)


async def note_opening(log: Log, census: Census, path: str | tuple[str, ...], settings: str) -> None:
    """Say that a run begins, of the list at `path`, with `settings` of this digest. Raises StorageFailed."""
    known = log.state.source
    if known is not None and known.get("digest") != census.digest:
        for part in listed_events(census.digest, census.bitmap):
            log.note(part)
            await log.room()
    origin = {"path": path, "digest": census.digest, "ids": census.ids}
    log.note(Opened(log.id, LOG_FORMAT, __version__, origin, settings))
    await log.commit()
