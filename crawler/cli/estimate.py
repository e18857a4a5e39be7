"""What a list still costs: requests, time, disk and inodes, each with its range, from counts and stated assumptions.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from crawler.engine.sample import Sampled
from crawler.events import Throttled
from crawler.rules.ahead import Daily
from crawler.settings import Settings
from crawler.words import Range

ENOUGH = 20
"""So many finished works or stored images, and the log's own averages are used instead of assumptions."""
# Means of sets of popular works lie between 1.45 and 2.39 images (pixiv.md 6, "Images per work").
IMAGES_PER_WORK = (2.0, 1.45, 2.39)
# A second request tells the files of several pages or of an ugoira: 22 to 29 % of works in mixed sets (pixiv.md 6).
API_PER_WORK = (1.25, 1.22, 1.29)
# Of ids below 20 million 35 % were alive in 2022, of the newest nearly all (pixiv.md 1.1): planned for the worst.
ALIVE = (1.0, 0.35, 1.0)
# First-page originals of ranking works: about 2 MB (pixiv.md 6); of the renditions nothing is known but that they are
# JPEGs of at most 1200, 540 and 250 pixels.
BYTES_PER_IMAGE: Mapping[str, float] = {"original": 2e6, "regular": 5e5, "small": 1e5, "thumb": 3e4}
FOLDERS = 1000
"""Folders of images: id mod 1000 (design.md 1.3)."""
BELOW = 0.96
"""Where a limiter stays when it knows the host's own limit (rules.learning)."""
_CLUSTERED = 2.0
"""Ids of a list die in clusters: what a log saw of it is worth a quarter of as many ids drawn at random."""
_PAGES_SPREAD = 2.0
"""Works differ in their pages by about twice the mean: a few have hundreds."""


@dataclass(frozen=True, slots=True)
class Left:
    """What the list and the log say. `new` works the log does not know, `described` unfinished ones of which
    `images_left` images are missing, `undescribed` unfinished ones without a description that stands.

    `seen_done`, `seen_gone`, `seen_images`, `seen_bytes`: of the whole log, for its averages. `hosts`: of a list of
    URLs, how many lie on each host. `named`: of a manifest, images a work and bytes an image.
    """

    new: int
    undescribed: int
    described: int
    images_left: int
    seen_done: int = 0
    seen_gone: int = 0
    seen_images: int = 0
    seen_bytes: int = 0
    hosts: Mapping[str, int] = field(default_factory=dict[str, int])
    named: tuple[float, float] | None = None

    @property
    def works(self) -> int:
        return self.new + self.undescribed + self.described


@dataclass(frozen=True, slots=True)
class Guess:
    """An average, what it may be at least and at most, and its `source`: "sample", "log", "assumed" or "known"."""

    value: float
    low: float
    high: float
    source: str


