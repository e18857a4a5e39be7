"""Room shared first come, first served: bytes of bodies (limits.memory_mb), connections, the place at the head."""

from __future__ import annotations

import asyncio
from collections import deque

from crawler.stop import Gate

_UNBOUNDED = 1 << 62


class Room:
    """`total` units; who takes some gives them back. A large wish is not overtaken by small ones, so none starves.

    A wish for more than `total` is clamped to it, so that nothing waits for ever; total 0 = no bound.
    """

    def __init__(self, total: int, gate: Gate) -> None:
        self._most = total or _UNBOUNDED
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
        used = self.used + amount
        if used > self._most or self._line:
            if self._line or self.used or amount <= self._most:
                return None
            amount = used = self._most
        self.used = used
        return amount

    async def take(self, amount: int) -> int:
        """Take `amount`, waiting for it: how much to give back later. Raises Draining."""
        held = self.take_nowait(amount)
        if held is not None:
            return held
        held = min(amount, self._most)
        gate, turn = self._gate, asyncio.get_running_loop().create_future()
        entry = (turn, held)
        self._line.append(entry)
        try:
            gate.expect(turn)
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give(held)  # granted in the moment in which we were told to go
            else:
                self._line.remove(entry)
                self._grant()
            raise
        finally:
            gate.forget(turn)
        return held

    def give(self, amount: int) -> None:
        """Give back what `take` returned."""
        self.used = used = self.used - amount
        assert used >= 0
        if self._line:
            self._grant()

    def resize(self, total: int) -> None:
        """Another total from now on; what is held stays held."""
        self._most = total or _UNBOUNDED
        self._grant()

    def _grant(self) -> None:
        line, most = self._line, self._most
        while line and self.used < most:
            turn, amount = line[0]
            if turn.done():  # told to go, and not yet gone: it takes itself out of the line
                break
            # After a resize a wish may be larger than all there is: it goes when nothing else is held.
            if self.used and self.used + amount > most:
                break
            line.popleft()
            self.used += amount
            turn.set_result(None)
