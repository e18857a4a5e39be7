"""The rate rule: budget in every window, order, penalties, and a working rate that learns."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.rules.learning import FLOOR
from crawler.rules.rate import RETRY_AFTER_MAX_S, Change, Gcra, Pace
from crawler.rules.settings import RetrySettings

RATES = st.floats(0.01, 1000)
GAPS = st.lists(st.floats(0, 5), min_size=1, max_size=60)
few = settings(deadline=None, max_examples=150)


def within(times: list[float], rate: float, burst: int) -> bool:
    """At most rate * T + burst in every window [times[i], times[j]]; a whisker for floats."""
    return all(
        j - i + 1 <= rate * (times[j] - times[i]) + burst + 1e-6
        for i in range(len(times))
        for j in range(i, len(times))
    )


@few
@given(RATES, st.integers(1, 20), GAPS)
def test_every_window_keeps_the_budget(rate: float, burst: int, gaps: list[float]) -> None:
    """In every window of length T at most rate * T + burst reservations, whenever they are asked for."""
    now, gcra, times = 100.0, Gcra(rate, burst, 100.0), []
    for gap in gaps:
        now += gap
        times.append(gcra.reserve(now))
    assert within(times, rate, burst)


@few
@given(RATES, st.integers(1, 20), GAPS)
def test_reserved_times_run_forward_and_none_is_in_the_past(rate: float, burst: int, gaps: list[float]) -> None:
    """Order is kept, and no reservation lies before the moment it is made."""
    now, last, gcra = 0.0, 0.0, Gcra(rate, burst, 0.0)
    for gap in gaps:
        now += gap
        at = gcra.reserve(now)
        assert at >= last
        assert at >= now
        last = at


@few
@given(RATES, st.integers(1, 20), st.integers(1, 200))
def test_it_never_starves(rate: float, burst: int, many: int) -> None:
    """The n-th of many reservations made at once goes no later than n intervals from now: the budget is used up."""
    gcra = Gcra(rate, burst, 0.0)
    last = [gcra.reserve(0.0) for _ in range(many)][-1]
    assert last <= many / rate + 1e-6


@few
@given(RATES, st.integers(1, 20))
def test_a_start_is_empty(rate: float, burst: int) -> None:
    """The first request waits one interval and the next one another: a restart never begins with a burst."""
    gcra = Gcra(rate, burst, 50.0)
    assert gcra.reserve(50.0) == pytest.approx(50 + 1 / rate)
    assert gcra.reserve(50.0) == pytest.approx(50 + 2 / rate)


@few
@given(RATES, st.integers(1, 20), st.floats(0, 500), GAPS)
def test_a_penalty_moves_every_later_reservation(rate: float, burst: int, until: float, gaps: list[float]) -> None:
    """After penalise(until) nothing is reserved before `until`, and nothing that was saved up follows it in a burst."""
    gcra = Gcra(rate, burst, 0.0)
    gcra.penalise(until)
    now, times = 0.0, []
    for gap in gaps:
        now += gap
        times.append(gcra.reserve(now))
    assert times[0] >= until
    assert within(times, rate, burst)
    early = [at for at in times if at < until + 1 / rate - 1e-6]
    assert len(early) <= 1


@few
@given(st.lists(st.tuples(RATES, st.integers(0, 10), st.floats(0, 3)), min_size=1, max_size=12), st.integers(1, 10))
def test_a_changed_rate_holds_from_its_moment_on(steps: list[tuple[float, int, float]], burst: int) -> None:
    """Whatever the rates in turn, a window never has more than the fastest of them allows, and order is kept."""
    now, gcra, times = 0.0, Gcra(steps[0][0], burst, 0.0), []
    for rate, asked, gap in steps:
        gcra.set_rate(rate, now)
        times += [gcra.reserve(now) for _ in range(asked)]
        now += gap
    assert times == sorted(times)
    assert within(times, max(rate for rate, _, _ in steps), burst)


def test_no_limit_waits_for_blocks_only() -> None:
    """rate 0: every request may go now, but for a penalty."""
    gcra = Gcra(0, 1, 5.0)
    assert [gcra.reserve(5.0) for _ in range(3)] == [5.0] * 3
    gcra.penalise(9.0)
    assert [gcra.reserve(6.0) for _ in range(3)] == [9.0] * 3
    gcra.set_rate(1, 9.0)
    assert gcra.reserve(9.0) >= 10.0


def test_a_negative_rate_is_refused() -> None:
    """A rate below zero is a bug of the caller's, not a limit."""
    for rate in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="rate"):
            Gcra(rate, 1, 0)


def pace(rate: float = 10, *, adaptive: bool = True, base_s: float = 1, cap_s: float = 120) -> Pace:
    return Pace(rate, 1, 0.0, adaptive=adaptive, retry=RetrySettings(base_s=base_s, cap_s=cap_s))


