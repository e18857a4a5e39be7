"""A sorted index over a log, on disk: what stands stored, and where in the log it says so. Memory stays flat.

The log is in the order of the crawl, an export in the order of ids. A throw-away SQLite file sorts: it holds the
offset of each line that counts, so that a million images cost a hundred megabytes of disk and none of memory. Lines
are read back from the log when their turn comes, and prove themselves once more.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from crawler.dataset.lines import Item, Lines, Ref
from crawler.events import Described, Failed, Gone, Line, Opened, Stored
from crawler.log import snapshot
from crawler.log.codec import Glimpse, skim
from crawler.log.files import no_collection
from crawler.log.reader import Scan, replay, voided
from crawler.model import Page, Work, WorkId
from crawler.rules.gone import GONE_STRENGTH
from crawler.rules.replay import State
from crawler.rules.unfinished import Moment

BATCH = 5_000
_LARGEST = 1 << 62
_FAILED = 100
"""Strength of what failed for good; what is gone is stronger, that is, less."""
# No types: numbers sort before text, and among themselves as they should.
_SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000; PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE stored (id, page, t, log, seq, at, bytes, PRIMARY KEY (id, page)) WITHOUT ROWID;
CREATE TABLE described (id PRIMARY KEY, t, log, seq, at) WITHOUT ROWID;
CREATE TABLE absent (id PRIMARY KEY, strength, reason) WITHOUT ROWID;
"""
_LATEST = (
    " ON CONFLICT DO UPDATE SET t = excluded.t, log = excluded.log, seq = excluded.seq, at = excluded.at "
    "WHERE (excluded.t, excluded.log, excluded.seq) > (t, log, seq)"
)
_ADD_STORED = "INSERT INTO stored VALUES (?, ?, ?, ?, ?, ?, ?)" + _LATEST.replace(  # noqa: S608 - constants
    " WHERE", ", bytes = excluded.bytes WHERE"
)
_ADD_DESCRIBED = "INSERT INTO described VALUES (?, ?, ?, ?, ?)" + _LATEST  # noqa: S608 - constants
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


