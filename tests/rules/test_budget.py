"""The 24-hour ledger: no window holds more than the budget, and nothing is held back for longer than it must be."""

from bisect import bisect_left

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.rules.budget import STEP_S, STEPS, UNDER_WAY_S, WINDOW_S, Budget, Ledger, Step, step_of

few = settings(deadline=None, max_examples=80)
PAUSES = st.lists(st.one_of(st.floats(0, 600), st.floats(0, 30_000), st.just(0.0)), min_size=1, max_size=80)


def most_within_a_day(spent: list[tuple[float, int]]) -> int:
    times = [t for t, _ in spent]
    return max(sum(n for _, n in spent[bisect_left(times, t - WINDOW_S + 1e-6) : i + 1]) for i, t in enumerate(times))


@few
@given(PAUSES, st.integers(1, 20), st.floats(1e9, 2e9))
def test_no_day_has_more_requests_than_the_budget(pauses: list[float], budget: int, began: float) -> None:
    """Whenever they are wanted, at most `budget` requests go in any 24 h."""
    t, ledger, sent = began, Ledger(Budget(budget)), list[tuple[float, int]]()
    for pause in pauses:
        t = ledger.ready(t + pause)
        ledger.add(t, 1)
        sent.append((t, 1))
    assert most_within_a_day(sent) <= budget


@few
@given(st.lists(st.tuples(st.floats(0, 20_000), st.integers(1, 60)), min_size=1, max_size=60), st.integers(60, 200))
def test_no_day_has_more_bytes_than_the_budget(wishes: list[tuple[float, int]], budget: int) -> None:
    """Asked with what will come, at most `budget` bytes come in any 24 h."""
    t, ledger, had = 1e9, Ledger(Budget(0, budget)), list[tuple[float, int]]()
    for pause, size in wishes:
        t = ledger.ready(t + pause, 1, size)
        ledger.add(t, 1, size)
        had.append((t, size))
    assert most_within_a_day(had) <= budget


@few
@given(PAUSES, st.integers(1, 20))
def test_it_never_starves(pauses: list[float], budget: int) -> None:
    """Nobody waits longer than 24 h and one step, and only when the budget is really used up."""
    t, ledger, sent = 1e9, Ledger(Budget(budget)), list[float]()
    for pause in pauses:
        t += pause
        at = ledger.ready(t)
        assert at <= t + WINDOW_S + STEP_S + UNDER_WAY_S
        if at > t:
            assert sum(then > t - WINDOW_S - STEP_S - UNDER_WAY_S for then in sent) >= budget
        ledger.add(at, 1)
        sent.append(at)
        t = at


@few
@given(PAUSES, st.integers(1, 20), st.integers(0, 79))
def test_a_ledger_that_was_written_down_goes_on_as_if_nothing_had_been(
    pauses: list[float], budget: int, cut: int
) -> None:
    """What `entries` gives, in any order, is all that the next run needs."""
    t, one = 1e9, Ledger(Budget(budget, 1000))
    for pause in pauses[:cut]:
        t += pause
        one.add(t, 1, 10)
    two = Ledger(Budget(budget, 1000), reversed(one.entries(t)))
    assert two.entries(t) == one.entries(t)
    assert len(one.entries(t)) <= 290
    for pause in pauses[cut:]:
        t += pause
        assert one.ready(t) == two.ready(t)
        one.add(t, 1, 10)
        two.add(t, 1, 10)


def test_no_budget_and_a_wish_too_large() -> None:
    """0 is no limit; a body larger than a whole day's budget goes when nothing else counts, and not never."""
    free = Ledger(Budget())
    free.add(1e9, 10**6, 10**12)
    assert free.ready(1e9) == 1e9
    small = Ledger(Budget(0, 100))
    assert small.ready(1e9, 1, 500) == 1e9
    small.add(1e9, 1, 500)
    assert 1e9 + WINDOW_S < small.ready(1e9 + 1) <= 1e9 + WINDOW_S + STEP_S + UNDER_WAY_S
    assert small.spent(1e9 + 1) == (1, 500)
    assert small.spent(1e9 + WINDOW_S + 2 * STEP_S) == (0, 0)


def test_logs_of_many_workers_add_up() -> None:
    """Entries of the same step are one."""
    ledger = Ledger(Budget(10), [Step(3e5, 4, 1), Step(3e5, 5, 2)])
    assert ledger.entries(3e5) == (Step(3e5, 9, 3),)
    assert ledger.ready(3e5) == 3e5
    ledger.add(3e5 + 1, 1)
    assert ledger.ready(3e5 + 2) == 3e5 + STEP_S + WINDOW_S + UNDER_WAY_S


DAY = 1_500_000_000.0
"""Where a step begins."""
BACK_S = 300 + 86_400 + 60
"""From the start of a step to when it no longer counts."""


