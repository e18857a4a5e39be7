"""The crawl as a library: `async with crawl(settings) as run: async for event in run: ...`. The commands use it too.

No global state: no signal handler, nothing printed, no loop or executor of the caller's replaced. Two crawls in one
loop share nothing; that includes the budget of a host, which each of them keeps by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from crawler import session as sessions
from crawler.assembly import Wishes, build_run
from crawler.checks import complaints
from crawler.engine.books import Outcome
from crawler.engine.follower import Follower
from crawler.engine.recheck import Recheck
from crawler.engine.run import Attendant, Pull
from crawler.engine.settings import LimitsSettings
from crawler.errors import ConfigError
from crawler.events import Event
from crawler.hidden import Hidden
from crawler.progress import Snapshot
from crawler.settings import Settings
from crawler.watch.status_file import keep_status

__all__ = ["Crawl", "Outcome", "Recheck", "crawl"]


def crawl(
    settings: Settings,
    *,
    session: str | None = None,
    recheck: Recheck | None = None,
    waits: bool = True,
    images: bool = True,
) -> Crawl:
    """A crawl of what the settings list into `settings.output.dir`; a second one goes on where the first stopped.

    `session`: the value of PHPSESSID; None: what `settings.site` says (`session`, else the file `session_file`).
    `waits`: a daily budget that is spent is waited out; else it ends the crawl with code 6.
    `images`: they are fetched; else works are described only, and stay pending for a later crawl to go on with.
    Relative paths in the settings are relative to the working folder. `settings.ui` is for the commands: nothing is
    shown and no page is served. Raises ConfigError for settings that cannot be used.
    """
    session = None if session is None else Hidden(session)
    wrong = [f"{key}: {text}" for key, text in complaints(settings, source_needed=True)]
    if settings.cluster.workers > 1:
        wrong.append("cluster.workers: a crawl of the library is one process; `crawler run` starts more")
    try:
        secret = _session(settings, session)
    except sessions.BadSession as error:
        wrong.append(f"site.session_file: {error}")
        secret = ""
    if wrong:
        raise ConfigError(wrong)
    status = settings.output.home / "status.json"

    async def keep(pull: Pull, done: asyncio.Event) -> None:
        await keep_status(status, pull, done)

    return Crawl(build_run(settings, secret, Wishes(recheck, waits=waits, images=images)), [keep])


def _session(settings: Settings, given: str | None) -> str:
    if given is None:
        given = Hidden(settings.site.session.get_secret_value())
        if not given and settings.site.session_file:
            return sessions.read(settings.site.session_file)
    return sessions.checked(given) if given else ""


class Job(Protocol):
    """What a crawl does: a `Run`, or many processes behind a driver. See there."""

    async def go(self, attendants: Sequence[Attendant] = ()) -> Outcome: ...
    def drain(self, reason: str, code: int, text: str = "") -> None: ...
    def reload(self, limits: LimitsSettings) -> None: ...
    def snapshot(self) -> Snapshot: ...
    def follow(self) -> Follower: ...


class Crawl:
    """One crawl; entered once, it runs until it is finished or its block is left.

    Leaving the block early, also by an exception, drains: nothing more is asked for, what is on the wire is finished
    (`limits.drain_s` at most), and the log is closed. A cancellation stops at once instead; what was in flight then is
    fetched again by the next crawl. Either way the log is true.

    What stops a crawl before its first request is raised by iteration, by `wait`, or on leaving the block: `InUse`
    (another crawl writes to this folder), `LogDamaged`, `StorageFailed` (all three are `Stop`) and `SourceError` (the
    list). What stops it later (the site, the disk) is told by `outcome`.
    """

    def __init__(self, run: Job, attendants: Sequence[Attendant] = ()) -> None:
        self._run = run
        self._attendants = attendants
        self._group: asyncio.TaskGroup | None = None
        self._ended = asyncio.Event()
        self._follower: Follower | None = None
        self._outcome: Outcome | None = None
        self._error: Exception | None = None

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it runs, and for a crawl that was stopped at once or never began."""
        return self._outcome

    def snapshot(self) -> Snapshot:
        """The crawl at this moment: counts, hosts, what was said last. Cheap; once it is over, its last picture.

        While it is on, only inside a running loop.
        """
        return self._outcome.snapshot if self._outcome else self._run.snapshot()

    def drain(self, reason: str = "interrupted", code: int = 130) -> None:
        """Admit nothing more and let what is on the wire finish; the outcome has this code. The first call stands."""
        self._run.drain(reason, code)

    def reload(self, limits: LimitsSettings) -> None:
        """Obey other limits from now on."""
        self._run.reload(limits)

    async def wait(self) -> Outcome:
        """Wait until it is over; events that nobody read are thrown away. Cancelled, it leaves the crawl alone.

        Raises as the class says.
        """
        self._check()
        if self._follower is not None:
            self._follower.leave()
        await self._ended.wait()
        if self._error is not None:
            raise self._error
        if self._outcome is None:
            raise asyncio.CancelledError
        return self._outcome

    def __aiter__(self) -> Crawl:
        """The log's events from now on, each once it is durable, in the log's order.

        In the first line of the block that is all of this crawl. A loop that is left goes on with the next event when
        it is begun again. With 1024 events unread no more works are admitted until some are read.
        """
        self._check()
        if self._follower is None:
            self._follower = self._run.follow()
            if self._ended.is_set():
                self._follower.end()
        return self

    async def __anext__(self) -> Event:
        if self._follower is None:
            self.__aiter__()
        assert self._follower is not None
        event = await self._follower.next()
        if event is not None:
            return event
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def __aenter__(self) -> Crawl:
        if self._group is not None:
            raise RuntimeError("a crawl is entered once; make another one to go on")
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._group.create_task(self._live(), name="crawl")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None
        if self._follower is not None:
            self._follower.leave()
        if error is None or isinstance(error, Exception):
            if not self._ended.is_set():
                self.drain()
            await self._group.__aexit__(None, None, None)
        else:
            await self._group.__aexit__(kind, error, trace)
        if error is None and self._error is not None:
            raise self._error

    async def _live(self) -> None:
        """The run; what it raises is kept for whoever asks, so that the block's own task is not cancelled by it."""
        try:
            self._outcome = await self._run.go(self._attendants)
        except Exception as error:  # noqa: BLE001 - raised to the reader, or on leaving the block
            self._error = error
        finally:
            self._ended.set()
            if self._follower is not None:
                self._follower.end()

    def _check(self) -> None:
        if self._group is None:
            raise RuntimeError("a crawl runs inside its block: `async with crawl(settings) as run:`")
