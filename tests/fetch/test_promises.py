"""Bytes promised to the requests of a host: whoever keeps the account, they add up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.cluster.protocol import Portion
from crawler.cluster.purse import Purse
from crawler.fetch.daily import Account, Daily
from crawler.fetch.promises import Accounting, Turn
from crawler.rules.budget import STEP_S, Budget
from crawler.stop import Gate

DAY = Budget(1000, 10_000_000)


def account(bounded: bool) -> Account:
    return Account("h", Daily(DAY if bounded else Budget()), lambda: 1_000_000.0)


def purse(bounded: bool) -> Purse:
    made = Purse(lambda: 5.0, count(1).__next__)
    made.configure(DAY if bounded else Budget())
    made.fill(Portion("era", 0.0, 500, 1_000_000, 300.0, 700), 0.0, 5.0)
    return made


MAKERS = st.sampled_from([account, purse])
STORIES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3000), st.booleans()), max_size=60)


@given(MAKERS, st.booleans(), STORIES)
@settings(deadline=None)
def test_what_is_promised_is_what_those_that_are_out_wait_for(
    make: Callable[[bool], Accounting], bounded: bool, story: list[tuple[int, int, bool]]
) -> None:
    """Never less than nothing, nothing once all are over, and every byte is counted once: also where a budget is set,
    or taken away, while they are out."""
    books, out, total = make(bounded), list[Turn](), 0
    for what, size, flip in story:
        if flip:
            bounded = not bounded
            books.configure(DAY if bounded else Budget())
        if what < 2:
            out.append(books.take(size))
        elif not out:
            continue
        elif what == 2:
            assert books.announced(out[0], size) is bounded
        elif what < 5:
            turn = out[size % len(out)]
            total += max(0, size - turn.came)
            books.came(turn, size)
            assert turn.came >= size
        else:
            books.end(out.pop())
        assert books.promised == sum(turn.promised for turn in out)
        assert all(turn.promised >= 0 for turn in out)
        assert (books.out, books.bytes) == (len(out), total)
    for turn in out:
        books.end(turn)
    assert (books.promised, books.out) == (0, 0)


def test_what_was_spent_without_a_budget_counts_for_one_that_is_set() -> None:
    """Each request and each byte once, however often there is a budget and none, each in its five minutes."""
    now = [1_000_000.0 // STEP_S * STEP_S]
    books = Account("h", Daily(Budget()), lambda: now[0])
    for n in range(1, 5):
        first, second = books.take(0), books.take(0)
        books.came(first, 100)
        books.configure(DAY)
        day = books.day()
        assert day is not None
        assert (day.requests, day.bytes) == (4 * n - 2, 300 * n - 200)
        third = books.take(0)
        books.came(second, 50)
        books.configure(Budget())
        books.came(third, 150)
        for turn in (first, second, third, books.take(0)):
            books.end(turn)
        now[0] += STEP_S
    books.configure(DAY)
    steps = books._ledger.entries(now[0])  # pyright: ignore[reportPrivateUsage]
    assert [(step.requests, step.bytes) for step in steps if step.requests] == [(4, 300)] * 4


def test_who_waits_for_an_end_is_let_go_when_the_budget_is_taken_away() -> None:
    """He would wait for ever: an end is told to nobody where nothing is bounded."""

    async def story() -> None:
        books = account(bounded=True)
        turn = books.take(0)
        assert not books.open(), "before the first reply one is out at a time"
        waiting = asyncio.ensure_future(books.wait(Gate()))
        await asyncio.sleep(0)
        assert not waiting.done()
        books.configure(Budget())
        async with asyncio.timeout(5):
            await waiting
        books.end(turn)

    asyncio.run(story())


@pytest.mark.parametrize("make", [account, purse])
def test_a_promise_is_what_replies_bring_until_the_head_says_more(make: Callable[[bool], Accounting]) -> None:
    """It shrinks as the body comes, and the rest of it is free at the end."""
    books = make(True)
    first = books.take(7)
    books.came(first, 700)
    books.end(first)
    turn = books.take(7)
    assert (turn.memory, turn.promised) == (7, 700)
    books.announced(turn, 900)
    assert (turn.promised, books.promised) == (900, 900)
    books.came(turn, 400)
    books.came(turn, 400)
    assert (turn.promised, books.promised) == (500, 500)
    books.end(turn)
    assert (turn.promised, books.promised) == (0, 0)
