"""The rate rule against hosts with limits that nobody told it: in virtual time, judged by what the host saw."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limit_shapes import NEVER, Both, Bucket, Host, Outage, Queue, Ran, Sporadic, Window, run

from crawler.rules.learning import FLOOR, Learner, Memory
from crawler.rules.rate import Pace
from crawler.rules.settings import RetrySettings

HOUR = 3600
few = settings(deadline=None, max_examples=40)


def ran(host: Host, seconds: float, rate: float, *, burst: int = 1, adaptive: bool = True, **world: object) -> Ran:
    def pace(now: float, memory: Memory | None) -> Pace:
        return Pace(rate, burst, now, adaptive=adaptive, retry=RetrySettings(), memory=memory)

    return run(host, seconds, pace, **world)  # type: ignore[arg-type]


def bucket() -> Bucket:
    return Bucket(((0, 20),), 20, 3)


def site() -> Bucket:
    """The site's own (pixiv.md 4.1)."""
    return Bucket(((0, 0.8),), 185, 200)


@pytest.mark.parametrize("rate", [22, 25, 40, 60, 200])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_secret_bucket_is_found_by_running_into_it_twice(rate: float, seed: int) -> None:
    """20 a second, 20 at once, 3 s for who is too fast; five minutes: 90 % of it used, two blocks, 429 under 1 %."""
    told = ran(bucket(), 300, rate, seed=seed)
    assert told.used >= 0.9
    assert told.share_refused < 0.01
    assert len(told.blocks) <= 3


@pytest.mark.parametrize("rate", [1.0, 1.6, 5.0])
def test_the_sites_own_limit_over_a_day(rate: float) -> None:
    """24 h: 90 % of what it allows, three blocks in the first hour, one in each six hours after."""
    told = ran(site(), 24 * HOUR, rate, seed=3)
    assert told.used >= 0.9
    assert told.share_refused < 0.01
    assert told.first_hour <= 3
    assert told.worst_six_hours <= 1


def test_a_budget_below_the_limit_is_never_held_back() -> None:
    """0.6 a second, as configured by default: not one refusal in a day, all of the budget used."""
    told = ran(site(), 24 * HOUR, 0.6)
    assert told.refused == 0
    assert told.passed >= 0.999 * 0.6 * 24 * HOUR - 1


@pytest.mark.parametrize("rate", [40, 60])
def test_a_limit_that_halves_midway_is_found_again(rate: float) -> None:
    """From 40 to 20 a second in the middle of five minutes: 90 % of what was allowed, three blocks."""
    told = ran(Bucket(((0, 40), (150, 20)), 40, 3), 300, rate)
    assert told.used >= 0.9
    assert told.share_refused < 0.01
    assert len(told.blocks) <= 3


def test_a_limit_that_halves_in_the_middle_of_a_day() -> None:
    """From 1.6 to 0.8 a second: one refusal tells, and 90 % of what was allowed is had."""
    told = ran(Bucket(((0, 1.6), (12 * HOUR, 0.8)), 185, 200), 24 * HOUR, 3.0)
    assert told.used >= 0.9
    assert told.first_hour <= 3
    assert told.worst_six_hours <= 1


def test_a_limit_that_is_lifted_is_noticed() -> None:
    """Some hours after a wall was found more is asked for; when it is gone, the whole budget is used again."""
    told = ran(Bucket(((0, 0.8), (2 * HOUR, 50)), 185, 200), 16 * HOUR, 2.0)
    assert told.pace.rate == 2.0


@pytest.mark.parametrize("connections", [8, 24])
def test_a_host_that_only_slows_down_is_used_and_not_crowded(connections: int) -> None:
    """It answers 20 a second, one after the other: all of it is used, whatever the budget, and nothing is refused."""
    told = ran(Queue(20), 300, 60, connections=connections)
    assert told.used >= 0.98
    assert told.refused == 0


@pytest.mark.parametrize("rate", [1.0, 5.0, 25.0])
def test_refusals_that_have_nothing_to_do_with_the_rate_cost_little(rate: float) -> None:
    """One path in thirty is refused once or twice, whatever the rate: at least 80 % of the budget is still used."""
    told = ran(Sporadic(1 / 30, 1), 900, rate)
    assert told.passed >= 0.8 * rate * 900
    assert told.pace.rate >= 0.5 * rate


def test_noise_does_not_hide_a_wall() -> None:
    """Both at once: most of the limit is used, and hardly anything but the noise is refused."""
    told = ran(Both(bucket(), Sporadic(1 / 200, 1)), 900, 40)
    assert told.used >= 0.5
    assert told.share_refused < 0.03


def test_an_outage_is_no_wall() -> None:
    """Ten minutes of nothing but 503: the budget is back within minutes of the end."""
    told = ran(Outage(((2 * HOUR, 2 * HOUR + 600),)), 3 * HOUR, 5, limited=False)
    assert told.pace.rate == 5
    assert told.passed >= 0.85 * 5 * (3 * HOUR - 600)


def test_a_fixed_window_is_not_run_into_again_and_again() -> None:
    """100 a minute, then nothing until the next minute: four hours, few blocks."""
    told = ran(Window(100, 60), 4 * HOUR, 5)
    assert len(told.blocks) <= 4
    assert told.share_refused < 0.01


