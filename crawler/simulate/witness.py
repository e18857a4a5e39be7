"""What a simulated world remembers of itself: every request in its order, every broken law, and a digest of it all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from crawler.origin.deliver import HOP
from crawler.origin.seen import Seen


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as the server saw it. `t` loop time; `target` without what a redirect added to it."""

    t: float
    host: str
    target: str


class Witness(Seen):
    """Seen, and the order of it all."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[Arrival] = []

    def arrived(self, host: str, path: str, now: float) -> int:
        self.order.append(Arrival(now, host, path.removesuffix(HOP).rstrip("?&") if HOP in path else path))
        return super().arrived(host, path, now)


@dataclass(slots=True)
class Told:
    """What happened in a world, for people. `broken`: the laws that did not hold, in words; empty is well."""

    broken: list[str] = field(default_factory=list[str])
    runs: list[str] = field(default_factory=list[str])
    virtual_s: float = 0.0
    real_s: float = 0.0
    requests: int = 0
    faults: int = 0
    works: int = 0
    images: int = 0
    kills: int = 0
    cuts: int = 0
    drains: int = 0
    full: int = 0
    repairs: int = 0
    again: int = 0
    trace: str = ""

    def law(self, holds: bool, text: str) -> None:
        """Note it if a law does not hold."""
        if not holds:
            self.broken.append(text)


TIMES = frozenset({"t", "crc", "log", "until", "settings", "source", "version"})
"""Keys of a log line that differ between two runs of one seed, or between two machines."""


def trace(arrivals: Iterable[Arrival], lines: Iterable[dict[str, Any]]) -> str:
    """A digest of what the server saw and what the log says; the same for every run of one seed."""
    digest = hashlib.sha256()
    for one in arrivals:
        digest.update(f"{one.t:.6f} {one.host}{one.target}\n".encode())
    for line in lines:
        kept = {key: value for key, value in line.items() if key not in TIMES}
        if "line" in kept:
            kept["line"] = kept["line"]["seq"]  # the name of a log is by chance
        digest.update(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest()[:16]
