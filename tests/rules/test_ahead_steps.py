"""How long a run still takes, worked out by hand: ratios and their errors, one lane, two lanes."""

from math import hypot, sqrt

import pytest

from crawler.rules.ahead import DAY_S, Ahead, Daily, Forecast, Gear, Left, Progress, Ratio

near = pytest.approx


def ratio(*batches: tuple[float, float], least: float = 1) -> Ratio:
    made = Ratio(least)
    for x, y in batches:
        made.add(x, y)
    return made


# -- ratios ----------------------------------------------------------------------------------------


def test_a_ratio_says_nothing_before_its_first_batch() -> None:
    """Eight of x by default; what is not a batch yet counts in the mean all the same."""
    one = Ratio()
    assert (one.known, one.mean, one.lately, one.error(5)) == (False, 0, 0, 3.5)
    one.add(7.5, 15)
    assert (one.known, one.mean, one.lately) == (False, 2, 2)
    one.add(0.5, 1)
    assert (one.known, one.mean) == (True, 2)
    one.add(2, 14)
    assert one.mean == 3
    assert ratio((0, 5)).mean == 0


def test_batches_double_and_what_they_say_stays() -> None:
    """At 32 of them neighbours join, and the next is twice as long."""
    one = ratio(*[(1, n) for n in range(31)])
    assert len(one._batches) == 31
    one.add(1, 31)
    assert one._batches == [(2, 4 * n + 1) for n in range(16)]
    one.add(1, 5)
    assert len(one._batches) == 16
    one.add(1, 5)
    assert len(one._batches) == 17
    assert one.mean == near((31 * 16 + 10) / 34)


def test_lately_is_the_last_quarter() -> None:
    """Of the batches, one at least, with what is no batch yet."""
    assert ratio((1, 1), (1, 1), (1, 9)).lately == 9
    one = ratio(*[(1, n) for n in range(8)])
    assert one.lately == 6.5
    one.add(0.5, 5)
    assert one.lately == near(18 / 2.5)


@pytest.mark.parametrize(
    ("batches", "more", "worst"),
    [
        (((1, 2), (1, 2), (1, 2), (1, 2)), 4, 0),
        (((1, 1), (1, 3), (1, 1), (1, 3)), 4, 2 * sqrt(4 / 3 / 2) / 2),
        (((1, 1), (1, 3)), 2, 4 * sqrt(2) / 2),
        (((1, 5), (1, 1), (1, 3)), 3, 2.5 * sqrt(4 * 2 / 3) / 3),
        (tuple((1, y) for y in (1, 1, 1, 1, 3, 3, 3, 3)), 8, 2 * sqrt(8 / 3 / 4) / 2),
        (
            tuple((1, y) for y in (9, 1, 1, 1, 1, 3, 3, 3, 3)),
            9,
            2 * sqrt(1040 / 243 * 2 / 9) / (25 / 9),
        ),
        (tuple((1, y) for y in (1, 1, 3, 3, 5, 5)), 6, 2.5 * sqrt(8 / 3) / 3),
        (((2, 2), (2, 6), (2, 2), (2, 6)), 8, 2 * sqrt(8 / 3 / 4) / 2),
    ],
)
def test_the_error_is_that_of_the_spread(batches: tuple[tuple[float, float], ...], more: float, worst: float) -> None:
    """1.75 standard errors, more where few batches tell, of single batches or of neighbours joined; 3 % at least."""
    assert ratio(*batches).error(more) == near(hypot(1.75 * worst, 0.03), rel=0.02)


def test_nothing_is_known_of_what_never_came() -> None:
    """No mean, one batch, nothing more to come: the widest that is said."""
    assert ratio((1, 0), (1, 0)).error(5) == 3.5
    assert ratio((1, 5)).error(5) == 3.5
    assert ratio((1, 5), (1, 5)).error(0) == 3.5
    assert ratio((1, 5), (1, 5)).error(0.001) == near(0.03)


# -- budgets ---------------------------------------------------------------------------------------


