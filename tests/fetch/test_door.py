"""The door: attempts, refusals, pace as the server sees it, the breaker, drains, cancellation and room."""

import asyncio
import itertools

import pytest
from fetch_kit import FAST, FREE, Seen, Server, Want, door, named, real, reply, until

from crawler.fetch import hosts as hosts_module
from crawler.fetch.exchange import Had, Head
from crawler.fetch.settings import HostLimits
from crawler.model import Failure, Kind
from crawler.rules.retry import BREAKER, REFUSALS_MAX
from crawler.rules.settings import RetrySettings
from crawler.stop import Blocked, Draining, Gate

URL = "http://a.test/x"


def script(*answers: bytes):
    """Answers in turn; the last one for ever."""
    turn = iter(answers)
    last = answers[-1]
    return lambda _seen: next(turn, last)


def gaps(seen: list[Seen]) -> list[float]:
    return [b.t - a.t for a, b in itertools.pairwise(seen)]


@real
async def test_a_failure_is_tried_again_up_to_attempts() -> None:
    """500, 500, 200 with attempts = 3: had on the third; the counters say so."""
    async with Server(script(reply(500), reply(500), reply())) as server, door({"resolve": named(a=server)}) as there:
        want = Want(URL)
        assert await there.get(want) == Had(3)
        assert (want.asked, there.requests, there.retries) == (3, 3, 2)


@pytest.mark.parametrize(
    ("lane", "status", "permanent"), [("images", 500, True), ("images", 502, False), ("api", 500, False)]
)
@real
async def test_attempts_used_up(lane: str, status: int, permanent: bool) -> None:
    """An image that is 500 each time is final; a gateway's error and the API's are for now."""
    async with Server(script(reply(status))) as server, door({"resolve": named(a=server)}) as there:
        got = await there.get(Want(URL, lane))
        assert got == Failure(Kind.SERVER_ERROR, status=status, attempts=3, permanent=permanent)
        assert len(server.seen) == 3


@pytest.mark.parametrize("status", [404, 410])
@real
async def test_not_found_is_final_at_once(status: int) -> None:
    """404 and 410 are asked once."""
    async with Server(script(reply(status))) as server, door({"resolve": named(a=server)}) as there:
        assert await there.get(Want(URL)) == Failure(Kind.NOT_FOUND, status=status, attempts=1, permanent=True)
        assert len(server.seen) == 1


@pytest.mark.parametrize("status", [429, 503])
@real
async def test_refusals_use_up_no_attempt(status: int) -> None:
    """Seven refusals, then 200, with attempts = 1: had; the exchange never saw a refusal."""
    answers = script(*[reply(status, b"upstream")] * 7, reply())
    retry = RetrySettings(attempts=1, base_s=0.01, cap_s=0.02)
    async with Server(answers) as server, door({"resolve": named(a=server)}, retry=retry) as there:
        want = Want(URL)
        assert await there.get(want) == Had(1)
        assert [head.status for head in want.heads] == [200]
        (state,) = there.hosts()
        assert (state.refused, state.requests, state.reason) == (
            7,
            8,
            f"{'rate_limited' if status == 429 else 'unavailable'} {status}",
        )


@real
async def test_an_exchange_may_call_a_reply_a_refusal() -> None:
    """A site that says `slow down` with 200 (pixiv.md 1.5) is a refusal too: the host waits, no attempt is used."""

    class Search(Want):
        async def start(self, head: Head) -> Failure | None:
            return Failure(Kind.RATE_LIMITED) if len(self.heads) < 2 and not self.heads.append(head) else None

    retry = RetrySettings(attempts=1, base_s=0.01)
    async with Server(script(reply())) as server, door({"resolve": named(a=server)}, retry=retry) as there:
        assert await there.get(Search(URL)) == Had(1)
        assert (len(server.seen), there.hosts()[0].refused) == (3, 2)


