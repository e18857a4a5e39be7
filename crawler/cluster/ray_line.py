"""Coordinator and budget seen from another process: each call is a message to a named actor, with a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from crawler.cluster import ray_door
from crawler.cluster.protocol import Ask, Flight, Grants, Halt, Moment, Orders, Shard, Told, Unreachable, View, Word
from crawler.engine.settings import LimitsSettings
from crawler.stop import Stop, StorageFailed

DESK = "coordinator"
"""The name of the actor that is both, in the namespace of the output."""
COORDINATOR_S = 10.0
BUDGET_S = 5.0
"""So long an answer may take. No answer is Unreachable, and then nothing is granted."""


class Line:
    """Messages to a part of the desk in this namespace, "coordinator" or "budget": the method of this name. The actor
    is named and never handed on: whoever restarts it, and wherever, the name leads there."""

    def __init__(self, part: str, namespace: str, timeout_s: float) -> None:
        self._part, self._namespace, self._timeout_s = part, namespace, timeout_s
        self._actor: Any = None
        self._looking: asyncio.Future[Any] | None = None
        # Looking a name up waits for the head, for a minute when that is gone: not in threads that others need.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ray-name")

    async def ask(self, method: str, *arguments: object) -> Any:
        """The answer of the actor's part. Raises Unreachable, and the Stop that the part itself ran into."""
        try:
            async with asyncio.timeout(self._timeout_s):
                actor = self._actor or await self._found()
                answer = await getattr(actor, self._part).remote(method, arguments)
        except TimeoutError:
            raise Unreachable(f"no answer from the {self._part} in {self._timeout_s:.0f} s") from None
        except ray_door.trouble() as error:
            if (cause := ray_door.cause(error)) is not None:
                raise cause from None
            self._actor = None
            raise Unreachable(f"the {self._part} cannot be reached ({type(error).__name__})") from None
        if isinstance(answer, Halt):
            raise _stop(answer)
        return answer

    async def _found(self) -> Any:
        if self._looking is None or self._looking.done():
            loop = asyncio.get_running_loop()
            self._looking = loop.run_in_executor(self._thread, ray_door.find, DESK, self._namespace)
        await asyncio.wait((self._looking,))
        self._actor = self._looking.result()
        if self._actor is None:
            raise Unreachable(f"there is no {self._part} yet")
        return self._actor


def _stop(halt: Halt) -> Stop:
    stop = StorageFailed(halt.text) if halt.reason == StorageFailed.reason else Stop(halt.text)
    stop.code, stop.reason = halt.code, halt.reason
    return stop


class FarCoordinator:
    """`protocol.Coordinator` by messages."""

    def __init__(self, namespace: str) -> None:
        self._ask = Line("coordinator", namespace, COORDINATOR_S).ask

    async def begin(self, round: str) -> None:
        await self._ask("begin", round)

    async def finish(self) -> None:
        await self._ask("finish")

    async def view(self, merged: Sequence[str] = (), offered: Sequence[Shard] = ()) -> View:
        return await self._ask("view", tuple(merged), tuple(offered))

    async def drain(self) -> None:
        await self._ask("drain")

    async def obey(self, limits: LimitsSettings) -> None:
        await self._ask("obey", limits)

    async def lease(self, worker: str, ask: int) -> Orders:
        return await self._ask("lease", worker, ask)

    async def renew(self, worker: str, held: Sequence[tuple[str, int]], flight: Flight) -> Orders:
        return await self._ask("renew", worker, tuple(held), flight)

    async def commit(self, worker: str, shard: str, epoch: int) -> Orders:
        return await self._ask("commit", worker, shard, epoch)

    async def release(self, worker: str, shard: str, epoch: int) -> None:
        await self._ask("release", worker, shard, epoch)

    async def fail(self, worker: str, shard: str, epoch: int, reason: str) -> None:
        await self._ask("fail", worker, shard, epoch, reason)

    async def halt(self, worker: str, halt: Halt) -> None:
        await self._ask("halt", worker, halt)


async def _nothing() -> None:
    return None


class FarBudget:
    """`protocol.RateBudget` by messages. `missed` is awaited where the driver's question had no answer."""

    def __init__(self, namespace: str, missed: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._ask = Line("budget", namespace, BUDGET_S).ask
        self.missed = missed

    async def reserve(self, worker: str, asks: Sequence[Ask], moment: Moment | None = None) -> Grants:
        return await self._ask("reserve", worker, tuple(asks), moment)

    async def told(self, upto: int, word: Word | None = None) -> Told:
        try:
            return await self._ask("told", upto, word)
        except Unreachable:
            await self.missed()
            raise
