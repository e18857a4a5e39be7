"""Lists over very many hosts: what is kept of each is bounded, and nothing that matters is forgotten."""

import asyncio
import random
import tracemalloc
from collections import Counter

import pytest
from fetch_kit import FAST, FREE, Server, Want, door, real, reply
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.events import Throttled
from crawler.fetch import hosts as hosts_module
from crawler.fetch import known as known_module
from crawler.fetch import robots as robots_module
from crawler.fetch.exchange import Had
from crawler.fetch.hosts import Hosts
from crawler.fetch.memory import Room
from crawler.fetch.rules_aside import Aside
from crawler.model import Failure, Kind
from crawler.rules import totals as totals_module
from crawler.rules.totals import keep_throttled, last_throttled
from crawler.stop import Gate

RULES = b"User-agent: *\nDisallow: /no/\n"


@real
async def test_a_list_in_any_order_asks_each_robots_txt_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 hosts, room for 20 of them: each URL is judged by its host's rules, which were asked for once."""
    monkeypatch.setattr(hosts_module, "_HOSTS_MAX", 20)
    monkeypatch.setattr(robots_module, "_ORIGINS_MAX", 20)
    chance = random.Random(3)

    def answer(seen) -> bytes:
        if not seen.path.startswith("/robots.txt"):
            return reply(body=b"x")
        return reply(body=RULES) if int(seen.headers["host"].split(".")[2]) % 2 else reply(404)

    async with (
        Server(answer, host="0.0.0.0") as server,
        door({"robots": "obey", "allow_private": ("127.0.0.0/8",)}) as out,
    ):
        urls = [
            f"http://127.1.{n}.1:{server.port}/{way}/{k}" for n in range(250) for k, way in enumerate(("no", "yes"))
        ]
        chance.shuffle(urls)
        turns = asyncio.Semaphore(8)

        async def one(url: str) -> None:
            async with turns:
                got = await out.get(Want(url))
            refused = "/no/" in url and int(url.split(".")[2]) % 2
            assert got.kind is Kind.ROBOTS if isinstance(got, Failure) else isinstance(got, Had)
            assert isinstance(got, Failure) == bool(refused)

        await asyncio.gather(*map(one, urls))
        assert len(out._hosts._hosts) <= 20 + 8
        assert len(out._hosts._accounts) <= 20 + 8
        assert len(out._robots._origins) <= 20 + 8
    asked = Counter(seen.headers["host"] for seen in server.seen if seen.path == "/robots.txt")
    assert set(asked.values()) == {1}
    assert len(asked) == 250


def wide(count: int, *, refusals: int = 0) -> tuple[Hosts, int]:
    """The hosts of a run that met so many of them, the first `refusals` with a block of an hour; bytes at its peak."""

    async def meet() -> tuple[Hosts, int]:
        hosts = Hosts({"api": FREE, "images": FREE}, FAST, Gate(), lambda told: None)
        room = Room(0, Gate())
        tracemalloc.start()
        try:
            for number in range(count):
                host = hosts.host(f"host{number}.test", "images")
                turn = host.enter_now(room, 1)
                assert turn is not None
                if number < refusals:
                    hosts.refused(host, Failure(Kind.UNAVAILABLE, status=503, retry_after_s=3600), 0.0, again=False)
                host.leave(room, turn)
            return hosts, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return asyncio.run(meet())


@pytest.mark.parametrize("count", [6_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_what_is_kept_of_hosts_is_bounded_and_blocks_are_not_forgotten(count: int) -> None:
    """However many hosts a run meets, it keeps some thousands; one whose block is not over is always among them."""
    hosts, peak = wide(count, refusals=10)
    assert len(hosts._hosts) <= hosts_module._HOSTS_MAX
    assert len(hosts._accounts) <= hosts_module._HOSTS_MAX
    assert peak < 20_000_000
    for number in range(10):
        assert hosts._hosts[f"host{number}.test"].state().blocked_s > 3000
        assert hosts._known[f"host{number}.test"].until


def test_what_limiters_told_is_bounded_but_for_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many hosts that refused something, the last are remembered, and all whose block is not over."""
    monkeypatch.setattr(known_module, "_KNOWN_MAX", 100)
    monkeypatch.setattr(hosts_module, "_HOSTS_MAX", 10)
    old = {f"old{n}.test": Throttled(f"old{n}.test", 1.0, None, "rate_limited 429") for n in range(95)}
    block = {"blocked.test": Throttled("blocked.test", 1.0, "2999-01-01T00:00:00.000Z", "rate_limited 429")}

    async def meet() -> Hosts:
        hosts = Hosts({"api": FREE, "images": FREE}, FAST, Gate(), None, known=block | old)
        for number in range(60):
            host = hosts.host(f"host{number}.test", "images")
            failure = Failure(Kind.RATE_LIMITED, status=429, retry_after_s=60)
            hosts.refused(host, failure, 0.0, again=False)
        return hosts

    hosts = asyncio.run(meet())
    assert len(hosts._known) <= 100
    assert {"blocked.test", *(f"host{number}.test" for number in range(60))} <= set(hosts._known)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), unique_by=lambda pair: pair[1]), st.randoms())
def test_the_last_words_are_the_same_in_any_order(said: list[tuple[int, int]], chance: random.Random) -> None:
    """The fold's law holds for a bounded number of hosts too."""

    def folded(lines: list[tuple[int, int]]) -> dict:
        throttled: dict = {}
        for host, t in lines:
            keep_throttled(throttled, (f"{t:03}", "log", t), Throttled(f"h{host}", float(t), None, "x"))
        return last_throttled(throttled)

    before, totals_module.THROTTLED_KEPT = totals_module.THROTTLED_KEPT, 3
    try:
        shuffled = chance.sample(said, len(said))
        assert folded(said) == folded(shuffled) == folded(shuffled + said)
        newest = sorted(dict(sorted(said, key=lambda pair: pair[1])).items(), key=lambda p: p[1])
        assert set(folded(said)) == {f"h{host}" for host, _ in newest[-3:]}
    finally:
        totals_module.THROTTLED_KEPT = before


def test_texts_put_aside_are_bounded_and_end_in_time() -> None:
    """What was put aside last is there, once, until its time; what is there is never more than the bound."""
    aside = Aside(100_000)
    for number in range(5_000):
        aside.put(f"http://host{number}.test:80", "User-agent: *\nDisallow: /" * (number % 3), 100.0)
        assert len(aside) <= 100_000 // 170
    assert aside.take("http://host4999.test:80", 99.0) == ("User-agent: *\nDisallow: /" * 1, 100.0)
    assert aside.take("http://host4999.test:80", 99.0) is None
    assert aside.take("http://host4998.test:80", 100.0) is None
    assert aside.take("http://host0.test:80", 0.0) is None