def test_a_budget_of_a_day_bounds_from_both_sides() -> None:
    """Less than one budget may go at once; what is spent is back within a day."""
    budget = Daily(0.01, 0.5)
    assert budget.bound(50, 120) == (0, near(1.7 * DAY_S))
    assert budget.bound(250, 250) == (1.5 * DAY_S, 3 * DAY_S)
    assert budget.bound(10, 50) == (0, 0)
    assert budget.bound(10, 51) == (0, near(1.01 * DAY_S))
    assert Daily(0.01).bound(100, 100) == (0, 0)
    assert DAY_S == 86400


# -- one lane --------------------------------------------------------------------------------------


def lane(
    *, units: int = 20, seconds: float = 40.0, requests: int = 20, wanted: bool = True, times: int = 4
) -> Progress:
    made = Progress()
    for _ in range(times):
        made.add(seconds, units, requests, wanted=wanted, blocked=True)
    return made


def test_nothing_left_takes_no_time_and_nothing_known_no_guess() -> None:
    """Less than one unit; no limiter that says how fast."""
    assert Progress().left(0.9, 0.0, Gear()) == (0, 0)
    assert Progress().left(1, 0.0, Gear()) is None
    assert Progress().left(1, 0.0, Gear(rate=2.0)) is not None


def test_a_limiter_alone_tells_how_long() -> None:
    """Its rate, 6 % to each side; waits come on top; a known limit makes it no shorter."""
    assert Progress().left(100, 0.0, Gear(rate=2, budget=2)) == (near(50 / 1.06), near(53))
    assert Progress().left(100, 0.0, Gear(rate=2, budget=2, wait_s=(3, 9))) == (near(50 / 1.06 + 3), near(62))
    spread = 1 + hypot(0.5, 0.06)
    assert Progress().left(100, 0.5, Gear(rate=2, budget=2)) == (near(50 / spread), near(50 * spread))


def test_what_was_seen_tells_how_long() -> None:
    """Two seconds a unit, always the same: 3 % to each side."""
    assert lane().left(100, 0.0, Gear()) == (near(200 / 1.03), near(206))
    assert lane().left(100, 0.4, Gear()) == (near(200 / (1 + hypot(0.4, 0.03))), near(200 * (1 + hypot(0.4, 0.03))))
    assert lane().left(1e12, 0.0, Gear()) == (1e10, 1e10)


def test_it_goes_no_faster_than_its_limiter() -> None:
    """The smaller one of budget and limit, for as many requests as a unit costs."""
    assert lane(requests=40).left(100, 0.0, Gear(budget=0.5)) == (near(206), near(400 / 1.03))
    assert lane(requests=40).left(100, 0.0, Gear(budget=5, limit=0.5)) == (near(206), near(400 / 1.03))
    assert lane(requests=40).left(100, 0.0, Gear(budget=5, limit=0)) == (near(200 / 1.03), near(206))


def test_what_a_unit_costs_is_known_for_longer_than_how_fast_it_goes() -> None:
    """One request each while it was wanted, three when it was not: two seconds a request make four a unit."""
    made = lane()
    for _ in range(4):
        made.add(400.0, 20, 60, wanted=False, blocked=False)
    doubt = made.requests.error(100)
    assert doubt > made.busy.error(100)
    assert made.left(100, 0.0, Gear()) == (near(200 / (1 + doubt)), near(400 * (1 + doubt)))


def test_it_is_no_slower_than_with_all_its_pauses() -> None:
    """Wanted twice only, and never alike; but in all the time a unit took two seconds each time."""
    made = Progress()
    for seconds in (4.0, 28.0):
        made.add(seconds, 8, 8, wanted=True, blocked=True)
    for _ in range(30):
        made.add(16.0, 8, 8, wanted=False, blocked=False)
    got = made.left(100, 0.5, Gear())
    assert got is not None
    assert got[1] == near(200 * (1 + hypot(0.5, made.all.error(100))))
    assert got[1] < 200 * (1 + made.busy.error(100))


