"""Asks the site for a few works and the sizes of their images, to tell what a whole list will hold; stores nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from crawler.engine.exchanges import Question, refusal_of
from crawler.engine.settings import LimitsSettings
from crawler.fetch.door import Door
from crawler.fetch.exchange import Head, Request
from crawler.fetch.settings import HostLimits, NetworkSettings
from crawler.model import Absent, Description, Failure, Lane
from crawler.rules.settings import RetrySettings
from crawler.sites.site import Site
from crawler.sources.source import Item
from crawler.stop import Draining, Gate, SessionRefused

_TOTAL = re.compile(r"bytes \d+-\d+/(\d+)")


@dataclass(slots=True)
class Sampled:
    """What a sample showed. `asked` works were answered; `alive` of them have images to take, `images` in all.

    `reasons` counts the others; `api_requests` is what the alive ones took; `sized` images told their size, `bytes`.
    """

    asked: int = 0
    alive: int = 0
    images: int = 0
    api_requests: int = 0
    sized: int = 0
    bytes: int = 0
    reasons: dict[str, int] | None = None


class Measure:
    """An Exchange that learns the size of an image from its first byte (Range), or by reading it where it must."""

    def __init__(self, request: Request) -> None:
        self._request = replace(request, headers={**request.headers, "Range": "bytes=0-0"})
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


async def sample(
    items: Sequence[tuple[Item, Description | None]],
    site: Site,
    network: NetworkSettings,
    limits: LimitsSettings,
    retry: RetrySettings,
) -> Sampled:
    """Describe each work, at the configured rates, and measure the first image of each that has any.

    An item comes with its description where it needs no question (site `urls`). Raises SessionRefused and Blocked.
    """
    found = Sampled(reasons={})
    lanes: Mapping[Lane, HostLimits] = {"api": limits.api, "images": limits.images}
    slots = asyncio.Semaphore(limits.works)

    async def look(item: Item, given: Description | None) -> None:
        with suppress(Draining):
            await _look(item, given, site, door, found)
        slots.release()

    async with Door(network, lanes, retry, limits.memory_mb, Gate()) as door, asyncio.TaskGroup() as group:
        for item, given in items:
            await slots.acquire()
            group.create_task(look(item, given))
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
