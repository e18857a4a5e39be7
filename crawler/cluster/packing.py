"""Packs the works of a list that there is something to do for into shards."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field

from pyroaring import BitMap64

from crawler.cluster.protocol import Shard
from crawler.cluster.seed import pack
from crawler.engine.crew import Found, found_in
from crawler.engine.recheck import Again
from crawler.model import bit_of
from crawler.rules.replay import State
from crawler.sources.source import Item, Source

WORKS, URLS = 256, 1000
"""The most that a shard holds where works come slowly: it is what is at stake when a worker dies where nobody else sees
its disk."""
STAKE_S = 8.0
"""Where they come fast it may hold what a worker does in so long: a shard costs six messages and four files, and each
worker's tasks begin anew with it, however many works it holds."""
SHARDS, URLS_MOST = 200_000, 10_000
"""Of very long lists shards are larger: each is a log of its own, whose name whoever reads the main log remembers."""
LEAST, LEAST_S = 8, 2.0
"""No shard is less than what a worker does in LEAST_S, unless one of its own is not left for each worker."""
SHARES = 4
"""The works that are left make at least so many shards for each worker, so that none is idle before the end."""
COMMIT_S = 60.0
"""A worker should have something to commit that often, however slow a site wants to be asked."""


@dataclass(slots=True)
class Packer:
    """`todo`: about how many works there are to pack; `speed`: works a second and worker, 0 while it is not known,
    `sure` once it was measured. Those in `elsewhere` (`bit_of` each) are left out, and those that are asked again."""

    round: str
    source: Source
    again: Again
    state: State
    todo: int
    speed: float = 0.0
    sure: bool = False
    number: int = 0
    elsewhere: BitMap64 = field(default_factory=BitMap64)
    over: bool = False
    _back: deque[Item] = field(default_factory=deque[Item])
    _found: Generator[Found | None] | None = None

    def give_back(self, items: tuple[Item, ...]) -> None:
        """These are to be packed once more."""
        self._back.extend(items)
        self.todo += len(items)
        self.over = False

    async def next(self, workers: int) -> Shard | None:
        """The next shard; None when there is nothing left, which `over` tells too. Raises SourceError."""
        if self.over:
            return None
        items: list[Item] = []
        most = 0
        while not items or len(items) < most:
            item = await self._take()
            if item is None:
                self.over = True
                break
            most = most or self._size(item, workers)
            items.append(item)
        if not items:
            return None
        self.todo = max(0, self.todo - len(items))
        self.number += 1
        return Shard(f"{self.round}-{self.number:06d}", tuple(items), self._seed(items))

    def close(self) -> None:
        """The list is not read any more."""
        if self._found is not None:
            self._found.close()

    async def _take(self) -> Item | None:
        while self._back:
            item = self._back.popleft()
            if self.state.todo(item.id) is not None:
                return item
        if self._found is None:
            self._found = found_in(self.source, self.again, self.state)
        for one in self._found:
            if one is None:
                await asyncio.sleep(0)
            elif not one[2] and bit_of(one[0].id) not in self.elsewhere:
                return one[0]
        return None

    def _size(self, item: Item, workers: int) -> int:
        """Guided by what is left (large shards first, small ones at the end) and by how fast it goes."""
        most = WORKS if item.url is None else min(URLS_MOST, max(URLS, self.todo // SHARDS))
        minute = int(self.speed * COMMIT_S) if self.speed else most
        workers, least = max(1, workers), LEAST
        if self.sure:
            most = max(most, min(URLS_MOST, int(self.speed * STAKE_S)))
            least = max(least, min(int(self.speed * LEAST_S), -(-self.todo // workers)))
        return max(least, min(most, minute, -(-self.todo // (SHARES * workers))))

    def _seed(self, items: list[Item]) -> bytes:
        known = [(item.id, entry) for item in items if (entry := self.state.entry(item.id)) is not None]
        pages = {item.id: some for item in items if (some := self.source.pages(item.id)) is not None}
        return pack(known, pages or None)
