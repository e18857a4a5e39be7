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


_READ: dict[bytes, tuple[str, str]] = {}
"""Header lines that were read, as name and value: of the ten that a host sends, seven are those of the reply before."""
_READ_MOST, _READ_BYTES = 1024, 200
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
        "_chunks", "_head", "_lane", "_size", "_time", "_waiter", "allowed", "done", "failure", "head_at",
        "head_by", "headers",
        "heard", "lines", "paused", "refused", "sent", "status", "wire",
    )  # fmt: skip

    def __init__(self, lane: Lane, lines: list[bytes], head_by: float) -> None:
        self._lane = lane
        self._time = lane.loop.time
        self._chunks: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._head = False
        self.wire: Any = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.lines = lines
        self.head_by = head_by
        self.head_at = 0.0
        self.heard = 0.0
        self.sent = self.done = self.paused = False
        self.failure: Failure | None = None
        self.refused = ""
        self.allowed = False

    # -- for the one who wants it ------------------------------------------------------------------

    async def head(self) -> Failure | None:
        """Wait for status and headers, or the reason why there are none; of a body that is small, for all of it: to
        wake somebody costs as much as to hand him 64 KB."""
        while not self._head:
            if self.done:
                return self.failure or Failure(Kind.RESET, "the connection ended within the head")
            await self._wait()
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
            await self._wait()
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

    async def _wait(self) -> None:
        self._waiter = self._lane.loop.create_future()
        self.heard = max(self.heard, self._time())
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _resume(self) -> None:
        self.paused = False
        self._lane.resume(self)

    # -- for libcurl's callbacks ---------------------------------------------------------------------

    def on_sent(self) -> None:
        """Connected; the request is about to go out."""
        self.sent = True
        self.heard = self._time()

    @property
    def waited_for(self) -> bool:
        """Whether somebody waits for bytes: silence counts only then."""
        return self._waiter is not None

    @property
    def in_head(self) -> bool:
        return not self._head

    def wake(self) -> None:
        """Let the one who waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

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
            and "" not in (headers := dict([_READ.get(line) or _read(line) for line in lines[1:-1]]))
        ):
            pass
        elif (read := self._read_head(lines)) is not None:
            status, headers = read
        else:
            return False
        self._head, self.status, self.headers = True, status, headers
        self.head_at = self._time()
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
                name, value = _READ.get(line) or _read(line)
                headers[name] = value
        return None

    def on_body(self, data: bytes) -> int | None:
        """Bytes of the body; asks libcurl to wait when nobody reads them."""
        if self.wire is None:
            return 0
        self.heard = self._time()
        if not self._head:
            if not self.take_head():
                return 0
            length = self.headers.get("content-length", "")
            if len(length) > 5 or not length:  # large, or nobody knows
                self.wake()
        if self._size >= _HELD_BYTES:
            self.paused = True
            return pycurl.WRITEFUNC_PAUSE
        self._chunks.append(data)
        if len(self._chunks) >= _CHUNKS:  # of one byte each they would weigh many times what they hold
            self._chunks[:] = [b"".join(self._chunks)]
        self._size += len(data)
        if self._size >= PIECE_BYTES:
            self.wake()
        return None

    def finish(self, failure: Failure | None) -> None:
        """It is over, well or not; the wire serves another."""
        self.look()
        self.lines = []
        self.done = True
        self.wire = None
        self.failure = self.failure or failure
        self.wake()


def _read(line: bytes) -> tuple[str, str]:
    """A header line as lower-case name and value; without a name where a status line stands instead."""
    if line.startswith(b"HTTP/"):
        return "", ""
    name, _, value = line.partition(b":")
    pair = name.decode("latin-1").strip().lower(), value.strip().decode("utf-8", "surrogateescape")
    if len(_READ) >= _READ_MOST:
        _READ.clear()
    if len(line) <= _READ_BYTES:
        _READ[line] = pair
    return pair
