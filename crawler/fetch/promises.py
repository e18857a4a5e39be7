"""What the bodies under way may still bring: the one place where bytes are promised to requests, and come.

A request is promised what replies usually bring when it is let out, and what its head announces from then on. Each
byte that comes is promised no more; what did not come is free again at the end. Nothing here knows what a budget is:
that is the matter of the two accounts, `daily.Account` and `cluster.purse.Purse`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from crawler.fetch.exchange import Day
from crawler.rules.budget import Budget
from crawler.stop import Gate


class Turn:
    """One request that was let out: the `memory` it holds, the bytes `promised` to it that have not come yet, and how
    many `came`."""

    promised = 0
    came = 0

    def __init__(self, memory: int) -> None:
        self.memory = memory


class Accounting(ABC):
    """The account of one host. `open` says whether a request may go now, `take` lets it out, `end` ends it.

    What passes is counted whether there is a budget or not, as one may be set while requests are out.
    """

    bounded = False
    """Whether there is a budget at all. Without one `open` need not be asked, nor `keep_up`."""

    def __init__(self) -> None:
        self.taken: int = 0
        """Requests let out."""
        self.ended: int = 0
        """Of them those that are over."""
        self.bytes = 0
        """Of bodies, in all."""
        self.promised = 0
        """Bytes promised to those that are out."""

    @property
    def out(self) -> int:
        """How many requests are let out and not over."""
        return self.taken - self.ended

    # -- what is promised ----------------------------------------------------------------------------

    def announced(self, turn: Turn, size: int) -> bool:
        """So large will the body be, as the head says; whether to `keep_up` before it is read."""
        self.promised += size - turn.promised
        turn.promised = size
        return self.bounded

    def came(self, turn: Turn, received: int) -> None:
        """So many bytes of the body have come by now."""
        more = received - turn.came
        if more <= 0:
            return
        turn.came = received
        self.bytes += more
        if turn.promised:
            kept = min(more, turn.promised)
            turn.promised -= kept
            self.promised -= kept
        if self.bounded:
            self._spend(more)

    def end(self, turn: Turn) -> None:
        """The exchange is over, well or not; what was promised and did not come is free again."""
        if turn.promised:
            self.promised -= turn.promised
            turn.promised = 0
        self.ended += 1
        if self.bounded:
            self._over()

    # -- what an account makes of it -----------------------------------------------------------------

    @property
    @abstractmethod
    def idle(self) -> bool:
        """Nothing is out, and nothing is to be remembered or said."""

    @abstractmethod
    def open(self) -> bool:
        """Whether one more request may be sent at this moment."""

    @abstractmethod
    async def wait(self, gate: Gate) -> None:
        """Wait for what stands in the way of `open`, or for some time. Raises Draining, StorageFailed."""

    @abstractmethod
    def take(self, memory: int) -> Turn:
        """Let one request out: it counts from now on."""

    @abstractmethod
    async def keep_up(self) -> None:
        """Wait until what comes is covered, before more of it does. Raises StorageFailed."""

    @abstractmethod
    def day(self) -> Day | None:
        """What was spent in the last 24 h; None without a budget, or where it is not known here."""

    @abstractmethod
    def settle(self) -> None:
        """Write down the truth, where that is done here."""

    @abstractmethod
    def configure(self, budget: Budget) -> None:
        """Another budget from now on; what was spent so far counts."""

    @abstractmethod
    def _spend(self, size: int) -> None:
        """So many bytes came under a budget."""

    @abstractmethod
    def _over(self) -> None:
        """A request ended under a budget."""
