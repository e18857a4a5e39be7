"""A folder as the place of a data set: images, log and all."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from crawler.disk import Disk
from crawler.sinks.folder import Folder
from crawler.sinks.replaced import Replaced


class FolderPlace:
    """A folder: the log's lock keeps others out, and nothing is published. See `sinks.sink.Place`."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self.root = root
        self._disk = disk

    async def take(self) -> Sequence[str]:
        return ()

    def sink(self, threads: Executor) -> Folder:
        return Folder(self.root, self._disk, threads)

    def replacing(self) -> Replaced:
        return Replaced(self.root, self._disk)

    async def tend(self) -> None:
        return

    async def finish(self) -> None:
        return

    async def leave(self) -> None:
        return
