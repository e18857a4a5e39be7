"""What a host was asked for in the last 24 hours, and when it may be asked again: a ledger in steps of five minutes.

Pure: times are arguments, in UTC seconds, because a budget outlives runs and machines. A step is let go when all of it
lies more than 24 h back, so that no window of 24 h, wherever it begins, holds more than the budget: what is lost to
coarseness is on the safe side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STEP_S = 300.0
WINDOW_S = 86400.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent in the five minutes from `start` on (UTC seconds, a multiple of STEP_S)."""

    start: float
    requests: int
    size_bytes: int


class Ledger:
    """One host's account. A budget of 0 is none. At most 290 entries are kept, however long it runs."""

    def __init__(self, requests: int, size_bytes: int, spent: Iterable[Spent] = ()) -> None:
        """`spent`: what earlier runs noted, in any order; what lies in the same step adds up."""
        self._requests, self._bytes = requests, size_bytes
        self._steps: dict[float, list[int]] = {}
        for entry in spent:
            self.add(entry.start, entry.requests, entry.size_bytes)

    def add(self, t: float, requests: int, size_bytes: int = 0) -> None:
        """Note what was spent at `t`."""
        step = self._steps.setdefault(t // STEP_S * STEP_S, [0, 0])
        step[0] += requests
        step[1] += size_bytes

    def spent(self, t: float) -> tuple[int, int]:
        """Requests and bytes that count at `t`."""
        since = t - WINDOW_S
        counted = [step for start, step in self._steps.items() if start + STEP_S > since]
        return sum(step[0] for step in counted), sum(step[1] for step in counted)

    def ready(self, t: float, requests: int = 1, size_bytes: int = 0) -> float:
        """The first time, `t` or later, at which so much more may be spent; `t` itself when there is room now.

        Who asks counts in what is in flight. A wish for more than the budget is granted once nothing else counts.
        """
        asked, size = self.spent(t)
        at = t
        for start in sorted(self._steps):
            fits = not self._requests or asked <= max(0, self._requests - requests)
            fits_too = not self._bytes or (size <= max(0, self._bytes - size_bytes) and size < self._bytes)
            if fits and fits_too:
                break
            gone = start + STEP_S + WINDOW_S
            if gone > t:
                at = gone
                asked -= self._steps[start][0]
                size -= self._steps[start][1]
        return at

    def entries(self, t: float) -> tuple[Spent, ...]:
        """What counts at `t`, oldest first, to be written down; what no longer does is forgotten."""
        since = t - WINDOW_S
        self._steps = {start: step for start, step in sorted(self._steps.items()) if start + STEP_S > since}
        return tuple(Spent(start, *step) for start, step in self._steps.items())
