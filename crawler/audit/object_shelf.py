"""An object store as the place of the images that an audit looks at: one listing for the sizes, then every byte."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from crawler.audit.findings import Finding, Standing
from crawler.audit.shelf import misplaced, wrong_digest, wrong_size
from crawler.numbers import digest_of
from crawler.store.objects import Objects


class ObjectShelf:
    """The objects under `images/` of an address. Blocking. Raises StorageFailed."""

    workers = 32
    """They wait for the store, not for a core."""

    def __init__(self, address: str, *, busy: bool) -> None:
        self._objects = Objects.at(address)
        self._busy = busy
        # A digest and a size for each: a tenth of what a million names take.
        self._sizes = {digest_of(one.key): one.bytes for one in self._objects.listing_now("images")}

    def check(self, image: Standing, buffer: bytearray) -> Finding | None:
        """What is wrong with the object of a `stored` line: place, presence, size, digest, in this order."""
        if (wrong := misplaced(image)) is not None:
            return wrong
        size = self._sizes.get(digest_of(image.path))
        if size is None:
            return Finding("missing", image.path, "not there", image, aside=False)
        if size != image.bytes:
            return wrong_size(image, size)
        digest = hashlib.sha256()
        try:
            for block in self._objects.blocks_now(image.path):
                digest.update(block)
        except FileNotFoundError:
            return Finding("missing", image.path, "not there any more", image, aside=False)
        return None if digest.hexdigest() == image.sha256 else wrong_digest(image, digest.hexdigest())

    @contextmanager
    def file(self, path: str) -> Generator[str]:
        """A copy on the local disk, for as long as it is looked at."""
        with tempfile.NamedTemporaryFile(prefix="crawler-", suffix=Path(path).suffix) as copy:
            for block in self._objects.blocks_now(path):
                copy.write(block)
            copy.flush()
            yield copy.name

    def names(self) -> Iterator[str]:
        """Listed anew: names are not kept."""
        return (one.key for one in self._objects.listing_now("images"))

    def changed(self, path: str) -> float:
        """While a run is on, what no line names yet may be named by lines that are not published yet."""
        return float("inf")

    def busy(self) -> bool:
        """Whether a run was on when the log was fetched."""
        return self._busy
