"""A worker's purse of one host: what it may spend of limits.daily, had ahead of time; without it nothing is asked.

It stands where a `fetch.daily.Account` of its own would stand. A portion holds for five minutes at most, as the log
says that it may be spent in just these. What is not needed is given back after a second.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from crawler.cluster.protocol import FREE, Kept, Portion
from crawler.fetch.exchange import Day
from crawler.fetch.promises import Accounting, Turn
from crawler.rules.budget import Budget
from crawler.stop import Gate

POLL_S, TRIES, POLL_MAX_S = 0.25, 8, 5.0
"""Who waits for a portion asks so often, and after so many tries ever less often."""
IDLE_S = 1.0
"""What is not used for so long goes back; for so long ahead a purse is filled."""


class Purse(Accounting):
    """One host's. `now`: the loop's time; `number`: the next one, over all purses here."""

    def __init__(self, now: Callable[[], float], number: Callable[[], int]) -> None:
        super().__init__()
        self.wake: Callable[[], None] = lambda: None
        """Called when there is something to say."""
        self.lined = 0
        """So many requests wait for their turn by the rate."""
        self._number = number
        self._now = now
        self._portion: Portion | None = None
        self._dead_at = math.inf
        self._asked = self._came = 0
        self._loose = 0  # came while there was no portion
        self._closed: Kept | None = None  # of the portion before, not heard yet
        self._said: Kept | None = None
        self._last = ("", 0.0)
        self._told = (0, 0, 0)
        self._waiters: set[asyncio.Future[None]] = set()
        self._queued = 0
        self._speed = 0.0
        self._used_at = self._ask_at = -math.inf
        self._poll_s, self._tries = POLL_S, 0
        self._leaving = False

    # -- as an account -------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing is out, and nothing is to be said."""
        return not self.out and self._portion is None and self._closed is None

    def open(self) -> bool:
        """Whether one more request may be sent at this moment."""
        if not self.bounded:
            return True
        portion = self._alive()
        return (
            portion is not None
            and self._asked < portion.requests
            and self._came + self.promised + portion.typical <= portion.bytes
        )

    async def wait(self, gate: Gate) -> None:
        """Wait for what stands in the way of `open`, or for some time. Raises Draining."""
        self._queued += 1
        try:
            await gate.turn(self._waiter())
        finally:
            self._queued -= 1

    def take(self, memory: int) -> Turn:
        """Let one request out: it counts from now on."""
        self.taken += 1
        turn = Turn(memory)
        if not self.bounded or self._portion is None:
            return turn
        self._asked += 1
        self._used_at = self._now()
        if self._portion.bytes < FREE:
            self.announced(turn, self._portion.typical)
        if self._portion.requests - self._asked <= self._speed * IDLE_S / 2:
            self.wake()
        return turn

    async def keep_up(self) -> None:
        """Wait until what comes is covered, before more of it does."""
        while self.bounded and self._owes():
            await self._waiter()

    def day(self) -> Day | None:
        """The driver knows."""
        return None

    def settle(self) -> None:
        """The budget is told in time."""

    def configure(self, budget: Budget) -> None:
        """Other limits: whether they bound anything is all that matters here."""
        self.bounded = budget.bounded
        self._used_at = self._now()  # what is unbounded does not count the time
        self._rouse()

    # -- as the worker's voice -----------------------------------------------------------------------

    def due(self, now: float) -> float:
        """When there is something to say or to ask; infinite if nothing."""
        if not self.bounded:
            return math.inf
        portion = self._alive()
        if self._wants(math.ceil(self._speed * IDLE_S / 2)) or self._owes():
            return max(self._ask_at, now)
        if self._closed is not None:
            return max(self._ask_at, now)
        quiet = not self._queued and not self.lined and not self.out
        news = self._told != (self._asked, self._came, self.out)
        if quiet and (news or (portion is not None and self._spare(portion))):
            return max(self._ask_at, self._used_at + (0 if self._leaving else IDLE_S))
        return math.inf

    def say(self, now: float, speed: float) -> Kept | None:
        """What it keeps, and what it wants; `speed`: requests a second of late."""
        if not self.bounded:
            return None
        self._speed = speed
        self._ask_at = now + self._poll_s
        self._tries += 1
        if self._tries > TRIES:
            self._poll_s = min(1.5 * self._poll_s, POLL_MAX_S)
        portion = self._alive()
        wants, owes = self._wants(math.ceil(speed * IDLE_S)), self._owes()
        self._said, self._told = self._closed, (self._asked, self._came, self.out)
        if self._closed is not None or portion is None:
            before = self._closed or Kept(0)
            return before._replace(number=self._number(), wants=wants, owes=owes)
        most = max(self._queued, self.lined) + math.ceil(2 * speed * IDLE_S) + 1
        left = min(portion.requests - self._asked, most)
        if self._resting(now):
            left = 0
        requests, size = self._asked + left, self._came + self.promised + left * portion.typical
        self._portion = portion = portion._replace(
            requests=min(portion.requests, requests) if portion.requests < FREE else FREE,
            bytes=min(portion.bytes, size) if portion.bytes < FREE else FREE,
        )
        return self._kept(portion)._replace(number=self._number(), wants=wants, owes=owes)

    def fill(self, portion: Portion | None, low: float, now: float) -> None:
        """What the budget gave; `low`: our clock is ahead of its by at least so much."""
        if self._closed is self._said:
            self._closed = None  # it was heard
        mine = self._alive()
        if portion is not None and (portion.era, portion.step) != self._last and portion.until + low > now:
            if mine is None or (mine.era, mine.step) != (portion.era, portion.step):
                if mine is not None:
                    self._close(mine)
                self._asked, self._came, self._loose = 0, self._loose, 0
            if mine is None or portion.requests > mine.requests:
                self._used_at = now
            self._portion, self._dead_at = portion, portion.until + low
        self._rouse()

    def leave(self) -> None:
        """Keep only what is spent from now on."""
        self._leaving, self._ask_at = True, -math.inf
        self.wake()

    # -- inside --------------------------------------------------------------------------------------

    def _spend(self, size: int) -> None:
        if self._alive() is None:
            self._loose += size
        else:
            self._came += size

    def _over(self) -> None:
        self._used_at = self._now()
        if not self.out:
            self.wake()

    def _alive(self) -> Portion | None:
        if self._portion is not None and self._now() >= self._dead_at:
            self._close(self._portion)
            self._portion = None
        return self._portion

    def _close(self, portion: Portion) -> None:
        self._last = (portion.era, portion.step)
        self._closed = self._kept(portion)._replace(most_requests=self._asked, most_bytes=self._came, out=0)
        self._asked = self._came = 0

    def _kept(self, portion: Portion) -> Kept:
        spent = (self._asked, self._came, min(self.out, self._asked))
        return Kept(0, portion.era, portion.step, *spent, portion.requests, portion.bytes)

    def _wants(self, ahead: int) -> int:
        """How many requests it lacks, when it wants so many beside those that wait."""
        if self._resting(self._now()):
            return 0
        portion, left = self._alive(), 0
        if portion is not None:
            left = portion.requests - self._asked
            if portion.bytes < FREE:
                room = max(0, portion.bytes - self._came - self.promised)
                left = min(left, room // portion.typical if portion.typical else left)
        return max(0, max(self._queued, self.lined) + ahead - left)

    def _resting(self, now: float) -> bool:
        return self._leaving or (not self._queued and not self.lined and now - self._used_at >= IDLE_S)

    def _owes(self) -> int:
        if self._alive() is None:
            return self._loose + self.promised
        assert self._portion is not None
        return max(0, self._came + self.promised - self._portion.bytes)

    def _spare(self, portion: Portion) -> bool:
        spare = portion.requests < FREE and portion.requests > self._asked
        return spare or (portion.bytes < FREE and portion.bytes > self._came + self.promised)

    def _waiter(self) -> asyncio.Future[None]:
        """Done when something came, or after some time."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiters.add(waiter)
        timer = loop.call_later(2 * POLL_MAX_S, _done, waiter)

        def forget(_: asyncio.Future[None]) -> None:
            timer.cancel()
            self._waiters.discard(waiter)

        waiter.add_done_callback(forget)
        self.wake()
        return waiter

    def _rouse(self) -> None:
        if self.open():
            self._poll_s, self._tries = POLL_S, 0
        for waiter in tuple(self._waiters):
            _done(waiter)


def _done(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
