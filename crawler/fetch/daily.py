"""One host's budget of any 24 hours: what may be sent, what is written down before it is, and who waits.

What the log says was spent is never less than what was: requests and bytes are written down ahead, a hundredth of the
budget at a time, and that is durable before the first of them is sent. So a process that is killed leaves a log that
says up to a hundredth too much; one that ends in order leaves the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from crawler.events import Spent
from crawler.fetch.exchange import Day
from crawler.fetch.promises import Accounting, Turn
from crawler.rules.budget import STEP_S, STEPS, Budget, Ledger, Step, step_of
from crawler.stop import Gate

AHEAD = 100
"""The share of a budget that is written down ahead: one in so many."""
AHEAD_REQUESTS, AHEAD_BYTES = 100, 16_000_000
"""What is written down ahead of what has no limit, beside something that has."""
NAP_S = 5.0
"""A waiter looks up at least this often: the budget may have been set anew, or the clock."""

Steps = Mapping[str, tuple[Step, ...]]
"""What was spent, by host."""


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Daily:
    """What the budgets of a run begin with, and where they are written down.

    `note` takes a line, `commit` makes durable what was noted. `own`: what this very log says was spent so far,
    `others`: what other logs say. `spent` is told when a budget is: the host, its day, and until when (UTC seconds).
    `account` makes a host's account, where it is not this process alone that keeps it.
    """

    budget: Budget = field(default_factory=Budget)
    note: Callable[[Spent], object] = lambda spent: None
    commit: Callable[[], Awaitable[None]] = _nothing
    own: Steps = field(default_factory=dict[str, tuple[Step, ...]])
    others: Steps = field(default_factory=dict[str, tuple[Step, ...]])
    spent: Callable[[str, Day, float], None] = lambda host, day, until: None
    account: Callable[[str], Accounting] | None = None


class Account(Accounting):
    """The budget of one host, kept by this process alone.

    Bytes: a request is promised the mean of what replies brought so far, then what its head announces, and nothing
    more is let out while promises fill the budget. Before the first reply one is out at a time. So a budget of bytes
    is overstepped at most by what the bodies in flight are larger than that mean.
    """

    def __init__(self, host: str, daily: Daily, now: Callable[[], float]) -> None:
        super().__init__()
        self._host = host
        self._daily = daily
        self._now = now
        own = daily.own.get(host, ())
        self._ledger = Ledger(daily.budget, (*own, *daily.others.get(host, ())))
        self._own = {step.start: [step.requests, step.bytes] for step in sorted(own, key=lambda step: step.start)}
        self._noted = {start: (step[0], step[1]) for start, step in self._own.items()}
        self.bounded = daily.budget.bounded
        self._told: float | None = None
        self._ended: asyncio.Future[None] | None = None
        self._covering = asyncio.Lock()
        self._lowered = 0
        self._tight = (0, 0)  # so much of all that was taken and came is in the ledger, when there is no budget
        self._loose_until = 0.0

    # -- letting requests out ------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing is out, and nothing of the last 24 h is to be remembered."""
        return not self.out and not (self.bounded and self._ledger.entries(self._now()))

    def open(self) -> bool:
        """Whether one more request may be sent at this moment: the budget allows it, and the log says so already."""
        if not self.bounded:
            return True
        now = self._now()
        typical = self._typical(now)
        if self._ledger.ready(now, 1, typical) > now or self._filled(now, typical):
            return False
        self._told = None
        return self._covered(now, 1, typical)

    async def wait(self, gate: Gate) -> None:
        """Wait for what stands in the way of `open`, or for some seconds. Raises Draining, StorageFailed."""
        now = self._now()
        typical = self._typical(now)
        until = self._ledger.ready(now, 1, typical)
        if until > now:
            self._tell(until)
            await gate.sleep(min(until - now, NAP_S))
        elif self._filled(now, typical):
            self._ended = asyncio.get_running_loop().create_future()
            await gate.turn(self._ended)
        else:
            await self.cover()

    def take(self, memory: int) -> Turn:
        """Let one request out: it counts from now on."""
        now = self._now()
        if not self.bounded and now >= self._loose_until:
            self._tighten(now)
        self.taken += 1
        turn = Turn(memory)
        if self.bounded:
            self.announced(turn, self._typical(now))
            self._add(now, 1, 0)
        return turn

    async def keep_up(self) -> None:
        """Write down what comes, before more of it does. Raises StorageFailed."""
        if self.bounded and not self._covered(self._now(), 0, 0):
            await self.cover()

    def _spend(self, size: int) -> None:
        self._add(self._now(), 0, size)

    def _over(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _tighten(self, now: float) -> None:
        """Without a budget requests are counted loosely, five minutes at a time: one may be set while we run."""
        asked, size = self.taken - self._tight[0], self.bytes - self._tight[1]
        if asked or size:
            self._add(self._loose_until - STEP_S, asked, size)
        self._tight, self._loose_until = (self.taken, self.bytes), step_of(now) + STEP_S

    # -- looking -------------------------------------------------------------------------------------

    def day(self) -> Day | None:
        """What was spent in the last 24 h; None without a budget."""
        if not self.bounded:
            return None
        now, budget = self._now(), self._ledger.budget
        asked, size = self._ledger.spent(now)
        wait_s = self._ledger.ready(now, 1, self._typical(now)) - now
        return Day(asked, budget.requests, size, budget.bytes, wait_s)

    def _typical(self, now: float) -> int:
        """What a reply brings, by the mean of the last 24 h; 0 before the first."""
        asked, size = self._ledger.spent(now)
        return size // max(1, asked - self.out) if self._ledger.budget.bytes else 0

    def _filled(self, now: float, typical: int) -> bool:
        """Whether what is out might bring the rest of the budget: then its end is waited for."""
        if not self.out or not self._ledger.budget.bytes:
            return False
        known = self._ledger.spent(now)[0] > self.out
        return not known or not self._ledger.fits(now, 1, self.promised + typical)

    # -- writing down --------------------------------------------------------------------------------

    async def cover(self) -> None:
        """Write down the next share ahead, durably. Raises StorageFailed."""
        async with self._covering:
            now = self._now()
            if self._covered(now, 1, self._typical(now)):
                return
            lines = {line.start: line for line in self._changed(now, ahead=True)}
            lowered = self._lowered
            for line in lines.values():
                self._daily.note(self._line(line))
            await self._daily.commit()
            if lowered == self._lowered:  # else a later line says less by now
                self._noted |= {start: (line.requests, line.bytes) for start, line in lines.items()}

    def settle(self) -> None:
        """Write down the truth: what was written ahead and not spent is given back."""
        if self.bounded:
            for line in list(self._changed(self._now(), ahead=False)):
                self._note(line)

    def configure(self, budget: Budget) -> None:
        """Another budget from now on; what was spent so far counts."""
        if budget == self._ledger.budget:
            return
        now = self._now()
        if self.bounded:  # then all is in the ledger
            self._tight = (self.taken, self.bytes)
        self._tighten(now)
        self._ledger.budget = budget
        self.bounded = budget.bounded
        self._told = None
        self._over()
        for line in list(self._changed(now, ahead=False)):
            self._note(line)
        self._note(self._step(step_of(now)))

    def _tell(self, until: float) -> None:
        if until == self._told:
            return
        self._told = until
        self.settle()
        self._note(self._step(step_of(self._now())), until)
        day = self.day()
        assert day is not None
        self._daily.spent(self._host, day, until)

    def _note(self, step: Step, until: float | None = None) -> None:
        """Note what is not ahead of anything: should it be lost, an older line stands that says no less."""
        self._daily.note(self._line(step, until))
        self._noted[step.start] = (step.requests, step.bytes)
        self._lowered += 1

    def _line(self, step: Step, until: float | None = None) -> Spent:
        return spent_line(self._host, self._ledger.budget, step, until)

    def _covered(self, now: float, requests: int, size: int) -> bool:
        """Whether the log says already that so much more may have been spent in this step."""
        start = step_of(now)
        noted, own = self._noted.get(start, (0, 0)), self._own.get(start, (0, 0))
        return noted[0] >= own[0] + requests and noted[1] >= own[1] + self.promised + size

    def _changed(self, now: float, *, ahead: bool) -> Iterator[Step]:
        """The steps of which the log does not say what it should; with `ahead`, this one and more than it holds."""
        current = step_of(now)
        for start in sorted({*self._own, *self._noted} - {current}):
            step = self._step(start)
            if self._noted.get(start, (0, 0)) != (step.requests, step.bytes):
                yield step
        step = self._step(current)
        if ahead:
            asked, size = self._ahead(now)
            yield Step(current, step.requests + asked, step.bytes + size)
        elif self._noted.get(current, (0, 0)) != (step.requests, step.bytes):
            yield step

    def _step(self, start: float) -> Step:
        """The truth of a step; what is promised counts as come now."""
        asked, size = self._own.get(start, (0, 0))
        return Step(start, asked, size + (self.promised if start == step_of(self._now()) else 0))

    def _ahead(self, now: float) -> tuple[int, int]:
        budget, (asked, size) = self._ledger.budget, self._ledger.spent(now)
        requests, room = AHEAD_REQUESTS, AHEAD_BYTES
        if budget.requests:
            requests = max(0, min(max(1, budget.requests // AHEAD), budget.requests - asked))
        if budget.bytes:
            room = max(0, min(budget.bytes // AHEAD, budget.bytes - size - self.promised))
        return requests, max(room, self._typical(now))

    def _add(self, now: float, requests: int, size: int) -> None:
        start = step_of(now)
        if start not in self._own:
            self._ledger.entries(now)
            self._own[start] = [0, 0]
            for steps in (self._own, self._noted):
                for old in sorted(steps)[: max(0, len(steps) - STEPS)]:
                    del steps[old]
        step = self._own[start]
        step[0] += requests
        step[1] += size
        self._ledger.add(now, requests, size)


def spent_line(host: str, budget: Budget, step: Step, until: float | None = None) -> Spent:
    """What the log is told of a host's five minutes; `until`: when it may be asked again, if its budget is spent."""
    spent = (step.requests, step.bytes, budget.requests, budget.bytes)
    return Spent(host, _iso(step.start), *spent, until=None if until is None else _iso(until))


def _iso(t: float) -> str:
    return datetime.fromtimestamp(t, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
