"""The life of one work, read from top to bottom: describe, expand, fetch, store, note."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from crawler.engine.exchanges import Download, Question
from crawler.events import Described, Event, Failed, Gone, Stored
from crawler.fetch.door import Door
from crawler.fetch.exchange import Had
from crawler.log.writer import Log
from crawler.model import Absent, Description, Failure, Image, Kind, WorkId
from crawler.rules.replay import Todo
from crawler.sinks.sink import Kept, Part, Sink
from crawler.sites.site import Site
from crawler.stop import Blocked, Draining, SessionRefused, Stop

BROKEN_FOR_GOOD = frozenset({Kind.NOT_FOUND, Kind.SERVER_ERROR, Kind.NOT_AN_IMAGE, Kind.TRUNCATED, Kind.BROKEN})
"""Failures of an original for which the site's smaller rendition is a fair second best (pixiv.md 3.6)."""


@dataclass(slots=True)
class Counters:
    """What this run did, for snapshots."""

    images: int = 0
    bytes: int = 0
    works: int = 0
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Tools:
    """What a work needs on its way."""

    site: Site
    door: Door
    sink: Sink
    log: Log
    note: Callable[[Event], None]
    quality: str
    stop: Callable[[Stop], None]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    counters: Counters


async def crawl(id: WorkId, todo: Todo, given: Description | None, tools: Tools) -> None:
    """Take one work as far as it goes now; what became of it is in the log when this returns.

    `given`: a description that needed no question (site `urls`). Raises StorageFailed only; a drain ends it quietly
    and leaves the rest pending.
    """
    try:
        images = todo.images
        if images is None:
            described = given or await describe(id, tools)
            if described is None:
                return
            if given is None:
                tools.note(Described(id, described.images, described.metadata))
            images = described.images
        others = [tools.spawn(fetch(id, image, tools)) for image in images[1:]]
        for image in images[:1]:
            await fetch(id, image, tools)
        for task in others:
            await task
        await tools.log.room()
    except Draining:
        return
    except Blocked as stop:
        tools.stop(stop)


async def describe(id: WorkId, tools: Tools) -> Description | None:
    """Ask until the site has said all about a work. Notes `gone` or `failed` and returns None where there is nothing.

    Raises Draining.
    """
    ask = tools.site.describe(id)
    while True:
        question = Question(ask)
        outcome = await tools.door.get(question)
        match outcome if isinstance(outcome, Failure) else question.answer:
            case Failure() as failure:
                heed(failure, id, tools)
                tools.note(failed(id, None, failure))
                return None
            case Absent() as absent:
                tools.note(Gone(id, absent.reason, absent.rule))
                return None
            case Description() as description:
                return description
            case None:
                raise AssertionError("a question that was had has an answer")
            case follow_up:
                ask = follow_up


async def fetch(id: WorkId, image: Image, tools: Tools) -> None:
    """Fetch and store one image, falling back to its smaller rendition when the original is broken for good."""
    try:
        failure = await fetch_as(id, image, image.url, tools.quality, tools)
        if failure is not None and failure.permanent and image.fallback and failure.kind in BROKEN_FOR_GOOD:
            second = await fetch_as(id, image, image.fallback, "regular", tools)
            # The original's failure is the one to tell of: it is why there is no image.
            failure = None if second is None else failure if second.permanent else second
        if failure is None:
            return
        heed(failure, id, tools)
        if isinstance(id, str) and failure.kind is Kind.NOT_FOUND:
            # Of a plain URL nothing but the file was ever promised: it is gone as a whole, like a work.
            tools.note(Gone(id, "not_found"))
        else:
            tools.note(failed(id, image, failure))
    except Draining:
        return
    except Blocked as stop:
        if isinstance(id, str):
            # One host of a list of many: its URLs wait for another run, the others go on.
            tools.note(failed(id, image, Failure(Kind.RATE_LIMITED, str(stop))))
        else:
            tools.stop(stop)


async def fetch_as(id: WorkId, image: Image, url: str, quality: str, tools: Tools) -> Failure | None:
    """Fetch one rendition into the sink and note it; the Failure where it could not be had. Raises Draining."""
    part = await tools.sink.part(id, image.page)
    download = Download(part, tools.site.image_request(Image(image.page, url)), image.page)
    try:
        outcome = await tools.door.get(download)
    except (Draining, asyncio.CancelledError):
        await part.leave()
        raise
    match outcome:
        case Had():
            await note_stored(id, image, part, download, (url, quality), tools)
            return None
        case Failure():
            await (part.drop() if outcome.permanent else part.leave())
            return outcome


async def note_stored(
    id: WorkId, image: Image, part: Part, download: Download, had: tuple[str, str], tools: Tools
) -> None:
    """Make the bytes durable, then note the line."""
    media = download.media
    assert media is not None
    kept: Kept = await part.keep(media.ext)
    url, quality = had
    tools.note(
        Stored(
            id=id,
            page=image.page,
            path=kept.path,
            bytes=kept.bytes,
            sha256=kept.sha256,
            mime=media.mime,
            width=media.width,
            height=media.height,
            quality=quality,
            url=url,
        )
    )
    tools.counters.images += 1
    tools.counters.bytes += kept.bytes


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


def heed(failure: Failure, id: WorkId, tools: Tools) -> None:
    """Some failures are meant for the whole run: stop it, leave this work pending. Raises Draining then."""
    if failure.kind is Kind.SESSION_REFUSED:
        tools.stop(
            SessionRefused(
                f"work {id}: the site refused the session (status {failure.status}). Nothing more is asked of it. "
                "Log in with a browser, put the fresh PHPSESSID into your session file and run the same command again; "
                "without a session, works open to everybody can still be had."
            )
        )
    elif failure.kind is Kind.CHALLENGE:
        tools.stop(
            Blocked(
                f"work {id}: the site answers with a challenge page (status {failure.status}): it takes us for a robot "
                "that it does not want. Nothing is done to get around it. Wait some hours, lower limits.api.rate, "
                "and run the same command again."
            )
        )
    else:
        return
    raise Draining
