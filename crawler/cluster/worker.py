"""A worker of a cluster: leases shards, crawls them with the ordinary engine, and commits what came of each.

It trusts nobody with the time: a lease ends for it a ttl after it *sent* the request that was answered by it or renewed
it, and what it was doing for that lease is broken off then, wherever it is. What it has stored stays: another attempt,
or the driver, may find it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from crawler.assembly import build_disk, build_site
from crawler.cluster.attempt import Attempt, Kit
from crawler.cluster.commits import Round
from crawler.cluster.doors import door_of, give_back
from crawler.cluster.output import Output
from crawler.cluster.permits import Permits
from crawler.cluster.protocol import Coordinator, Flight, Halt, Lease, Orders, RateBudget, Unreachable
from crawler.disk import THREADS, Disk
from crawler.engine.crew import Manner, Seats
from crawler.engine.doors import lanes_of
from crawler.engine.settings import LimitsSettings
from crawler.fetch.door import Door
from crawler.settings import Settings
from crawler.stop import Gate, Stop, StorageFailed

AT_ONCE = 8
"""So many shards at most: all but the newest are down to their last slow works, which hold a seat each."""
PATIENCE_S = 60.0
"""So long a coordinator may give no answer to a worker that holds nothing."""
_TTL_S = 30.0
_PAUSE_S = 0.25


class _Live:
    """An attempt on its way."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.task: asyncio.Task[None] | None = None
        self.lost = False

    def lose(self) -> None:
        """Its lease is no longer ours."""
        if not self.lost and self.task is not None:
            self.lost = True
            self.task.cancel()


