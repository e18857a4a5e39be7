"""The working rate after each thing that can happen to it, by the numbers that the learner's own words give."""

import pytest

from crawler.rules.learning import FLOOR, HOUR_S, PATIENCE_MAX_S, PATIENCE_S, Learner, Memory

NOW = 100.0


def learner(budget: float = 16.0, memory: Memory | None = None) -> Learner:
    return Learner(budget, 0.0, memory)


def block(learner: Learner, at: float, *, lasted: bool = True, limited: bool = True, for_s: float = 5.0) -> None:
    """A refusal at that time, and a host that answers again after so many seconds."""
    learner.hit(at, at)
    learner.over(at + for_s, lasted=lasted, limited=limited)


def burst(learner: Learner, at: float, many: int, *, refused: bool = True) -> None:
    """So many requests at one moment pass, and one more is refused: a bucket of that size was full."""
    for _ in range(many):
        learner.sent(at)
    learner.clean(at, at)
    if refused:
        learner.sent(at)
        learner.hit(at, at)


def climbed(learner: Learner, start: float, seconds: float, step: float = 0.05) -> float:
    """The rate after good replies at this pace."""
    now = start
    while now < start + seconds - step / 2:
        now += step
        learner.clean(now, now)
    return learner.rate


# -- the first meeting -----------------------------------------------------------------------------


def test_the_first_wall_halves_the_rate_and_is_climbed_to_again() -> None:
    """At once; then to 95 % of where it was, in at least half a minute for a whole rate's worth."""
    one = learner()
    one.hit(NOW, NOW)
    assert one.rate == 8
    assert not one.expected
    one.over(NOW + 5, lasted=True, limited=True)
    assert (one.rate, one.wary, one.noisy) == (8, True, False)
    assert one.memory(NOW + 5) == Memory(8, 0, 0, 0, 0)


def test_from_there_it_climbs_to_just_below_and_then_on() -> None:
    """To 95 % of where it was met in as long as it had gone well; then to the budget in four times as long."""
    one = learner()
    burst(one, NOW, 20)
    one.over(NOW + 5, lasted=True, limited=True)
    assert climbed(one, NOW + 5, 30) == pytest.approx(8 + 15.2 * 30 / 105)
    assert climbed(one, NOW + 35, 20) == pytest.approx(15.2)
    before, now, told = one.rate, NOW + 55, None
    for _ in range(31):
        now += 0.05
        assert one.clean(now, now) is None
        now += 0.05
        one.clean(now, now)
    assert 15.2 < one.rate < before + 16 * 3.1 / 420
    while one.rate < 16:
        now += 0.05
        told = one.clean(now, now)
    assert told == "recovered"
    assert one.wary


@pytest.mark.parametrize(("at", "climb_s"), [(0.0, 30.0), (20.0, 30.0), (95.0, 100.0), (5000.0, 1200.0)])
def test_how_long_a_climb_takes(at: float, climb_s: float) -> None:
    """As long as it went well before, but half a minute at least and twenty minutes at most; silence earns nothing."""
    one = learner()
    block(one, at, limited=False)
    before = one.rate
    one.clean(at + 5.1, at + 5.1)
    assert one.rate - before == pytest.approx(15.2 * 0.1 / climb_s)
    before = one.rate
    one.clean(at + 1000, at + 1000)  # two intervals count
    assert one.rate - before == pytest.approx(15.2 * (2 / before) / climb_s)


def test_a_refusal_that_passed_at_once_costs_a_tenth() -> None:
    """And that is back after sixteen replies at that pace."""
    one = learner()
    one.hit(NOW, NOW)
    one.over(NOW + 1, lasted=False, limited=True)
    assert one.rate == pytest.approx(14.4)
    assert not one.wary
    now, told, n = NOW + 1, None, 0
    while one.rate < 16 and n < 40:
        n += 1
        now += 1 / one.rate
        told = one.clean(now, now)
    assert 14 <= n <= 17
    assert told == "recovered"


