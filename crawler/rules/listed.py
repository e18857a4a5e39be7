"""Which ids a list has, as `listed` lines say it: parts of a bitmap, and back. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from itertools import dropwhile, islice, takewhile

from pyroaring import BitMap64

from crawler.events import Listed
from crawler.numbers import LEAST, NUMBERS, WIDE, clear

LISTED_CHUNK = 50_000
"""Most ids in one `listed` line."""


def listed_events(digest: str, ids: BitMap64) -> Iterator[Listed]:
    """The `listed` lines that say which ids (`bit_of` each) a list has; at least one, even for an empty list.

    A line has numbers or digests of texts, never both.
    """
    texts = dropwhile(WIDE.__gt__, ids) if ids and ids.max() >= WIDE else ()
    numbers = iter(ids) if not texts else takewhile(WIDE.__gt__, ids)
    written = 0
    for rest in (numbers, NUMBERS.digests(texts)):
        while chunk := BitMap64(islice(rest, LISTED_CHUNK)):
            written += 1
            yield _line(digest, chunk)
    if not written:
        yield _line(digest, BitMap64())


def _line(digest: str, ids: BitMap64) -> Listed:
    return Listed(digest, base64.b64encode(ids.serialize()).decode())


def listed_ids(event: Listed) -> BitMap64 | None:
    """The ids of one line, `bit_of` each; None for what is no bitmap."""
    try:
        ids = BitMap64.deserialize(base64.b64decode(event.ids, validate=True))
    except (binascii.Error, ValueError, IndexError):  # IndexError: no bytes at all
        return None
    if not ids or ids.max() < LEAST:
        return ids
    return BitMap64(NUMBERS.number(clear(kept)) for kept in ids)  # older versions did not clear digests
