"""The log in an object store: pieces that never change, in order, each made by conditional create.

    <prefix>/log/00000001.jsonl   whole lines; all pieces joined are the log, or its beginning while a run is on
    <prefix>/log.jsonl            the whole log, for other tools; written anew at the end of each run

The log is written on a local disk, line by line and synced as always (`crawler.log`); what is durable there is
published as the next piece. So a machine that is lost takes with it what it stored since its last piece, and no more.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import orjson

from crawler.disk import Disk
from crawler.stop import StorageFailed
from crawler.store.lease import Lost
from crawler.store.objects import Found, Objects
from crawler.within import replace

FOLDER = "log"
LOG = "log.jsonl"
MOST_BYTES = 8 << 20
"""Of one piece; a log that has more to say says it in several."""
_KEY = re.compile(FOLDER + r"/([0-9]{8})\.jsonl")
_BLOCK = 1 << 20
_FETCHERS = 16


def key_of(number: int) -> str:
    """The key of a piece."""
    return f"{FOLDER}/{number:08d}.jsonl"


def ordered(listing: Sequence[Found], address: str, *, after: int = 0) -> list[Found]:
    """The pieces in order, none missing. Raises StorageFailed."""
    pieces = sorted((one for one in listing if _KEY.fullmatch(one.key)), key=lambda one: one.key)
    for number, piece in enumerate(pieces, after + 1):
        if piece.key != key_of(number):
            raise StorageFailed(
                f"{address}/{key_of(number)}: this piece of the log is missing, and later ones are there. Nothing was "
                "changed. Bring it back (an older version of the object, a copy of the bucket), then run again."
            )
    return pieces


class Published:
    """What of the log in `folder` the store has. `begin` comes first; `publish` whenever there may be more."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self._objects = objects
        self._log = folder / LOG
        self._mark = folder / ".crawl" / "published.json"
        self.pieces = 0
        self.bytes = 0

    async def begin(self) -> str:
        """Make the local log what was published, and what it has beyond that. "", or what is to be said about it.

        A local log with other lines than the published ones is kept aside: another machine went on from there. Raises
        StorageFailed.
        """
        pieces = ordered(await self._objects.listing(FOLDER), self._objects.address)
        known = _known(self._mark)
        if len(pieces) < known:
            raise StorageFailed(
                f"{self._objects.address}/{FOLDER}: holds {len(pieces)} pieces of the log, and held {known}. Nothing "
                f"was changed. Bring them back; or, to begin anew, remove {self._log.parent}."
            )
        self.pieces, self.bytes = len(pieces), sum(piece.bytes for piece in pieces)
        try:
            return await self._catch_up(pieces)
        except OSError as error:
            raise StorageFailed(
                f"{error.filename or self._log}: {error.strerror or error}. Nothing was asked."
            ) from error

    async def publish(self) -> None:
        """Send what the local log has beyond the published pieces, whole lines only. Raises Lost, StorageFailed.

        A publish that was cancelled may have sent its piece all the same: one with our own next lines is ours.
        """
        while data := await asyncio.to_thread(self._fresh):
            key = key_of(self.pieces + 1)
            if not await self._objects.create(key, data):
                there = await self._objects.get(key)
                if not there or not data.startswith(there):
                    raise Lost(
                        f"{self._objects.address}/{key}: another crawler has published this piece of the log: it took "
                        "over. Nothing more is written here."
                    )
                data = there
            self.pieces += 1
            self.bytes += len(data)
            await asyncio.to_thread(self._remember)

    async def publish_whole(self) -> None:
        """Put the whole log beside its pieces. Raises StorageFailed."""
        await self._objects.upload(LOG, self._log)

    def _fresh(self) -> bytes:
        try:
            with self._log.open("rb") as file:
                file.seek(self.bytes)
                data = file.read(MOST_BYTES)
                while data and b"\n" not in data and (more := file.read(MOST_BYTES)):
                    data += more  # a line longer than a piece
        except FileNotFoundError:
            return b""
        return data[: data.rfind(b"\n") + 1]

    def _remember(self) -> None:
        """Not synced: a mark that is too old makes one check weaker, once."""
        part = self._mark.with_name(f"{self._mark.name}.new")
        replace(self._mark, part, orjson.dumps({"pieces": self.pieces}))

    async def _catch_up(self, pieces: Sequence[Found]) -> str:
        disk = Disk()
        await asyncio.to_thread(disk.make_folder, self._mark.parent)
        size = self._log.stat().st_size if self._log.exists() else 0
        if not pieces:
            return ""
        last = await self._objects.get(pieces[-1].key)
        if last is not None and size >= self.bytes and await asyncio.to_thread(self._has, last):
            await asyncio.to_thread(self._remember)
            return ""
        fresh = self._mark.with_name(f"{LOG}.fetched")
        await asyncio.to_thread(fetch, self._objects, pieces, fresh)
        said = ""
        if size:
            begins = await asyncio.to_thread(_is_beginning, self._log, fresh)
            aside = None if begins else await asyncio.to_thread(_aside, self._log, disk)
            said = (
                f"{self._log}: went on from what another machine published ({len(pieces)} pieces)"
                if aside is None
                else f"{self._log}: another machine went on from what was published; the lines that only this one had "
                f"are kept in {aside}, and what they state is fetched again"
            )
        await asyncio.to_thread(_install, disk, fresh, self._log)
        await asyncio.to_thread(self._remember)
        return said

    def _has(self, last: bytes) -> bool:
        """Whether the last piece is where it should be in the local log; lines prove themselves, so that is enough."""
        with self._log.open("rb") as file:
            file.seek(self.bytes - len(last))
            return file.read(len(last)) == last


def fetch(objects: Objects, pieces: Sequence[Found], into: Path, *, append: bool = False) -> None:
    """Write pieces, joined, to a file, many fetched at a time. Blocking. Raises StorageFailed, OSError."""
    with (
        ThreadPoolExecutor(_FETCHERS, thread_name_prefix="log pieces") as threads,
        into.open("ab" if append else "wb") as file,
    ):
        for at in range(0, len(pieces), 4 * _FETCHERS):
            some = pieces[at : at + 4 * _FETCHERS]
            for piece, data in zip(some, threads.map(objects.get_now, [one.key for one in some]), strict=True):
                if data is None or len(data) != piece.bytes:
                    raise StorageFailed(f"{objects.address}/{piece.key}: gone, or changed while it was read")
                file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _known(mark: Path) -> int:
    try:
        return int(orjson.loads(mark.read_bytes())["pieces"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _is_beginning(short: Path, long: Path) -> bool:
    """Whether one file begins with all of another, but for an unfinished last line of that."""
    with short.open("rb") as a, long.open("rb") as b:
        while block := a.read(_BLOCK):
            other = b.read(len(block))
            if other != block:
                whole = block.rfind(b"\n") + 1
                return not a.read(1) and other[:whole] == block[:whole] and whole < len(block)
    return True


def _aside(log: Path, disk: Disk) -> Path:
    folder = log.parent / ".crawl"
    kept = next(path for n in count(1) if not (path := folder / f"unpublished-{n}.jsonl").exists())
    disk.replace(log, kept)
    disk.sync_folder(folder)
    return kept


def _install(disk: Disk, fresh: Path, log: Path) -> None:
    disk.replace(fresh, log)
    disk.sync_folder(log.parent)
