"""Reads the files of a data set in order and ahead of time, each held against its line in the log.

Threads read and hash (both let go of the interpreter); decoding has processes, one a core. However large the data
set, what is under way is bounded in number and in bytes. What is not as the log says comes back as a value.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from crawler import within
from crawler.dataset.derive import Derived, Recipe, Undecodable, derive, prepare_worker
from crawler.dataset.workers import LIMIT_S, ends_after, spawning
from crawler.store.address import is_address
from crawler.store.mirror import images_of

if TYPE_CHECKING:
    from crawler.store.objects import Objects

Need = Literal["bytes", "check", "presence"]
"""The bytes themselves; only whether they are as the log says; only whether a file of the right size is there."""
Why = Literal["missing", "changed", "unreadable", "undecodable", "not_a_picture"]
BATCH_FILES = 64
FETCHERS = 32
"""Threads that read from an object store: they wait for it, not for a core."""
BATCH_BYTES = 8 << 20
AHEAD_BYTES = 96 << 20
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as its `stored` line has it."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Traced:
    """In a recipe's place: not the picture is wanted but its lines, packed (crawler/likeness/lines.py)."""


@dataclass(frozen=True, slots=True)
class Body:
    """A file that is as the log says. `data`: its bytes or, resized, those of `derived`; None where not needed."""

    data: bytes | None = None
    derived: Derived | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A file that cannot be exported, and why."""

    why: Why


Got = Body | Left
_Files = tuple[Wanted, ...]


class _Task(NamedTuple):
    jobs: list[tuple[Any, _Files]]
    size: int
    future: Future[list[list[Got]]]


class Bodies:
    """Gives the files of the crawl whose log is in `directory`, in the order asked for. For one caller; closes with
    `with`. Where the images are in an object store, StorageFailed is raised when that fails."""

    def __init__(self, directory: Path, need: Need, recipe: Recipe | Traced | None = None, jobs: int = 0) -> None:
        cores = jobs or os.cpu_count() or 1
        self._derives = recipe is not None
        address = images_of(directory)
        self._workers = cores if self._derives else FETCHERS if address else 2 * cores
        self._inline = need == "presence" and recipe is None and not address
        self._fetches = bool(address)
        root = address or str(directory)
        work = _read_all if recipe is None else partial(_derive_all, LIMIT_S)
        self._work: Callable[[list[_Files]], list[list[Got]]] = partial(work, root, need, recipe)
        self._pool: Executor | None = None
        self._running: deque[_Task] = deque()
        self._ahead = 0

    def __enter__(self) -> Bodies:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def load(self, jobs: Iterable[tuple[T, Sequence[Wanted]]]) -> Iterator[tuple[T, list[Got]]]:
        """Each job with what became of its files, in order."""
        batch: list[tuple[Any, _Files]] = []
        size = 0
        for tag, files in jobs:
            batch.append((tag, tuple(files)))
            size += sum(file.bytes for file in files)
            if len(batch) < (4 if self._derives else BATCH_FILES) and size < BATCH_BYTES:
                continue
            yield from self._give(batch, size)
            batch, size = [], 0
        if batch:
            yield from self._give(batch, size)
        while self._running:
            yield from self._take()

    def _give(self, batch: list[tuple[Any, _Files]], size: int) -> Iterator[tuple[Any, list[Got]]]:
        if self._inline:
            yield from zip((tag for tag, _ in batch), self._work([files for _, files in batch]), strict=True)
            return
        while self._running and (len(self._running) >= 3 * self._workers or self._ahead + size > AHEAD_BYTES):
            yield from self._take()
        self._ahead += size
        self._running.append(_Task(batch, size, self._submit(batch)))

    def _take(self) -> Iterator[tuple[Any, list[Got]]]:
        task = self._running.popleft()
        try:
            got = task.future.result()
        except BrokenProcessPool:
            got = self._one_by_one(task)
        self._ahead -= task.size
        yield from zip((tag for tag, _ in task.jobs), got, strict=True)

    def _submit(self, batch: list[tuple[Any, _Files]]) -> Future[list[list[Got]]]:
        if self._pool is None:
            self._pool = self._new_pool()
        try:
            return self._pool.submit(self._work, [files for _, files in batch])
        except BrokenProcessPool as error:
            failed: Future[list[list[Got]]] = Future()
            failed.set_exception(error)
            return failed

    def _new_pool(self, workers: int = 0) -> Executor:
        workers = workers or self._workers
        if not self._derives:
            return ThreadPoolExecutor(workers, thread_name_prefix="export")
        context = spawning(fetching=self._fetches)
        return ProcessPoolExecutor(workers, mp_context=context, initializer=prepare_worker)

    def _one_by_one(self, task: _Task) -> list[list[Got]]:
        """A worker died on some file: find it, and go on without it. What else was under way is asked for again."""
        results: list[list[Got]] = []
        for _, files in task.jobs:
            got: list[Got] = []
            for file in files:
                with self._new_pool(1) as pool:
                    try:
                        got += pool.submit(self._work, [(file,)]).result()[0]
                    except BrokenProcessPool:
                        got.append(Left("undecodable"))
            results.append(got)
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None
        self._running = deque(t if _sound(t.future) else t._replace(future=self._submit(t.jobs)) for t in self._running)
        return results


def _sound(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _read_all(directory: str, need: Need, recipe: Recipe | Traced | None, batch: list[_Files]) -> list[list[Got]]:
    return [[read(directory, file, need, recipe) for file in files] for files in batch]


def _derive_all(
    limit_s: float, directory: str, need: Need, recipe: Recipe | Traced | None, batch: list[_Files]
) -> list[list[Got]]:
    """In a worker: a picture that takes longer ends it."""
    got: list[list[Got]] = []
    for files in batch:
        got.append([])
        for file in files:
            with ends_after(limit_s):
                got[-1].append(read(directory, file, need, recipe))
    return got


def read(directory: str, file: Wanted, need: Need, recipe: Recipe | Traced | None = None) -> Got:
    """A file, held against its line in the log, resized or traced if a recipe says so. Blocking."""
    if not file.path.startswith("images/") or within.leads_out(file.path):
        return Left("missing")  # the log of a crawl names no place outside images/
    if recipe is not None and file.path.endswith(".zip"):
        return Left("not_a_picture")
    try:
        wanted = need if recipe is None else "bytes"
        if is_address(directory):
            data, need = _fetched(directory, file, wanted), "bytes"  # fetched is fetched, whoever only wanted a check
        else:
            data = _bytes(directory, file, wanted)
    except (FileNotFoundError, NotADirectoryError):
        return Left("missing")
    except OSError:
        return Left("unreadable")
    if data is None:
        return Left("changed")
    if recipe is None:
        return Body(data if need == "bytes" else None)
    if isinstance(recipe, Traced):
        return _traced(data)
    try:
        resized, derived = derive(data, recipe)
    except Undecodable:
        return Left("undecodable")
    return Body(resized if need == "bytes" else None, derived)


def _traced(data: bytes) -> Got:
    from crawler.likeness.read import Unreadable, lines_in

    try:
        return Body(lines_in(data).pack())
    except Unreadable:
        return Left("undecodable")


def _fetched(address: str, file: Wanted, need: Need) -> bytes | None:
    """As `_bytes`, of an object. Raises FileNotFoundError, StorageFailed."""
    objects = _store(address)
    if need == "presence":
        return b"" if objects.size_now(file.path) == file.bytes else None
    data = objects.get_now(file.path)
    if data is None:
        raise FileNotFoundError(file.path)
    return data if len(data) == file.bytes and hashlib.sha256(data).hexdigest() == file.sha256 else None


@lru_cache(1)
def _store(address: str) -> Objects:
    """One for each process of an export."""
    from crawler.store.objects import Objects  # with a library of an extra

    return Objects.at(address)


def _bytes(directory: str, file: Wanted, need: Need) -> bytes | None:
    """What the file holds (b"" where only its presence is asked for); None if it is not as the log says."""
    handle = within.opened(directory, file.path)
    try:
        if os.fstat(handle).st_size != file.bytes:
            return None
        if need == "presence":
            return b""
        if need == "check":
            with os.fdopen(os.dup(handle), "rb", buffering=0) as opened:
                return b"" if hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256 else None
        data = _whole(handle, file.bytes)
    finally:
        os.close(handle)
    return data if len(data) == file.bytes and hashlib.sha256(data).hexdigest() == file.sha256 else None


def _whole(handle: int, size: int) -> bytes:
    data = os.read(handle, size)
    if len(data) == size:
        return data
    parts = [data]
    while block := os.read(handle, size):
        parts.append(block)
    return b"".join(parts)
