"""What a refusal says of a host's bucket, by bursts whose levels can be counted."""

import pytest

from crawler.rules.wall import Limit, Wall


def burst(wall: Wall, at: float, many: int, *, refused: bool = True) -> None:
    """So many requests at one moment are let through, and one more is refused."""
    for _ in range(many):
        wall.sent(at)
    wall.passed(at)
    if refused:
        wall.sent(at)
        wall.hit(at)


def test_a_refused_burst_tells_the_room_and_nothing_of_the_rate() -> None:
    """All of the octaves remain; two places are the least that a bucket of any sense has."""
    for octaves in (1, 5):
        for many in (2, 20, 300):
            wall = Wall(16.0, 0.0, octaves)
            for _ in range(many + 1):
                wall.sent(100.0)
            wall.hit(100.0)  # the first answer of all
            limit = wall.limit()
            assert limit is not None
            assert (limit.low, limit.high, limit.room) == (pytest.approx(16 / 2**octaves), 16, many)
            assert limit.rate == pytest.approx(16 / 2 ** (octaves / 2))
    assert len(Wall(16.0, 0.0)._rates) == 5 * 32 + 1
    wall = Wall(16.0, 0.0)
    burst(wall, 100.0, 1)
    assert wall.hits == 1
    assert wall.limit() is None


@pytest.mark.parametrize(("room", "passes", "not_any_more"), [(20, 22, 23), (200, 204, 205)])
def test_one_request_and_a_hundredth_more_are_still_the_same_level(room: int, passes: int, not_any_more: int) -> None:
    """Requests are whole and arrive sooner or later than others; what is well above is no longer that bucket."""
    for many, stands in ((passes, True), (not_any_more, False)):
        wall = Wall(16.0, 0.0)
        burst(wall, 100.0, room)
        burst(wall, 1e6, many, refused=False)
        limit = wall.limit()
        assert (limit is not None) is stands
        assert limit is None or limit.room == room


def test_what_was_remembered_stands_until_more_passes() -> None:
    """Room 100: up to 102 pass, one and a hundredth more than it holds; at 103 nothing is known."""
    for many, stands in ((102, True), (103, False)):
        wall = Wall(16.0, 0.0)
        wall.remember(Limit(3.9, 4.1, 100))
        burst(wall, 1e6, many, refused=False)
        assert wall.limit() == (Limit(3.9, 4.1, 100) if stands else None)
    small = Wall(16.0, 0.0)
    burst(small, 100.0, 20)
    small.remember(Limit(4.0, 4.0, 0.5))
    assert small.limit() == Limit(4.0, 4.0, 0.5)
    assert small.hits == 1


@pytest.mark.parametrize("rate", [5.0, 4.0, 1.0, 0.01])
def test_a_remembered_limit_and_a_new_hit_agree_at_its_rate(rate: float) -> None:
    """The next refusal at the same level leaves that rate, within the two candidates beside it."""
    wall = Wall(16.0, 0.0, 4)
    wall.remember(Limit(rate, rate, 50))
    burst(wall, 1e6, 50)
    limit = wall.limit()
    assert wall.hits == 2
    assert limit is not None
    assert limit.room == 50
    shown = max(rate, 1.0)
    assert limit.low <= shown * 1.0001
    assert limit.high >= shown * 0.9999
    assert limit.high / limit.low < 1.03


def test_a_bucket_drains_between_two_bursts() -> None:
    """Ten passed, ten seconds, then five passed and no more: of rate r, 10 - 10 r of the ten were left. The ten had
    passed, so it was no faster than 0.71 a second."""
    wall = Wall(1.0, 0.0, 1)
    burst(wall, 10.0, 10, refused=False)
    burst(wall, 20.0, 5)
    limit = wall.limit()
    assert limit is not None
    assert limit.low == pytest.approx(0.5)
    assert limit.high == pytest.approx(0.709, abs=0.005)
    assert limit.room == pytest.approx(10)


def test_a_bucket_drains_while_it_is_filled() -> None:
    """Twenty in ten seconds and a refusal: at least as much as the fastest candidate leaves of them."""
    wall = Wall(1.0, 0.0, 1)
    for n in range(1, 21):
        wall.sent(n / 2)
        wall.passed(n / 2)
    wall.sent(10.5)
    wall.hit(10.5)
    limit = wall.limit()
    assert limit is not None
    assert (limit.low, limit.high) == (pytest.approx(0.5), pytest.approx(1))
    assert limit.room == pytest.approx(20 - 0.5 * 10, abs=0.6)
    idle = Wall(1.0, 0.0, 1)
    burst(idle, 10.0, 10, refused=False)
    burst(idle, 1000.0, 5, refused=False)
    assert max(idle._levels) == 10, "not told yet: fewer than a batch"
    idle.limit()
    assert set(idle._levels) == {5.0}, "drained to nothing, never below it"
    assert set(idle._peaks) == {10.0}


def test_only_what_was_let_through_takes_room() -> None:
    """Refused ones do not, nor what was not sent after all; nor does what is not yet known to have passed."""
    wall = Wall(16.0, 0.0)
    for _ in range(21):
        wall.sent(100.0)
    for _ in range(60):
        wall.sent(200.0)
    wall.unsent(100.0)
    wall.refused(100.0)
    wall.refused(55.0)
    wall.hit(100.0)
    limit = wall.limit()
    assert limit is not None
    assert limit.room == 19
    wall.passed(200.0)
    assert wall.limit() == limit
    ahead = Wall(16.0, 0.0)
    for n in range(61):
        ahead.sent(100.0 + 100 * (n > 20))
    ahead.hit(100.0)
    limit = ahead.limit()
    assert limit is not None
    assert limit.room == 20, "what was sent later is not in the bucket yet"
    later = Wall(16.0, 0.0)
    burst(later, 100.0, 20)
    for _ in range(60):
        later.sent(200.0)
    later.passed(150.0)
    later.passed(50.0)
    assert later.limit() is not None
    later.passed(200.0)
    assert later.limit() is None


