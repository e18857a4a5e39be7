"""The door's limits as the server sees them: rate, connections, memory, and what comes back when tasks go."""

import asyncio
import itertools

import pytest
from fetch_kit import FREE, Seen, Server, Want, door, named, real, reply

from crawler.fetch import pacing as pacing_module
from crawler.fetch.exchange import Had
from crawler.fetch.settings import HostLimits
from crawler.model import Failure, Kind
from crawler.rules.settings import RetrySettings

URL = "http://a.test/x"


def script(*answers: bytes):
    """Answers in turn; the last one for ever."""
    turn = iter(answers)
    last = answers[-1]
    return lambda _seen: next(turn, last)


def gaps(seen: list[Seen]) -> list[float]:
    return [b.t - a.t for a, b in itertools.pairwise(seen)]


@pytest.mark.parametrize("burst", [1, 3])
@real
async def test_the_server_sees_the_rate(burst: int) -> None:
    """Seen from the server: it starts with no burst, the budget is used, and no window has more than it allows."""
    rate, many = 50, 30
    limits = HostLimits(rate=rate, burst=burst, connections=8)
    async with Server(script(reply())) as server, door({"resolve": named(a=server)}, limits=limits) as there:
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for _ in range(many):
                group.create_task(there.get(Want(URL)))
        times = [seen.t - began for seen in server.seen]
        assert times[0] >= 1 / rate * 0.9
        assert many / rate * 0.9 <= times[-1] <= many / rate * 1.6
        for i, j in itertools.combinations(range(many), 2):
            # a timer may be 20 ms late and not lose its turn; an arrival may be late by as much again
            assert j - i + 1 <= rate * (times[j] - times[i] + 0.04) + burst + 1


@real
async def test_the_server_never_sees_more_connections_than_allowed() -> None:
    """connections = 3: with 20 tasks, three are open at once, and three are used."""

    async def slowly(_seen: Seen) -> bytes:
        await asyncio.sleep(0.01)
        return reply()

    limits = HostLimits(rate=0, burst=1, connections=3)
    async with Server(slowly) as server, door({"resolve": named(a=server)}, limits=limits) as there:
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(there.get(Want(URL)))
        assert (server.most_open, server.connected) == (3, 3)


@real
async def test_waiting_for_a_connection_saves_nothing_up() -> None:
    """Turns are taken last: when a slow host's connections come free, no burst of saved-up turns follows."""
    release = asyncio.Event()

    async def stuck(seen: Seen) -> bytes:
        if seen.path == "/stuck":
            await release.wait()
        return reply()

    limits = HostLimits(rate=20, burst=1, connections=1)
    async with Server(stuck) as server, door({"resolve": named(a=server)}, limits=limits) as there:
        async with asyncio.TaskGroup() as group:
            group.create_task(there.get(Want("http://a.test/stuck")))
            await asyncio.sleep(0.1)
            for _ in range(5):
                group.create_task(there.get(Want(URL)))
            await asyncio.sleep(0.3)
            release.set()
        assert min(gaps(server.seen)[1:]) >= 0.05 - 0.03


@real
async def test_cancelling_anywhere_gives_everything_back() -> None:
    """Cancelled while waiting, connecting, reading a head or a body: slot, memory and connection are free again."""

    async def answer(seen: Seen):
        if seen.path == "/head":
            await asyncio.sleep(10)
        if seen.path == "/body":

            async def write(writer: asyncio.StreamWriter) -> None:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
                await asyncio.sleep(10)

            return write
        return reply()

    limits = HostLimits(rate=0, burst=1, connections=2)
    async with Server(answer) as server, door({"resolve": named(a=server)}, limits=limits, memory_mb=0.001) as there:
        for pause_s in (0.0, 0.001, 0.05):
            for path in ("head", "body"):
                tasks = [asyncio.create_task(there.get(Want(f"http://a.test/{path}"))) for _ in range(5)]
                await asyncio.sleep(pause_s)
                for task in tasks:
                    task.cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(end, asyncio.CancelledError) for end in ends)
                (state,) = there.hosts() or (None,)
                assert state is None or (state.in_flight, state.waiting) == (0, 0)
        assert await asyncio.gather(*(there.get(Want(URL)) for _ in range(4))) == [Had(1)] * 4


