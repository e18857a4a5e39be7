"""What the engine asks of a place for bytes: parts that are written, and names that appear whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from crawler.model import Blob, Page, WorkId


@dataclass(frozen=True, slots=True)
class Resumable:
    """What a part already holds: bytes from its start, of this URL, under this validator (an If-Range value)."""

    bytes: int
    url: str
    validator: str
    head: bytes = b""


class Part(Protocol):
    """One image being written. Digest and size are kept while writing. Raises StorageFailed."""

    resumable: Resumable | None

    async def begin(self, url: str, validator: str, *, keep: bool) -> None: ...
    async def write(self, chunk: bytes) -> None: ...
    async def store(self, blob: Blob) -> str: ...
    async def leave(self) -> None: ...
    async def drop(self) -> None: ...


class Sink(Protocol):
    """A place for images."""

    async def part(self, id: WorkId, page: Page) -> Part: ...
