"""Makes samples of tars out of lines of the log: rows, headers, metadata and checked bytes, ready to be written.

Done in processes, one a core, that write into memory which all share: what remains for the one process that writes
shards is to hash and to write. A small export, or one with a single job, does the same without processes.
"""

from __future__ import annotations

import mmap
import os
import resource
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from crawler.dataset import tar
from crawler.dataset.columns import Facts, Row, facts_of, row_of
from crawler.dataset.lines import Lines, Ref
from crawler.dataset.originals import FOLDERS, Originals, read_into
from crawler.dataset.shards import Place, order
from crawler.dataset.workers import follow_parent, spawning

CHUNK_BYTES = 2 << 20
"""What is packed at once: little enough to be in the cores' memory still when it is hashed and written."""
CHUNK_FILES = 256
SLOT_BYTES = 16 << 20
"""Room for a chunk, or for an image that is larger; what does not fit is packed again in memory of its own."""
SLOTS_EACH = 3
"""Slots for each process: one in work, one waiting to be worked at, one waiting to be written."""
PROCESSES = 4
"""So many at most, if nothing else is said: more than one process can hash and write they do not make."""
WORTH_BYTES = 64 << 20
WORTH_FILES = 1500
"""From so much on processes are worth their start."""
ZEROS = bytes(tar.BLOCK)


class Packed(NamedTuple):
    """An image that was gone through. Its members lie at `start` to `end` of the room; or `why` it is left out.

    `where`: the filters leave it out; `finished`: a finished shard has it. Without `facts` it is none of the data set.
    """

    place: Place
    split: str
    start: int
    end: int
    why: str
    facts: Facts | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What packing needs to know, in any process. `done`: up to where each split is finished, as `order` has it."""

    directory: Path
    log: Path
    splits: tuple[tuple[str, float], ...]
    where: tuple[str, ...]
    done: Mapping[str, tuple[bool, Any, bool, Any]]


class Packer:
    """Packs images. Closes with `with`. Raises OSError."""

    def __init__(self, plan: Plan, folders: int = FOLDERS) -> None:
        self._plan = plan
        with ExitStack() as stack:
            self._lines = stack.enter_context(Lines(plan.log))
            self._files = stack.enter_context(Originals(plan.directory, folders))
            self._where: Any = None
            if plan.where:
                from crawler.dataset.where import Where

                self._where = Where(plan.where)
                stack.callback(self._where.close)
            self._stack = stack.pop_all()

    def __enter__(self) -> Packer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pack(self, refs: Sequence[Ref], room: memoryview) -> tuple[list[Packed], int]:
        """Pack images one after the other into `room`, as far as they fit; and how much the first that did not takes.

        Raises LogChanged, Refused (a filter cannot be evaluated).
        """
        out: list[Packed] = []
        at = 0
        for ref in refs:
            row = row_of(self._lines.item(ref.stored_at, ref.described_at), self._plan.splits)
            place = (row.id, row.page)
            if self._where is not None and not self._where(row.values):
                out.append(Packed(place, row.split, at, at, "where", None))
                continue
            facts = facts_of(row)
            done = self._plan.done.get(row.split)
            if done is not None and order(place) <= done:
                out.append(Packed(place, row.split, at, at, "finished", facts))
                continue
            end, why = self._put(row, room, at)
            if end > len(room):
                return out, end - at
            out.append(Packed(place, row.split, at, end, why, facts))
            at = end
        return out, 0

    def _put(self, row: Row, room: memoryview, at: int) -> tuple[int, str]:
        """Write the members of a row from `at` on, if there is room; where they end, or why there are none."""
        values = row.values
        size: int = values["bytes"]
        file = self._files.open(values["path"], size)
        if isinstance(file, str):
            return at, file
        told = orjson.dumps(values)
        head, tail = tar.header(f"{row.key}.{row.ext}", size), tar.header(f"{row.key}.json", len(told))
        start = at + len(head)
        second = start + size + -size % tar.BLOCK
        end = second + len(tail) + len(told) + -len(told) % tar.BLOCK
        if end > len(room):
            os.close(file)
            return end, ""
        why = read_into(file, room[start : start + size], values["sha256"])
        if why is not None:
            return at, why
        room[at:start] = head
        rest = b"".join((ZEROS[: -size % tar.BLOCK], tail, told, ZEROS[: -len(told) % tar.BLOCK]))
        room[start + size : end] = rest
        return end, ""


class Shared:
    """Memory that processes of one export share, in slots; it is nobody's any more when the last of them has ended."""

    def __init__(self, slots: int, file: Any = None) -> None:
        self.slots = slots
        self._file = _memory(slots * SLOT_BYTES) if file is None else file.detach()
        self._whole = mmap.mmap(self._file, slots * SLOT_BYTES)

    def __reduce__(self) -> Any:
        """To a process that is being started."""
        return Shared, (self.slots, DupFd(self._file))

    def slot(self, number: int) -> memoryview:
        """One slot's bytes."""
        return memoryview(self._whole)[number * SLOT_BYTES : (number + 1) * SLOT_BYTES]

    def close(self) -> None:
        """Give this process's share back."""
        with suppress(BufferError):  # an exception's traceback may still hold a view: then at the end of the process
            self._whole.close()
        os.close(self._file)


