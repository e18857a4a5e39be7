"""A frozen picture of a run, what two of them tell (rates, time left, the limit), and words for numbers. Pure."""

from __future__ import annotations

import math
import unicodedata
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from crawler.fetch.exchange import HostState


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line on the screen: UTC seconds, event name, id as text, words. Any may come from the site."""

    t: float
    event: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment. `t` UTC seconds; `elapsed_s` of this run. Works: listed = done + gone + failed + pending.

    `images`, `bytes`: stored, over all runs; `new_images`, `new_bytes`: by this run; `new_works`: works that got an
    outcome by this run; `expected_images`: of the works described so far. `reasons` counts gone and failed by reason.
    `phase`: counting, replaying, crawling, draining, done.
    """

    t: float
    elapsed_s: float
    phase: str
    listed: int
    done: int
    gone: int
    failed: int
    pending: int
    in_flight: int
    images: int
    bytes: int
    new_images: int
    new_bytes: int
    new_works: int
    expected_images: int
    failed_images: int
    requests: int
    retries: int
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])
    hosts: tuple[HostState, ...] = ()
    notes: tuple[Note, ...] = ()
    directory: str = ""
    stopping: str = ""


def status_fields(now: Snapshot) -> dict[str, Any]:
    """What status.json and `status --json` hold in common (design.md 1.1): plain values, JSON-ready."""
    return {
        "listed": now.listed,
        "done": now.done,
        "gone": now.gone,
        "failed": now.failed,
        "pending": now.pending,
        "images": now.images,
        "bytes": now.bytes,
        "reasons": dict(now.reasons),
        "hosts": {
            h.host: {
                "lane": h.lane,
                "rate": h.rate,
                "budget": h.budget,
                "blocked_s": round(h.blocked_s, 1),
                "in_flight": h.in_flight,
                "requests": h.requests,
                "bytes": h.bytes,
                "refused": h.refused,
            }
            for h in now.hosts
        },
    }


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened in `over_s` seconds, as speeds. `works_min` counts works that got any outcome."""

    over_s: float
    works: int
    works_min: float
    images_s: float
    bytes_s: float
    requests_s: float


def rates(then: Snapshot, now: Snapshot) -> Rates:
    """The speeds between two looks at one run; all zero when no time passed. A counter that fell counts as zero."""
    span = now.t - then.t
    if span <= 0:
        return Rates(0.0, 0, 0.0, 0.0, 0.0, 0.0)
    works = max(0, now.new_works - then.new_works)
    return Rates(
        over_s=span,
        works=works,
        works_min=60 * works / span,
        images_s=max(0, now.new_images - then.new_images) / span,
        bytes_s=max(0, now.new_bytes - then.new_bytes) / span,
        requests_s=max(0, now.requests - then.requests) / span,
    )


Range = tuple[float, float]
"""Seconds: at least, at most."""
_FEWEST = 5  # works in a window before it says anything about the works to come


def time_left(pending: int, windows: Sequence[Rates], wait_s: float = 0) -> Range | None:
    """How long `pending` works still take, as an honest range, or None when too little has been seen.

    Each window of time (the last ten minutes, the whole run) is a guess with its own error (works come like rain:
    +-2 sqrt(n), never better than 5 %); the range spans them all. `wait_s` of waiting out a block comes on top.
    """
    if pending <= 0:
        return (0.0, 0.0)
    lows: list[float] = []
    highs: list[float] = []
    for window in windows:
        if window.works < _FEWEST or window.over_s <= 0:
            continue
        error = min(0.75, max(0.05, 2 / math.sqrt(window.works)))
        each_s = window.over_s / window.works
        lows.append(pending * each_s / (1 + error))
        highs.append(pending * each_s / (1 - error))
    if not lows:
        return None
    wait_s = max(0.0, wait_s)
    return (min(lows) + wait_s, max(highs) + wait_s)


class Track:
    """Remembers a few snapshots of one run: enough for speeds over a minute, ten minutes and the run, and a curve.

    Keeps at most one snapshot a second of the last minute and one in ten seconds of the last ten minutes.
    """

    def __init__(self) -> None:
        self._fine: deque[Snapshot] = deque()
        self._coarse: deque[Snapshot] = deque()
        self._first: Snapshot | None = None
        self._now: Snapshot | None = None

    def add(self, now: Snapshot) -> None:
        """Takes a newer snapshot in. Until crawling begins nothing counts: reading the log is not slow crawling."""
        self._now = now
        if now.phase in ("counting", "replaying") or (self._first is not None and now.t < self._first.t):
            self._first = None
            self._fine.clear()
            self._coarse.clear()
            return
        self._first = self._first or now
        for ring, step_s, keep_s in ((self._fine, 1.0, 60.0), (self._coarse, 10.0, 600.0)):
            if not ring or now.t - ring[-1].t >= step_s:
                ring.append(now)
            while len(ring) > 1 and now.t - ring[1].t >= keep_s:
                ring.popleft()

    @property
    def minute(self) -> Rates:
        """Speeds over the last minute, or since crawling began when that is less."""
        return self._since(self._fine[0] if self._fine else None)

    @property
    def run(self) -> Rates:
        """Speeds since crawling began."""
        return self._since(self._first)

    def left(self) -> Range | None:
        """The time that the pending works still take; see `time_left`."""
        now = self._now
        if now is None:
            return None
        if now.phase == "done" or now.stopping:
            return (0.0, 0.0) if now.pending <= 0 else None
        blocked_s = max((h.blocked_s for h in now.hosts), default=0.0)
        ten = self._since(self._coarse[0] if self._coarse else None)
        return time_left(now.pending, (ten, self.run), blocked_s)

    def curve(self, points: int) -> list[float]:
        """Images a second over the last minute in equal steps, oldest first; fewer where less has been seen."""
        if self._now is None or len(self._fine) < 2:
            return []
        step_s = 60 / points
        out: list[float] = []
        then = self._fine[0]
        for now in list(self._fine)[1:]:
            if now.t - then.t >= step_s - 0.25:
                out.append(rates(then, now).images_s)
                then = now
        return out[-points:]

    def _since(self, then: Snapshot | None) -> Rates:
        if then is None or self._now is None:
            return Rates(0.0, 0, 0.0, 0.0, 0.0, 0.0)
        return rates(then, self._now)


_LANES = {"api": "API", "images": "image host"}


def bottleneck(now: Snapshot, zone: tzinfo | None = None) -> str:
    """A few words on what the run waits for right now. Times of day are in `zone`, by default the machine's own."""
    match now.phase:
        case "counting":
            return "counting the list"
        case "replaying":
            return "reading the log"
        case "done":
            return "nothing left" if now.pending <= 0 else "stopped"
        case _:
            pass
    if now.phase == "draining" or now.stopping:
        return f"draining, {plural(now.in_flight, 'work')} in flight"
    if now.pending <= 0 and now.in_flight <= 0:
        return "nothing left"
    blocked = [h for h in now.hosts if h.blocked_s >= 1]
    if blocked:
        worst = max(blocked, key=lambda h: (h.lane == "api", h.blocked_s))
        return f"{_LANES[worst.lane]} blocked {_until(now.t, worst.blocked_s, zone)}"
    if now.in_flight <= 0 or not now.hosts:
        return "starting"
    return _busiest(now.hosts)


