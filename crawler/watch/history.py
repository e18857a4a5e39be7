"""How a run went, as points of equal steps: the last minutes finely, a run of any length in bounded memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crawler.model import Lane
from crawler.progress import Snapshot, rates


@dataclass(frozen=True, slots=True)
class Point:
    """One step that ended at `t` (UTC seconds): speeds over it, what answers took at its end, whether a host had
    blocked us at any look during it (1.0; merged points: the share of them)."""

    t: float
    images_s: float
    bytes_s: float
    works_min: float
    requests_s: float
    api_s: float | None
    image_s: float | None
    blocked: float

    def row(self) -> list[float | None]:
        """The point as JSON holds it: numbers in the order of the fields, latencies in ms, few digits."""
        api_ms, image_ms = (None if s is None else round(1000 * s) for s in (self.api_s, self.image_s))
        speeds = (round(self.images_s, 3), round(self.bytes_s), round(self.works_min, 2), round(self.requests_s, 3))
        return [round(self.t, 1), *speeds, api_ms, image_ms, round(self.blocked, 2)]


class Ring:
    """At most `keep` points of `step_s` seconds or more each. Full, it forgets the oldest; with `whole`, it merges
    neighbours instead and doubles its step, so that it always holds the whole run. `merges` counts that."""

    def __init__(self, step_s: float, keep: int, *, whole: bool = False) -> None:
        self.step_s = step_s
        self.points: list[Point] = []
        self.merges = 0
        self.added = 0
        self._keep = keep
        self._whole = whole
        self._from: Snapshot | None = None
        self._blocked = False

    def add(self, now: Snapshot) -> None:
        """Takes in a newer look; makes a point of it when a step is over. A clock that was set back starts anew."""
        then = self._from
        if then is None or now.t < then.t:
            self._from = now
            return
        self._blocked = self._blocked or any(host.blocked_s >= 1 for host in now.hosts)
        if now.t - then.t < self.step_s * 0.95:  # looks come a little early or late
            return
        speed = rates(then, now)
        self.points.append(
            Point(
                now.t,
                speed.images_s,
                speed.bytes_s,
                speed.works_min,
                speed.requests_s,
                latency(now, "api"),
                latency(now, "images"),
                float(self._blocked),
            )
        )
        self.added += 1
        self._from, self._blocked = now, False
        if len(self.points) > self._keep:
            self._make_room()

    def _make_room(self) -> None:
        if not self._whole:
            del self.points[0]
            return
        pairs = zip(self.points[::2], self.points[1::2], strict=False)
        odd = self.points[-1:] if len(self.points) % 2 else []
        self.points = [_merged(a, b) for a, b in pairs] + odd
        self.step_s *= 2
        self.merges += 1


def latency(now: Snapshot, lane: Lane) -> float | None:
    """What an answer of the lane's busiest host takes, in seconds; None before the first."""
    known = [host for host in now.hosts if host.lane == lane and host.latency_s is not None]
    return max(known, key=lambda host: host.requests).latency_s if known else None


def _merged(a: Point, b: Point) -> Point:
    return Point(
        b.t,
        (a.images_s + b.images_s) / 2,
        (a.bytes_s + b.bytes_s) / 2,
        (a.works_min + b.works_min) / 2,
        (a.requests_s + b.requests_s) / 2,
        _mean((a.api_s, b.api_s)),
        _mean((a.image_s, b.image_s)),
        (a.blocked + b.blocked) / 2,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None