def test_one_window_counts_once() -> None:
    """Six replies 429 to requests sent before the first of them came halve the rate once, and make one block."""
    p = pace()
    changes = [p.refused(1.0 + i / 10, 2.0 + i / 10, None, "429") for i in range(6)]
    assert changes == [Change(5.0, 3.0, "429"), None, None, None, None, None]
    assert p.blocks == 1


def test_blocks_double_up_to_the_cap_and_a_clean_reply_forgets_them() -> None:
    """Without Retry-After a block lasts base_s * 2^(blocks so far), at most cap_s."""
    p, now, waits = pace(base_s=2, cap_s=15), 1.0, []
    for _ in range(6):
        change = p.refused(now, now, None, "503")
        assert change is not None
        assert change.until is not None
        waits.append(change.until - now)
        now = change.until
    assert waits == [2, 4, 8, 15, 15, 15]
    p.clean(now, now + 1)
    change = p.refused(now + 2, now + 2, None, "429")
    assert change is not None
    assert change.until == now + 4


def test_a_clean_reply_of_the_same_window_breaks_the_row() -> None:
    """One request refused and another answered, sent together, whichever reply comes first: the host does not only
    refuse. A straggler from before the last window says nothing."""
    p, now = pace(), 1.0
    for _ in range(20):
        change = p.refused(now, now + 0.1, None, "503")
        assert change is not None
        assert p.blocks == 1
        p.clean(now, now + 0.2)
        assert p.blocks == 0
        now += 10
    p.refused(now, now, None, "503")
    p.refused(now + 5, now + 5, None, "503")
    p.clean(now - 1, now + 6)
    assert p.blocks == 2


def test_retry_after_is_a_minimum_with_a_cap() -> None:
    """The longer of the own wait and Retry-After holds; an hour is the most, and a straggler may still extend it."""
    p = pace()
    assert p.refused(1, 1, 0.2, "429") == Change(5.0, 2.0, "429")
    assert p.refused(0.5, 1.5, 30, "429") == Change(5.0, 31.5, "429")
    assert p.ready == 31.5
    assert p.reserve(2.0) == 31.5
    change = p.refused(32, 32, 1e9, "429")
    assert change is not None
    assert change.until == 32 + RETRY_AFTER_MAX_S


def test_a_block_is_not_stretched_by_the_rate() -> None:
    """Changes of the rate while a block stands leave its end where it is."""
    p = pace(100)
    p.refused(1, 1, 200, "429")
    p.clean(0.5, 1.1)
    p.troubled(2, 2, "connect")
    assert p.reserve(3) == 201


@few
@given(st.lists(st.tuples(st.sampled_from(["refused", "troubled", "clean"]), st.floats(0.01, 100)), max_size=80), RATES)
def test_the_working_rate_stays_between_floor_and_budget(steps: list[tuple[str, float]], budget: float) -> None:
    """Whatever comes, 0 < working rate <= budget."""
    p, now = pace(budget), 0.0
    for what, gap in steps:
        now += gap
        if what == "refused":
            p.refused(now, now, None, "429")
        elif what == "troubled":
            p.troubled(now, now, "connect")
        else:
            p.clean(now, now)
        assert budget * FLOOR * 0.99 < p.rate <= budget


def test_it_climbs_back_slowly_and_says_so_once() -> None:
    """Clean replies bring the rate back to the budget and never above; silence earns nothing."""
    p, now, told = pace(10), 10.0, []
    p.refused(now, now, None, "429")
    p.clean(5_000, 5_000)
    assert p.rate < 9.5
    now = 5_000.0
    while p.rate < 10 and now < 9_000:
        now += 0.2
        told.append(p.clean(now, now))
    assert 1 < now - 5_000 < 3_600
    assert [c for c in told if c][-1] == Change(10, None, "recovered")
    assert p.clean(now, now + 1) is None


def test_not_adaptive_keeps_the_rate_but_waits_out_blocks() -> None:
    """adaptive = false: the rate is the user's, a block is the host's."""
    p = pace(adaptive=False)
    assert p.refused(1, 1, 5, "429") == Change(10, 6, "429")
    assert p.troubled(2, 2, "connect") is None
    assert p.reserve(1) == 6


def test_no_limit_only_waits_out_blocks() -> None:
    """rate 0 with adaptive: there is no rate to halve."""
    p = pace(0)
    assert p.refused(1, 1, None, "429") == Change(0, 2, "429")
    assert p.troubled(3, 3, "connect") is None
    assert p.clean(4, 4) is None
    assert p.reserve(4) == 4


def test_a_reload_starts_empty_and_keeps_the_block() -> None:
    """New numbers hold at once, without a burst and without forgetting a block."""
    p = pace(1)
    p.refused(1, 1, 10, "429")
    p.configure(100, 5, 2, adaptive=False)
    assert (p.rate, p.budget) == (100, 100)
    assert p.reserve(2) == 11
    assert p.reserve(2) == pytest.approx(11.01)
