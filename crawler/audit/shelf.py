"""What an audit asks of the place where the images are: what is there, and whether a file is as its line says."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from crawler.audit.findings import Finding, Standing
from crawler.log.files import is_busy
from crawler.store.mirror import busy_there, images_of
from crawler.within import leads_out, no_links, opened


class Shelf(Protocol):
    """A place of images. All of it blocks; `check` and `file` are called by many threads.

    check: what is wrong with the file of a `stored` line, `buffer` being what it is read through. file: it, as a path.
    names: everything under images/ that is no folder. changed: when one was, UTC seconds. busy: whether a run is on.
    workers: how many threads are worth it (0: the caller knows).
    """

    @property
    def workers(self) -> int: ...
    def check(self, image: Standing, buffer: bytearray) -> Finding | None: ...
    def file(self, path: str) -> AbstractContextManager[str]: ...
    def names(self) -> Iterator[str]: ...
    def changed(self, path: str) -> float: ...
    def busy(self) -> bool: ...


def shelf_of(directory: Path) -> Shelf:
    """Where the images are of the log in `directory`. Raises StorageFailed."""
    address = images_of(directory)
    if not address:
        return FolderShelf(directory)
    from crawler.audit.object_shelf import ObjectShelf  # with a library of an extra

    return ObjectShelf(address, busy=busy_there(directory) or is_busy(directory))


class FolderShelf:
    """A folder of files."""

    workers = 0

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def check(self, image: Standing, buffer: bytearray) -> Finding | None:
        return check_file(self._directory, image, buffer)

    @contextmanager
    def file(self, path: str) -> Generator[str]:
        yield str(self._directory / path)

    def names(self) -> Iterator[str]:
        return _files(self._directory)

    def changed(self, path: str) -> float:
        return _changed(self._directory / path)

    def busy(self) -> bool:
        return is_busy(self._directory)


def misplaced(image: Standing) -> Finding | None:
    """A line that names no place of an image."""
    path = image.path
    if not path.startswith("images/") or leads_out(path):
        return Finding("misplaced", path, "the log names a place outside images/", image, aside=False)
    return None


def wrong_size(image: Standing, size: int) -> Finding:
    """A file of another size than its line says."""
    what = "truncated" if size < image.bytes else "wrong_size"
    return Finding(what, image.path, f"{size} bytes instead of {image.bytes}", image)


def wrong_digest(image: Standing, digest: str) -> Finding:
    """A file with another digest than its line says."""
    why = f"SHA-256 {digest[:12]}… instead of {image.sha256[:12]}…"
    return Finding("wrong_digest", image.path, why, image)


def check_file(directory: Path, image: Standing, buffer: bytearray) -> Finding | None:
    """What is wrong with the file of a `stored` line: place, presence, size, digest, in this order. Blocking.

    `buffer` is what the file is read through.
    """
    path = image.path
    if (wrong := misplaced(image)) is not None:
        return wrong
    try:
        file = opened(directory, path)
        try:
            size = os.fstat(file).st_size
            if size != image.bytes:
                return wrong_size(image, size)
            digest = _digest(file, buffer)
        finally:
            os.close(file)
    except (FileNotFoundError, NotADirectoryError):
        return Finding("missing", path, "not there", image, aside=False)
    except OSError as error:
        if (finding := _no_file(directory, image)) is not None:
            return finding
        # A sector that cannot be read is as good as lost; what we may not read may well be sound.
        why = f"cannot be read: {error.strerror or error}"
        return Finding("unreadable", path, why, image, mendable=error.errno == errno.EIO)
    return None if digest == image.sha256 else wrong_digest(image, digest)


def _no_file(directory: Path, image: Standing) -> Finding | None:
    """What stands under an image's name, or on the way there, if it is no file or folder of ours."""
    try:
        no_links(directory, image.path)
    except OSError:
        return Finding("misplaced", image.path, "a folder on the way there is a symbolic link", image, aside=False)
    try:
        if stat.S_ISREG(os.lstat(directory / image.path).st_mode):
            return None
    except OSError:
        return None
    return Finding("misplaced", image.path, "not a plain file", image)


def _digest(file: int, buffer: bytearray) -> str:
    # hashlib.file_digest makes and clears a buffer for each file: of small ones, that is most of the work.
    digest, view = hashlib.sha256(), memoryview(buffer)
    while size := os.readv(file, [view]):
        digest.update(view[:size])
    return digest.hexdigest()


def _files(directory: Path) -> Iterator[str]:
    """Paths of everything under images/ that is no folder, relative to `directory`, with `/`."""
    waiting = ["images"] if not os.path.islink(directory / "images") else []
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(directory / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        for entry in found:
            path = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            else:
                yield path


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_ctime
    except OSError:  # gone again: the run's business
        return float("inf")
