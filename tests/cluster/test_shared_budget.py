"""Laws of the budget that a cluster shares: what a server sees, whatever becomes of messages and of the budget."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import ClassVar

import pytest
from budget_kit import Member, Site, Wire, budget
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler.cluster import budget as budget_module
from crawler.cluster.budget import AHEAD_S, LIFE_MAX_S, life
from crawler.cluster.flows import Flows
from crawler.cluster.protocol import Ask, Grants, Moment, Refusal, Report
from crawler.cluster.reckoning import Reckoning
from crawler.events import Throttled
from crawler.fetch.settings import HostLimits
from crawler.simulate.loop import run_virtual
from crawler.stop import Draining

DEAD_S = AHEAD_S + LIFE_MAX_S
"""What was granted is over after this long."""


def limits_of(rate: float, burst: int = 1, connections: int = 8) -> HostLimits:
    return HostLimits(rate=rate, burst=burst, connections=connections)


def crawl(
    limits: HostLimits,
    wire: Wire,
    site: Site,
    seconds: float,
    members: int = 3,
    meanwhile: Callable[[list[Member]], Awaitable[None]] | None = None,
) -> list[Member]:
    """So many workers ask one host for so long, each with as many tasks as it may have connections."""
    made: list[Member] = []

    async def main() -> None:
        wire.budget = wire.budget or budget(limits, 1e5)
        made.extend(Member(f"w{n}", wire, limits, site) for n in range(members))
        async with asyncio.TaskGroup() as group:
            for member in made:
                group.create_task(member.work(limits.connections, seconds))
            if meanwhile is not None:
                await meanwhile(made)

    run_virtual(main())
    return made


def calm(chance: random.Random, most_s: float = 0.01) -> Wire:
    """A network within a building."""
    return Wire(None, lambda: chance.uniform(0.0005, most_s), chance)


@pytest.mark.parametrize(("rate", "burst"), [(0.6, 1), (1, 2), (7, 1), (20, 5), (150, 1)])
def test_the_whole_budget_is_used_and_never_more(rate: float, burst: int) -> None:
    """Three workers together use what one alone would, each gets a share, and few messages do it."""
    chance, site = random.Random(1), Site()
    members = crawl(limits_of(rate, burst, 12), calm(chance), site, 12 + DEAD_S)
    assert site.excess(rate, burst) <= 1e-6
    assert len(site.at) >= 0.9 * (rate * 12 - 1)
    for member in members:
        assert member.permits.asked <= 20 * (12 + DEAD_S)
        assert site.by.count(member.name) >= 0.2 * len(site.at) - 2


WEATHER = given(
    seed=st.integers(0, 2**32),
    rate=st.sampled_from([0.6, 1.0, 3.0, 12.0, 40.0]),
    burst=st.integers(1, 4),
    slow=st.sampled_from([0.001, 0.05, 0.5, 3.0]),
    lost=st.sampled_from([0.0, 0.1, 0.4]),
    deaths=st.integers(0, 2),
)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@WEATHER
def test_no_second_has_more_than_the_budget(
    seed: int, rate: float, burst: int, slow: float, lost: float, deaths: int
) -> None:
    """Whatever answers take, whichever messages are lost or come twice, and however often the budget dies: a server
    never sees more than the budget and 5 % in any second, and a restart brings no burst."""
    weathered(seed, rate, burst, slow, lost, deaths)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(deadline=None, max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@WEATHER
def test_no_second_has_more_in_any_weather(
    seed: int, rate: float, burst: int, slow: float, lost: float, deaths: int
) -> None:
    """The same, again and again."""
    weathered(seed, rate, burst, slow, lost, deaths)


def weathered(seed: int, rate: float, burst: int, slow: float, lost: float, deaths: int) -> None:
    chance, site = random.Random(seed), Site(latency_s=0.02)
    # Now and then an answer is quick (where none ever is, a clock can't be reckoned); others take up to `slow` s a way.
    delay = lambda: chance.uniform(0.0005, 0.01 if chance.random() < 0.5 else slow)  # noqa: E731
    limits = limits_of(rate, burst)
    wire = Wire(None, delay, chance, lost, lost / 2)

    async def die(members: list[Member]) -> None:
        for _ in range(deaths):
            await asyncio.sleep(chance.uniform(0.2, 4))
            wire.budget = None
            await asyncio.sleep(chance.choice([0.0, 0.3, 2.0]))
            wire.budget = budget(limits, chance.uniform(0, 1e6))

    crawl(limits, wire, site, 14, meanwhile=die)
    assert site.worst() <= 1.05 * rate + burst, site.worst()


def test_unreachable_nothing_is_asked() -> None:
    """What was granted may be used until its life is over; after that the site hears nothing until the budget lives."""
    chance, site = random.Random(2), Site()
    wire = calm(chance)
    limits = limits_of(50, 5)
    cut: list[float] = []

    async def cut_off(members: list[Member]) -> None:
        await asyncio.sleep(6)
        kept, wire.budget = wire.budget, None
        cut.append(asyncio.get_running_loop().time())
        await asyncio.sleep(8)
        wire.budget = kept

    crawl(limits, wire, site, 20, meanwhile=cut_off)
    silence = [at for at in site.at if cut[0] + DEAD_S < at < cut[0] + 8]
    assert silence == []
    assert sum(at > 16 for at in site.at) >= 0.8 * 50 * 4


def test_without_a_limit_a_request_costs_no_message_and_unreachable_it_stops() -> None:
    """rate = 0: one message a second keeps a host free; without answers it is free for two seconds more at most."""
    chance, site = random.Random(3), Site(latency_s=0.01)
    wire = calm(chance)

    async def cut_off(members: list[Member]) -> None:
        await asyncio.sleep(6)
        wire.budget = None

    members = crawl(limits_of(0), wire, site, 12, members=2, meanwhile=cut_off)
    assert len(site.at) > 2 * 8 * 4 / 0.011 * 0.9
    assert max(site.at) <= 6 + 2.1
    assert all(member.permits.asked < 25 for member in members)


@pytest.mark.parametrize("rate", [0, 30])
def test_a_refusal_stops_all_and_one_at_a_time_finds_the_end(rate: float) -> None:
    """While a host refuses, the whole cluster asks it one request at a time, the pauses growing; whoever had permits
    before does not make it look worse than it is."""
    chance = random.Random(4)
    site = Site(lambda now: True if not 6 <= now < 40 else 0.0, latency_s=0.05)
    members = crawl(limits_of(rate, 2), calm(chance), site, 75, members=4)
    late = [at for at in site.refused if at > 6 + DEAD_S + 0.5]
    assert 2 <= len(late) <= 8, late
    assert all(b - a > 0.9 for a, b in pairwise(late))
    after = [at for at in site.at if at > 40]
    assert after
    assert min(after) < 40 + 35
    assert len(after) > 20
    assert all(host.pace.blocks == 0 for member in members for host in member.hosts._hosts.values())


def test_retry_after_holds_for_every_worker() -> None:
    """One worker is told to come back in 20 s: nobody asks before."""
    chance = random.Random(5)
    site = Site(lambda now: 20.0 if 5 <= now < 5.2 else True, latency_s=0.02)
    crawl(limits_of(10), calm(chance), site, 32, members=4)
    first = min(site.refused)
    assert [at for at in site.at if first + DEAD_S < at < first + 20] == []
    assert [at for at in site.at if at > first + 20] != []


def test_a_budget_that_was_told_of_a_limit_starts_below_it() -> None:
    """What limiters told in an earlier run, or to the budget that died, is where the next one begins."""

    async def main() -> None:
        told = Throttled("a.test", 5.5, None, "resumed", 6.0, 10.0, 2, "2999-01-01T00:00:00.000Z", 4.0)
        one = budget(limits_of(20), known=[told])
        known, other = (await one.reserve("x", [Ask("a.test", "images", 0), Ask("b.test", "images", 0)])).grants
        assert (known.limit, other.limit, other.rate) == (6.0, 0.0, 20.0)
        assert known.rate < 6.0

    run_virtual(main())


def test_what_was_saved_up_does_not_cut_a_grant_short() -> None:
    """Who wants many, after a pause, gets what was saved up and all that comes within a second, in one answer: at the
    times at which one pace alone would let them go."""

    async def main() -> None:
        one = budget(limits_of(50, burst=5), fresh=True)
        await one.reserve("w", [Ask("a.test", "images", 60)])
        for _ in range(20):
            await asyncio.sleep(1.033)
            answer = await one.reserve("w", [Ask("a.test", "images", 40)])
            turns = [delay for delay, _ in answer.grants[0].turns()]
            assert len(turns) == 40
            assert turns == sorted(turns)
            assert [
                later - soon for soon, later in zip(turns, turns[6:], strict=False) if later - soon < 1.99 / 50
            ] == []
            assert turns[-1] <= 40 / 50

    run_virtual(main())


def test_events_are_given_until_they_are_acknowledged() -> None:
    """Asked again, a budget tells again; acknowledged, no more; another budget's numbers acknowledge nothing."""

    async def main() -> None:
        one = budget(limits_of(10))
        await one.reserve("w", [Ask("a.test", "images", 0, Report(refusals=(Refusal(0.0, "rate_limited 429"),)))])
        first = await one.told(-1)
        assert [event.host for event in first.events] == ["a.test"]
        assert (await one.told(12345)).events == first.events
        assert first.hosts[0].refused == 1
        assert (await one.told(first.last)).events == ()

    run_virtual(main())


