"""One GET on the fast lane, between libcurl's callbacks and the one who reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, Protocol

import pycurl

from crawler.fetch.errors import LostReply
from crawler.model import Failure, Kind

PIECE_BYTES = 64 * 1024
"""Whoever waits for a body is woken for this much, for its end, and now and then for what there is."""
_HELD_BYTES = 384 * 1024
"""With this much waiting to be read, the host waits too."""
_PIECE = 128
"""Beside its bytes a piece is counted as so much: a body in pieces of a byte would weigh many times what it holds."""
_PAUSE = int(pycurl.WRITEFUNC_PAUSE)
_LINE_BYTES, _HEADERS, _HEADS_BYTES = 8190, 160, 64 * 1024


_READ_MOST, _READ_BYTES = 1024, 200
_NO_LINES: list[bytes] = []
_NOTHING: list[bytes] = []
"""Stays empty."""
_NO_HEADERS: dict[str, str] = {}


class _Read(dict[bytes, tuple[str, str]]):
    """Header lines as lower-case name and value; without a name where a status line stands instead. Kept once read: of
    the ten that a host sends, seven are those of the reply before."""

    def __missing__(self, line: bytes) -> tuple[str, str]:
        if line.startswith(b"HTTP/"):
            return "", ""
        name, _, value = line.partition(b":")
        pair = name.decode("latin-1").strip().lower(), value.strip().decode("utf-8", "surrogateescape")
        if len(self) >= _READ_MOST:
            self.clear()
        if len(line) <= _READ_BYTES:
            self[line] = pair
        return pair


_read = _Read().__getitem__
_STATUS = {b"HTTP/1.1 %d " % status: status for status in range(200, 600)}


def taking(wire: Any) -> Generator[int | None, bytes]:
    """Takes the pieces of bodies that libcurl sends it, into a wire's `pieces`; has it wait while nobody reads them.

    A generator, once begun: a call for each record of TLS would cost twice as much.
    """
    take, said = wire.pieces.append, None
    while True:
        piece = yield said
        size = wire.size
        if size < _HELD_BYTES:
            take(piece)
            wire.size, said = size + _PIECE + len(piece), None
        else:
            wire.paused, said = True, _PAUSE
        piece = b""  # nothing is held here until the next one comes


class Lane(Protocol):
    """What a transfer asks of the lane that carries it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    def drop(self, transfer: Transfer) -> None: ...
    def resume(self, transfer: Transfer) -> None: ...