def test_a_rate_that_fell_is_back_after_a_while() -> None:
    """Known to have a limit it stays as slow as it is now; without one it loses what half an hour costs at most."""
    assert lane().left(100, 0.0, Gear(rate=0.1, budget=5, limit=0.1)) == (near(1000 / 1.03), near(1000))
    two = lane(requests=40).left(100, 0.0, Gear(rate=0.1, budget=5, limit=0.1))
    assert two is not None
    assert two[1] == near(2000)
    two = lane(requests=40).left(100, 0.0, Gear(rate=0.5, budget=5))
    assert two is not None
    assert two[1] == near(206 + 206 * 0.5)
    low = lane().left(100, 0.0, Gear(rate=0.25, budget=5))
    assert low == (near(200 / 1.03), near(206 + 206 * 0.5))
    long = lane().left(10_000, 0.0, Gear(rate=0.25, budget=5))
    assert long == (near(20_000 / 1.03), near(20_600 + 1800 * 0.5))
    assert lane().left(100, 0.0, Gear(rate=0.5, budget=5)) == (near(200 / 1.03), near(206))


def test_a_block_may_come_that_was_not_met_yet() -> None:
    """200 s, a fifth of the time at most, and the less likely the longer there was none."""
    calm = Progress()
    for _ in range(4):
        calm.add(40.0, 20, 20, wanted=True, blocked=False)
    assert (calm.waits, calm.seconds) == (0, 160)
    assert calm.left(100, 0.0, Gear()) == (near(200 / 1.03), near(206 + 206 / 5))
    assert calm.left(5000, 0.0, Gear()) == (near(10_000 / 1.03), near(10_500))
    assert calm.left(10, 0.0, Gear()) == (near(20 / 1.03), near(20.6 + 20.6 / 5 * 20.6 / 160))


def test_a_daily_budget_is_waited_for() -> None:
    """For as many requests as the units cost; longer than the rate alone would take."""
    got = lane(requests=40).left(100, 0.0, Gear(daily=Daily(0.01)))
    assert got == (near((200 / 1.03 * 0.01 - 1) * DAY_S), near(200 * 1.03 * 0.01 * DAY_S))
    assert lane().left(100, 0.0, Gear(daily=Daily(0.001))) == (near(200 / 1.03), near(206))


def test_a_lane_that_is_seldom_wanted_is_bounded_by_all_its_time() -> None:
    """Half the time nobody waited for it: it was four seconds a unit in all, and two while it was wanted."""
    made = Progress()
    for _ in range(4):
        made.add(40.0, 20, 20, wanted=True, blocked=True)
        made.add(40.0, 0, 0, wanted=False, blocked=False)
    assert made.waits == 4
    assert made.left(100, 0.0, Gear()) == (near(200 / 1.03), near(206))
    assert made.left(100, 2.0, Gear()) == (near(200 / (1 + hypot(2, 0.03))), near(200 * (1 + hypot(2, 0.03))))
    idle = lane(wanted=False)
    doubt = 1.03
    assert idle.left(100, 0.0, Gear()) == (near(50 / doubt), near(200 * doubt))
    assert lane(wanted=False, times=1, units=4).left(7, 0.0, Gear()) == (near(70 / 4 / 4.5), near(70 * 4.5))
    assert lane(wanted=False, times=1, units=4).left(8, 0.0, Gear()) is None


def test_a_change_of_pace_lies_between_what_was_and_what_is() -> None:
    """One second a unit at first and three of late: the mean to what the last quarter took."""
    made = Progress()
    for seconds in (20.0,) * 6 + (60.0,) * 2:
        made.add(seconds, 20, 20, wanted=True, blocked=True)
    doubt = max(made.busy.error(100), made.requests.error(100))
    low, high = made.left(100, 0.0, Gear()) or (0, 0)
    assert low == near(150 / (1 + doubt))
    assert high == near(300 * (1 + doubt))


