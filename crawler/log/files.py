"""What a log stands on, step by step and blocking: folder, lock, reserve, torn tails kept aside, memory."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Event

from crawler.disk import Disk
from crawler.stop import Stop
from crawler.within import no_link

LOG = "log.jsonl"
PRIVATE = ".crawl"
RESERVE_BYTES = 1 << 20
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def no_collection() -> Generator[None]:
    """While very many objects are made that all stay: to look for garbage among them takes longer than to make them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class InUse(Stop):
    """Another process writes to this folder."""

    code, reason = 2, "in_use"


def make_folder(disk: Disk, directory: Path) -> Path:
    """DIR and DIR/.crawl, with parents; gives the latter. Raises OSError, also where that is a symbolic link."""
    private = directory / PRIVATE
    no_link(private)
    disk.make_folder(private)
    return private


def lock(directory: Path, private: Path) -> int:
    """Take the folder for this process, until the returned descriptor is closed or the process dies.

    Raises InUse, OSError. The file stays: removing it would let two processes lock two files of one name.
    """
    path = private / "lock"
    # A link here would have us empty what it points at.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
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
    if os.fstat(descriptor).st_nlink > 1:
        return descriptor  # somebody's file has this name too: it locks as well, and is not written to
    with suppress(OSError):  # who holds the lock is a courtesy; on a full disk the lock alone does
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def is_busy(directory: Path) -> bool:
    """Whether a run holds the folder."""
    try:
        handle = os.open(directory / PRIVATE / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


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


def keep_tail(disk: Disk, path: Path, start: int, private: Path) -> Path:
    """Copy what `path` has from byte `start` on to .crawl/torn-<n>.bin, durably. Raises OSError."""
    return _copy(disk, path, start, _unused(private, "torn-{}.bin"))


def keep_whole(disk: Disk, path: Path, private: Path) -> Path:
    """Keep `path` as it is under .crawl/damaged-<n>.jsonl, durably. Raises OSError."""
    kept = _unused(private, "damaged-{}.jsonl")
    try:
        disk.link(path, kept)
    except OSError:  # a file system without hard links
        return _copy(disk, path, 0, kept)
    disk.sync_folder(private)
    return kept


def _unused(folder: Path, pattern: str) -> Path:
    return next(path for number in count(1) if not (path := folder / pattern.format(number)).exists())


def _copy(disk: Disk, path: Path, start: int, to: Path) -> Path:
    copy = disk.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        with path.open("rb") as source:
            source.seek(start)
            while chunk := source.read(RESERVE_BYTES):
                disk.write(copy, chunk)
        disk.sync(copy)
    finally:
        disk.close(copy)
    disk.sync_folder(to.parent)
    return to


def make_reserve(disk: Disk, private: Path) -> None:
    """A megabyte of ballast, dropped when the disk is full so that the last lines still fit. Best effort."""
    path = private / "reserve"
    with suppress(OSError):
        if path.stat().st_size >= RESERVE_BYTES:
            return
    try:
        file = disk.fresh(path)
        try:
            disk.write(file, bytes(RESERVE_BYTES))  # real bytes: a sparse file reserves nothing
        finally:
            disk.close(file)
    except OSError:
        drop_reserve(disk, private)


def drop_reserve(disk: Disk, private: Path) -> bool:
    """Give the ballast back; whether there was any."""
    if not (private / "reserve").exists():
        return False
    try:
        disk.unlink(private / "reserve")
    except OSError:
        return False
    return True
