"""Keeps what is read and written inside one folder, whatever a log, a manifest or a planted link says.

A data set, its log or an export may come from anybody: unpacked from an archive it can hold symbolic links, and its
lines can name any path. Below the folder that the user named nothing is reached through a link, and no path leads up.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import IO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def leads_out(path: str) -> bool:
    """Whether a path, as a log or a manifest has it, is anything but plain names below a folder."""
    return "\0" in path or any(part in ("", ".", "..") for part in path.split("/"))


def opened(directory: Path | str, path: str) -> int:
    """A descriptor, for reading, of a regular file in the folder that is reached through no symbolic link.

    Raises OSError; PermissionError for a path that leads elsewhere, and for what is no file.
    """
    if leads_out(path):
        raise PermissionError(errno.EACCES, "not in the folder", path)  # a log can be anybody's
    *folders, name = path.split("/")
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        # O_NONBLOCK: a pipe under a file's name must not make us wait.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise PermissionError(errno.EACCES, "is not a plain file", path)
    return file


def plain(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file; as the `opener` of `open`. Raises OSError for a link, and at once for a pipe or
    a device: nothing waits for what somebody put under the name of a file of ours.
    """
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise PermissionError(errno.EACCES, "is not a plain file", str(path))
    return file


def read(path: Path, most: int = 1 << 30) -> bytes:
    """What a file of ours holds. Raises OSError, as `plain`, and for one that is larger than `most`."""
    with open(path, "rb", opener=plain) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, "is larger than anything that we write", str(path))
        return file.read()


def no_link(path: Path | str) -> None:
    """Raises OSError (ELOOP) where `path` is a symbolic link; what is not there is none."""
    if os.path.islink(path):
        raise OSError(errno.ELOOP, "is a symbolic link, and nothing below output.dir may be one", str(path))


def no_links(directory: Path, path: str) -> None:
    """Raises OSError where a folder on the way to `path`, below `directory`, is a symbolic link or `path` leads out."""
    if leads_out(path):
        raise PermissionError(errno.EACCES, "not in the folder", path)
    for end in range(1, path.count("/") + 1):
        no_link(directory / "/".join(path.split("/")[:end]))


def make_private(directory: Path) -> Path:
    """DIR/.crawl, made where it is missing. Raises OSError, also where it is a symbolic link."""
    private = directory / ".crawl"
    no_link(private)
    private.mkdir(parents=True, exist_ok=True)
    return private


def fresh(path: Path, mode: int = 0o666) -> IO[bytes]:
    """A new, empty file, opened for writing: whatever had the name before, a link too, loses it. Raises OSError."""
    path.unlink(missing_ok=True)
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode), "wb")


def own_bytes(path: Path, aside: Path) -> None:
    """Give a file that will be appended to, or cut off, bytes of its own where it has a second name (a hard link): who
    has the other name keeps what is there. Copied to `aside` first, durably. Raises OSError.
    """
    try:
        told = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(told.st_mode) or told.st_nlink < 2:
        return
    with open(path, "rb", opener=plain) as source, fresh(aside) as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
        os.fchmod(copy.fileno(), stat.S_IMODE(told.st_mode))
        copy.flush()
        os.fsync(copy.fileno())
    os.replace(aside, path)


def replace(path: Path, aside: Path, body: bytes) -> None:
    """Give `path` these bytes, written aside first. Raises OSError; then nothing is left aside."""
    try:
        with fresh(aside) as file:
            file.write(body)
        os.replace(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
