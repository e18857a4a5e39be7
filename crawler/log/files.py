"""The files around a log, step by step and blocking: folder, lock, reserve, torn tails kept aside, syncs."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event

from crawler.stop import Stop

LOG = "log.jsonl"
PRIVATE = ".crawl"
RESERVE_BYTES = 1 << 20
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_FULLSYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS: its fsync stops at the drive's cache, this does not."""


class InUse(Stop):
    """Another process writes to this folder."""

    code, reason = 2, "in_use"


def make_folder(directory: Path, *, sync: bool) -> Path:
    """DIR and DIR/.crawl, with parents; gives the latter. Raises OSError."""
    private = directory / PRIVATE
    missing = [path for path in (private, *private.parents) if not path.exists()]
    private.mkdir(parents=True, exist_ok=True)
    if sync:
        for path in missing:
            sync_folder(path.parent)
    return private


def lock(directory: Path, private: Path) -> int:
    """Take the folder for this process, until the returned descriptor is closed or the process dies.

    Raises InUse, OSError. The file stays: removing it would let two processes lock two files of one name.
    """
    path = private / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _take(descriptor)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        who = f" (process {holder})" if holder else ""
        raise InUse(
            f"{directory}: another crawler{who} is writing to this folder. Nothing was changed. Wait until it is done "
            "or stop it, or choose another output.dir."
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    with suppress(OSError):  # who holds the lock is a courtesy; on a full disk the lock alone does
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _take(descriptor: int) -> None:
    """`status` holds the lock, shared, for the moment of a look: that is waited out. Raises BlockingIOError."""
    for wait_s in (0.05, 0.05, 0.05, 0.05, None):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if wait_s is None:
                raise
            Event().wait(wait_s)


def keep_tail(path: Path, start: int, private: Path) -> Path:
    """Copy what `path` has from byte `start` on to .crawl/torn-<n>.bin, durably. Raises OSError."""
    return _copy(path, start, _unused(private, "torn-{}.bin"))


def keep_whole(path: Path, private: Path) -> Path:
    """Keep `path` as it is under .crawl/damaged-<n>.jsonl, durably. Raises OSError."""
    kept = _unused(private, "damaged-{}.jsonl")
    try:
        os.link(path, kept)
    except OSError:  # a file system without hard links
        return _copy(path, 0, kept)
    sync_folder(private)
    return kept


def _unused(folder: Path, pattern: str) -> Path:
    return next(path for number in count(1) if not (path := folder / pattern.format(number)).exists())


def _copy(path: Path, start: int, to: Path) -> Path:
    with path.open("rb") as source, to.open("xb") as copy:
        source.seek(start)
        while chunk := source.read(RESERVE_BYTES):
            copy.write(chunk)
        copy.flush()
        sync_file(copy.fileno())
    sync_folder(to.parent)
    return to


def make_reserve(private: Path) -> None:
    """A megabyte of ballast, dropped when the disk is full so that the last lines still fit. Best effort."""
    path = private / "reserve"
    with suppress(OSError):
        if path.stat().st_size >= RESERVE_BYTES:
            return
    try:
        with path.open("wb") as file:  # real bytes: a sparse file reserves nothing
            file.write(bytes(RESERVE_BYTES))
    except OSError:
        drop_reserve(private)


def drop_reserve(private: Path) -> bool:
    """Give the ballast back; whether there was any."""
    try:
        (private / "reserve").unlink()
    except OSError:
        return False
    return True


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; a short write goes on where it stopped. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_file(descriptor: int) -> None:
    """Make what was written to a file durable. Raises OSError; never to be repeated on the same file then."""
    if _FULLSYNC is not None:
        fcntl.fcntl(descriptor, _FULLSYNC)
    else:
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Make names made, changed or removed in a folder durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
