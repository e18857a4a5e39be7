"""Points over time: any run fits, the finest and the whole, and nothing is made up."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from looks import API, BUSY, later

from crawler.watch.history import Ring, latency


def fed(ring: Ring, seconds: list[float], images: int) -> Ring:
    now = BUSY
    ring.add(now)
    for s in seconds:
        now = later(now, s, images=images)
        ring.add(now)
    return ring


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.5, 30), min_size=1, max_size=300), st.integers(4, 40))
def test_a_whole_run_fits_and_keeps_its_ends_and_its_order(seconds: list[float], keep: int) -> None:
    """However long: at most `keep` points, times rising, the last step's end kept, steps doubled once a merge."""
    ring = fed(Ring(2.0, keep, whole=True), seconds, 3)
    times = [point.t for point in ring.points]
    assert len(times) <= keep
    assert times == sorted(set(times))
    assert ring.step_s == 2.0 * 2**ring.merges
    if times:
        assert times[-1] >= BUSY.t + sum(seconds) - ring.step_s - 30


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(2, 9), min_size=1, max_size=300))
def test_the_fine_ring_holds_the_last_points(seconds: list[float]) -> None:
    """Every look further apart than a step makes a point; only the newest are kept."""
    ring = fed(Ring(2.0, 50), seconds, 1)
    assert ring.added == len(seconds)
    assert len(ring.points) == min(50, len(seconds))
    assert ring.merges == 0


def test_merging_keeps_a_steady_speed() -> None:
    """4 images a second stay 4 images a second, however often points are merged."""
    ring = fed(Ring(1.0, 8, whole=True), [1.0] * 200, 4)
    assert ring.merges >= 4
    assert [point.images_s for point in ring.points] == pytest.approx([4.0] * len(ring.points))


def test_a_block_is_remembered_by_its_point() -> None:
    """A host that was blocked at any look of a step marks it; latency of the busiest host of a lane is taken."""
    blocked = replace(API, blocked_s=30.0)
    ring = Ring(2.0, 10)
    ring.add(BUSY)
    ring.add(replace(later(BUSY, 1), hosts=(blocked,)))
    ring.add(later(BUSY, 2))
    ring.add(later(BUSY, 4))
    assert [point.blocked for point in ring.points] == [1.0, 0.0]
    assert ring.points[0].row()[5] == 213
    assert ring.points[0].row()[6] is None
    assert latency(BUSY, "api") == API.latency_s


def test_a_clock_set_back_starts_anew() -> None:
    """No negative speeds and no points out of order."""
    ring = fed(Ring(2.0, 10), [2.0, 2.0], 5)
    ring.add(BUSY)
    ring.add(later(BUSY, 2, images=2))
    assert all(point.images_s >= 0 for point in ring.points)
