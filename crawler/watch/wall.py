"""The latest images as thumbnails: read from the end of the log while somebody looks, at a few percent of a core."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from crawler.events import Stored
from crawler.log.codec import decode
from crawler.stop import StorageFailed
from crawler.store.mirror import at_hand
from crawler.watch.thumbs import Thumbs
from crawler.within import plain

EDGE = 232
"""Pixels of a thumbnail's side: twice a tile's."""
SHOWN = 48
REACH_BYTES = 4 << 20
"""How far back from its end the log is read."""
_RATINGS = 4000
_AT_ONCE = 12
"""Thumbnails that are made without a pause when somebody begins to look."""
_PAUSE = 15
"""After one that took d seconds, the wall rests for this many times d."""
_STORED, _DESCRIBED = b',"event":"stored",', b',"event":"described",'
_ID = re.compile(rb'^\{"seq":\d+,"t":"[^"]*","event":"described","log":"[^"]*","id":(\d{1,18}),')
_RATING = re.compile(rb'"xRestrict":"?(\d)')
"""Quotes inside a string are escaped, so this can only be a key; the highest counts, should there be several."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """An image that was stored: `order` counts them; `veiled`: its work is rated, or its rating is not known."""

    order: int
    stored: Stored
    veiled: bool


@dataclass(frozen=True, slots=True)
class Thumb:
    """What the page shows of an image. `key` names these very bytes, a JPEG."""

    key: str
    fresh: Fresh
    jpeg: bytes


class Recent:
    """The images that the end of a log names, oldest first. Blocking; each `look` reads what came since the last."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._at = 0
        self._count = 0
        self._ratings: OrderedDict[int, int] = OrderedDict()

    def look(self) -> list[Fresh]:
        """New images; after a long time only those near the end. Nothing where the log cannot be read."""
        try:
            with open(self._log, "rb", buffering=0, opener=plain) as file:
                end = file.seek(0, 2)
                skipped = self._at > end or end - self._at > REACH_BYTES
                begin = max(0, end - REACH_BYTES) if skipped else self._at
                file.seek(begin)
                block = file.read(REACH_BYTES)
        except OSError:
            return []
        first = block.find(b"\n") + 1 if skipped and begin else 0
        last = block.rfind(b"\n") + 1
        if last <= first:
            return []
        self._at = begin + last
        return [fresh for raw in block[first : last - 1].split(b"\n") if (fresh := self._read(raw)) is not None]

    def _read(self, raw: bytes) -> Fresh | None:
        head = raw[:96]
        if _DESCRIBED in head:
            if (named := _ID.match(raw)) is not None:
                self._ratings[int(named[1])] = max(map(int, _RATING.findall(raw)), default=0)
                if len(self._ratings) > _RATINGS:
                    self._ratings.popitem(last=False)
        elif _STORED in head:
            line = decode(raw)
            if line is not None and isinstance(line.event, Stored):
                id = line.event.id
                self._count += 1
                return Fresh(self._count, line.event, isinstance(id, int) and self._ratings.get(id, 1) > 0)
        return None


class Wall:
    """The newest thumbnails of the run in `root`, in memory. `news` is called with each one as it is made."""

    def __init__(self, root: Path, news: Callable[[Thumb], None]) -> None:
        self._root = root
        self._news = news
        self._recent = Recent(root / "log.jsonl")
        self._waiting: deque[Fresh] = deque(maxlen=SHOWN)
        self._thumbs: dict[str, Thumb] = {}

    @property
    def thumbs(self) -> list[Thumb]:
        """What is on the wall, newest first."""
        return sorted(self._thumbs.values(), key=lambda thumb: -thumb.fresh.order)

    def jpeg(self, key: str) -> bytes | None:
        """The bytes of a thumbnail that is on the wall."""
        thumb = self._thumbs.get(key)
        return None if thumb is None else thumb.jpeg

    async def paint(self, watched: asyncio.Event) -> None:
        """Works while `watched` is set, for ever. Reads and waits in a thread of its own: the run's threads are the
        run's."""
        loop = asyncio.get_running_loop()
        thumbs = Thumbs()
        pool = ThreadPoolExecutor(1, "wall")
        try:
            while True:
                if not watched.is_set():
                    thumbs.close()
                    await watched.wait()
                for fresh in await loop.run_in_executor(pool, self._recent.look):
                    self._waiting.append(fresh)
                at_once = max(0, _AT_ONCE - len(self._thumbs))
                if not self._waiting:
                    await asyncio.sleep(1)
                    continue
                fresh = self._waiting.pop()  # the newest: what was stored meanwhile is more interesting
                began = time.monotonic()
                await self._add(loop, pool, thumbs, fresh)
                if not at_once:
                    await asyncio.sleep(max(0.1, _PAUSE * (time.monotonic() - began)))
        except OSError:  # no more processes or threads: the page does without thumbnails
            return
        finally:
            thumbs.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            thumbs.close()

    async def _add(
        self, loop: asyncio.AbstractEventLoop, pool: ThreadPoolExecutor, thumbs: Thumbs, fresh: Fresh
    ) -> None:
        if len(self._thumbs) >= SHOWN and fresh.order < min(t.fresh.order for t in self._thumbs.values()):
            return
        jpeg = await loop.run_in_executor(pool, _made, thumbs, self._root, fresh.stored.path)
        if jpeg is None:
            return
        thumb = Thumb(hashlib.sha256(jpeg).hexdigest()[:20], fresh, jpeg)
        self._thumbs[thumb.key] = thumb
        while len(self._thumbs) > SHOWN:
            oldest = min(self._thumbs.values(), key=lambda thumb: thumb.fresh.order)
            del self._thumbs[oldest.key]
        if thumb.key in self._thumbs:
            self._news(thumb)


def _made(thumbs: Thumbs, root: Path, path: str) -> bytes | None:
    """The thumbnail of an image of the folder, or of the object store that it is the work folder of; None for any other
    path, for a log can be anybody's. Raises OSError."""
    try:
        with at_hand(root, path) as file:
            return thumbs.make(file, EDGE) if file else None
    except StorageFailed:
        return None
