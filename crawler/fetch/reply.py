"""A reply being read: its head, and its body in pieces, watched for silence, drip, size and a short end."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from crawler.fetch.errors import FOREIGN, failure_of
from crawler.fetch.exchange import Head
from crawler.model import Failure, Kind

PIECE_BYTES = 64 * 1024
"""Pieces are at least this large, but for the last: each costs a hop to the disk."""
_INFLATED_BYTES = 256 * 1024
"""What one step of unpacking may yield, whatever the ratio."""
_DRAIN_BYTES = 64 * 1024
_DRAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Watch:
    """What a body may do: `max_bytes` in all (unpacked), at least `min_bytes_s` over each `window_s`."""

    max_bytes: int
    min_bytes_s: float
    window_s: float


class Inflate:
    """gzip, unpacked in bounded steps: a bomb costs what is read of it, no more."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._packed = b""

    @property
    def complete(self) -> bool:
        """The trailer was reached."""
        return self._zlib.eof

    def feed(self, packed: bytes) -> None:
        """Take what came; call `step` until it gives nothing."""
        self._packed += packed

    def step(self) -> bytes:
        """Up to 256 KiB of what is inside; b"" when more is needed. Raises zlib.error, also for bytes after the end."""
        out = b""
        while self._packed and not out:
            out = self._zlib.decompress(self._packed, _INFLATED_BYTES)
            self._packed = self._zlib.unconsumed_tail
            if self._zlib.unused_data:
                raise zlib.error("bytes after the end of the gzip stream")
        return out


class Body(Protocol):
    """What a way to the network gives of a reply: status, headers by lower-case name, and the body as it comes.

    `head_at` is when the head came, on the loop's clock; `whole` gives the body at once, if all of it has come, well,
    and it has `most` bytes at most. `read` gives some bytes, b"" at the end, and raises one of errors.FOREIGN for a
    body that breaks off.
    """

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def at_end(self) -> bool: ...
    @property
    def head_at(self) -> float: ...
    def whole(self, most: int) -> bytes | None: ...
    async def read(self) -> bytes: ...
    def close(self) -> None: ...


class Reply:
    """One reply. `close` it, always; at the end of the body its connection goes back to the pool by itself."""

    packed = False
    received = 0
    _encoding = ""
    _given = 0
    _failure: Failure | None = None
    _inflate: Inflate | None = None
    _left = _mark_at = 0.0
    _mark_bytes = 0

    def __init__(self, body: Body, url: str, watch: Watch, *, packed: bool) -> None:
        headers = body.headers
        length = headers.get("content-length", "")
        if "content-encoding" in headers:
            self._encoding = encoding = headers["content-encoding"]
            if packed and encoding.lower() in ("gzip", "x-gzip"):
                self.packed, self._inflate = True, Inflate()
                length = ""  # of what is read here nobody knows it
        if "transfer-encoding" in headers and (coding := headers["transfer-encoding"].strip().lower()) != "chunked":
            self.packed, self._inflate, self._encoding = False, None, coding  # aiohttp would hand it out packed
        # Thousands of digits are no number to Python.
        self.head = Head(body.status, headers, url, int(length[:19]) if length.isdecimal() else None)
        self._body = body
        self._watch = watch
        self.head_at = body.head_at

    def acceptable(self) -> Failure | None:
        """What the head alone forbids: a body that is too large, or packed in a way that was not asked for."""
        if self._encoding and not self.packed:
            encoding = self._encoding.strip().lower()
            if encoding not in ("", "identity"):
                return Failure(Kind.ENCODING, f"encoding {encoding[:40]!r} was not asked for", self.head.status)
        length = self.head.length
        if length is not None and length > self._watch.max_bytes:
            return self._too_large(length)
        return None

    def at_once(self) -> bytes | None:
        """All of the body, if it has come already and there is nothing against it; then nothing is left to read."""
        most = self._watch.max_bytes
        if self._encoding or (self.head.length or 0) > most or (data := self._body.whole(most)) is None:
            return None
        self.received = len(data)
        return data

    async def read(self) -> bytes | Failure:
        """The next piece of the body; b"" at its end. After a Failure nothing more comes."""
        if self._inflate is None:
            return await self._raw()
        while True:
            try:
                out = self._inflate.step()
            except zlib.error as error:
                return Failure(Kind.ENCODING, str(error)[:200], self.head.status)
            if out:
                self._given += len(out)
                return out if self._given <= self._watch.max_bytes else self._too_large(self._given)
            raw = await self._raw()
            if isinstance(raw, Failure):
                return raw
            if not raw:
                return b"" if self._inflate.complete else Failure(Kind.TRUNCATED, "gzip stream ends early")
            self._inflate.feed(raw)

    async def _raw(self) -> bytes | Failure:
        if self._failure is not None:
            return self._failure
        body = self._body
        parts: list[bytes] = []
        size = 0
        time = asyncio.get_running_loop().time
        # Time spent elsewhere (writing to the disk) is not the host's: move the start of the window along.
        self._mark_at += time() - self._left
        while size < PIECE_BYTES:
            try:
                chunk = await body.read()
            except FOREIGN as error:
                self._failure = failure_of(error)
                break
            if not chunk:
                break
            parts.append(chunk)
            size += len(chunk)
            self._failure = self._judge(len(chunk), time())
            if self._failure is not None:
                break
        self._left = time()
        if self._failure is not None and (not parts or self._failure.kind is Kind.TOO_LARGE):
            return self._failure
        # What came before a cut is handed on first: it need not be asked for again.
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _judge(self, size: int, now: float) -> Failure | None:
        self.received += size
        if self.received > self._watch.max_bytes:
            return self._too_large(self.received)
        if now - self._mark_at >= self._watch.window_s:
            pace = (self.received - self._mark_bytes) / (now - self._mark_at)
            if pace < self._watch.min_bytes_s:
                return Failure(Kind.SLOW, f"{pace:.0f} bytes/s over {now - self._mark_at:.0f} s")
            self._mark_at, self._mark_bytes = now, self.received
        return None

    def _too_large(self, size: int) -> Failure:
        return Failure(Kind.TOO_LARGE, f"{size} bytes or more, at most {self._watch.max_bytes} are taken")

    async def drain(self) -> None:
        """Read a small rest of the body, so that the connection can be used again; a long or slow rest is left."""
        body = self._body
        if body.at_end or (self.head.length or 0) > _DRAIN_BYTES:
            return
        try:
            async with asyncio.timeout(_DRAIN_S):
                left = _DRAIN_BYTES
                while left > 0 and (chunk := await body.read()):
                    left -= len(chunk)
                    self.received += len(chunk)
        except FOREIGN:
            return

    def close(self) -> None:
        """Give the connection back, or drop it when the body was not read to its end."""
        self._body.close()
