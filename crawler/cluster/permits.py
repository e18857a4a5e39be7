"""A worker's end of the rate budget: permits for all hosts it asks, had ahead of time; without them nothing is asked.

`Permits.run` is one loop that speaks to the budget at most every GAP_S, for all hosts at once: it brings what was heard
of them and fetches what will be wanted next. A host's `PermitPace` stands where a `rules.rate.Pace` of its own would
stand. When the budget cannot be reached, what was granted may be used until its life is over, and then nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import count
from weakref import WeakValueDictionary

from crawler.cluster.flows import thinned
from crawler.cluster.protocol import Ask, Grant, Moment, RateBudget, Refusal, Report, Unreachable
from crawler.cluster.purse import Purse
from crawler.cluster.reckoning import Reckoning, Use
from crawler.fetch.pacing import NAP_S
from crawler.fetch.settings import HostLimits
from crawler.model import Lane
from crawler.rules.learning import Memory
from crawler.rules.rate import Change
from crawler.stop import Gate

GAP_S, GAP_MAX_S = 0.05, 2.0
"""So far apart are messages to the budget, at least."""
_GAP_TRIPS, _GAP_QUEUES = 4, 20
"""And so many round trips, or times what they take longer than the shortest: where very many workers ask a budget, all
ask less often, long before its answers come too late."""
HORIZON_S, HORIZON_MAX_S = 0.25, 0.9
"""For so long ahead permits are fetched, for hosts that are asked all the time; longer where messages are far apart."""
REPORT_S = 1.0
"""What was heard is told so late at the latest; a refusal at once."""
_ASKS_MAX = 500
_HEARD_MAX = 64
_TICK_S = 1e-5
"""A loop takes a timer that is nearer than its clock can tell for one that is due."""
_BACK_S, _BACK_MAX_S = 0.1, 1.0


class Permits:
    """All of a worker's paces and purses. `run` must run as long as they are used, and `leave` comes after it."""

    def __init__(self, worker: str, budget: RateBudget) -> None:
        self._worker = worker
        self._budget = budget
        self._clock = Reckoning()
        self._busy: dict[PermitPace, None] = {}
        self._woken = asyncio.Event()
        self._purses: WeakValueDictionary[str, Purse] = WeakValueDictionary()
        self._number = count(1)
        self.horizon_s = HORIZON_S
        """So far ahead permits are fetched now."""
        self._trip_s = self._gap_s = 0.0
        self.asked = 0
        """Messages to the budget so far."""

    def pace(self, host: str, lane: Lane, limits: HostLimits) -> PermitPace:
        """The pace of a host (a `fetch.pacing.Paces`)."""
        purse = self._purses.get(host) or Purse(asyncio.get_running_loop().time, partial(next, self._number))
        pace = PermitPace(self, host, lane, limits, purse)
        self._purses[host], purse.wake = purse, partial(self.wake, pace)
        return pace

    def account(self, host: str) -> Purse:
        """The purse of a host that has a pace (see `fetch.daily.Daily.account`)."""
        return self._purses[host]

    def flush(self) -> None:
        """Have told soon what was heard so far."""
        for pace in self._busy:
            pace.urge()
        self._woken.set()

    async def leave(self) -> None:
        """Give back what is left of daily budgets: nothing more is asked. Raises Unreachable."""
        loop = asyncio.get_running_loop()
        for purse in tuple(self._purses.values()):
            purse.leave()
        while any(pace.due(loop.time()) <= loop.time() for pace in self._busy):
            await self._speak(loop, loop.time())

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        back_s = _BACK_S
        while True:
            self._woken.clear()
            now = loop.time()
            dues = {pace: due for pace in self._busy if (due := pace.due(now)) < math.inf}
            self._busy = dict.fromkeys(dues)
            due = min(dues.values(), default=math.inf)
            if due > now:
                await self._sleep(due - now)
                continue
            try:
                await self._speak(loop, now)
            except Unreachable:
                await asyncio.sleep(back_s)
                back_s = min(2 * back_s, _BACK_MAX_S)
            else:
                back_s = _BACK_S
                await asyncio.sleep(max(0.0, now + self._gap_s - loop.time()))

    def wake(self, pace: PermitPace) -> None:
        """A pace has something to say, or to ask."""
        self._busy[pace] = None
        self._woken.set()

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, _TICK_S) if seconds < math.inf else None):
                await self._woken.wait()

    async def _speak(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """One message for all who have something to say. Raises Unreachable: then it is said again."""
        spoken = [pace for pace in self._busy if pace.due(now) <= now + GAP_S or pace.free(now)][:_ASKS_MAX]
        moment = self._clock.moment(now)
        said = [pace.say(now) for pace in spoken]
        self.asked += 1
        try:
            found = await self._budget.reserve(self._worker, said, moment)
        except BaseException:
            for pace, ask in zip(spoken, said, strict=True):
                pace.unsaid(ask, now)
            raise
        heard = loop.time()
        self._clock.trip(now, found.moment, heard)
        self._trip_s += 0.3 * (heard - now - self._trip_s)
        queue_s = self._trip_s - self._clock.shortest
        self._gap_s = min(max(GAP_S, _GAP_TRIPS * self._trip_s, _GAP_QUEUES * queue_s), GAP_MAX_S)
        self.horizon_s = min(max(HORIZON_S, 2 * (heard - now), 1.5 * self._gap_s), HORIZON_MAX_S)
        for pace, grant in zip(spoken, found.grants, strict=True):
            pace.take(grant, found.moment, self._clock, heard)


class PermitPace:
    """A `fetch.pacing.Pacing`: one host, paced by permits."""

    calm = False  # the budget wants to hear of every reply

    def __init__(self, permits: Permits, host: str, lane: Lane, limits: HostLimits, purse: Purse) -> None:
        self._permits, self._purse = permits, purse
        self._loop = asyncio.get_running_loop()
        self._host = host
        self._lane: Lane = lane
        self._rate = self._budget = limits.rate
        self._limit = 0.0
        self._blocked_until = -math.inf
        self.blocks = 0
        self._slots: deque[Use] = deque()
        self._free_until = self._quick_until = -math.inf
        # Where there is no limit: until then nothing but the time is looked at; from then on more of it is asked for.
        self._renew = False
        self._ask_at = -math.inf
        self._low = 0
        # What was done and heard since the last report.
        self._sent = self._beyond = 0
        self._clean: list[float] = []
        self._refused: list[tuple[float, Refusal]] = []
        self._since = math.inf
        self._urgent = False
        self._probing = self._probed = False
        # What is wanted.
        self._queued = 0
        self._waiter: asyncio.Future[None] | None = None
        self._speed, self._asked_at = 0.0, self._loop.time()

    # -- as a pace -----------------------------------------------------------------------------------

    @property
    def rate(self) -> float:
        """The working rate of the whole cluster, requests/s; 0 = no limit."""
        return self._rate

    @property
    def budget(self) -> float:
        """The configured rate."""
        return self._budget

    @property
    def blocked_until(self) -> float:
        """Nothing goes before this time, as far as it was told."""
        return self._blocked_until

    @property
    def ready(self) -> float:
        """When the next permit may be used; infinite while there is none."""
        now = self._loop.time()
        self._prune(now)
        if self._slots:
            return self._slots[0].due
        return -math.inf if now < self._free_until else math.inf

    def reserve_now(self, now: float) -> bool:
        """Use a permit at this very moment, if there is one and no block was heard of."""
        if now < self._quick_until:
            self._sent += 1
            return True
        if now < self._free_until:
            self._quick_until, self._renew = self._free_until, True
            self._permits.wake(self)
            self._sent += 1
            return True
        if self.blocks or not self._slots:
            return False
        self._prune(now)
        if not self._slots or self._slots[0].due > now:
            return False
        self.reserve(now)
        return True

    def reserve(self, now: float) -> float:
        """Use the next permit: `ready` has come."""
        if self._slots:
            self._slots.popleft()
            if len(self._slots) < self._low:
                self._permits.wake(self)
        self._sent += 1
        return now

    def refused(
        self,
        sent: float,
        now: float,
        retry_after_s: float | None,
        reason: str,
        *,
        again: bool = False,
        limited: bool = True,
    ) -> Change | None:
        """Told to the budget at once, and nothing more is sent until it answers."""
        self._hear(sent, Refusal(0.0, reason, retry_after_s, again, limited))
        self._drop()
        self.blocks = max(1, self.blocks)
        self._blocked_until = max(self._blocked_until, now)
        return None

    def troubled(self, sent: float, now: float, reason: str) -> Change | None:
        """Told to the budget."""
        self._hear(sent, Refusal(0.0, reason, limited=False, trouble=True))
        return None

    def clean(self, sent: float, now: float) -> Change | None:
        """Told to the budget, in time; of very many only some are told one by one."""
        clean = self._clean
        if not clean and self._since == math.inf:
            self._since = now
            self._permits.wake(self)
        clean.append(sent)
        return None

    def configure(self, rate: float, burst: int, now: float, *, adaptive: bool) -> None:
        """The budget is told by the driver, and the next grant says what it is."""

    def memory(self, now: float) -> Memory:
        """What the budget told."""
        return Memory(self._rate, self._limit)

    def probed(self) -> None:
        """See `Pacing`."""
        if self._probing:
            self._probing, self._probed, self._urgent = False, True, True
            self._permits.wake(self)

    async def wait(self, gate: Gate, seconds: float, queued: int) -> None:
        """Until a permit may be used, or came. Raises Draining."""
        self._queued = self._purse.lined = queued
        if len(self._slots) < queued:
            self._permits.wake(self)
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(min(max(seconds, _TICK_S), NAP_S), _wake, waiter)
        try:
            await gate.turn(waiter)
        finally:
            timer.cancel()
            self._waiter, self._queued, self._purse.lined = None, 0, 0

    # -- as the worker's voice -----------------------------------------------------------------------

    def due(self, now: float) -> float:
        """When it has something to say or to ask; infinite if nothing."""
        self._prune(now)
        if self._urgent or self._renew:
            return now
        due = self._since + REPORT_S
        if self._wanted(now):
            due = min(due, max(self._ask_at, now))
        if self._probing and self._slots:
            due = min(due, self._slots[0].latest + GAP_S)
        return min(due, self._purse.due(now))

    def urge(self) -> None:
        """What there is to tell is told now."""
        self._urgent = self._urgent or self._since < math.inf

    def free(self, now: float) -> bool:
        """Whether it needs no permits: then it speaks when others have to."""
        return now < self._free_until

    def say(self, now: float) -> Ask:
        """What was heard and what is wanted."""
        if self._quick_until - REPORT_S / 2 <= now < self._free_until and self._quick_until < self._free_until:
            self._renew, self._quick_until = True, self._free_until  # a message goes to the budget anyway
        passed = now - self._asked_at
        if passed >= GAP_S / 2:
            self._speed += 0.5 * (self._sent / passed - self._speed)
            self._asked_at = now
        cleans = self._beyond + len(self._clean)
        clean = tuple([now - sent for sent in thinned(self._clean, _HEARD_MAX)])
        refused = tuple([refusal._replace(age_s=now - sent) for sent, refusal in self._refused])
        report = Report(cleans, clean, refused, self._sent, self._probed, self._purse.bytes)
        self._sent = self._beyond = 0
        self._clean, self._refused = [], []
        self._since, self._urgent, self._probed = math.inf, False, False
        wanted = self._wanted(now) if self._ask_at <= now + GAP_S else 0
        wanted, self._renew = max(wanted, self._renew), False
        return Ask(self._host, self._lane, wanted, report, self._purse.say(now, self._speed))

    def unsaid(self, ask: Ask, then: float) -> None:
        """The message may not have arrived: what it said is said again. (What is heard twice is no news.)"""
        report = ask.report
        self._beyond += report.cleans - len(report.clean)
        self._sent += report.requests
        self._clean = [then - age for age in report.clean] + self._clean
        self._refused = [(then - one.age_s, one) for one in report.refusals] + self._refused
        self._probed |= report.probed
        self._quick_until = -math.inf  # where it was asked to be free for longer, the next request asks again
        self._urgent |= bool(report.refusals) or report.probed
        if report.cleans or report.requests:
            self._since = min(self._since, then)

    def take(self, grant: Grant, moment: Moment, clock: Reckoning, now: float) -> None:
        """What the budget said."""
        self._rate, self._budget, self._limit = grant.rate, grant.budget, grant.limit
        self._purse.fill(grant.portion, clock.low, now)
        if self._refused:  # heard since we asked, and more recent than what it said
            self._probed |= grant.probing and grant.count > 0
            return
        at = moment.at + grant.delay_s
        if grant.blocks and not self.blocks:
            self._drop()
        self.blocks = grant.blocks
        self._blocked_until = now + grant.blocked_s
        if not grant.count:
            self._ask_at = max(now, at + clock.high)
        elif grant.rate == 0 and not grant.probing:
            self._free_until = moment.at + clock.low + grant.life_s
            self._quick_until = min(now + grant.life_s / 2, self._free_until)
        else:
            self._probing = self._probing or grant.probing
            self._slots.extend([clock.use(moment.at + delay_s, life_s, now) for delay_s, life_s in grant.turns()])
            self._low = (len(self._slots) + 1) // 2
            self._prune(now)
        if self._waiter is not None:
            _wake(self._waiter)

    def _wanted(self, now: float) -> int:
        """How many permits it lacks."""
        if now < self._free_until:
            return 0
        if self.blocks:
            return 1 if self._queued and not self._slots and not self._probing else 0
        ahead = int(self._speed * self._permits.horizon_s)
        return max(0, self._queued + ahead - len(self._slots))

    def _hear(self, sent: float, refusal: Refusal) -> None:
        self._refused.append((sent, refusal))
        del self._refused[:-_HEARD_MAX]
        self._urgent = True
        self._permits.wake(self)

    def _drop(self) -> None:
        self._slots.clear()
        self._free_until = self._quick_until = -math.inf
        if self._probing:
            self._probing, self._probed, self._urgent = False, True, True

    def _prune(self, now: float) -> None:
        """Permits whose life is over are lost."""
        slots = self._slots
        if not slots or slots[0].latest >= now:
            return
        while slots and slots[0].latest < now:
            slots.popleft()
        if self._probing and not slots:
            self._probing, self._probed, self._urgent = False, True, True
            self._permits.wake(self)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
