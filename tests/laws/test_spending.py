"""Daily budgets over restarts and kills: the log never says less than was spent, and no day has more than that."""

import asyncio
import contextlib
import random
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.events import Event, Line, Listed, Spent
from crawler.fetch.daily import Account, Daily
from crawler.log.codec import decode, encode
from crawler.rules.budget import WINDOW_S, Budget, Step
from crawler.rules.replay import State
from crawler.rules.spending import Spending
from crawler.simulate.loop import EPOCH, run_virtual
from crawler.stop import Gate

HOST = "h"
T = "2026-01-01T00:00:00.000Z"


def spent(since: str, requests: int, size: int = 0) -> Spent:
    return Spent(HOST, since, requests, size, 10, 0)


def folded(*lines: Line) -> State:
    state = State()
    for line in lines:
        state.apply(line)
    return state


def test_the_last_line_of_a_log_counts_and_logs_add_up() -> None:
    """A log corrects itself, downwards too; another log, of a worker beside it, comes on top."""
    a = [Line("a", 1, T, spent("2026-01-01T10:00:00Z", 5)), Line("a", 2, T, spent("2026-01-01T10:00:00Z", 3, 9))]
    b = Line("b", 1, T, spent("2026-01-01T10:00:00Z", 4))
    state = folded(b, *reversed(a), a[0])
    start = datetime(2026, 1, 1, 10, tzinfo=UTC).timestamp()
    assert state.spending.ledgers()[HOST].spent(start) == (7, 9)
    assert state.spending.entries(lambda log: log == "a") == {HOST: (Step(start, 3, 9),)}


def test_of_a_log_and_a_host_a_day_s_steps_are_kept() -> None:
    """The latest 290 of five minutes each, in whatever order they come; each log has as many."""
    times = [datetime.fromtimestamp(1_500_000_000 + 300 * n, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(300)]
    for order in (times, times[::-1]):
        lines = [Line(log, n, T, spent(since, 1, 2)) for log in "ab" for n, since in enumerate(order, 1)]
        rows = folded(*lines).spending.rows()
        assert sorted({start for _, _, start, *_ in rows}) == [1_500_000_000 + 300 * n for n in range(10, 300)]
        assert len(rows) == 2 * 290
    assert len(folded(*lines[:290]).spending.rows()) == 290


def test_the_last_word_on_a_host_is_the_latest_in_time() -> None:
    """Whatever the order of lines, and of any log; hosts come by name, and one without a budget has no ledger."""

    def word(n: int, host: str, requests: int) -> Line:
        return Line("a", n, f"2026-01-01T00:00:0{n}Z", Spent(host, "2026-01-01T00:00:00Z", 1, 2, requests, 0))

    lines = [word(3, "z", 30), word(1, "z", 10), word(2, "z", 20), word(4, "b", 0), word(5, "c", 5)]
    spending = folded(*lines).spending
    assert [(host, event.budget_requests) for host, event in spending.last.items()] == [("b", 0), ("c", 5), ("z", 30)]
    assert list(spending.entries()) == ["b", "c", "z"]
    assert sorted(spending.ledgers()) == ["c", "z"]
    assert spending.ledgers()["z"].budget == Budget(30)
    again = Spending.restored(spending.rows(), spending.moments())
    assert (again.rows(), again.last, again.entries()) == (spending.rows(), spending.last, spending.entries())


def test_lines_written_by_hand_say_nothing_wrong() -> None:
    """No time, no number, no list: passed over, and nothing is raised."""
    odd = ("yesterday", "", None, 5)
    lines = [Line("a", n, T, Spent(HOST, since, 1, 1, 1, 1)) for n, since in enumerate(odd, 1)]  # type: ignore[arg-type]
    lines.append(Line("a", 9, T, Spent(HOST, "2026-01-01T10:00:00Z", "many", 1, 1, 1)))  # type: ignore[arg-type]
    lines += [Line("a", 10 + n, T, Listed("d", ids)) for n, ids in enumerate(("", "!", "AAAA", "AQ=="))]
    state = folded(*lines)
    assert state.spending.ledgers() == {}
    assert state.listed() is None


@dataclass
class Paper:
    """A log: what was noted waits in memory until it is committed, which takes a while."""

    dice: random.Random
    durable: list[Line] = field(default_factory=list[Line])
    waiting: list[Line] = field(default_factory=list[Line])
    seq: int = 0

    def note(self, event: Event) -> None:
        self.seq += 1
        line = decode(encode("a", self.seq, T, event))
        assert line is not None
        self.waiting.append(line)

    async def commit(self) -> None:
        count = len(self.waiting)
        await asyncio.sleep(self.dice.choice((0.0, 0.01, 3.0)))
        done = min(count, len(self.waiting))
        self.durable += self.waiting[:done]
        del self.waiting[:done]

    def die(self) -> None:
        """Of what was not confirmed some lines may have reached the disk: the first ones."""
        self.durable += self.waiting[: self.dice.randint(0, len(self.waiting))]
        self.waiting.clear()
        self.seq = self.durable[-1].seq if self.durable else 0


@dataclass
class Server:
    """What really came: times of requests, and of bytes."""

    requests: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    bodies: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])


