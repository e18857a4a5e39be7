"""Queues again exactly what an audit found broken: its lines are voided first, then the bad files are moved aside.

What no line names is moved aside too, so that what is under images/ is what the log says, and the next look is sound.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crawler.audit.findings import Finding, Report
from crawler.audit.look import Progress, audit
from crawler.disk import Disk
from crawler.events import Voided
from crawler.log import files
from crawler.log.reader import LogDamaged, scan
from crawler.log.repair import Salvage, salvage
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.stop import Stop
from crawler.store.mirror import images_of
from crawler.within import no_link, no_links

QUARANTINE = "quarantine"
"""Under .crawl/: where bad files and orphans go. Nothing is deleted."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What a repair did. `queued` images are fetched by the next run, `moved` files (orphans too) lie in `quarantine`.

    `left`: broken, and not for us to mend.
    """

    report: Report
    salvaged: Salvage | None
    queued: int
    moved: int
    left: int
    quarantine: Path | str
    warnings: tuple[str, ...]


class Changed(Stop):
    """A run came between the look and the repair."""

    code, reason = 2, "in_use"


def repair(directory: Path, *, decode: bool = False, progress: Progress | None = None) -> Mended:
    """Audit, and mend what is broken, the log included; in an object store, if that is where the images are. Blocking.

    Raises InUse and Changed (a run is on), StorageFailed, OSError; then no file was touched.
    """
    if address := images_of(directory):
        _set_aside_damaged(directory)
        return _repair_objects(address, decode, progress)
    salvaged = salvage(directory)
    with _held(directory):
        report = audit(directory, decode=decode, progress=progress, alone=True)
        size = (directory / files.LOG).stat().st_size
    warnings, moved = asyncio.run(_mend(directory, report, size))
    return _mended(report, salvaged, moved, directory / files.PRIVATE / QUARANTINE, warnings)


def _mended(
    report: Report, salvaged: Salvage | None, moved: int, quarantine: Path | str, warnings: tuple[str, ...]
) -> Mended:
    broken = [finding for finding in report.findings if finding.what != "orphan"]
    queued = sum(finding.mendable for finding in broken)
    return Mended(report, salvaged, queued, moved, len(broken) - queued, quarantine, warnings)


def _set_aside_damaged(directory: Path) -> None:
    """A damaged copy of a published log is not mended but fetched anew, by whoever needs it next."""
    log = directory / files.LOG
    with _held(directory):
        try:
            for _ in scan(log):
                pass
        except LogDamaged:
            files.keep_whole(Disk(), log, directory / files.PRIVATE)
            log.unlink()


def _repair_objects(address: str, decode: bool, progress: Progress | None) -> Mended:
    from crawler.audit import mend_objects  # with a library of an extra

    report, moved, warnings = asyncio.run(mend_objects.repair(address, decode=decode, progress=progress))
    return _mended(report, None, moved, f"{address}/{mend_objects.QUARANTINE}", tuple(warnings))


@contextmanager
def _held(directory: Path) -> Generator[None]:
    """The folder, for this process alone. Raises InUse, OSError."""
    lock = files.lock(directory, files.make_folder(Disk(), directory))
    try:
        yield
    finally:
        os.close(lock)


async def _mend(directory: Path, report: Report, size: int) -> tuple[tuple[str, ...], int]:
    """Void and move, under the log's own lock; warnings of the log (a healed tail), and how many files moved."""
    log = await Log.open(directory, LogSettings(), Disk())
    try:
        # The lock was free for a moment. A log that grew by more than the newline that `open` may add was written to.
        if (directory / files.LOG).stat().st_size > size + 1:
            raise Changed(f"{directory}: a run came between; nothing was repaired. Verify again.")
        for finding in report.findings:
            if finding.mendable and finding.image is not None:
                for id, seq in finding.image.lines:
                    log.note(Voided(id, seq, finding.what, finding.image.id))
                await log.room()
        await log.commit()
        moved = await asyncio.to_thread(_move_aside, directory, report.findings)
        return tuple(log.warnings), moved
    finally:
        await log.close()


def _move_aside(directory: Path, findings: list[Finding]) -> int:
    """Move bad files to quarantine. What is gone meanwhile is as good as moved."""
    bad = [finding.path for finding in findings if finding.mendable and finding.aside]
    if not bad:
        return 0
    quarantine = directory / files.PRIVATE / QUARANTINE
    no_link(quarantine)
    quarantine.mkdir(exist_ok=True)
    for path in bad:
        no_links(directory, path)
        target = _free_name(quarantine, path.rpartition("/")[2])
        try:
            os.rename(directory / path, target)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.EXDEV:  # images/ may be another disk
                raise
            shutil.move(directory / path, target)
    return len(bad)


def _free_name(folder: Path, name: str) -> Path:
    target, number = folder / name, 1
    while target.exists() or target.is_symlink():
        target, number = folder / f"{name}.{number}", number + 1
    return target
