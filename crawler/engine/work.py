"""The life of one work, read from top to bottom: describe, expand, fetch, store, note."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from crawler.engine.exchanges import Download, Question
from crawler.engine.refusals import heed
from crawler.events import Described, Event, Failed, Gone, Stored
from crawler.fetch.door import Door
from crawler.log.writer import Log
from crawler.model import Absent, Description, Failure, Image, Kind, Page, WorkId
from crawler.rules.media import Media
from crawler.rules.replay import UNTOUCHED
from crawler.rules.totals import Todo
from crawler.sinks.sink import Kept, Sink
from crawler.sites.site import Site
from crawler.stop import Blocked, Draining, Stop

BROKEN_FOR_GOOD = frozenset({Kind.NOT_FOUND, Kind.SERVER_ERROR, Kind.NOT_AN_IMAGE, Kind.TRUNCATED, Kind.BROKEN})
"""Failures of an original for which the site's smaller rendition is a fair second best (pixiv.md 3.6)."""


@dataclass(slots=True)
class Counters:
    """What this run did, for snapshots. `unanswered`: works asked again that gave no answer for now.

    `asked` works were answered, those asked `again` too; the answers named `wanted` images; `tried` were had or given
    up.
    """

    images: int = 0
    bytes: int = 0
    works: int = 0
    in_flight: int = 0
    unanswered: int = 0
    asked: int = 0
    again: int = 0
    wanted: int = 0
    tried: int = 0


@dataclass(frozen=True, slots=True)
class Tools:
    """What a work needs on its way. `rotten`: see Rotten. `images`: they are fetched; else they stay to be had."""

    site: Site
    door: Door
    sink: Sink
    log: Log
    note: Callable[[Event], object]
    quality: str
    stop: Callable[[Stop], None]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    counters: Counters
    rotten: Rotten
    images: bool = True


Rotten = Callable[[WorkId, "Misses", Tools], Awaitable[None]]
"""What is done for a work of an earlier run of which no image that it lacked is there any more."""
Misses = Sequence[tuple[Image, Failure]]


async def crawl(id: WorkId, todo: Todo, given: Description | None, tools: Tools) -> None:
    """Take one work as far as it goes now; what became of it is in the log when this returns.

    `given`: a description that needed no question (site `urls`). Raises StorageFailed only; a drain ends it quietly
    and leaves the rest pending.
    """
    try:
        images = todo.images
        if images is not None:
            if tools.images:
                await go_on(id, images, tools)
        elif described := given or await describe(id, tools):
            images = described.images
            if isinstance(described, Described):
                tools.note(described)
                if todo is not UNTOUCHED:
                    # Of a log that was repaired, a line of an image may stand whose description was lost.
                    left = tools.log.state.todo(id)
                    images = () if left is None else left.images or images
                tools.counters.wanted += len(images)
            if tools.images:
                await fetch_all(id, images, lambda image, failure: note_miss(id, image, failure, tools), tools)
    except Draining:
        return
    except Blocked as stop:
        tools.stop(stop)


async def go_on(id: WorkId, images: Sequence[Image], tools: Tools) -> None:
    """Fetch what an earlier run left. URLs of then may be gone because the work was edited (pixiv.md 3.1)."""
    misses: list[tuple[Image, Failure]] = []
    await fetch_all(id, images, lambda image, failure: misses.append((image, failure)), tools)
    left = tools.log.state.todo(id)
    if left != Todo(tuple(images)) or any(failure.kind is not Kind.NOT_FOUND for _, failure in misses):
        for image, failure in misses:
            note_miss(id, image, failure, tools)
    elif len(misses) == len(images):
        await tools.rotten(id, misses, tools)
    # Else the run drains: the next one tries all of them, and judges then.


async def describe(id: WorkId, tools: Tools) -> Described | None:
    """Ask until the site has said all about a work: the line that says it, which is not noted yet.

    Notes `gone` or `failed` and returns None where there is nothing.

    Raises Draining.
    """
    answer = await ask(id, tools)
    tools.counters.asked += 1
    if isinstance(answer, Described):
        return answer
    tools.note(answer)
    return None


