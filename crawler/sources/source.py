"""A list of ids as the engine takes it: counted in a first pass, streamed in a second, never held in memory."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import select
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from pyroaring import BitMap64

from crawler.model import Page, WorkId, bit_of
from crawler.sources.ids import Problem, escaped
from crawler.sources.lines import CHUNK, SourceError, Tally, read_lines
from crawler.sources.manifest import Choice, Named
from crawler.sources.reader import Entry, read_entries
from crawler.sources.settings import SourceSettings
from crawler.within import fresh

PROBLEMS = 20
"""How many malformed lines are kept to be shown; the others are only counted (design.md 1.1)."""


class Item(NamedTuple):
    """One thing to get. `url` only for a list of URLs."""

    id: WorkId
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Census:
    """What the first pass found. `well_formed` = `ids` + `duplicates` counts entries (a pair has two), `malformed` too.

    `digest`: SHA-256 hex over kind, columns and the bytes of the files. `bitmap` holds `bit_of` each id: read it only.
    Of a manifest, `images` different ones of `bytes` in all are named, and these are its entries; else both are 0.
    """

    ids: int
    well_formed: int
    duplicates: int
    malformed: int
    problems: tuple[Problem, ...]
    digest: str
    bitmap: BitMap64
    images: int = 0
    bytes: int = 0

    @property
    def hopeless(self) -> bool:
        """Nothing but malformed lines: a usage error (exit 2), where an empty list is none."""
        return self.malformed > 0 and self.well_formed == 0

    @property
    def more_problems(self) -> int:
        """How many malformed lines are not in `problems`."""
        return self.malformed - len(self.problems)


class Listing(Protocol):
    """Something to read works from: each once, as often as wanted. See Source."""

    def items(self) -> Iterator[Item]: ...


@dataclass(slots=True)
class _File:
    """A file of the list. `path` is what is read: the file itself, or the copy of a stream. `count` fills the rest."""

    name: str
    path: Path
    stream: int | str | None = None
    bytes: int = 0
    digest: bytes = b""


class _Seen:
    """The entries met so far."""

    def __init__(self, settings: SourceSettings) -> None:
        self.choice = Choice()
        self.ids = self.choice.ids
        # With a key column the same key may come with another URL: then its line is wrong, not a repeat.
        self._pairs = BitMap64() if settings.kind == "urls" and settings.key_column.strip() else None

    def take(self, entry: Entry) -> bool | Problem | None:
        """Whether the entry is a new id, None for another page of one; a Problem when it contradicts an earlier one."""
        if isinstance(entry, Named):
            found = self.choice.take(entry)
            return found if isinstance(found, Problem) else _NEWS[found]
        id, url = entry
        bit, ids = bit_of(id), self.ids
        new = bit not in ids
        if new:
            ids.add(bit)
        if self._pairs is not None:
            pair = bit_of(f"{id} {url}")
            if not new and pair not in self._pairs:
                return Problem(f"key {id} is already used for another URL", url or "")
            self._pairs.add(pair)
        return new


_NEWS = {"id": True, "page": None, "again": False}


class Source:
    """The list. First `count`, then `items`, as often as wanted."""

    def __init__(self, settings: SourceSettings, files: list[_File]) -> None:
        self._settings = settings
        self._files = files
        self._census: Census | None = None
        self._choice = Choice()

    async def count(self) -> Census:
        """Read the list once, in a thread: spools streams, counts, keeps the places of malformed lines.

        Raises SourceError. Cancelled, its thread ends after at most one chunk.
        """
        cancelled = threading.Event()
        try:
            self._census = await asyncio.to_thread(self._count, cancelled)
        finally:
            cancelled.set()
        return self._census

    def wants(self, id: WorkId, page: Page) -> bool:
        """Whether a manifest names this image; of other lists every image is wanted."""
        return self._settings.kind != "manifest" or (id, page) in self._choice

    def pages(self, id: WorkId) -> tuple[Page, ...] | None:
        """The pages of a work that a manifest names; None where every image is wanted."""
        if self._settings.kind != "manifest" or isinstance(id, str):
            return None
        return self._choice.pages(id)

    def items(self) -> Iterator[Item]:
        """Each counted id once, in reading order. Blocks for a read of the disk now and then.

        What is appended to a file after `count` is not seen. Raises SourceError when a file is no longer what was
        counted, at the latest at its end; whatever was given until then had been counted.
        """
        census = self._census
        if census is None:
            raise RuntimeError("count() comes before items()")
        left = census.bitmap.copy()
        for file in self._files:
            tally = Tally()
            for _, entry in self._read(file, tally, file.bytes):
                if not isinstance(entry, Problem) and (bit := bit_of(entry[0])) in left:
                    left.remove(bit)
                    yield Item(entry[0], entry[1])
            if tally.sha256.digest() != file.digest:
                raise SourceError(f"{file.name}: changed while it was in use; run again to take the list as it is now")

    def _read(self, file: _File, tally: Tally, limit: int | None) -> Iterator[tuple[int, Entry | Problem]]:
        try:
            with file.path.open("rb", buffering=0) as raw:
                yield from read_entries(read_lines(raw, file.name, tally, limit), file.name, self._settings)
        except OSError as error:
            raise _unreadable(file.name, error) from None

    def _count(self, cancelled: threading.Event) -> Census:
        def check() -> None:
            if cancelled.is_set():
                raise SourceError("reading the list was interrupted")

        seen = _Seen(self._settings)
        duplicates = malformed = 0
        problems: list[Problem] = []
        digest = hashlib.sha256(_meaning(self._settings))
        for file in self._files:
            tally = Tally(check)
            if file.stream is not None:
                _spool(file, check)
            for number, entry in self._read(file, tally, None):
                found = entry if isinstance(entry, Problem) else seen.take(entry)
                if found is False:
                    duplicates += 1
                elif isinstance(found, Problem):
                    malformed += 1
                    if len(problems) < PROBLEMS:
                        problems.append(replace(found, file=file.name, line=number))
            file.bytes, file.digest = tally.bytes, tally.sha256.digest()
            digest.update(file.digest)
        if malformed and self._settings.kind == "manifest":
            raise _no_manifest(problems, malformed)
        self._choice = seen.choice
        ids, images, size = len(seen.ids), seen.choice.images, seen.choice.bytes
        found = (ids, (images or ids) + duplicates, duplicates, malformed, tuple(problems), digest.hexdigest())
        return Census(*found, seen.ids, images, size)


def _no_manifest(problems: list[Problem], malformed: int) -> SourceError:
    """A list may have lines that are none; what was published as a whole may not."""
    more = malformed - len(problems)
    said = [*map(str, problems), *([f"... and {more:,} more"] if more else [])]
    return SourceError(
        "\n".join([*said, "This is not a whole manifest: fetch it anew; nothing was asked of any site."])
    )


def _meaning(settings: SourceSettings) -> bytes:
    """What, beside their bytes, decides what the files list."""
    return json.dumps([settings.kind, settings.column.strip(), settings.key_column.strip()]).encode()


def _spool(file: _File, check: Callable[[], None]) -> None:
    """Copy a stream to the file that both passes read; it appears whole or not at all."""
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        part = file.path.with_suffix(".part")
        source = file.stream if isinstance(file.stream, int) else os.open(str(file.stream), os.O_RDONLY)
        try:
            with fresh(part) as out:
                while chunk := _wait_and_read(source, check):
                    out.write(chunk)
        finally:
            if not isinstance(file.stream, int):
                os.close(source)
        part.replace(file.path)
    except OSError as error:
        raise _unreadable(file.name, error) from None


def _wait_and_read(source: int, check: Callable[[], None]) -> bytes:
    while True:
        check()
        if select.select([source], [], [], 0.2)[0]:
            return os.read(source, CHUNK)


def _unreadable(name: str, error: OSError) -> SourceError:
    return SourceError(f"{escaped(name)}: cannot be read: {error.strerror or error}")


def open_source(settings: SourceSettings, spool_dir: Path, *, stdin: int = 0) -> Source:
    """The source that the settings name; paths in them are absolute, or relative to where we stand.

    Streams (`-` is file descriptor `stdin`; pipes) are copied to `spool_dir` by `count`. Raises SourceError for a
    path that is missing, unreadable, a folder, or "-" twice.
    """
    paths = [settings.path] if isinstance(settings.path, str) else list(settings.path)
    if not any(paths):
        raise SourceError('source.path is not set: a file of ids, a list of files, or "-" for standard input')
    if paths.count("-") > 1:
        raise SourceError('source.path: "-" can be there only once')
    return Source(settings, [_file(path, spool_dir, stdin, at) for at, path in enumerate(paths)])


def _file(path: str, spool_dir: Path, stdin: int, at: int) -> _File:
    if path == "-":
        return _File("<stdin>", spool_dir / "stdin.txt", stream=stdin)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise SourceError(f"{escaped(path)}: no such file (source.path)") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise SourceError(f"{escaped(path)}: cannot be read: {error}") from None
    if stat.S_ISDIR(mode):
        raise SourceError(f"{escaped(path)}: is a folder, not a list (source.path)")
    if not os.access(path, os.R_OK):
        raise SourceError(f"{escaped(path)}: cannot be read: permission denied (source.path)")
    if stat.S_ISREG(mode):
        return _File(path, Path(path))
    return _File(path, spool_dir / f"stream-{at}.txt", stream=path)