class Transfer:
    """One GET on its way: `waiting` until `headed` or `done`, then `read` until it gives b"", and `close`, always.

    What comes, lines of the head and pieces of the body, is put into two lists without it. The lane lets it `look` at
    them once for all that came at a time.
    """

    status = 0
    headers = _NO_HEADERS
    head_at = heard = 0.0
    headed = sent = done = allowed = False
    fd = -1
    _seen: int = 0
    failure: Failure | None = None
    refused = ""
    _waiter: asyncio.Future[None] | None = None

    def __init__(self, lane: Lane, wire: Any, head_by: float) -> None:
        """On a wire (see `lane`) whose `lines` are the head's, and whose `pieces` the body's."""
        self._lane = lane
        self.wire: Any = wire
        self.lines: list[bytes] = wire.lines
        self._pieces: list[bytes] = wire.pieces
        self.head_by = head_by

    # -- for the one who wants it ------------------------------------------------------------------

    def waiting(self) -> asyncio.Future[None]:
        """What to wait for until there is something to look at: the end, 64 KB, or, now and then, what there is."""
        loop = self._lane.loop
        self.heard = loop.time()
        waiter = self._waiter = loop.create_future()
        return waiter

    def lost(self) -> Failure:
        """Why it is done and not headed."""
        return self.failure or Failure(Kind.RESET, "the connection ended within the head")

    @property
    def at_end(self) -> bool:
        """Nothing more will come, and all that came was read."""
        return self.done and not self._pieces

    def whole(self, most: int) -> bytes | None:
        """The body, if all of it has come, it has `most` bytes at most, and nothing was read yet."""
        pieces = self._pieces
        if not self.done or self.failure is not None or sum(map(len, pieces)) > most:
            return None
        self._pieces = _NOTHING
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self) -> bytes:
        """What came of the body: 64 KB or more while it flows; b"" at its end. Raises LostReply for a broken one."""
        while (wire := self.wire) is not None and wire.size < PIECE_BYTES:
            if wire.paused:
                wire.paused = False
                self._lane.resume(self)
                continue
            await self.waiting()
            if self._pieces:
                break  # enough, or woken to be judged: the pace may be too slow
        pieces = self._pieces
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            if self.wire is not None:
                self.wire.size = self._seen = 0
            return data
        if self.failure is not None:
            raise LostReply(self.failure)
        return b""

    def close(self) -> None:
        """Drop it; the connection of a reply that was not read to its end is closed."""
        if self.wire is not None:
            self._lane.drop(self)
        self._pieces = _NOTHING

    # -- for libcurl's callbacks ---------------------------------------------------------------------

    @property
    def waited_for(self) -> bool:
        """Whether somebody waits for bytes: silence counts only then."""
        return self._waiter is not None and not self._waiter.done()

    def wake(self) -> None:
        """Let the one who waits look again."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def wake_to_judge(self) -> None:
        """Hand on what there is, however little: a slow body is judged by the one who reads it."""
        if self._pieces:
            self.wake()

    @property
    def unseen(self) -> bool:
        """Whether something of the body came that was not looked at."""
        return self.wire is not None and self.wire.size != self._seen

    def look(self) -> None:
        """Something came: see whether there is enough of it to wake somebody, or too much."""
        size: int = self.wire.size
        if size != self._seen or not self.headed:  # what has come is of the head, or of the body itself
            self._seen, self.heard = size, self._lane.loop.time()
        if self._pieces and not self.headed and not self.take_head():
            self._lane.drop(self)
        elif size >= PIECE_BYTES:
            self.wake()

    def look_at_head(self) -> None:
        """See whether the head is complete, though no body has begun."""
        if not self.headed and self.lines and self.take_head():
            self.wake()

    def take_head(self) -> bool:
        """Read the lines of the head, if all have come. Waiting for a body, nobody needs them before it begins; so
        libcurl appends them to a list, and no call of ours is made for each."""
        lines = self.lines
        count = len(lines)
        # Nearly every head is one status line, lines that were mostly read before, and an empty one.
        if (
            0 < count <= _HEADERS
            and lines[-1] == b"\r\n"
            and lines.index(b"\r\n") == count - 1
            and sum(map(len, lines)) <= _LINE_BYTES
            and (status := _STATUS.get(lines[0][:13]))
            and "" not in (headers := dict(map(_read, lines[1:-1])))
        ):
            self.status, self.headers = status, headers
        elif (read := self._read_head(lines)) is not None:
            self.status, self.headers = read
        else:
            return False
        self.headed = True
        self.head_at = self._lane.loop.time()
        return True

    def _read_head(self, lines: list[bytes]) -> tuple[int, dict[str, str]] | None:
        """Status and headers of any head, line by line; None when it goes on, or is one that is not taken."""
        if (
            len(lines) > _HEADERS
            or sum(map(len, lines)) > _HEADS_BYTES
            or max(map(len, lines), default=0) > _LINE_BYTES
        ):
            self.failure = Failure(Kind.PROTOCOL, "a head of unusual size")
            return None
        status, headers = 0, dict[str, str]()
        for line in lines:
            if line.startswith(b"HTTP/"):
                headers = {}
                status = int(line[9:12]) if line[9:12].isdigit() and not line[12:13].isdigit() else 0
            elif line in (b"\r\n", b"\n"):
                if status >= 200:
                    return status, headers
            else:
                name, value = _read(line)
                headers[name] = value
        return None

    def finish(self, failure: Failure | None) -> None:
        """It is over, well or not; the wire serves another."""
        if not self.headed and self.lines:
            self.take_head()
        pieces = self._pieces
        self._pieces = pieces.copy()
        pieces.clear()
        self.lines = _NO_LINES
        self.done = True
        self.wire = None
        if failure is not None and self.failure is None:
            self.failure = failure
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