class Worker:
    """Crawls what it is given until there is no more. Any number may run in one loop.

    `settings`: those of the driver, paths included (`output.dir` of a folder must be the very same folder, seen from
    here; the list itself is never read). `session`: the value of PHPSESSID, or "". `name`: unique among the workers of
    this coordinator, and never used again. `disk`: a simulation brings its own.
    """

    def __init__(
        self,
        settings: Settings,
        session: str,
        name: str,
        coordinator: Coordinator,
        budget: RateBudget,
        *,
        disk: Disk | None = None,
    ) -> None:
        self._settings = settings
        self._session = session
        self._name = name
        self._coordinator = coordinator
        self._budget = budget
        self._disk = disk or build_disk(settings)
        self._gate = Gate()
        self.share: Callable[[LimitsSettings], LimitsSettings] = lambda limits: limits
        """Its part of the limits of all."""
        self._limits = settings.limits
        self._manner: Manner | None = None
        self._permits: Permits | None = None
        self._seats = Seats(settings.limits.works)
        self._seats.vacant = self._fill
        self._live: dict[tuple[str, int], _Live] = {}
        self._news = asyncio.Event()
        self._rounds: set[str] = set()
        self._door: Door | None = None
        self._halt: Halt | None = None
        self._told = False
        self._over = self._leaving = False
        self._asked = 0
        self._ttl_s = _TTL_S
        self._heard_at = 0.0

    async def run(self) -> Halt | None:
        """Until the coordinator says that nothing will come, or that it drains; what stopped the crawl here, if
        anything did: that was told to the coordinator. Cancelled, it stops at once, as if killed.

        Raises Unreachable when the coordinator has given no answer for so long that no lease can be left, and
        ConfigError.
        """
        settings = self._settings
        limits = self._limits = self.share(settings.limits)
        self._seats.most = limits.works
        site, describe_url = build_site(settings, self._session)
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="disk")
        self._heard_at = asyncio.get_running_loop().time()
        permits = self._permits = Permits(self._name, self._budget)
        door = door_of(settings, limits, permits, self._gate)
        self._manner = Manner(describe_url, self._stop, limits.drain_s, settings.output.reserve_mb * 1_000_000)
        kit = Kit(
            name=self._name,
            output=Output(settings, self._disk),
            site=site,
            door=door,
            manner=self._manner,
            seats=self._seats,
            gate=self._gate,
            quality=settings.site.quality if settings.site.name == "pixiv" else "original",
            log=settings.log,
            threads=threads,
            low=self._low,
        )
        self._door = door
        deserted = False
        try:
            async with door, asyncio.TaskGroup() as group:
                chores = [group.create_task(chore) for chore in (self._renew(), self._expire(), permits.run())]
                await self._work(group, kit)
                for chore in chores:
                    chore.cancel()
                await give_back(permits)
        except* Unreachable:
            deserted = True
        finally:
            threads.shutdown(wait=False)
        if deserted:
            raise Unreachable(f"{self._name}: the coordinator gives no answer")
        await self._say_flight()
        return self._halt

    def drain(self) -> None:
        """This worker goes home (its machine is wanted back): on the wire is finished, shards go to others."""
        self._leaving = True
        self._gate.close()
        self._news.set()

    def flight(self) -> Flight:
        """What it has under way, for whoever looks."""
        counters = [live.attempt.books.counters for live in self._live.values()]
        door = self._door
        return Flight(
            works=sum(one.works for one in counters),
            in_flight=sum(one.in_flight for one in counters),
            images=sum(one.images for one in counters),
            bytes=sum(one.bytes for one in counters),
            requests=0 if door is None else door.requests,
            retries=0 if door is None else door.retries,
        )

    # -- leases ------------------------------------------------------------------------------------

    async def _work(self, group: asyncio.TaskGroup, kit: Kit) -> None:
        while True:
            self._news.clear()
            if self._halt is not None and not self._told:
                self._told = await self._said(self._coordinator.halt(self._name, self._halt))
            going = self._over or self._gate.closed
            if going and not self._live:
                return
            wait_s = None if self._halt is None or self._told else _PAUSE_S
            if not going and self._hungry():
                wait_s = await self._lease(group, kit)
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
            except TimeoutError:
                pass

    def _hungry(self) -> bool:
        left = sum(live.attempt.left for live in self._live.values())
        return len(self._live) < AT_ONCE and left < self._seats.most

    async def _lease(self, group: asyncio.TaskGroup, kit: Kit) -> float:
        """Ask for a shard, and begin with it; after how many seconds to look again. Raises Unreachable."""
        sent = asyncio.get_running_loop().time()
        orders = await self._orders(self._coordinator.lease(self._name, self._asked + 1))
        if orders is None:
            if not self._live and asyncio.get_running_loop().time() - self._heard_at > PATIENCE_S:
                raise Unreachable
            return _PAUSE_S
        self._asked += 1
        self._heed(orders)
        lease = orders.lease
        if lease is None or self._gate.closed:
            return orders.wait_s  # a lease that comes with a drain runs out
        self._ttl_s = lease.ttl_s
        if await self._is_here(lease, kit):
            live = self._live[lease.shard.id, lease.epoch] = _Live(Attempt(lease, sent + lease.ttl_s, kit))
            live.task = group.create_task(self._attempt(live, kit))
        return 0

    async def _is_here(self, lease: Lease, kit: Kit) -> bool:
        """Whether the output is the one that the driver writes to."""
        if lease.round in self._rounds:
            return True
        if await Round(kit.output.shelf, lease.round).exists():
            self._rounds.add(lease.round)
            await kit.output.forget((lease.round,))
            return True
        self._stop(_Elsewhere(f"{self._name}: {kit.output.shelf.place} is not the place that the driver writes to"))
        return False

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ttl_s / 4)
            await self._say_flight()

    async def _say_flight(self) -> None:
        held = list(self._live.values())
        sent = asyncio.get_running_loop().time()
        keys = [live.attempt.key for live in held]
        orders = await self._orders(self._coordinator.renew(self._name, keys, self.flight()))
        if orders is None:
            return
        for live in held:
            if live.attempt.key not in orders.lost:
                live.attempt.until = max(live.attempt.until, sent + live.attempt.lease.ttl_s)
        self._heed(orders)

    async def _expire(self) -> None:
        """Stop what ran out, by our own clock."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            for live in list(self._live.values()):
                if live.attempt.until <= now:
                    live.lose()
            soonest = min((live.attempt.until for live in self._live.values() if not live.lost), default=now + 1)
            await asyncio.sleep(min(max(soonest - now, 0.01), self._ttl_s / 8))

    def _heed(self, orders: Orders) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        for key in orders.lost:
            if (live := self._live.get(key)) is not None and live.task is not asyncio.current_task():
                live.lose()
        self._over = orders.over
        if orders.limits is not None:
            self._obey(self.share(orders.limits))
        if orders.drain:
            self._gate.close()
        if orders.over or orders.drain:
            self._news.set()

    def _obey(self, limits: LimitsSettings) -> None:
        """Other limits: how many works, connections and bytes at once. How fast a host is asked the budget knows."""
        if limits == self._limits:
            return
        self._limits, self._seats.most = limits, limits.works
        if self._manner is not None and self._door is not None:
            self._manner.drain_s = limits.drain_s
            self._door.reload(lanes_of(limits), limits.memory_mb, limits.daily.budget)
        self._low()

    # -- attempts ----------------------------------------------------------------------------------

    async def _attempt(self, live: _Live, kit: Kit) -> None:
        """An attempt from its first work to its commit, whatever comes."""
        attempt = live.attempt
        try:
            await self._finish(attempt, kit, await attempt.crawl())
            await kit.output.clear(attempt.lease.round, attempt.name)
        except asyncio.CancelledError:
            if not live.lost:
                raise
        except BaseException as error:
            found = innermost(error)
            if isinstance(found, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
                raise
            if not live.lost:  # else what we began may be gone, under the hands of threads that nobody can stop
                await self._broken(attempt, kit, found)
        finally:
            del self._live[attempt.key]
            self._news.set()

    async def _finish(self, attempt: Attempt, kit: Kit, lines: int) -> None:
        """Commit what was done; in a drain too, as whoever drains wants to keep it."""
        if self._leaving or (self._gate.closed and not lines):
            await self._tell(attempt, lambda: self._coordinator.release(self._name, *attempt.key))
            return
        commit = await attempt.commit(lines)
        if self._permits is not None:
            self._permits.flush()  # a crawl may end with this commit, and is to know what hosts sent
        if await Round(kit.output.shelf, attempt.lease.round).commit(commit):
            await self._tell(attempt, lambda: self._coordinator.commit(self._name, *attempt.key))

    async def _broken(self, attempt: Attempt, kit: Kit, error: BaseException) -> None:
        """It did not end well: for a reason that ends all, or (a mistake of ours) one that may lie in its works."""
        if isinstance(error, StorageFailed) and await self._is_over(attempt, kit):
            kit.output.reopen()
        elif isinstance(error, Stop):
            self._stop(error)
        else:
            reason = f"{self._name}: {type(error).__name__}: {error}"[:500]
            await self._tell(attempt, lambda: self._coordinator.fail(self._name, *attempt.key, reason))

    async def _is_over(self, attempt: Attempt, kit: Kit) -> bool:
        """Whether the round is, with all its files: we were taken for dead, and it is no wonder that writing fails."""
        try:
            return not await Round(kit.output.shelf, attempt.lease.round).exists()
        except StorageFailed:
            return False

    async def _tell(self, attempt: Attempt, message: Callable[[], Awaitable[object]]) -> None:
        """Say it until it is heard, or the lease has run out: then the coordinator finds out by itself."""
        loop = asyncio.get_running_loop()
        while True:
            if await self._said(message()) or loop.time() >= attempt.until:
                return
            await asyncio.sleep(_PAUSE_S)

    def _stop(self, stop: Stop) -> None:
        """The whole crawl must stop."""
        if self._halt is None:
            self._halt = Halt(stop.code, stop.reason, str(stop))
        self._gate.close()
        self._news.set()

    def _fill(self) -> None:
        """A seat is free: for the oldest attempt that has something left to take."""
        for live in self._live.values():
            if live.attempt.crew is not None and not live.lost:
                live.attempt.crew.hire()

    def _low(self) -> None:
        self._fill()
        self._news.set()

    # -- messages ----------------------------------------------------------------------------------

    async def _orders(self, message: Awaitable[Orders]) -> Orders | None:
        """The answer; None when there was none in time."""
        try:
            async with asyncio.timeout(self._ttl_s / 2):
                return await message
        except (Unreachable, TimeoutError):
            return None

    async def _said(self, message: Awaitable[object]) -> bool:
        """Whether it was heard; if not, it may have been all the same."""
        try:
            async with asyncio.timeout(self._ttl_s / 2):
                orders = await message
        except (Unreachable, TimeoutError):
            return False
        if isinstance(orders, Orders):
            self._heed(orders)
        return True


class _Elsewhere(Stop):
    """This worker sees another folder."""

    code, reason = 2, "output"


def innermost(error: BaseException) -> BaseException:
    """The first exception in a group, however deep."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
