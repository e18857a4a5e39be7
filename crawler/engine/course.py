"""The course of a job, of works as of lists: how far it is, what is to end it, and who goes along with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from crawler.stop import Gate, Stop, StorageFailed

AT_WORK = ("crawling", "collecting")
SELDOM_S = 0.5

T = TypeVar("T")


class Course:
    """How far a job is, and what it is to end with: exit code, reason, words for the user; None while nothing is."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.phase = "starting"
        self.stopped: tuple[int, str, str] | None = None

    def drain(self, reason: str, code: int, text: str = "") -> None:
        """Begin nothing more, let what is on the wire finish, then end with `code`. The first reason stands."""
        if self.stopped is None:
            self.stopped = (code, reason, text)
        if self.phase in AT_WORK:
            self.phase = "draining"
        self.gate.close()

    def stop(self, stop: Stop) -> None:
        """Drain, for what this says."""
        self.drain(stop.reason, stop.code, str(stop))

    def broken(self, failures: BaseExceptionGroup[StorageFailed]) -> None:
        """The disk ended it, whatever was to end it before."""
        first = _first_of(failures)
        self.stopped = (first.code, first.reason, str(first))


def _first_of(group: BaseExceptionGroup[StorageFailed]) -> StorageFailed:
    """The first exception in a group, however deep."""
    inner = group.exceptions[0]
    return _first_of(inner) if isinstance(inner, BaseExceptionGroup) else inner


@asynccontextmanager
async def accompanied(
    group: asyncio.TaskGroup,
    chores: Iterable[Coroutine[Any, Any, None]],
    attendants: Iterable[Callable[[Callable[[], T], asyncio.Event], Awaitable[None]]],
    pull: Callable[[], T],
) -> AsyncGenerator[None]:
    """Have chores, and attendants with where to `pull` pictures, go along with what is done inside.

    After it chores are cancelled; attendants are told by their event, and waited for.
    """
    done = asyncio.Event()
    helpers = [group.create_task(chore) for chore in chores]
    watchers = [group.create_task(_attend(attendant, pull, done)) for attendant in attendants]
    try:
        yield
    finally:
        done.set()
    for helper in helpers:
        helper.cancel()
    for watcher in watchers:
        await watcher


async def _attend(
    attendant: Callable[[Callable[[], T], asyncio.Event], Awaitable[None]], pull: Callable[[], T], done: asyncio.Event
) -> None:
    """A watcher that cannot write (its terminal went away) leaves; the job goes on."""
    try:
        await attendant(pull, done)
    except OSError:
        return


class Seldom(Generic[T]):
    """What is counted anew twice a second at most. Counting very many takes a while: it may have one percent of the
    loop."""

    def __init__(self, count: Callable[[], T]) -> None:
        self._count = count
        self._had: tuple[float, T] | None = None

    def get(self, *, fresh: bool = False) -> T:
        """What was counted last; `fresh`: what there is to count at this moment."""
        now = asyncio.get_running_loop().time()
        if fresh or self._had is None or now >= self._had[0]:
            began = time.perf_counter()
            counted = self._count()
            self._had = (now + max(SELDOM_S, 100 * (time.perf_counter() - began)), counted)
        return self._had[1]
