"""The output as a member of a cluster has it: where images go, where attempts write, and what a commit names."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeVar

from crawler.assembly import build_place
from crawler.cluster.commits import ROOT, Part
from crawler.cluster.shelf import FolderShelf, ObjectShelf, Shelf
from crawler.disk import Disk
from crawler.log.codec import skim
from crawler.settings import Settings
from crawler.sinks.folder import Parts
from crawler.sinks.replaced import PATH
from crawler.sinks.sink import Place, Replacing, Sink
from crawler.stop import StorageFailed
from crawler.within import leads_out

T = TypeVar("T")

SAMPLE = 8
"""So many objects of a commit are asked for: in a store each is a request, and a store has what it said it has."""
_DRAFT = re.compile(r"[A-Za-z0-9_-]+\.e[0-9]+\.[0-9a-f]+\.jsonl")


class Missing(Exception):
    """What a commit names is not there, or not as it says."""


class Output:
    """The output of `settings`. Logs are written under `home`, which of a folder is the folder itself, seen by all; of
    an object store they are uploaded before they are named.

    Raises ConfigError; every verb raises StorageFailed.
    """

    def __init__(self, settings: Settings, disk: Disk) -> None:
        output = settings.output
        self.home = output.home
        self.disk = disk
        self.place: Place = build_place(settings, disk)
        self._objects = None
        self.shelf: Shelf = FolderShelf(self.home / ROOT, disk)
        if output.remote:
            from crawler.store.objects import Objects  # with a library of an extra

            self._objects = Objects.at(output.remote)
            self.shelf = ObjectShelf(self._objects, ROOT)
        self._sink: Sink | None = None

    @property
    def shared(self) -> bool:
        """Whether all members see each other's logs before these are committed."""
        return self._objects is None

    # -- a worker's --------------------------------------------------------------------------------

    def log_path(self, round: str, name: str) -> Path:
        """Where the attempt `name` writes its log."""
        return self.home / ROOT / round / "logs" / f"{name}.jsonl"

    def sink(self, round: str, name: str, threads: Executor) -> Sink:
        """Where the images of the attempt `name` go: parts of its own, the names of all."""
        if self._sink is None:
            self._sink = self.place.sink(threads)
        assert isinstance(self._sink, Parts)
        return self._sink.apart(self._parts(round, name))

    def reopen(self) -> None:
        """What failed, failed for a reason that is none any more."""
        self._sink = None

    def replacing(self) -> Replacing:
        """See `sinks.sink.Place`."""
        return self.place.replacing()

    async def publish(self, round: str, name: str, lines: int) -> Part:
        """The whole log of an attempt, durable, as a commit names it."""
        path = self.log_path(round, name)
        size, digest = await self._ask(lambda: _measure(path))
        key = f"{round}/logs/{name}.jsonl"
        if self._objects is not None:
            await self._objects.upload(f"{ROOT}/{key}", path)
        return Part(key, size, digest, lines)

    async def drafts(self, round: str, shard: str) -> bytes:
        """The whole lines of the best log that an earlier attempt at a shard left, as far as it can be seen here."""
        return await self._ask(lambda: self._best(round, shard))

    async def clear(self, round: str, name: str) -> None:
        """Remove the parts of an attempt that is over."""
        await self._ask(lambda: shutil.rmtree(self._parts(round, name), ignore_errors=True))

    async def forget(self, rounds: Sequence[str]) -> None:
        """Remove what attempts left on this machine, but for those of `rounds`."""

        def remove() -> None:
            folder = self.home / ROOT
            if folder.is_dir() and not self.shared:
                for entry in os.scandir(folder):
                    if entry.name not in rounds and entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)

        await self._ask(remove)

    # -- the driver's ------------------------------------------------------------------------------

    async def read(self, part: Part) -> bytes:
        """The lines that a commit names. Raises Missing."""
        if leads_out(part.key):
            raise Missing(f"{part.key}: leads out of the output")
        if self._objects is None:
            data = await self._ask(lambda: _beginning(self.home / ROOT / part.key, part.bytes))
        else:
            data = await self._objects.get(f"{ROOT}/{part.key}")
        if data is None:
            raise Missing(f"{part.key}: is not there")
        data = data[: part.bytes]
        if len(data) != part.bytes or hashlib.sha256(data).hexdigest() != part.sha256:
            raise Missing(f"{part.key}: is not what was committed")
        if data.count(b"\n") != part.lines or (data and not data.endswith(b"\n")):
            raise Missing(f"{part.key}: has another number of lines than was committed")
        return data

    async def check(self, files: Sequence[tuple[str, int]]) -> None:
        """Look that files (path, bytes) are there with their size; of an object store, at some of them. Raises
        Missing."""
        odd = next((path for path, _ in files if not PATH.fullmatch(path)), None)
        if odd is not None:
            raise Missing(f"{odd[:200]}: is no path of an image")
        if self._objects is None:
            wrong = await self._ask(lambda: next(_wrong(f"{self.home}/", files), None))
        else:
            step = max(1, len(files) // SAMPLE)
            wrong = await self._ask(lambda: next(self._wrong_objects(files[::step]), None))
        if wrong is not None:
            raise Missing(f"{wrong}: is not there as its line says")

    async def salvage(self, round: str, shard: str, epoch: int) -> tuple[tuple[Part, ...], dict[str, int]]:
        """What can be kept of attempts that will commit nothing any more: the facts of the best log, which are true.
        `epoch`: of the last one; 0: there was none."""
        found = await self._ask(lambda: self._best(round, shard)) if epoch else b""
        if not found:
            return (), {}
        name = f"{shard}.e0.{hashlib.sha256(found).hexdigest()[:12]}"
        path = self.log_path(round, name)
        await self._ask(lambda: _put(self.disk, path, found))
        return (await self.publish(round, name, found.count(b"\n")),), {}

    # -- in a thread -------------------------------------------------------------------------------

    async def _ask(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise StorageFailed(
                f"{error.filename or self.home}: {error.strerror or error}. Stopping now; what is committed is safe. "
                "Look at the disk, then run the same command again."
            ) from error

    def _parts(self, round: str, name: str) -> Path:
        return self.home / ROOT / round / "parts" / name

    def _best(self, round: str, shard: str) -> bytes:
        """The longest valid beginning among the logs of a shard."""
        best = b""
        try:
            names = os.listdir(self.home / ROOT / round / "logs")
        except FileNotFoundError:
            return best
        for name in names:
            if not name.startswith(f"{shard}.") or not _DRAFT.fullmatch(name):
                continue
            data = _beginning(self.home / ROOT / round / "logs" / name, -1) or b""
            data = valid(data)
            if len(data) > len(best):
                best = data
        return best

    def _wrong_objects(self, files: Iterable[tuple[str, int]]) -> Iterator[str]:
        assert self._objects is not None
        for path, size in files:
            try:
                if self._objects.size_now(path) == size:
                    continue
            except FileNotFoundError:
                pass
            yield path


def valid(data: bytes) -> bytes:
    """The lines at the beginning of a log that are whole and in order."""
    good, last = 0, dict[str, int]()
    for raw in data.splitlines(keepends=True):
        line = skim(raw[:-1]) if raw.endswith(b"\n") else None
        if line is None or line.seq != last.get(line.log, 0) + 1:
            break
        last[line.log] = line.seq
        good += len(raw)
    return data[:good]


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def _beginning(path: Path, size: int) -> bytes | None:
    """The first bytes of a file (-1: all), None where there is none."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(file, "rb") as stream:
        return stream.read(size)


def _put(disk: Disk, path: Path, data: bytes) -> None:
    file = disk.fresh(path)  # it may be another file's second name
    try:
        disk.write(file, data)
        disk.sync(file)
    finally:
        disk.close(file)
    disk.sync_folder(path.parent)


def _wrong(below: str, files: Iterable[tuple[str, int]]) -> Iterator[str]:
    for path, size in files:
        try:
            if os.lstat(below + path).st_size == size:
                continue
        except FileNotFoundError:
            pass
        yield path