@real
async def test_bodies_share_the_memory_there_is() -> None:
    """limits.memory_mb bounds what is on the wire over all hosts; who wants more than all there is goes alone."""
    on_wire = most = 0

    async def slowly(_seen: Seen) -> bytes:
        nonlocal on_wire, most
        on_wire += 1
        most = max(most, on_wire)
        await asyncio.sleep(0.01)
        on_wire -= 1
        return reply()

    async with Server(slowly) as a, Server(slowly) as b, door({"resolve": named(a=a, b=b)}, memory_mb=1) as there:
        wants = [Want(f"http://{h}.test/", room_bytes=400_000) for h in "ab" for _ in range(5)]
        assert await asyncio.gather(*map(there.get, wants)) == [Had(1)] * 10
        assert most == 2
        most = 0
        wants = [Want(f"http://{h}.test/", room_bytes=9_000_000) for h in "ab" for _ in range(3)]
        assert await asyncio.gather(*map(there.get, wants)) == [Had(1)] * 6
        assert most == 1


@real
async def test_redirects_both_ways_with_one_connection_each_do_not_deadlock() -> None:
    """a leads to b, b to a, one connection each, room for one body: a hop gives back all before the next."""

    def onward(host: str):
        return lambda s: reply(302, b"", location=f"http://{host}.test/end") if s.path == "/" else reply()

    limits = HostLimits(rate=0, burst=1, connections=1)
    async with (
        Server(onward("b")) as a,
        Server(onward("a")) as b,
        door({"resolve": named(a=a, b=b)}, limits=limits, memory_mb=0.5) as there,
    ):
        wants = [Want(f"http://{h}.test/") for h in "ab" for _ in range(10)]
        assert await asyncio.gather(*map(there.get, wants)) == [Had(1)] * 20


@real
async def test_timeouts_slow_an_adaptive_host_and_no_other() -> None:
    """An idle reply halves the rate of an adaptive host, without a block; with adaptive = false the rate stays."""

    async def never(_seen: Seen) -> bytes:
        await asyncio.sleep(10)
        return b""

    for adaptive, rate in ((True, 50), (False, 100)):
        limits = HostLimits(rate=100, burst=1, connections=2, adaptive=adaptive)
        retry = RetrySettings(attempts=1, base_s=0.01)
        async with (
            Server(never) as server,
            door({"resolve": named(a=server), "idle_s": 0.1}, limits=limits, retry=retry) as there,
        ):
            got = await there.get(Want(URL))
            assert isinstance(got, Failure)
            (state,) = there.hosts()
            assert (got.kind, state.rate, state.budget, state.blocked_s) == (Kind.IDLE, rate, 100, 0)


@real
async def test_a_reload_holds_at_once_also_for_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiter at one request in a thousand seconds goes soon after the rate is raised."""
    monkeypatch.setattr(pacing_module, "NAP_S", 0.05)
    limits = HostLimits(rate=0.001, burst=1, connections=1)
    async with Server(script(reply())) as server, door({"resolve": named(a=server)}, limits=limits) as there:
        waiting = asyncio.create_task(there.get(Want(URL)))
        await asyncio.sleep(0.02)
        assert there.hosts()[0].waiting == 1
        there.reload({"api": FREE, "images": HostLimits(rate=100, burst=1, connections=4)}, 0)
        assert await waiting == Had(1)


@real
async def test_a_host_has_one_limiter_and_unusual_ports_their_own() -> None:
    """The key is the host, with the port where it is unusual; states are by name."""
    async with Server(script(reply())) as server, door({"resolve": named(a=server)}) as there:
        for url in (URL, "http://A.TEST/y", "http://a.test:8080/"):
            await there.get(Want(url))
        assert [(h.host, h.requests) for h in there.hosts()] == [("a.test", 2), ("a.test:8080", 1)]
        assert all(h.bytes and h.latency_s is not None for h in there.hosts())
