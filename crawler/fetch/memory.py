"""Room shared first come, first served: bytes of bodies (limits.memory_mb), connections, the place at the head."""

from __future__ import annotations

import asyncio
from collections import deque

from crawler.stop import Gate


class Room:
    """`total` units; who takes some gives them back. A large wish is not overtaken by small ones, so none starves.

    A wish for more than `total` is clamped to it, so that nothing waits for ever; total 0 = no bound.
    """

    def __init__(self, total: int, gate: Gate) -> None:
        self._total = total
        self._gate = gate
        self.used = 0
        """Units taken: to be read only."""
        self._line: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    def take_nowait(self, amount: int) -> int | None:
        """Take `amount` if it is free and nobody waits: how much to give back later; else None."""
        if self._line:
            return None
        total, used = self._total, self.used
        if total:
            if amount > total:  # noqa: PLR1730 - asked twice a request, and a call costs more
                amount = total
            if used + amount > total:
                return None
        self.used = used + amount
        return amount

    async def take(self, amount: int) -> int:
        """Take `amount`, waiting for it: how much to give back later. Raises Draining."""
        held = self.take_nowait(amount)
        if held is not None:
            return held
        held = min(amount, self._total) if self._total else amount
        turn = asyncio.get_running_loop().create_future()
        entry = (turn, held)
        self._line.append(entry)
        try:
            await self._gate.turn(turn)
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give(held)  # granted in the moment in which we were told to go
            else:
                self._line.remove(entry)
                self._grant()
            raise
        return held

    def give(self, amount: int) -> None:
        """Give back what `take` returned."""
        self.used -= amount
        assert self.used >= 0
        if self._line:
            self._grant()

    def resize(self, total: int) -> None:
        """Another total from now on; what is held stays held."""
        self._total = total
        self._grant()

    def _grant(self) -> None:
        while self._line:
            turn, amount = self._line[0]
            if turn.done():  # told to go, and not yet gone: it takes itself out of the line
                break
            # After a resize a wish may be larger than all there is: it goes when nothing else is held.
            if self._total and self.used and self.used + amount > self._total:
                break
            self._line.popleft()
            self.used += amount
            turn.set_result(None)
