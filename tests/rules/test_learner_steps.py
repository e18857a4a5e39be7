"""The working rate after each thing that can happen to it, by the numbers that the learner's own words give."""

import pytest
from learner_kit import NOW, block, burst, climbed, learner

from crawler.rules.learning import FLOOR, PATIENCE_S, Learner, Memory

# -- the first meeting -----------------------------------------------------------------------------


def test_the_first_wall_halves_the_rate_and_is_climbed_to_again() -> None:
    """At once; then to 95 % of where it was, in at least half a minute for a whole rate's worth."""
    one = learner()
    one.hit(NOW, NOW)
    assert one.rate == 8
    assert not one.expected
    one.over(NOW + 5, lasted=True, limited=True)
    assert (one.rate, one.wary, one.noisy) == (8, True, False)
    assert one.memory(NOW + 5) == one.memory(NOW + 60) == Memory(8, 0, 0, 0, 0)


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
    before = one.rate
    one.clean(now + 0.05, now + 0.05)
    assert one.rate - before == pytest.approx(16 * 0.05 / 420)
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
    late = Learner(16.0, 50.0)
    block(late, at + 50, limited=False)
    late.clean(at + 55.1, at + 55.1)
    assert late.rate == pytest.approx(one.rate), "since it was begun"
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
    assert one._wall is not None
    assert one._wall.hits == 0
    now, told, n = NOW + 1, None, 0
    while one.rate < 16 and n < 40:
        n += 1
        now += 1 / one.rate
        told = one.clean(now, now)
    assert n == 17
    assert told == "recovered"


def test_noise_leaves_nothing_behind() -> None:
    """What passed before it says nothing of what comes."""
    one = learner()
    one.sent(50.0)
    one.clean(50.0, 50.0)
    block(one, NOW, lasted=False)
    assert one._wall is not None
    assert set(one._wall._peaks) == {0.0}


def test_what_was_not_sent_took_no_room() -> None:
    """Turns that were given back, and what was refused together with others."""
    one = learner()
    for n in range(91):
        one.sent(100.0 if n < 21 else 100.1 if n < 61 else 200.0)
    one.hit(100.0, 100.2)
    for _ in range(40):
        one.stray(100.1)
    one.unsent(150.0)
    one.clean(200.0, 300.0)
    assert one._wall is not None
    limit = one._wall.limit()
    assert limit is not None
    assert (limit.low, limit.room) == (pytest.approx(0.5), 20)


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
        for n in range(sends + 3):
            one.sent(NOW + 1000 + n / 4)
        one.unsent(NOW + 1000 + (sends - 1) / 4)
        one.hit(NOW + 2000, NOW + 2000)
        assert one.noisy is noisy
        one.over(NOW + 2001, lasted=False, limited=True)


def test_it_takes_three_doubts_again() -> None:
    """After a quiet time: two refusals that passed at once are no noise yet."""
    one = learner()
    for n in range(3):
        block(one, NOW + 100 * n, lasted=False)
    for n in range(501):
        one.sent(NOW + 1000 + n)
    for n, noisy in enumerate((False, False, True, True)):
        block(one, NOW + 2000 + 100 * n, lasted=False)
        assert one.noisy is noisy


def test_a_wall_is_doubted_where_refusals_pass_at_once() -> None:
    """One block that lasted; then refusals that no limit explains: at the third of all it is believed no more."""
    one = learner()
    block(one, NOW)
    for wary in (True, False):
        assert one.wary
        block(one, NOW + 100, lasted=False)
        assert one.wary is wary


def test_noise_brings_the_rate_back_to_where_it_was() -> None:
    """Less a tenth of the rate at which things went well before, as it was seen; not of the budget."""
    one = learner()
    for start, rate in ((10, 16), (1000, 10)):
        one.rate = rate
        for n in range(10):
            one.sent(start + 10.0 * n)
        block(one, start + 90.0, lasted=False)
        assert one.rate == pytest.approx(0.9 * rate)


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
    for lasted, climb_s, goal in ((False, 30, 16), (True, 105, 15.2)):
        other = learner()
        block(other, NOW, lasted=lasted)
        other.slow(NOW + 6, much=True)
        before = other.rate
        other.clean(NOW + 6.1, NOW + 6.1)
        assert other.rate - before == pytest.approx(goal * 0.1 / climb_s), "a wall is climbed to as before"
    free = learner(0)
    free.slow(NOW, much=True)
    assert free.rate == 0


# -- how fast it really was ------------------------------------------------------------------------


def test_any_two_moments_tell_a_pace() -> None:
    """Most of the requests at once, and one long before or after."""
    for times in ([10.0] * 7 + [20.0], [10.0] + [20.0] * 7):
        one = learner()
        for at in times:
            one.sent(at)
        one.hit(20.0, 20.0)
        assert one.rate == pytest.approx(1.1 * 7 / 10 / 2)


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
        one.sent(19.5 + n / 100)
    one.unsent(19.0)
    one.hit(30.0, 30.0)
    assert one.rate == pytest.approx(1.1 / 2)


@pytest.mark.parametrize(("sends", "sure"), [(2000, True), (2001, False)])
def test_a_host_that_let_thousands_pass_may_have_changed_its_mind(sends: int, sure: bool) -> None:
    """Its first refusal counts as one only when another agrees with it."""
    one = learner()
    for n in range(1500):
        one.sent(-20_000.0 + 10 * n)
    block(one, -4000.0, lasted=False)
    for n in range(sends - 1):
        one.sent(n / 10)
    one.clean(300.0, 300.0)
    one.sent(400.0)
    one.hit(400.0, 400.0)
    assert one._wall is not None
    assert (one._wall.hits == 1) is sure


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
    burst(one, 90_000.0, 20)
    one.over(90_005.0, lasted=False, limited=True)
    assert one.wary
    assert one.memory(90_005.0).again_s == 0
    one = learner()
    for at, lasted in ((10, False), (20, False), (100, True), (400, True)):
        block(one, at, lasted=lasted)
    assert one.memory(405.0).again_s == 0, "noise is no meeting"
    one = learner()
    for at, lasted in ((10, False), (100, True), (400, True), (700, True)):
        block(one, at, lasted=lasted)
    assert one.memory(705.0).again_s == PATIENCE_S


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
