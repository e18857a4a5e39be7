"""Salvages a damaged log: every intact line on both sides of the damage is kept, the original is set aside."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pyroaring import BitMap64

from crawler.disk import Disk
from crawler.events import Voided
from crawler.log import files
from crawler.log.codec import decode, encode, rescue
from crawler.log.reader import LogDamaged, raw_lines, scan
from crawler.stop import StorageFailed
from crawler.within import fresh


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a repair did: lines kept, bytes that were no line, lines lost, and where the original is."""

    lines: int
    bad_bytes: int
    lost: int
    original: Path


def salvage(directory: Path) -> Salvage | None:
    """Mend the log of a folder that nobody writes to; None where there is no damage (a torn tail is none).

    Lines that are missing are voided, so that the log says what it lost and is sound again; what they stated is asked
    for again by the next run. Killed anywhere, either the old log or the new one is there. Blocks. Raises InUse,
    StorageFailed, FileNotFoundError (no log).
    """
    path = directory / files.LOG
    path.stat()
    try:
        private = files.make_folder(Disk(), directory)
        lock = files.lock(directory, private)
        try:
            try:
                for _ in scan(path):
                    pass
            except LogDamaged:
                return _mend(path, private)
            return None
        finally:
            os.close(lock)
    except OSError as error:
        raise StorageFailed(
            f"{path}: could not be repaired: {error.strerror or error}. The log is as it was. Check the disk and its "
            "free space, then try again."
        ) from error


def _mend(path: Path, private: Path) -> Salvage:
    disk = Disk()
    mended = private / "log.mended"
    kept = bad_bytes = 0
    seen: dict[str, BitMap64] = {}
    voided: set[tuple[str, int]] = set()
    with fresh(mended) as out:
        for _, raw, closed in raw_lines(path, 0):
            intact = [raw] if decode(raw) else rescue(raw)
            bad_bytes += len(raw) - sum(map(len, intact)) + (closed and not intact)
            for piece in intact:
                line = decode(piece)
                assert line is not None
                kept += 1
                seen.setdefault(line.log, BitMap64()).add(line.seq)
                if isinstance(line.event, Voided):
                    voided.add((line.event.log, line.event.seq))
                out.write(piece + b"\n")
        lost = [key for key in _missing(seen) if key not in voided]  # what an earlier repair voided is known
        # As in the writer: lines of our own go on in the only log, or under a new name.
        log = next(iter(seen)) if len(seen) == 1 else secrets.token_hex(6)
        seq = seen[log].max() if log in seen else 0
        t = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        for number, key in enumerate(lost, seq + 1):
            out.write(encode(log, number, t, Voided(*key, reason="damaged")))
        out.flush()
        disk.sync(out.fileno())
    original = files.keep_whole(disk, path, private)
    disk.replace(mended, path)
    disk.sync_folder(path.parent)
    disk.sync_folder(private)
    return Salvage(kept, bad_bytes, len(lost), original)


def _missing(seen: dict[str, BitMap64]) -> Iterator[tuple[str, int]]:
    for log, seqs in sorted(seen.items()):
        gaps = BitMap64()
        gaps.add_range(1, seqs.max() + 1)
        for seq in gaps - seqs:
            yield log, seq
