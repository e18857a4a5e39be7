"""Turns of one host: when one is due, what is saved up, and what another rate makes of it."""

import pytest

from crawler.rules.rate import Gcra


def test_a_turn_is_taken_now_exactly_when_it_is_due() -> None:
    """`take_now` is `reserve` where that would not wait: not before a block's end, the last turn, or the interval's."""
    gcra = Gcra(2, 1, 0.0)
    assert not gcra.take_now(0.49)
    assert gcra.take_now(0.5)
    assert not gcra.take_now(0.9)
    assert gcra.ready == 1.0
    gcra.penalise(3.0)
    gcra.penalise(2.0)
    assert gcra.ready == 3.0
    assert not gcra.take_now(2.9)
    assert gcra.take_now(3.0)
    assert gcra.reserve(3.0) == 3.5
    burst = Gcra(2, 3, 0.0)
    burst.reserve(50.0)
    assert [burst.take_now(50.0) for _ in range(3)] == [True, True, False]
    assert burst.ready == 50.5
    again = Gcra(2, 3, 0.0)
    again.reserve(50.0)
    assert not again.take_now(49.9), "turns never run backwards, saved up or not"


def test_without_a_limit_turns_are_taken_in_order_of_time() -> None:
    """Any moment will do that is not before the last one; a limit set later begins with nothing saved up."""
    free = Gcra(0, 4, 0.0)
    assert [free.take_now(t) for t in (1.0, 1.0, 0.5, 2.0)] == [True, True, False, True]
    assert free.ready == 2.0
    free.set_rate(2, 2.0)
    assert [free.reserve(2.0), free.reserve(2.0)] == [2.5, 3.0]


def test_another_rate_carries_what_is_owed_over() -> None:
    """Two turns ahead at ten a second are two turns ahead at one; turns that are given stay as they are."""
    gcra = Gcra(10, 3, 0.0)
    assert [gcra.reserve(0.0) for _ in range(2)] == pytest.approx([0.1, 0.2])
    gcra.set_rate(1, 0.2)
    assert gcra.rate == 1
    assert gcra.reserve(0.2) == pytest.approx(1.2)
    gcra.set_rate(0, 1.2)
    assert [gcra.reserve(1.3), gcra.reserve(1.3)] == [1.3, 1.3]
    rested = Gcra(10, 3, 0.0)
    rested.set_rate(1, 10.0)
    assert [rested.reserve(10.0) for _ in range(4)] == [10, 10, 10, 11]