def _memory(size: int) -> int:
    """A descriptor of so many bytes that no name leads to."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("crawler-export")
    else:
        with tempfile.TemporaryFile() as opened:
            file = os.dup(opened.fileno())
    os.ftruncate(file, size)
    return file


_worker: tuple[Packer, Shared] | None = None
"""What a process of the pool works with."""


def _begin(plan: Plan, shared: Shared) -> None:
    global _worker  # noqa: PLW0603 - a pool's process has no other place
    follow_parent()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        soft = min(hard, 4096)
    _worker = Packer(plan, max(FOLDERS, soft // 2)), shared


def _work(refs: Sequence[Ref], slot: int) -> tuple[list[Packed], int]:
    assert _worker is not None
    packer, shared = _worker
    return packer.pack(refs, shared.slot(slot))


def processes(images: int, size: int, jobs: int) -> int:
    """How many processes so many images, of so many bytes altogether, are worth; 0: none."""
    if jobs == 1 or (images < WORTH_FILES and size < WORTH_BYTES):
        return 0
    cores = os.cpu_count() or 1
    return jobs or (min(cores, PROCESSES) if cores > 1 else 0)


class Packs:
    """Packs images in their order, ahead of who takes them. Closes with `with`.

    `processes` 0: in this one. Should one of them die, the rest is done in this one.
    """

    def __init__(self, plan: Plan, processes: int) -> None:
        self._own = Packer(plan)
        self._room = memoryview(bytearray(SLOT_BYTES))
        self._running: deque[tuple[Future[tuple[list[Packed], int]], int, Sequence[Ref]]] = deque()
        self._shared: Shared | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._free: list[int] = []
        self._starting: set[Future[tuple[list[Packed], int]]] = set()
        if processes:
            self._shared = Shared(processes * SLOTS_EACH)
            self._free = list(range(self._shared.slots))
            self._pool = ProcessPoolExecutor(processes, spawning(), _begin, (plan, self._shared))
            self._starting = {self._pool.submit(_work, (), 0) for _ in range(processes)}

    def __enter__(self) -> Packs:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._shared is not None:
            self._shared.close()
        self._own.__exit__()

    def load(self, refs: Iterable[Ref]) -> Iterator[tuple[list[Packed], memoryview]]:
        """What became of the images, some at a time, and the room where they lie, until the next are asked for."""
        for chunk in _chunks(refs):
            if self._pool is None or not self._started():
                yield from self._here(chunk)
                continue
            while not self._free:
                yield from self._take()
            slot = self._free.pop()
            self._running.append((self._submit(chunk, slot), slot, chunk))
        while self._running:
            yield from self._take()

    def _started(self) -> bool:
        """Whether a process is there to work; until then there is no reason to wait for one."""
        if self._starting and any(future.done() for future in self._starting):
            self._starting = set()
        return not self._starting

    def _submit(self, chunk: Sequence[Ref], slot: int) -> Future[tuple[list[Packed], int]]:
        assert self._pool is not None
        try:
            return self._pool.submit(_work, chunk, slot)
        except BrokenProcessPool as error:
            failed: Future[tuple[list[Packed], int]] = Future()
            failed.set_exception(error)
            return failed

    def _take(self) -> Iterator[tuple[list[Packed], memoryview]]:
        future, slot, chunk = self._running.popleft()
        try:
            packed, need = future.result()
        except BrokenProcessPool:
            yield from self._here(chunk)
        else:
            assert self._shared is not None
            if packed:
                yield packed, self._shared.slot(slot)
            if need:
                yield from self._here(chunk[len(packed) :])
        self._free.append(slot)

    def _here(self, refs: Sequence[Ref]) -> Iterator[tuple[list[Packed], memoryview]]:
        """In this process, with as much memory as the largest image takes."""
        while refs:
            packed, need = self._own.pack(refs, self._room)
            refs = refs[len(packed) :]
            if packed:
                yield packed, self._room
            elif need:
                self._room = memoryview(bytearray(need))


def _chunks(refs: Iterable[Ref]) -> Iterator[Sequence[Ref]]:
    chunk: list[Ref] = []
    size = 0
    for ref in refs:
        if chunk and (size + ref.bytes > CHUNK_BYTES or len(chunk) >= CHUNK_FILES):
            yield chunk
            chunk, size = [], 0
        chunk.append(ref)
        size += ref.bytes
    if chunk:
        yield chunk
