"""Who says when a host may be asked: a `Pace` of this process alone, or permits that a whole cluster shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from crawler.fetch.settings import HostLimits
from crawler.model import Lane
from crawler.rules.learning import Memory
from crawler.rules.rate import Change, Pace
from crawler.stop import Gate

NAP_S = 5.0
"""A waiter looks up at least this often: the rate may have been set anew."""


class Pacing(Protocol):
    """As `rules.rate.Pace`, on the loop's clock, and a wait. What a host said is told to it; it answers with a Change
    where that is this process's to tell."""

    blocks: int
    calm: bool

    @property
    def rate(self) -> float: ...
    @property
    def budget(self) -> float: ...
    @property
    def blocked_until(self) -> float: ...
    @property
    def ready(self) -> float: ...

    def reserve_now(self, now: float) -> bool: ...
    def reserve(self, now: float) -> float: ...
    def refused(
        self,
        sent: float,
        now: float,
        retry_after_s: float | None,
        reason: str,
        *,
        again: bool = False,
        limited: bool = True,
    ) -> Change | None: ...
    def troubled(self, sent: float, now: float, reason: str) -> Change | None: ...
    def clean(self, sent: float, now: float) -> Change | None: ...
    def configure(self, rate: float, burst: int, now: float, *, adaptive: bool) -> None: ...
    def memory(self, now: float) -> Memory: ...

    async def wait(self, gate: Gate, seconds: float, queued: int) -> None:
        """Until `ready` may have come, which is `seconds` away; `queued` requests wait. Raises Draining."""
        ...

    def probed(self) -> None:
        """The one request that may ask a host that refused is over, or was not sent."""
        ...


class OwnPace(Pace):
    """The pace of a host that nobody else asks."""

    async def wait(self, gate: Gate, seconds: float, queued: int) -> None:
        """See `Pacing`."""
        await gate.sleep(min(seconds, NAP_S))

    def probed(self) -> None:
        """Nobody else waits for it."""


Paces = Callable[[str, Lane, HostLimits], Pacing]
"""Makes the pace of a host."""
