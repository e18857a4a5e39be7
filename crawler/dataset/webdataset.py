"""Shards for webdataset: tars of `<key>.<ext>` and `<key>.json`, the files' bytes and all columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from crawler.dataset import tar
from crawler.dataset.manifest import ShardFile

Member = tuple[str, bytes]
"""A name and what it holds."""


def sample(key: str, files: Iterable[Member], values: Mapping[str, Any]) -> list[Member]:
    """The members of a sample: (extension, bytes) of each file under one key, and the values as .json."""
    members = [(f"{key}.{ext}", data) for ext, data in files]
    return [*members, (f"{key}.json", orjson.dumps(dict(values)))]


class TarShard:
    """A tar of samples; the members of each lie side by side, as its readers want it."""

    def __init__(self, file: ShardFile) -> None:
        self._file = file

    def size_with(self, sample: Sequence[Member]) -> int:
        """Bytes of the whole tar, with this sample in it."""
        return self._file.size + sum(tar.room(name, len(data)) for name, data in sample) + len(tar.END)

    def add(self, sample: Sequence[Member]) -> None:
        """Append the members of a sample."""
        for name, data in sample:
            self._file.write(tar.header(name, len(data)))
            self._file.write(data)
            self._file.write(tar.padding(len(data)))

    def end(self) -> None:
        """Write the end of the archive."""
        self._file.write(tar.END)


class PackedShard:
    """A tar of samples that were packed: slices of memory that is used again after `flush`."""

    def __init__(self, file: ShardFile) -> None:
        self._file = file
        self._room = memoryview(b"")
        self._start = self._end = 0

    def size_with(self, sample: tuple[memoryview, int, int]) -> int:
        """Bytes of the whole tar, with this sample in it."""
        return self._file.size + self._end - self._start + sample[2] - sample[1] + len(tar.END)

    def add(self, sample: tuple[memoryview, int, int]) -> None:
        """Append a sample: what lies side by side is written in one piece."""
        room, start, end = sample
        if room is self._room and start == self._end:
            self._end = end
            return
        self.flush()
        self._room, self._start, self._end = sample

    def flush(self) -> None:
        """Write what is still in the room only."""
        if self._end > self._start:
            self._file.write(self._room[self._start : self._end])
        self._room, self._start, self._end = memoryview(b""), 0, 0

    def end(self) -> None:
        """Write the end of the archive."""
        self.flush()
        self._file.write(tar.END)
