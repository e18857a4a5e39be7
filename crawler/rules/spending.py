"""What logs say was spent of daily budgets: a fold over `spent` lines. Pure.

The law is that of the whole state: the same lines give the same answer in any order and however often repeated. Of a
log, a host and five minutes the line with the highest `seq` counts, and what several logs say adds up: workers that
each kept a log of their own all asked the same host. Of a log and a host the latest budget.STEPS steps are kept: no
more can count at one time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from crawler.events import Line, Spent
from crawler.rules.budget import STEPS, Budget, Ledger, Step, step_of
from crawler.rules.unfinished import Moment
from crawler.words import seconds_of

Row = tuple[str, str, float, int, int, int]
"""Host, log, start, seq, requests, bytes."""


class Spending:
    """What is known of all hosts that have, or had, a daily budget."""

    def __init__(self) -> None:
        self._spent: dict[tuple[str, str], dict[float, tuple[int, int, int]]] = {}
        self._last: dict[str, tuple[Moment, Spent]] = {}

    def apply(self, line: Line, event: Spent) -> None:
        """Take a line in; one that gives no time or no numbers says nothing."""
        said: tuple[Any, ...] = (event.host, event.since, event.requests, event.bytes)  # a log can be written by hand
        if [type(value) for value in said] != [str, str, int, int] or (since := seconds_of(event.since)) is None:
            return
        moment = (line.t, line.log, line.seq)
        if event.host not in self._last or moment > self._last[event.host][0]:
            self._last[event.host] = (moment, event)
        steps = self._spent.setdefault((event.host, line.log), {})
        start = step_of(since)
        if start not in steps or line.seq > steps[start][0]:
            steps[start] = (line.seq, event.requests, event.bytes)
            if len(steps) > STEPS:
                del steps[min(steps)]

    def entries(self, which: Callable[[str], bool] = lambda log: True) -> dict[str, tuple[Step, ...]]:
        """By host, what the logs say of which `which` holds; steps of several logs stand side by side."""
        found: dict[str, list[Step]] = {}
        for (host, log), steps in self._spent.items():
            if which(log):
                found.setdefault(host, []).extend(Step(start, asked, size) for start, (_, asked, size) in steps.items())
        return {host: tuple(steps) for host, steps in sorted(found.items())}

    @property
    def last(self) -> Mapping[str, Spent]:
        """The last word on each host: the budget that is, or was, in force."""
        return {host: event for host, (_, event) in sorted(self._last.items())}

    def ledgers(self) -> dict[str, Ledger]:
        """The ledger of each host that has a budget by the last word on it."""
        entries = self.entries()
        budgets = {host: Budget(last.budget_requests, last.budget_bytes) for host, last in self.last.items()}
        return {host: Ledger(budget, entries.get(host, ())) for host, budget in budgets.items() if budget.bounded}

    # -- for a snapshot -----------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """All of it but the last words, as plain data."""
        return [
            (host, log, start, *said) for (host, log), steps in self._spent.items() for start, said in steps.items()
        ]

    def moments(self) -> dict[str, tuple[Moment, Spent]]:
        """The last words with their moments."""
        return dict(self._last)

    @classmethod
    def restored(cls, rows: Iterable[Row | list[Any]], last: Mapping[str, tuple[Moment, Spent]]) -> Spending:
        """The inverse of `rows` and `moments`."""
        spending = cls()
        for host, log, start, seq, asked, size in rows:
            spending._spent.setdefault((host, log), {})[start] = (seq, asked, size)
        spending._last = dict(last)
        return spending