def test_a_drain_ends_all_waiting() -> None:
    """Who waits for a permit goes home at once when its worker drains."""

    async def main() -> None:
        wire = Wire(None, lambda: 0.0, random.Random(0))
        member = Member("w", wire, limits_of(1), Site())
        waiting = [asyncio.ensure_future(member.ask()) for _ in range(4)]
        await asyncio.sleep(1)
        member.gate.close()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, Draining) for one in ended)

    run_virtual(main())


@settings(deadline=None)
@given(
    offset=st.floats(-1e6, 1e6),
    trips=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), st.floats(0, 30)), min_size=1, max_size=30),
)
def test_a_clock_is_reckoned_to_within_its_shortest_trip(
    offset: float, trips: list[tuple[float, float, float]]
) -> None:
    """A permit's time is never reckoned too early, and too late by no more than the shortest round trip of late."""
    clock, now = Reckoning(), 0.0
    for there, back, rest in trips:
        now += rest
        clock.trip(now, Moment("e", now + there + offset), now + there + back)
        now += there + back
        assert clock.low <= -offset + 1e-6
        assert clock.high >= -offset - 1e-6
        assert clock.high - clock.low <= there + back + 1e-6


@given(rate=st.floats(0.01, 2000), burst=st.integers(1, 50))
def test_a_permits_life_keeps_every_second_within_five_percent(rate: float, burst: int) -> None:
    """rate * (1 + life) + burst, in whole requests, is no more than rate * 1.05 + burst."""
    assert int(rate * (1 + life(rate, burst)) + burst) <= rate * 1.05 + burst


