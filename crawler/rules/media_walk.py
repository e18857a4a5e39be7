"""Drives a reader of a file format over a stream that comes in chunks of any size, in constant memory.

A format is a generator that says what it wants next and gets it sent as bytes; it returns its verdict. So each format
reads like its specification, and what chunks do to it is decided here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

from crawler.model import Failure, Kind


class Media(NamedTuple):
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
class Blocks:
    """Goes on after data in blocks of one length byte and as many bytes, up to a length of 0; sends nothing."""


# Steps are not frozen: that makes them three times cheaper to make, and nobody keeps one.
Step = Take | Skip | Blocks
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
        self._left = 0 if isinstance(step, Blocks) else step.size

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

    def _blocks(self, data: bytes, at: int, end: int) -> int:
        at += self._left
        while at < end:
            size = data[at]
            at += 1
            if size == 0:
                self._send(b"")
                return at
            at += size
        self._left = at - end
        return end


_Way = Callable[[Walk, bytes, int, int], int]
_WAYS: dict[type[Step], _Way] = {
    Take: Walk._take,  # pyright: ignore[reportPrivateUsage]
    Skip: Walk._skip,  # pyright: ignore[reportPrivateUsage]
    Blocks: Walk._blocks,  # pyright: ignore[reportPrivateUsage]
}
"""A lookup costs half of what `match` over classes did, thousands of times a file."""
