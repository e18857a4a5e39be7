"""What the live page is told: all at first, then what changed, as JSON made once for everybody who looks."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import orjson

from crawler import __version__
from crawler.fetch.exchange import HostState
from crawler.progress import Note, Snapshot, Track
from crawler.watch.history import Ring
from crawler.watch.plain import Notes, fields
from crawler.watch.wall import Thumb
from crawler.words import between, by_lane, clean, words

_TROUBLES = 100
_MOST_HOSTS = 12


class Board:
    """Takes snapshots in and gives frames out; a frame is one server-sent event.

    `link` makes the address of a work of its id (`{id}`); "" where works have none.
    """

    def __init__(self, link: str) -> None:
        self._link = link
        self._track = Track()
        self._notes = Notes()
        self._fine = Ring(2.0, 300)
        self._whole = Ring(2.0, 600, whole=True)
        self._troubles: deque[dict[str, Any]] = deque(maxlen=_TROUBLES)
        self._now: Snapshot | None = None
        # What the last tick told, and what is new since.
        self._told = (0, 0, 0)
        self._new_troubles: list[dict[str, Any]] = []
        self._new_thumbs: list[dict[str, Any]] = []

    def take(self, now: Snapshot) -> None:
        """A newer look at the run."""
        self._now = now
        self._track.add(now)
        self._fine.add(now)
        self._whole.add(now)
        for note in self._notes.fresh(now):
            if note.event in ("failed", "throttled", "spent", "voided"):
                trouble = _trouble(note)
                self._troubles.append(trouble)
                self._new_troubles.append(trouble)

    def hang(self, thumb: Thumb) -> None:
        """A new thumbnail is on the wall."""
        self._new_thumbs.append(tile(thumb))

    def hello(self, thumbs: list[Thumb]) -> bytes:
        """Everything, for one who begins to look."""
        return _frame(
            "hello",
            {
                "version": __version__,
                "link": self._link,
                "state": self._state(),
                "fine": [point.row() for point in self._fine.points],
                "whole": [point.row() for point in self._whole.points],
                "troubles": list(self._troubles),
                "wall": [tile(thumb) for thumb in thumbs],
            },
        )

    def forget(self) -> None:
        """Nobody looked: the next tick tells only what is new from now on."""
        self._told = (self._fine.added, self._whole.added, self._whole.merges)
        self._new_troubles, self._new_thumbs = [], []

    def tick(self) -> bytes:
        """What changed since the last tick."""
        fine, whole, merges = self._told
        self._told = (self._fine.added, self._whole.added, self._whole.merges)
        body: dict[str, Any] = {"state": self._state(), "fine": _rows(self._fine, fine)}
        if merges != self._whole.merges:
            body["all"] = [point.row() for point in self._whole.points]
        else:
            body["whole"] = _rows(self._whole, whole)
        body["troubles"], self._new_troubles = self._new_troubles, []
        body["wall"], self._new_thumbs = self._new_thumbs, []
        return _frame("tick", body)

    def _state(self) -> dict[str, Any]:
        now = self._now
        if now is None:
            return {}
        busiest = sorted(now.hosts, key=lambda host: -host.requests)[:_MOST_HOSTS]
        left = self._track.lanes()
        return fields(now, self._track) | {
            "t": now.t,
            "directory": clean(now.directory),
            "left": between(left.whole),
            "left_by_lane": by_lane(left.api, left.images),
            "stopping": words(now.stopping),
            "requests_per_s": round(self._track.minute.requests_s, 2),
            "reasons": [[words(r), n] for r, n in sorted(now.reasons.items(), key=lambda item: -item[1])],
            "hosts": [_host(host) for host in sorted(busiest, key=lambda host: (host.lane, host.host))],
            "more_hosts": len(now.hosts) - len(busiest),
        }


class Broadcast:
    """The newest frame, for any number of readers; who comes late knows by `number` that frames were missed."""

    def __init__(self) -> None:
        self.number = 0
        self.frame = b""
        self._next = asyncio.Event()

    def send(self, frame: bytes) -> None:
        """Wakes all who wait."""
        self.number += 1
        self.frame = frame
        woken, self._next = self._next, asyncio.Event()
        woken.set()

    async def after(self, number: int) -> None:
        """Wait for a frame newer than `number`."""
        while self.number <= number:
            await self._next.wait()


def tile(thumb: Thumb) -> dict[str, Any]:
    """A thumbnail as the page knows it."""
    stored = thumb.fresh.stored
    return {
        "key": thumb.key,
        "order": thumb.fresh.order,
        "id": clean(str(stored.id)),
        "page": stored.page,
        "bytes": stored.bytes,
        "width": stored.width,
        "height": stored.height,
        "kind": clean(stored.mime.rpartition("/")[2]),
        "veiled": thumb.fresh.veiled,
    }


def _trouble(note: Note) -> dict[str, Any]:
    return {"t": note.t, "event": note.event, "id": clean(note.id), "text": clean(note.text)}


def _host(host: HostState) -> dict[str, Any]:
    return {
        "host": clean(host.host),
        "lane": host.lane,
        "rate": host.rate,
        "budget": host.budget,
        "blocked_s": round(host.blocked_s, 1),
        "waiting": host.waiting,
        "in_flight": host.in_flight,
        "requests": host.requests,
        "refused": host.refused,
        "limit": host.limit,
        "bytes": host.bytes,
        "latency_ms": None if host.latency_s is None else round(1000 * host.latency_s),
        "reason": words(host.reason),
        "spent_s": 0 if host.daily is None else round(host.daily.wait_s),
    }


def _rows(ring: Ring, told: int) -> list[list[float | None]]:
    new = min(ring.added - told, len(ring.points))
    return [point.row() for point in ring.points[len(ring.points) - new :]]


def _frame(event: str, body: dict[str, Any]) -> bytes:
    # JSON escapes newlines, so the data of a server-sent event is one line.
    return b"event: %b\ndata: %b\n\n" % (event.encode(), orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS))
