"""One GET on the fast lane, between libcurl's callbacks and the one who reads it."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import pycurl

from crawler.fetch.errors import LostReply
from crawler.model import Failure, Kind

PIECE_BYTES = 64 * 1024
"""Whoever waits for a body is woken for this much, for its end, and now and then for what there is."""
_HELD_BYTES = 256 * 1024
"""With this much waiting to be read, the host waits too."""
_CHUNKS = 2048
_LINE_BYTES, _HEADERS, _HEADS_BYTES = 8190, 160, 64 * 1024


_READ_MOST, _READ_BYTES = 1024, 200
_NO_LINES: list[bytes] = []
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


class Lane(Protocol):
    """What a transfer asks of the lane that carries it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    def drop(self, transfer: Transfer) -> None: ...
    def resume(self, transfer: Transfer) -> None: ...


class Transfer:
    """One GET on its way: `head` first, then `read` until it gives b"", and `close`, always."""

    __slots__ = (
        "_chunks", "_head", "_lane", "_size", "_waiter", "allowed", "done", "failure", "head_at",
        "head_by", "headers",
        "heard", "lines", "paused", "refused", "sent", "status", "wire",
    )  # fmt: skip

    def __init__(self, lane: Lane, wire: Any, head_by: float) -> None:
        """On a wire (see `lane`) whose `lines` are the head's."""
        self._lane = lane
        self._chunks: list[bytes] = []
        self._size = self.status = 0
        self._waiter: asyncio.Future[None] | None = None
        self.wire: Any = wire
        self.headers: dict[str, str] = _NO_HEADERS
        self.lines: list[bytes] = wire.lines
        self.head_by = head_by
        self.head_at = self.heard = 0.0
        self._head = self.sent = self.done = self.paused = self.allowed = False
        self.failure: Failure | None = None
        self.refused = ""

    # -- for the one who wants it ------------------------------------------------------------------

    async def head(self) -> Failure | None:
        """Wait for status and headers, or the reason why there are none; of a body that is small, for all of it: to
        wake somebody costs as much as to hand him 64 KB."""
        while not self._head:
            if self.done:
                return self.failure or Failure(Kind.RESET, "the connection ended within the head")
            await self._waiting()
        return None

    @property
    def at_end(self) -> bool:
        """Nothing more will come, and all that came was read."""
        return self.done and not self._chunks

    def whole(self) -> bytes | None:
        """The body, if all of it has come and nothing was read yet."""
        return self._taken() if self.done and self.failure is None else None

    def _taken(self) -> bytes:
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._size = 0
        return data

    async def read(self) -> bytes:
        """What came of the body: 64 KB or more while it flows; b"" at its end. Raises LostReply for a broken one."""
        while self._size < PIECE_BYTES and not self.done:
            if self.paused:
                self._resume()
                continue
            await self._waiting()
            if self._size:
                break  # enough, or woken to be judged: the pace may be too slow
        if self._chunks:
            return self._taken()
        if self.failure is not None:
            raise LostReply(self.failure)
        return b""

    def close(self) -> None:
        """Drop it; the connection of a reply that was not read to its end is closed."""
        self._chunks.clear()
        self._size = 0
        if self.wire is not None:
            self._lane.drop(self)

    def _waiting(self) -> asyncio.Future[None]:
        """What to wait for until there is something to look at."""
        loop = self._lane.loop
        self.heard = max(self.heard, loop.time())
        waiter = self._waiter = loop.create_future()
        return waiter

    def _resume(self) -> None:
        self.paused = False
        self._lane.resume(self)

    # -- for libcurl's callbacks ---------------------------------------------------------------------

    @property
    def waited_for(self) -> bool:
        """Whether somebody waits for bytes: silence counts only then."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def in_head(self) -> bool:
        return not self._head

    def wake(self) -> None:
        """Let the one who waits look again."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def wake_to_judge(self) -> None:
        """Hand on what there is, however little: a slow body is judged by the one who reads it."""
        if self._size:
            self.wake()

    def look(self) -> None:
        """See whether the head is complete, though no body has begun."""
        if not self._head and self.lines and self.take_head():
            self.wake()

    def take_head(self) -> bool:
        """Read the lines of the head, if all have come. Waiting for a body, nobody needs them before it begins; so
        libcurl appends them to a list, and no call of ours is made for each."""
        lines = self.lines
        # Nearly every head is one status line, lines that were mostly read before, and an empty one.
        if (
            0 < len(lines) <= _HEADERS
            and sum(map(len, lines)) <= _LINE_BYTES
            and lines.index(lines[-1]) == len(lines) - 1
            and lines[-1] == b"\r\n"
            and (status := _STATUS.get(lines[0][:13], 0))
            and "" not in (headers := dict(map(_read, lines[1:-1])))
        ):
            pass
        elif (read := self._read_head(lines)) is not None:
            status, headers = read
        else:
            return False
        self._head, self.status, self.headers = True, status, headers
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
                status = int(line[9:12]) if line[9:12].isdigit() else 0
            elif line in (b"\r\n", b"\n"):
                if status >= 200:
                    return status, headers
            else:
                name, value = _read(line)
                headers[name] = value
        return None

    def on_body(self, data: bytes) -> int | None:
        """Bytes of the body; asks libcurl to wait when nobody reads them."""
        if self.wire is None:
            return 0
        self.heard = self._lane.loop.time()
        if not self._head:
            if not self.take_head():
                return 0
            length = self.headers.get("content-length", "")
            if len(length) > 5 or not length:  # large, or nobody knows
                self.wake()
        size = self._size
        if size >= _HELD_BYTES:
            self.paused = True
            return pycurl.WRITEFUNC_PAUSE
        chunks = self._chunks
        chunks.append(data)
        self._size = size = size + len(data)
        if len(chunks) >= _CHUNKS:  # of one byte each they would weigh many times what they hold
            chunks[:] = [b"".join(chunks)]
        if size >= PIECE_BYTES and self._waiter is not None:
            self.wake()
        return None

    def finish(self, failure: Failure | None) -> None:
        """It is over, well or not; the wire serves another."""
        if not self._head:
            self.look()
        self.lines = _NO_LINES
        self.done = True
        self.wire = None
        if failure is not None and self.failure is None:
            self.failure = failure
        self.wake()
