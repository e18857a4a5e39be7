"""Writes rows into numbered shards, split by split: the part that webdataset, parquet and pairs have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from crawler.dataset.manifest import Manifest, ShardFile
from crawler.model import Page, WorkId

Place = tuple[WorkId, Page]
"""Where a sample comes in the order of an export."""


class Shard(Protocol):
    """One shard of a format. `size_with`: its bytes when a sample is added, as well as the format knows.

    `end` writes what comes last.
    """

    def size_with(self, sample: Any) -> int: ...
    def add(self, sample: Any) -> None: ...
    def end(self) -> None: ...


class Series:
    """The shards of one split. A shard is closed before the sample that would make it larger than `limit` bytes.

    Going on after a kill, what the finished shards hold is skipped by `place`, so that the next shard begins with the
    sample it would have begun with.
    """

    def __init__(
        self, manifest: Manifest, split: str, ext: str, limit: int, make: Callable[[ShardFile], Shard]
    ) -> None:
        self._manifest = manifest
        self._split = split
        self._ext = ext
        self._limit = limit
        self._make = make
        self._open: tuple[str, ShardFile, Shard] | None = None
        self._images = self._samples = 0
        self._left: Counter[str] = Counter()
        self._last: Place | None = None
        finished = manifest.shards(split)
        self._number = len(finished)
        last = finished[-1]["last"] if finished else None
        self._done = None if last is None else order((last[0], last[1]))

    @property
    def done(self) -> tuple[bool, Any, bool, Any] | None:
        """Up to where finished shards hold the split, as `order` has it."""
        return self._done

    def finished(self, place: Place) -> bool:
        """Whether a finished shard holds this sample, or has left it out."""
        return self._done is not None and order(place) <= self._done

    def add(self, place: Place, sample: Any, images: int = 1) -> None:
        """Append a sample."""
        if self._open is not None and self._samples and self._open[2].size_with(sample) > self._limit:
            self._close()
        if self._open is None:
            name = f"{self._split}-{self._number:06d}.{self._ext}"
            file = self._manifest.file(name)
            self._open = (name, file, self._make(file))
        self._open[2].add(sample)
        self._samples += 1
        self._images += images
        self._last = place

    def leave(self, place: Place, why: str) -> None:
        """A sample is left out. It belongs to the shard that is open, or comes next."""
        self._left[why] += 1
        if self._open is not None:
            self._last = place

    def end(self) -> Counter[str]:
        """Close the last shard; what was left out behind it, by reason."""
        if self._open is not None:
            self._close()
        return self._left

    def drop(self) -> None:
        """Leave the shard that is open unfinished."""
        if self._open is not None:
            self._open[1].drop()

    def _close(self) -> None:
        assert self._open is not None
        assert self._last is not None
        name, file, shard = self._open
        shard.end()
        sha256 = file.publish(self._manifest.out / name)
        self._manifest.add(
            {
                "name": name,
                "split": self._split,
                "samples": self._samples,
                "images": self._images,
                "bytes": file.size,
                "sha256": sha256,
                "last": list(self._last),
                "left_out": dict(sorted(self._left.items())),
            }
        )
        self._number += 1
        self._open = None
        self._samples = self._images = 0
        self._left = Counter()


def series(
    manifest: Manifest, splits: Sequence[tuple[str, float]], ext: str, limit: int, make: Callable[[ShardFile], Shard]
) -> Mapping[str, Series]:
    """One series for each split."""
    return {name: Series(manifest, name, ext, limit, make) for name, _ in splits}


def order(place: Place) -> tuple[bool, Any, bool, Any]:
    """Numbers before words, as the index sorts."""
    id, page = place
    return isinstance(id, str), id, isinstance(page, str), page
