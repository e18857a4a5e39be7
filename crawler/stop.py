"""How a run is told to stop: exceptions that mean stop, and the gate that lets waiting tasks go home."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class Stop(Exception):
    """The run must stop: `code` is the exit code (design.md 1.1), `reason` the `closed` line's, the text is for people.

    The text says what happened, what the program does now and what the user can do.
    """

    code = 1
    reason = "error"


class SessionRefused(Stop):
    """The site refused the session (401): nothing more is asked."""

    code, reason = 5, "session_refused"


class Blocked(Stop):
    """The site blocks us: a challenge, or refusal after refusal. Never worked around."""

    code, reason = 6, "blocked"


class DaySpent(Stop):
    """A daily budget is spent, and the user did not want to wait."""

    code, reason = 6, "daily_budget"


class StorageFailed(Stop):
    """A write, fsync or rename failed, or there is too little room. Never retried in this process."""

    code, reason = 7, "storage"


class Draining(Exception):
    """Raised out of `Gate` waits while the run drains: the task goes home, what it wanted stays pending."""


class Gate:
    """Every wait for permission goes through here, so that a drain ends them all at once."""

    def __init__(self) -> None:
        from asyncio import Event  # what imports this for `Stop` alone starts the sooner

        self.closed = False
        """Whether the run drains: to be read only."""
        self._closed = Event()
        self._turns: set[asyncio.Future[None]] = set()

    def close(self) -> None:
        """From now on `check`, `sleep` and `turn` raise Draining; who waits there wakes at once."""
        self.closed = True
        self._closed.set()
        for future in self._turns:
            if not future.done():
                future.set_exception(Draining())

    async def wait(self) -> None:
        """Wait until the gate is closed."""
        await self._closed.wait()

    def check(self) -> None:
        """Raises Draining when the gate is closed."""
        if self.closed:
            raise Draining

    async def sleep(self, seconds: float) -> None:
        """Sleep; raises Draining at once when the gate is, or becomes, closed."""
        self.check()
        if seconds <= 0:
            return
        from asyncio import timeout

        try:
            async with timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return
        raise Draining

    async def turn(self, future: asyncio.Future[None]) -> None:
        """Wait for a turn that somebody else grants; raises Draining when the gate is, or becomes, closed.

        A turn granted in the same moment as a drain or a cancellation is the caller's to give back.
        """
        self.expect(future)
        try:
            await future
        finally:
            self.forget(future)

    def expect(self, future: asyncio.Future[None]) -> None:
        """For who awaits a turn by himself, and has it forgotten then, however that ended. Raises Draining."""
        if self.closed:
            raise Draining
        self._turns.add(future)

    def forget(self, future: asyncio.Future[None]) -> None:
        """See `expect`."""
        self._turns.discard(future)
        if self.closed and future.done() and not future.cancelled():
            future.exception()  # seen, though a cancellation may have been faster
