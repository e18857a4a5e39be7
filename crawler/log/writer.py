"""Writes a log: one process at a time, many lines a commit, and what was committed survives a power cut.

`note` gives a line its place and takes it into `state` at once; `commit` makes everything noted so far durable with
one write and one fsync. Write and fsync go to a thread of the log's own together: one hop a commit is cheaper than
aiofiles' one a call, and a single thread keeps commits in order and never queues behind the images of others.

After a write or fsync that failed, nothing is known of what the disk holds, and a repeated fsync may lie: the log is
poisoned and every later call raises. The next process reads from the disk what is really there.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from crawler.disk import Disk
from crawler.events import Described, Event, Line, Stored
from crawler.log import files, snapshot
from crawler.log.blocks import alone
from crawler.log.codec import decode, encode
from crawler.log.reader import fold
from crawler.log.settings import LogSettings
from crawler.rules.block import Block
from crawler.rules.frozen import Frozen
from crawler.rules.replay import State
from crawler.stop import StorageFailed
from crawler.within import own_bytes

T = TypeVar("T")
_Keep = tuple[Frozen, int, dict[str, int]]
"""A snapshot to be written: the state, the offset that it stands for, and the last `seq` of each log there."""

ROOM_BYTES = 4 << 20
"""With more than this buffered, `room` waits."""
SNAPSHOT_BYTES = 32 << 20
"""How much is appended between two snapshots, at least; and at least four times what a snapshot takes."""


@dataclass(slots=True)
class _Opened:
    """An open log on disk."""

    path: Path
    private: Path
    lock: int
    file: int
    size: int
    id: str
    seq: int
    state: State
    warnings: list[str]
    last: dict[str, int]
    snapshot_at: int
    scratch: bool = False


class Log:
    """The log of one folder, open for writing. Made by `Log.open`; `close` gives the folder free."""

    def __init__(self, opened: _Opened, settings: LogSettings, threads: ThreadPoolExecutor, disk: Disk) -> None:
        self.id = opened.id
        self.next_seq = opened.seq + 1
        self.state = opened.state
        self.warnings = opened.warnings
        self.nearly_full = False
        self.clock: Callable[[], float] = time.time
        self.committed: Callable[[Sequence[Event]], None] | None = None
        """Told, in the log's order, of events that have become durable; None: nobody listens."""
        self._told: list[Event] = []
        self._path = opened.path
        self._private = opened.private
        self._lock_file = opened.lock
        self._file = opened.file
        self._size = opened.size
        self._commit_s = settings.commit_ms / 1000
        self._disk = disk
        self._threads = threads
        self._buffer: list[bytes] = []
        self._waiting = 0
        self._committing = asyncio.Lock()
        self._ms, self._t = -1, ""
        self._second: int = -1
        self._stamp = ""
        self._poison: str | None = None
        self._closed = False
        self._last = opened.last
        self._snapshot_at = opened.snapshot_at
        self._snapshot_every = SNAPSHOT_BYTES
        self._scratch = opened.scratch

    @classmethod
    async def open(cls, directory: Path, settings: LogSettings, disk: Disk) -> Log:
        """Take the folder, heal a torn tail, and fold what is there. A disk that does not sync is durability `none`.

        Raises InUse, LogDamaged and StorageFailed.
        """
        return await cls._opened(lambda: _open(directory, disk), settings, disk)

    @classmethod
    async def scratch(cls, path: Path, settings: LogSettings, disk: Disk, begin: bytes = b"") -> Log:
        """A new log of one writer, on its way into another one: no lock, no reserve, no snapshots. `begin`: whole lines
        of logs that it goes on from. Raises StorageFailed, also where there is a file.
        """
        return await cls._opened(lambda: _open_scratch(path, disk, begin), settings, disk)

    @classmethod
    async def _opened(cls, open_: Callable[[], _Opened], settings: LogSettings, disk: Disk) -> Log:
        threads = ThreadPoolExecutor(1, thread_name_prefix="log")
        opening = asyncio.get_running_loop().run_in_executor(threads, open_)
        try:
            opened = await _finish(opening)
        except BaseException:
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                _release(opening.result().file, opening.result().lock)
            threads.shutdown(wait=False)
            raise
        return cls(opened, settings, threads, disk)

    def note(self, event: Event) -> int:
        """Give an event its line and take it into `state`; durable after the next commit. Gives its `seq`.

        Never waits. Raises StorageFailed when the log is poisoned.
        """
        if self._poison is not None:
            self._check()
        log, seq = self.id, self.next_seq
        ms = int(self.clock() * 1000)
        t = self._t if ms == self._ms else self._tell(ms)
        raw = encode(log, seq, t, event)
        self.next_seq = seq + 1
        self._buffer.append(raw)
        if self.committed is not None:
            self._told.append(event)
        self._waiting += len(raw)
        if type(event) is Stored:
            self.state.stored((t, log, seq), event.id, event.page, event.bytes, event.quality)
        elif type(event) is Described:
            self.state.described((t, log, seq), event.id, event.images)
        else:
            self.state.apply(Line(log, seq, t, event))
        return seq

    def last_of(self, log: str) -> int:
        """The last `seq` of another log that is in this one; 0: it has none of its lines."""
        return self._last.get(log, 0)

    def merge(self, block: Block) -> Iterator[Block]:
        """Take in lines of other logs as they are; gives, as it goes, what is not in here already.

        Of each log the lines come in order, none left out. Raises ValueError for what is none of that (what was given
        before that is in here), and StorageFailed when the log is poisoned.
        """
        self._check()
        if self.id in block.logs:
            raise ValueError("bytes that are no line of another log")
        if block.follows(self._last):
            self._last.update(zip(block.logs, block.seqs, strict=True))
            self._buffer.append(b"%b\n" % b"\n".join(block.raws))
            self._waiting += len(self._buffer[-1])
            if self.committed is not None:
                lines = map(decode, block.raws)
                self._told += [line.event for line in lines if line is not None and line.event is not None]
            self.state.take(block)
            yield block
        elif len(block.raws) > 1:
            for raw in block.raws:
                if (one := alone(raw)) is not None:
                    yield from self.merge(one)
        elif block.seqs[0] > (last := self.last_of(log := block.logs[0])):
            raise ValueError(f"line {last + 1} of log {log} is missing before line {block.seqs[0]}")

    def _tell(self, ms: int) -> str:
        """A time (UTC milliseconds) as lines have it; many have the same."""
        second = ms // 1000
        if second != self._second:
            self._second, self._stamp = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        self._ms, self._t = ms, f"{self._stamp}.{ms % 1000:03}Z"
        return self._t

    async def commit(self) -> None:
        """Make durable what was noted before; waits for a commit under way. Raises StorageFailed.

        Cancelled in the middle, it first lets the write end.
        """
        async with self._committing:
            self._check()
            if not self._buffer:
                return
            data = b"".join(self._buffer)
            self._buffer = []
            told, self._told = self._told, []
            keep = self._snapshot(self._size + len(data), self._snapshot_every)
            writing = asyncio.get_running_loop().run_in_executor(self._threads, self._write, data, keep)
            try:
                await _finish(writing)
            finally:  # also of a write whose caller was cancelled meanwhile
                self._waiting -= len(data)
                if told and self.committed and _succeeded(writing):
                    self.committed(told)

    async def run(self) -> None:
        """Commit every `log.commit_ms`, until cancelled. Raises StorageFailed, also when the disk is nearly full."""
        while True:
            await asyncio.sleep(self._commit_s)
            await self.commit()
            if self.nearly_full:
                raise StorageFailed(
                    f"{self._path}: the disk is full. All lines are safe, and there is room for the last ones. "
                    "Make room and run the same command again: it goes on where it stopped."
                )

    @property
    def crowded(self) -> bool:
        """Whether `room` would have anything to wait for, or to raise."""
        return self._waiting > ROOM_BYTES or self._poison is not None

    async def room(self) -> None:
        """Wait while more is buffered than a slow disk should be given at once. Raises StorageFailed."""
        self._check()
        while self._waiting > ROOM_BYTES:
            await self.commit()

    async def close(self) -> None:
        """Commit, unless poisoned, and give the folder free. Raises StorageFailed. Closed twice is closed once."""
        if self._closed:
            return
        try:
            if self._poison is None:
                await self.commit()
        finally:
            sound = self._poison is None and not self._buffer
            keep = self._snapshot(self._size, 1) if sound else None
            self._closed = True
            self._poison = self._poison or f"{self._path}: the log is closed"
            releasing = asyncio.get_running_loop().run_in_executor(self._threads, self._leave, keep)
            try:
                await _finish(releasing)
            finally:
                self._threads.shutdown(wait=False)

    def _check(self) -> None:
        if self._poison is not None:
            raise StorageFailed(self._poison)

    def _snapshot(self, offset: int, every: int) -> _Keep | None:
        """The state now, which is that of the log's first `offset` bytes, if a snapshot of it is due."""
        if self._scratch or offset - self._snapshot_at < every or self.nearly_full:
            return None
        with files.no_collection():
            frozen = self.state.freeze()
        return None if frozen is None else (frozen, offset, self._last | {self.id: self.next_seq - 1})

    def _keep(self, frozen: Frozen, offset: int, last: dict[str, int]) -> None:
        """In the log's thread, once what it stands for is durable: replace the snapshot, if there is room for one."""
        self._snapshot_at = offset  # also where it fails, or every commit would try again
        with suppress(OSError), files.no_collection():
            size = snapshot.save(self._disk, self._path, frozen, offset, last)
            self._snapshot_every = max(SNAPSHOT_BYTES, 4 * size)

    def _leave(self, keep: _Keep | None) -> None:
        """In the log's thread, after any write that is still under way: a last snapshot; the folder is free."""
        try:
            if keep is not None:
                self._keep(*keep)
        finally:
            _release(self._file, self._lock_file)

    def _write(self, data: bytes, keep: _Keep | None) -> None:
        """In the log's thread: one write, one fsync. Raises StorageFailed, and then never works again."""
        doing = "write"
        try:
            try:
                self._disk.write(self._file, data)
            except OSError as error:
                self._disk.truncate(self._file, self._size)
                if error.errno not in files.FULL or not files.drop_reserve(self._disk, self._private):
                    raise
                self.nearly_full = True
                self._disk.write(self._file, data)
            doing = "fsync"
            self._disk.sync(self._file)
            self._size += len(data)
        except OSError as error:
            self._poison = (
                f"{self._path}: {doing} failed: {error.strerror or error}. Nothing more is written: what was noted "
                "since the last commit is fetched again by the next run. Check the disk and its free space, then run "
                "the same command again."
            )
            if doing == "write":
                with suppress(OSError):
                    self._disk.truncate(self._file, self._size)
            raise StorageFailed(self._poison) from error
        if keep is not None:
            self._keep(*keep)