@pytest.mark.parametrize("status", [429, 500])
@real
async def test_retry_after_is_a_minimum(status: int) -> None:
    """Whatever the own pause, no request comes before Retry-After, of a refusal or of an error."""

    class Patient(Want):
        async def start(self, head: Head) -> Failure | None:
            failure = await super().start(head)
            return Failure(failure.kind, status=500, retry_after_s=0.4) if failure else None

    async with Server(script(reply(status, retry_after="0.4"), reply())) as server:
        async with door({"resolve": named(a=server)}) as there:
            assert isinstance(await there.get(Patient(URL)), Had)
        assert gaps(server.seen)[0] >= 0.39


@real
async def test_a_refusal_holds_for_the_whole_host_and_no_other() -> None:
    """While one host waits out its block, all its requests wait, and another host is asked."""
    told: list[tuple[str, float, float | None, str]] = []
    async with Server(script(reply(429, retry_after="0.3"), reply())) as a, Server(script(reply())) as b:
        resolve = named(a=a, b=b)
        there = door({"resolve": resolve}, on_throttle=lambda *args: told.append(args), now=lambda: 1000.0)
        async with there, asyncio.TaskGroup() as group:
            first = group.create_task(there.get(Want(URL)))
            await until(lambda: there.hosts() and there.hosts()[0].refused)
            more = [group.create_task(there.get(Want(URL))) for _ in range(4)]
            assert await there.get(Want("http://b.test/")) == Had(1)
            assert (len(a.seen), there.hosts()[0].waiting) == (1, 5)
            assert 0 < there.hosts()[0].blocked_s <= 0.3
            assert [await task for task in (first, *more)] == [Had(1)] * 5
        assert gaps(a.seen)[0] >= 0.29
    assert [(host, rate, reason) for host, rate, _, reason in told] == [("a.test", 0.0, "rate_limited 429")]
    assert told[0][2] == pytest.approx(1000.3, abs=0.05)


@real
async def test_one_wall_is_told_once_not_for_each_reply_in_flight() -> None:
    """Eight refusals in flight at once are one change: the rate halves once, one event."""
    told: list[object] = []
    arrived = 0

    async def together(_seen: Seen) -> bytes:
        nonlocal arrived
        arrived += 1
        if arrived > 8:
            return reply()
        await until(lambda: arrived >= 8)
        return reply(429)

    limits = HostLimits(rate=1000, burst=8, connections=8)
    async with Server(together) as server:
        there = door({"resolve": named(a=server)}, limits=limits, on_throttle=lambda *args: told.append(args))
        async with there, asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(there.get(Want(URL)))
        assert len([t for t in told if t[3] != "recovered"]) == 1  # type: ignore[index]


@real
async def test_a_host_that_does_but_refuse_stops_the_run() -> None:
    """Refusal after refusal without a good reply between: Blocked, with the host, the count and what to do."""
    retry = RetrySettings(attempts=2, base_s=0.001, cap_s=0.002)
    async with Server(script(reply(503))) as server, door({"resolve": named(a=server)}, retry=retry) as there:
        with pytest.raises(Blocked, match=rf"a\.test refused {BREAKER} times.*limits\.images\.rate") as caught:
            await there.get(Want(URL))
        assert (caught.value.code, len(server.seen)) == (6, BREAKER)
        assert there.hosts()[0].in_flight == 0


@real
async def test_one_url_that_is_always_refused_does_not_loop_for_ever() -> None:
    """While the host answers others, a URL that is refused each time is given up, for now."""
    retry = RetrySettings(attempts=2, base_s=0.001, cap_s=0.002)
    async with Server(lambda s: reply(503 if s.path == "/bad" else 200)) as server:
        async with door({"resolve": named(a=server)}, retry=retry, limits=FREE) as there:
            bad = asyncio.create_task(there.get(Want("http://a.test/bad")))
            while not bad.done():
                assert await there.get(Want(URL)) == Had(1)
            got = await bad
        assert isinstance(got, Failure)
        assert (got.kind, got.permanent) == (Kind.UNAVAILABLE, False)
        assert server.paths().count("/bad") == REFUSALS_MAX


