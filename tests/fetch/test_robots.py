"""robots.txt under RFC 9309, from servers that answer it in every way."""

import asyncio

import pytest
from fetch_kit import FAST, FREE, Seen, Server, Want, door, named, real, reply, until

from crawler.fetch.exchange import Had
from crawler.model import Failure, Kind
from crawler.rules.settings import RetrySettings
from crawler.stop import Draining, Gate

OBEY = {"robots": "obey"}
RULES = b"User-agent: *\nDisallow: /private/\nAllow: /private/ok$\nDisallow: /*.zip$\n"


def site(robots: bytes):
    """Answers robots.txt with this, and everything else with 200."""
    return lambda seen: robots if seen.path == "/robots.txt" else reply()


@real
async def test_rules_are_asked_once_and_obeyed() -> None:
    """The longest match wins, wildcards count; what is disallowed is final and never asked for."""
    async with Server(site(reply(body=RULES))) as server, door({"resolve": named(a=server), **OBEY}) as there:
        for path, allowed in [("/x", 1), ("/private/a", 0), ("/private/ok", 1), ("/private/ok2", 0), ("/d/u.zip", 0)]:
            got = await there.get(Want(f"http://a.test{path}"))
            assert isinstance(got, Had) == bool(allowed)
            if isinstance(got, Failure):
                assert (got.kind, got.permanent, got.attempts) == (Kind.ROBOTS, True, 1)
        assert server.paths() == ["/robots.txt", "/x", "/private/ok"]
        assert (there.requests, there.hosts()[0].requests) == (3, 3)


@real
async def test_rules_for_us_by_name() -> None:
    """A group for `crawler` goes before the one for everybody; the file may start with a BOM."""
    body = b"\xef\xbb\xbfUser-agent: crawler\nDisallow: /a\n\nUser-agent: *\nDisallow: /\n"
    async with Server(site(reply(body=body))) as server, door({"resolve": named(a=server), **OBEY}) as there:
        assert isinstance(await there.get(Want("http://a.test/b")), Had)
        assert isinstance(await there.get(Want("http://a.test/a")), Failure)


@real
async def test_a_hundred_tasks_ask_once() -> None:
    """However many want to know at once, one request is made."""

    async def slowly(seen: Seen) -> bytes:
        if seen.path == "/robots.txt":
            await asyncio.sleep(0.05)
        return reply(body=RULES)

    async with Server(slowly) as server, door({"resolve": named(a=server), **OBEY}) as there:
        got = await asyncio.gather(*(there.get(Want(f"http://a.test/{n}")) for n in range(100)))
        assert got == [Had(1)] * 100
        assert server.paths().count("/robots.txt") == 1


