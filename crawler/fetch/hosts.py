"""What is known of each host: its pace, its connections, its counters."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace

from crawler.events import Throttled
from crawler.fetch.daily import Account, Daily
from crawler.fetch.exchange import HostState
from crawler.fetch.known import Known
from crawler.fetch.memory import Room
from crawler.fetch.pacing import OwnPace, Paces, Pacing
from crawler.fetch.promises import Accounting, Turn
from crawler.fetch.settings import HostLimits
from crawler.model import Failure, Kind, Lane
from crawler.rules.budget import Budget
from crawler.rules.rate import Change
from crawler.rules.retry import DENIED_MAX
from crawler.rules.settings import RetrySettings
from crawler.rules.width import Width
from crawler.stop import Gate

OnThrottle = Callable[[Throttled], None]
"""Told each time a limiter changes its mind."""

_LATE_S = 0.02
"""A timer that fires this late is not held against the one who waited, or timers alone would eat up the budget."""
_SMOOTH = 0.2
_HOSTS_MAX = 2048
"""A host takes 5 KB."""
_HOSTS_SHOWN = 100


def utc() -> float:
    """UTC seconds. A default that is looked up when it is called: a simulation makes `time.time` up."""
    return time.time()


class Host:
    """One host. `enter` waits for a connection, the host's turn (by the day's budget, then by the rate) and room in
    memory, in this order; `leave` ends it.

    The turn comes last, as late as can be: what the server sees is when requests are sent, not when they were allowed.
    Only the head of the line waits for it, so a block or a new rate holds for everybody behind at once.
    """

    def __init__(self, name: str, lane: Lane, limits: HostLimits, pace: Pacing, daily: Accounting, gate: Gate) -> None:
        self.name = name
        self.daily = daily
        self.lane: Lane = lane
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        """The loop's clock, which all of a host's times are on."""
        self._gate = gate
        self.pace = pace
        self.slots = Room(limits.connections, gate)
        self._width = Width(limits.connections) if limits.adaptive and lane == "images" else None
        self._line = Room(1, gate)
        self._head_waits = 0
        self.probe: asyncio.Future[None] | None = None
        """The one request that may ask a host that refused: to be read only."""
        self.in_flight = 0
        self.requests = 0
        self.bytes = 0
        self.refused = 0
        self.latency_s: float | None = None
        self.reason = ""
        self.denials: set[str] = set()
        """URLs answered with 403, while nothing else is: to be read only."""

    @property
    def idle(self) -> bool:
        """Nobody uses it or waits for it, and no block is left to be remembered."""
        return not self.slots.used and self.pace.blocked_until <= self._loop.time()

    def enter_now(self, memory: Room, wanted: int) -> Turn | None:
        """As `enter`, if nothing has to be waited for; else None, and nothing was taken."""
        slots = self.slots
        if slots.take_nowait(1) is None:
            return None
        turn = self._turn_now(memory, wanted)
        if turn is None:
            slots.give(1)
        return turn

    async def enter(self, memory: Room, wanted: int) -> Turn:
        """Wait until one request may be sent: what it holds, for `leave`. Raises Draining, StorageFailed."""
        await self.slots.take(1)
        try:
            return self._turn_now(memory, wanted) or await self._turn(memory, wanted)
        except BaseException:
            self.slots.give(1)
            raise

    def _turn_now(self, memory: Room, wanted: int) -> Turn | None:
        """The turn, if nobody is before us, and neither rate, budget nor memory makes us wait."""
        daily = self.daily
        if self._line.used or self._gate.closed or (daily.bounded and not daily.open()):
            return None
        held = memory.take_nowait(wanted)
        if held is None:
            return None
        if not self.pace.reserve_now(self.now()):
            memory.give(held)
            return None
        self.in_flight += 1
        self.requests += 1
        return daily.take(held)

    def heard(self) -> None:
        """The host said something, or the connection failed: whoever waits for the outcome of a probe may go on."""
        if self.probe is not None and not self.probe.done():
            self.probe.set_result(None)
            self.pace.probed()

    def leave(self, memory: Room, turn: Turn) -> None:
        """The exchange on the wire is over, well or not."""
        if self.probe is not None:
            self.heard()
        self.in_flight -= 1
        self.daily.end(turn)
        memory.give(turn.memory)
        self.slots.give(1)

    async def _turn(self, memory: Room, wanted: int) -> Turn:
        entered = self._loop.time()
        if self._line.take_nowait(1) is None:
            await self._line.take(1)
        self._head_waits = 1
        try:
            while True:
                self._gate.check()
                if self.pace.blocks and self.probe is not None and not self.probe.done():
                    # A host that refused is asked by one at a time until it has answered something else.
                    await self._gate.turn(self.probe)
                    continue
                if not self.daily.open():
                    await self.daily.wait(self._gate)
                    continue
                now = self._loop.time()
                ready = self.pace.ready
                if ready > now:
                    await self.pace.wait(self._gate, ready - now, 1 + self._line.waiting)
                    continue
                held = memory.take_nowait(wanted)
                if held is None:
                    held = await memory.take(wanted)
                    now, ready = self._loop.time(), self.pace.ready
                    if ready > now or not self.daily.open():  # blocked while we waited for room
                        memory.give(held)
                        continue
                self.pace.reserve(max(entered, ready, now - _LATE_S))
                if self.pace.blocks:
                    self.probe = self._loop.create_future()
                self.in_flight += 1
                self.requests += 1
                return self.daily.take(held)
        finally:
            self._head_waits = 0
            self._line.give(1)

    def answered(self, latency_s: float, size: int) -> None:
        """Counts a reply: seconds to its head, bytes of its body."""
        self.bytes += size
        old, width = self.latency_s, self._width
        self.latency_s = latency_s if old is None else old + _SMOOTH * (latency_s - old)
        if width is not None and width.counted(latency_s) and width.judge(busy=self.slots.waiting > 0):
            self.slots.resize(width.now)

    def denied(self, url: str) -> bool:
        """`url` was answered 403: whether that is all this host has said for a long while."""
        self.denials.add(url)
        return len(self.denials) >= DENIED_MAX

    def let_in(self) -> None:
        """The host answered something else than 403."""
        self.denials.clear()

    def resize(self, limits: HostLimits) -> None:
        """Another number of connections (reload)."""
        self._width = Width(limits.connections) if limits.adaptive and self.lane == "images" else None
        self.slots.resize(limits.connections)

    def state(self) -> HostState:
        """A frozen look."""
        return HostState(
            host=self.name,
            lane=self.lane,
            rate=self.pace.rate,
            budget=self.pace.budget,
            blocked_s=max(0.0, self.pace.blocked_until - self._loop.time()),
            in_flight=self.in_flight,
            waiting=self.slots.waiting + self._line.waiting + self._head_waits,
            requests=self.requests,
            bytes=self.bytes,
            refused=self.refused,
            latency_s=self.latency_s,
            reason=self.reason,
            daily=self.daily.day(),
            limit=self.pace.memory(self._loop.time()).limit,
        )


class Hosts:
    """All hosts of a run, each with the numbers of the lane that asked it first. Those long unused are forgotten."""

    def __init__(  # noqa: PLR0913 - what the door hands on
        self,
        lanes: Mapping[Lane, HostLimits],
        retry: RetrySettings,
        gate: Gate,
        on_throttle: OnThrottle | None = None,
        *,
        now: Callable[[], float] = utc,
        known: Mapping[str, Throttled] | None = None,
        daily: Daily | None = None,
        paces: Paces | None = None,
    ) -> None:
        """`known`: what the limiters told last in earlier runs, by host; `daily`: what was spent of budgets; `paces`:
        who paces hosts, where it is not this process alone."""
        self._daily = daily or Daily()
        self._accounts: dict[str, Accounting] = {}
        self._lanes = dict(lanes)
        self._retry = retry
        self._gate = gate
        self._on_throttle = on_throttle
        self._now = now
        self._hosts: OrderedDict[str, Host] = OrderedDict()
        self._known = Known(known or {}, now, self._hosts)
        self._paces = paces or self._own_pace
        self._most = _HOSTS_MAX

    def host(self, name: str, lane: Lane) -> Host:
        """The host of this name (see `client.host_key`)."""
        host = self._hosts.get(name)
        if host is None:
            self._forget()
            limits = self._lanes[lane]
            pace = self._paces(name, lane, limits)
            account = self._accounts.get(name)
            if account is None:
                account = self._accounts[name] = self._account(name)
            host = self._hosts[name] = Host(name, lane, limits, pace, account, self._gate)
        else:
            self._hosts.move_to_end(name)
        return host

    def refused(self, host: Host, failure: Failure, sent: float, *, again: bool) -> None:
        """The host said 429 or 503 to what was `sent` then (loop time): it is blocked, and slowed if adaptive.

        `again`: it said so before, to the same request."""
        host.refused += 1
        reason = f"{failure.kind.value} {failure.status}" if failure.status else failure.kind.value
        limited = failure.kind is Kind.RATE_LIMITED
        now, after = self._loop_time(), failure.retry_after_s
        self.tell(host, host.pace.refused(sent, now, after, reason, again=again, limited=limited))

    def troubled(self, host: Host, failure: Failure, sent: float) -> None:
        """A connection was refused or timed out."""
        self.tell(host, host.pace.troubled(sent, self._loop_time(), failure.kind.value))

    def clean(self, host: Host, sent: float) -> None:
        """A reply that is no refusal."""
        self.tell(host, host.pace.clean(sent, host.now()))

    def reload(self, lanes: Mapping[Lane, HostLimits]) -> None:
        """New numbers for all hosts, from now on; blocks stand."""
        self._lanes = dict(lanes)
        for host in self._hosts.values():
            limits = self._lanes[host.lane]
            host.pace.configure(limits.rate, limits.burst, self._loop_time(), adaptive=limits.adaptive)
            host.resize(limits)

    def reload_daily(self, budget: Budget) -> None:
        """Another budget of any 24 h for all hosts, from now on; what was spent so far counts."""
        self._daily = replace(self._daily, budget=budget)
        for account in self._accounts.values():
            account.configure(budget)

    def settle(self) -> None:
        """The run is at its end: write down what was really spent."""
        for account in self._accounts.values():
            account.settle()

    def states(self) -> tuple[HostState, ...]:
        """The hosts used last, at most 100 of them, by name."""
        last = list(self._hosts.values())[-_HOSTS_SHOWN:]
        return tuple(host.state() for host in sorted(last, key=lambda host: host.name))

    def tell(self, host: Host, change: Change | None) -> None:
        """The pace of a host changed its mind, or not."""
        if change is None:
            return
        if change.reason != "resumed":
            host.reason = "" if change.reason in ("recovered", "limit_gone") else change.reason
        now = self._loop_time()
        told = self._known.tell(host.name, change, host.pace.memory(now), now)
        if self._on_throttle is not None:
            self._on_throttle(told)

    def _forget(self) -> None:
        if len(self._hosts) < self._most:
            return
        # Forgetting is safe: a host that comes back starts with nothing saved up, and with what it last told.
        for name in [name for name, host in self._hosts.items() if host.idle][: self._most // 2]:
            del self._hosts[name]
        self._most = max(_HOSTS_MAX, 2 * len(self._hosts))  # or every new host would look through all that are busy
        for name in [name for name, account in self._accounts.items() if name not in self._hosts and account.idle]:
            self._accounts.pop(name).settle()

    def _account(self, name: str) -> Accounting:
        if self._daily.account is None:
            return Account(name, self._daily, self._now)
        account = self._daily.account(name)
        account.configure(self._daily.budget)
        return account

    def _own_pace(self, name: str, lane: Lane, limits: HostLimits) -> Pacing:
        return OwnPace(
            limits.rate,
            limits.burst,
            self._loop_time(),
            adaptive=limits.adaptive,
            retry=self._retry,
            memory=self._known.memory(name),
        )

    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time()