async def ask(id: WorkId, tools: Tools) -> Described | Gone | Failed:
    """What the site says of a work, as the line that would say so; nothing is noted. Raises Draining."""
    ask = tools.site.describe(id)
    while True:
        question = Question(ask)
        outcome = await tools.door.get(question)
        match outcome if isinstance(outcome, Failure) else question.answer:
            case Failure() as failure:
                heed(failure, f"work {id}", tools.stop)
                return failed(id, None, failure)
            case Absent() as absent:
                return Gone(id, absent.reason, absent.rule)
            case Description() as description:
                return Described(id, description.images, description.metadata)
            case None:
                raise AssertionError("a question that was had has an answer")
            case follow_up:
                ask = follow_up


async def _fetch_many(
    id: WorkId, images: Sequence[Image], missed: Callable[[Image, Failure], None], tools: Tools
) -> None:
    others = [tools.spawn(fetch(id, image, missed, tools)) for image in images[1:]]
    for image in images[:1]:
        await fetch(id, image, missed, tools)
    for task in others:
        await task


def fetch_all(
    id: WorkId, images: Sequence[Image], missed: Callable[[Image, Failure], None], tools: Tools
) -> Coroutine[Any, Any, None]:
    """Fetch and store images; `missed` is told of each that could not be had. A drain leaves the rest, quietly."""
    return fetch(id, images[0], missed, tools) if len(images) == 1 else _fetch_many(id, images, missed, tools)


async def fetch(id: WorkId, image: Image, missed: Callable[[Image, Failure], None], tools: Tools) -> None:
    """Fetch and store one image, falling back to its smaller rendition when the original is broken for good.

    `missed` is told the Failure where there is none; of a drain nobody is told.
    """
    try:
        failure = await fetch_as(id, image, image.url, tools.quality, tools)
        if failure is not None:
            if failure.permanent and image.fallback and failure.kind in BROKEN_FOR_GOOD:
                second = await fetch_as(id, image, image.fallback, "regular", tools)
                # The original's failure is the one to tell of: it is why there is no image.
                failure = None if second is None else failure if second.permanent else second
            if failure is not None:
                heed(failure, f"work {id}", tools.stop)
    except Draining:
        failure = None
    except Blocked as stop:
        if isinstance(id, str):
            # One host of a list of many: its URLs wait for another run, the others go on.
            failure = Failure(Kind.RATE_LIMITED, str(stop))
        else:
            tools.stop(stop)
            failure = None
    tools.counters.tried += 1
    if failure is not None:
        missed(image, failure)


def note_miss(id: WorkId, image: Image, failure: Failure, tools: Tools) -> None:
    """Note that an image could not be had."""
    if isinstance(id, str) and failure.kind is Kind.NOT_FOUND:
        # Of a plain URL nothing but the file was ever promised: it is gone as a whole, like a work.
        tools.note(Gone(id, "not_found"))
    else:
        tools.note(failed(id, image, failure))


async def fetch_as(id: WorkId, image: Image, url: str, quality: str, tools: Tools) -> Failure | None:
    """Fetch one rendition into the sink and note it; the Failure where it could not be had. Raises Draining."""
    page = image.page
    part = await tools.sink.part(id, page)
    rendition = image if url is image.url else Image(page, url)
    download = Download(part, tools.site.image_request(rendition), page)
    try:
        outcome = await tools.door.get(download)
    except (Draining, asyncio.CancelledError):
        await part.leave()
        raise
    if isinstance(outcome, Failure):
        await (part.drop() if outcome.permanent else part.leave())
        return outcome
    media, counters = download.media, tools.counters
    assert media is not None
    kept = await part.keep(media.ext)
    tools.note(stored(id, page, kept, media, (url, quality)))
    counters.images += 1
    counters.bytes += kept.bytes
    return None


def stored(id: WorkId, page: Page, kept: Kept, media: Media, had: tuple[str, str]) -> Stored:
    """The `stored` line of a file; `had`: the URL it came from, and the quality that this is."""
    url, quality = had
    path, size, sha256 = kept
    mime, _, width, height = media
    return Stored(id, page, path, size, sha256, mime, width, height, quality, url)


def failed(id: WorkId, image: Image | None, failure: Failure) -> Failed:
    """The `failed` line of a Failure."""
    return Failed(
        id=id,
        page=None if image is None else image.page,
        reason=failure.kind.value,
        status=failure.status,
        attempts=failure.attempts,
        permanent=failure.permanent,
        detail=failure.detail,
    )
