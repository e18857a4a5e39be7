"""The door: attempts, refusals, the breaker, challenges and drains."""

import asyncio
import itertools
from datetime import datetime

import pytest
from fetch_kit import FAST, FREE, Seen, Server, Want, door, named, real, reply, until

from crawler.events import Throttled
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


@pytest.mark.parametrize(
    ("answers", "permanent"), [((502, 502, 500), False), ((500, 502, 500), False), ((502, 500, 500), True)]
)
@real
async def test_for_good_takes_two_in_a_row(answers: tuple[int, ...], permanent: bool) -> None:
    """One strange answer after tries that say nothing of the file is not the last word (found by seed 5023)."""
    async with Server(script(*map(reply, answers))) as server, door({"resolve": named(a=server)}) as there:
        got = await there.get(Want(URL))
        assert got == Failure(Kind.SERVER_ERROR, status=500, attempts=3, permanent=permanent)


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

    async with Server(script(reply(status, retry_after="0.4"), reply())) as server:
        async with door({"resolve": named(a=server)}) as there:
            assert isinstance(await there.get(Want(URL)), Had)
        assert gaps(server.seen)[0] >= 0.39


@real
async def test_a_refusal_holds_for_the_whole_host_and_no_other() -> None:
    """While one host waits out its block, all its requests wait, and another host is asked."""
    told: list[Throttled] = []
    async with Server(script(reply(429, retry_after="0.3"), reply())) as a, Server(script(reply())) as b:
        resolve = named(a=a, b=b)
        there = door({"resolve": resolve}, on_throttle=told.append, now=lambda: 1000.0)
        async with there, asyncio.TaskGroup() as group:
            first = group.create_task(there.get(Want(URL)))
            await until(lambda: there.hosts() and there.hosts()[0].refused)
            more = [group.create_task(there.get(Want(URL))) for _ in range(4)]
            assert await there.get(Want("http://b.test/")) == Had(1)
            assert (len(a.seen), there.hosts()[0].waiting) == (1, 5)
            assert 0 < there.hosts()[0].blocked_s <= 0.3
            assert [await task for task in (first, *more)] == [Had(1)] * 5
        assert gaps(a.seen)[0] >= 0.29
    assert [(t.host, t.rate, t.reason) for t in told] == [("a.test", 0.0, "rate_limited 429")]
    assert datetime.fromisoformat(told[0].until or "").timestamp() == pytest.approx(1000.3, abs=0.05)


@real
async def test_one_wall_is_told_once_not_for_each_reply_in_flight() -> None:
    """Eight refusals in flight at once are one change: the rate halves once, one event."""
    told: list[Throttled] = []
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
        there = door({"resolve": named(a=server)}, limits=limits, on_throttle=told.append)
        async with there, asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(there.get(Want(URL)))
        refusals = [t for t in told if t.reason == "rate_limited 429"]
        assert len(refusals) == 1
        assert 0 < refusals[0].rate <= 500


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
