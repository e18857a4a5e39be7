"""The driver's end of the budget: what limiters tell goes into the log, what workers may spend comes out of it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

from crawler.cluster.lender import Lender
from crawler.cluster.protocol import Allowance, Lent, Moment, RateBudget, Told, Word
from crawler.events import Spent, Throttled
from crawler.fetch.daily import Daily
from crawler.fetch.exchange import HostState
from crawler.fetch.hosts import utc
from crawler.fetch.settings import HostLimits
from crawler.model import Lane
from crawler.rules.budget import STEPS, Budget, step_of
from crawler.stop import Stop

LOOK_S, TOLD_S = 0.5, 2.0
"""So often it asks the budget: where workers wait for what it allows, and where it is for the log and the display."""
LEAVE_S = 3.0
"""So long workers may take to give back what they have not spent."""
LATE_S = 15.0
"""So long it may take until all workers have heard of other limits."""
_HOSTS_MAX = 2048


class Asking(Protocol):
    """Sends a message until there is an answer. Raises Stop."""

    async def __call__(self, message: Callable[[], Awaitable[Told]]) -> Told: ...


@dataclass(frozen=True, slots=True)
class Hands:
    """What a cashier reaches: `ask` sends a message until it is answered, `note` takes what limiters told, `stop` hears
    of what ends the crawl, `now` are UTC seconds."""

    ask: Asking
    note: Callable[[Throttled], None]
    stop: Callable[[Stop], None]
    now: Callable[[], float] = utc


class Cashier:
    """`open` it once the log is read, then let it `look` now and then, and `close` it when the workers have gone."""

    def __init__(self, budget: RateBudget, hands: Hands) -> None:
        self._budget = budget
        self._hands = hands
        self._daily = Daily()
        self._lanes: Mapping[Lane, HostLimits] | None = None
        self._first: Mapping[Lane, HostLimits] = {}
        self._told = Told(0)
        self._heard_at = 0.0
        self._lenders: dict[str, Lender] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        self._loose: OrderedDict[str, dict[float, tuple[int, int]]] = OrderedDict()
        self._looking = asyncio.Lock()
        self._news = asyncio.Event()
        self._open = False
        self._late_until = 0.0

    def open(self, daily: Daily, lanes: Mapping[Lane, HostLimits]) -> None:
        """What was spent so far, and where to write down more; `spent` is told as in one process. `lanes`: the limits
        now."""
        self._daily, self._open = daily, True
        self._first = lanes if self._lanes is None else self._lanes

    def hosts(self) -> tuple[HostState, ...]:
        """As the budget told last, with the day of each."""
        found: list[HostState] = []
        for host in self._told.hosts:
            lender = self._lenders.get(host.host)
            if lender is None or not self._bounded:
                found.append(host)
                continue
            day = lender.day()
            waiting = lender.wanted if day.wait_s > 0 else 0
            found.append(replace(host, daily=day, waiting=max(host.waiting, waiting)))
        return tuple(found)

    def configure(self, lanes: Mapping[Lane, HostLimits], budget: Budget) -> None:
        """Other limits from now on. Raises StorageFailed."""
        same, self._lanes = (self._lanes or self._first) == lanes, lanes
        self._news.set()
        if not self._open:
            return
        if same:  # else the budget tells
            for host in self._told.hosts:
                self._hands.note(Throttled(host.host, host.rate, None, "reloaded"))
        if budget == self._daily.budget:
            return
        was_bounded = self._bounded
        self._daily = replace(self._daily, budget=budget)
        if not was_bounded:
            self._late_until = self._hands.now() + LATE_S
            for host, steps in self._loose.items():
                for step, spent in steps.items():
                    self._lender(host).lose(step, *spent)
            self._loose.clear()
        for lender in self._lenders.values():
            self._write(lender.configure(budget))

    async def run(self) -> None:
        """Look until cancelled, or until the crawl must stop."""
        while True:
            try:
                await self.look()
            except Stop as stop:
                self._hands.stop(stop)
                return
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S if self._eager else TOLD_S):
                    await self._news.wait()

    async def look(self) -> None:
        """Hear what the budget tells, and allow what workers want. Raises Stop."""
        async with self._looking:
            await self._look()
            if not (self._bounded and self._open):
                return
            lines = [line for lender in self._lenders.values() for line in lender.cover()]
            if lines:
                self._write(lines)
                await self._daily.commit()
                await self._look()  # nobody is to wait for the next time
            for host, lender in self._lenders.items():
                if (found := lender.spent()) is not None:
                    day, until, words = found
                    self._write(words)
                    self._daily.spent(host, day, until)

    async def close(self) -> None:
        """Hear the last of it. Nothing more is allowed then, and what was really spent is written down. Raises Stop."""
        self._open = False
        loop = asyncio.get_running_loop()
        until = loop.time() + LEAVE_S
        async with self._looking:
            while True:
                for lender in self._lenders.values():
                    lender.revoke()
                await self._look()
                if loop.time() > until or not any(lender.held for lender in self._lenders.values()):
                    break
                await asyncio.sleep(LOOK_S / 5)
            self._write([line for lender in self._lenders.values() for line in lender.settle()])

    # -- inside --------------------------------------------------------------------------------------

    @property
    def _bounded(self) -> bool:
        return self._daily.budget.bounded

    @property
    def _eager(self) -> bool:
        """Whether somebody may wait for us."""
        return self._bounded and (not self._lenders or any(lender.eager for lender in self._lenders.values()))

    async def _look(self) -> None:
        now, word = self._hands.now, self._word()
        upto, asked = self._told.last, now()
        told = await self._hands.ask(lambda: self._budget.told(upto, word))
        for event in told.events:
            self._hands.note(event)
        before, self._told, self._heard_at = self._told.moment, told, now()
        if told.moment is None:
            return
        again = before is not None and before.era != told.moment.era
        if again:
            for lender in self._lenders.values():
                lender.bury()
            self._seen.clear()
        lents = {host: tuple(some) for host, some in groupby(told.lent, lambda lent: lent.host)}
        for host, some in lents.items():
            self._lender(host, some if before is None else ()).hear(some, asked)
        for host, lender in self._lenders.items():
            if host not in lents:
                lender.hear((Lent(host, 0.0, 0, 0),), asked)
        for host in [host for host, lender in self._lenders.items() if host not in lents and lender.idle]:
            del self._lenders[host]
        self._count(told.hosts, first=before is None)

    def _word(self) -> Word | None:
        """What the budget is told with the next question, in answer to the last one's answer."""
        moment = self._told.moment
        if moment is None or not (self._bounded or self._lanes is not None):
            return None
        allowances = [self._allowance(lender, moment) for lender in self._lenders.values()] if self._bounded else []
        return Word(moment, self._lanes, tuple([one for one in allowances if one is not None]))

    def _allowance(self, lender: Lender, moment: Moment) -> Allowance | None:
        # The budget's clock stood at `moment` before we heard of it, so this is never later than it should be.
        return lender.allowance(lambda t: moment.at + t - self._heard_at)

    def _count(self, hosts: Iterable[HostState], *, first: bool) -> None:
        """Without a budget what was spent is counted by the way: one may be set while we run. Until all workers have
        heard of it, too, and some of that is then counted twice."""
        step = step_of(self._hands.now())
        for host in hosts:
            before = self._seen.get(host.host, (host.requests, host.bytes) if first else (0, 0))
            self._seen[host.host] = (host.requests, host.bytes)
            more = (host.requests - before[0], host.bytes - before[1])
            if more == (0, 0):
                continue
            if self._bounded:
                if self._heard_at < self._late_until:
                    self._lender(host.host).lose(step, *more)
                continue
            steps = self._loose.setdefault(host.host, {})
            known = steps.get(step, (0, 0))
            steps[step] = (known[0] + more[0], known[1] + more[1])
            if len(steps) > STEPS:
                del steps[min(steps)]
            if len(self._loose) > _HOSTS_MAX:
                self._loose.popitem(last=False)

    def _lender(self, host: str, began: tuple[Lent, ...] = ()) -> Lender:
        lender = self._lenders.get(host)
        if lender is None:
            lender = self._lenders[host] = Lender(host, self._daily, self._hands.now, began)
        return lender

    def _write(self, lines: Iterable[Spent]) -> None:
        for line in lines:
            self._daily.note(line)