@dataclass(frozen=True, slots=True)
class Pace:
    """The rate that a lane is planned at: requests/s to a host (0: no limit), at most `hoped` when things go well.

    `learnt`: the host and what its limiter said last, where that is why the rate is lower than the configured one.
    """

    rate: float
    hoped: float
    learnt: tuple[str, Throttled] | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """A lane's part: `requests`, and the `seconds` that they take (None where no rate bounds them), with ranges."""

    requests: int
    requests_range: Range
    seconds: float | None
    seconds_range: Range | None
    pace: Pace
    daily_s: float = 0.0
    """Seconds that the daily budget alone makes of it; 0: it has no say."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to come."""

    api: Cost
    images: Cost
    bytes: int
    inodes: int
    alive: Guess
    images_per_work: Guess
    bytes_per_image: Guess
    api_per_work: Guess

    @property
    def total_s(self) -> float | None:
        """Both lanes work at the same time: the slower one decides. None where no lane has a bound."""
        waits = [s for s in (self.api.seconds, self.images.seconds) if s is not None]
        return max(waits) if waits else None

    @property
    def total_range(self) -> Range | None:
        """The same, at least and at most."""
        ranges = [r for r in (self.api.seconds_range, self.images.seconds_range) if r is not None]
        return (max(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None


def pace_of(rate: float, told: Mapping[str, Throttled]) -> Pace:
    """The pace of a lane configured with `rate`, given what its hosts' limiters said last, in earlier runs.

    A limit that was learnt is where a run stays. A rate that fell for another reason is begun with, and left upwards.
    """
    best = Pace(rate, rate)
    for host, event in sorted(told.items()):
        now = BELOW * event.limit if event.limit > 0 else event.rate
        if now > 0 and (best.rate == 0 or now < 0.99 * best.rate):
            best = Pace(now, now if event.limit > 0 else rate, (host, event))
    return best


def estimate(
    left: Left,
    settings: Settings,
    sampled: Sampled | None = None,
    told: Mapping[str, Throttled] | None = None,
    is_api: str = "",
) -> Estimate:
    """The cost of what is left; what a sample showed goes before what the log knows, and that before assumptions.

    `told`: each host's limiter's last word in the log; `is_api` names the one that metadata comes from.
    """
    told, limits = told or {}, settings.limits
    alive, per_work, api_per_work, each = _guesses(left, settings, sampled)
    undescribed = left.new + left.undescribed

    def asked(api: float, share: float) -> float:
        # A dead work costs its one question; only a live one may need the second.
        return undescribed * (1 + (api - 1) * share) if api else 0.0

    def images(pages: float, share: float) -> float:
        return undescribed * share * pages + left.images_left

    questions = asked(api_per_work.value, alive.value)
    asked_range = (asked(api_per_work.low, alive.low), asked(api_per_work.high, alive.high))
    coming = round(images(per_work.value, alive.value))
    images_range = (images(per_work.low, alive.low), images(per_work.high, alive.high))
    api_pace = pace_of(limits.api.rate, {h: t for h, t in told.items() if h == is_api})
    host_paces = {h: pace_of(limits.images.rate, {h: told[h]} if h in told else {}) for h in left.hosts}
    rest = {h: t for h, t in told.items() if h != is_api}
    image_pace = pace_of(limits.images.rate, {} if left.hosts else rest)
    busiest = 1.0
    if host_paces:
        # Each host has a limiter of its own; the one that takes longest decides.
        slowest = max(host_paces, key=lambda h: left.hosts[h] / host_paces[h].rate if host_paces[h].rate else 0.0)
        image_pace, busiest = host_paces[slowest], left.hosts[slowest] / sum(left.hosts.values())
    day = limits.daily
    return Estimate(
        api=_cost(questions, asked_range, api_pace, _daily(day.requests, 0.0, 0.0), 1.0),
        images=_cost(coming, images_range, image_pace, _daily(day.requests, day.gb, each.value), busiest),
        bytes=round(coming * each.value),
        inodes=coming + min(coming, FOLDERS),
        alive=alive,
        images_per_work=per_work,
        bytes_per_image=each,
        api_per_work=api_per_work,
    )


def _guesses(left: Left, settings: Settings, sampled: Sampled | None) -> tuple[Guess, Guess, Guess, Guess]:
    """Share alive, images a live work, metadata requests a live work, bytes an image."""
    looked = left.seen_done + left.seen_gone
    known = left.seen_done >= ENOUGH
    if settings.site.name == "urls":
        alive, per_work, api = _exactly(1.0, "assumed"), _exactly(1.0, "known"), _exactly(0.0, "known")
    else:
        alive = _share(left.seen_done, looked, "log", _CLUSTERED) if looked >= ENOUGH else Guess(*ALIVE, "assumed")
        per_work = Guess(*IMAGES_PER_WORK, "assumed")
        if known:
            per_work = _mean(left.seen_images, left.seen_done, "log", _CLUSTERED)
        api = Guess(*API_PER_WORK, "assumed")
    quality = settings.site.quality if settings.site.name == "pixiv" else "original"
    each = _exactly(BYTES_PER_IMAGE[quality], "assumed")
    if left.seen_images >= ENOUGH:
        each = _exactly(left.seen_bytes / left.seen_images, "log")
    if sampled is not None and sampled.asked:
        alive = _share(sampled.alive, sampled.asked, "sample", 1.0)
    if sampled is not None and sampled.alive and settings.site.name != "urls":
        per_work = _mean(sampled.images, sampled.alive, "sample", 1.0)
        second = _share(sampled.api_requests - sampled.alive, sampled.alive, "sample", 1.0)
        api = Guess(sampled.api_requests / sampled.alive, 1 + second.low, 1 + second.high, "sample")
    if sampled is not None and sampled.sized:
        each = _exactly(sampled.bytes / sampled.sized, "sample")
    if left.named is not None:
        per_work = _exactly(left.named[0], "known")
        each = _exactly(left.named[1], "known") if left.named[1] else each
    return alive, per_work, api, each


def _exactly(value: float, source: str) -> Guess:
    return Guess(value, value, value, source)


def _share(part: int, whole: int, source: str, clustered: float) -> Guess:
    """Two standard errors to each side (Wilson's would be no wider where it matters), and never quite sure."""
    p = min(1.0, max(0.0, part / whole))
    error = 2 * clustered * math.sqrt((p * (1 - p) + 1 / whole) / whole)
    return Guess(p, max(0.0, p - error), min(1.0, p + error), source)


def _mean(total: int, n: int, source: str, clustered: float) -> Guess:
    """Of counts that are 1 at least and differ by more than their mean."""
    mean = total / n
    error = min(0.75, _PAGES_SPREAD * clustered / math.sqrt(n))
    return Guess(mean, max(min(1.0, mean), mean * (1 - error)), mean * (1 + error), source)


def _daily(requests: int, gb: float, size: float) -> Daily | None:
    each = max(1 / requests if requests else 0.0, size / (1e9 * gb) if gb else 0.0)
    return Daily(each) if each else None


def _cost(requests: float, within: Range, pace: Pace, daily: Daily | None, busiest: float) -> Cost:
    """`busiest`: the part of the requests that go to the host that decides."""
    count = round(requests)
    span = (min(within[0], requests), max(within[1], requests))
    if not count:
        return Cost(0, (0, round(span[1])), 0.0, (0.0, 0.0), pace)
    if not pace.rate and daily is None:
        return Cost(count, (round(span[0]), round(span[1])), None, None, pace)
    seconds = busiest * requests / pace.rate if pace.rate else 0.0
    low = busiest * span[0] / pace.hoped if pace.hoped else 0.0
    high = busiest * span[1] / pace.rate if pace.rate else 0.0
    bound = 0.0
    if daily is not None:
        least, most = daily.bound(busiest * span[0], busiest * span[1])
        # The first day's part may go at once: it counts from then on.
        bound = daily.bound(busiest * requests, busiest * requests)[0]
        low, high, seconds = max(low, least), max(high, most), max(seconds, bound)
    return Cost(count, (round(span[0]), round(span[1])), seconds, (min(low, seconds), max(high, seconds)), pace, bound)
