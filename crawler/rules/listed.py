"""Which ids a list has, as `listed` lines say it: parts of a bitmap, and back. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from itertools import islice

from pyroaring import BitMap64

from crawler.events import Listed

LISTED_CHUNK = 50_000
"""Most ids in one `listed` line."""


def listed_events(digest: str, ids: BitMap64) -> Iterator[Listed]:
    """The `listed` lines that say which ids a list has; at least one, even for an empty list."""
    rest = iter(ids)
    while True:
        chunk = BitMap64(islice(rest, LISTED_CHUNK))
        yield Listed(digest, base64.b64encode(chunk.serialize()).decode())
        if len(chunk) < LISTED_CHUNK:
            return


def listed_ids(event: Listed) -> BitMap64 | None:
    """The ids of one line; None for what is no bitmap."""
    try:
        return BitMap64.deserialize(base64.b64decode(event.ids, validate=True))
    except (binascii.Error, ValueError, IndexError):  # IndexError: no bytes at all
        return None
