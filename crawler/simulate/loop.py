"""A loop whose clock jumps: hours of waiting pass in milliseconds.

run_virtual(main())     # as asyncio.run, but nobody sleeps

When no callback is ready and no socket has anything to say, `loop.time()` jumps to the next timer. Real sockets on
loopback work, as long as both ends live on this loop: what one end sends, the kernel has put before the other end by
the time `send` returns. Work for threads is done on the loop, or time would jump over it while it runs. `time.time()`
tells the same made-up time while the loop runs, and so does the clock by which aiohttp drops idle connections.
"""

from __future__ import annotations

import asyncio
import io
import os
import selectors
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import aiohttp.connector

T = TypeVar("T")

EPOCH = 1_700_000_000.0
"""What `time.time()` says when the loop's clock stands at 0."""
STUCK_S = 2.0
"""Real seconds given to the world outside when nothing is ready and nothing is scheduled."""


class Stuck(RuntimeError):
    """Nothing is ready, nothing is scheduled and no socket says anything: the program waits for ever."""


class Jumper(selectors.DefaultSelector):
    """Polls sockets without waiting; where a loop would sleep, its clock jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.jumps = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if len(self.get_map()) > 1:  # sockets besides the loop's own
            # Loopback delivers at once, unless the kernel left it to a thread of its own that has yet to run.
            for _ in range(2):
                os.sched_yield()
                ready = super().select(0)
                if ready:
                    return ready
        if timeout is None:
            ready = super().select(STUCK_S)
            if not ready:
                raise Stuck("nothing is ready and nothing is scheduled")
            return ready
        self.now += timeout
        self.jumps += 1
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. `job_s` says how long the next piece of work for a thread takes (default: no time)."""

    def __init__(self, job_s: Callable[[], float] | None = None) -> None:
        self._jumper = Jumper()
        self._job_s = job_s
        self._busy_until: dict[int, float] = {}
        self._last_job = 0.0
        super().__init__(self._jumper)

    @property
    def jumps(self) -> int:
        """How often the clock jumped."""
        return self._jumper.jumps

    def time(self) -> float:
        """Seconds since the world began."""
        return self._jumper.now

    def run_in_executor(  # pyright: ignore[reportIncompatibleMethodOverride] - a coroutine function only by its stub
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Done on the loop, all at one moment. An executor of one thread keeps the order, others need not."""
        future: asyncio.Future[T] = self.create_future()
        at = self.time() + (self._job_s() if self._job_s else 0.0)
        if isinstance(executor, ThreadPoolExecutor) and executor._max_workers == 1:
            before = self._busy_until.get(id(executor), 0.0)
            # Equal times would not keep their order in the loop's heap.
            at = self._busy_until[id(executor)] = max(at, before + 1e-6)
        self._last_job = max(self._last_job, at)
        self.call_at(at, _job, future, func, args)
        return future

    async def jobs_done(self) -> None:
        """Wait for work that was given to threads, also what nobody waits for, as a process does before it ends."""
        await asyncio.sleep(max(0.0, self._last_job - self.time()) + 1e-6)


def _job(future: asyncio.Future[T], func: Callable[..., T], args: tuple[Any, ...]) -> None:
    """As in a thread it cannot be stopped: cancelled, it is done all the same, and nobody learns of it."""
    try:
        result = func(*args)
    except BaseException as error:  # noqa: BLE001 - handed to whoever awaits it
        if not future.done():
            future.set_exception(error)
    else:
        if not future.done():
            future.set_result(result)
        elif isinstance(result, io.IOBase):
            result.close()  # opened for nobody: threads leave that to the garbage collector, which warns of it


@contextmanager
def made_up_clocks(loop: VirtualLoop) -> Generator[None]:
    """While this holds, `time.time()` is `EPOCH` and the loop's time."""
    pool: Any = aiohttp.connector  # imports its clock by name
    wall, monotonic = time.time, pool.monotonic
    time.time = lambda: EPOCH + loop.time()
    pool.monotonic = loop.time
    try:
        yield
    finally:
        time.time, pool.monotonic = wall, monotonic


def run_virtual(main: Coroutine[Any, Any, T], loop: VirtualLoop | None = None) -> T:
    """Run a coroutine to its end under made-up time; as asyncio.run in all else. Raises Stuck."""
    mine = loop or VirtualLoop()
    with made_up_clocks(mine), asyncio.Runner(loop_factory=lambda: mine) as runner:
        return runner.run(main)