class Index:
    """The standing `stored` lines of a log in the order (id, page), the latest of each image. Closes with `with`.

    `state` is what the log adds up to, `runs` are its `opened` lines by time.
    Raises LogDamaged, OSError (no log), sqlite3.Error (the disk is full).
    """

    def __init__(self, log: Path, scratch: Path) -> None:
        scratch.unlink(missing_ok=True)
        self._lines = Lines(log)
        self._base = sqlite3.connect(scratch, isolation_level=None)
        self._base.executescript(_SCHEMA)
        scratch.unlink()  # it lives on while it is open, and no kill leaves it behind
        with no_collection():
            self._fill(log)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()
        self._lines.__exit__()

    def _fill(self, log: Path) -> None:
        """One pass over the log. What its snapshot stands for, the state takes from there."""
        undone = voided(log)
        kept = snapshot.load(log)
        self.state, known = (State(undone), 0) if kept is None else kept[:2]
        opened: dict[Moment, Opened] = {}
        stored: list[tuple[object, ...]] = []
        described: list[tuple[object, ...]] = []
        self._base.execute("BEGIN")
        for at, line in Scan[Glimpse | Line](log, 0, skim):
            if at >= known:
                _take(self.state, line)
            if undone and (line.log, line.seq) in undone:
                continue
            if isinstance(line, Line):
                self._note(line, at, opened)
            elif line.images is None:
                size = line.bytes if 0 <= line.bytes < _LARGEST else 0
                stored.append((line.id, line.page, line.t, line.log, line.seq, at, size))
                if len(stored) >= BATCH:
                    self._base.executemany(_ADD_STORED, stored)
                    stored.clear()
            else:
                described.append((line.id, line.t, line.log, line.seq, at))
                if len(described) >= BATCH:
                    self._base.executemany(_ADD_DESCRIBED, described)
                    described.clear()
        self._base.executemany(_ADD_STORED, stored)
        self._base.executemany(_ADD_DESCRIBED, described)
        self._base.execute("COMMIT")
        self.runs = [opened[moment] for moment in sorted(opened)]
        if self.state.stale:  # something was taken back that the snapshot no longer tells apart
            self.state = replay(log)

    def _note(self, line: Line, at: int, opened: dict[Moment, Opened]) -> None:
        """Keep what is not of the usual two kinds, or was not written the usual way."""
        match event := line.event:
            case Stored():
                size = event.bytes if 0 <= event.bytes < _LARGEST else 0
                self._base.execute(_ADD_STORED, (event.id, event.page, line.t, line.log, line.seq, at, size))
            case Described():
                self._base.execute(_ADD_DESCRIBED, (event.id, line.t, line.log, line.seq, at))
            case Gone():
                self._base.execute(_ADD_ABSENT, (event.id, _strength(event.reason), event.reason))
            case Failed():
                self._base.execute(_ADD_ABSENT, (event.id, _FAILED + 1 - event.permanent, event.reason))
            case Opened():
                opened[line.t, line.log, line.seq] = event
            case _:
                pass

    def digest(self) -> str:
        """SHA-256 over the names of the lines that an export is made of: the same lines, the same digest."""
        found = hashlib.sha256()
        rows = self._base.execute(f"SELECT s.id, s.page, s.log, s.seq, d.log, d.seq {_IMAGES}{_ORDER}")
        while some := rows.fetchmany(BATCH):
            found.update("".join(map(repr, some)).encode())
        return found.hexdigest()

    def counts(self) -> tuple[int, int]:
        """Works and images that have something stored."""
        works, images = self._base.execute(f"SELECT COUNT(DISTINCT s.id), COUNT(*) {_IMAGES}").fetchone()
        return works, images

    def sizes(self) -> tuple[int, int]:
        """Images, and their bytes altogether, about: purged ones are among them."""
        images, size = self._base.execute("SELECT COUNT(*), TOTAL(bytes) FROM stored").fetchone()
        return images, int(size)

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
        for ref in self.refs():
            yield self._lines.item(ref.stored_at, ref.described_at)

    def refs(self) -> Iterator[Ref]:
        """Where the lines of every image are, in the same order."""
        rows = self._base.execute(f"SELECT s.bytes, s.at, d.at {_IMAGES}{_ORDER}")
        while some := rows.fetchmany(BATCH):
            yield from map(Ref._make, some)

    def of(self, id: WorkId) -> list[Item]:
        """The images of one work, in order."""
        rows = self._base.execute(f"SELECT s.at, d.at {_IMAGES} AND s.id = ?{_ORDER}", (id,)).fetchall()
        return [self._lines.item(*row) for row in rows]

    def one(self, id: WorkId, page: Page) -> Item | None:
        """One image, if it stands stored."""
        row = self._base.execute(f"SELECT s.at, d.at {_IMAGES} AND s.id = ? AND s.page = ?", (id, page)).fetchone()
        return None if row is None else self._lines.item(*row)

    def work(self, id: WorkId) -> Work | None:
        """What the site said of a work, with or without images stored."""
        row = self._base.execute("SELECT at FROM described WHERE id = ?", (id,)).fetchone()
        return None if row is None else self._lines.work(id, row[0])[0]

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
        others = 0
        for (at,) in self._base.execute("SELECT at FROM described"):
            event = self._lines.line(at).event
            pages = event.work.get("pageCount") if isinstance(event, Described) else None
            if isinstance(event, Described) and isinstance(pages, int):
                others += max(0, pages - len(event.images))
        return others


def _take(state: State, line: Glimpse | Line) -> None:
    if isinstance(line, Line):
        state.apply(line)
    elif line.images is None:
        state.stored((line.t, line.log, line.seq), line.id, line.page, line.bytes, line.quality)
    else:
        state.described((line.t, line.log, line.seq), line.id, line.images)


def _strength(reason: str) -> int:
    return GONE_STRENGTH.index(reason) if reason in GONE_STRENGTH else len(GONE_STRENGTH)
