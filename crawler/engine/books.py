"""The books of a run: what it said to the log, what that adds up to, and a picture of it all for those who watch."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

from crawler.engine.course import Course, Seldom
from crawler.engine.follower import Follower
from crawler.engine.work import Counters
from crawler.events import Closed, Described, Event, Spent, Stored
from crawler.fetch.door import Door
from crawler.log.writer import Log
from crawler.progress import Snapshot, note
from crawler.rules.ahead import Ahead
from crawler.rules.coming import Coming
from crawler.rules.replay import Totals
from crawler.sources.source import Census
from crawler.stop import Gate, StorageFailed

CLOSED_TOTALS = ("listed", "done", "gone", "failed", "pending", "images", "bytes")

Pull = Callable[[], Snapshot]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: exit code (design.md 1.1), the `closed` line's reason, words for the user, the last picture."""

    code: int
    reason: str
    text: str
    snapshot: Snapshot
    warnings: tuple[str, ...] = ()


class Books(Course):
    """What a run knows of itself. `log`, `door`, `census` and `coming` come as the run gets them."""

    def __init__(self, root: Path, gate: Gate) -> None:
        super().__init__(gate)
        self.counters = Counters()
        self.began = 0.0
        self.follower: Follower | None = None
        self.log: Log | None = None
        self.door: Door | None = None
        self.census: Census | None = None
        self.coming: Coming | None = None
        self.plain = False
        """Whether works are plain URLs: nothing is asked of them, and each is one image."""
        self.root = root
        self._totals = Seldom(self._count)
        # Troubles apart, or a fast run would push them off the screen.
        self._said: deque[tuple[float, Event]] = deque(maxlen=50)
        self._troubles: deque[tuple[float, Event]] = deque(maxlen=50)

    def open(self, log: Log) -> Log:
        """Write into this log from now on."""
        self.log = log
        if self.follower is not None:
            log.committed = self.follower.add
        return log

    def follow(self) -> Follower:
        """Every event that is committed from now on, once it is durable."""
        if self.follower is None:
            self.follower = Follower()
            if self.log is not None:
                self.log.committed = self.follower.add
        return self.follower

    def note(self, event: Event) -> None:
        """Write a line, and keep it for the screen. Raises StorageFailed."""
        assert self.log is not None
        self.log.note(event)
        if type(event) is Stored or type(event) is Described:
            self._said.append((time.time(), event))
        else:
            self.show(event)

    def show(self, event: Event) -> None:
        """Keep an event for the screen."""
        if type(event) is Stored:
            self._said.append((time.time(), event))
            return
        if isinstance(event, Spent) and event.until is None:
            return  # bookkeeping: the hosts' own state shows it
        (self._said if isinstance(event, Described) else self._troubles).append((time.time(), event))

    def totals(self, *, fresh: bool = False) -> Totals:
        """The counts, about half a second old at most; `fresh`: of this moment."""
        return Totals() if self.log is None else self._totals.get(fresh=fresh)

    def _count(self) -> Totals:
        assert self.log is not None
        return self.log.state.totals(self.census.bitmap if self.census else None)

    def snapshot(self) -> Snapshot:
        """The run at this moment."""
        totals = self.totals()
        door = self.door
        counters = self.counters
        return Snapshot(
            t=time.time(),
            elapsed_s=asyncio.get_running_loop().time() - self.began if self.began else 0.0,
            phase=self.phase,
            listed=totals.listed,
            done=totals.done,
            gone=totals.gone,
            failed=totals.failed,
            pending=totals.pending,
            in_flight=counters.in_flight,
            images=totals.images,
            bytes=totals.bytes,
            new_images=counters.images,
            new_bytes=counters.bytes,
            new_works=counters.works,
            expected_images=totals.expected_images,
            failed_images=totals.failed_images_permanent + totals.failed_images_temporary,
            requests=door.requests if door else 0,
            retries=door.retries if door else 0,
            reasons=totals.reasons,
            hosts=door.hosts() if door else (),
            notes=tuple(note(*told) for told in sorted((*self._said, *self._troubles), key=itemgetter(0))),
            directory=str(self.root),
            stopping=self.stopped[1] if self.stopped else "",
            ahead=self._ahead(),
            again=self.coming.again if self.coming else 0,
            again_done=counters.again,
        )

    def _ahead(self) -> Ahead | None:
        """What was before the run when it began, less what it did since."""
        coming, did = self.coming, self.counters
        if coming is None:
            return None
        questions, images = (0, coming.works) if self.plain else (coming.unknown, coming.images)
        return Ahead(
            questions=max(0, questions - did.asked),
            images=max(0, images + did.wanted - did.tried),
            asked=did.asked,
            wanted=did.wanted,
            tried=did.tried,
            works=max(0, coming.works - did.works),
            ended=did.works,
        )

    def verdict(self) -> tuple[int, str]:
        """Exit code and reason of a run that came to its end."""
        totals = self.totals(fresh=True)
        if (
            totals.failed_images_temporary
            or totals.failed_works_temporary
            or totals.pending
            or self.counters.unanswered
        ):
            return 4, "finished"
        if totals.failed_images_permanent or totals.failed_works_permanent:
            return 3, "finished"
        return 0, "finished"

    def end(self, code: int, reason: str, text: str) -> Outcome:
        """How the run ended, with its last picture."""
        self.totals(fresh=True)
        return Outcome(code, reason, text, replace(self.snapshot(), phase="done", in_flight=0))

    async def close(self, outcome: Outcome, finish: Callable[[], Awaitable[None]], said: Sequence[str]) -> Outcome:
        """Write the last line and `finish` the place; the outcome then, with the warnings of the log and those `said`
        before it."""
        assert self.log is not None
        totals = {name: getattr(outcome.snapshot, name) for name in CLOSED_TOTALS}
        try:
            self.log.note(Closed(outcome.reason, totals))
            await self.log.commit()
            await finish()
        except StorageFailed as error:
            outcome = replace(outcome, code=error.code, reason=error.reason, text=outcome.text or str(error))
        return replace(outcome, warnings=(*said, *self.log.warnings))
