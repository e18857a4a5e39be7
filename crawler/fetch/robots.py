"""robots.txt under RFC 9309: asked once for each origin and 24 h, before the first request there.

2xx is parsed (512 KiB of it), 4xx and a redirect that leads nowhere mean that all is allowed, 5xx and no answer mean
wait: the request that wanted to know fails for now and is tried again like any other. However many ask at once, one
request is on the way; its answer, good or bad, is everybody's.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace

from protego import Protego
from yarl import URL

from crawler.fetch.exchange import Exchange, Head, Request
from crawler.fetch.memory import Room
from crawler.fetch.rules_aside import Aside
from crawler.fetch.where import Origin, Where
from crawler.model import Failure, Kind, Lane
from crawler.rules.retry import REFUSALS, kind_of_status, pause
from crawler.rules.settings import RetrySettings
from crawler.stop import Gate

AGENT = "crawler"
"""The name that rules for us are looked up under."""
PARSED_BYTES = 512 * 1024
CACHE_S = 24 * 3600.0
_ORIGINS_MAX = 1024
_TEXTS_MAX = 4_000_000
"""Characters of the texts whose rules are kept parsed: rules take some twenty times what their text does."""
_FEW = 64
"""With more lines than this, rules are looked up here each time."""
_LONG = 32_768
"""A text as long as this takes longer to parse than the loop should stand still."""
_ALLOWING = frozenset({Kind.NOT_FOUND, Kind.FORBIDDEN, Kind.STATUS, Kind.RANGE, Kind.REDIRECT, Kind.ADDRESS})
"""Answers that mean that there are no rules. (An address refused on the way; the origin's own is refused anyway.)"""


_NO_PATHS = frozenset({"user-agent", "sitemap", "crawl-delay", "host", "request-rate", "visit-time"})
_LITERAL = re.compile(r"/[!-#&-)+-~]*")
"""The start of a rule up to *, $, % and what is no plain character."""


class _Enough(Exception):
    """Ends the reading of a robots.txt that is longer than what is parsed."""


class _Asking(Exchange):
    """The exchange that fetches one robots.txt."""

    def __init__(self, origin: URL, lane: Lane) -> None:
        self._request = Request(str(origin.with_path("/robots.txt")), lane, room_bytes=PARSED_BYTES)
        self._parts: list[bytes] = []
        self._size = 0

    def request(self) -> Request:
        return self._request

    async def start(self, head: Head) -> Failure | None:
        kind = kind_of_status(head.status)
        return Failure(kind, status=head.status) if kind else None

    async def feed(self, chunk: bytes) -> None:
        self._parts.append(chunk)
        self._size += len(chunk)
        if self._size >= PARSED_BYTES:
            raise _Enough

    async def finish(self) -> Failure | None:
        return None

    def text(self) -> str:
        body = b"".join(self._parts)[:PARSED_BYTES]
        return body.decode("utf-8-sig", "replace")


class _Origin:
    """What is known of one origin's robots.txt."""

    __slots__ = ("failure", "failures", "line", "not_before", "rounds", "rules", "spelt", "text", "until")

    def __init__(self, gate: Gate) -> None:
        self.line = Room(1, gate)
        self.rules: Protego | None = None
        self.spelt: tuple[str, ...] = ()
        self.text = ""
        self.until = 0.0
        self.rounds = 0
        self.failure: Failure | None = None
        self.failures = 0
        self.not_before = 0.0


class Robots:
    """Asks and remembers. `ask` makes one attempt at an exchange, in the door's own way."""

    def __init__(
        self, ask: Callable[[Exchange], Awaitable[Failure | None]], retry: RetrySettings, gate: Gate, *, obey: bool
    ) -> None:
        self._ask = ask
        self._retry = _endless(retry)
        self._gate = gate
        self._obey = obey
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._aside = Aside()
        self._size = 0
        self._origins: OrderedDict[tuple[str, str, int | None], _Origin] = OrderedDict()

    def known(self, where: Where) -> bool:
        """Whether it is known, without a closer look, that `where` may be asked."""
        text, origin = where
        if origin.free <= self._time() and not self._recall(origin):
            return False
        return not origin.spelt or ("%" not in text and not text.startswith(origin.spelt, text.index("/", 8)))

    def _recall(self, of: Origin) -> bool:
        """Tell an origin what is known of its rules, so that nobody has to ask here for each of its URLs; whether
        anything is that fits into a few words."""
        if not self._obey:
            of.free = math.inf
            return True
        origin = self._origins.get(of.id)
        if origin is None or origin.until <= self._time() or len(origin.spelt) > _FEW:
            return False
        self._origins.move_to_end(of.id)
        of.free, of.spelt = origin.until, origin.spelt
        return True

    async def refusal(self, where: Where, lane: Lane) -> Failure | None:
        """None when `where` may be asked. Raises Draining.

        ROBOTS: the rules disallow it. Another kind: robots.txt could not be had; to be tried again.
        """
        if not self._obey:
            return None
        origin = self._origin(where.origin)
        if origin.until <= self._loop.time():
            failure = await self._learn(origin, where, lane)
            if failure is not None:
                return failure
        if origin.rules is not None and not origin.rules.can_fetch(where.text, AGENT):
            return Failure(Kind.ROBOTS, f"robots.txt of {where.origin.id[1]} disallows it", permanent=True)
        return None

    def _origin(self, of: Origin) -> _Origin:
        origin = self._origins.get(of.id)
        if origin is None:
            if len(self._origins) >= _ORIGINS_MAX or self._size > _TEXTS_MAX:
                self._put_aside()
            origin = self._origins[of.id] = _Origin(self._gate)
        else:
            self._origins.move_to_end(of.id)
        return origin

    def _put_aside(self) -> None:
        """Those used longest ago, until half of the room is free; but none that is being asked, or has to wait."""
        now = self._loop.time()
        for id, origin in list(self._origins.items()):
            if 2 * len(self._origins) <= _ORIGINS_MAX and 2 * self._size <= _TEXTS_MAX:
                break
            if origin.line.used or origin.not_before > now:
                continue
            del self._origins[id]
            self._size -= len(origin.text)
            if origin.until > now:
                self._aside.put(_name(id), origin.text, origin.until)

    async def _know(self, origin: _Origin, text: str, until: float) -> None:
        """The text of an origin's robots.txt, "" for none."""
        self._size += len(text) - len(origin.text)
        origin.text = text
        if text:
            rules = Protego.parse(text) if len(text) < _LONG else await asyncio.to_thread(Protego.parse, text)
        else:
            rules = None
        origin.rules, origin.spelt, origin.until = rules, spelt_rules(text), until

    async def _learn(self, origin: _Origin, where: Where, lane: Lane) -> Failure | None:
        loop = self._loop
        seen = origin.rounds
        await origin.line.take(1)
        try:
            if origin.rounds != seen:  # somebody asked while we waited: the answer is ours too
                return origin.failure
            kept = self._aside.take(_name(where.origin.id), loop.time())
            if kept is not None:
                await self._know(origin, *kept)
                origin.failure = None
                origin.rounds += 1
                return None
            if origin.not_before > loop.time():
                await self._gate.sleep(origin.not_before - loop.time())
            origin.failure = await self._round(origin, where.url, lane)
            origin.rounds += 1
            return origin.failure
        finally:
            origin.line.give(1)

    async def _round(self, origin: _Origin, url: URL, lane: Lane) -> Failure | None:
        asking = _Asking(url.origin(), lane)
        try:
            failure = await self._ask(asking)
        except _Enough:
            failure = None
        now = self._loop.time()
        if failure is None:
            await self._know(origin, asking.text(), now + CACHE_S)
        elif failure.kind in _ALLOWING:
            await self._know(origin, "", now + CACHE_S)
        else:
            if failure.kind is Kind.SERVER_ERROR:
                origin.failures += 1
                origin.not_before = now + (pause(failure, origin.failures, self._retry, 1.0) or 0.0)
            detail = f"robots.txt: {failure.status or ''} {failure.detail}".rstrip()
            # Without a status it is never taken for an answer about the file that was wanted.
            return failure if failure.kind in REFUSALS else replace(failure, detail=detail, status=None)
        origin.failures = 0
        return None


def _name(id: tuple[str, str, int | None]) -> str:
    return f"{id[0]}://{id[1]}:{id[2]}"


def spelt_rules(text: str) -> tuple[str, ...]:
    """What the path of a URL has to begin with for any line of a robots.txt, whoever it is for, to say anything of it.

    True of paths without "%", which has several spellings. Asking Protego costs as much as a tenth of a small image.
    """
    found: set[str] = set()
    for line in text.splitlines():
        name, colon, value = line.partition("#")[0].partition(":")
        if not colon or name.strip().lower() in _NO_PATHS or not (value := value.strip()):
            continue
        start = _LITERAL.match(value)
        found.add(start[0] if start is not None else "")
    return tuple(found)


def _endless(retry: RetrySettings) -> RetrySettings:
    """The same pauses without an end: rules are asked for until they are had."""
    return retry.model_copy(update={"attempts": 1_000_000})