def test_after_three_doubts_noise_costs_next_to_nothing() -> None:
    """A twentieth (the root of 0.9); and five hundred requests without a refusal forget it."""
    one = learner()
    for n in range(3):
        assert one.noisy is False
        block(one, NOW + 100 * n, lasted=False)
        one.rate = 16.0
    assert one.noisy is True
    block(one, NOW + 400, lasted=False)
    assert one.rate == pytest.approx(16 * 0.9**0.5)
    for sends, noisy in ((500, True), (501, False)):
        for n in range(sends):
            one.sent(NOW + 1000 + n / 4)
        one.hit(NOW + 2000, NOW + 2000)
        assert one.noisy is noisy
        one.over(NOW + 2001, lasted=False, limited=True)


def test_trouble_on_the_way_halves_or_takes_a_tenth() -> None:
    """Down to the floor; and the way back is to the whole budget."""
    one = learner()
    one.slow(NOW, much=False)
    assert one.rate == pytest.approx(14.4)
    one.slow(NOW, much=True)
    assert one.rate == pytest.approx(7.2)
    one.clean(NOW + 0.1, NOW + 0.1)
    assert one.rate == pytest.approx(7.2 + 16 * 0.1 / 30)
    for _ in range(20):
        one.slow(NOW, much=True)
    assert one.rate == 16 * FLOOR == 0.25
    free = learner(0)
    free.slow(NOW, much=True)
    assert free.rate == 0


# -- how fast it really was ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sends", "gap_s", "before"),
    [(7, 0.5, 16), (8, 0.5, 2.2), (32, 0.25, 4.4), (40, 0.01, 16), (20, 0.0, 16)],
)
def test_the_rate_before_a_refusal_is_the_one_that_was_seen(sends: int, gap_s: float, before: float) -> None:
    """Of the last requests, eight at least; a tenth above it, and never above what was allowed."""
    one = learner()
    for n in range(sends):
        one.sent(10 + n * gap_s)
    at = 10 + (sends - 1) * gap_s
    one.sent(at + 50)  # sent later than the refused one
    one.hit(at, at + 60)
    assert one.rate == pytest.approx(min(before / 2, 16))


def test_what_was_not_sent_does_not_count() -> None:
    """Turns that were given back."""
    one = learner()
    for n in range(10):
        one.sent(10 + n)
    for n in range(10):
        one.sent(20 + n / 100)
    one.unsent(19.0)
    one.hit(19.0, 19.0)
    assert one.rate == pytest.approx(1.1 / 2)


# -- patience --------------------------------------------------------------------------------------


def test_three_meetings_in_the_first_hour_buy_knowledge_then_it_waits() -> None:
    """The third one waits for six hours; so does each after the first hour, and none that says nothing of a limit."""
    for times, limited, again in (
        ((100,), True, 0),
        ((100, 400), True, 0),
        ((100, 400, 700), True, PATIENCE_S),
        ((100, 400, 700), False, 0),
        ((3600,), True, PATIENCE_S),
        ((3594,), True, 0),
        ((90_000,), False, 0),
    ):
        one = learner()
        for at in times:
            block(one, at, limited=limited)
        assert one.memory(times[-1] + 5.0).again_s == again, (times, limited)
    one = learner()
    block(one, 90_000.0, lasted=False)
    assert one.memory(90_005.0).again_s == 0


def test_while_it_waits_it_stays_where_it_went_well() -> None:
    """At the rate after the last meeting; when the time is up, on to 95 % of where it was met."""
    one = learner()
    burst(one, 4000.0, 20)
    one.over(4005.0, lasted=True, limited=True)
    assert one.rate == 8
    assert climbed(one, 4005.0, 100) == 8
    assert one.memory(4105.0).again_s == PATIENCE_S - 100
    later = 4005.0 + PATIENCE_S
    assert climbed(one, later, 20) == pytest.approx(8 + 15.2 * 20 / 1200, rel=0.01)


