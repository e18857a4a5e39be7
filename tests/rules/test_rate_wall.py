"""Where the limit is, as two refusals tell it; and how wide a host is asked, as its latency tells it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.rules.wall import Limit, Wall
from crawler.rules.width import Width

few = settings(deadline=None, max_examples=60)


def met(wall: Wall, now: float, pace: float, rate: float, room: int) -> float:
    """Ask at `pace` a bucket that is full of tokens, until it refuses: when that was."""
    level, asked = float(room), now
    while True:
        asked += 1 / pace
        level = min(room, level + rate / pace)
        wall.sent(asked)
        if level < 1:
            wall.hit(asked)
            return asked
        level -= 1
        wall.passed(asked)


@few
@given(st.floats(0.05, 0.7), st.floats(1.05, 1.9), st.integers(20, 300))
def test_two_refusals_at_different_paces_tell_rate_and_room(share: float, excess: float, room: int) -> None:
    """Of a host whose bucket was full before each, the limit found holds the true one, and is narrow."""
    top = 10.0
    rate = top * share
    wall = Wall(top, 0.0)
    now = met(wall, 0.0, top, rate, room)
    limit = wall.limit()
    assert limit is not None
    assert limit.low <= rate <= limit.high
    now = met(wall, now + 2 * room / rate, min(rate * excess, 0.95 * top), rate, room)
    limit = wall.limit()
    assert limit is not None
    assert limit.low * 0.95 <= rate <= limit.high * 1.05
    assert abs(limit.rate / rate - 1) < 0.25
    assert abs(limit.room - room) <= 0.4 * room + 5


@few
@given(st.floats(0.5, 20), st.integers(40, 200))
def test_a_refusal_far_below_what_passed_before_is_explained_by_no_limit(pace: float, many: int) -> None:
    """A burst that passed, and then a refusal out of nowhere: no bucket does that."""
    wall, now = Wall(20.0, 0.0), 0.0
    for _ in range(many):  # at once, as far as any bucket can tell
        now += 0.001
        wall.sent(now)
        wall.passed(now)
    now += 1e6
    for _ in range(5):
        now += 1 / pace
        wall.sent(now)
        wall.passed(now)
    wall.sent(now + 1 / pace)
    wall.hit(now + 1 / pace)
    assert wall.limit() is None
    wall.unhit()
    assert wall.hits == 0


@few
@given(st.floats(0.4, 9.9), st.integers(3, 500))
def test_what_was_remembered_is_known_again(rate: float, room: int) -> None:
    """A limit taken over from an earlier run is the limit, until something passes that it would have refused."""
    wall = Wall(10.0, 0.0)
    wall.remember(Limit(rate, rate, room))
    limit = wall.limit()
    assert limit == Limit(rate, rate, room)
    for i in range(2 * room + 20):
        wall.sent(i * 0.001)
        wall.passed(i * 0.001)
    assert wall.limit() is None


@few
@given(st.integers(1, 40), st.lists(st.tuples(st.floats(0.001, 30), st.booleans()), max_size=400))
def test_the_width_is_never_more_than_configured_nor_nothing(most: int, replies: list[tuple[float, bool]]) -> None:
    """Whatever the latencies, 1 <= width <= connections."""
    width = Width(most)
    for latency, busy in replies:
        before = width.now
        changed = width.answered(latency, busy=busy)
        assert 1 <= width.now <= most
        assert changed == (width.now != before)


def test_a_host_that_queues_gets_less_at_once_and_its_width_back() -> None:
    """Ten times the latency: fewer at once. The old latency again: as many as configured."""
    width = Width(24)
    for _ in range(100):
        width.answered(0.1, busy=True)
    assert width.now == 24
    for _ in range(600):
        width.answered(1.0, busy=True)
    assert width.now < 12
    for _ in range(3000):
        width.answered(0.1, busy=True)
    assert width.now == 24


def test_a_host_that_has_become_slower_for_good_is_not_starved() -> None:
    """After a while the new latency is the usual one."""
    width = Width(8)
    for latency, count in ((0.1, 200), (0.5, 20_000)):
        for _ in range(count):
            width.answered(latency, busy=True)
    assert width.now == 8