@pytest.mark.parametrize(
    "answer",
    [
        reply(403, b"x", cf_mitigated="challenge"),
        reply(503, b"x", cf_mitigated="challenge"),
        reply(403, b"<html>..window._cf_chl_opt={}", server="cloudflare", content_type="text/html; charset=UTF-8"),
        reply(503, b"<script src=/cdn-cgi/challenge-platform/>", server="cloudflare", content_type="text/html"),
    ],
)
@real
async def test_a_challenge_is_seen_and_never_tried_again(answer: bytes) -> None:
    """Cloudflare's challenge, by header or by page: CHALLENGE after one request."""
    async with Server(script(answer)) as server, door({"resolve": named(a=server)}) as there:
        got = await there.get(Want(URL, "api"))
        assert isinstance(got, Failure)
        assert (got.kind, got.attempts, got.permanent, len(server.seen)) == (Kind.CHALLENGE, 1, False, 1)


@real
async def test_a_plain_403_of_cloudflare_reaches_the_exchange_whole() -> None:
    """What was read to look for a challenge is not lost to the exchange."""

    class Any(Want):
        async def start(self, head: Head) -> Failure | None:
            return None

    body = b'<html>{"error":true}' * 9000
    answer = reply(403, body, server="cloudflare", content_type="text/html")
    async with Server(script(answer)) as server, door({"resolve": named(a=server)}) as there:
        want = Any(URL)
        assert await there.get(want) == Had(1)
        assert want.body == body


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
async def test_a_drain_sends_waiters_home_and_lets_the_wire_finish() -> None:
    """Closing the gate: who waits for a turn, a connection or a pause gets Draining; who is on the wire goes on."""
    gate, release = Gate(), asyncio.Event()

    async def slowly(seen: Seen) -> bytes:
        if seen.path == "/fail":
            return reply(500)
        await release.wait()
        return reply()

    limits = HostLimits(rate=0, burst=1, connections=1)
    retry = RetrySettings(attempts=5, base_s=1000, cap_s=1000)
    async with Server(slowly) as a, Server(script(reply(500))) as b, Server(script(reply())) as c:
        there = door({"resolve": named(a=a, b=b, c=c)}, limits=limits, gate=gate, retry=retry)
        async with there:
            wire = asyncio.create_task(there.get(Want(URL)))
            slot = asyncio.create_task(there.get(Want(URL)))
            rest = asyncio.create_task(there.get(Want("http://b.test/fail")))
            await until(lambda: a.seen and b.seen and there.retries)
            there.reload({"api": limits, "images": HostLimits(rate=0.001, burst=1, connections=1)}, 64)
            turn = asyncio.create_task(there.get(Want("http://c.test/")))
            await until(lambda: len(there.hosts()) == 3)
            gate.close()
            for waiting in (slot, rest, turn):
                with pytest.raises(Draining):
                    await waiting
            assert not wire.done()
            release.set()
            assert await wire == Had(1)
            assert (len(a.seen), c.seen) == (1, [])
            with pytest.raises(Draining):
                await there.get(Want(URL))
            assert all((h.in_flight, h.waiting) == (0, 0) for h in there.hosts())


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
async def test_a_dropped_connection_is_no_hidden_second_request() -> None:
    """A kept-alive connection that dies under a request is a failure of ours to count, not a silent repeat."""
    count = 0

    async def second_dies(_seen: Seen):
        nonlocal count
        count += 1
        if count == 2:

            async def drop(_writer: asyncio.StreamWriter) -> None:
                return

            return drop
        return reply()

    async with Server(second_dies) as server, door({"resolve": named(a=server)}, retry=FAST) as there:
        assert await there.get(Want(URL)) == Had(1)
        assert await there.get(Want(URL)) == Had(2)
        assert (len(server.seen), there.requests, there.retries) == (3, 3, 1)


@real
async def test_a_reload_holds_at_once_also_for_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiter at one request in a thousand seconds goes soon after the rate is raised."""
    monkeypatch.setattr(hosts_module, "_NAP_S", 0.05)
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
        assert all(h.bytes and h.latency_s for h in there.hosts())
