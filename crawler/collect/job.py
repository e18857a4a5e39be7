"""Collecting from the first line of its log to the last: the one place where its tasks are owned and it is stopped."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from crawler import __version__
from crawler.collect.book import Book, Query
from crawler.collect.idfile import IdFile
from crawler.collect.names import Names
from crawler.collect.picture import Collection, left_of
from crawler.collect.reading import Lull, Place, Tools, read_list
from crawler.collect.settings import CollectSettings
from crawler.collected import Capped, Emptied, Missed
from crawler.disk import Disk
from crawler.engine.course import Course, Seldom, accompanied
from crawler.engine.doors import door_of, reload
from crawler.engine.run import LOG_FORMAT
from crawler.engine.settings import LimitsSettings
from crawler.events import Closed, Event, Opened, Throttled
from crawler.fetch.door import Door
from crawler.fetch.hosts import utc
from crawler.fetch.memory import Room
from crawler.fetch.settings import NetworkSettings
from crawler.log.files import LOG
from crawler.log.reader import scan
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.progress import note as note_of
from crawler.rules.settings import RetrySettings
from crawler.sites.pixiv import Pixiv
from crawler.sites.pixiv_listing import JAPAN
from crawler.stop import Draining, Gate, StorageFailed
from crawler.words import plural, seconds_of

Pull = Callable[[], Collection]
Attendant = Callable[[Pull, asyncio.Event], Awaitable[None]]
"""Something that watches: given where to pull pictures and an event that is set at the end."""


@dataclass(frozen=True, slots=True)
class CollectRooms:
    """The settings that collecting obeys, and a digest of all for the log. `most_x_restrict` as filter.max_x_restrict;
    `waits`: a spent daily budget is waited out."""

    collect: CollectSettings
    limits: LimitsSettings
    network: NetworkSettings
    retry: RetrySettings
    log: LogSettings
    most_x_restrict: int
    digest: str
    since_last: bool = False
    waits: bool = True


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended: exit code (design.md 1.1), the `closed` line's reason, words for the user, the last picture.

    `lacking`: lists of which something is missing, and why.
    """

    code: int
    reason: str
    text: str
    picture: Collection
    lacking: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def queries_of(names: Names, collect: CollectSettings, most_x_restrict: int) -> list[Query]:
    """The lists that the settings ask for, in order."""
    if collect.kind != "tags":
        return [Query(collect.kind, name) for name in names.names]
    mode = "all" if most_x_restrict else "safe"
    return [Query("tags", name, collect.match, mode, collect.since, collect.until) for name in names.names]


