"""What an export is told, and what its writers work with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from crawler.dataset.bodies import Bodies, Body, Need, Wanted
from crawler.dataset.columns import Facts, Row, facts_of, row_of
from crawler.dataset.derive import Recipe
from crawler.dataset.index import Index
from crawler.dataset.manifest import Manifest
from crawler.dataset.splits import DEFAULT
from crawler.dataset.where import Where
from crawler.disk import Disk
from crawler.model import WorkId

Format = Literal["webdataset", "parquet", "imagefolder", "pairs", "manifest"]
FORMATS: tuple[Format, ...] = ("webdataset", "parquet", "imagefolder", "pairs", "manifest")
Matching = Literal["lines", "shape"]
MATCHINGS: tuple[Matching, ...] = ("lines", "shape")
Layout = Literal["folders", "shards", "none"]
LAYOUTS: tuple[Layout, ...] = ("folders", "shards", "none")
UNSOUND = ("missing", "changed", "unreadable", "undecodable")
"""Reasons for leaving an image out that say something is wrong with its file."""


class Progress(Protocol):
    """Is told images and bytes gone through so far, and what was done with them."""

    def __call__(self, images: int, size: int, done: str = "exported", /) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """What to export and how. `shard_bytes` bounds a shard; `jobs` 0 means one a core; see `crawler export --help`."""

    to: Format
    where: tuple[str, ...] = ()
    splits: tuple[tuple[str, float], ...] = DEFAULT
    shard_bytes: int = 256_000_000
    resize: Recipe | None = None
    images: bool = False
    copy: bool = False
    pairs: Path | None = None
    layout: Layout = "folders"
    match: Matching = "lines"
    table: bool = False
    jobs: int = 0
    replace: bool = False


@dataclass(slots=True)
class Contents:
    """What the chosen images are like: counts of images by format, of works by rating, kind and year."""

    images: int = 0
    bytes: int = 0
    mimes: Counter[Any] = field(default_factory=Counter[Any])
    ratings: Counter[Any] = field(default_factory=Counter[Any])
    kinds: Counter[Any] = field(default_factory=Counter[Any])
    years: Counter[Any] = field(default_factory=Counter[Any])
    last: WorkId | None = None

    def add(self, facts: Facts) -> None:
        """One more; the images of a work come one after the other."""
        self.images += 1
        self.bytes += facts.bytes
        self.mimes[facts.mime] += 1
        if facts.id != self.last:
            self.last = facts.id
            self.ratings[facts.rating] += 1
            self.kinds[facts.kind] += 1
            self.years[facts.year] += 1


@dataclass(slots=True)
class Job:
    """What a format's writer works with. `tell` is told images and bytes gone through so far."""

    directory: Path
    options: Options
    index: Index
    manifest: Manifest
    disk: Disk
    where: Where
    stack: ExitStack
    contents: Contents = field(default_factory=Contents)
    left: Counter[str] = field(default_factory=Counter[str])
    progress: Progress | None = None
    gone_through: list[int] = field(default_factory=lambda: [0, 0])

    def bodies(self, need: Need) -> Bodies:
        """A reader of files, closed with the job."""
        return self.stack.enter_context(Bodies(self.directory, need, self.options.resize, self.options.jobs))

    def rows(self) -> Iterator[Row]:
        """Every image that the filters let through, in order, counted as it goes by. To be used once."""
        for item in self.index.items():
            row = row_of(item, self.options.splits)
            if self.where(row.values):
                self.contents.add(facts_of(row))
                yield row
            else:
                self.left["where"] += 1

    def tell(self, size: int, images: int = 1) -> None:
        """One more image is gone through, or some."""
        self.gone_through[0] += images
        self.gone_through[1] += size
        if self.progress is not None:
            self.progress(self.gone_through[0], self.gone_through[1])


def wanted(row: Row) -> Wanted:
    """The file of a row."""
    return Wanted(row.values["path"], row.values["bytes"], row.values["sha256"])


def told(row: Row, body: Body) -> dict[str, Any]:
    """The columns of a row, with those of the resized image if there is one."""
    return dict(row.values) | (body.derived.values() if body.derived is not None else {})
