"""How fast one host is asked: a GCRA that is reserved ahead of time, and a working rate that learns from refusals.

Pure: time is an argument (seconds on any clock that never goes back). `Gcra` alone keeps the budget: in every window of
length T at most rate * T + burst requests. `Pace` moves the rate below the budget and puts blocks in front of it.
The idea of GCRA (generic cell rate algorithm, ITU-T I.371): one number, the theoretical arrival time of the next
request, says everything about the past.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crawler.rules.learning import PATIENCE_S, Learner, Memory
from crawler.rules.settings import RetrySettings

RETRY_AFTER_MAX_S = 3600.0
"""A host that asks for more patience than this is asked again after this long all the same."""
_BACKOFF_MAX = 64
"""Enough doublings; keeps 2.0**n finite."""
_RARE = 8
"""Connections that fail less often than once in so many replies are no reason to go much slower."""
_ODD_MAX = 4
"""Halvings of the first pause, for a host whose refusals pass at once."""


class Gcra:
    """Reservations for one host: at most `rate` requests a second, `burst` at once after a pause; rate 0 = no limit.

    Starts empty: the first request waits one interval, so that a restart never begins with a burst.
    """

    __slots__ = ("_blocked", "_burst", "_interval", "_last", "_tat", "_tolerance", "rate")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._burst = burst
        self._tat = self._last = self._blocked = now
        self.rate = 0.0
        """Requests a second; 0 = no limit: to be read only."""
        self._interval = self._tolerance = 0.0
        self.set_rate(rate, now)

    @property
    def ready(self) -> float:
        """The earliest time at which the next request may go; may lie in the past."""
        return max(self._tat - self._tolerance, self._blocked, self._last)

    def reserve(self, now: float) -> float:
        """The time, `now` or later, at which this request may go. Reservations never run backwards."""
        at = self._last = max(now, self.ready)
        # Whatever was saved up before the end of the last block is gone: no burst follows it.
        self._tat = max(at, self._tat, self._blocked + self._tolerance) + self._interval
        return at

    def take_now(self, now: float) -> bool:
        """`reserve` for `now`, if that is not too early."""
        if now < self._blocked or now < self._last or now < self._tat - self._tolerance:
            return False
        if self._interval:
            self.reserve(now)
        else:
            self._last = self._tat = now
        return True

    def penalise(self, until: float) -> None:
        """No later reservation is for a time before `until`, and what comes after it is no burst."""
        self._blocked = max(self._blocked, until)

    def set_rate(self, rate: float, now: float) -> None:
        """From `now` on another rate; what was used of the burst stays used. Raises ValueError for a negative rate."""
        if not rate >= 0:
            raise ValueError(f"a rate is 0 (no limit) or more, not {rate}")
        interval = 1 / rate if rate else 0.0
        tolerance = (self._burst - 1) * interval
        # What is reserved already stays as it was: the account is carried over at the last reservation.
        pivot = max(now, self._last)
        if self._interval:
            owed = max(0.0, self._tat - pivot) / self._interval
            self._tat = pivot + owed * interval
        else:
            # No limit kept no account: begin with nothing saved up.
            self._tat = pivot + interval + tolerance
        self.rate, self._interval, self._tolerance = rate, interval, tolerance


@dataclass(frozen=True, slots=True)
class Change:
    """The limiter changed its mind: `rate` now (0: no limit), blocked `until` (the caller's clock) or None, and why."""

    rate: float
    until: float | None
    reason: str


class Pace:
    """The pace of one host: its budget, its working rate and its blocks.

    A refusal (429, 503) blocks the host and, when `adaptive`, lowers the working rate; so do refused and timed-out
    connections, without a block. Both count once for each window: a reply to a request that was sent before the last
    cut says nothing new. How far the rate falls and how it comes back is the `Learner`'s business; it is never above
    the budget. How long a block lasts is learnt: while it stands, one request asks at growing pauses.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        now: float,
        *,
        adaptive: bool,
        retry: RetrySettings,
        memory: Memory | None = None,
    ) -> None:
        self._gcra = Gcra(rate, burst, now)
        self._budget = self._told = rate
        self._adaptive = adaptive
        self._base_s, self._cap_s = retry.base_s, retry.cap_s
        self._learner = Learner(rate, now, memory if adaptive else None)
        self._cut_at = -math.inf
        self._hit_at = self._last_sent = now
        self._judging = False  # a refusal is not yet followed by a reply that shows what it was
        self._limited = True
        self._window_refused = self._window_clean = 0
        self._probes_refused = self._others_refused = 0
        self._odd = 0
        self._cleans = 0
        self._blocked_until = now
        self._block_s = memory.block_s if memory is not None else 0.0
        self.blocks = 0
        """Windows in a row with a refusal and no clean reply."""
        self.calm = not rate
        """No limit, and never a refusal: nothing has to wait, and a reply that is no refusal teaches nothing."""
        self._inherited = memory is not None and memory.refusing
        if memory is not None and memory.refusing:
            # The block of an earlier run goes on: it is probed, and was learnt from already.
            self.blocks, self._judging, self.calm = 1, True, False
            self._block(now + min(memory.blocked_s, RETRY_AFTER_MAX_S), "")
        if adaptive:
            self._gcra.set_rate(self._learner.rate, now)

    @property
    def rate(self) -> float:
        """The working rate, requests a second; 0 = no limit."""
        return self._gcra.rate

    @property
    def budget(self) -> float:
        """The configured rate."""
        return self._budget

    @property
    def blocked_until(self) -> float:
        """Nothing goes before this time; in the past when nothing blocks."""
        return self._blocked_until

    @property
    def ready(self) -> float:
        """The earliest time at which the next request may go; may lie in the past."""
        return self._gcra.ready

    def memory(self, now: float) -> Memory:
        """What the next run should know."""
        learnt = self._learner.memory(now)
        if self._judging and self._limited and self._lasted:
            # Should this process die now, the next one is not to find this wall by running into it again.
            learnt = replace(learnt, again_s=max(learnt.again_s, PATIENCE_S))
        return replace(learnt, block_s=self._block_s)

    def reserve_now(self, now: float) -> bool:
        """Reserve for this very moment, if nothing stands in the way: no block, no turn to wait for."""
        if not self.calm and (self.blocks or not self._gcra.take_now(now)):
            return False
        if self._adaptive:
            self._learner.sent(now)
        return True

    def reserve(self, now: float) -> float:
        """See `Gcra.reserve`."""
        at = self._gcra.reserve(now)
        if self._adaptive:
            self._learner.sent(at)
        return at

    def sent(self, at: float) -> None:
        """A request went out `at` that is not known from `reserve`."""
        if self._adaptive:
            self._learner.sent(at)

    def sent_all(self, times: Sequence[float]) -> None:
        """As `sent`, for each of these, in order."""
        if self._adaptive:
            self._learner.sent_all(times)

    def unsent(self, after: float) -> None:
        """Of what was reserved for later than `after`, nothing is sent."""
        if self._adaptive:
            self._learner.unsent(after)

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
        """A 429 or 503 came `now` to the request `sent` then; None when that is nothing new.

        Without a block seen before, the block lasts base_s * 2^(blocks so far), at most cap_s; never less than
        `retry_after_s`. `again`: this very request was refused before; `limited`: the reply speaks of a limit (429).
        """
        self.calm = False
        asked = min(max(retry_after_s or 0.0, 0.0), RETRY_AFTER_MAX_S)
        if sent <= self._cut_at:
            # Another reply of a window that was answered already: only a longer wait is news. (A loop's clock may
            # stand still for a millisecond: what was sent in the tick of the cut was sent before it.)
            self._window_refused += 1
            if self._adaptive:
                self._learner.stray(sent)
            return self._block(now + asked, reason) if asked and now + asked > self._blocked_until else None
        self._last_sent = sent
        if self._judging:
            self._probes_refused += 1
            self._others_refused += not again
            if self._adaptive:
                self._learner.stray(sent)
        else:
            self._hit_at, self._judging, self._limited = now, True, limited
            self._window_refused, self._window_clean = 1, 0
            self._probes_refused = self._others_refused = 0
            if self._adaptive:
                self._learner.hit(sent, now)
                self._gcra.set_rate(self._learner.rate, now)
        self._cut_at = now
        own = self._own_pause(now)
        self.blocks += 1
        return self._block(now + max(own, asked), reason)

    def troubled(self, sent: float, now: float, reason: str) -> Change | None:
        """A connection was refused or timed out; None when that is nothing new or nothing is learnt from it."""
        if sent <= self._cut_at or not self._adaptive or not self._budget:
            return None
        before = self.rate
        self._learner.slow(now, much=self._cleans < _RARE)
        self._cut_at, self._cleans = now, 0
        self._gcra.set_rate(self._learner.rate, now)
        return self._change(None, reason) if self.rate != before else None

    def clean(self, sent: float, now: float) -> Change | None:
        """A reply that is no refusal came `now`; a Change when that says something new of the host's limit."""
        self._cleans += 1
        told: str | None = None
        if sent >= self._last_sent:  # sent with the last refused one, or later: the host does not only refuse
            self.blocks = 0
            self._window_clean += 1
        if self._judging and sent >= self._cut_at:
            told = self._over(sent, now)
        if not self._adaptive:
            return None
        learner = self._learner
        told = learner.clean(sent, now) or told
        if self._gcra.rate != learner.rate:
            self._gcra.set_rate(learner.rate, now)
        if told is None or (told == "resumed" and self.rate == self._told and not learner.wary):
            return None
        return self._change(None, told)

    def configure(self, rate: float, burst: int, now: float, *, adaptive: bool) -> None:
        """Another budget from `now` on (reload). Starts empty, keeps a block that stands."""
        memory = self._learner.memory(now) if self._adaptive else None
        self._budget, self._adaptive = rate, adaptive
        self.calm = not rate and not self.blocks and self._blocked_until <= now
        self._gcra = Gcra(rate, burst, now)
        self._gcra.penalise(self._blocked_until)
        self._learner = Learner(rate, now, memory)
        self._judging = self._inherited = False
        if adaptive:
            self._gcra.set_rate(self._learner.rate, now)

    def _own_pause(self, now: float) -> float:
        own = min(self._cap_s, self._base_s * 2.0 ** min(self.blocks, _BACKOFF_MAX))
        elapsed = now - self._hit_at
        learner = self._learner if self._adaptive else None
        if learner is not None and learner.noisy:
            known = self.blocks > _ODD_MAX  # the next one may be noise
        else:
            known = self.blocks > 0 or (learner is not None and learner.expected)
        if known and elapsed < self._block_s:
            return max(own, self._block_s - elapsed)  # so long did it last the other time
        if not self.blocks:
            own *= 0.5 ** min(self._odd, _ODD_MAX)
        return own

    @property
    def _lasted(self) -> bool:
        """Whether the host refused more than one request, one after the other or at once."""
        most = 3 if self._adaptive and self._learner.noisy else 0
        heavy = self._window_refused > max(2 + most, self._window_clean)
        return heavy or self._probes_refused > 1 + most or self._others_refused > most

    def _over(self, sent: float, now: float) -> str | None:
        """The host answers again: what was it?"""
        self._judging = False
        lasted = self._lasted
        if lasted and self._cut_at - self._hit_at >= self._block_s:
            self._block_s = sent - self._hit_at
        self._odd = 0 if lasted else self._odd + 1
        inherited, self._inherited = self._inherited, False
        if not self._adaptive:
            return None
        if inherited:
            self._learner.inherit(now, waits=lasted)
            return "resumed"
        self._learner.over(now, lasted=lasted, limited=self._limited)
        return "resumed"

    def _block(self, until: float, reason: str) -> Change:
        self._blocked_until = max(self._blocked_until, until)
        self._gcra.penalise(self._blocked_until)
        return self._change(self._blocked_until, reason)

    def _change(self, until: float | None, reason: str) -> Change:
        self._told = self.rate
        return Change(self.rate, until, reason)