def _open(directory: Path, disk: Disk) -> _Opened:
    """In the log's thread: everything that `Log.open` does. Raises InUse, LogDamaged, StorageFailed."""
    try:
        private = files.make_folder(disk, directory)
        lock = files.lock(directory, private)
        file = -1
        try:
            path = directory / files.LOG
            own_bytes(path, private / "log.own")
            file = disk.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            opened = _read(_Opened(path, private, lock, file, 0, "", 0, State(), [], {}, 0), disk)
            disk.sync(file)  # what a killed process wrote and did not sync is built upon from here
            disk.sync_folder(directory)  # and so are the names that it made and did not sync
            files.make_reserve(disk, private)
            return opened
        except BaseException:
            _release(file, lock)
            raise
    except OSError as error:
        raise StorageFailed(
            f"{error.filename or directory}: the log cannot be opened: {error.strerror or error}. Nothing was asked of "
            "any site. Check that output.dir can be written and has room, then run the same command again."
        ) from error


def _open_scratch(path: Path, disk: Disk, begin: bytes) -> _Opened:
    """In the log's thread: everything that `Log.scratch` does. Raises LogDamaged, StorageFailed."""
    try:
        disk.make_folder(path.parent)
        file = disk.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL)
        try:
            if begin:
                disk.write(file, begin)
                disk.sync(file)
            disk.sync_folder(path.parent)
            opened = _read(_Opened(path, path.parent, -1, file, 0, "", 0, State(), [], {}, 0, scratch=True), disk)
            opened.id, opened.seq = secrets.token_hex(6), 0  # whose lines these are may write on elsewhere
            return opened
        except BaseException:
            os.close(file)
            raise
    except OSError as error:
        raise StorageFailed(
            f"{error.filename or path}: cannot be made: {error.strerror or error}. Check that output.dir can be "
            "written and has room, then run the same command again."
        ) from error


