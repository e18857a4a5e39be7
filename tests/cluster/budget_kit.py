"""A cluster's rate budget in made-up time: workers with the door's own hosts, a wire that loses, a server."""

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from crawler.cluster.budget import Budget
from crawler.cluster.doors import give_back
from crawler.cluster.permits import Permits
from crawler.cluster.protocol import Ask, Grants, Moment, Told, Unreachable, Word
from crawler.events import Throttled
from crawler.fetch.daily import Daily
from crawler.fetch.hosts import Host, Hosts
from crawler.fetch.memory import Room
from crawler.fetch.promises import Turn
from crawler.fetch.settings import HostLimits
from crawler.model import Failure, Kind
from crawler.rules.budget import Budget as DayBudget
from crawler.rules.settings import RetrySettings
from crawler.stop import Gate

RETRY = RetrySettings(base_s=1, cap_s=30)


@dataclass
class Wire:
    """Carries messages to whatever budget there is now: each way takes `delay()` s; some are lost, some come twice."""

    budget: Budget | None
    delay: Callable[[], float]
    chance: random.Random
    lost: float = 0.0
    doubled: float = 0.0
    timeout_s: float = 3.0

    async def reserve(self, worker: str, asks: Sequence[Ask], moment: Moment | None = None) -> Grants:
        await asyncio.sleep(self.delay())
        budget = self.budget
        if budget is None or self.chance.random() < self.lost:
            await asyncio.sleep(self.timeout_s)
            raise Unreachable("lost on the way there")
        found = await budget.reserve(worker, asks, moment)
        if self.chance.random() < self.doubled:
            await budget.reserve(worker, asks, moment)
        if self.chance.random() < self.lost:
            await asyncio.sleep(self.timeout_s)
            raise Unreachable("lost on the way back")
        await asyncio.sleep(self.delay())
        return found

    async def told(self, upto: int, word: Word | None = None) -> Told:
        """As the driver hears it: over the same wire."""
        await asyncio.sleep(self.delay())
        budget = self.budget
        if budget is None or self.chance.random() < self.lost:
            raise Unreachable("lost on the way there")
        found = await budget.told(upto, word)
        if self.chance.random() < self.lost:
            raise Unreachable("lost on the way back")
        await asyncio.sleep(self.delay())
        return found


@dataclass
class Site:
    """A host as it sees itself: when it was asked, and what it says (True: welcome; else seconds of Retry-After)."""

    says: Callable[[float], bool | float] = lambda now: True
    latency_s: float = 0.05
    at: list[float] = field(default_factory=list)
    by: list[str] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    size: Callable[[], int] = lambda: 0
    came: list[tuple[float, int]] = field(default_factory=list)

    def worst(self, window_s: float = 1.0) -> int:
        """The most requests in any window of so many seconds."""
        worst = first = 0
        times = sorted(self.at)
        for last, time in enumerate(times):
            while times[first] <= time - window_s:
                first += 1
            worst = max(worst, last - first + 1)
        return worst

    def excess(self, rate: float, burst: int) -> float:
        """By how many requests the worst window of one second or more exceeds rate * T * 1.05 + burst; at most 0."""
        times = sorted(self.at)
        worst = -math.inf
        # With c(i) = i - 1.05 * rate * t(i), a window from i to j holds j - i + 1.
        best, first = math.inf, 0
        for last, time in enumerate(times):
            while first < last and times[first] <= time - 1:
                best = min(best, first - 1.05 * rate * times[first])
                first += 1
            worst = max(worst, last - 1.05 * rate * time - best + 1 - burst)
        return max(worst, self.worst() - (1.05 * rate + burst))


class Member:
    """A worker: tasks that ask one host, one after the other."""

    def __init__(self, name: str, wire: Wire, limits: HostLimits, site: Site, day: DayBudget | None = None) -> None:
        self.name = name
        self.gate = Gate()
        self.permits = Permits(name, wire)
        lanes = {"api": limits, "images": limits}
        kept = Daily(day or DayBudget(), account=self.permits.account)
        self.hosts = Hosts(lanes, RETRY, self.gate, daily=kept, paces=self.permits.pace)  # type: ignore[arg-type]
        self.site = site
        self.room = Room(0, self.gate)

    async def ask(self, host_name: str = "a.test") -> bool:
        """One request, as the door makes it."""
        loop = asyncio.get_running_loop()
        host = self.hosts.host(host_name, "images")
        turn = host.enter_now(self.room, 1) or await host.enter(self.room, 1)
        try:
            sent = loop.time()
            self.site.at.append(sent)
            self.site.by.append(self.name)
            said = self.site.says(sent)
            await asyncio.sleep(self.site.latency_s)
            if said is True:
                host.heard()
                self.hosts.clean(host, sent)
                await self._take_in(host, turn)
                return True
            self.site.refused.append(sent)
            failure = Failure(Kind.RATE_LIMITED, status=429, retry_after_s=float(said) or None)
            self.hosts.refused(host, failure, sent, again=False)
            return False
        finally:
            host.leave(self.room, turn)

    async def _take_in(self, host: Host, turn: Turn) -> None:
        """The body, in pieces, as the door reads it."""
        size = self.site.size()
        if not size:
            return
        host.daily.announced(turn, size)
        await host.daily.keep_up()
        for part in range(1, 5):
            self.site.came.append((asyncio.get_running_loop().time(), size * part // 4 - turn.came))
            host.daily.came(turn, size * part // 4)
            await host.daily.keep_up()
            await asyncio.sleep(0.02)

    async def work(self, tasks: int, until: float, rest_s: Callable[[], float] = lambda: 0.0) -> None:
        """`tasks` of them, each asking again and again until that time."""
        loop = asyncio.get_running_loop()

        async def one() -> None:
            while loop.time() < until:
                await self.ask()
                await asyncio.sleep(rest_s())

        speaking = asyncio.ensure_future(self.permits.run())
        try:
            async with asyncio.timeout_at(until), asyncio.TaskGroup() as group:
                for _ in range(tasks):
                    group.create_task(one())
        except TimeoutError:
            pass
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])

    async def go_home(self) -> None:
        """Say what is left."""
        await give_back(self.permits)


def budget(limits: HostLimits, offset: float = 0.0, *, fresh: bool = False, known: Sequence[Throttled] = ()) -> Budget:
    """A budget on a clock of its own: that far from the loop's, and a little slower."""
    loop = asyncio.get_running_loop()
    return Budget(
        {"api": limits, "images": limits},
        RETRY,
        {told.host: told for told in known},
        now=lambda: loop.time() * (1 - 2e-5) + offset,
        fresh=fresh,
    )
