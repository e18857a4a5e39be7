"""The words between those who want something and the door: a request, a reply's head, and the exchange of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

from crawler.model import Failure, Lane

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Request(NamedTuple):
    """One GET. `headers` (Accept, Range) are public and go along on redirects; Referer stays within its host.

    `secret` headers (the session) are sent to `url`'s origin only, never on a hop to another, and never logged.
    `room_bytes` is what it may take in memory at once, on its way from the network to the disk; the door counts it
    against limits.memory_mb.
    """

    url: str
    lane: Lane
    headers: Mapping[str, str] = _NO_HEADERS
    secret: Mapping[str, str] = _NO_HEADERS
    room_bytes: int = 640 * 1024

    def __repr__(self) -> str:
        return f"Request({self.url!r}, {self.lane!r}, {dict(self.headers)!r}, room_bytes={self.room_bytes})"


class Head(NamedTuple):
    """Status and headers of the last hop. Header names are lower-case; `length` is Content-Length, if given."""

    status: int
    headers: Mapping[str, str]
    url: str
    length: int | None


class Exchange(Protocol):
    """One thing to be had. The door calls `request` for each attempt, then `start`, `feed`…, `finish`, in that order;
    or `whole`, which is as much, for a good reply (200) whose body has come in one piece already.

    Returning a Failure ends the attempt; the door decides whether there is another. `start` sees every head except
    redirects, 429 and 503 (those the door answers itself). Exceptions raised here (disk full) go through the door.
    """

    def request(self) -> Request: ...
    async def start(self, head: Head) -> Failure | None: ...
    async def feed(self, chunk: bytes) -> None: ...
    async def finish(self) -> Failure | None: ...

    async def whole(self, head: Head, body: bytes) -> Failure | None:
        failure = await self.start(head)
        if failure is None and body:
            await self.feed(body)
        return failure or await self.finish()


@dataclass(frozen=True, slots=True)
class Had:
    """The exchange finished well, after `attempts` tries."""

    attempts: int


@dataclass(frozen=True, slots=True)
class Day:
    """What a host was asked for in the last 24 h, of its budgets (0: none), and how long it is left alone for that."""

    requests: int
    requests_budget: int
    bytes: int
    bytes_budget: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class HostState:
    """A frozen look at one host's limiter. `rate` now and `budget` as configured, requests/s (0: unlimited);
    `blocked_s` seconds still to wait out; `requests`, `bytes`, `refused` (429/503) since start. `daily`: None without
    limits.daily. `limit`: the host's own, as learnt from its refusals, requests/s (0: none is known)."""

    host: str
    lane: Lane
    rate: float
    budget: float
    blocked_s: float
    in_flight: int
    waiting: int
    requests: int
    bytes: int
    refused: int
    latency_s: float | None
    reason: str
    daily: Day | None = None
    limit: float = 0.0