class Collect:
    """One run of `crawler collect` into one folder."""

    def __init__(self, rooms: CollectRooms, site: Pixiv, names: Names, disk: Disk) -> None:
        self._rooms = rooms
        self._site = site
        self._names = names
        self._queries = queries_of(names, rooms.collect, rooms.most_x_restrict)
        self._root = Path(rooms.collect.out)
        self._disk = disk
        self._gate = Gate()
        self._course = Course(self._gate)
        self._places = Room(rooms.collect.lists, self._gate)
        self._book = Book()
        self._fresh: list[int] = []
        self._flushing = asyncio.Lock()
        self._new_ids = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = 0.0
        self._log: Log | None = None
        self._door: Door | None = None
        self._tools: Tools | None = None
        self._said: deque[tuple[float, Event]] = deque(maxlen=50)
        self._picture = Seldom(self._draw)

    # -- what others ask of it ---------------------------------------------------------------------

    def drain(self, reason: str, code: int, text: str = "") -> None:
        """Ask for nothing more, let what is on the wire finish, then end with `code`. The first reason stands."""
        self._course.drain(reason, code, text)

    def reload(self, limits: LimitsSettings) -> None:
        """Obey other [limits] from now on."""
        self._rooms = replace(self._rooms, limits=limits)
        reload(self._door, limits, self._note)

    def picture(self) -> Collection:
        """Collecting at this moment, half a second old at most."""
        return self._picture.get(fresh=self._course.phase in ("closing", "done"))

    def _draw(self) -> Collection:
        now = asyncio.get_running_loop().time()
        book, door, tools = self._book, self._door, self._tools
        passes = [one for query in self._queries if (one := book.passes.get(query)) is not None]
        left = left_of(book, self._queries)
        waits = [(seconds_of(one.until) or 0.0) - utc() for one in book.open_passes() if one.until]
        return Collection(
            t=utc(),
            elapsed_s=now - self._began if self._began else 0.0,
            phase=self._course.phase,
            lists=len(self._queries),
            over=len(self._queries) - left.lists,
            missed=sum(1 for one in passes if one.missed and one.missed.permanent),
            open=len(self._tasks) - (tools.waiting if tools else 0),
            waiting=tools.waiting if tools else 0,
            ids=len(book.ids),
            new_ids=self._new_ids,
            doubles=book.doubles,
            masked=sum(one.masked for one in passes),
            short=sum(one.short for one in passes),
            pages=tools.pages if tools else 0,
            requests=door.requests if door else 0,
            retries=door.retries if door else 0,
            left=left,
            wait_s=max(0.0, *waits, 0.0) if tools and tools.waiting else 0.0,
            hosts=door.hosts() if door else (),
            notes=tuple(note_of(*told) for told in self._said),
            directory=str(self._root),
            stopping=self._course.stopped[1] if self._course.stopped else "",
        )

    # -- from beginning to end ---------------------------------------------------------------------

    async def go(self, attendants: Sequence[Attendant] = ()) -> Ending:
        """Collect to the end. Raises InUse, LogDamaged and StorageFailed before the first request."""
        self._began = asyncio.get_running_loop().time()
        self._course.phase = "reading the log"
        log = self._log = await Log.open(self._root, self._rooms.log, self._disk)
        ids = IdFile(self._root, self._disk)
        try:
            await asyncio.to_thread(ids.rebuild, self._replay(self._root / LOG))
            origin = {"path": self._rooms.collect.path, "digest": self._names.digest, "lists": len(self._queries)}
            self._note(Opened(log.id, LOG_FORMAT, __version__, origin, self._rooms.digest))
            await log.commit()
            code, reason, text = await self._collect_all(log, ids, attendants)
            self._course.phase = "done"
            picture = self.picture()
            if code != StorageFailed.code:
                self._note(Closed(reason, totals_of(picture)))
                await log.commit()
            return Ending(code, reason, text, picture, tuple(self._lacking()), tuple(log.warnings))
        finally:
            self._course.phase = "done"
            try:
                await asyncio.to_thread(ids.close)
            finally:
                await log.close()

    def _replay(self, path: Path) -> Iterator[int]:
        """The ids of the log in order of discovery; the book is made on the way. In a thread."""
        for _, line in scan(path):
            id = self._book.apply(line.event)
            if id is not None:
                yield id

    async def _collect_all(self, log: Log, ids: IdFile, attendants: Sequence[Attendant]) -> tuple[int, str, str]:
        course = self._course
        door = door_of(self._rooms, course, log, self._note)
        try:
            async with door, asyncio.TaskGroup() as group:
                self._door = door
                tools = self._tools = self._make_tools(log, door)
                chores = (log.run(), self._list_ids(log, ids), self._deadline())
                async with accompanied(group, chores, attendants, self.picture):
                    course.phase = "draining" if self._gate.closed else "collecting"
                    await self._feed(group, tools)
                    while self._tasks:
                        await asyncio.wait(self._tasks)
                    course.phase = "closing"
                    door.settle()
                    await self._flush(log, ids)
        except* StorageFailed as failures:
            course.broken(failures)
        return course.stopped or (*self._verdict(), "")

    def _make_tools(self, log: Log, door: Door) -> Tools:
        collect = self._rooms.collect
        return Tools(
            site=self._site,
            door=door,
            gate=self._gate,
            log=log,
            book=self._book,
            note=self._note,
            stop=self._course.stop,
            lull=Lull(collect.empty_wait_s, self._gate),
            today=lambda: datetime.fromtimestamp(utc(), JAPAN).date().isoformat(),
            cap_pages=collect.cap_pages,
            empty_wait_s=collect.empty_wait_s,
            attempts=self._rooms.retry.attempts,
            most_x_restrict=self._rooms.most_x_restrict,
        )

    async def _feed(self, group: asyncio.TaskGroup, tools: Tools) -> None:
        """Admit lists one by one, never more in flight than collect.lists; those that wait are not counted."""
        for count, query in enumerate(self._queries):
            if self._book.over(query) and not (self._rooms.since_last and query.kind != "links"):
                if count % 256 == 0:
                    await asyncio.sleep(0)  # a long finished prefix must not hold the loop
                continue
            try:
                await self._places.take(1)
            except Draining:
                return
            task = group.create_task(read_list(query, Place(self._places), tools))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(0)

    async def _list_ids(self, log: Log, ids: IdFile) -> None:
        """Bring into ids.txt what the log has safely, every `log.commit_ms`."""
        while True:
            await asyncio.sleep(self._rooms.log.commit_ms / 1000)
            await self._flush(log, ids)

    async def _flush(self, log: Log, ids: IdFile) -> None:
        async with self._flushing:
            found = len(self._fresh)
            await log.commit()
            if found:
                await asyncio.to_thread(ids.append, self._fresh[:found])
                del self._fresh[:found]

    def _note(self, event: Event) -> None:
        """Write a line, and take it into the book. Raises StorageFailed."""
        assert self._log is not None
        self._log.note(event)
        id = self._book.apply(event)
        if id is not None:
            self._fresh.append(id)
            self._new_ids += 1
        if isinstance(event, Capped | Emptied | Missed | Throttled):
            self._said.append((utc(), event))

    async def _deadline(self) -> None:
        """After a drain began, what is still in flight has limits.drain_s; then it is cancelled."""
        await self._gate.wait()
        await asyncio.sleep(self._rooms.limits.drain_s)
        for task in self._tasks:
            task.cancel()

    def _verdict(self) -> tuple[int, str]:
        """Exit code and reason of a run that came to its end."""
        if any(not self._book.over(query) for query in self._queries):
            return 4, "finished"
        return (3 if any(self._lacking()) else 0), "finished"

    def _lacking(self) -> Iterator[str]:
        """What is to be said of the lists of which something is missing, for now or for good."""
        for query in self._queries:
            one = self._book.passes.get(query)
            if one is None:
                continue
            if one.missed is not None:
                end = "for good" if one.missed.permanent else "run the same command again to go on there"
                yield (
                    f"{query.tag}: page {one.missed.page}: {one.missed.reason} {one.missed.detail}".rstrip()
                    + f"; {end}"
                )
            if one.short:
                days = ", ".join(one.days[:5]) + (", …" if len(one.days) > 5 else "")
                yield f"{query.tag}: {plural(one.short, 'work')} on no page: more on one day ({days}) than are shown"


def totals_of(now: Collection) -> dict[str, int]:
    """What the `closed` line says."""
    return {
        "lists": now.lists,
        "over": now.over,
        "missed": now.missed,
        "ids": now.ids,
        "new_ids": now.new_ids,
        "masked": now.masked,
        "short": now.short,
        "pages": now.pages,
        "requests": now.requests,
    }
