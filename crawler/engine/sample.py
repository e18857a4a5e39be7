"""Asks the site for a few works and the sizes of their images, to tell what a whole list will hold; stores nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from crawler.engine.days import daily_of
from crawler.engine.exchanges import Question, refusal_of
from crawler.engine.settings import LimitsSettings
from crawler.events import Throttled
from crawler.fetch.door import Door
from crawler.fetch.exchange import Day, Exchange, Head, Request
from crawler.fetch.settings import HostLimits, NetworkSettings
from crawler.log.writer import Log
from crawler.model import Absent, Description, Failure, Lane
from crawler.rules.settings import RetrySettings
from crawler.sites.site import Site
from crawler.sources.source import Item
from crawler.stop import Draining, Gate, SessionRefused

_TOTAL = re.compile(r"bytes [0-9]+-[0-9]+/([0-9]{1,18})")


@dataclass(slots=True)
class Sampled:
    """What a sample showed. `asked` works were answered; `alive` of them have images to take, `images` in all.

    `reasons` counts the others; `api_requests` is what the alive ones took; `sized` images told their size, `bytes`.
    `spent`: the host whose daily budget ended the sample, or "".
    """

    asked: int = 0
    alive: int = 0
    images: int = 0
    api_requests: int = 0
    sized: int = 0
    bytes: int = 0
    reasons: dict[str, int] | None = None
    spent: str = ""


class Measure(Exchange):
    """An Exchange that learns the size of an image from its first byte (Range), or by reading it where it must."""

    def __init__(self, request: Request) -> None:
        self._request = request._replace(headers={**request.headers, "Range": "bytes=0-0"})
        self._read = 0
        self.size: int | None = None

    def request(self) -> Request:
        return self._request

    async def start(self, head: Head) -> Failure | None:
        if head.status not in (200, 206):
            return refusal_of(head.status)
        match = _TOTAL.fullmatch(head.headers.get("content-range", ""))
        self.size = int(match[1]) if match and head.status == 206 else head.length if head.status == 200 else None
        self._read = 0
        return None

    async def feed(self, chunk: bytes) -> None:
        self._read += len(chunk)

    async def finish(self) -> Failure | None:
        self.size = self.size or self._read
        return None


@dataclass(frozen=True, slots=True)
class Manners:
    """How a sample asks: as a run does. `known`: what limiters of earlier runs told last, by host. `log`: where daily
    budgets are written down; None where there are none."""

    network: NetworkSettings
    limits: LimitsSettings
    retry: RetrySettings
    known: Mapping[str, Throttled]
    log: Log | None = None


async def sample(items: Sequence[tuple[Item, Description | None]], site: Site, manners: Manners) -> Sampled:
    """Describe each work, at the configured rates, and measure the first image of each that has any.

    An item comes with its description where it needs no question (site `urls`). A daily budget that is spent ends the
    sample with what it has. Raises SessionRefused, Blocked, and StorageFailed from the log.
    """
    found, gate, limits = Sampled(reasons={}), Gate(), manners.limits
    lanes: Mapping[Lane, HostLimits] = {"api": limits.api, "images": limits.images}
    slots = asyncio.Semaphore(limits.works)

    def spent(host: str, day: Day, until: float) -> None:
        found.spent = found.spent or host
        gate.close()

    async def look(item: Item, given: Description | None) -> None:
        with suppress(Draining):
            await _look(item, given, site, door, found)
        slots.release()

    log = manners.log
    daily = None if log is None else daily_of(log, limits.daily.budget, log.note, spent)
    door = Door(manners.network, lanes, manners.retry, limits.memory_mb, gate, known=manners.known, daily=daily)
    async with door, asyncio.TaskGroup() as group:
        for item, given in items:
            await slots.acquire()
            if gate.closed:
                break
            group.create_task(look(item, given))
    door.settle()
    return found


async def _look(item: Item, given: Description | None, site: Site, door: Door, found: Sampled) -> None:
    answer, requests = await _describe(item, given, site, door)
    found.asked += 1
    if not isinstance(answer, Description):
        reason = answer.reason if isinstance(answer, Absent) else answer.kind.value
        assert found.reasons is not None
        found.reasons[reason] = found.reasons.get(reason, 0) + 1
        if reason == "session_refused":
            raise SessionRefused("the site refused the session. Nothing more is asked of it; see site.session_file.")
        return
    found.alive += 1
    found.images += len(answer.images)
    found.api_requests += requests
    for image in answer.images[:1]:
        measure = Measure(site.image_request(image))
        if not isinstance(await door.get(measure), Failure) and measure.size:
            found.sized += 1
            found.bytes += measure.size


async def _describe(
    item: Item, given: Description | None, site: Site, door: Door
) -> tuple[Description | Absent | Failure, int]:
    if given is not None:
        return given, 0
    ask, requests = site.describe(item.id), 0
    while True:
        question = Question(ask)
        requests += 1
        outcome = await door.get(question)
        if isinstance(outcome, Failure):
            return outcome, requests
        answer = question.answer
        assert answer is not None
        if isinstance(answer, Description | Absent):
            return answer, requests
        ask = answer
