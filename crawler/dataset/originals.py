"""Reads a crawl's files straight into memory that is there already, and holds them against their lines in the log."""

from __future__ import annotations

import errno
import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import Literal

from crawler.within import leads_out

FOLDERS = 64
"""Folders that are kept open: a process may have 256 files and more."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a pipe under a file's name must not make us wait.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_NAMES = frozenset(("", ".", ".."))
_DEEP = 8
"""No crawl has folders in so many others."""
Unsound = Literal["missing", "changed", "unreadable"]


class Originals:
    """The files below `directory`; as with `within.opened` none is reached through a link. Closes with `with`.

    Folders stay open, up to `folders` of them: on the way to a small file they cost more than the file.
    """

    def __init__(self, directory: Path, folders: int = FOLDERS) -> None:
        self._most = folders
        self._root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: dict[str, int] = {}

    def __enter__(self) -> Originals:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        os.close(self._root)

    def open(self, path: str, size: int) -> int | Unsound:
        """A descriptor of the file at `path`, if it is one of `size` bytes in images/."""
        folder, _, name = path.rpartition("/")
        try:
            inside = self._open.get(folder)
            if inside is None:
                inside = self._reach(folder)
            if name in _NO_NAMES or "\0" in name:
                raise FileNotFoundError(errno.ENOENT, "not in the folder", path)
            file = os.open(name, _FILE, dir_fd=inside)
        except (FileNotFoundError, NotADirectoryError):
            return "missing"
        except OSError:
            return "unreadable"
        found = os.fstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_size == size:
            return file
        os.close(file)
        return "changed" if stat.S_ISREG(found.st_mode) else "unreadable"

    def _reach(self, path: str) -> int:
        """A descriptor of a folder. Raises OSError; FileNotFoundError where the path leads out of images/."""
        if path == "images":
            return self._kept(path, os.open(path, _FOLDER, dir_fd=self._root))
        if leads_out(path) or not path.startswith("images/") or path.count("/") > _DEEP:
            raise FileNotFoundError(errno.ENOENT, "not in images/", path)
        above, _, name = path.rpartition("/")
        inside = self._open.get(above)
        return self._kept(path, os.open(name, _FOLDER, dir_fd=self._reach(above) if inside is None else inside))

    def _kept(self, path: str, folder: int) -> int:
        if len(self._open) >= self._most:
            os.close(self._open.pop(next(iter(self._open))))
        self._open[path] = folder
        return folder

    def _close(self) -> None:
        for folder in self._open.values():
            os.close(folder)
        self._open.clear()


def read_into(file: int, room: memoryview, digest: str) -> Unsound | None:
    """Fill `room` from a descriptor, which is closed; why, if that is not what has this SHA-256."""
    try:
        got = os.readv(file, [room])
        while 0 < got < len(room) and (more := os.readv(file, [room[got:]])):
            got += more
    except OSError:
        return "unreadable"
    finally:
        os.close(file)
    return None if got == len(room) and sha256(room).hexdigest() == digest else "changed"
