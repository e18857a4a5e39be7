"""Queues again what an audit of an object store found broken: as `audit.mend`, as the prefix's only writer.

Lines are voided, and published, before an object is moved: copied to `.crawl/quarantine/`, then deleted.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from crawler.audit.findings import Finding, Report
from crawler.audit.look import Progress, audit
from crawler.disk import Disk
from crawler.events import Voided
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.sinks.bucket import ObjectPlace
from crawler.store.objects import Objects

QUARANTINE = ".crawl/quarantine"
PUBLISH_S = 15.0


async def repair(address: str, *, decode: bool, progress: Progress | None) -> tuple[Report, int, Sequence[str]]:
    """Audit and mend what is under an address: what was found, how many objects were moved, and what is to be said.

    Raises Taken (a run is on), LogDamaged, StorageFailed, OSError.
    """
    objects = Objects.at(address)
    with tempfile.TemporaryDirectory(prefix="crawler-repair-") as root:
        place = ObjectPlace(objects, Path(root), PUBLISH_S)
        warnings = await place.take()
        try:
            async with asyncio.TaskGroup() as group:
                tending = group.create_task(place.tend())
                report = await asyncio.to_thread(_look, Path(root), decode, progress)
                await _void(Path(root), report.findings)
                tending.cancel()
            await place.finish()
            moved = await asyncio.to_thread(_move_aside, objects, report.findings)
        finally:
            await place.leave()
    return report, moved, warnings


def _look(root: Path, decode: bool, progress: Progress | None) -> Report:
    return audit(root, decode=decode, progress=progress, alone=True)


async def _void(root: Path, findings: Sequence[Finding]) -> None:
    log = await Log.open(root, LogSettings(), Disk())
    try:
        for finding in findings:
            if finding.mendable and finding.image is not None:
                for id, seq in finding.image.lines:
                    log.note(Voided(id, seq, finding.what, finding.image.id))
                await log.room()
    finally:
        await log.close()


def _move_aside(objects: Objects, findings: Sequence[Finding]) -> int:
    """What is gone meanwhile is as good as moved."""
    bad = [finding.path for finding in findings if finding.mendable and finding.aside]
    for path in bad:
        if objects.copy_now(path, f"{QUARANTINE}/{path.rpartition('/')[2]}"):
            objects.delete_now(path)
    return len(bad)