def test_what_a_limiter_learns_makes_what_was_seen_old() -> None:
    """But not what a unit costs: with twenty requests for ten units, and five a second."""
    made = lane(units=10)
    made.anew()
    assert made.left(100, 0.0, Gear(rate=5, budget=5)) == (near(40 / 1.03), near(42.4))


# -- two lanes -------------------------------------------------------------------------------------


def looked(api: Gear, images: Gear, *, ended: int = 0, questions: int = 100, named: int = 3) -> Forecast:
    """Four looks, a hundred seconds and fifty works apart, each with so many images; all images tried."""
    made = Forecast()
    for n in range(5):
        ahead = Ahead(questions, 0, 50 * n, 50 * named * n, 50 * named * n, questions, ended * n)
        made.look(
            100.0 * n,
            ahead,
            Gear(api.rate, api.budget, api.limit, (0, 1), api.wanted, 50 * n),
            Gear(images.rate, images.budget, images.limit, (0, 1), images.wanted, 50 * named * n),
        )
    return made


WANTED = Gear(wanted=True)


def test_nothing_is_said_before_a_look() -> None:
    """And after one as much as limiters say."""
    assert Forecast().left() == Left(None, None, None)
    one = Forecast()
    one.look(5.0, Ahead(10, 5, 0, 0, 0, 10, 0), Gear(rate=1, budget=1), Gear(rate=1, budget=1))
    left = one.left()
    assert left.api == (near(10 / 1.06), near(10.6))
    assert (left.images, left.whole) == (None, None), "nobody knows how many images a work has"
    earlier = Forecast(100, 200)
    earlier.look(5.0, Ahead(10, 5, 0, 0, 0, 10, 0), Gear(rate=1, budget=1), Gear(rate=1, budget=1))
    assert earlier.left().images is not None
    earlier.look(6.0, Ahead(10, 5, 0, 0, 0, 10, 0), Gear(), Gear(rate=1, budget=1))
    assert (earlier.left().api, earlier.left().whole) == (None, None)
    assert earlier.left().images is not None
    done = Forecast()
    done.look(5.0, Ahead(0, 0, 0, 0, 0, 0, 0), Gear(), Gear())
    assert done.left() == Left((0, 0), (0, 0), (0, 0))


def test_both_lanes_and_the_longer_one() -> None:
    """A hundred works to ask for, two seconds each; three hundred images to come, at two thirds of one."""
    left = looked(WANTED, WANTED).left()
    one = 1.0 * WAIT
    assert left.api == (near(200 / 1.03), near(206 + one))
    assert left.images is not None
    spread = 1 + hypot(0.03, 0.03)
    assert left.images == (near(200 / spread), near(200 * spread + one))
    assert left.whole == (near(200 / 1.03), left.images[1])


WAIT = 1.0
"""Seconds that the gears of `looked` may still wait."""


def test_a_lane_that_kept_up_makes_nothing_longer() -> None:
    """Nobody waited for images: the works decide, as long as there are any to ask for."""
    left = looked(WANTED, Gear()).left()
    assert left.images is not None
    assert left.api is not None
    assert left.images[1] > left.api[1]
    assert left.whole == (left.api[0], left.api[1])
    asked = looked(WANTED, Gear())
    asked.look(500.0, Ahead(0, 300, 200, 600, 600, 10, 0), WANTED, Gear(requests=600))
    assert asked.left().api == (0, 0)
    assert asked.left().whole == asked.left().images, "nothing left to ask for"
    assert asked.left().images == asked._images.left(300, 0.0, Gear(requests=600)), "and nothing to doubt"
    both = looked(Gear(), Gear()).left()
    assert both.images is not None
    assert both.whole is not None
    assert both.whole[1] == both.images[1]
    other = looked(Gear(), WANTED).left()
    assert other.api is not None
    assert other.images is not None
    assert other.whole is not None
    assert other.whole[1] == max(other.api[1], other.images[1])


