"""A sorted index over a log, on disk: what stands stored, and where in the log it says so. Memory stays flat.

The log is in the order of the crawl, an export in the order of ids. A throw-away SQLite file sorts: it holds the
offset of each line that counts, so that a million images cost a hundred megabytes of disk and none of memory. Lines
are read back from the log when their turn comes, and prove themselves once more.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crawler.events import Described, Failed, Gone, Line, Opened, Stored
from crawler.log.codec import decode
from crawler.log.reader import scan, voided
from crawler.model import Page, Work, WorkId
from crawler.rules.replay import GONE_STRENGTH, State
from crawler.sites.pixiv import work_of
from crawler.stop import Stop

BATCH = 5_000
LINE_BYTES = 8192
"""What is read of the log at once; most lines are shorter."""
_FAILED = 100
"""Strength of what failed for good; what is gone is stronger, that is, less."""
# No types: numbers sort before text, and among themselves as they should.
_SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000; PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE stored (id, page, t, log, seq, at, PRIMARY KEY (id, page)) WITHOUT ROWID;
CREATE TABLE described (id PRIMARY KEY, t, log, seq, at, others) WITHOUT ROWID;
CREATE TABLE absent (id PRIMARY KEY, strength, reason) WITHOUT ROWID;
"""
_LATEST = (
    " ON CONFLICT DO UPDATE SET t = excluded.t, log = excluded.log, seq = excluded.seq, at = excluded.at "
    "WHERE (excluded.t, excluded.log, excluded.seq) > (t, log, seq)"
)
_ADD_STORED = "INSERT INTO stored VALUES (?, ?, ?, ?, ?, ?)" + _LATEST  # noqa: S608 - constants
_ADD_DESCRIBED = "INSERT INTO described VALUES (?, ?, ?, ?, ?, ?)" + _LATEST.replace(  # noqa: S608 - constants
    " WHERE", ", others = excluded.others WHERE"
)
_ADD_ABSENT = (
    "INSERT INTO absent VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET strength = excluded.strength, "
    "reason = excluded.reason WHERE (excluded.strength, excluded.reason) < (strength, reason)"
)
# Of a purged work nothing is given away, whatever lines stand.
_IMAGES = (
    "FROM stored s LEFT JOIN described d ON d.id = s.id "
    "WHERE NOT EXISTS (SELECT 1 FROM absent a WHERE a.id = s.id AND a.reason = 'purged')"
)
_ORDER = " ORDER BY s.id, s.page"


class LogChanged(Stop):
    """A line is no longer where it was a moment ago: somebody rewrote the log."""

    code, reason = 7, "log_changed"


@dataclass(frozen=True, slots=True)
class Item:
    """An image that stands stored: its line, the time of the line, and what the site said of the work (None: nothing).

    `images` is how many images the work has, as described; 1 for a work without a description.
    """

    stored: Stored
    stored_at: str
    work: Work | None
    images: int