def test_met_again_it_goes_to_the_middle_of_what_is_known() -> None:
    """Between what went well and what did not, a tenth below that at least; to the first if it waits."""
    one = learner()
    block(one, 100.0)
    one.rate = 12.0
    block(one, 200.0)
    assert one.rate == pytest.approx((8 * 12) ** 0.5)
    one.rate = 11.0
    held = (8 * 12) ** 0.5
    block(one, 300.0)
    assert one.rate == pytest.approx(held), "the third in the hour: it stays where it went well"
    near = learner()
    block(near, 100.0)
    near.rate = 8.1
    block(near, 200.0)
    assert near.rate == pytest.approx(0.9 * 8.1)
    low = learner()
    block(low, 100.0)
    low.rate = 6.0
    block(low, 200.0)
    assert low.rate == pytest.approx(3), "below what went well: half again"


# -- a limit that is known -------------------------------------------------------------------------


def twice_met(room: int = 20) -> Learner:
    """Two bursts of the same size refused: one bucket explains both, of whatever rate."""
    one = learner()
    burst(one, 100.0, room)
    one.over(105.0, lasted=True, limited=True)
    burst(one, 1e5, room)
    return one


def test_a_second_refusal_at_the_same_level_was_to_be_expected() -> None:
    """The rate goes just below the limit at once, 4 %, and 5 % below where it was."""
    one = twice_met()
    assert one.expected
    limit = one._wall.limit()  # type: ignore[union-attr]
    assert limit is not None
    assert one.rate == pytest.approx(min(0.96 * limit.rate, 0.95 * 15.2, 8))
    one.over(1e5 + 5, lasted=True, limited=True)
    known = one.memory(1e5 + 5)
    assert (known.limit, known.room, known.met) == (pytest.approx(limit.rate), 20, 1)
    assert known.again_s == PATIENCE_S
    assert known.rate == pytest.approx(0.96 * limit.rate)
    assert one.wary


def test_a_limit_that_is_only_vaguely_known_is_looked_at_again_in_ten_minutes() -> None:
    """Within the first half hour and three refusals; later it is six hours, whatever is known."""
    for second, again_s in ((200.0, 600), (1790.0, 600), (1800.0, PATIENCE_S)):
        one = learner()
        burst(one, 100.0, 20)
        one.over(105.0, lasted=True, limited=True)
        burst(one, second, 20)
        one.over(second + 5, lasted=True, limited=True)
        assert one.memory(second + 5).again_s == again_s


def test_a_limit_that_never_lasted_is_not_sure() -> None:
    """Refusals that pass at once at one level: it is asked for more after ten minutes."""
    one = learner()
    burst(one, 100.0, 20)
    one.over(101.0, lasted=False, limited=True)
    assert one.rate == pytest.approx(0.85 * 16)
    burst(one, 1e5, 20)
    one.over(1e5 + 1, lasted=False, limited=True)
    assert one.memory(1e5 + 1).again_s == 600


def test_patience_doubles_each_time_the_wall_stands_where_it_stood() -> None:
    """Six hours, twelve, and a day at most."""
    one, at, waits = twice_met(), 1e5, []
    for _ in range(5):
        one.over(at + 5, lasted=True, limited=True)
        waits.append(one.memory(at + 5).again_s / HOUR_S)
        at += 1e6
        burst(one, at, 20)
    assert waits == [6, 12, 24, 24, 24]
    assert one.memory(at).met == 5


def test_a_refusal_far_below_the_known_limit_is_another_limit() -> None:
    """While it is not yet time to ask for more: what had passed for long is refused now, so all is learnt anew."""
    known = Memory(10, limit=10, room=20, met=1, again_s=PATIENCE_S)
    one = learner(memory=known)
    assert one.rate == pytest.approx(9.6)
    one.rate = 5.0
    one.hit(NOW, NOW)
    assert not one.expected
    assert one.rate == 2.5
    one.over(NOW + 5, lasted=True, limited=True)
    assert one.memory(NOW + 5).limit == 0
    assert one.wary
    odd = learner(memory=known)
    odd.rate = 5.0
    block(odd, NOW, lasted=False)
    assert odd.memory(NOW + 5).limit == pytest.approx(10, rel=0.1), "one that passed at once changes nothing"