def most_within_a_day(had: list[tuple[float, int]]) -> int:
    times = [t for t, _ in had]
    return max(
        (sum(n for _, n in had[bisect_left(times, t - WINDOW_S) : i + 1]) for i, t in enumerate(times)), default=0
    )


async def worker(account: Account, line: asyncio.Lock, gate: Gate, server: Server, dice: random.Random) -> None:
    while True:
        async with line:
            while not account.open():
                await account.wait(gate)
            turn = account.take(0)
        try:
            await asyncio.sleep(dice.choice((0.0, 0.2, 20.0)))
            server.requests.append((the_time(), 1))
            size = dice.choice((0, 10, 1000, 3000))
            if dice.random() < 0.7:
                account.announced(turn, size)
                await account.keep_up()
            came = 0
            while came < size:
                await asyncio.sleep(dice.choice((0.0, 0.5, 400.0)))
                piece = min(size - came, dice.choice((100, 2000)))
                came += piece
                server.bodies.append((the_time(), piece))
                account.came(turn, came)
                await account.keep_up()
        finally:
            account.end(turn)
        await asyncio.sleep(dice.choice((0.0, 1.0, 60.0, 4000.0)))


def the_time() -> float:
    return EPOCH + asyncio.get_running_loop().time()


async def story(
    budget: Budget, runs: list[tuple[float, bool]], workers: int, dice: random.Random
) -> tuple[Paper, Server]:
    """Runs, each so many seconds long and then killed or ended in order."""
    paper, server = Paper(dice), Server()
    for run_s, killed in runs:
        spending = folded(*paper.durable).spending
        daily = Daily(budget, paper.note, paper.commit, spending.entries())
        account, line, gate = Account(HOST, daily, the_time), asyncio.Lock(), Gate()
        tasks = [asyncio.create_task(worker(account, line, gate, server, dice)) for _ in range(workers)]
        await asyncio.sleep(run_s)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
        if killed:
            paper.die()
        else:
            account.settle()
            await paper.commit()
        ledger = folded(*paper.durable).spending.ledgers().get(HOST)
        now = the_time()
        told = ledger.spent(now) if ledger else (0, 0)
        assert told[0] >= sum(n for t, n in server.requests if t > now - WINDOW_S), "fewer requests than there were"
        # What came in the very moment of the kill, nobody could write down: at most one piece for each worker.
        slack = 2000 * workers if killed else 0
        assert told[1] + slack >= sum(n for t, n in server.bodies if t > now - WINDOW_S), "fewer bytes than there were"
        await asyncio.sleep(dice.choice((0.0, 1.0, 500.0)))
    return paper, server


RUNS = st.lists(st.tuples(st.sampled_from([0.5, 30.0, 400.0, 5000.0, 90_000.0]), st.booleans()), min_size=1, max_size=8)


@settings(deadline=None, max_examples=settings().max_examples // 4)
@given(RUNS, st.integers(1, 40), st.integers(1, 4), st.integers(0, 10**6))
def test_no_24_hours_have_more_requests_than_the_budget(
    runs: list[tuple[float, bool]], budget: int, workers: int, seed: int
) -> None:
    """However it is killed and begun again, and however slow the disk is; and the log never says less than was."""
    _, server = run_virtual(story(Budget(budget), runs, workers, random.Random(seed)))
    assert most_within_a_day(server.requests) <= budget


@settings(deadline=None, max_examples=settings().max_examples // 4)
@given(RUNS, st.integers(3000, 60_000), st.integers(1, 4), st.integers(0, 10**6))
def test_bytes_are_overstepped_by_the_bodies_in_flight_at_most(
    runs: list[tuple[float, bool]], budget: int, workers: int, seed: int
) -> None:
    """With bodies of 3000 bytes at most, by no more than 3000 for each of those that are on the wire at once; a killed
    run adds what its bodies in flight brought in its last moment."""
    _, server = run_virtual(story(Budget(0, budget), runs, workers, random.Random(seed)))
    kills = sum(killed for _, killed in runs)
    assert most_within_a_day(server.bodies) <= budget + (3000 + 2000 * kills) * workers


def test_what_is_written_ahead_is_small_and_given_back() -> None:
    """A killed run costs at most a hundredth of the budget; one that ends in order costs what it asked."""

    async def run(killed: bool) -> tuple[int, int]:
        paper = Paper(random.Random(1))
        account = Account(HOST, Daily(Budget(1000), paper.note, paper.commit), the_time)
        for _ in range(25):
            while not account.open():
                await account.wait(Gate())
            account.end(account.take(0))
        if not killed:
            account.settle()
            await paper.commit()
        return folded(*paper.durable).spending.ledgers()[HOST].spent(the_time())[0], len(paper.durable)

    assert run_virtual(run(killed=True)) == (30, 3)
    assert run_virtual(run(killed=False)) == (25, 4)
