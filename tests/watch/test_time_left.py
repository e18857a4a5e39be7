"""Laws of the time left: the truth lies in the range, and the range is worth having."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from looks import API, BUSY, IMAGES, later, tracked
from made_runs import Made, make, stamp

from crawler.events import Event, Line, Opened
from crawler.fetch.exchange import Day
from crawler.progress import day_of, gear
from crawler.rules.ahead import DAY_S, Ahead, Daily, Forecast, Gear, Left, Ratio
from crawler.rules.replay import State
from crawler.watch.outlook import outlook
from crawler.words import Range

SEEDS = range(40)
LOOKS = 40


def looks(run: Made, works: int) -> list[tuple[float, Left]]:
    """The true time left and what was said of it, at forty moments of a run after its first five minutes."""
    forecast, told = Forecast(), list[tuple[float, Left]]()
    every, step = run.end / LOOKS, max(1.0, run.end / works)
    due, t = max(300.0, every / 2), 0.0
    while t < run.end:
        forecast.look(*run.look(t))
        if t >= due:
            told.append((run.end - t, forecast.left()))
            due += every
        t += step
    return told


def test_the_truth_lies_in_the_range() -> None:
    """Of forty runs with blocks, limits found on the way, dead ids in clusters and works of two hundred pages: the true
    time left is in the range in nine of ten looks or more; in half of them the most is about twice the least at most.
    """
    told = [look for seed in SEEDS for look in looks(make(seed, 3000), 1500)]
    known = [(true, left.whole) for true, left in told if left.whole is not None]
    assert len(known) > 0.98 * len(told)
    assert sum(low <= true <= high for true, (low, high) in known) >= 0.9 * len(told)
    assert median(high / max(low, 1.0) for true, (low, high) in known if true > 600) < 2.2


def test_long_runs_are_known_better() -> None:
    """Of twelve thousand works, nine of ten again, and the range is narrower."""
    told = [look for seed in range(8) for look in looks(make(seed, 12_000), 1500)]
    known = [(true, left.whole) for true, left in told if left.whole is not None]
    assert sum(low <= true <= high for true, (low, high) in known) >= 0.9 * len(told)
    assert median(high / max(low, 1.0) for true, (low, high) in known if true > 600) < 1.8


def test_a_limit_is_learnt_on_the_way() -> None:
    """With the real limiter at the site's own limit, asked for up to four times too much: nine of ten again."""
    told = [look for seed in range(12) for look in looks(make(seed, 3000, learning=True), 1500)]
    known = [(true, left.whole) for true, left in told if left.whole is not None]
    assert sum(low <= true <= high for true, (low, high) in known) >= 0.9 * len(told)
    assert median(high / max(low, 1.0) for true, (low, high) in known if true > 600) < 2.5


def test_the_log_alone_tells_it_too() -> None:
    """From the last lines of its log, as `status` reads them, a run's true time left is in the range as often."""
    told: list[tuple[float, Range | None]] = []
    for seed in range(20):
        run = make(seed, 2000)
        moments = [run.end * part for part in (0.2, 0.4, 0.6, 0.8) if run.end * part > 300]
        state, timed = State(), list[tuple[float, Event | None]]()
        story = iter([(0.0, Opened("l", 1, "0", {"path": "p", "digest": "d", "ids": 2000}, "s")), *run.story])
        for seq, (t, event) in enumerate(story, 1):
            while moments and t > moments[0]:
                now = moments.pop(0)
                left = outlook(timed[-5000:], state, state.totals(), now)
                told.append((run.end - now, left.whole))
            state.apply(Line("l", seq, stamp(t), event))
            timed.append((t, event))
    assert sum(holds(whole, true) for true, whole in told) >= 0.9 * len(told)
    assert median(whole[1] / max(whole[0], 1.0) for _, whole in told if whole is not None) < 2.5


def run_of(*steps: tuple[float, int, int, int], questions: int, images: int, **gears: Gear) -> Left:
    """A run of (seconds, answers, images named, images had) that has so much before it."""
    forecast = Forecast()
    t, asked, wanted, tried = 0.0, 0, 0, 0
    api, pictures = gears.get("api", Gear(wanted=True)), gears.get("pictures", Gear(wanted=True))
    works = sum(step[1] for step in steps) + questions
    for seconds, answers, named, had in ((0.0, 0, 0, 0), *steps):
        t, asked, wanted, tried = t + seconds, asked + answers, wanted + named, tried + had
        counts = replace(Ahead(0, images, asked, wanted, tried, 0, asked), questions=questions, works=works - asked)
        requests = replace(api, requests=asked), replace(pictures, requests=tried)
        forecast.look(t, counts, *requests)
    return forecast.left()


def holds(left: Range | None, seconds: float) -> bool:
    return left is not None and left[0] <= seconds <= left[1]


def test_each_lane_by_itself() -> None:
    """A work a second, two images a work of which three a second come: the API decides, and the images would not."""
    left = run_of(*[(10.0, 10, 20, 30)] * 100, questions=900, images=0)
    assert holds(left.api, 900)
    assert holds(left.images, 600)
    assert holds(left.whole, 900)
    assert not holds(left.whole, 700)


def test_images_that_are_known_count() -> None:
    """With nothing left to ask, what is known and missing is what is left."""
    left = run_of(*[(10.0, 10, 20, 20)] * 20, questions=0, images=500)
    assert left.api == (0, 0)
    assert holds(left.images, 250)
    assert left.whole is not None
    assert left.images is not None
    assert left.whole[0] == left.images[0]