def test_after_its_time_is_up_more_than_the_limit_is_asked_for() -> None:
    """A quarter more; and as long as the wall stands, just below it."""
    one = learner(memory=Memory(8, limit=8, room=20, met=2, again_s=1000))
    assert one.rate == pytest.approx(0.96 * 8)
    assert climbed(one, 1.0, 500, 0.25) == pytest.approx(0.96 * 8)
    assert climbed(one, 1001.0, 500, 0.25) == pytest.approx(1.25 * 8)
    one.hit(2000.0, 2000.0)
    one.over(2005.0, lasted=True, limited=True)
    again = one.memory(2005.0)
    assert again.met == 3
    assert again.limit == pytest.approx(8, rel=0.3)


def test_a_limit_that_something_passed_above_is_gone() -> None:
    """The next look, after 32 replies, says so; the way to the budget takes two minutes for all of it."""
    one = learner(memory=Memory(8, limit=8, room=20, met=2, again_s=PATIENCE_S))
    for _ in range(100):
        one.sent(50.0)
    told = [one.clean(50.0 + n / 100, 50.0 + n / 100) for n in range(32)]
    assert told == [None] * 31 + ["limit_gone"]
    assert not one.wary
    assert one.memory(51.0) == Memory(pytest.approx(0.96 * 8), 0, 0, 0, 0)  # type: ignore[arg-type]
    before = one.rate
    one.clean(50.32, 50.41)
    assert one.rate - before == pytest.approx(16 * 0.1 / 120, rel=0.01)


# -- what an earlier run knew ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "rate", "wary", "again_s"),
    [
        (Memory(4), 4, False, 0),
        (Memory(40), 16, False, 0),
        (Memory(0), 16, False, 0),
        (Memory(0.001), 0.25, False, 0),
        (Memory(4, again_s=500), 4, True, 500),
        (Memory(16, again_s=500), 16, False, 0),
        (Memory(4, again_s=1e9), 4, True, PATIENCE_MAX_S),
        (Memory(10, limit=10, room=5, met=3, again_s=7), 9.6, True, 7),
        (Memory(3, limit=10, room=5), 3, True, 0),
        (Memory(30, limit=30, room=5), 16, True, 0),
    ],
)
def test_what_an_earlier_run_knew(memory: Memory, rate: float, wary: bool, again_s: float) -> None:
    """Its rate within budget and floor; just below its limit; and what it waited for, a day at most."""
    one = learner(memory=memory)
    assert (one.rate, one.wary) == (pytest.approx(rate), wary)
    kept = one.memory(0.0)
    assert (kept.again_s, kept.met) == (again_s, memory.met)
    assert (kept.limit, kept.room) == (pytest.approx(memory.limit), memory.room)
    assert Memory(1) == Memory(1, 0, 0, 0, 0, 0, 0, False)


def test_without_a_limit_configured_nothing_is_recalled_but_patience() -> None:
    """rate 0: noise costs nothing, and a wall starts from what was seen."""
    one = learner(0, Memory(4, limit=10, room=5, met=1))
    assert (one.rate, one.wary, one.noisy) == (0, False, True)
    assert one.clean(1.0, 1.0) is None
    for n in range(20):
        one.sent(10 + n / 10)
    one.hit(12.0, 12.0)
    assert one.rate == 0
    one.over(15.0, lasted=False, limited=True)
    assert one.rate == 0
    for n in range(20):
        one.sent(20 + n / 10)
    block(one, 21.95)
    assert one.rate == pytest.approx(1.1 * 10 / 2)


def test_a_block_inherited_was_learnt_from_already() -> None:
    """It is waited for where it goes on; nothing is halved again, and a limit that is known stays."""
    one = learner(memory=Memory(4))
    one.inherit(NOW, waits=True)
    assert (one.rate, one.wary) == (4, True)
    assert one.memory(NOW).again_s == PATIENCE_S
    other = learner(memory=Memory(4))
    other.inherit(NOW, waits=False)
    assert (other.rate, other.wary) == (4, False)
    known = learner(memory=Memory(10, limit=10, room=5, met=3, again_s=7))
    known.inherit(NOW, waits=True)
    assert known.memory(NOW).limit == pytest.approx(10)
    free = learner(0)
    free.inherit(NOW, waits=True)
    assert (free.rate, free.wary) == (0, False)
