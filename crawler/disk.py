"""The steps by which bytes become durable, each one call of a `Disk`; blocking, raising OSError.

The log and the folder sink reach the disk through these only, so that a simulation can put a disk here that forgets
what was not synced, and a test can fail or kill at any step.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

_FULLSYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS: its fsync stops at the drive's cache, this does not."""

_PIECES = 512
"""Systems take 1,024 at once."""
_ALWAYS = os.O_NOFOLLOW | os.O_CLOEXEC

THREADS = 16
"""In so many threads a run calls a disk. Where an fsync takes 5 ms they store 2.3 times the images a second that the
loop's own six do on two cores; 32 are slower with 300 KB images where it is quick (scripts/bench/durability.py)."""


Name = Path | str
"""Where files are made by the thousand, a Path for each costs as much as the file."""


class Disk:
    """The machine's own disk. `sync` False (durability `none`) leaves out every sync."""

    def __init__(self, *, sync: bool = True) -> None:
        self.synced = sync

    def open(self, path: Name, flags: int) -> int:
        """A descriptor; never through a symbolic link at the end of `path`, never inherited."""
        return os.open(path, flags | _ALWAYS, 0o666)

    def fresh(self, path: Path) -> int:
        """A descriptor, for writing, of a new file: whatever had the name before, a link or a pipe too, loses it."""
        self.unlink(path)
        return self.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data` at the descriptor's place; a short write goes on where it stopped."""
        written = os.write(descriptor, data)
        if written < len(data):
            rest = memoryview(data)[written:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]

    def write_pieces(self, descriptor: int, pieces: Sequence[bytes]) -> None:
        """Write pieces one after the other, as `write`, without putting them together first."""
        written = os.writev(descriptor, pieces[:_PIECES]) if pieces else 0
        if written < sum(map(len, pieces)):
            self.write(descriptor, memoryview(b"".join(pieces))[written:])

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file to `size` bytes."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Make what was written to a file durable; after a failure never to be repeated on the same file."""
        if not self.synced:
            return
        if _FULLSYNC is not None:
            fcntl.fcntl(descriptor, _FULLSYNC)
        else:
            os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Give a descriptor back."""
        os.close(descriptor)

    def replace(self, source: Name, target: Name) -> None:
        """Give a file another name, atomically; durable after `sync_folder` of the target's folder."""
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name."""
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a name, if it is there."""
        path.unlink(missing_ok=True)

    def make_folder(self, path: Name) -> None:
        """Make a folder with its parents, durably."""
        try:
            os.mkdir(path)
        except (FileNotFoundError, FileExistsError):
            pass
        else:
            if self.synced:
                self.sync_folder(Path(path).parent)
            return
        path = Path(path)
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in reversed(missing):
            self.sync_folder(folder.parent)

    def sync_folder(self, path: Path) -> None:
        """Make names made, changed or removed in a folder durable."""
        if not self.synced:
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free_bytes(self, path: Path) -> int:
        """Bytes that an ordinary user may still write beside `path`."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize
