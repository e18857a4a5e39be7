"""Snapshots to draw: any run, with hostile words from the site."""

from dataclasses import replace

from hypothesis import strategies as st

from crawler.fetch.exchange import Day, HostState
from crawler.progress import Note, Snapshot, Track
from crawler.rules.ahead import Ahead

NOON = 1_767_268_800.0  # 2026-01-01 12:00:00 UTC
HOSTILE = (
    "\x1b[2J\x1b]0;title\x07",
    "\u202eevil\u2066",
    "a\r\nb\x85c\u2028d",
    "\ud800",
    "冬" * 90,
    "e" + "\u0301" * 40,
    "[red]x[/red]",
)

API = HostState("www.pixiv.net", "api", 0.6, 0.6, 0.0, 2, 28, 120_439, 8_000_000, 14, 0.213, "")
IMAGES = HostState("i.pximg.net", "images", 1.0, 1.0, 0.0, 4, 3, 300_439, 441_000_000_000, 2, None, "")

BUSY = Snapshot(
    t=NOON,
    elapsed_s=7 * 3600,
    phase="crawling",
    listed=268_118,
    done=98_211,
    gone=41_022,
    failed=211,
    pending=268_118 - 98_211 - 41_022 - 211,
    in_flight=32,
    images=231_004,
    bytes=441_000_000_000,
    new_images=5000,
    new_bytes=10_000_000_000,
    new_works=3000,
    expected_images=231_400,
    failed_images=320,
    requests=12_000,
    retries=412,
    reasons={"not_found": 38_822, "restricted": 1900, "filtered": 300, "truncated": 180},
    hosts=(API, IMAGES),
    notes=(Note(NOON - 3, "stored", "12345678", "p0 2.31 MB"), Note(NOON - 1, "failed", "59120035", "p2 truncated")),
    directory="data/popular",
    ahead=Ahead(128_000, 396, 3000, 5000, 5000, 128_674, 3000),
)

words = st.one_of(st.text(max_size=200), st.sampled_from(HOSTILE))
counts = st.integers(0, 10**9)


@st.composite
def hosts(draw: st.DrawFn) -> HostState:
    """Any state of a host's limiter."""
    return HostState(
        draw(words),
        draw(st.sampled_from(("api", "images"))),
        draw(st.floats(0, 1e5)),
        draw(st.floats(0, 1e5)),
        draw(st.floats(0, 1e6)),
        draw(st.integers(0, 1000)),
        draw(st.integers(0, 100_000)),
        draw(counts),
        draw(counts),
        draw(counts),
        draw(st.none() | st.floats(0, 1000)),
        draw(words),
        draw(st.none() | st.builds(Day, counts, counts, counts, counts, st.floats(0, 90_000))),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any run at any moment."""
    done, gone, failed, pending = (draw(counts) for _ in range(4))
    notes = st.builds(
        Note, st.floats(0, 4e9), st.sampled_from(("stored", "failed", "throttled", "spent", "new")), words, words
    )
    return replace(
        BUSY,
        phase=draw(st.sampled_from(("counting", "replaying", "crawling", "draining", "done"))),
        listed=done + gone + failed + pending,
        done=done,
        gone=gone,
        failed=failed,
        pending=pending,
        images=draw(counts),
        expected_images=draw(counts),
        failed_images=draw(counts),
        in_flight=draw(st.integers(0, 100_000)),
        elapsed_s=draw(st.floats(0, 1e8)),
        reasons=draw(st.dictionaries(words, counts, max_size=6)),
        hosts=tuple(draw(st.lists(hosts(), max_size=6))),
        notes=tuple(draw(st.lists(notes, max_size=6))),
        directory=draw(words),
        stopping=draw(st.sampled_from(("", "interrupted", "blocked"))),
    )


def later(now: Snapshot, seconds: float, works: int = 0, images: int = 0) -> Snapshot:
    """The same run `seconds` later, with so many more works done and images stored."""
    was = now.ahead
    assert was is not None
    ahead = Ahead(
        was.questions - works,
        was.images,
        was.asked + works,
        was.wanted + images,
        was.tried + images,
        was.works - works,
        was.ended + works,
    )
    return replace(
        now,
        ahead=ahead,
        t=now.t + seconds,
        elapsed_s=now.elapsed_s + seconds,
        done=now.done + works,
        pending=now.pending - works,
        images=now.images + images,
        new_works=now.new_works + works,
        new_images=now.new_images + images,
        new_bytes=now.new_bytes + 1000 * images,
        requests=now.requests + works + images,
    )


def tracked(*seen: Snapshot) -> Track:
    """A track that has seen these."""
    track = Track()
    for now in seen:
        track.add(now)
    return track