def test_hosts_are_forgotten_when_they_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many hosts a cluster meets, a budget keeps some of them, and those that are blocked."""
    monkeypatch.setattr(budget_module, "_HOSTS_MAX", 100)

    async def main() -> None:
        one = budget(limits_of(10), fresh=True)
        blocked = Report(refusals=(Refusal(0.0, "rate_limited 429", 3600.0),))
        await one.reserve("w", [Ask("blocked.test", "images", 0, blocked)])
        for part in range(20):
            grants: Grants = await one.reserve("w", [Ask(f"h{part}-{n}.test", "images", 1) for n in range(30)])
            assert len(grants.grants) == 30
            await asyncio.sleep(5)
        assert len(one._hosts) <= 130
        grants = await one.reserve("w", [Ask("blocked.test", "images", 1)])
        assert grants.grants[0].blocked_s > 3000

    run_virtual(main())


@pytest.mark.parametrize("members", [pytest.param(1, marks=pytest.mark.long), 4])
def test_a_cluster_learns_a_hosts_limit_as_one_process_does(members: int) -> None:
    """A host that lets 2 a second pass of a budget of 4: after a while it was asked for nearly all that it gives, and
    refused no more than a few."""
    level, at = 0.0, 0.0

    def bucket(now: float) -> bool | float:
        nonlocal level, at
        level, at = max(0.0, level - 2 * (now - at)), now
        if level + 1 > 20:
            return 0.0
        level += 1
        return True

    site = Site(bucket)
    crawl(limits_of(4, 1, 4), calm(random.Random(7)), site, 600, members)
    assert len(site.at) > 0.85 * 2 * 600
    assert len(site.refused) < 20


def test_over_long_distances_it_still_works() -> None:
    """Where no round trip is ever shorter than a permit's life the clock is only guessed: the budget is used all the
    same, and exceeded in no second by more than round trips differ."""
    chance, site = random.Random(8), Site()
    wire = Wire(None, lambda: chance.uniform(0.1, 0.105), chance)
    crawl(limits_of(50), wire, site, 40, members=3)
    assert sum(at > 20 for at in site.at) > 0.8 * 50 * 20
    assert site.worst() <= 50 * 1.2 + 1


def test_flows_are_told_in_order_and_completed() -> None:
    """Workers without a limit report now and then: what they sent is told in order, once, and what is not reported
    yet is guessed when it matters."""
    flows = Flows()
    flows.report("a", [9.0, 9.5], 2, 10.0)
    flows.report("b", [9.2], 4, 10.1)
    assert list(flows.settled(10.9)) == [9.0, 9.2, 9.2, 9.2, 9.2]
    assert list(flows.settled(10.9)) == []
    flows.report("a", [10.4], 1, 10.5)
    told = list(flows.until(11.1))
    assert told == sorted(told)
    assert {9.5, 10.4} <= set(told)
    assert len(told) == 2 + 1 + 4  # a: one more in 0.6 s; b: four in a second
    assert list(flows.until(11.1)) == []


def test_very_many_workers_ask_less_often() -> None:
    """Where the budget has as much to answer as it can, its answers still come in time, and what it has is used."""
    chance, site = random.Random(9), Site(latency_s=0.2)

    class Desk(Wire):
        """One message after the other, 20 ms each: as 50 workers here, so 1,000 where it takes 1 ms."""

        free_at = 0.0
        waits: ClassVar[list[float]] = []

        async def reserve(self, worker: str, asks: Sequence[Ask], moment: Moment | None = None) -> Grants:
            now = asyncio.get_running_loop().time()
            self.free_at = max(now, self.free_at) + 0.02
            self.waits.append(self.free_at - now)
            await asyncio.sleep(self.free_at - now)
            return await super().reserve(worker, asks, moment)

    wire = Desk(None, lambda: 0.0005, chance)
    crawl(limits_of(60, 1, 2), wire, site, 24, members=50)
    late = wire.waits[len(wire.waits) // 2 :]
    assert sum(late) / len(late) < 0.3, "answers would take a second if all asked again at once"
    assert sum(at > 12 for at in site.at) > 0.7 * 60 * 12
    assert site.worst() <= 1.05 * 60 + 1
