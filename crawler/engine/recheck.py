"""Asks again for what an earlier run had an answer to, and makes of the new answer what follows from it.

Until the new answer is durable the old one stands: lines are voided behind it (`rules.revision` has the order), and
files of an edited work are kept under .crawl/replaced before the log says anything else. A work that we have whole
stays done whatever the site says of it now; that it was asked is in the log all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from pyroaring import BitMap64

from crawler.engine.past import Past
from crawler.engine.url_again import fetch_url_again
from crawler.engine.work import Misses, Tools, ask, fetch_all, note_miss
from crawler.events import Described, Event, Failed, Gone, Line, Stored, Voided
from crawler.log.reader import scan
from crawler.log.writer import Log
from crawler.model import Description, Failure, Image, WorkId, bit_of
from crawler.rules.replay import State
from crawler.rules.revision import revise, same_image, supersede
from crawler.sinks.sink import Pending, Replacing
from crawler.stop import Blocked, Draining, StorageFailed

Which = Literal["gone", "restricted", "failed", "all"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Recheck:
    """What a run is to ask again: which works, and of them only those whose last answer is older than `older_s`."""

    which: Which
    older_s: float = 0


def choose(recheck: Recheck, state: State, log: Path, listed: BitMap64, now: float) -> tuple[BitMap64, Past | None]:
    """Which of the listed works are to be asked again at `now` (UTC seconds), and what the log says of them.

    Blocking. Raises OSError, LogDamaged.
    """
    chosen = state.settled(recheck.which) & listed
    if not chosen:
        return chosen, None
    moment = datetime.fromtimestamp(now - recheck.older_s, UTC).isoformat(timespec="milliseconds")
    past = Past(log, chosen, moment.replace("+00:00", "Z") if recheck.older_s else "")
    return chosen - past.answered, past


class Again:
    """What a run knows of the past of works. Made for an open log; `prepare` comes first, `close` last."""

    def __init__(self, log: Log, path: Path, replaced: Replacing) -> None:
        self.chosen = BitMap64()
        self.log = log
        self._path = path
        self._replaced = replaced
        self._past: Past | None = None
        self._unfinished: Past | None = None
        self._one_at_a_time = asyncio.Lock()

    async def prepare(self, recheck: Recheck | None, listed: BitMap64) -> None:
        """Mend what a kill left half replaced, and choose among the listed works. Raises StorageFailed."""
        if pending := await _blocking(self._replaced.pending):
            await self._recover(pending)
        if recheck is not None:
            now = self.log.clock()
            self.chosen, self._past = await _blocking(lambda: choose(recheck, self.log.state, self._path, listed, now))

    def close(self) -> None:
        """Give files back."""
        for past in (self._past, self._unfinished):
            if past is not None:
                past.close()

    def wants(self, id: WorkId) -> bool:
        """Whether a work is to be asked again."""
        return bool(self.chosen) and bit_of(id) in self.chosen

    def settled(self) -> int:
        """How many works are asked again that a run would leave alone."""
        state = self.log.state
        return len(self.chosen) - sum(
            e.bit in self.chosen and state.todo(id) is not None for id, e in state.unfinished()
        )

    # -- one work ----------------------------------------------------------------------------------

    async def look(self, id: WorkId, given: Description | None, tools: Tools) -> None:
        """Ask again for a work; what became of it is in the log when this returns. Raises StorageFailed only."""
        assert self._past is not None
        past = self._past
        try:
            before = await self._standing(past, id)
            if given is not None:
                await fetch_url_again(id, given.images[0], before, self, tools)
            else:
                answer = await ask(id, tools)
                tools.counters.asked += 1
                tools.counters.unanswered += isinstance(answer, Failed) and not answer.permanent
                await self._take(before, answer, (), tools)
            tools.counters.again += 1
            await tools.log.room()
        except Draining:
            return
        except Blocked as stop:
            tools.stop(stop)

    async def rotten(self, id: WorkId, misses: Misses, tools: Tools) -> None:
        """Describe a work anew of which no missing image is where it was, once: then a miss is for good.

        Raises Draining and Blocked.
        """
        answer = await ask(id, tools)
        if isinstance(answer, Failed) and not answer.permanent:
            tools.note(answer)  # the images stay to be tried
            return
        async with self._one_at_a_time:
            if self._unfinished is None:
                state = self.log.state
                ids = BitMap64([entry.bit for _, entry in state.unfinished() if entry.seen is not None])
                await tools.log.commit()
                self._unfinished = await _blocking(lambda: Past(self._path, ids))
        await self._take(await self._standing(self._unfinished, id), answer, misses, tools)

    async def _take(
        self, before: Sequence[Line], answer: Described | Gone | Failed, misses: Misses, tools: Tools
    ) -> None:
        """Write what a new answer means, and fetch what it wants. `misses` were tried just now."""
        id = answer.id
        revision = revise(before, answer)
        await self.keep(revision.replaced)
        self.write(id, before, revision.events, tools)
        if revision.replaced:
            await tools.log.commit()  # no file changes before the log says that it may
        claims = {line.event.path: line.event.sha256 for line in before if isinstance(line.event, Stored)}
        claims = {path: sha for path, sha in claims.items() if path not in {old.path for old in revision.replaced}}
        todo = self.log.state.todo(id)
        wanted = todo.images if todo is not None and todo.images else ()
        tried = [(image, failure) for image, failure in misses if any(same_image(image, one) for one in wanted)]
        for image, failure in tried:
            note_miss(id, image, failure, tools)

        def note(event: Event) -> None:
            tools.note(event)
            if isinstance(event, Stored):
                claims[event.path] = event.sha256

        def missed(image: Image, failure: Failure) -> None:
            note_miss(id, image, failure, tools)

        left = [one for one in wanted if not any(same_image(image, one) for image, _ in tried)]
        tools.counters.wanted += len(left)
        await fetch_all(id, left, missed, replace(tools, note=note))
        await self.settle(revision.replaced, claims)

    async def _standing(self, past: Past, id: WorkId) -> list[Line]:
        async with self._one_at_a_time:
            lines = await _blocking(lambda: past.lines(id))
        return [line for line in lines if self.log.state.stands(line)]

    # -- lines and files ---------------------------------------------------------------------------

    def write(self, id: WorkId, before: Sequence[Line], events: Sequence[Event], tools: Tools) -> None:
        """Note events that change what is known of a work of which `before` stands; all in one commit."""
        with self.log.state.reopened(id, before):
            for event in events:
                # Screens have no room for what no longer holds.
                (self.log.note if isinstance(event, Voided) else tools.note)(event)

    async def keep(self, files: Sequence[Stored]) -> None:
        """Give files that are about to be replaced a second name. Raises StorageFailed."""
        if files:
            await _blocking(lambda: self._replaced.keep((old.path, old.sha256) for old in files))

    async def settle(self, files: Sequence[Stored], claims: Mapping[str, str]) -> None:
        """Move what no line names any more to .crawl/replaced. Raises StorageFailed."""
        if not files:
            return
        paths = {old.path for old in files}
        await _blocking(
            lambda: self._replaced.settle([one for one in self._replaced.pending() if one.path in paths], claims)
        )

    async def _recover(self, pending: Sequence[Pending]) -> None:
        """Finish what a kill interrupted: first the lines of an answer that was half taken in, then the files."""
        rest: list[Voided] = []
        for id, entry in self.log.state.unfinished():
            rest += supersede(id, entry)
        for voided in rest:
            self.log.note(voided)
        await self.log.commit()
        claims = await _blocking(lambda: claims_of(self._path, self.log.state, {one.path for one in pending}))
        await _blocking(lambda: self._replaced.settle(pending, claims))


def claims_of(path: Path, state: State, paths: set[str]) -> dict[str, str]:
    """Of some files, the SHA-256 that the standing lines of the log at `path` give them. Blocking."""
    return {
        line.event.path: line.event.sha256
        for _, line in scan(path)
        if isinstance(line.event, Stored) and line.event.path in paths and state.stands(line)
    }


async def _blocking(work: Callable[[], T]) -> T:
    """Work that waits for the disk, in a thread. Raises StorageFailed."""
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise StorageFailed(
            f"{error.filename or 'the output folder'}: {error.strerror or error}, while a work that changed was put "
            "in the place of what it was. The log knows what holds. Stopping now; mend the disk, then run the same "
            "command again."
        ) from error
