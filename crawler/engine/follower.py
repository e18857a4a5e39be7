"""What the log has made durable, on its way to somebody who reads along; never more than a bounded number of events.

A reader who is slow holds back the admission of works, and nothing else: what is in flight is finished and written.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from crawler.events import Event
from crawler.stop import Gate

MOST = 1024
"""With so many events unread no work is admitted. Those in flight may add what they still have to say."""


class Follower:
    """A queue of committed events, in the log's order. One reader; `add` and `end` belong to the run."""

    def __init__(self, most: int | None = None) -> None:
        self._most = MOST if most is None else most
        self._unread: deque[Event] = deque()
        self._over = False
        self._left = False
        self._news: asyncio.Future[None] | None = None
        self._turns: set[asyncio.Future[None]] = set()

    def add(self, events: Iterable[Event]) -> None:
        """Take in what was committed; thrown away when the reader has left."""
        if not self._left:
            self._unread.extend(events)
            self._wake(self._news)

    def end(self) -> None:
        """Nothing more will come."""
        self._over = True
        self._wake(self._news)

    async def room(self, gate: Gate) -> None:
        """Wait until the reader has caught up; many may. Raises Draining when the gate is, or becomes, closed."""
        while len(self._unread) >= self._most:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._turns.add(turn)
            try:
                await gate.turn(turn)
            finally:
                self._turns.discard(turn)

    async def next(self) -> Event | None:
        """The next event; None when there is none left and nothing more will come."""
        while not self._unread:
            if self._over or self._left:
                return None
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None
        event = self._unread.popleft()
        if self._turns and len(self._unread) < self._most:
            self._admit()
        return event

    def leave(self) -> None:
        """The reader wants no more: nothing is kept, nothing waits for it."""
        self._left = True
        self._unread.clear()
        self._admit()
        self._wake(self._news)

    def _admit(self) -> None:
        for turn in self._turns:
            self._wake(turn)

    @staticmethod
    def _wake(sleeper: asyncio.Future[None] | None) -> None:
        if sleeper is not None and not sleeper.done():
            sleeper.set_result(None)
