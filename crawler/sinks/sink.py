"""What the engine asks of a place for bytes: parts that are written, and names that appear whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from crawler.model import Page, WorkId


@dataclass(frozen=True, slots=True)
class Held:
    """What a part already holds: `bytes` from the start of `url`, as it was under `validator` (an If-Range value)."""

    bytes: int
    url: str
    validator: str


class Kept(NamedTuple):
    """A file that has its final name: path relative to the output folder, size, SHA-256 in lower-case hex."""

    path: str
    bytes: int
    sha256: str


class Part(Protocol):
    """One image being written; size and digest are kept along the way. Every method raises StorageFailed.

    begin: start anew with nothing. resume: go on after what is held. write: append. pause: an attempt ended, what is
    written may be gone on from. keep: give it its final name, durably. leave: for another run. drop: forget it.
    """

    held: Held | None

    async def begin(self, url: str, validator: str) -> None: ...
    async def write(self, chunk: bytes) -> None: ...
    def pause(self) -> None: ...
    async def keep(self, ext: str) -> Kept: ...
    async def leave(self) -> None: ...
    async def drop(self) -> None: ...
    def reread(self) -> AsyncIterator[bytes]: ...


class Sink(Protocol):
    """A place for images."""

    async def part(self, id: WorkId, page: Page) -> Part: ...
    def free_bytes(self) -> int: ...
