"""Runs that never were, for the law of the time left: seeded, pure, and as unpleasant as real ones.

One host a lane, each asked at the pace of its limiter; works in flight are bounded; dead ids come in clusters; a few
works have very many pages; blocks come when they like, and the rate falls and climbs back, or stays at a limit.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from heapq import heappop, heappush

from crawler.events import Described, Event, Gone, Stored, Throttled
from crawler.model import Image
from crawler.rules.ahead import Ahead, Gear
from crawler.rules.naming import image_path
from crawler.rules.rate import Pace
from crawler.rules.settings import RetrySettings
from crawler.sites.pixiv import HOST

WORKS = 32


def stamp(t: float) -> str:
    """A second of a made-up run as a time of a log."""
    return datetime.fromtimestamp(t, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Pacer:
    """A lane's limiter: what it does was decided before the run. Pieces of (from, rate, limit known), and blocks."""

    budget: float
    pieces: list[tuple[float, float, float]]
    blocks: list[tuple[float, float]]
    latency_s: float
    connections: int
    free: float = 0.0
    sends: list[float] = field(default_factory=list[float])

    def send(self, ready: float, dice: random.Random) -> float:
        """When a request that is ready then is answered."""
        at = max(ready, self.free)
        i = bisect_right(self.blocks, (at, math.inf)) - 1
        if i >= 0 and at < self.blocks[i][1]:
            at = self.blocks[i][1]
        rate = self.rate(at)
        took = self.latency_s * dice.lognormvariate(0, 0.5)
        self.free = at + max(1 / rate if rate else 0.0, took / self.connections)
        self.sends.append(at)
        return at + took

    def rate(self, t: float) -> float:
        return self.pieces[bisect_right(self.pieces, (t, math.inf, 0.0)) - 1][1]

    def told(self, host: str) -> list[tuple[float, Event]]:
        """What the limiter says in the log."""
        changes: list[tuple[float, Event]] = [
            (t, Throttled(host, rate, None, "resumed", limit)) for t, rate, limit in self.pieces[1:]
        ]
        blocks = [(t, Throttled(host, self.rate(t), stamp(end), "rate_limited 429")) for t, end in self.blocks]
        return changes + blocks

    def gear(self, t: float, waiting: bool) -> Gear:
        _, rate, limit = self.pieces[bisect_right(self.pieces, (t, math.inf, 0.0)) - 1]
        i = bisect_right(self.blocks, (t, math.inf)) - 1
        wait = max(0.0, self.blocks[i][1] - t) if i >= 0 else 0.0
        return Gear(rate, self.budget, limit, (wait, wait), waiting, bisect_right(self.sends, t))


class Learning(Pacer):
    """A lane with the limiter of real runs, and a host with a secret limit: `rate` and `room`, 200 s of block."""

    def __init__(self, budget: float, rate: float, room: float) -> None:
        super().__init__(budget, [(0.0, budget, 0.0)], [], 0.1, 6)
        self._pace = Pace(budget, 1, 0.0, adaptive=True, retry=RetrySettings())
        self._rate, self._room, self._level, self._full, self._at = rate, room, 0.0, -1.0, 0.0
        self._waits: list[tuple[float, float]] = [(0.0, 0.0)]

    def send(self, ready: float, dice: random.Random) -> float:
        """When a request that is ready then is answered; what is refused is sent again."""
        while True:
            at = self._pace.reserve(max(ready, self.free, self._pace.ready))
            self.sends.append(at)
            back = at + self.latency_s
            self.free = back if self._pace.blocks else at
            if passed := self._passes(at):
                self._pace.clean(at, back)
            else:
                self._pace.refused(at, back, None, "rate_limited 429")
                self.free = back
            self.pieces.append((back, self._pace.rate, self._pace.memory(back).limit))
            self._waits.append((back, self._pace.blocked_until))
            if passed:
                return back

    def _passes(self, at: float) -> bool:
        self._level = max(0.0, self._level - self._rate * (at - self._at))
        self._at = at
        if at < self._full:
            return False
        if self._level + 1 > self._room:
            self._full = at + 200
            return False
        self._level += 1
        return True

    def gear(self, t: float, waiting: bool) -> Gear:
        until = self._waits[bisect_right(self._waits, (t, math.inf)) - 1][1]
        wait = max(0.0, until - t)
        return replace(super().gear(t, waiting), wait_s=(wait, wait))


