"""Laws of progress.py: speeds, the range of time left, the limit right now."""

from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from looks import API, BUSY, IMAGES, NOON, later, snapshots, tracked

from crawler.events import Failed
from crawler.fetch.exchange import Day
from crawler.progress import Snapshot, Track, bottleneck, note, rates, status_fields


@given(st.floats(0.1, 1e6), st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_rate_is_what_happened_over_the_time_it_took(seconds: float, works: int, images: int) -> None:
    """works/min, images/s and bytes/s are differences divided by the time between two snapshots."""
    got = rates(BUSY, later(BUSY, seconds, works, images))
    took = got.over_s
    assert took == pytest.approx(seconds, rel=1e-4)
    assert got.works_min == pytest.approx(60 * works / took)
    assert got.images_s == pytest.approx(images / took)
    assert got.bytes_s == pytest.approx(1000 * images / took)


def test_no_time_no_rate() -> None:
    """Two looks at the same moment, or in the wrong order, tell nothing and divide by nothing."""
    assert rates(BUSY, BUSY).images_s == 0
    assert rates(later(BUSY, 10, 5), BUSY).works_min == 0


def steady(seconds: int, start: Snapshot = BUSY) -> list[Snapshot]:
    return [later(start, i, works=i, images=2 * i) for i in range(seconds + 1)]


def test_a_track_speaks_of_the_last_minute_and_of_the_run() -> None:
    """An hour at one work a second, then a minute of silence: the minute says 0, the run says nearly 60 a minute."""
    seen = steady(3600)
    silent = [replace(seen[-1], t=seen[-1].t + i) for i in range(1, 62)]
    track = tracked(*seen, *silent)
    assert track.minute.works_min == 0
    assert track.run.works_min == pytest.approx(60 * 3600 / 3661)
    left = track.left()
    assert left is not None
    assert left[0] < silent[-1].pending < left[1]


def test_a_track_stays_small_and_draws_a_curve() -> None:
    """A day of snapshots is remembered as a few dozen; the curve is the last minute in equal steps."""
    track = tracked(*(later(BUSY, i / 4, works=i // 4, images=i // 2) for i in range(40_000)))
    assert len(track._fine) + len(track._coarse) < 130
    curve = track.curve(20)
    assert len(curve) == 20
    assert all(value == pytest.approx(2, abs=0.7) for value in curve)


def test_reading_the_log_is_not_slow_crawling() -> None:
    """Speeds count from when crawling began, however long counting and replay took."""
    before = [replace(BUSY, t=NOON - 1000 + i, phase="replaying") for i in range(100)]
    track = tracked(*before, *steady(30))
    assert track.run.works_min == pytest.approx(60)


def test_an_empty_track_knows_nothing() -> None:
    """Nothing seen: no speed, no curve, no time left."""
    assert Track().left() is None
    assert Track().minute.works == 0
    assert Track().curve(10) == []


SPENT = Day(500, 500, 7_000, 0, 26 * 3600 + 599.5)
ANSWERS = [
    (replace(BUSY, phase="counting"), "counting the list"),
    (replace(BUSY, phase="replaying"), "reading the log"),
    (replace(BUSY, phase="draining"), "draining, 32 works in flight"),
    (replace(BUSY, stopping="interrupted", in_flight=1), "draining, 1 work in flight"),
    (replace(BUSY, phase="done", pending=0), "nothing left"),
    (replace(BUSY, phase="done"), "stopped"),
    (replace(BUSY, pending=0, in_flight=0), "nothing left"),
    (replace(BUSY, in_flight=0), "starting"),
    (replace(BUSY, hosts=()), "starting"),
    (BUSY, "API budget 0.6/s"),
    (replace(BUSY, hosts=(replace(API, rate=0.3), IMAGES)), "API, slowed to 0.3/s of 0.6/s"),
    (
        replace(BUSY, hosts=(replace(API, rate=0.3, limit=0.31), IMAGES)),
        "API, slowed to 0.3/s, limit near 0.31/s learnt",
    ),
    (replace(BUSY, hosts=(replace(API, waiting=0), replace(IMAGES, waiting=31))), "image host 1/s"),
    (replace(BUSY, hosts=(replace(API, rate=0.0, budget=0.0), IMAGES)), "API, all connections in use"),
    (replace(BUSY, hosts=(replace(API, blocked_s=7800.0), IMAGES)), "API blocked until 14:10"),
    (replace(BUSY, hosts=(API, replace(IMAGES, blocked_s=12.2))), "image host blocked for 13 s more"),
    (
        replace(BUSY, hosts=(replace(API, daily=SPENT), replace(IMAGES, daily=replace(SPENT, wait_s=0.0)))),
        "daily budget of www.pixiv.net spent until 2026-01-02 14:10",
    ),
    (replace(BUSY, hosts=(replace(API, daily=SPENT, waiting=0), IMAGES)), "image host 1/s"),
    (replace(BUSY, hosts=(replace(API, waiting=0), replace(IMAGES, waiting=0))), "network, image host"),
    (replace(BUSY, hosts=(replace(API, waiting=0, in_flight=0),)), "disk"),
]


@pytest.mark.parametrize(("now", "answer"), ANSWERS, ids=[answer for _, answer in ANSWERS])
def test_the_limit_right_now(now: Snapshot, answer: str) -> None:
    """Where most tasks wait is the limit; a block comes first; a phase before everything."""
    assert bottleneck(now, UTC) == answer


@settings(max_examples=60, deadline=None)
@given(snapshots())
def test_there_is_always_an_answer(now: Snapshot) -> None:
    """Any snapshot has a limit in a few harmless words, and status fields that add up."""
    answer = bottleneck(now, UTC)
    assert answer.isprintable()
    assert 0 < len(answer) < 60
    fields = status_fields(now)
    assert fields["listed"] == fields["done"] + fields["gone"] + fields["failed"] + fields["pending"]


def test_an_event_becomes_a_note() -> None:
    """The words of a note are those of `crawler tail`, made harmless."""
    got = note(NOON, Failed(7, 2, "truncated", None, 5, False, "\x1b[2J"))
    assert (got.event, got.id) == ("failed", "7")
    assert got.text == "p2   truncated after 5 tries, the next run tries again: \\x1b[2J"
