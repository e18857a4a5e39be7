"""One budget for each host, over a whole cluster: a `rules.rate.Pace` whose turns are given out ahead, in batches.

What a server sees: a turn is for a moment at most AHEAD_S away, and is used within its life of that moment or never,
whatever becomes of the message that brought it. So in any second there are at most rate * (1 + life) + burst requests,
and lives are so short that this is never more than 5 % above what was configured.

What a refusal does: nobody gets a turn before the block is over and all turns given out before are dead, so whatever
is still refused meanwhile is an echo. Then one worker at a time may ask (`Grant.probing`), until one is answered.

A budget that is started again knows what limiters told before it, and no more: it gives no turn before all that its
predecessor gave are dead, and begins with nothing saved up.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from crawler.cluster.flows import Flows
from crawler.cluster.pool import Pools
from crawler.cluster.protocol import Ask, Grant, Grants, Moment, Refusal, Report, Told, Word
from crawler.events import Throttled
from crawler.fetch.exchange import HostState
from crawler.fetch.hosts import utc
from crawler.fetch.known import Known
from crawler.fetch.settings import HostLimits
from crawler.model import Lane
from crawler.rules.rate import Change, Pace
from crawler.rules.settings import RetrySettings

AHEAD_S = 1.0
"""Turns are given out at most so far ahead."""
LIFE_MIN_S, LIFE_MAX_S = 0.045, 0.8
FREE_S = 2.0
"""Where there is no limit, anybody may ask for so long; then he looks whether that still holds."""
PROBE_S = 30.0
"""A worker that was to ask a host that refused, and says nothing of it for so long, is given up."""
BATCH_MAX = 1000
_SERIES = 3
"""What was saved up goes at once, and the next turn comes when it comes: from then on distances are equal."""
_POLL_S, _POLL_MAX_S = 0.05, 5.0
_ASKING_S = 2.0
"""Who asked a host within so long shares it."""
_HOSTS_MAX, _WORKERS_MAX = 4096, 10_000
_HOSTS_SHOWN = 100
_EVENTS_MAX = 10_000


def _evenly(pace: Pace, first: float, most: int, now: float) -> tuple[int, float, float]:
    """Reserve turns from `first` on while their distances are equal: how many, how far apart, when the last one is."""
    last, count, spacing = pace.reserve(first), 1, 0.0
    while count < most:
        at = max(now, pace.ready)
        if at > now + AHEAD_S or (count > 1 and abs(at - last - spacing) > 1e-6):
            break
        spacing = at - last if count == 1 else spacing
        last = pace.reserve(at)
        count += 1
    return count, spacing, last


def life(rate: float, burst: int) -> float:
    """How late a turn may be used, in seconds, without the budget being exceeded by 5 % in any second.

    Requests are whole: at 0.6 a second, one second has one of them, even when each is half a second late.
    """
    room = (math.floor(1.05 * rate + burst) + 1 - burst) / rate - 1
    return min(max(LIFE_MIN_S, 0.8 * room), LIFE_MAX_S)


class _Host:
    """A host: its pace, who asks, and what is on its way."""

    __slots__ = (
        "_asking",
        "_had",
        "_line",
        "burst",
        "bytes",
        "cut",
        "dead_at",
        "echo_until",
        "flows",
        "lane",
        "name",
        "pace",
        "probe",
        "quiet_until",
        "reason",
        "refused",
        "requests",
        "start",
    )

    def __init__(self, name: str, lane: Lane, pace: Pace, burst: int, start: float) -> None:
        self.name = name
        self.lane: Lane = lane
        self.pace = pace
        self.burst = burst
        self.start = self.dead_at = self.quiet_until = start
        """Its pace began then; all turns given out so far are dead at `dead_at`; none is for before `quiet_until`."""
        self.cut = self.echo_until = -math.inf
        self.probe: tuple[str, float] | None = None
        self.reason = ""
        self.refused = self.requests = self.bytes = 0
        self._had: dict[str, int] = {}
        self._asking: OrderedDict[str, float] = OrderedDict()
        self._line = -math.inf
        self.flows = Flows()

    def idle(self, now: float) -> bool:
        """Nobody asked lately, and no block is left to be remembered."""
        return now > self.dead_at and self.pace.blocked_until <= now and not self._share(now)

    def asks(self, worker: str, now: float) -> int:
        """A worker wants turns: how many workers share the host now."""
        self._asking[worker] = now
        self._asking.move_to_end(worker)
        return self._share(now)

    def had(self, worker: str, size: int) -> None:
        """A worker had so many bytes of it in all."""
        before = self._had.get(worker, 0)
        if size != before:
            self.bytes += size - before if size > before else size  # less: it forgot the host meanwhile
            self._had[worker] = size
            if len(self._had) > _WORKERS_MAX:
                del self._had[next(iter(self._had))]

    def leaves(self, worker: str) -> None:
        """A worker wants no turns."""
        self._asking.pop(worker, None)

    def come_back(self, now: float, opens: float) -> float:
        """When to ask again, in seconds: those in line are told different times, or all would ask at one."""
        interval = 1 / self.pace.rate if self.pace.rate else 0.0
        self._line = max(min(self._line, now + _POLL_MAX_S), opens - interval) + interval
        return min(max(self._line - now, _POLL_S), _POLL_MAX_S)

    def _share(self, now: float) -> int:
        for worker in list(takewhile(lambda one: now - self._asking[one] > _ASKING_S, self._asking)):
            del self._asking[worker]
        return len(self._asking)


class Budget:
    """`protocol.RateBudget`. `known`: what limiters told last in earlier runs, by host. `now`: seconds of a clock that
    never goes back (the loop's); `utc`: of the calendar, for what is told to people and to the next run.

    `fresh`: no budget was ever before it in this cluster, so no turns can be about.
    """

    def __init__(
        self,
        lanes: Mapping[Lane, HostLimits],
        retry: RetrySettings,
        known: Mapping[str, Throttled] | None = None,
        *,
        now: Callable[[], float] | None = None,
        utc: Callable[[], float] = utc,
        fresh: bool = False,
    ) -> None:
        self._lanes = dict(lanes)
        self._retry = retry
        self._clock = now
        self._utc = utc
        self._era = secrets.token_hex(8)
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._most = _HOSTS_MAX
        self._known = Known(known or {}, utc, self._hosts)
        self._pools = Pools(self._era)
        self._word_at = -math.inf
        self._events: deque[Throttled] = deque(maxlen=_EVENTS_MAX)
        self._last = secrets.randbits(48)  # what another budget told is acknowledged with other numbers
        self._quiet_until: float | None = -math.inf if fresh else None

    async def reserve(self, worker: str, asks: Sequence[Ask], moment: Moment | None = None) -> Grants:
        """See `RateBudget`."""
        now = self._now()
        if self._quiet_until is None:
            self._quiet_until = now + AHEAD_S + LIFE_MAX_S
        said = min(now, moment.at) if moment is not None and moment.era == self._era else now
        grants = tuple([self._serve(worker, ask, now, said) for ask in asks])
        return Grants(Moment(self._era, now), grants)

    async def told(self, upto: int, word: Word | None = None) -> Told:
        """See `RateBudget`."""
        now = self._now()
        if word is not None and word.moment.era == self._era and word.moment.at > self._word_at:
            self._word_at = word.moment.at
            self._obey(word, now)
        first = self._last - len(self._events) + 1
        if first <= upto <= self._last:
            for _ in range(upto - first + 1):
                self._events.popleft()
        last = list(self._hosts.values())[-_HOSTS_SHOWN:]
        hosts = tuple([_state(host, now) for host in sorted(last, key=lambda host: host.name)])
        return Told(self._last, tuple(self._events), hosts, self._pools.lent(now), Moment(self._era, now))

    def _serve(self, worker: str, ask: Ask, now: float, said: float) -> Grant:
        host = self._host(ask.host, ask.lane, now)
        self._hear(host, worker, ask.report, now, said)
        portion = None if ask.kept is None else self._pools.serve(host.name, worker, ask.kept, now)
        grant = Grant(0, 0.0, 0.0, 0.0, host.pace.rate, host.pace.budget)
        if ask.wanted <= 0:
            host.leaves(worker)
        elif host.pace.blocks:
            grant = self._probe(host, worker, now)
        elif not host.pace.rate:
            grant = self._free(host, ask.wanted, now)
        else:
            grant = self._batch(host, ask.wanted, host.asks(worker, now), now)
        return _dressed(replace(grant, portion=portion) if portion is not None else grant, host, now)

    # -- turns ---------------------------------------------------------------------------------------

    def _free(self, host: _Host, wanted: int, now: float) -> Grant:
        """There is no limit."""
        opens = max(host.pace.ready, host.quiet_until)
        if opens > now:
            return Grant(0, min(opens - now, _POLL_MAX_S), 0.0, 0.0, 0.0, host.pace.budget)
        host.dead_at = max(host.dead_at, now + FREE_S)
        return Grant(wanted, 0.0, 0.0, FREE_S, 0.0, host.pace.budget)

    def _batch(self, host: _Host, wanted: int, sharing: int, now: float) -> Grant:
        """Turns within AHEAD_S; fewer than wanted where others share the host."""
        pace = host.pace
        first = max(now, pace.ready, host.quiet_until)
        if first > now + AHEAD_S:
            return Grant(0, host.come_back(now, first - AHEAD_S), 0.0, 0.0, pace.rate, pace.budget)
        most = max(1, min(wanted, math.ceil(pace.rate * AHEAD_S / sharing), BATCH_MAX))
        life_s = life(pace.budget or pace.rate, host.burst)
        series: list[Grant] = []
        while most > 0 and len(series) < _SERIES and first <= now + AHEAD_S:
            count, spacing, last = _evenly(pace, first, most, now)
            series.append(Grant(count, first - now, spacing, life_s, pace.rate, pace.budget))
            host.dead_at = max(host.dead_at, last + life_s)
            most, first = most - count, max(now, pace.ready)
        grant = series.pop()
        while series:
            grant = replace(series.pop(), then=grant)
        return grant

    def _probe(self, host: _Host, worker: str, now: float) -> Grant:
        """The turn of the one who asks whether a host still refuses."""
        pace = host.pace
        if host.probe is not None and host.probe[1] > now and host.probe[0] != worker:  # who asks again has lost it
            return Grant(0, min(1.0, host.probe[1] - now), 0.0, 0.0, pace.rate, pace.budget)
        first = max(now, pace.ready, host.quiet_until)
        if first > now + AHEAD_S:
            away = min(max(first - AHEAD_S - now, _POLL_S), _POLL_MAX_S)
            return Grant(0, away, 0.0, 0.0, pace.rate, pace.budget)
        pace.reserve(first)
        host.dead_at = max(host.dead_at, first + LIFE_MAX_S)
        host.probe = (worker, first + PROBE_S)
        return Grant(1, first - now, 0.0, LIFE_MAX_S, pace.rate, pace.budget)

    # -- what was heard ------------------------------------------------------------------------------

    def _hear(self, host: _Host, worker: str, report: Report, now: float, said: float) -> None:
        """Take in a report, in the order in which its requests were sent."""
        host.requests += report.requests
        host.had(worker, report.bytes)
        heard: list[tuple[float, Refusal | None]] = [(said - max(0.0, age), None) for age in report.clean]
        heard += [(said - max(0.0, one.age_s), one) for one in report.refusals]
        heard.sort(key=lambda one: one[0])
        free = not host.pace.rate and not host.pace.blocks
        if free:
            host.flows.report(worker, [sent for sent, _ in heard], report.requests, now)
            host.pace.sent_all(host.flows.settled(now))
        for sent, refusal in heard:
            self._judge(host, sent, now, refusal)
        if free and host.pace.blocks:
            host.pace.sent_all(host.flows.until(now))
        if report.probed and host.probe is not None and host.probe[0] == worker:
            host.probe = None
        if not host.pace.blocks:
            host.probe = None

    def _judge(self, host: _Host, sent: float, now: float, refusal: Refusal | None) -> None:
        now = max(now, host.start)
        if host.cut <= sent < host.echo_until:
            # A turn given out before the last cut and used after it says nothing new, like one used before it.
            if refusal is None:
                host.pace.sent(sent)
            sent = math.nextafter(host.cut, -math.inf)
        if refusal is None:
            self._tell(host, host.pace.clean(sent, now), now)
            return
        if refusal.trouble:
            change = host.pace.troubled(sent, now, refusal.reason)
        else:
            host.refused += 1
            if not host.pace.rate and not host.pace.blocks:
                host.pace.sent_all(host.flows.until(sent))
            elif sent > host.cut:
                host.pace.unsent(now)  # its turns are dropped; those of others that are used all the same will be told
            change = host.pace.refused(
                sent, now, refusal.retry_after_s, refusal.reason, again=refusal.again, limited=refusal.limited
            )
        if sent > host.cut and (change is not None or not refusal.trouble):
            host.cut, host.echo_until = now, host.dead_at
            if not refusal.trouble:
                host.quiet_until = max(host.quiet_until, host.dead_at)
        self._tell(host, change, now)

    def _tell(self, host: _Host, change: Change | None, now: float) -> None:
        if change is None:
            return
        if change.reason != "resumed":
            host.reason = "" if change.reason in ("recovered", "limit_gone") else change.reason
        self._events.append(self._known.tell(host.name, change, host.pace.memory(now), now))
        self._last += 1

    # -- what the driver says ------------------------------------------------------------------------

    def _obey(self, word: Word, now: float) -> None:
        for allowance in word.allowances:
            self._pools.allow(allowance)
        if word.lanes is None or word.lanes == self._lanes:
            return
        self._lanes = dict(word.lanes)
        for host in self._hosts.values():
            limits = self._lanes[host.lane]
            host.pace.configure(limits.rate, limits.burst, now, adaptive=limits.adaptive)
            host.burst = limits.burst
            host.quiet_until = max(host.quiet_until, host.dead_at)  # what the old rate gave out goes first
            self._events.append(Throttled(host.name, host.pace.rate, None, "reloaded"))
            self._last += 1

    # -- hosts ---------------------------------------------------------------------------------------

    def _host(self, name: str, lane: Lane, now: float) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            self._forget(now)
            assert self._quiet_until is not None
            limits, start = self._lanes[lane], max(now, self._quiet_until)
            pace = Pace(
                limits.rate,
                limits.burst,
                start,
                adaptive=limits.adaptive,
                retry=self._retry,
                memory=self._known.memory(name),
            )
            host = self._hosts[name] = _Host(name, lane, pace, limits.burst, start)
        else:
            self._hosts.move_to_end(name)
        return host

    def _forget(self, now: float) -> None:
        """Safe: a host that comes back starts with nothing saved up, and with what it last told."""
        if len(self._hosts) < self._most:
            return
        for name in [name for name, host in self._hosts.items() if host.idle(now)][: self._most // 2]:
            del self._hosts[name]
        self._most = max(_HOSTS_MAX, 2 * len(self._hosts))

    def _now(self) -> float:
        return self._clock() if self._clock is not None else asyncio.get_running_loop().time()


def _dressed(grant: Grant, host: _Host, now: float) -> Grant:
    """With how the host stands."""
    pace = host.pace
    if not pace.blocks and pace.blocked_until <= now and not pace.budget:
        return grant
    return replace(
        grant,
        limit=pace.memory(now).limit,
        blocked_s=max(0.0, pace.blocked_until - now),
        probing=pace.blocks > 0,
        blocks=pace.blocks,
    )


def _state(host: _Host, now: float) -> HostState:
    pace = host.pace
    return HostState(
        host=host.name,
        lane=host.lane,
        rate=pace.rate,
        budget=pace.budget,
        blocked_s=max(0.0, pace.blocked_until - now),
        in_flight=0,
        waiting=0,
        requests=host.requests,
        bytes=host.bytes,
        refused=host.refused,
        latency_s=None,
        reason=host.reason,
        limit=pace.memory(now).limit,
    )
