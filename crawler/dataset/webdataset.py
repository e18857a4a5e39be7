"""Shards for webdataset: tars of `<key>.<ext>` and `<key>.json`, the original bytes and all columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from crawler.dataset import tar
from crawler.dataset.manifest import ShardFile

Member = tuple[str, bytes]
Sample = tuple[str, Iterable[Member], Mapping[str, Any]]
"""A key, (extension, bytes) of each file, and what the sample's .json says."""


class TarShard:
    """A tar of samples; the members of each lie side by side, as its readers want it."""

    def __init__(self, file: ShardFile) -> None:
        self._file = file

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.size

    def add(self, sample: Sample) -> None:
        """Append the members of a sample."""
        key, members, values = sample
        for ext, data in members:
            self._member(f"{key}.{ext}", data)
        self._member(f"{key}.json", orjson.dumps(dict(values)))

    def _member(self, name: str, data: bytes) -> None:
        self._file.write(tar.header(name, len(data)))
        self._file.write(data)
        self._file.write(tar.padding(len(data)))

    def end(self) -> None:
        """Write the end of the archive."""
        self._file.write(tar.END)
