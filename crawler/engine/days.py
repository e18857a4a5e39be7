"""Daily budgets on a run's side: where they begin, where they are written down, and what to say when one ends a run."""

from __future__ import annotations

from collections.abc import Callable

from crawler.events import Event
from crawler.fetch.daily import Daily
from crawler.fetch.exchange import Day
from crawler.log.writer import Log
from crawler.rules.budget import Budget
from crawler.words import of_budgets, on_the_day

OnSpent = Callable[[str, Day, float], None]
"""Told of a host whose budget is spent: its day, and until when (UTC seconds)."""


def daily_of(log: Log, budget: Budget, note: Callable[[Event], object], spent: OnSpent) -> Daily:
    """What was spent by all that wrote into this log, and the log as the place to write on. `note` is `Log.note`, or
    does as much."""
    spending = log.state.spending
    own, others = spending.entries(lambda name: name == log.id), spending.entries(lambda name: name != log.id)
    return Daily(budget, note, log.commit, own, others, spent)


def day_spent(host: str, day: Day, until: float) -> str:
    """What a user is told whose run does not wait."""
    used = of_budgets(day.requests, day.requests_budget, day.bytes, day.bytes_budget)
    return (
        f"{host}: the daily budget is spent ({used} in the last 24 h). It may be asked again from "
        f"{on_the_day(until)} on; what was in flight is finished. Run the same command again then, or now without "
        "--no-wait: it waits by itself. Or set limits.daily.requests or limits.daily.gb higher."
    )
