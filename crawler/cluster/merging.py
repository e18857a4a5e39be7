"""Takes what was committed into the main log: whole logs of attempts, line by line as they are, each line once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from crawler.cluster.commits import Commit
from crawler.cluster.output import Missing, Output
from crawler.engine.books import Books
from crawler.events import Failed, Gone, Line, Stored
from crawler.log.codec import Glimpse, decode
from crawler.log.writer import Log
from crawler.model import WorkId

SHOWN = 6
"""So many lines of a commit are shown on the screen."""
_STORED = b'"event":"stored"'
_FAILED = b'"event":"failed"'
_FILE = re.compile(rb'"path":"([^"\\]*)","bytes":([0-9]+),"sha256":"')
"""In a line of a stored image, as it is written. Inside a string quotes are escaped: what a site says is no key."""


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
        lines = [raw for log in logs for raw in log.splitlines(keepends=True)]
        await self.output.check(await asyncio.to_thread(files_of, lines))
        self._works = set()
        for count, raw in enumerate(lines, 1):
            try:
                line = self.log.merge(raw)
            except ValueError as error:
                raise Missing(f"{commit.shard}: {error}") from None
            if line is not None:
                self._count(line)
            if count % 512 == 0:
                await asyncio.sleep(0)  # whoever watches is not to wait for a thousand lines
        self.books.counters.works += len(self._works)
        self._show(lines)
        return self._works

    def _count(self, line: Glimpse | Line) -> None:
        did, plain = self.books.counters, self.books.plain
        if isinstance(line, Glimpse):
            self._works.add(line.id)
            if line.images is None:
                did.images, did.bytes, did.tried = did.images + 1, did.bytes + line.bytes, did.tried + 1
            else:
                did.asked, did.wanted = did.asked + 1, did.wanted + len(line.images)
            return
        event = line.event
        if isinstance(event, Gone | Failed):
            self._works.add(event.id)
            if plain or (isinstance(event, Failed) and event.page is not None):
                did.tried += 1
            else:
                did.asked += 1

    def _show(self, lines: Sequence[bytes]) -> None:
        """The last lines, and of failures the last ones."""
        failed = [raw for raw in lines if _FAILED in raw][-SHOWN:]
        for raw in (*lines[-SHOWN:], *failed):
            line = decode(raw)
            if line is not None and line.event is not None and (_FAILED not in raw or raw in failed):
                self.books.show(line.event)


def files_of(lines: Sequence[bytes]) -> list[tuple[str, int]]:
    """The files that lines say are stored: path and bytes. Raises Missing for a line that does not tell."""
    found: list[tuple[str, int]] = []
    for raw in lines:
        if _STORED not in raw:
            continue
        match = _FILE.search(raw)
        if match is not None:
            found.append((match[1].decode("ascii", "replace"), int(match[2])))
            continue
        line = decode(raw)
        if line is None or not isinstance(line.event, Stored):
            raise Missing("bytes that are no line of an image")
        found.append((line.event.path, line.event.bytes))
    return found
