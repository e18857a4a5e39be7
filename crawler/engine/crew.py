"""The tasks that crawl works: as many as there are seats, each taking one work after another from one source."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from crawler.engine.books import Books
from crawler.engine.recheck import Again
from crawler.engine.work import Tools, crawl
from crawler.model import Description
from crawler.rules.replay import State
from crawler.rules.totals import Todo
from crawler.sinks.sink import Sink
from crawler.sources.lines import SourceError
from crawler.sources.source import Item, Listing
from crawler.stop import Draining, Gate, Stop, StorageFailed

ROOM_EVERY_S = 0.25

Found = tuple[Item, Todo | None, bool]
"""A work, what is left to do for it, and whether it is to be asked for again."""


class Seats:
    """How many works may be in flight, over all crews that share them. `vacant` is told when one gives a seat back."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held: set[asyncio.Task[None]] = set()
        self.vacant: Callable[[], None] = lambda: None

    def leave(self, task: asyncio.Task[None]) -> None:
        """Give a seat back."""
        if task in self.held:
            self.held.discard(task)
            self.vacant()


@dataclass(slots=True)
class Manner:
    """How a crew works. `describe_url` turns an item of site `urls` into its description, `stop` ends it all, for one
    with less room than `reserve_bytes`; what is in flight then has `drain_s`. `admit` gives what is to be waited for
    before each work, if anything is."""

    describe_url: Callable[[Item], Description | None]
    stop: Callable[[Stop], None]
    drain_s: float
    reserve_bytes: int
    admit: Callable[[], Awaitable[None] | None] = lambda: None


class Crew:
    """Tasks in `group`, which take works from `found` until it ends or the gate is closed; then `finished` returns."""

    def __init__(self, group: asyncio.TaskGroup, manner: Manner, seats: Seats, books: Books, gate: Gate) -> None:
        self._group = group
        self._manner = manner
        self._seats = seats
        self._books = books
        self._gate = gate
        self._works: set[asyncio.Task[None]] = set()
        self._images: set[asyncio.Task[None]] = set()
        self._work: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._leave_source: Callable[[], None] = lambda: None
        self._ended = asyncio.Event()
        self._over = False

    def begin(self, found: Generator[Found | None], again: Again, tools: Tools) -> None:
        """Take works from `found` from now on, as seats allow."""
        self._work = partial(self._take_works, found, again, tools)
        self._leave_source = found.close
        self.hire()

    def hire(self) -> None:
        """Have as many tasks as there are seats: a task for each work would cost more than that."""
        if self._work is None:
            return
        while len(self._seats.held) < self._seats.most and not self._over:
            work = self._work()
            try:
                task = self._group.create_task(work)
            except RuntimeError:  # a task of the group failed: its end is near
                work.close()
                self._over = True
                return
            self._works.add(task)
            self._seats.held.add(task)
            task.add_done_callback(self._gone)

    def spawn(self, image: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """One more image of a work."""
        task = self._group.create_task(image)
        self._images.add(task)
        task.add_done_callback(self._images.discard)
        return task

    async def finished(self) -> None:
        """Wait until there is nothing more to take, and what was taken is done. However it ends, the list is closed."""
        try:
            await self._ended.wait()
        finally:
            self._leave_source()

    async def deadline(self) -> None:
        """After a drain began, what is still in flight has `drain_s`; then it is cancelled and stays pending."""
        await self._gate.wait()
        self._look()
        await asyncio.sleep(self._manner.drain_s)
        for task in (*self._works, *self._images):
            task.cancel()

    async def watch_room(self, sink: Sink) -> None:
        """By the clock and not at each admission: the works in flight can have thousands of images to come."""
        while not self._gate.closed:
            if self._books.counters.in_flight:
                self._check_room(sink)
            await asyncio.sleep(ROOM_EVERY_S)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._works.discard(task)
        if task.cancelled() or task.exception() is not None:
            self._over = True
        self._look()
        self._seats.leave(task)

    def _look(self) -> None:
        if not self._works and (self._over or self._gate.closed):
            self._ended.set()

    async def _take_works(self, found: Iterator[Found | None], again: Again, tools: Tools) -> None:
        """Take one work after another, never reading the source ahead, until it ends or nothing more is admitted."""
        counters, seats, admit = self._books.counters, self._seats, self._manner.admit
        for count in itertools.count(1):
            if (turn := admit()) is not None:
                try:
                    await turn
                except Draining:
                    break
            if tools.log.crowded:
                await tools.log.room()
            if not counters.in_flight:  # while there are any, `watch_room` looks
                self._check_room(tools.sink)
            if self._gate.closed:
                break
            if len(seats.held) > seats.most:  # there are fewer since a reload
                seats.held.discard(cast("asyncio.Task[None]", asyncio.current_task()))
                return
            try:
                one = next(found)
            except StopIteration:
                break
            except SourceError as error:
                self._manner.stop(error)
                break
            if one is not None:
                counters.in_flight += 1
                try:
                    await self._life(one, again, tools)
                finally:
                    counters.in_flight -= 1
                    counters.works += 1
            if one is None or count % 16 == 0:
                await asyncio.sleep(0)  # works that need nobody's answer must not hold the loop
        self._over = True

    def _life(self, one: Found, again: Again, tools: Tools) -> Coroutine[Any, Any, None]:
        item, todo, asked_again = one
        given = self._manner.describe_url(item)
        self._books.plain = given is not None
        if todo is None or asked_again:
            return again.look(item.id, given, tools)
        return crawl(item.id, todo, given, tools)

    def _check_room(self, sink: Sink) -> None:
        check_room(sink, self._books.root, self._manner.reserve_bytes, self._manner.stop)


def check_room(sink: Sink, root: Path, reserve_bytes: int, stop: Callable[[Stop], None]) -> None:
    """Tell `stop` when there is less room under `root` than is to stay free."""
    free = sink.free_bytes()
    if free >= reserve_bytes:
        return
    reserve = f"output.reserve_mb = {reserve_bytes // 1_000_000}"
    text = f"only {free / 1e6:.0f} MB are free under {root}, less than {reserve}. What was in flight is finished. "
    stop(StorageFailed(text + "Make room and run the same command again: it goes on where it stopped."))


def found_in(source: Listing, again: Again, state: State) -> Generator[Found | None]:
    """The works of a source that there is something to do for; None now and then where there are none for long.

    Raises SourceError.
    """
    for count, item in enumerate(source.items()):
        todo, asked_again = state.todo(item.id), again.wants(item.id)
        if todo is not None or asked_again:
            yield item, todo, asked_again
        elif count % 256 == 0:
            yield None
