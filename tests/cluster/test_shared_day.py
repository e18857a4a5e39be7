"""Laws of limits.daily in a cluster: what a host sees in any 24 h, whoever dies, and what the log says of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import pairwise

import pytest
from budget_kit import Member, Site, Wire, budget
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler.cluster.cashier import Cashier, Hands
from crawler.cluster.pool import Pool
from crawler.cluster.protocol import FREE, Allowance, Kept, Portion, Told, Unreachable
from crawler.events import Line, Spent
from crawler.fetch.daily import Daily
from crawler.fetch.exchange import Day
from crawler.fetch.settings import HostLimits
from crawler.rules.budget import Budget
from crawler.rules.spending import Spending
from crawler.simulate.loop import EPOCH, run_virtual

HOST = "a.test"
DAY_S = 86400.0


class Paper:
    """The log, as far as it is about this: what is noted is durable after a commit."""

    def __init__(self) -> None:
        self.durable: list[Line] = []
        self._noted: list[Line] = []
        self._logs = 0

    def daily(self, budget: Budget, spent: Callable[[str, Day, float], None]) -> Daily:
        """As a driver has it that just took it: what was not durable is lost."""
        self._noted.clear()
        self._logs += 1
        log = f"log{self._logs}"
        return Daily(budget, lambda line: self._note(log, line), self.commit, {}, self.spending().entries(), spent)

    async def commit(self) -> None:
        await asyncio.sleep(0.005)
        noted, self._noted = self._noted, []
        self.durable += noted

    def spending(self) -> Spending:
        """What it says."""
        found = Spending()
        for line in self.durable:
            assert isinstance(line.event, Spent)
            found.apply(line, line.event)
        return found

    def says(self) -> tuple[int, int]:
        """Requests and bytes in all."""
        steps = self.spending().entries().get(HOST, ())
        return sum(step.requests for step in steps), sum(step.bytes for step in steps)

    def _note(self, log: str, line: Spent) -> None:
        self._noted.append(Line(log, len(self.durable) + len(self._noted) + 1, "2030-01-01T00:00:00.000Z", line))


class World:
    """A driver, a budget, workers, a host and a wire."""

    def __init__(self, wire: Wire, site: Site, day: Budget, rate: float = 0.0, burst: int = 4) -> None:
        self.wire, self.site, self.day = wire, site, day
        self.limits = HostLimits(rate=rate, burst=burst, connections=4)
        self.paper = Paper()
        self.members: dict[str, tuple[Member, asyncio.Task[None]]] = {}
        self.told: list[tuple[Day, float]] = []
        self.cashier: Cashier | None = None
        self._driving: asyncio.Task[None] | None = None

    def begin(self, members: int = 3) -> None:
        self.bring()
        self.drive()
        for number in range(members):
            self.hire(f"w{number}")

    def bring(self) -> None:
        """A budget, with a clock of its own."""
        self.wire.budget = budget(self.limits, self.wire.chance.uniform(0, 1e6))

    def drive(self) -> None:
        """A driver; one before is dead."""
        if self._driving is not None:
            self._driving.cancel()
        now = lambda: EPOCH + asyncio.get_running_loop().time()  # noqa: E731
        cashier = self.cashier = Cashier(self.wire, Hands(self._ask, lambda event: None, lambda stop: None, now))
        daily = self.paper.daily(self.day, lambda host, day, until: self.told.append((day, until)))
        cashier.open(daily, {"api": self.limits, "images": self.limits})
        self._driving = asyncio.create_task(cashier.run())

    def stop_driving(self) -> None:
        assert self._driving is not None
        self._driving.cancel()

    def hire(self, name: str, tasks: int = 3, until: float = 1e9) -> Member:
        member = Member(name, self.wire, self.limits, self.site, self.day)
        rest = lambda: self.wire.chance.uniform(0, 0.3)  # noqa: E731
        self.members[name] = (member, asyncio.create_task(member.work(tasks, until, rest)))
        return member

    def kill(self, name: str) -> None:
        """It says nothing to nobody."""
        self.members.pop(name)[1].cancel()

    async def end(self) -> None:
        """Workers go home in order, then the driver."""
        members = list(self.members.values())
        for _, task in members:
            task.cancel()
        await asyncio.sleep(0.2)
        for member, _ in members:
            await member.go_home()
        assert self.cashier is not None
        await self.cashier.close()
        self.stop_driving()
        await self.paper.commit()

    async def _ask(self, message: Callable[[], Awaitable[Told]]) -> Told:
        while True:
            with suppress(Unreachable):
                return await message()
            await asyncio.sleep(0.5)


def calm(seed: int = 1) -> Wire:
    chance = random.Random(seed)
    return Wire(None, lambda: chance.uniform(0.0005, 0.005), chance)


def most_in_a_day(site: Site) -> int:
    return site.worst(DAY_S)


@pytest.mark.parametrize("rate", [0.0, 20.0])
def test_the_whole_day_is_used_and_not_one_more(rate: float) -> None:
    """Three workers ask for exactly what is allowed, the driver says so once, and the log then says the truth."""
    world = World(calm(), Site(latency_s=0.02), Budget(requests=120), rate)

    async def main() -> None:
        world.begin()
        await asyncio.sleep(60)
        assert len(world.site.at) == 120
        assert [(day.requests, day.requests_budget) for day, _ in world.told] == [(120, 120)]
        assert world.told[0][1] > EPOCH + DAY_S
        assert all(world.site.by.count(name) > 12 for name in world.members)
        hosts = world.cashier.hosts() if world.cashier else ()
        assert [(host.daily.requests, host.waiting > 0) for host in hosts if host.daily] == [(120, True)]
        await world.end()
        assert world.paper.says()[0] == 120

    run_virtual(main())


def test_what_was_not_used_is_given_back() -> None:
    """A crawl that ends in order leaves the truth, and not what was written down ahead of it."""
    world = World(calm(2), Site(latency_s=0.02, size=lambda: 30_000), Budget(requests=5000, bytes=100_000_000), 10)

    async def main() -> None:
        world.begin()
        await asyncio.sleep(20)
        assert world.paper.says() >= (len(world.site.at), sum(size for _, size in world.site.came))
        await world.end()
        assert world.paper.says() == (len(world.site.at), sum(size for _, size in world.site.came))
        assert 100 < len(world.site.at) < 220

    run_virtual(main())


def test_a_message_that_comes_late_takes_nothing_back() -> None:
    """What a worker was given since stays counted, whatever an older message of it said, or the same one again."""
    pool = Pool("era")
    pool.allow(Allowance(HOST, 600.0, 12, FREE, 1e6, -1))
    first, second = Kept(1, wants=5), Kept(2, "era", 600.0, 5, most_requests=5, most_bytes=FREE, wants=4)
    assert pool.serve("w", first, 10.0) == Portion("era", 600.0, 5, FREE, 1e6, 0)
    assert pool.serve("w", second, 11.0) == Portion("era", 600.0, 9, FREE, 1e6, 0)
    for late in (second, first):
        assert pool.serve("w", late, 12.0) == Portion("era", 600.0, 9, FREE, 1e6, 0)
        assert pool.lent(HOST, 12.0)[-1].requests == 9
    said_to_another = Kept(3, "before", 600.0, 1, most_requests=1, wants=0)
    assert pool.serve("w", said_to_another, 13.0) == Portion("era", 600.0, 9, FREE, 1e6, 0)
    spent = Kept(4, "era", 600.0, 6, most_requests=6, most_bytes=FREE, wants=0)
    assert pool.serve("w", spent, 14.0) == Portion("era", 600.0, 6, FREE, 1e6, 0)
    assert pool.serve("other", Kept(1, wants=50), 15.0) == Portion("era", 600.0, 6, FREE, 1e6, 0)
    assert pool.lent(HOST, 15.0)[-1].requests == 12


def test_bytes_that_are_on_their_way_come_first() -> None:
    """Of a budget of bytes, the body that a worker takes in is covered before another request is let out."""
    pool = Pool("era")
    pool.allow(Allowance(HOST, 600.0, 100, 1000, 1e6, 100))
    assert pool.serve("a", Kept(1, wants=2), 10.0) == Portion("era", 600.0, 2, 200, 1e6, 100)
    owing = Kept(2, "era", 600.0, 2, 0, 2, 2, 200, owes=900)
    assert pool.serve("a", owing, 11.0) == Portion("era", 600.0, 2, 200, 1e6, 100)  # there is not so much
    assert pool.serve("b", Kept(1, wants=3), 11.0) == Portion("era", 600.0, 0, 0, 1e6, 100)
    assert pool.lent(HOST, 11.0)[-1][2:] == (2, 200, True, 3, 900, 100)
    pool.allow(Allowance(HOST, 600.0, 100, 1100, 1e6, 100))
    assert pool.serve("a", owing._replace(number=3), 12.0) == Portion("era", 600.0, 2, 1100, 1e6, 100)


def test_a_budget_that_is_set_later_counts_what_was_asked_before() -> None:
    """Half a minute without a budget, then one that is smaller than what was asked: nothing more is, once the workers
    have heard of it; and the log says no less than was asked."""
    world = World(calm(7), Site(latency_s=0.02), Budget(), 5)
    later = Budget(requests=100)

    async def main() -> None:
        world.begin()
        await asyncio.sleep(30)
        assert world.cashier is not None
        lanes = {"api": world.limits, "images": world.limits}
        world.cashier.configure(lanes, later)  # type: ignore[arg-type]
        await asyncio.sleep(8)
        asked = len(world.site.at)
        assert asked > 150
        for member, _ in world.members.values():
            member.hosts.reload_daily(later)
        await asyncio.sleep(60)
        assert len(world.site.at) <= asked + 3
        assert world.told
        await world.end()
        assert world.paper.says()[0] >= len(world.site.at)

    run_virtual(main())


STORY = given(
    seed=st.integers(0, 2**32),
    requests=st.sampled_from([1, 30, 400, 0]),
    size=st.sampled_from([0, 2_000_000]),
    rate=st.sampled_from([0.0, 8.0]),
    lost=st.sampled_from([0.0, 0.1, 0.3]),
    moves=st.lists(st.sampled_from(["budget", "driver", "worker", "both", "late"]), max_size=6),
)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@STORY
def test_whoever_dies_no_day_has_more(
    seed: int, requests: int, size: int, rate: float, lost: float, moves: Sequence[str]
) -> None:
    """Drivers, budgets and workers are killed, messages are lost and come twice: never more than the budget in all, and
    the log never says less than was spent; over kills it may say more, and then less is asked."""
    story(seed, requests, size, rate, lost, moves)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@STORY
def test_whoever_dies_in_any_story(
    seed: int, requests: int, size: int, rate: float, lost: float, moves: Sequence[str]
) -> None:
    """The same, again and again."""
    story(seed, requests, size, rate, lost, moves)


def story(seed: int, requests: int, size: int, rate: float, lost: float, moves: Sequence[str]) -> None:
    chance = random.Random(seed)
    bodies = lambda: chance.choice([1000, 20_000, 90_000]) if size else 0  # noqa: E731
    site = Site(latency_s=0.02, size=bodies)
    wire = Wire(None, lambda: chance.uniform(0.0005, 0.02), chance, lost, lost / 2)
    world = World(wire, site, Budget(requests, size or (0 if requests else 3_000_000)), rate)

    def true() -> None:
        said = world.paper.says()
        if requests:
            assert said[0] >= len(site.at), (said, len(site.at))
            assert len(site.at) <= requests
        if size:
            came = sum(part for _, part in site.came)
            assert said[1] >= came, (said, came)
            assert came <= size + 90_000 * 12 * (1 + len(moves)), came

    async def main() -> None:
        # Five minutes end in the middle of it, now and then.
        await asyncio.sleep(chance.choice([0, 300 - EPOCH % 300 - chance.uniform(0, 30)]))
        world.begin()
        for number, move in enumerate(moves):
            await asyncio.sleep(chance.uniform(0.5, 6))
            true()
            if move == "late":
                await asyncio.sleep(chance.uniform(20, 40))
            if move in ("driver", "both"):
                world.stop_driving()
            if move in ("budget", "both"):
                wire.budget = None
                await asyncio.sleep(chance.choice([0.0, 1.0, 3.0]))
                world.bring()
            if move in ("driver", "both"):
                await asyncio.sleep(chance.choice([0.0, 2.0, 20.0]))
                world.drive()
            if move == "worker":
                world.kill(chance.choice(list(world.members)))
                world.hire(f"again{number}")
        await asyncio.sleep(30)
        true()
        if requests and not moves and not lost and not size and requests < 400:
            assert len(site.at) == requests

    run_virtual(main())


@pytest.mark.long
@pytest.mark.timeout(300)
def test_no_day_has_more_wherever_it_begins() -> None:
    """Over two days and a bit: what was spent comes back a day later, and no 24 h have more than the budget."""
    world = World(calm(5), Site(latency_s=0.02), Budget(requests=40), 0.05, 1)

    async def main() -> None:
        world.begin(2)
        await asyncio.sleep(DAY_S * 2.1)

    run_virtual(main())
    assert most_in_a_day(world.site) <= 40
    assert len(world.site.at) == 3 * 40
    assert all(b - a > 0 for a, b in pairwise(world.site.at))
