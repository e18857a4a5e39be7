"""Drives a reader of a file format over a stream that comes in chunks of any size, in constant memory.

A format is a generator that says what it wants next and gets it sent as bytes; it returns its verdict. So each format
reads like its specification, and what chunks do to it is decided here, once.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Generator
from dataclasses import dataclass

from crawler.model import Failure, Kind


@dataclass(frozen=True, slots=True)
class Media:
    """What the bytes of a file are. `width` and `height` in pixels; None for an archive."""

    mime: str
    ext: str
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True)
class Take:
    """Sends the next `size` bytes. Keep it small: they are held."""

    size: int


@dataclass(frozen=True, slots=True)
class Skip:
    """Goes on after `size` bytes; sends nothing."""

    size: int


@dataclass(frozen=True, slots=True)
class Sum:
    """Goes on after `size` bytes; sends the CRC-32 of `seed` and them, 4 bytes, big-endian."""

    size: int
    seed: bytes


@dataclass(frozen=True, slots=True)
class Find:
    """Goes on after the next match of a pattern that is always 2 bytes; sends the match."""

    pattern: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Goes on after data in blocks of one length byte and as many bytes, up to a length of 0; sends nothing."""


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
        self._held = bytearray()
        self._enter(next(steps))

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        at, end = 0, len(data)
        while at < end and self._verdict is None:
            match self._step:
                case Take():
                    at = self._take(data, at)
                case Skip():
                    at = self._skip(at, end)
                case Sum():
                    at = self._sum(data, at, end)
                case Find(pattern):
                    at = self._find(data, at, pattern)
                case Blocks():
                    at = self._blocks(data, at, end)

    def finish(self) -> Verdict:
        if self._verdict is not None:
            return self._verdict
        return Failure(Kind.TRUNCATED, f"the {self._name} goes on after the {self._size} bytes that came")

    def _enter(self, step: Step) -> None:
        self._step = step
        self._left = 0 if isinstance(step, Find | Blocks) else step.size
        self._crc = zlib.crc32(step.seed) if isinstance(step, Sum) else 0
        self._held.clear()

    def _send(self, value: bytes) -> None:
        try:
            step = self._steps.send(value)
        except StopIteration as stop:
            self._verdict = stop.value
            return
        self._enter(step)

    def _take(self, data: bytes, at: int) -> int:
        part = data[at : at + self._left]
        self._left -= len(part)
        if self._left:
            self._held += part
        else:
            self._send(bytes(self._held) + part)
        return at + len(part)

    def _skip(self, at: int, end: int) -> int:
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

    def _find(self, data: bytes, at: int, pattern: re.Pattern[bytes]) -> int:
        if self._held:  # the last byte of the chunk before may be the first of a match
            pair = bytes(self._held) + data[at : at + 1]
            self._held.clear()
            if pattern.fullmatch(pair):
                self._send(pair)
                return at + 1
        match = pattern.search(data, at)
        if match is None:
            self._held += data[-1:]
            return len(data)
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