def _until(t: float, blocked_s: float, zone: tzinfo | None) -> str:
    if blocked_s < 60:
        return f"for {math.ceil(blocked_s)} s more"
    return f"until {clock(t + blocked_s, zone)[:5]}"


def _busiest(hosts: Sequence[HostState]) -> str:
    """Where most tasks queue is what holds the others up; if none queue, who is answering; if nobody is, the disk."""
    queue = max(hosts, key=lambda h: (h.waiting, h.lane == "api"))
    if queue.waiting > 0:
        name = _LANES[queue.lane]
        if queue.rate <= 0:
            return f"{name}, all connections in use"
        if queue.budget > 0 and queue.rate < 0.99 * queue.budget:
            return f"{name}, slowed to {per_second(queue.rate)} of {per_second(queue.budget)}"
        return f"API budget {per_second(queue.rate)}" if queue.lane == "api" else f"{name} {per_second(queue.rate)}"
    talking = max(hosts, key=lambda h: h.in_flight)
    if talking.in_flight > 0:
        return "network, image host" if talking.lane == "images" else "network, API answers"
    return "disk"


# ---------------------------------------------------------------------- words for people


def clean(text: str) -> str:
    """A string from the site as one harmless line: what could move a cursor or turn text round is shown as `\\x1b`.

    Escaped: control characters (newline too), terminal codes, bidi and other invisible format marks, line separators,
    lone surrogates, unassigned and private characters. Odd spaces become spaces, variation selectors and joiners go,
    and a letter keeps at most three marks. Letters of every script stay.
    """
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > 3 or char == "\u200d" or "\ufe00" <= char <= "\ufe0f":
            continue
        if category in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"):
            code = ord(char)
            short = {9: "\\t", 10: "\\n", 13: "\\r"}.get(code)
            out.append(short or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"))
        else:
            out.append(" " if category == "Zs" and char != "\u3000" else char)
    return "".join(out)


def count(n: int) -> str:
    """A number with thin groups: 268,118."""
    return f"{n:,}"


def plural(n: int, noun: str) -> str:
    """`1 work`, `2 works`."""
    return f"{count(n)} {noun}" if n == 1 else f"{count(n)} {noun}s"


def size(n: float) -> str:
    """Bytes in decimal units, three digits: 999 B, 1.23 MB, 45.6 GB."""
    n = max(0.0, n)
    if n < 999.5:
        return f"{n:.0f} B"
    unit = "B"
    for unit in ("kB", "MB", "GB", "TB", "PB"):  # noqa: B007 - read after the loop
        n /= 1000
        if n < 999.5:
            break
    return f"{n:.{2 if n < 9.995 else 1 if n < 99.95 else 0}f} {unit}"


def duration(seconds: float) -> str:
    """The two largest units: 9 s, 3 min 20 s, 2 h 05 min, 3 d 04 h."""
    s = max(0, round(seconds))
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s"
    if s < 86400:
        return f"{s // 3600} h {s % 3600 // 60:02d} min"
    return f"{s // 86400} d {s % 86400 // 3600:02d} h"


def between(left: Range | None) -> str:
    """A range of time as people say it: `2 to 3 h`, `45 to 60 min`; unknown: `not known yet`."""
    if left is None:
        return "not known yet"
    low, high = left
    if high < 1:
        return "none"
    unit, seconds = next(((u, s) for u, s in (("d", 86400), ("h", 3600), ("min", 60)) if high >= 2 * s), ("s", 1))
    short, long = math.floor(low / seconds), math.ceil(high / seconds)
    if unit in ("d", "h") and high < 10 * seconds:
        short, long = math.floor(2 * low / seconds) / 2, math.ceil(2 * high / seconds) / 2
    return f"{long:g} {unit}" if short == long else f"{short:g} to {long:g} {unit}"


def per_second(rate: float) -> str:
    """`0.6/s`, `12/s`; 0 is no limit."""
    return "no limit" if rate <= 0 else f"{rate:.0f}/s" if rate >= 99.5 else f"{rate:.2g}/s"


def share(part: int, whole: int) -> str:
    """Per cent with one digit, never rounded up to 100.0 while something is missing."""
    if whole <= 0:
        return "0.0 %"
    return f"{math.floor(1000 * part / whole) / 10:.1f} %"


def clock(t: float, zone: tzinfo | None = None) -> str:
    """HH:MM:SS of UTC seconds `t` in `zone`, by default the machine's own."""
    return datetime.fromtimestamp(t, UTC).astimezone(zone).strftime("%H:%M:%S")


def words(reason: str) -> str:
    """A reason of the log as words: `not_found` -> `not found`."""
    return clean(reason).replace("_", " ")
