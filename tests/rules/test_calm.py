"""Hosts on which nothing has to wait, and replies that are counted before they are judged."""

import pytest

from crawler.rules.learning import Memory
from crawler.rules.rate import Pace
from crawler.rules.settings import RetrySettings
from crawler.rules.width import Width


def pace(rate: float, memory: Memory | None = None, *, adaptive: bool = True) -> Pace:
    return Pace(rate, 1, 0.0, adaptive=adaptive, retry=RetrySettings(), memory=memory)


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_host_without_a_limit_is_calm_until_it_refuses(adaptive: bool) -> None:
    """Any number of requests go at once; after a refusal, be it a late one, it never is again while it is asked so."""
    host = pace(0, adaptive=adaptive)
    assert host.calm
    assert all(host.reserve_now(0) for _ in range(100))
    host.refused(1, 1, None, "429")
    assert not host.calm
    assert not host.reserve_now(1)
    assert host.blocks == 1
    host.clean(5, 5)
    assert host.blocks == 0
    assert not host.calm, "what it allows is watched now"


@pytest.mark.parametrize("rate", [0.001, 1, 1000])
def test_a_host_with_a_limit_is_never_calm(rate: float) -> None:
    """A turn is waited for, however often it comes."""
    host = pace(rate)
    assert not host.calm
    assert not host.reserve_now(0)
    assert host.reserve_now(1 / rate)
    assert not host.reserve_now(1 / rate)
    host.configure(rate, 1, 5000, adaptive=True)
    assert not host.calm


def test_what_an_earlier_run_met_is_not_calm() -> None:
    """A block that it left, none that was over then; the first block is counted as one, and lasts as long as it had."""
    host = pace(0, Memory(0, refusing=True, blocked_s=7))
    assert not host.calm
    assert host.blocks == 1
    assert host.blocked_until == 7
    assert not host.reserve_now(6)
    assert pace(0, Memory(0, blocked_s=7)).calm
    assert pace(0, Memory(3, limit=4, met=1)).calm, "without a limit of one's own none is remembered"


def test_another_limit_makes_it_calm_or_not() -> None:
    """No limit, nothing that refuses, and no block that stands, to the second: all three."""
    host = pace(5)
    host.configure(0, 1, 10, adaptive=True)
    assert host.calm
    assert host.reserve_now(10)
    assert host.reserve_now(10)
    host.configure(5, 1, 10, adaptive=True)
    assert not host.calm
    assert not host.reserve_now(10)

    host = pace(5)
    host.refused(1, 1, 6, "429")  # until 7
    host.configure(0, 1, 8, adaptive=True)
    assert not host.calm, "it is not known yet that it answers again"
    assert not host.reserve_now(8)
    host.clean(8, 8)
    host.configure(0, 1, 8, adaptive=True)
    assert host.calm

    for now, calm in ((6.9, False), (7, True)):
        host = pace(5)
        host.refused(1, 1, 6, "429")
        host.clean(2, 2)  # it was sent later, and let pass
        host.configure(0, 1, now, adaptive=True)
        assert host.calm is calm


def test_twenty_replies_are_counted_before_they_are_judged() -> None:
    """Twice as many as there are requests at once, and at least twenty; then from none again."""
    width = Width(4)
    assert [width.counted(1.0) for _ in range(21)] == [False] * 19 + [True, True]
    assert not width.judge(busy=True)
    assert [width.counted(1.0) for _ in range(20)] == [False] * 19 + [True]
    wide = Width(50)
    assert [wide.counted(1.0) for _ in range(100)] == [False] * 99 + [True]


def test_what_is_counted_is_what_is_judged() -> None:
    """Their average: one slow reply of twenty is none, and twice the time at a busy host is too much."""
    width = Width(4)
    assert not any(width.answered(1.0, busy=True) for _ in range(20))
    assert not any(width.answered(21.0 if i == 3 else 1.0, busy=True) for i in range(20))
    found = [width.answered(2.5, busy=True) for _ in range(20)]
    assert found == [False] * 19 + [True]
    assert width.now == 3
