"""A discrete-event world for the rate rule: hosts with secret limits of several shapes, and a client like the door's.

Virtual time only: a day of one request a second takes a second or two. What is counted is what the host sees.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from crawler.rules.rate import Pace

NEVER = float("inf")


class Host(Protocol):
    """A host: whether a request that arrives `now` is let through, and after how many seconds it is answered."""

    def take(self, now: float, path: int, nth: int) -> bool: ...
    def latency_s(self, now: float) -> float: ...
    def allowed(self, until: float) -> float:
        """The most requests that it would have let through by then."""
        ...


@dataclass
class Bucket:
    """A token bucket, full at first; who finds it empty starts a block. `steps`: (from when, rate), e.g. a halving.

    With `block_s` 0 only what is too much is refused.
    """

    steps: tuple[tuple[float, float], ...]
    size: float
    block_s: float
    latency: float = 0.15
    blocks: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self._level, self._at, self._until = self.size, 0.0, -1.0

    def _rate(self, now: float) -> float:
        return [rate for since, rate in self.steps if since <= now][-1] if len(self.steps) > 1 else self.steps[0][1]

    def take(self, now: float, path: int, nth: int) -> bool:
        if now < self._until:
            return False
        self._level = min(self.size, self._level + (now - self._at) * self._rate(now))
        self._at = now
        if self._level < 1:
            self._until = now + self.block_s
            self.blocks.append(now)
            return False
        self._level -= 1
        return True

    def latency_s(self, now: float) -> float:
        return self.latency

    def allowed(self, until: float) -> float:
        ends = [since for since, _ in self.steps[1:]] + [until]
        return self.size + sum(
            max(0.0, min(end, until) - since) * rate for (since, rate), end in zip(self.steps, ends, strict=True)
        )


@dataclass
class Window:
    """At most `most` requests in each fixed window; the rest of a window that was overrun is a block."""

    most: int
    window_s: float
    latency: float = 0.15
    blocks: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self._window, self._count, self._blocked = -1, 0, False

    def take(self, now: float, path: int, nth: int) -> bool:
        if int(now / self.window_s) != self._window:
            self._window, self._count, self._blocked = int(now / self.window_s), 0, False
        self._count += 1
        if self._count > self.most and not self._blocked:
            self._blocked = True
            self.blocks.append(now)
        return self._count <= self.most

    def latency_s(self, now: float) -> float:
        return self.latency

    def allowed(self, until: float) -> float:
        return self.most * until / self.window_s


@dataclass
class Sporadic:
    """No limit: a share of all paths is refused, each once or twice."""

    share: float
    seed: int
    latency: float = 0.15
    blocks: list[float] = field(default_factory=list[float])

    def take(self, now: float, path: int, nth: int) -> bool:
        dice = random.Random(f"{self.seed} {path}")
        return dice.random() >= self.share or nth >= (2 if dice.random() < 0.3 else 1)

    def latency_s(self, now: float) -> float:
        return self.latency

    def allowed(self, until: float) -> float:
        return NEVER


@dataclass
class Both:
    """A limit, and refusals that have nothing to do with it."""

    limit: Bucket
    noise: Sporadic

    @property
    def blocks(self) -> list[float]:
        return self.limit.blocks

    def take(self, now: float, path: int, nth: int) -> bool:
        return self.limit.take(now, path, nth) and self.noise.take(now, path, nth)

    def latency_s(self, now: float) -> float:
        return self.limit.latency

    def allowed(self, until: float) -> float:
        return self.limit.allowed(until)


@dataclass
class Outage:
    """Refuses everything between two moments, now and then."""

    spans: tuple[tuple[float, float], ...]
    latency: float = 0.15
    blocks: list[float] = field(default_factory=list[float])

    def take(self, now: float, path: int, nth: int) -> bool:
        return not any(a <= now < b for a, b in self.spans)

    def latency_s(self, now: float) -> float:
        return self.latency

    def allowed(self, until: float) -> float:
        return NEVER


@dataclass
class Ran:
    """What a run came to. `second_most`: most arrivals in any second; `times`: when each arrived."""

    seconds: float
    times: list[float]
    passed: int
    refused: int
    blocks: list[float]
    allowed: float
    pace: Pace
    told: list[tuple[float, float, str]]

    @property
    def used(self) -> float:
        """The part of what the host would have allowed that was had."""
        return self.passed / self.allowed

    @property
    def share_refused(self) -> float:
        return self.refused / max(1, self.passed + self.refused)

    @property
    def first_hour(self) -> int:
        return sum(at < 3600 for at in self.blocks)

    @property
    def worst_six_hours(self) -> int:
        """Most blocks in any of the six hours that follow on the first one, and on one another."""
        return max(Counter(int((at - 3600) // (6 * 3600)) for at in self.blocks if at >= 3600).values(), default=0)

    def most_within(self, window_s: float) -> int:
        """Most arrivals in any window of that length."""
        return max(_windows(self.times, window_s), default=0)


def _windows(times: list[float], window_s: float) -> Iterator[int]:
    first = 0
    for last, at in enumerate(times):
        while times[first] <= at - window_s:
            first += 1
        yield last - first + 1


def run(
    host: Host,
    seconds: float,
    pace: Callable[[float], Pace],
    *,
    connections: int = 6,
    seed: int = 0,
    began: float = 0.0,
    waiting: int = 20,
    limited: bool = True,
) -> Ran:
    """Ask `host` for `seconds`, with as many requests as the rule lets through and an endless list of work.

    A path that was refused is asked for again once those `waiting` have had their turn; `limited`: it says 429.
    """
    dice = random.Random(seed)
    rule, now, arrived, flying = pace(began), began, began, 0
    replies: list[tuple[float, int, float, bool, int]] = []
    line = deque(range(waiting))
    asked = Counter[int]()
    fresh = waiting
    times, told = list[float](), list[tuple[float, float, str]]()
    passed = refused = count = 0
    probing = False
    end = began + seconds
    while now < end:
        ready = max(now, rule.ready) if flying < connections and not (rule.blocks and probing) else NEVER
        if replies and replies[0][0] <= ready:
            now, _, sent, ok, path = heapq.heappop(replies)
            flying -= 1
            probing = False
            if ok:
                change = rule.clean(sent, now)
                asked.pop(path)
            else:
                change = rule.refused(sent, now, None, "429", again=asked[path] > 1, limited=limited)
                line.append(path)
            if change is not None:
                told.append((now, change.rate, change.reason))
            continue
        if ready >= end:
            break
        now = ready
        rule.reserve(now)
        probing = bool(rule.blocks)
        latency = host.latency_s(now) * dice.uniform(0.8, 1.2)
        arrived = max(arrived, now + latency / 2)
        while len(line) <= waiting:
            line.append(fresh)
            fresh += 1
        path = line.popleft()
        ok = host.take(arrived, path, asked[path])
        asked[path] += 1
        times.append(arrived)
        passed += ok
        refused += not ok
        flying += 1
        count += 1
        heapq.heappush(replies, (now + latency, count, now, ok, path))
    blocks: list[float] = getattr(host, "blocks", [])
    return Ran(seconds, times, passed, refused, blocks, host.allowed(end), rule, told)
