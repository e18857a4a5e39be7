"""What the stand-in saw: the other side's account of a run, for tests to hold the crawler to."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from typing import Any

MAX_EXAMPLES = 100


class Seen:
    """Counts of what came and what went. `violations` is empty after a run of a well-behaved crawler.

    `requests[host, path]` (path with its query), `statuses[host, status]` (0: cut off without a reply), `faults[kind]`
    injected, `limited[host]` refused by the secret limit, `arrivals[host]` in seconds of a monotonic clock,
    `peak[host]` most requests at once, `connections[host]` most connections at once,
    `kinds[kind]` requests by what they ask (replies.kind_of), `violations[rule]`,
    and up to 100 `examples` of (rule, host, path).
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.faults: Counter[str] = Counter()
        self.limited: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.examples: list[tuple[str, str, str]] = []
        self.arrivals: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self.peak: Counter[str] = Counter()
        self.connections: Counter[str] = Counter()
        self._busy: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """All requests, robots.txt and refused ones included."""
        return self.requests.total()

    def of(self, host: str) -> dict[str, int]:
        """How often each path of `host` was asked for."""
        return {path: count for (where, path), count in self.requests.items() if where == host}

    def arrived(self, host: str, path: str, now: float) -> int:
        """Note a request; gives how many of the same came before."""
        earlier = self.requests[host, path]
        self.requests[host, path] += 1
        self.arrivals[host].append(now)
        self._busy[host] += 1
        self.peak[host] = max(self.peak[host], self._busy[host])
        return earlier

    def connected(self, host: str, count: int) -> None:
        """Note how many connections to a host are open."""
        self.connections[host] = max(self.connections[host], count)

    def left(self, host: str, status: int) -> None:
        """Note the end of a request."""
        self._busy[host] -= 1
        self.statuses[host, status] += 1

    def violated(self, rule: str, host: str, path: str) -> None:
        """Note a request that a well-behaved crawler does not make."""
        self.violations[rule] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append((rule, host, path))

    def as_json(self, *, brief: bool = False) -> dict[str, Any]:
        """All of it as JSON; `brief` leaves out paths and arrival times, which grow with the run."""
        hosts = sorted(self.arrivals)
        found: dict[str, Any] = {
            "total": self.total,
            "hosts": {host: len(self.arrivals[host]) for host in hosts},
            "statuses": {host: {str(s): n for (h, s), n in self.statuses.items() if h == host} for host in hosts},
            "faults": dict(self.faults),
            "limited": dict(self.limited),
            "violations": dict(self.violations),
            "examples": self.examples,
            "kinds": dict(self.kinds),
            "peak": dict(self.peak),
            "connections": dict(self.connections),
        }
        if not brief:
            found["requests"] = {host: self.of(host) for host in hosts}
            found["arrivals"] = {host: list(self.arrivals[host]) for host in hosts}
        return found