def test_a_step_is_let_go_a_day_and_six_minutes_after_it_began() -> None:
    """Five minutes, counted from the epoch; then 24 h, and a minute for what was under way."""
    assert (step_of(DAY), step_of(DAY + 299.9), step_of(DAY + 300)) == (DAY, DAY, DAY + 300)
    for late in (0, 299):
        ledger = Ledger(Budget(1))
        ledger.add(DAY + late, 1, 7)
        assert ledger.ready(DAY + 299) == DAY + BACK_S
        assert ledger.spent(DAY + BACK_S - 0.1) == (1, 7)
        assert ledger.entries(DAY + BACK_S - 0.1) == (Step(DAY, 1, 7),)
        assert ledger.spent(DAY + BACK_S) == (0, 0)
        assert ledger.ready(DAY + BACK_S) == DAY + BACK_S
        assert ledger.entries(DAY + BACK_S) == ()
        assert ledger.entries(DAY) == (), "what is forgotten stays so"


def test_so_many_steps_count_at_most() -> None:
    """A host asked all the time: 290 at the worst moment, and that is what others may keep."""
    ledger = Ledger(Budget(), [Step(DAY + 300 * n, 1, 0) for n in range(600)])
    assert max(len(ledger.entries(DAY + 300 * 599 + s)) for s in (0, 30, 59, 60, 61, 299)) == STEPS == 290


def test_a_budget_of_nothing_is_none() -> None:
    """0 requests and 0 bytes are no limit; either alone is one."""
    assert [Budget().bounded, Budget(1).bounded, Budget(0, 1).bounded] == [False, True, True]


def test_full_is_full() -> None:
    """What is left may be spent to the last request and byte, and without a byte left nothing is asked for."""
    ledger = Ledger(Budget(3, 100), [Step(DAY, 2, 90)])
    assert ledger.fits(DAY, 1, 10) is True
    assert ledger.fits(DAY, 2, 0) is False
    assert ledger.fits(DAY, 1, 11) is False
    ledger.add(DAY, 0, 10)
    assert not ledger.fits(DAY, 0, 0)
    ledger.add(DAY, 1)
    assert ledger.spent(DAY) == (3, 100)
    assert Ledger(Budget(0, 100), [Step(DAY, 1, 99)]).ready(DAY) == DAY
    assert Ledger(Budget(0, 100), [Step(DAY, 50, 0)]).fits(DAY, 999, 100)
    assert Ledger(Budget(3, 0), [Step(DAY, 0, 10**9)]).fits(DAY, 3, 10**9)


def test_what_is_noted_late_counts_for_its_own_time() -> None:
    """Though the sum was asked for already: what lies before the last 24 h and six minutes adds nothing to it."""
    ledger = Ledger(Budget(10))
    assert ledger.spent(DAY) == (0, 0)
    ledger.add(DAY, 1, 2)
    ledger.add(DAY - 87_000, 1, 1)
    assert ledger.spent(DAY) == (1, 2)
    ledger.add(DAY - 86_700, 1, 1)
    assert ledger.spent(DAY) == (2, 3)
    assert ledger.entries(DAY) == (Step(DAY - 86_700, 1, 1), Step(DAY, 1, 2))


def test_room_comes_back_step_by_step() -> None:
    """As many of the oldest steps are waited out as the wish needs; a wish for more than all, until nothing counts."""
    steps = [Step(DAY + 600, 4, 40), Step(DAY, 3, 30), Step(DAY + 300, 3, 30)]
    ledger, at = Ledger(Budget(10, 100), steps), DAY + 900
    assert [ledger.ready(at, n) - DAY - BACK_S for n in (1, 3, 4, 6, 7, 10, 99)] == [0, 0, 300, 300, 600, 600, 600]
    assert [ledger.ready(at, 1, n) - DAY - BACK_S for n in (0, 30, 31, 60, 61, 1000)] == [0, 0, 300, 300, 600, 600]
    assert Ledger(Budget(10), steps).ready(at, 3, 10**9) == DAY + BACK_S
    assert Ledger(Budget(0, 100), steps).ready(at, 10**9, 30) == DAY + BACK_S
    overdrawn = Ledger(Budget(0, 100), [Step(DAY, 1, 20), Step(DAY + 300, 1, 100)])
    assert overdrawn.ready(at) == DAY + 300 + BACK_S
    # A wish for more than a whole day's budget waits for the last of what counts, and for nothing else.
    for last, waited in ((Step(DAY + 300, 1, 1), 300), (Step(DAY + 300, 0, 0), 0)):
        for budget in (Budget(10), Budget(0, 100)):
            assert Ledger(budget, [Step(DAY, 5, 50), last]).ready(at, 99, 999) == DAY + waited + BACK_S
    # What was let go is not waited for.
    assert Ledger(Budget(10, 100), steps).ready(DAY + BACK_S, 4) == DAY + 300 + BACK_S
