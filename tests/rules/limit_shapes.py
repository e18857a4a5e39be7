"""A discrete-event world for the rate rule: hosts with secret limits of several shapes, and a client like the door's.

Virtual time only: a day of one request a second takes a second or two. What is counted is what the host sees.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from crawler.rules.learning import Memory
from crawler.rules.rate import Change, Pace
from crawler.rules.width import Width

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
class Queue:
    """Never refuses: answers one after the other, `rate` a second, so that asking faster only makes it slower."""

    rate: float
    latency: float = 0.15
    blocks: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self._free_at = 0.0

    def take(self, now: float, path: int, nth: int) -> bool:
        return True

    def latency_s(self, now: float) -> float:
        self._free_at = max(self._free_at, now) + 1 / self.rate
        return self.latency + self._free_at - now

    def allowed(self, until: float) -> float:
        return self.rate * until


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
    told: list[tuple[float, Change]]
    width: int
    slowest_s: float

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


Start = Callable[[float, Memory | None], Pace]


class _Client:
    """What the door does with a rule: sends at the times it reserves, on `connections`, one at a time to be sure."""

    def __init__(self, host: Host, start: Start, connections: int, seed: int, waiting: int, limited: bool) -> None:
        self.host, self.start, self.limited = host, start, limited
        self.dice = random.Random(seed)
        self.width = Width(connections)
        self.line, self.waiting, self.fresh = deque[int](), waiting, 0
        self.asked = Counter[int]()
        self.saved: tuple[float, Change, Memory] | None = None
        self.times, self.told = list[float](), list[tuple[float, Change]]()
        self.arrived = self.slowest = 0.0
        self.passed = self.refused = 0
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """A new process: what was in flight is lost, what was told last is known."""
        self.rule = self.start(now, recalled(self.saved, now))
        self.replies: list[tuple[float, int, float, bool, int]] = []
        self.probing = False

    def ready(self, now: float) -> float:
        """When the next request may go."""
        if len(self.replies) >= self.width.now or (self.rule.blocks and self.probing):
            return NEVER
        return max(now, self.rule.ready)

    def hear(self) -> float:
        """The next reply is here: what time it is."""
        now, _, sent, ok, path = heapq.heappop(self.replies)
        self.probing = False
        self.width.answered(now - sent, busy=True)
        if ok:
            change = self.rule.clean(sent, now)
            self.asked.pop(path)
        else:
            again = self.asked[path] > 1
            change = self.rule.refused(sent, now, None, "429", again=again, limited=self.limited)
            self.line.append(path)
        if change is not None:
            self.told.append((now, change))
            self.saved = (now, change, self.rule.memory(now))
        return now

    def ask(self, now: float) -> None:
        """Send the next request."""
        self.rule.reserve(now)
        self.probing = bool(self.rule.blocks)
        latency = self.host.latency_s(now) * self.dice.uniform(0.9, 1.1)
        self.slowest = max(self.slowest, latency)
        self.arrived = max(self.arrived, now + latency / 2)
        while len(self.line) <= self.waiting:
            self.line.append(self.fresh)
            self.fresh += 1
        path = self.line.popleft()
        ok = self.host.take(self.arrived, path, self.asked[path])
        self.asked[path] += 1
        self.times.append(self.arrived)
        self.passed += ok
        self.refused += not ok
        heapq.heappush(self.replies, (now + latency, len(self.times), now, ok, path))


def run(
    host: Host,
    seconds: float,
    start: Start,
    *,
    connections: int = 6,
    restart_s: float = NEVER,
    seed: int = 0,
    waiting: int = 20,
    limited: bool = True,
) -> Ran:
    """Ask `host` for `seconds`, with as many requests as the rule lets through and an endless list of work.

    A path that was refused is asked for again once those `waiting` have had their turn; `limited`: it says 429. The
    client is killed every `restart_s`.
    """
    client = _Client(host, start, connections, seed, waiting, limited)
    now, restart_at = 0.0, restart_s
    while now < seconds:
        if now >= restart_at:
            client.begin(now)
            restart_at += restart_s
        ready = min(client.ready(now), restart_at)
        if client.replies and client.replies[0][0] <= ready:
            now = client.hear()
        elif ready >= seconds:
            break
        else:
            now = ready
            if now < restart_at:
                client.ask(now)
    blocks: list[float] = getattr(host, "blocks", [])
    return Ran(
        seconds,
        client.times,
        client.passed,
        client.refused,
        blocks,
        host.allowed(seconds),
        client.rule,
        client.told,
        client.width.now,
        client.slowest,
    )


def recalled(saved: tuple[float, Change, Memory] | None, now: float) -> Memory | None:
    """What the next process reads in the log."""
    if saved is None:
        return None
    then, change, memory = saved
    return replace(
        memory,
        rate=change.rate,
        again_s=max(0.0, memory.again_s - (now - then)),
        blocked_s=max(0.0, (change.until or 0.0) - now),
        refusing=change.until is not None,
    )
