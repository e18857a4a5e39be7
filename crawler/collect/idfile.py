"""ids.txt: the ids in order of discovery, each once. A view of the log: made anew at each start, then appended to."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from crawler.disk import Disk
from crawler.stop import StorageFailed

NAME = "ids.txt"
_PIECE = 1 << 16


class IdFile:
    """Open for appending, after what `rebuild` found. Blocking; raises StorageFailed."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.path = folder / NAME
        self._disk = disk
        self._file = -1

    def rebuild(self, ids: Iterable[int]) -> None:
        """Make the file say `ids`. A reader sees the old file or the new one; the same is left as it is."""
        part = self.path.with_name(f".{NAME}.new")
        try:
            new = self._disk.fresh(part)
            try:
                same = _Same(self.path)
                piece: list[int] = []
                for id in ids:
                    piece.append(id)
                    if len(piece) >= _PIECE:
                        self._put(new, piece, same)
                        piece.clear()
                self._put(new, piece, same)
                self._disk.sync(new)
            finally:
                self._disk.close(new)
            if same.whole():
                self._disk.unlink(part)
            else:
                self._disk.replace(part, self.path)
                self._disk.sync_folder(self.path.parent)
            self._file = self._disk.open(self.path, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            raise self._failed(error) from error

    def append(self, ids: Iterable[int]) -> None:
        """Add ids whose lines in the log are durable."""
        try:
            self._disk.write(self._file, _lines(ids))
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Make it durable, and close it."""
        if self._file < 0:
            return
        try:
            self._disk.sync(self._file)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            with suppress(OSError):
                self._disk.close(self._file)
            self._file = -1

    def _put(self, new: int, ids: list[int], same: _Same) -> None:
        data = _lines(ids)
        same.compare(data)
        self._disk.write(new, data)

    def _failed(self, error: OSError) -> StorageFailed:
        return StorageFailed(
            f"{self.path}: {error.strerror or error}. Nothing is lost: the log beside it has every id. Make room, then "
            "run the same command again: it goes on where it stopped."
        )


class _Same:
    """Whether a file holds what is given piece by piece, and no more."""

    def __init__(self, path: Path) -> None:
        self._rest = b"?"
        with suppress(FileNotFoundError):
            found = os.lstat(path)
            # A pipe would keep us waiting, and to what has a second name nothing is appended.
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                self._rest = path.read_bytes()
        self._at = 0

    def compare(self, data: bytes) -> None:
        if self._at >= 0:
            good = self._rest[self._at : self._at + len(data)] == data
            self._at = self._at + len(data) if good else -1

    def whole(self) -> bool:
        return self._at == len(self._rest)


def _lines(ids: Iterable[int]) -> bytes:
    return b"".join([b"%d\n" % id for id in ids])