@real
async def test_ignore_does_not_ask() -> None:
    """network.robots = ignore: no request."""
    async with Server(site(reply(body=b"User-agent: *\nDisallow: /"))) as server:
        async with door({"resolve": named(a=server)}) as there:
            assert await there.get(Want("http://a.test/x")) == Had(1)
        assert server.paths() == ["/x"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
@real
async def test_4xx_means_that_all_is_allowed(status: int) -> None:
    """No rules to be had: all is allowed, and it is not asked again."""
    async with Server(site(reply(status))) as server, door({"resolve": named(a=server), **OBEY}) as there:
        assert [await there.get(Want("http://a.test/x")) for _ in range(3)] == [Had(1)] * 3
        assert server.paths().count("/robots.txt") == 1


@real
async def test_5xx_means_wait_and_ask_again() -> None:
    """500 twice, then rules: nothing else is asked before they are had."""
    answers = iter([reply(500), reply(500), reply(body=RULES)])
    async with Server(lambda s: next(answers) if s.path == "/robots.txt" else reply()) as server:
        async with door({"resolve": named(a=server), **OBEY}, retry=FAST) as there:
            assert await there.get(Want("http://a.test/x")) == Had(3)
        assert server.paths() == ["/robots.txt"] * 3 + ["/x"]


@real
async def test_5xx_for_ever_is_a_failure_for_now_shared_by_all_who_wait() -> None:
    """Nothing is asked of a host whose rules cannot be had; twenty tasks cost a handful of requests, not a hundred."""
    async with Server(site(reply(500))) as server, door({"resolve": named(a=server), **OBEY}, retry=FAST) as there:
        got = await asyncio.gather(*(there.get(Want(f"http://a.test/{n}")) for n in range(20)))
        for failure in got:
            assert isinstance(failure, Failure)
            assert (failure.kind, failure.permanent, failure.attempts) == (Kind.SERVER_ERROR, False, 3)
            assert "robots.txt" in failure.detail
        assert set(server.paths()) == {"/robots.txt"}
        assert len(server.seen) <= 8


@pytest.mark.parametrize("status", [429, 503])
@real
async def test_a_refused_robots_txt_uses_up_no_attempt(status: int) -> None:
    """429 and 503 slow the host, whatever was asked."""
    answers = iter([reply(status)] * 3 + [reply(body=RULES)])
    async with Server(lambda s: next(answers) if s.path == "/robots.txt" else reply()) as server:
        retry = RetrySettings(attempts=1, base_s=0.01)
        async with door({"resolve": named(a=server), **OBEY}, retry=retry) as there:
            assert await there.get(Want("http://a.test/x")) == Had(1)
            assert there.hosts()[0].refused == 3


@real
async def test_an_unreachable_host_fails_as_itself() -> None:
    """Nobody listens: the failure is the connection's, after `attempts`, and curable."""
    async with Server(site(reply())) as gone:
        resolve = named(a=gone)
    async with door({"resolve": resolve, **OBEY}, retry=FAST) as there:
        got = await there.get(Want("http://a.test/x"))
        assert isinstance(got, Failure)
        assert (got.kind, got.attempts, got.permanent) == (Kind.CONNECT, 3, False)
        got = await there.get(Want("http://10.0.0.1/x"))
        assert isinstance(got, Failure)
        assert got.kind is Kind.ADDRESS


@pytest.mark.parametrize(("hops", "obeyed"), [(1, True), (5, True), (6, False)])
@real
async def test_redirects_are_followed_five_times(hops: int, obeyed: bool) -> None:
    """Up to five redirects, to other hosts too; more means that there are no rules."""

    def answer(seen: Seen) -> bytes:
        if not seen.path.startswith("/robots.txt"):
            return reply()
        at = int(seen.path.partition("?")[2] or 0)
        where = f"http://{'ab'[at % 2]}.test/robots.txt?{at + 1}"
        return reply(body=b"User-agent: *\nDisallow: /") if at == hops else reply(301, b"", location=where)

    async with Server(answer) as server, door({"resolve": named(a=server, b=server), **OBEY}) as there:
        got = await there.get(Want("http://a.test/x"))
        assert isinstance(got, Failure) == obeyed


@real
async def test_each_hop_is_asked_about() -> None:
    """A redirect to a page that its own host disallows is not followed; the secret never goes to a robots.txt."""
    async with Server(site(reply(body=b"User-agent: *\nDisallow: /x"))) as b:
        front = Server(lambda s: reply(404) if s.path == "/robots.txt" else reply(302, b"", location="http://b.test/x"))
        async with front, door({"resolve": named(a=front, b=b), **OBEY}) as there:
            got = await there.get(Want("http://a.test/", secret={"Cookie": "canary"}))
            assert isinstance(got, Failure)
            assert (got.kind, b.paths()) == (Kind.ROBOTS, ["/robots.txt"])
            assert "canary" not in str([s for s in front.seen + b.seen if s.path == "/robots.txt"])


@real
async def test_a_huge_robots_txt_is_read_so_far_and_no_further() -> None:
    """512 KiB are parsed; the rest, however long, is not read."""
    written = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nUser-agent: *\nDisallow: /x\n")
        try:
            while written < 50_000_000:
                writer.write(b"# filler\n" * 10_000)
                written += 90_000
                await writer.drain()
        except ConnectionError:
            return

    async with Server(lambda s: endless if s.path == "/robots.txt" else reply()) as server:
        async with door({"resolve": named(a=server), **OBEY}, limits=FREE) as there:
            got = await there.get(Want("http://a.test/x"))
            assert isinstance(got, Failure)
            assert got.kind is Kind.ROBOTS
        assert written < 20_000_000


@real
async def test_a_drain_wakes_those_who_wait_for_rules() -> None:
    """Tasks that wait for somebody else's question go home at once; the question itself may end."""
    gate, release = Gate(), asyncio.Event()

    async def slowly(_seen: Seen) -> bytes:
        await release.wait()
        return reply(404)

    async with Server(slowly) as server, door({"resolve": named(a=server), **OBEY}, gate=gate) as there:
        asking = asyncio.create_task(there.get(Want("http://a.test/1")))
        waiting = [asyncio.create_task(there.get(Want(f"http://a.test/{n}"))) for n in range(2, 5)]
        await until(lambda: server.seen)
        gate.close()
        for task in waiting:
            with pytest.raises(Draining):
                await task
        release.set()
        with pytest.raises(Draining):
            await asking


@real
async def test_cancelling_the_one_who_asks_lets_another_ask() -> None:
    """The question is not lost with the task that put it."""
    release = asyncio.Event()

    async def first_hangs(seen: Seen) -> bytes:
        if not release.is_set():
            release.set()
            await asyncio.sleep(10)
        return reply(404) if seen.path == "/robots.txt" else reply()

    async with Server(first_hangs) as server, door({"resolve": named(a=server), **OBEY}) as there:
        first = asyncio.create_task(there.get(Want("http://a.test/1")))
        second = asyncio.create_task(there.get(Want("http://a.test/2")))
        await release.wait()
        first.cancel()
        assert await second == Had(1)