def test_a_limit_that_was_learnt_bounds_what_is_hoped_for() -> None:
    """It went at one a second, and a limit of a half is known now: nobody promises the old speed."""
    steps = [(10.0, 10, 0, 0)] * 50
    left = run_of(*steps, questions=1000, images=0, api=Gear(0.48, 1.0, 0.5, wanted=True))
    assert left.api is not None
    assert left.api[0] >= 0.9 * 2000
    assert holds(left.api, 1000 / 0.48)


def test_another_host_is_no_news_of_the_others() -> None:
    """A list of URLs meets hosts on its way: what was seen of its speed stays."""
    forecast = Forecast()
    for at in range(100):
        lane = Gear(1.0 + at, 1.0 + at, wanted=True, hosts=1 + at, requests=at)
        forecast.look(10.0 * at, Ahead(0, 1000 - at, 0, 0, at, 1000 - at, at), Gear(), lane)
    assert holds(forecast.left().images, 9010)


def test_a_block_is_waited_out_first() -> None:
    """It comes on top of both ends."""
    steps = [(10.0, 10, 0, 0)] * 50
    free, blocked = (
        run_of(*steps, questions=1000, images=0, api=Gear(1, 1, wait_s=wait, wanted=True)).api
        for wait in ((0.0, 0.0), (200.0, 200.0))
    )
    assert free is not None
    assert blocked is not None
    assert blocked[0] == pytest.approx(free[0] + 200)
    assert blocked[1] > 0.999 * free[1]


def test_a_daily_budget_is_a_floor() -> None:
    """Ten thousand requests at one a second are three hours; with a thousand a day they are nine days at least."""
    steps = [(10.0, 10, 0, 0)] * 50
    left = run_of(*steps, questions=10_000, images=0, api=Gear(1, 1, wanted=True, daily=Daily(1 / 1000, 0.5))).api
    assert left is not None
    assert left[0] >= 8.5 * DAY_S
    assert left[1] >= 10 * DAY_S
    assert holds(left, 10 * DAY_S)


@given(st.floats(0, 1e-2), st.floats(0, 1), st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_budget_bounds_from_both_sides(each: float, spent: float, requests: float, waited: float) -> None:
    """Whenever it was spent: the least is less than the most, and what still fits costs nothing."""
    low, high = Daily(each, spent).bound(requests, requests + waited)
    assert low <= max(high, 0) or low == 0
    if (requests + waited) * each + spent <= 1:
        assert (low, high) == (0, 0)


def test_hosts_of_a_lane_are_one() -> None:
    """Rates add up, no limit is no limit, the day's budget that is nearer its end counts."""
    second = replace(API, host="b", rate=0.4, budget=1.0, blocked_s=30.0, waiting=0, limit=0.5)
    both = gear((API, second, IMAGES), "api")
    assert (both.rate, both.budget, both.limit, both.wait_s, both.wanted) == (1.0, 1.6, 0.0, (0.0, 30.0), True)
    assert gear((API, replace(second, rate=0.0)), "api").rate == 0
    assert gear([replace(API, host=str(n)) for n in range(100)], "api").budget == 0
    assert gear((), "images") == Gear()
    assert day_of([Day(100, 1000, 5_000, 10_000, 0.0)], 50.0) == Daily(0.005, 0.5)
    assert day_of([], 1.0) is None


amounts = st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1e4)), max_size=300)


@given(amounts, st.floats(1, 1e6))
def test_a_ratio_forgets_nothing_and_stays_small(added: list[tuple[int, float]], more: float) -> None:
    """The mean is of all that was added, however it was put together; the error is a number; few batches are kept."""
    ratio = Ratio()
    for x, y in added:
        ratio.add(x, y)
    x, y = sum(x for x, _ in added), sum(y for _, y in added)
    assert math.isclose(ratio.mean, y / x if x else 0.0, rel_tol=1e-9, abs_tol=1e-12)
    assert len(ratio._batches) < 32
    assert 0 < ratio.error(more) < math.inf


counts = st.integers(0, 200)
gears = st.builds(
    Gear,
    *[st.floats(0, 1e5)] * 3,
    st.floats(0, 1e4).map(lambda s: (s / 2, s)),
    st.booleans(),
    counts,
    st.none() | st.builds(Daily, st.floats(1e-9, 1e-2), st.floats(0, 1)),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e4), st.builds(Ahead, *[counts] * 7), gears, gears), max_size=12))
def test_a_range_is_a_range(seen: list[tuple[float, Ahead, Gear, Gear]]) -> None:
    """Whatever a run shows, in whatever order: 0 <= at least <= at most, finite, and nothing left takes no time."""
    forecast = Forecast()
    t = 0.0
    for seconds, ahead, api, images in seen:
        t += seconds
        forecast.look(t, ahead, api, images)
    left = forecast.left()
    for span in (left.api, left.images, left.whole):
        assert span is None or 0 <= span[0] <= span[1] <= 1e10
    if seen and not seen[-1][1].questions:
        assert left.api == (0, 0)


def test_works_that_are_asked_again_take_time() -> None:
    """A recheck leaves nothing pending, and has all its works before it."""
    start = replace(
        BUSY, pending=0, hosts=(replace(API, rate=1.0, budget=1.0),), ahead=Ahead(1000, 0, 0, 0, 0, 1000, 0), again=1000
    )
    left = tracked(*(replace(later(start, i, works=i), pending=0) for i in range(60))).left()
    assert holds(left, 941)