def _read(opened: _Opened, disk: Disk) -> _Opened:
    """Fold the log, heal its tail, and find the place of the next line. Raises LogDamaged, OSError."""
    path = opened.path
    lines = fold(path)
    opened.state, opened.last, opened.snapshot_at = lines.state, lines.last, lines.start
    if lines.good < lines.end:
        aside = files.keep_tail(disk, path, lines.good, opened.private)
        disk.truncate(opened.file, lines.good)
        opened.warnings.append(
            f"{path}: ended in the middle of a line, as after a crash; {lines.end - lines.good} bytes from byte "
            f"{lines.good} on were cut off and are kept in {aside}"
        )
    elif lines.open_ended:
        disk.write(opened.file, b"\n")
    opened.size = os.fstat(opened.file).st_size
    # A file joined from several logs goes on under a name of its own: theirs may be written elsewhere still.
    opened.id = next(iter(lines.last)) if len(lines.last) == 1 else secrets.token_hex(6)
    opened.seq = lines.last.get(opened.id, 0)
    return opened


def _release(file: int, lock: int) -> None:
    for descriptor in (file, lock):
        if descriptor >= 0:
            os.close(descriptor)


def _succeeded(future: asyncio.Future[None]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


async def _finish(future: asyncio.Future[T]) -> T:
    """The result of work in a thread, which cannot be stopped: a cancellation waits for its end and is raised then."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # seen; a poisoned log tells it to the next caller
        raise cancelled
    return future.result()