def pacer(dice: random.Random, budget: float, span: float, kind: str) -> Pacer:
    """`kind`: steady, blocks (with a fall and a climb each), limit (found at some time), wild (no rate at all)."""
    latency, connections = (0.2, 6) if budget else (dice.uniform(0.3, 2.0), 4)
    pieces, blocks = [(0.0, budget, 0.0)], list[tuple[float, float]]()
    if kind == "blocks":
        every = dice.uniform(1500, 12_000)
        t = dice.expovariate(1 / every)
        while t < span:
            long = dice.uniform(60, 300)
            blocks.append((t, t + long))
            t += long
            pieces += [(t + 60 * step, budget * (0.5 + step / 20), 0.0) for step in range(11)]
            t += 660 + dice.expovariate(1 / every)
    if kind == "limit":
        at, limit = dice.uniform(60, 600), budget * dice.uniform(0.3, 0.9)
        for hit in (at, at + dice.uniform(600, 1800)):
            blocks.append((hit, hit + 200))
            pieces += [(hit, 0.5 * limit, 0.0), (hit + 200, 0.5 * limit, 0.0)]
            pieces += [(hit + 200 + 30 * step, limit * (0.5 + step / 10), 0.0) for step in range(1, 5)]
        pieces.append((pieces[-1][0] + 1, 0.96 * limit, limit))
    return Pacer(budget, sorted(pieces), blocks, latency, connections)


@dataclass
class Made:
    """A run that was: its times, sorted, and its end."""

    end: float
    api: Pacer
    images: Pacer
    works: int
    admitted: list[float]
    answered: list[float]
    named: list[int]
    tried: list[float]
    ended: list[float]
    story: list[tuple[float, Event]]

    def look(self, t: float) -> tuple[float, Ahead, Gear, Gear]:
        """The run as it shows at `t`."""
        asked = bisect_right(self.answered, t)
        wanted, tried = self.named[asked], bisect_right(self.tried, t)
        ended, admitted = bisect_right(self.ended, t), bisect_right(self.admitted, t)
        sent = bisect_right(self.images.sends, t)
        ahead = Ahead(self.works - asked, wanted - tried, asked, wanted, tried, self.works - ended, ended)
        return t, ahead, self.api.gear(t, admitted - asked > 1), self.images.gear(t, wanted - sent > 0)


def make(seed: int, works: int, *, learning: bool = False) -> Made:
    """The run of a seed; `learning`: its API is the site's own, asked faster than it likes."""
    dice = random.Random(seed)
    kinds = ("steady", "blocks", "blocks", "limit", "wild")
    rate = 0.6 * 4 ** dice.uniform(-0.5, 1.5)
    ratio = 2 ** dice.uniform(-1, 1.6)
    span = 4 * works / rate
    api_kind, images_kind = dice.choice(kinds), dice.choice(kinds)
    api = pacer(dice, 0.0 if api_kind == "wild" else rate, span, api_kind)
    images = pacer(dice, 0.0 if images_kind == "wild" else rate * ratio, span, images_kind)
    if learning:
        # The site's own limit as measured (pixiv.md 4.1), asked for up to four times as much.
        api = Learning(0.8 * dice.uniform(1.2, 4), 0.8, 185)
        images = pacer(dice, 0.8 * ratio, span, images_kind) if images_kind != "wild" else images
    dead, cluster = dice.uniform(0.1, 0.6), dice.choice((1, 20, works / 50, works / 20))
    tail = dice.uniform(1.3, 2.5)
    gone = False
    left = 0.0
    admitted: list[float] = []
    answered: list[float] = []
    tried: list[float] = []
    ended: list[float] = []
    named = [0]
    story: list[tuple[float, Event]] = []
    slots: list[float] = []
    for id in range(1, works + 1):
        if left <= 0:
            gone = dice.random() < dead
            left = dice.expovariate(1 / cluster) if cluster > 1 else 1
        left -= 1
        begin = heappop(slots) if len(slots) >= WORKS else 0.0
        admitted.append(begin)
        alive = not gone and dice.random() < 0.97
        pages = min(200, int(dice.paretovariate(tail))) if alive else 0
        known = api.send(begin, dice)
        if pages > 1:
            known = api.send(begin, dice)
        answered.append(known)
        named.append(named[-1] + pages)
        last = known
        shown = tuple(Image(page, "u") for page in range(pages))
        story.append((known, Described(id, shown, {}) if alive else Gone(id, "not_found")))
        for page in range(pages):
            got = images.send(known, dice)
            tried.append(got)
            story.append((got, Stored(id, page, image_path(id, page, "png"), 1, "s", "m", None, None, "original", "u")))
            last = max(last, got)
        ended.append(last)
        heappush(slots, last)
    for times in (admitted, answered, tried, ended, api.sends, images.sends):
        times.sort()
    story += [*api.told(HOST), *images.told("i.pximg.net")]
    story.sort(key=lambda told: told[0])
    return Made(ended[-1], api, images, works, admitted, answered, named, tried, ended, story)
