"""Takes what was committed into the main log: whole logs of attempts, as they are, each line once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

from crawler.cluster.commits import Commit
from crawler.cluster.output import Missing, Output
from crawler.engine.books import Books
from crawler.events import Failed, Gone
from crawler.log.blocks import alone, read
from crawler.log.codec import decode
from crawler.log.writer import Log
from crawler.model import WorkId
from crawler.rules.block import Block

SHOWN = 6
"""So many lines of a commit are shown on the screen."""
BLOCK = 1024
"""So many lines are read and taken in at once: a few milliseconds."""


@dataclass(slots=True)
class Merger:
    """`log` is the main one, and open. Nothing is durable before its next commit."""

    log: Log
    books: Books
    output: Output
    _works: set[WorkId] = field(default_factory=set[WorkId])

    async def take(self, commit: Commit) -> Set[WorkId]:
        """Take in what a commit names; the works that were news. Raises Missing (what was taken before that is true),
        StorageFailed."""
        logs = [await self.output.read(part) for part in commit.logs]
        lines = [raw for log in logs for raw in log.split(b"\n")[:-1]]
        blocks: list[Block | None] = []
        for first in range(0, len(lines), BLOCK):
            blocks += _read(lines[first : first + BLOCK])
            await asyncio.sleep(0)  # whoever watches is not to wait for a thousand lines
        await self.output.check([file for block in blocks if block is not None for file in block.files])
        self._works = set()
        for block in blocks:
            try:
                if block is None:
                    raise ValueError("bytes that are no line of another log")
                for news in self.log.merge(block):
                    self._count(news)
            except ValueError as error:
                raise Missing(f"{commit.shard}: {error}") from None
            await asyncio.sleep(0)
        self.books.counters.works += len(self._works)
        self._show(lines, blocks)
        return self._works

    def _count(self, block: Block) -> None:
        did, plain = self.books.counters, self.books.plain
        self._works.update(block.ids, block.works)
        stored = len(block.ids)
        did.images, did.bytes, did.tried = did.images + stored, did.bytes + sum(block.sizes), did.tried + stored
        did.asked, did.wanted = did.asked + len(block.works), did.wanted + block.wanted
        for line in block.others:
            event = line.event
            if isinstance(event, Gone | Failed):
                self._works.add(event.id)
                if plain or (isinstance(event, Failed) and event.page is not None):
                    did.tried += 1
                else:
                    did.asked += 1

    def _show(self, lines: Sequence[bytes], blocks: Iterable[Block | None]) -> None:
        """The last lines, and of failures the last ones."""
        last = [line.event for raw in lines[-SHOWN:] if (line := decode(raw)) is not None]
        others = [line.event for block in blocks if block is not None for line in block.others]
        failed = [event for event in others if isinstance(event, Failed)]
        for event in (*last, *failed[-SHOWN:]):
            if event is not None and (not isinstance(event, Failed) or event in failed[-SHOWN:]):
                self.books.show(event)


def _read(raws: Sequence[bytes]) -> list[Block | None]:
    """Lines as blocks: as one, or, where one of them is odd, line by line; None is what is no line."""
    block = read(raws)
    return [block] if block is not None else list(map(alone, raws))
