"""What a host was asked for in the last 24 hours, and when it may be asked again: a ledger in steps of five minutes.

Pure: times are arguments, in UTC seconds, because a budget outlives runs and machines. A step is let go when all of it
lies more than 24 h and a minute back, so that no window of 24 h, wherever it begins, holds more than the budget: what
is lost to coarseness is on the safe side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STEP_S = 300.0
WINDOW_S = 86400.0
UNDER_WAY_S = 60.0
"""A request counts where it arrives, and that may be so much later than it was let out (connecting takes time)."""
STEPS = 290
"""No more steps than these ever count at one time."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a host may be asked for in any 24 h. 0 is no limit."""

    requests: int = 0
    bytes: int = 0

    @property
    def bounded(self) -> bool:
        """Whether there is any."""
        return self.requests > 0 or self.bytes > 0


@dataclass(frozen=True, slots=True)
class Step:
    """What was spent in the five minutes from `start` on (UTC seconds, a multiple of STEP_S)."""

    start: float
    requests: int
    bytes: int


def step_of(t: float) -> float:
    """The start of the step that `t` lies in."""
    return t // STEP_S * STEP_S


class Ledger:
    """One host's account. `entries` forgets what no longer counts: at most STEPS are left, however long it runs."""

    def __init__(self, budget: Budget, spent: Iterable[Step] = ()) -> None:
        """`spent`: what earlier runs noted, in any order; what lies in the same step adds up."""
        self.budget = budget
        self._steps: dict[float, list[int]] = {}
        self._sum = (0, 0)
        self._summed_at: float | None = None
        for entry in spent:
            self.add(entry.start, entry.requests, entry.bytes)

    def add(self, t: float, requests: int, size_bytes: int = 0) -> None:
        """Note what was spent at `t`."""
        step = self._steps.setdefault(step_of(t), [0, 0])
        step[0] += requests
        step[1] += size_bytes
        if self._summed_at is not None and step_of(t) > self._summed_at:
            self._sum = (self._sum[0] + requests, self._sum[1] + size_bytes)

    def spent(self, t: float) -> tuple[int, int]:
        """Requests and bytes that count at `t`."""
        since = _oldest(t)
        if self._summed_at != since:
            counted = [step for start, step in self._steps.items() if start > since]
            self._sum = (sum(step[0] for step in counted), sum(step[1] for step in counted))
            self._summed_at = since
        return self._sum

    def fits(self, t: float, requests: int, size_bytes: int) -> bool:
        """Whether so much more stays within the budget."""
        asked, size = self.spent(t)
        most = self.budget
        return not (most.requests and asked + requests > most.requests) and not (
            most.bytes and (size + size_bytes > most.bytes or size >= most.bytes)
        )

    def ready(self, t: float, requests: int = 1, size_bytes: int = 0) -> float:
        """The first time, `t` or later, at which so much more may be spent; `t` itself when there is room now.

        A wish for more than the budget is granted once nothing else counts.
        """
        if self.fits(t, requests, size_bytes):
            return t
        asked, size = self.spent(t)
        most, since, at = self.budget, _oldest(t), t
        for start in sorted(start for start in self._steps if start > since):
            fits = not most.requests or asked <= max(0, most.requests - requests)
            fits_too = not most.bytes or (size <= max(0, most.bytes - size_bytes) and size < most.bytes)
            if fits and fits_too:
                break
            at = start + STEP_S + WINDOW_S + UNDER_WAY_S
            asked -= self._steps[start][0]
            size -= self._steps[start][1]
        return at

    def entries(self, t: float) -> tuple[Step, ...]:
        """What counts at `t`, oldest first; what no longer does is forgotten."""
        since = _oldest(t)
        self._steps = {start: step for start, step in sorted(self._steps.items()) if start > since}
        return tuple(Step(start, *step) for start, step in self._steps.items())


def _oldest(t: float) -> float:
    """Steps that start after this count at `t`: a multiple of STEP_S, the end of the last step that does not."""
    return step_of(t - WINDOW_S - UNDER_WAY_S) - STEP_S
