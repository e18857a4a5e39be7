"""The door's daily budgets as the server sees them, on both ways to the network: what counts, and who waits."""

import asyncio

import pytest
from fetch_kit import FREE, Seen, Server, Want, door, named, real, reply, until

from crawler.events import Spent
from crawler.fetch.daily import Daily
from crawler.fetch.exchange import Had
from crawler.model import Failure
from crawler.rules.budget import Budget
from crawler.stop import Draining, Gate


class Book:
    """Where a door writes what it spends."""

    def __init__(self, requests: int = 0, size: int = 0) -> None:
        self.lines: list[Spent] = []
        self.durable = 0
        self.told: list[str] = []
        spent = lambda host, day, until: self.told.append(host)  # noqa: E731
        self.daily = Daily(Budget(requests, size), self.lines.append, self.commit, spent=spent)

    async def commit(self) -> None:
        await asyncio.sleep(0.001)
        self.durable = len(self.lines)

    def said(self, host: str) -> int:
        """What is durable about a host; a test is done within two steps of five minutes."""
        last = {line.since: line.requests for line in self.lines[: self.durable] if line.host == host}
        return sum(last.values())


@real
async def test_everything_that_is_sent_counts() -> None:
    """robots.txt, each hop of a redirect, 404s and repeated tries: the budget is used to the last, then all wait; and
    before a request was sent, the log said so."""
    book = Book(requests=12)
    over: list[bool] = []

    def answer(seen: Seen) -> bytes:
        over.append(len(server.seen) > book.said("a.test"))
        if seen.path == "/robots.txt":
            return reply(body=b"User-agent: *\n")
        if seen.path == "/moved":
            return reply(302, b"", location="/there")
        return reply({"/none": 404, "/bad": 500}.get(seen.path, 200))

    gate = Gate()
    async with Server(answer) as server:
        network = {"resolve": named(a=server), "robots": "obey"}
        async with door(network, gate=gate, daily=book.daily) as there:
            for path in ("moved", "none", "bad"):  # with robots.txt: 1 + 2 + 2 + 3 (404s are confirmed by a second try)
                await there.get(Want(f"http://a.test/{path}"))
            spent = len(server.seen)
            assert spent in (7, 8, 9)
            rest = [asyncio.create_task(there.get(Want("http://a.test/x"))) for _ in range(10)]
            await until(lambda: book.told)
            assert sum(isinstance(task.result(), Had) for task in rest if task.done()) <= 12 - spent
            await until(lambda: len(server.seen) == 12)
            day = there.hosts()[0].daily
            assert day is not None
            assert (day.requests, day.requests_budget) == (12, 12)
            assert 86_000 < day.wait_s < 87_000
            assert not any(over)
            gate.close()
            ended = await asyncio.gather(*rest, return_exceptions=True)
            assert sum(isinstance(one, Draining) for one in ended) == 10 - (12 - spent)
            assert len(server.seen) == 12
            there.settle()
            assert book.lines[-1].requests == 12
    assert book.told == ["a.test"]


@real
async def test_other_hosts_go_on_and_a_larger_budget_holds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each host has a budget of its own; a reload with another number is obeyed by those who wait."""
    monkeypatch.setattr("crawler.fetch.daily.NAP_S", 0.02)
    book = Book(requests=3)
    async with (
        Server(lambda _: reply()) as a,
        Server(lambda _: reply()) as b,
        door({"resolve": named(a=a, b=b)}, daily=book.daily) as there,
    ):
        waiting = [asyncio.create_task(there.get(Want("http://a.test/x"))) for _ in range(6)]
        await until(lambda: book.told)
        for _ in range(3):
            assert isinstance(await there.get(Want("http://b.test/x")), Had)
        assert (len(a.seen), len(b.seen)) == (3, 3)
        there.reload({"api": FREE, "images": FREE}, 64, Budget(5))
        await until(lambda: len(a.seen) == 5)
        assert book.lines[-1].budget_requests == 5
        await asyncio.sleep(0.06)
        assert len(a.seen) == 5
        there.reload({"api": FREE, "images": FREE}, 64)
        assert all(isinstance(one, Had) for one in await asyncio.gather(*waiting))
        assert there.hosts()[0].daily is None


@real
async def test_bytes_count_as_they_come_and_failed_ones_too() -> None:
    """Bodies that were cut count; nobody is let out whom the bytes of those in flight leave no room for."""
    book = Book(size=100_000)

    def answer(seen: Seen) -> bytes:
        return reply(404 if seen.path == "/none" else 200, bytes(10_000))

    async with Server(answer) as server, door({"resolve": named(a=server)}, daily=book.daily) as there:
        assert isinstance(await there.get(Want("http://a.test/none")), Failure)
        tasks = [asyncio.create_task(there.get(Want("http://a.test/x"))) for _ in range(30)]
        await until(lambda: book.told)
        await until(lambda: there.hosts()[0].in_flight == 0)
        assert len(server.seen) == 10
        day = there.hosts()[0].daily
        assert day is not None
        assert (day.bytes, day.bytes_budget) == (100_000, 100_000)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
