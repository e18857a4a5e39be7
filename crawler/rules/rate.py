"""How fast one host is asked: a GCRA that is reserved ahead of time, and a working rate that learns from refusals.

Pure: time is an argument (seconds on any clock that never goes back). `Gcra` alone keeps the budget: in every window of
length T at most rate * T + burst requests. `Pace` moves the rate below the budget and puts blocks in front of it.
The idea of GCRA (generic cell rate algorithm, ITU-T I.371): one number, the theoretical arrival time of the next
request, says everything about the past.
"""

from __future__ import annotations

from dataclasses import dataclass

RETRY_AFTER_MAX_S = 3600.0
"""A host that asks for more patience than this is asked again after this long all the same."""
_FLOOR = 1 / 32
"""The working rate never falls below this part of the budget."""
_CLIMB_S = 60.0
"""Seconds of clean replies in which the working rate climbs by one whole budget."""
_BACKOFF_MAX = 64
"""Enough doublings; keeps 2.0**n finite."""


class Gcra:
    """Reservations for one host: at most `rate` requests a second, `burst` at once after a pause; rate 0 = no limit.

    Starts empty: the first request waits one interval, so that a restart never begins with a burst.
    """

    __slots__ = ("_blocked", "_burst", "_interval", "_last", "_rate", "_tat", "_tolerance")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._burst = burst
        self._tat = self._last = self._blocked = now
        self._rate = 0.0
        self._interval = self._tolerance = 0.0
        self.set_rate(rate, now)

    @property
    def rate(self) -> float:
        """Requests a second; 0 = no limit."""
        return self._rate

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
        self._rate, self._interval, self._tolerance = rate, interval, tolerance


@dataclass(frozen=True, slots=True)
class Change:
    """The limiter changed its mind: `rate` now (0: no limit), blocked `until` (the caller's clock) or None, and why."""

    rate: float
    until: float | None
    reason: str


class Pace:
    """The pace of one host: its budget, its working rate and its blocks.

    A refusal (429, 503) blocks the host and, when `adaptive`, halves the working rate; so do refused and timed-out
    connections, without a block. Both count once for each window: a reply to a request that was sent before the last
    cut says nothing new. Clean replies bring the rate back, up to the budget and never above.
    """

    def __init__(self, rate: float, burst: int, now: float, *, adaptive: bool, base_s: float, cap_s: float) -> None:
        self._gcra = Gcra(rate, burst, now)
        self._budget = rate
        self._adaptive = adaptive
        self._base_s, self._cap_s = base_s, cap_s
        self._cut_at = self._cut_before = now
        self._clean_at = now
        self._blocked_until = now
        self.blocks = 0
        """Windows in a row with a refusal and no clean reply."""

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

    def reserve(self, now: float) -> float:
        """See `Gcra.reserve`."""
        return self._gcra.reserve(now)

    def refused(self, sent: float, now: float, retry_after_s: float | None, reason: str) -> Change | None:
        """A 429 or 503 came `now` to the request `sent` then; None when that is nothing new.

        The block lasts base_s * 2^(blocks so far), at most cap_s, and never less than `retry_after_s`.
        """
        asked = min(max(retry_after_s or 0.0, 0.0), RETRY_AFTER_MAX_S)
        if sent < self._cut_at:
            # Another reply of a window that was answered already: only a longer wait is news.
            return self._block(now + asked, reason) if now + asked > self._blocked_until else None
        own = min(self._cap_s, self._base_s * 2.0 ** min(self.blocks, _BACKOFF_MAX))
        self.blocks += 1
        self._cut(now)
        return self._block(now + max(own, asked), reason)

    def troubled(self, sent: float, now: float, reason: str) -> Change | None:
        """A connection was refused or timed out; None when that is nothing new or nothing is learnt from it."""
        if sent < self._cut_at or not self._adaptive or not self._budget:
            return None
        before = self.rate
        self._cut(now)
        return Change(self.rate, None, reason) if self.rate != before else None

    def clean(self, sent: float, now: float) -> Change | None:
        """A reply that is no refusal came `now`; a Change only when the rate is back at the budget."""
        if sent >= self._cut_before:  # sent in the window of the last refusal, or later: the host does not only refuse
            self.blocks = 0
        since, self._clean_at = now - self._clean_at, now
        if self.rate >= self._budget:
            return None
        # Silence earns nothing: at most two intervals count, however long ago the last reply was.
        earned = self._budget / _CLIMB_S * min(since, 2 / self.rate)
        self._gcra.set_rate(min(self._budget, self.rate + earned), now)
        return Change(self.rate, None, "recovered") if self.rate >= self._budget else None

    def configure(self, rate: float, burst: int, now: float, *, adaptive: bool) -> None:
        """Another budget from `now` on (reload). Starts empty, keeps a block that stands."""
        self._budget, self._adaptive = rate, adaptive
        self._gcra = Gcra(rate, burst, now)
        self._gcra.penalise(self._blocked_until)

    def _cut(self, now: float) -> None:
        self._cut_before, self._cut_at = self._cut_at, now
        self._clean_at = now
        if self._adaptive and self._budget:
            self._gcra.set_rate(max(self._budget * _FLOOR, self.rate / 2), now)

    def _block(self, until: float, reason: str) -> Change:
        self._blocked_until = max(self._blocked_until, until)
        self._gcra.penalise(self._blocked_until)
        return Change(self.rate, self._blocked_until, reason)
