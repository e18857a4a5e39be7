"""What many processes have under way is shown beside what is counted, on each kind of display."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "watch"))

from looks import BUSY, tracked

from crawler.cluster.protocol import Flight, View
from crawler.cluster.standing import picture
from crawler.watch.plain import fields, line
from crawler.watch.terminal import Place, frame

WORDS = "2 workers at 3 shards; not counted yet: 12 works, 30 images"
LEASED = {"s1": ("worker-0.a", 1), "s2": ("worker-1.b", 1), "s3": ("worker-1.b", 2)}
FLIGHTS = {"worker-0.a": Flight(works=5, in_flight=2, images=10), "worker-1.b": Flight(works=7, in_flight=3, images=20)}
VIEW = View(("s1", "s2", "s3"), (), {}, LEASED, FLIGHTS, 8)


def test_it_is_one_line_and_counts_stay_as_they_are() -> None:
    """Committed and in flight are never added up: in words, on the screen, in lines and as JSON."""
    now = picture(BUSY, VIEW, (), 1)
    assert now.crew == WORDS
    assert (now.done, now.images, now.in_flight) == (BUSY.done, BUSY.images, 6)
    track = tracked(now)
    assert WORDS in line(now, track)
    assert fields(now, track)["crew"] == WORDS
    assert any(WORDS in str(row) for row in frame(now, track, Place(100, 40)))


def test_one_process_has_no_such_line() -> None:
    """Who has no cluster hears nothing of one."""
    track = tracked(BUSY)
    assert "worker" not in line(BUSY, track)
    assert "crew" not in fields(BUSY, track)
