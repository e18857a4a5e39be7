"""Takes works out of a crawl for good: their files go, their lines are voided, a tombstone stays.

The log is told first: its lines of the work are voided, and `gone: purged` stands from then on. Then the files go. So a
purge that was killed is done by purging again, and no moment between lets a run fetch anew what was to go.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from crawler.dataset.columns import key_of
from crawler.disk import Disk
from crawler.events import Described, Failed, Gone, Stored, Voided
from crawler.log.files import LOG, PRIVATE
from crawler.log.reader import scan, voided
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import Page, WorkId
from crawler.sites.pixiv import work_of
from crawler.within import no_links

PURGED = "purged"
DIFFERENCE = "purged.jsonl"
_HIDDEN = ("not_found", "restricted")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which works to take out: by id, by artist, or (`gone`) all that the site itself no longer shows."""

    ids: frozenset[WorkId] = frozenset()
    users: frozenset[int] = frozenset()
    gone: bool = False


@dataclass(slots=True)
class Purge:
    """What a purge took out. `works` have a tombstone; `unknown` of them the log had never heard of."""

    works: frozenset[WorkId] = frozenset()
    unknown: int = 0
    lines: int = 0
    files: int = 0
    bytes: int = 0
    warnings: list[str] = field(default_factory=list[str])


def purge(directory: Path, choice: Choice) -> Purge:
    """Take works out of the crawl in `directory`. Blocking.

    Raises InUse (a run is on), LogDamaged, StorageFailed, OSError.
    """
    return asyncio.run(_purge(directory, choice))


async def _purge(directory: Path, choice: Choice) -> Purge:
    disk = Disk()
    log = await Log.open(directory, LogSettings(), disk)
    try:
        return await _with(log, directory, choice, disk)
    finally:
        await log.close()


async def _with(log: Log, directory: Path, choice: Choice, disk: Disk) -> Purge:
    path = directory / LOG
    undone = await asyncio.to_thread(voided, path)
    works, known = await asyncio.to_thread(_chosen, path, choice, undone)
    done = Purge(works, len(works - known), warnings=list(log.warnings))
    paths: set[str] = set()
    buried: set[WorkId] = set()
    for _, line in scan(path):
        event = line.event
        if not isinstance(event, Stored | Described | Failed | Gone) or event.id not in works:
            continue
        if isinstance(event, Stored):
            paths.add(event.path)  # of lines voided before, too: their file may still be there
        if (line.log, line.seq) in undone:
            continue
        if isinstance(event, Gone) and event.reason == PURGED:
            buried.add(event.id)
            continue
        log.note(Voided(line.log, line.seq, PURGED, event.id))
        done.lines += 1
        await log.room()
    for id in sorted(works - buried, key=str):
        log.note(Gone(id, PURGED))
        await log.room()
    await log.commit()
    await asyncio.to_thread(_remove, directory, paths, done, disk)
    await asyncio.to_thread(_tell, directory, disk)
    return done


def _chosen(path: Path, choice: Choice, undone: set[tuple[str, int]]) -> tuple[frozenset[WorkId], frozenset[WorkId]]:
    """The works to take out, and those of them that the log knows."""
    asked, found, known = set(choice.ids), set[WorkId](), set[WorkId]()
    for _, line in scan(path):
        event = line.event
        if not isinstance(event, Stored | Described | Failed | Gone):
            continue
        if isinstance(event, Described) and choice.users and _user(event) in choice.users:
            found.add(event.id)
        hidden = isinstance(event, Gone) and event.reason in _HIDDEN and (line.log, line.seq) not in undone
        if choice.gone and hidden:
            found.add(event.id)
        if event.id in found or event.id in asked:
            known.add(event.id)
    # A number may be a work, or the key of a plain URL: the log knows; of what it does not know, a work.
    unknown = {
        id for id in asked - known if str(id) not in known and not (isinstance(id, str) and int_or_none(id) in asked)
    }
    works = frozenset(known | unknown)
    return works, frozenset(known)


def int_or_none(text: str) -> int | None:
    """The number that a text is, if it is one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


def _user(event: Described) -> int:
    try:
        return work_of(event.work).user_id
    except ValueError:
        return 0


def _remove(directory: Path, paths: Iterable[str], done: Purge, disk: Disk) -> None:
    """Remove the files, what was half fetched, and what a repair had set aside."""
    names = {str(id) for id in done.works}
    folders: set[Path] = set()
    private = directory / PRIVATE
    aside = [
        file
        for name in ("parts", "quarantine")
        if not (private / name).is_symlink()
        for file in sorted((private / name).glob("*"))
    ]
    mine = [file for file in aside if file.name.partition("_")[0] in names or file.name.partition(".")[0] in names]
    for path in sorted(paths):
        if path.startswith("images/"):  # a log can be anybody's: nothing else goes, and nothing through a link
            with suppress(OSError):
                no_links(directory, path)
                mine.append(directory / path)
    for file in mine:
        try:
            size = os.lstat(file).st_size
            disk.unlink(file)
        except (FileNotFoundError, NotADirectoryError):
            continue
        done.files += 1
        done.bytes += size
        folders.add(file.parent)
    for folder in folders:
        disk.sync_folder(folder)


def _tell(directory: Path, disk: Disk) -> None:
    """Write which images were ever taken out, for those who hold copies: from the log, so that no kill loses a line."""
    path = directory / LOG
    undone = voided(path)
    buried = {
        line.event.id
        for _, line in scan(path)
        if isinstance(line.event, Gone) and line.event.reason == PURGED and (line.log, line.seq) not in undone
    }
    images: set[tuple[WorkId, Page, str]] = {
        (line.event.id, line.event.page, line.event.sha256)
        for _, line in scan(path)
        if isinstance(line.event, Stored) and line.event.id in buried
    }
    with_images = {id for id, _, _ in images}
    rows: list[dict[str, Any]] = [
        {"id": id, "page": page, "key": key_of(id, page), "sha256": sha256} for id, page, sha256 in images
    ]
    rows += [{"id": id, "page": None, "key": None, "sha256": None} for id in buried - with_images]
    rows.sort(key=lambda row: (str(row["id"]), str(row["page"]), str(row["sha256"])))
    part = directory / PRIVATE / f"{DIFFERENCE}.part"
    file = disk.fresh(part)
    try:
        disk.write(file, b"".join(orjson.dumps(row) + b"\n" for row in rows))
        disk.sync(file)
    finally:
        disk.close(file)
    disk.replace(part, directory / DIFFERENCE)
    disk.sync_folder(directory)


def buried(directory: Path) -> frozenset[WorkId]:
    """The works that were ever taken out, as `purged.jsonl` has them."""
    lines = (directory / DIFFERENCE).read_bytes().splitlines()
    return frozenset(orjson.loads(line)["id"] for line in lines)
