"""Drives a reader of a file format over a stream that comes in chunks of any size, in constant memory.

A format is a generator that says what it wants next and gets it sent as bytes; it returns its verdict. So each format
reads like its specification, and what chunks do to it is decided here, once.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass

from crawler.model import Failure, Kind


@dataclass(frozen=True, slots=True)
class Media:
    """What the bytes of a file are. `width` and `height` in pixels; None for an archive."""

    mime: str
    ext: str
    width: int | None
    height: int | None


@dataclass(slots=True)
class Take:
    """Sends the next `size` bytes. Keep it small: they are held."""

    size: int


@dataclass(slots=True)
class Skip:
    """Goes on after `size` bytes; sends nothing."""

    size: int


@dataclass(slots=True)
class Sum:
    """Goes on after `size` bytes; sends the CRC-32 of `seed` and them, 4 bytes, big-endian."""

    size: int
    seed: bytes


@dataclass(slots=True)
class Find:
    """Goes on after the next match of a pattern that is always 2 bytes; sends the match."""

    pattern: re.Pattern[bytes]


@dataclass(slots=True)
class Blocks:
    """Goes on after data in blocks of one length byte and as many bytes, up to a length of 0; sends nothing."""


# Steps are not frozen: that makes them three times cheaper to make, and nobody keeps one.
_NOTHING = re.compile(rb"(?!)")
Step = Take | Skip | Sum | Find | Blocks
Verdict = Media | Failure
Steps = Generator[Step, bytes, Verdict]
"""A format. It never asks for 0 bytes, for the stream may have ended there already."""


def broken(why: str) -> Failure:
    """The file is of a known format, and contradicts itself."""
    return Failure(Kind.BROKEN, why)


class Walk:
    """One pass of a format over a stream. What follows the format's own end is let pass (see `media`)."""

    def __init__(self, name: str, steps: Steps) -> None:
        self._name = name
        self._steps = steps
        self._verdict: Verdict | None = None
        self._size = 0
        self._held = b""
        self._left = self._crc = 0
        self._pattern = _NOTHING
        self._enter(next(steps))

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        at, end = 0, len(data)
        while at < end and self._verdict is None:
            at = self._go(self, data, at, end)

    def finish(self) -> Verdict:
        if self._verdict is not None:
            return self._verdict
        return Failure(Kind.TRUNCATED, f"the {self._name} goes on after the {self._size} bytes that came")

    def _enter(self, step: Step) -> None:
        self._go = _WAYS[type(step)]
        if isinstance(step, Find):
            self._pattern = step.pattern
        elif isinstance(step, Blocks):
            self._left = 0
        else:
            self._left = step.size
            if isinstance(step, Sum):
                self._crc = zlib.crc32(step.seed)

    def _send(self, value: bytes) -> None:
        try:
            step = self._steps.send(value)
        except StopIteration as stop:
            self._verdict = stop.value
            return
        self._enter(step)

    def _take(self, data: bytes, at: int, end: int) -> int:
        left = self._left
        stop = at + left
        if stop > end:
            self._held += data[at:end]
            self._left = stop - end
            return end
        part = data[at:stop]
        if self._held:
            part, self._held = self._held + part, b""
        self._send(part)
        return stop

    def _skip(self, data: bytes, at: int, end: int) -> int:
        step = min(self._left, end - at)
        self._left -= step
        if not self._left:
            self._send(b"")
        return at + step

    def _sum(self, data: bytes, at: int, end: int) -> int:
        step = min(self._left, end - at)
        self._crc = zlib.crc32(memoryview(data)[at : at + step], self._crc)
        self._left -= step
        if not self._left:
            self._send(self._crc.to_bytes(4, "big"))
        return at + step

    def _find(self, data: bytes, at: int, end: int) -> int:
        if self._held:  # the last byte of the chunk before may be the first of a match
            pair, self._held = self._held + data[at : at + 1], b""
            if self._pattern.fullmatch(pair):
                self._send(pair)
                return at + 1
        match = self._pattern.search(data, at)
        if match is None:
            self._held = data[-1:]
            return end
        self._send(match[0])
        return match.end()

    def _blocks(self, data: bytes, at: int, end: int) -> int:
        at += self._left
        while at < end:
            size = data[at]
            at += 1
            if size == 0:
                self._left = 0
                self._send(b"")
                return at
            at += size
        self._left = at - end
        return end


_Way = Callable[[Walk, bytes, int, int], int]
_WAYS: dict[type[Step], _Way] = {
    Take: Walk._take,  # pyright: ignore[reportPrivateUsage]
    Skip: Walk._skip,  # pyright: ignore[reportPrivateUsage]
    Sum: Walk._sum,  # pyright: ignore[reportPrivateUsage]
    Find: Walk._find,  # pyright: ignore[reportPrivateUsage]
    Blocks: Walk._blocks,  # pyright: ignore[reportPrivateUsage]
}
"""A lookup costs half of what `match` over classes did, thousands of times a file."""