@pytest.mark.parametrize("restart_s", [300, HOUR])
def test_what_was_learnt_survives_a_kill(restart_s: float) -> None:
    """A day of processes that are killed, each starting with what the last one told: blocks are not met anew."""
    told = ran(site(), 24 * HOUR, 1.6, restart_s=restart_s)
    assert told.used >= 0.9
    assert told.first_hour <= 3
    assert told.worst_six_hours <= 1


def test_killed_every_two_seconds_no_second_has_a_burst() -> None:
    """5 a second: at most 6 arrivals in any second, though each process begins anew."""
    told = ran(Sporadic(0, 0), 120, 5, restart_s=2)
    assert told.most_within(1.0) <= 6
    assert ran(Sporadic(0, 0), 120, 5, burst=2, restart_s=2).most_within(1.0) <= 7


@pytest.mark.parametrize("rate", [0.0, 25.0])
def test_all_of_a_budget_is_used_and_no_more(rate: float) -> None:
    """A host without a limit, 150 ms away: 25 a second is 25 a second, and no limit is as fast as connections allow."""
    told = ran(Sporadic(0, 0), 120, rate, connections=8)
    if rate:
        assert told.passed >= 0.98 * rate * 120
        assert told.most_within(1.0) <= rate + 1
    else:
        assert told.passed >= 0.9 * 120 * 8 / 0.15


def test_no_limit_configured_learns_from_the_rate_it_saw() -> None:
    """rate 0: noise slows nothing; a block that lasts does, starting from what was seen, and is found below it."""
    noise = ran(Sporadic(1 / 30, 1), 60, 0, connections=16)
    assert noise.pace.rate == 0
    wall = ran(bucket(), 600, 0)
    assert 10 < wall.pace.rate < 20.5
    assert wall.used >= 0.75
    assert wall.share_refused < 0.02


STEPS = st.lists(
    st.tuples(st.sampled_from(["refused", "again", "troubled", "clean"]), st.floats(0.01, 300), st.integers(0, 40)),
    max_size=60,
)


def driven(learn: Pace, steps: list[tuple[str, float, int]], budget: float, check: Callable[[], None]) -> float:
    now = 0.0
    for what, gap, cleans in steps:
        for _ in range(cleans):
            now = learn.reserve(now) + 0.01
            learn.clean(now - 0.01, now)
            check()
        now = learn.reserve(now + gap) + 0.01
        if what == "troubled":
            learn.troubled(now - 0.01, now, "connect")
        elif what != "clean":
            learn.refused(now - 0.01, now, None, "429", again=what == "again")
        check()
    return now


@few
@given(STEPS, st.floats(0.05, 500), st.integers(1, 5))
def test_never_above_the_budget_in_any_window_whatever_comes(
    steps: list[tuple[str, float, int]], budget: float, burst: int
) -> None:
    """0 < working rate <= budget, and at most budget * T + burst reservations in every window of length T."""
    pace = Pace(budget, burst, 0.0, adaptive=True, retry=RetrySettings())
    times: list[float] = []
    reserve = pace.reserve

    def reserved(now: float) -> float:
        times.append(reserve(now))
        return times[-1]

    pace.reserve = reserved  # type: ignore[method-assign]

    def check() -> None:
        assert budget * FLOOR * 0.99 <= pace.rate <= budget

    driven(pace, steps, budget, check)
    for i in range(len(times)):
        for j in range(i, min(len(times), i + 60)):
            assert j - i + 1 <= budget * (times[j] - times[i]) + burst + 1e-6


@few
@given(STEPS, st.sampled_from([0.5, 5.0, 50.0]))
def test_it_always_finds_its_way_back(steps: list[tuple[str, float, int]], budget: float) -> None:
    """Whatever came, a host that refuses nothing any more gets the whole budget again within two days."""
    pace = Pace(budget, 1, 0.0, adaptive=True, retry=RetrySettings())
    now = driven(pace, steps, budget, lambda: None)
    learner = pace._learner
    end = now + 48 * HOUR
    while pace.rate < budget and now < end:
        for _ in range(40):  # forty replies, then a long time in which the same goes on
            now = pace.reserve(now) + 0.01
            pace.clean(now - 0.01, now)
        if learner.memory(now).again_s:
            now += 600
    assert pace.rate == budget


@few
@given(st.floats(0.1, 100), st.floats(0, 200), st.floats(1, 500), st.integers(0, 20), st.floats(0, 1e6))
def test_a_memory_is_taken_up_as_it_was_left(rate: float, limit: float, room: float, met: int, again_s: float) -> None:
    """What a limiter remembers of a wall is what it was told, and the rate is below both budget and wall."""
    learner = Learner(100.0, 0.0, Memory(rate, limit, room, met, again_s))
    assert learner.rate <= min(100.0, max(rate, 100 * FLOOR)) + 1e-9
    if limit >= 100 / 32 and limit <= 100:
        assert learner.memory(0.0).limit == pytest.approx(limit)
        assert learner.rate <= limit


def test_the_length_of_a_block_is_learnt() -> None:
    """The first 200 s are found out with growing pauses; the second time nothing is asked for as long as that."""
    told = ran(site(), 2 * HOUR, 1.6)
    refusals = [at for at, change in told.told if change.until is not None]
    first = [at for at in refusals if at < told.blocks[0] + 250]
    second = [at for at in refusals if told.blocks[1] <= at < told.blocks[1] + 260]
    assert 6 <= len(first) <= 10
    assert len(second) <= 2
    assert NEVER not in refusals
