"""judgements.jsonl on disk: one writer at a time, and a judgement is durable before anybody is told that it is."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from crawler.disk import Disk
from crawler.log.codec import rescue
from crawler.log.files import InUse
from crawler.log.reader import LogDamaged, Scan, raw_lines
from crawler.pairs.judgements import Judged, Judgements, Noted, Undone, line_of, read
from crawler.stop import Stop, StorageFailed

NAME = "judgements.jsonl"


class JudgementsDamaged(Stop):
    """Bytes of the judgements that once were confirmed are gone."""

    code, reason = 7, "judgements_damaged"


def replay(path: Path) -> Judgements:
    """What the judgements in a file add up to; none where there is no file. A torn tail is silent: a review may be on.

    Raises JudgementsDamaged, OSError.
    """
    return _fold(path)[0]


def _fold(path: Path) -> tuple[Judgements, Scan[Noted]]:
    found, lines = Judgements(), Scan[Noted](path, 0, read)
    try:
        for _, noted in lines:
            found.apply(noted)
    except FileNotFoundError:
        pass
    except LogDamaged as error:
        raise JudgementsDamaged(
            f"{path}: damaged at byte {error.offset}; nothing was thrown away. `crawler pairs review --repair` keeps "
            "every intact line, and the file as it is under another name."
        ) from None
    return found, lines


class Ledger:
    """The judgements of a file, open for writing. Blocking: for one thread. `log` names the file for ever.

    Raises InUse, JudgementsDamaged, StorageFailed.
    """

    def __init__(self, path: Path, disk: Disk, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._disk = disk
        self._clock = clock
        self._poison = ""
        self._file = -1
        try:
            disk.make_folder(path.parent)
            self._file = disk.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            if os.fstat(self._file).st_nlink > 1:
                raise OSError(errno.EMLINK, "has a second name (a hard link); put a copy in its place")
            self._open()
            disk.sync(self._file)
            disk.sync_folder(path.parent)
        except OSError as error:
            self.close()
            raise StorageFailed(f"{path}: cannot be opened for writing: {error.strerror or error}") from error
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(
                f"{self.path}: another review writes to it. Two tabs of one review are fine; or wait until it is done."
            ) from None
        self.judgements, lines = _fold(self.path)
        if lines.good < lines.end:
            aside = _unused(self.path, "torn-{}.bin")
            _copy(self._disk, self.path, aside, lines.good)
            self._disk.truncate(self._file, lines.good)
            self.warnings.append(f"{self.path}: ended in the middle of a line; what was cut off is kept in {aside}")
        elif lines.open_ended:
            self._disk.write(self._file, b"\n")
        self._size = os.fstat(self._file).st_size
        # A file joined from those of several people goes on under a name of its own.
        self.log = next(iter(lines.last)) if len(lines.last) == 1 else secrets.token_hex(6)
        self._seq = lines.last.get(self.log, 0)
        self._t = max((noted.t for noted, _ in self.judgements.latest(1)), default="")

    def write(self, said: Judged | Undone) -> Noted:
        """Write and sync the line; `judgements` does not know of it yet. Raises StorageFailed; after a failed write or
        fsync, always.
        """
        if self._poison:
            raise StorageFailed(self._poison)
        now = self._clock().isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        noted = Noted(max(now, self._t), self.log, self._seq + 1, said)  # time may jump back, the order may not
        self._append(line_of(noted))
        self._t, self._seq = noted.t, noted.seq
        return noted

    def _append(self, data: bytes) -> None:
        try:
            self._disk.write(self._file, data)
            self._disk.sync(self._file)
            self._size += len(data)
        except OSError as error:
            self._poison = (
                f"{self.path}: could not be written: {error.strerror or error}. Make room or check the disk, then "
                "start `crawler pairs review` again: what the page has not saved yet it sends then."
            )
            with suppress(OSError):
                self._disk.truncate(self._file, self._size)
            raise StorageFailed(self._poison) from error

    def close(self) -> None:
        """Give the file free. Closed twice is closed once."""
        file, self._file = self._file, -1
        self._poison = self._poison or f"{self.path}: closed"
        if file >= 0:
            self._disk.close(file)


def salvage(path: Path, disk: Disk) -> tuple[int, Path] | None:
    """Mend a damaged file: the number of lines kept, and where the original is; None where nothing is wrong.

    Kept lines are written anew under a new name of the log: a gap in the old one's numbers would be damage for ever.
    Killed anywhere, the old file or the new one is there. Raises OSError, InUse.
    """
    try:
        replay(path)
        return None
    except JudgementsDamaged:
        pass
    with path.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"{path}: a review writes to it; end that first.") from None
        intact = [piece for _, raw, _ in raw_lines(path, 0) for piece in ([raw] if read(raw) else rescue(raw))]
        noted = [one for piece in intact if (one := read(piece)) is not None]
        log, places = secrets.token_hex(6), {(one.log, one.seq): n for n, one in enumerate(noted, 1)}
        mended = _unused(path, "mended-{}.part")
        file = disk.open(mended, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            for one in noted:
                said = one.said
                if isinstance(said, Undone):
                    said = Undone(log, places.get((said.log, said.seq), 0), said.key)
                if said is not None:
                    disk.write(file, line_of(Noted(one.t, log, places[one.log, one.seq], said)))
            disk.sync(file)
        finally:
            disk.close(file)
        original = _unused(path, "damaged-{}.jsonl")
        _copy(disk, path, original, 0)
        disk.replace(mended, path)
        disk.sync_folder(path.parent)
    return len(noted), original


def _unused(path: Path, pattern: str) -> Path:
    names = (path.with_name(f"{path.stem}-{pattern.format(n)}") for n in count(1))
    return next(name for name in names if not name.exists())


def _copy(disk: Disk, path: Path, to: Path, start: int) -> None:
    """Copy a file from byte `start` on, durably."""
    file = disk.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        with path.open("rb") as source:
            source.seek(start)
            while chunk := source.read(1 << 20):
                disk.write(file, chunk)
        disk.sync(file)
    finally:
        disk.close(file)
    disk.sync_folder(to.parent)
