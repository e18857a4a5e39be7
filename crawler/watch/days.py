"""Daily budgets from the log alone: what each host was asked for in the last 24 hours, and until when it rests."""

from __future__ import annotations

from collections.abc import Iterator

from crawler.fetch.exchange import Day
from crawler.rules.replay import State
from crawler.words import clean, of_budgets, on_the_day


def days(state: State, now: float) -> dict[str, Day]:
    """The day of each host that has a budget, at `now` (UTC seconds).

    Of a run that is on, or that was killed, it says up to a hundredth of the budget too much: that is written ahead.
    """
    found: dict[str, Day] = {}
    for host, ledger in state.spending.ledgers().items():
        asked, size = ledger.spent(now)
        typical = size // max(1, asked) if ledger.budget.bytes else 0
        wait_s = ledger.ready(now, 1, typical) - now
        found[host] = Day(asked, ledger.budget.requests, size, ledger.budget.bytes, wait_s)
    return found


def day_rows(state: State, now: float) -> Iterator[tuple[str, str]]:
    """A line for people about each host that has a budget, and what is faint of it."""
    for host, day in days(state, now).items():
        spent = of_budgets(day.requests, day.requests_budget, day.bytes, day.bytes_budget)
        until = f", spent until {on_the_day(now + day.wait_s)}" if day.wait_s > 0 else ""
        yield f"{clean(host)}  {spent}", f" in the last 24 h{until}"
