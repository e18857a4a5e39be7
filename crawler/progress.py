"""A frozen picture of a run, and what two of them tell: rates, time left, the limit right now. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from crawler.events import Event
from crawler.fetch.exchange import Day, HostState
from crawler.model import Lane
from crawler.rules.ahead import Ahead, Daily, Forecast, Gear, Left
from crawler.words import Range, clean, clock, on_the_day, per_second, plural, tell


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line on the screen: UTC seconds, event name, id as text, words. Any may come from the site."""

    t: float
    event: str
    id: str
    text: str


def note(t: float, event: Event) -> Note:
    """The event as a note, in the words that `crawler tail` uses too. `t` UTC seconds."""
    id, text = tell(event)
    return Note(t, event.event, id, text)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment. `t` UTC seconds; `elapsed_s` of this run. Works: listed = done + gone + failed + pending.

    `images`, `bytes`: stored, over all runs; `new_images`, `new_bytes`: by this run; `new_works`: works that got an
    outcome by this run; `expected_images`: of the works described so far. `reasons` counts gone and failed by reason.
    `phase`: counting, replaying, crawling, draining, done. `ahead`: what the run still has to do, None while it
    counts; `again`, `again_done`: works that it asks again for, and those of them that were answered. They keep their
    old outcome until then, so they are not `pending`. `crew`: where many processes work, how many do, and what of
    theirs is not counted yet, in words.
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
    ahead: Ahead | None = None
    again: int = 0
    again_done: int = 0
    crew: str = ""


def day_fields(day: Day, t: float) -> dict[str, Any]:
    """A host's daily budget as `hosts[HOST].daily` holds it; `until`: UTC ISO 8601, null while some is left."""
    until = datetime.fromtimestamp(math.ceil(t + day.wait_s), UTC).isoformat().replace("+00:00", "Z")
    return {
        "requests": day.requests,
        "requests_budget": day.requests_budget,
        "bytes": day.bytes,
        "bytes_budget": day.bytes_budget,
        "until": until if day.wait_s > 0 else None,
    }


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
            | ({} if h.daily is None else {"daily": day_fields(h.daily, now.t)})
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


MOST_HOSTS = 100
"""A snapshot has no more hosts than these; where it has so many, there may be others."""


def gear(hosts: Iterable[HostState], lane: Lane) -> Gear:
    """The hosts of a lane as one limiter."""
    mine = [host for host in hosts if host.lane == lane]
    if not mine:
        return Gear()
    days = [host.daily for host in mine]
    waits = [max(host.blocked_s, 0.0 if host.daily is None else host.daily.wait_s) for host in mine]
    requests, size = sum(host.requests for host in mine), sum(host.bytes for host in mine)
    return Gear(
        rate=_all_of(host.rate for host in mine),
        budget=_all_of(host.budget for host in mine) if len(mine) < MOST_HOSTS else 0.0,
        limit=_all_of(host.limit for host in mine),
        wait_s=(min(waits), max(waits)),
        wanted=any(host.waiting for host in mine),
        requests=requests,
        daily=day_of([day for day in days if day is not None], size / max(1, requests)),
        hosts=len(mine),
    )


def day_of(days: Sequence[Day], size: float) -> Daily | None:
    """Hosts' daily budgets as one; `size` bytes a request."""
    shares = [
        Daily(each / budget, spent / budget)
        for each, spent, budget in (
            (1.0, sum(day.requests for day in days), sum(day.requests_budget for day in days)),
            (size, sum(day.bytes for day in days), sum(day.bytes_budget for day in days)),
        )
        if budget
    ]
    return max(shares, key=lambda share: share.each, default=None)


def _all_of(rates: Iterable[float]) -> float:
    """The sum of rates of which 0 means that there is none."""
    found = list(rates)
    return sum(found) if all(found) else 0.0


class Track:
    """Remembers a few snapshots of one run: enough for speeds over a minute, ten minutes and the run, and a curve.

    Keeps at most one snapshot a second of the last minute and one in ten seconds of the last ten minutes.
    """

    def __init__(self) -> None:
        self._fine: deque[Snapshot] = deque()
        self._coarse: deque[Snapshot] = deque()
        self._first: Snapshot | None = None
        self._now: Snapshot | None = None
        self._forecast = Forecast()

    def add(self, now: Snapshot) -> None:
        """Takes a newer snapshot in. Until crawling begins nothing counts: reading the log is not slow crawling."""
        self._now = now
        if now.phase in ("counting", "replaying") or (self._first is not None and now.t < self._first.t):
            self._first = None
            self._fine.clear()
            self._coarse.clear()
            return
        if self._first is None:
            self._first = now
            # What is asked again has its images already, as a rule.
            self._forecast = Forecast() if now.again else Forecast(now.done + now.gone, now.images)
        for ring, step_s, keep_s in ((self._fine, 1.0, 60.0), (self._coarse, 10.0, 600.0)):
            if not ring or now.t - ring[-1].t >= step_s:
                ring.append(now)
            while len(ring) > 1 and now.t - ring[1].t >= keep_s:
                ring.popleft()
        if now.ahead is not None:
            self._forecast.look(now.t, now.ahead, gear(now.hosts, "api"), gear(now.hosts, "images"))

    @property
    def minute(self) -> Rates:
        """Speeds over the last minute, or since crawling began when that is less."""
        return self._since(self._fine[0] if self._fine else None)

    @property
    def run(self) -> Rates:
        """Speeds since crawling began."""
        return self._since(self._first)

    def left(self) -> Range | None:
        """Seconds until the run is through, at least and at most; None when too little has been seen."""
        return self.lanes().whole

    def lanes(self) -> Left:
        """The same for each lane by itself too."""
        now = self._now
        if now is None or ((now.phase == "done" or now.stopping) and now.pending > 0):
            return Left(None, None, None)
        if now.phase == "done" or now.stopping:
            return Left((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
        return self._forecast.left()

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
    rests = {h.host: h.daily.wait_s for h in now.hosts if h.waiting and h.daily is not None and h.daily.wait_s >= 1}
    if rests:
        host = max(rests, key=rests.__getitem__)
        return f"daily budget of {clean(host)} spent until {on_the_day(now.t + rests[host], zone)}"
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
            known = f", limit near {per_second(queue.limit)} learnt" if queue.limit > 0 else ""
            return f"{name}, slowed to {per_second(queue.rate)}{known or f' of {per_second(queue.budget)}'}"
        return f"API budget {per_second(queue.rate)}" if queue.lane == "api" else f"{name} {per_second(queue.rate)}"
    talking = max(hosts, key=lambda h: h.in_flight)
    if talking.in_flight > 0:
        return "network, image host" if talking.lane == "images" else "network, API answers"
    return "disk"
