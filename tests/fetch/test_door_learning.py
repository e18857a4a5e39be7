"""What the door's limiters learn, as the next door and the run's end see it."""

import asyncio

import pytest
from fetch_kit import FAST, FREE, Seen, Server, Want, door, named, real, reply

from crawler.events import Throttled
from crawler.fetch.exchange import Had
from crawler.fetch.settings import HostLimits
from crawler.rules.retry import DENIED_MAX
from crawler.stop import Blocked

URL = "http://a.test/x"
NOW = 1_800_000_000.0


@real
async def test_forbidden_on_everything_stops_the_run() -> None:
    """403 to twenty different URLs in a row: Blocked, with the host and what to do. Another answer starts the count
    anew, and one URL that is forbidden each time is not everything."""

    def answer(seen: Seen) -> bytes:
        return reply(200 if seen.path == "/good" else 403)

    async with Server(answer) as server, door({"resolve": named(a=server)}, limits=FREE, retry=FAST) as there:
        for round_ in range(2):
            for i in range(DENIED_MAX - 1):
                await there.get(Want(f"http://a.test/{round_}/{i}"))
            for _ in range(5):
                await there.get(Want(f"http://a.test/{round_}/0"))
            assert await there.get(Want("http://a.test/good")) == Had(1)
        for i in range(DENIED_MAX - 1):
            await there.get(Want(f"http://a.test/more/{i}"))
        with pytest.raises(Blocked, match=r"a\.test answered 20 different requests.*403.*again"):
            await there.get(Want("http://a.test/one/more"))


@real
async def test_a_door_begins_where_the_last_one_was() -> None:
    """The rate, the limit and the patience that were told last hold for the next, and what it tells carries them on."""
    told: list[Throttled] = []
    known = Throttled("a.test", 48.0, None, "resumed", 50.0, 20.0, 2, "2027-01-15T10:00:00Z", 3.0)
    limits = HostLimits(rate=200, burst=1, connections=4)
    answers = iter([reply()] * 10 + [reply(429)])
    async with Server(lambda _: next(answers, reply())) as server:
        there = door(
            {"resolve": named(a=server)},
            limits=limits,
            retry=FAST,
            known={"a.test": known},
            on_throttle=told.append,
            now=lambda: NOW,
        )
        async with there:
            for _ in range(10):
                await there.get(Want(URL))
            assert there.hosts()[0].rate == 48.0
            await there.get(Want(URL))
    assert (told[0].host, told[0].reason, told[0].met) == ("a.test", "rate_limited 429", 2)
    assert told[0].rate < 48
    assert told[0].limit == pytest.approx(50, rel=0.02)
    assert (told[0].room, told[0].block_s) == (20.0, 3.0)
    assert told[0].again is not None


@real
async def test_a_block_outlives_the_process_that_met_it() -> None:
    """What is left of a block is waited out by the next door, and then asked by one request at a time."""
    until = "2027-01-15T08:00:00.300Z"
    limits = HostLimits(rate=0, burst=1, connections=8)
    busy = most = 0

    async def slowly(_seen: Seen) -> bytes:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.02)
        busy -= 1
        return reply()

    known = {"a.test": Throttled("a.test", 0.0, until, "rate_limited 429")}
    async with Server(slowly) as server:
        there = door({"resolve": named(a=server)}, limits=limits, known=known, now=lambda: NOW)
        async with there:
            began = asyncio.get_running_loop().time()
            assert await asyncio.gather(*(there.get(Want(URL)) for _ in range(4))) == [Had(1)] * 4
        times = [seen.t - began for seen in server.seen]
        assert times[0] >= 0.29
        assert times[1] - times[0] >= 0.02


@real
async def test_a_log_from_before_is_understood() -> None:
    """Four keys only, or a time that is none: the rate is taken, the rest is not known."""
    for known in (Throttled("a.test", 5.0, None, "x"), Throttled("a.test", 5.0, None, "x", again="soon")):
        async with Server(lambda _: reply()) as server:
            limits = HostLimits(rate=100, burst=1, connections=1)
            async with door({"resolve": named(a=server)}, limits=limits, known={"a.test": known}) as there:
                assert await there.get(Want(URL)) == Had(1)
                assert there.hosts()[0].rate < 20