def test_levels_in_pieces_are_those_of_the_whole() -> None:
    """Whenever it is told what passed; looking at what lies ahead drains nothing; a request takes one place at least,
    and a pause none."""
    pieces = Wall(16.0, 0.0)
    for _ in range(16):
        pieces.sent(100.0)
        pieces.passed(100.0)
    burst(pieces, 100.0, 4)
    ahead = Wall(16.0, 0.0)
    burst(ahead, 100.0, 20, refused=False)
    ahead.sent(1e5)
    assert ahead.limit() is None
    ahead.unsent(1e4)
    ahead.sent(100.0)
    ahead.hit(100.0)
    slow = Wall(16.0, 0.0)
    for n in range(9):
        slow.sent(10.0 * n)
    slow.passed(80.0)
    burst(slow, 80.0, 19)
    rested = Wall(16.0, 0.0)
    burst(rested, 10.0, 3, refused=False)
    for at in (1000.0, 2000.0):
        rested.passed(at)
        assert rested.limit() is None
    burst(rested, 2000.0, 20)
    for wall in (pieces, ahead, slow, rested):
        limit = wall.limit()
        assert limit is not None
        assert limit.room == 20


def test_of_several_bands_the_slowest_is_told() -> None:
    """What is faster and apart from it is of hardly a limit at all; between two candidates the place is a quarter of a
    step sure."""
    wall = Wall(16.0, 0.0, 1)
    wall._hits.append([20.0 if k in (3, 4, 5, 20, 21, 22) else 1.0 for k in range(33)])
    limit = wall.limit()
    assert limit is not None
    assert limit.low == pytest.approx(16 * 2 ** (-22 / 32))
    assert limit.high == pytest.approx(16 * 2 ** (-19.25 / 32))
    steep = Wall(16.0, 0.0, 1)
    steep._hits.append([10.0] + [20.0] * 32)
    steep._peaks = [15.0] + [30.0] * 32
    limit = steep.limit()
    assert limit is not None, "no place between two candidates agrees, but not all are ruled out: the slower one"
    assert limit == Limit(16 * 2 ** (-1 / 32), 16 * 2 ** (-1 / 32), 19)


def test_hits_that_differ_by_one_are_at_one_level() -> None:
    """And what passed is held against the highest of them."""
    wall = Wall(16.0, 0.0)
    burst(wall, 100.0, 20)
    burst(wall, 1e6, 21)
    burst(wall, 2e6, 22, refused=False)
    limit = wall.limit()
    assert limit is not None
    assert (limit.room, limit.high) == (20, 16)


def test_an_unhit_hit_was_none() -> None:
    """The last one is taken back; of none, nothing."""
    wall = Wall(16.0, 0.0)
    wall.unhit()
    burst(wall, 100.0, 20)
    burst(wall, 1e6, 40)
    wall.unhit()
    assert wall.hits == 1
    wall.unhit()
    assert wall.hits == 0
    assert wall.limit() is None


def test_three_hits_count_and_older_ones_do_not() -> None:
    """A fourth at the level of the last two outweighs a first that was elsewhere."""
    wall = Wall(16.0, 0.0)
    burst(wall, 1e6, 5)
    for n in range(2, 5):
        assert wall.hits == n - 1
        burst(wall, n * 1e6, 20)
    assert wall.hits == 3
    limit = wall.limit()
    assert limit is not None
    assert limit.room == 20


def test_a_doubtful_hit_counts_again_if_the_next_agrees() -> None:
    """A host that let thousands pass before may have changed its mind: its hit is put aside until there is another."""
    for first, second, hits in ((20, 20, 2), (20, 21, 2), (22, 20, 2), (23, 20, 1), (20, 40, 1)):
        wall = Wall(16.0, 0.0)
        burst(wall, 50.0, 60)
        burst(wall, 1e5, first)
        wall.doubt()
        assert wall.hits == 0
        assert wall.limit() is None
        burst(wall, 1e6, second)
        assert wall.hits == hits
        limit = wall.limit()
        assert limit is not None
        assert limit.room == (min(first, second) if hits == 2 else second)
        burst(wall, 2e6, second)
        assert wall.hits == hits + 1
    gone = Wall(16.0, 0.0)
    burst(gone, 100.0, 20)
    gone.doubt()
    gone.forget()
    burst(gone, 1e6, 20)
    assert gone.hits == 1


def test_two_paces_cross_at_one_rate() -> None:
    """Two a second refused after 60 s, one and a half after 120 s, of a bucket that began empty: 2 - r of 60 is
    1.5 - r of 120, so the host's rate is 1 a second and it holds 60."""
    wall = Wall(2.0, 0.0, 2)
    for n in range(1, 121):
        wall.sent(n / 2)
        wall.passed(n / 2)
    wall.sent(60.5)
    wall.hit(60.5)
    start = 100_000.0
    for n in range(1, 181):
        wall.sent(start + n / 1.5)
        wall.passed(start + n / 1.5)
    wall.sent(start + 181 / 1.5)
    wall.hit(start + 181 / 1.5)
    limit = wall.limit()
    assert limit is not None
    assert limit.low <= 1 <= limit.high
    assert limit.high / limit.low < 1.12
    assert limit.room == pytest.approx(60, abs=3)
