"""The working rate at a limit that is known, from this run or an earlier one, by numbers."""

import pytest
from learner_kit import NOW, block, burst, climbed, learner, twice_met

from crawler.rules.learning import HOUR_S, PATIENCE_MAX_S, PATIENCE_S, Memory

# -- a limit that is known -------------------------------------------------------------------------


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


def test_three_refusals_are_enough_for_a_vague_limit() -> None:
    """The third in the first half hour: patience begins, the second time already doubled."""
    one = learner()
    for at in (100.0, 200.0, 900.0):
        burst(one, at, 20)
        one.over(at + 5, lasted=True, limited=True)
    assert one.memory(905.0).again_s == 2 * PATIENCE_S


def test_two_refusals_that_no_limit_explains_are_forgotten() -> None:
    """Sixty passed where twenty were too many: it begins anew, and two that agree settle it."""
    one = learner()
    for at, room, hits, limit in ((100.0, 20, 1, 0), (1e5, 60, 0, 0), (2e5, 60, 1, 0), (3e5, 60, 2, 60)):
        burst(one, at, room)
        one.over(at + 5, lasted=True, limited=True)
        assert one._wall is not None
        assert one._wall.hits == hits
        assert one.memory(at + 5).room == limit


def test_where_it_was_refused_below_the_limit_it_goes_below_that() -> None:
    """Asked for more after its time and refused at one a second already: 95 % of that."""
    one = twice_met()
    one.over(1e5 + 5, lasted=True, limited=True)
    burst(one, 1e6, 20, refused=False)
    one.rate = 1.0
    one.hit(1e6, 1e6)
    assert one.expected
    assert one.rate == pytest.approx(0.95)
    one.over(1e6 + 5, lasted=True, limited=True)
    assert one.memory(1e6 + 5).rate == pytest.approx(0.95)


def test_it_never_climbs_above_the_budget() -> None:
    """Though a quarter more than the limit would be more than that."""
    one = learner(memory=Memory(15, limit=15, room=20, met=1, again_s=1000))
    assert climbed(one, 1001.0, 60, 0.1) == 16


def test_surprises_at_a_known_limit_are_noise() -> None:
    """Three refusals far below it that passed at once."""
    one = learner(memory=Memory(10, limit=10, room=20, met=1, again_s=PATIENCE_S))
    for n in range(3):
        assert not one.noisy
        one.rate = 5.0
        burst(one, NOW + 100 * n, 20)
        one.over(NOW + 100 * n + 1, lasted=False, limited=True)
    assert one.noisy


def test_a_limit_that_is_narrow_is_known_at_once() -> None:
    """Two hundred at once, and eighty more twenty seconds later: four a second, and patience begins."""
    one = learner()
    burst(one, 100.0, 200)
    one.over(101.0, lasted=True, limited=True)
    burst(one, 120.0, 80)
    one.over(121.0, lasted=True, limited=True)
    known = one.memory(121.0)
    assert known.limit == pytest.approx(4, rel=0.04)
    assert known.again_s == PATIENCE_S


def test_what_passes_rules_slower_limits_out() -> None:
    """Of a vague limit the rate is the middle; while it goes well that rises, and the rate with it."""
    one, now = twice_met(), 1e5 + 5
    one.over(now, lasted=True, limited=True)
    first = one.memory(now).limit
    for _ in range(600):
        now += 1 / one.rate
        one.sent(now)
        one.clean(now, now)
    limit = one._wall.limit()  # type: ignore[union-attr]
    assert limit is not None
    assert limit.rate > 2 * first
    assert one.memory(now).limit == pytest.approx(limit.rate, rel=0.1)
    assert one.rate == pytest.approx(0.96 * one.memory(now).limit, rel=0.02)


def test_a_limit_that_never_lasted_is_not_sure() -> None:
    """Refusals that pass at once at one level: it is asked for more after ten minutes."""
    one = learner()
    burst(one, 100.0, 20)
    one.over(101.0, lasted=False, limited=True)
    assert one.rate == pytest.approx(0.85 * 16)
    burst(one, 1e5, 20)
    one.over(1e5 + 1, lasted=False, limited=True)
    assert one.memory(1e5 + 1).again_s == 600


def test_a_wall_that_lasted_once_is_believed() -> None:
    """The second refusal at its level passed at once: patience all the same; however many passed between."""
    one = learner()
    burst(one, 100.0, 20)
    one.over(105.0, lasted=True, limited=True)
    burst(one, 1e5, 20)
    one.over(1e5 + 1, lasted=False, limited=True)
    assert one.memory(1e5 + 1).again_s == PATIENCE_S
    for n in range(2010):
        one.sent(2e5 + 10 * n)
    burst(one, 1e6, 20)
    assert one._wall is not None
    assert one._wall.hits == 3


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
    assert not one.noisy, "what a limit explains is no noise"


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
    same = learner(memory=known)
    same.rate = 5.0
    burst(same, NOW, 20)
    assert not same.expected, "though the bucket would explain it"
    same.over(NOW + 5, lasted=True, limited=True)
    assert same.memory(NOW + 5).limit == 0
    assert same._wall is not None
    assert same._wall.hits == 0
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
    assert one._wall is not None
    assert one._wall.hits == 1, "the limit that was known, and not what no limit explains"
    assert again.limit == pytest.approx(8, rel=0.3)


def test_a_limit_that_something_passed_above_is_gone() -> None:
    """The next look, after 32 replies, says so; the way to the budget takes two minutes for all of it."""
    one = learner(memory=Memory(8, limit=8, room=20, met=2, again_s=PATIENCE_S))
    for _ in range(100):
        one.sent(50.0)
    told = [one.clean(50.0 + n / 100, 50.0 + n / 100) for n in range(32)]
    assert told == [None] * 31 + ["limit_gone"]
    assert not one.wary
    assert one._wall is not None
    assert one._wall.hits == 0
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
    if wary:
        assert climbed(one, 1.0, min(again_s, 5)) == pytest.approx(rate), "until it is time to ask for more"


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


def test_without_a_limit_configured_a_wall_is_looked_for_around_what_was_seen() -> None:
    """Up to four times that; what went before the first refusal was not counted, so it takes two more."""
    one = learner(0)
    for at in (100.0, 1e5, 2e5, 3e5):
        assert one.memory(at).limit == 0
        burst(one, at, 20)
        one.over(at + 5, lasted=True, limited=True)
    known = one.memory(3e5 + 5)
    assert (known.limit, known.room) == (pytest.approx(4 / 2**2.5), 20)


def test_without_a_limit_configured_a_wall_that_stands_back_is_let_go() -> None:
    """Where it was met it goes well now, as far as 95 % of that: there is no rate to keep to any more."""
    one = learner(0)
    for at in (100.0, 1e5, 2e5):
        burst(one, at, 20)
        before = one._before
        one.over(at + 5, lasted=True, limited=False)
    assert one.wary
    told, now, best = None, 2e5 + 5, one.rate
    while one.rate and now < 2e5 + 3000:
        now += 0.5
        told, best = one.clean(now, now), max(best, one.rate)
    assert (told, one.wary) == ("recovered", False)
    assert best == pytest.approx(0.95 * before)


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
