"""A plain URL asked for again: its bytes are all that it is, so they are fetched, and held against what is stored."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from crawler.engine.exchanges import Download
from crawler.engine.work import Tools, failed, stored
from crawler.events import Failed, Gone, Line, Stored, Voided
from crawler.fetch.exchange import Had
from crawler.model import Failure, Image, Kind, WorkId
from crawler.rules.revision import REPLACED, revise
from crawler.sinks.sink import Held, Kept, Part
from crawler.stop import Blocked, Draining

if TYPE_CHECKING:
    from crawler.engine.recheck import Again


async def fetch_url_again(id: WorkId, image: Image, before: Sequence[Line], again: Again, tools: Tools) -> None:
    """Fetch the URL and note what it is now; other bytes replace the old ones, which are kept. Raises Draining."""
    part = Whole(await tools.sink.part(id, image.page))
    download = Download(part, tools.site.image_request(image), image.page)
    try:
        outcome: Had | Failure = await tools.door.get(download)
    except (Draining, asyncio.CancelledError):
        await part.drop()
        raise
    except Blocked as stop:  # one host of a list of many: the others go on
        outcome = Failure(Kind.RATE_LIMITED, str(stop))
    tools.counters.tried += 1
    if isinstance(outcome, Failure):
        await part.drop()
        again.write(id, before, revise(before, _miss(id, image, outcome, tools)).events, tools)
        return
    old = [line for line in before if isinstance(line.event, Stored) and line.event.sha256 != part.sha256()]
    files = [line.event for line in old if isinstance(line.event, Stored)]
    if old:
        # The old file may have the new one's name: its line must not stand when its bytes go.
        await again.keep(files)
        again.write(id, before, [Voided(line.log, line.seq, REPLACED, id) for line in old], tools)
        await tools.log.commit()
    assert download.media is not None
    kept = await part.keep(download.media.ext)
    rest = [line for line in before if line not in old]
    new = stored(id, image.page, kept, download.media, (image.url, tools.quality))
    again.write(id, rest, revise(rest, new).events, tools)
    tools.counters.images += 1
    tools.counters.bytes += kept.bytes
    await again.settle(files, {kept.path: kept.sha256})


def _miss(id: WorkId, image: Image, failure: Failure, tools: Tools) -> Gone | Failed:
    if failure.kind is Kind.NOT_FOUND:
        return Gone(id, "not_found")
    tools.counters.unanswered += not failure.permanent
    return failed(id, image, failure)


class Whole:
    """A part that is always begun anew, and tells the digest of its bytes before it gets a name. See sinks.sink."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._digest = hashlib.sha256()
        self.held: Held | None = None

    def sha256(self) -> str:
        """Of all bytes written so far, in lower-case hex."""
        return self._digest.hexdigest()

    async def begin(self, url: str, validator: str) -> None:
        self._digest = hashlib.sha256()
        await self._part.begin(url, validator)

    async def write(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        await self._part.write(chunk)

    def whole(self, url: str, validator: str, body: bytes) -> bool:
        self._digest = hashlib.sha256(body)
        return self._part.whole(url, validator, body)

    def pause(self) -> None:
        """Nothing is offered for the next attempt."""

    async def keep(self, ext: str) -> Kept:
        return await self._part.keep(ext)

    async def leave(self) -> None:
        await self._part.drop()

    async def drop(self) -> None:
        await self._part.drop()

    def reread(self) -> AsyncIterator[bytes]:
        return self._part.reread()