class Index:
    """The standing `stored` lines of a log in the order (id, page), the latest of each image. Closes with `with`.

    `state` is what the log adds up to, `runs` are its `opened` lines by time.
    Raises LogDamaged, OSError (no log), sqlite3.Error (the disk is full).
    """

    def __init__(self, log: Path, scratch: Path) -> None:
        scratch.unlink(missing_ok=True)
        self._log = log.open("rb", buffering=0)
        self._base = sqlite3.connect(scratch, isolation_level=None)
        self._base.executescript(_SCHEMA)
        scratch.unlink()  # it lives on while it is open, and no kill leaves it behind
        self._fill(log)
        self._seen: tuple[WorkId, Work | None, int] | None = None

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()
        self._log.close()

    def _fill(self, log: Path) -> None:
        undone = voided(log)
        self.state = State(undone)
        opened: dict[tuple[str, str, int], Opened] = {}
        self._base.execute("BEGIN")
        stored: list[tuple[object, ...]] = []
        for at, line in scan(log):
            event = line.event
            self.state.apply(line)
            if (line.log, line.seq) in undone:
                continue
            if isinstance(event, Stored):
                stored.append((event.id, event.page, line.t, line.log, line.seq, at))
                if len(stored) >= BATCH:
                    self._base.executemany(_ADD_STORED, stored)
                    stored.clear()
            elif isinstance(event, Described):
                self._base.execute(_ADD_DESCRIBED, (event.id, line.t, line.log, line.seq, at, _others(event)))
            elif isinstance(event, Gone):
                self._base.execute(_ADD_ABSENT, (event.id, _strength(event.reason), event.reason))
            elif isinstance(event, Failed):
                strength = _FAILED + 1 - event.permanent
                self._base.execute(_ADD_ABSENT, (event.id, strength, event.reason))
            elif isinstance(event, Opened):
                opened[line.t, line.log, line.seq] = event
        self.runs = [opened[moment] for moment in sorted(opened)]
        self._base.executemany(_ADD_STORED, stored)
        self._base.execute("COMMIT")

    def digest(self) -> str:
        """SHA-256 over the names of the lines that an export is made of: the same lines, the same digest."""
        found = hashlib.sha256()
        rows = self._base.execute(f"SELECT s.id, s.page, s.log, s.seq, d.log, d.seq {_IMAGES}{_ORDER}")
        for row in rows:
            found.update(repr(row).encode())
        return found.hexdigest()

    def counts(self) -> tuple[int, int]:
        """Works and images that have something stored."""
        works, images = self._base.execute(f"SELECT COUNT(DISTINCT s.id), COUNT(*) {_IMAGES}").fetchone()
        return works, images

    def works(self) -> list[WorkId]:
        """The ids of works that have something stored, in order."""
        return [row[0] for row in self._base.execute(f"SELECT DISTINCT s.id {_IMAGES} ORDER BY s.id")]

    def described(self) -> list[WorkId]:
        """The ids of works that the site described, in order; purged ones are left out."""
        rows = self._base.execute(
            "SELECT id FROM described d WHERE NOT EXISTS "
            "(SELECT 1 FROM absent a WHERE a.id = d.id AND a.reason = 'purged') ORDER BY id"
        )
        return [row[0] for row in rows]

    def textual(self) -> bool:
        """Whether some id is a string: a folder of plain URLs."""
        return self._base.execute(f"SELECT 1 {_IMAGES} AND typeof(s.id) = 'text' LIMIT 1").fetchone() is not None

    def items(self) -> Iterator[Item]:
        """Every image, in order: by id, then by page, a ugoira's zip last."""
        for stored_at, described_at in self._base.execute(f"SELECT s.at, d.at {_IMAGES}{_ORDER}"):
            yield self._item(stored_at, described_at)

    def of(self, id: WorkId) -> list[Item]:
        """The images of one work, in order."""
        rows = self._base.execute(f"SELECT s.at, d.at {_IMAGES} AND s.id = ?{_ORDER}", (id,)).fetchall()
        return [self._item(*row) for row in rows]

    def one(self, id: WorkId, page: Page) -> Item | None:
        """One image, if it stands stored."""
        row = self._base.execute(f"SELECT s.at, d.at {_IMAGES} AND s.id = ? AND s.page = ?", (id, page)).fetchone()
        return None if row is None else self._item(*row)

    def work(self, id: WorkId) -> Work | None:
        """What the site said of a work, with or without images stored."""
        row = self._base.execute("SELECT at FROM described WHERE id = ?", (id,)).fetchone()
        return None if row is None else self._describe(id, row[0])[0]

    def absence(self, id: WorkId) -> str:
        """Why nothing is stored of a work: a reason of the log, or `pending`."""
        row = self._base.execute("SELECT reason FROM absent WHERE id = ?", (id,)).fetchone()
        return "pending" if row is None else row[0]

    def absences(self) -> Iterator[tuple[WorkId, str]]:
        """Works of which nothing is stored and that are known to be gone, with the reason, in order."""
        yield from self._base.execute(
            "SELECT id, reason FROM absent a WHERE strength < ? AND (reason = 'purged' OR NOT EXISTS "
            "(SELECT 1 FROM stored s WHERE s.id = a.id)) ORDER BY id",
            (_FAILED,),
        )

    def others(self) -> int:
        """Pages that works have and that were not asked for, as a manifest did not name them."""
        found: int | None = self._base.execute("SELECT SUM(others) FROM described").fetchone()[0]
        return found or 0

    def _item(self, stored_at: int, described_at: int | None) -> Item:
        line = self._read(stored_at)
        stored = line.event
        if not isinstance(stored, Stored):
            raise LogChanged(f"{self._log.name}: changed while it was read; nothing is lost, run the export again")
        work, images = (None, 1) if described_at is None else self._describe(stored.id, described_at)
        return Item(stored, line.t, work, images)

    def _describe(self, id: WorkId, at: int) -> tuple[Work | None, int]:
        if self._seen is None or self._seen[0] != id:
            event = self._read(at).event
            work, images = None, 1
            if isinstance(event, Described):
                images = len(event.images)
                try:
                    work = work_of(event.work)
                except ValueError:  # a description this version cannot type: the image is exported without it
                    work = None
            self._seen = (id, work, images)
        return self._seen[1], self._seen[2]

    def _read(self, at: int) -> Line:
        raw, ends = b"", -1
        while ends < 0:
            block = os.pread(self._log.fileno(), LINE_BYTES, at + len(raw))
            ends = block.find(b"\n")
            raw += block if ends < 0 else block[:ends]
            if not block:
                break
        line = decode(raw)
        if line is None:
            raise LogChanged(f"{self._log.name}: changed while it was read; nothing is lost, run the export again")
        return line


def _others(event: Described) -> int:
    pages = event.work.get("pageCount")
    return max(0, pages - len(event.images)) if isinstance(pages, int) else 0


def _strength(reason: str) -> int:
    return GONE_STRENGTH.index(reason) if reason in GONE_STRENGTH else len(GONE_STRENGTH)