def test_images_that_are_known_are_sure() -> None:
    """Of three hundred to come and three hundred known the doubt is half of it."""
    made = Forecast()
    for n, named in enumerate((0, 100, 300, 400, 600)):
        made.look(
            100.0 * n, Ahead(100, 300, 50 * n, named, 150 * n, 100, 0), Gear(), Gear(0, 0, 0, (0, 1), True, 150 * n)
        )
    doubt = made._named.error(100) / 2
    assert doubt > 0.3
    spread = 1 + hypot(doubt, 0.03)
    assert made.left().images == (near(600 * 2 / 3 / spread), near(600 * 2 / 3 * spread + 1))


def test_works_that_end_slowly_take_the_whole_longer() -> None:
    """Ten of them ended in a hundred seconds: a hundred take a thousand, whatever each lane could."""
    left = looked(WANTED, WANTED, ended=10).left()
    assert left.whole == (near(200 / 1.03), near(1030))
    quick = looked(WANTED, WANTED, ended=100).left()
    assert quick.whole is not None
    assert quick.images is not None
    assert quick.whole[1] == quick.images[1]


@pytest.mark.parametrize(
    ("budget", "limit", "hosts", "anew"),
    [
        (2.0, 1.0, 1, False),
        (3.0, 1.0, 1, True),
        (2.0, 1.04, 1, False),
        (2.0, 1.052, 1, False),
        (2.0, 1.06, 1, True),
        (3.0, 2.0, 2, False),
    ],
)
def test_news_of_a_limiter_begin_anew(budget: float, limit: float, hosts: int, anew: bool) -> None:
    """Another budget, or a limit that differs by more than a twentieth; not another host of a list of URLs."""
    made = looked(Gear(1, 2, 1, (0, 1), True), WANTED, ended=10)
    hosted = made._last
    assert hosted is not None
    made._last = (hosted[0], hosted[1], Gear(1, 2, 1, (0, 1), True, 200, hosts=1), hosted[3])
    made.look(
        401.0, Ahead(100, 0, 201, 600, 600, 100, 40), Gear(1, budget, limit, (0, 1), True, 201, hosts=hosts), hosted[3]
    )
    assert made._api.busy.known is not anew
    assert made._works.known is not anew
    assert made._images.busy.known
    assert made._api.requests.known


def test_a_look_back_in_time_changes_nothing() -> None:
    """Nor do numbers that run back: those of a state that was folded anew."""
    made = looked(WANTED, WANTED, ended=10)
    before = made._api.seconds
    made.look(400.0, Ahead(100, 0, 900, 900, 900, 100, 0), Gear(), Gear())
    assert made._api.seconds == before == 400
    made.look(500.0, Ahead(100, 0, 1, 1, 1, 100, 0), WANTED, WANTED)
    assert made._api.seconds == 500
    assert made._api.all.mean == near(500 / 200)
    assert made._named.mean == near(3)
    assert made._images.requests.mean == near(1)
    assert made._api.requests.mean == near(1)
    assert made._images.all.mean == near(500 / 600)
    assert made._works.mean == near(500 / 40)


def test_a_wait_of_a_second_is_a_block() -> None:
    """Less is a turn."""
    for waited, blocks in ((0.9, 0), (1.0, 1)):
        made = Forecast()
        for n in range(2):
            gear = Gear(wait_s=(0, waited))
            made.look(100.0 * n, Ahead(1, 0, 0, 0, 0, 1, 0), gear, gear)
        assert (made._api.waits, made._images.waits) == (blocks, blocks)


def test_time_is_wanted_time_if_it_was_at_both_ends() -> None:
    """A lane that nobody waits for any more, or did not before, is not timed."""
    for first, second in ((True, False), (False, True), (True, True)):
        made = Forecast()
        for n, wanted in enumerate((first, second)):
            gear = Gear(wanted=wanted, requests=20 * n)
            made.look(100.0 * n, Ahead(1, 0, 20 * n, 20 * n, 20 * n, 1, 0), gear, gear)
        assert made._api.busy.known is made._images.busy.known is (first and second)
        assert made._api.all.known
