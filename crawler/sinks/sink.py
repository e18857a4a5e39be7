"""What the engine asks of a place for bytes: parts that are written, and names that appear whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
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

    begin: start anew with nothing. write: append. whole: begin and write at once, without waiting; False where that
    cannot be, and then nothing was done. pause: an attempt ended, what is
    written may be gone on from. keep: give it its final name, durably. leave: for another run. drop: forget it.
    """

    held: Held | None

    async def begin(self, url: str, validator: str) -> None: ...
    async def write(self, chunk: bytes) -> None: ...
    def whole(self, url: str, validator: str, body: bytes) -> bool: ...
    def pause(self) -> None: ...
    async def keep(self, ext: str) -> Kept: ...
    async def leave(self) -> None: ...
    async def drop(self) -> None: ...
    def reread(self) -> AsyncIterator[bytes]: ...


class Sink(Protocol):
    """Takes images."""

    async def part(self, id: WorkId, page: Page) -> Part: ...
    def free_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Pending:
    """A second name, `name`, of a file that is, or was, at `path`; `digest`: its SHA-256's first digits."""

    name: str
    path: str
    digest: str


class Replacing(Protocol):
    """Keeps the bytes that an edited work had, in two steps: see sinks.replaced. Blocks; raises what its place raises.

    keep: give each file (path, SHA-256) a second name, durably. pending: what was not settled. settle: finish, knowing
    which files standing lines name (path to SHA-256).
    """

    def keep(self, files: Iterable[tuple[str, str]]) -> None: ...
    def pending(self) -> Sequence[Pending]: ...
    def settle(self, pending: Iterable[Pending], claims: Mapping[str, str]) -> None: ...


class Place(Protocol):
    """Where a data set is: images somewhere, and a local folder `root` in which its log is written.

    take: before the log is opened; gives what is to be said to the user; raises Stop. sink, replacing: once it is
    taken. tend: chores, until cancelled; raises StorageFailed. finish: the last line is durable; raises StorageFailed.
    leave: at last, whatever happened; nobody waits for it in vain.
    """

    @property
    def root(self) -> Path: ...
    async def take(self) -> Sequence[str]: ...
    def sink(self, threads: Executor) -> Sink: ...
    def replacing(self) -> Replacing: ...
    async def tend(self) -> None: ...
    async def finish(self) -> None: ...
    async def leave(self) -> None: ...
