"""What a run's log says of the works of a pair, and their files: found through the log's index and nowhere else."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from crawler.dataset.index import Index
from crawler.events import Stored
from crawler.model import Page, Work, WorkId
from crawler.within import make_private

_KEPT = 4000
"""Works whose lines are kept in memory once they were asked for."""


@dataclass(frozen=True, slots=True)
class Side:
    """A work of a pair: what the site said of it (None: nothing), its stored images in order, why there are none."""

    id: int
    work: Work | None
    pictures: tuple[Stored, ...]
    absence: str = ""

    def picture(self, page: Page) -> Stored | None:
        """The image of a page, if it is stored."""
        return next((stored for stored in self.pictures if stored.page == page), None)


class Catalog:
    """The works of a run in `directory`. What is asked of the index is asked in a thread of its own, one at a time.

    Raises LogDamaged, OSError (no log).
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.threads = ThreadPoolExecutor(1, "catalog")
        self._kept: dict[int, Side] = {}
        self._index = self.threads.submit(self._open).result()

    def _open(self) -> Index:
        private = make_private(self.directory)
        return Index(self.directory / "log.jsonl", private / f"review-{os.getpid()}.sqlite")

    def stored(self) -> set[WorkId]:
        """The works that have images."""
        return set(self.threads.submit(self._index.works).result())

    def side(self, id: int) -> Side:
        """A work. Blocking, for `threads` only."""
        if id not in self._kept:
            items = self._index.of(id)
            work = items[0].work if items else self._index.work(id)
            absence = "" if items else self._index.absence(id)
            if len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[id] = Side(id, work, tuple(item.stored for item in items), absence)
        return self._kept[id]

    def close(self) -> None:
        """Let the index go."""
        self.threads.submit(self._index.__exit__).result()
        self.threads.shutdown()
