"""Reads many lines at once, as columns: what `codec.skim` looks at in each line, looked at in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, compress, count, repeat
from operator import itemgetter, lt, not_
from typing import Any, cast
from zlib import crc32

import orjson

from crawler.events import Described, Line, Stored, Voided, payload
from crawler.log.codec import decode, is_id
from crawler.rules.block import Block
from crawler.rules.naming import FOLDERS, is_page, is_place

_START = b'{"seq":'
_TRAILER = len(b',"crc":"01234567"}')
_SEAL = b',"crc":"%08x"}'.__mod__
_WORK = b',"work":'
_CLOSED = b"%b}".__mod__
_FIRST = itemgetter(0)
_OF_ALL = itemgetter("log", "seq", "t", "event")
_OF_STORED = itemgetter(
    "id", "page", "path", "bytes", "sha256", "mime", "quality", "width", "height", "url", "log", "seq", "t", "event"
)
_OF_DESCRIBED = itemgetter("id", "images", "log", "seq", "t", "event")
_OF_IMAGE = itemgetter("page", "url")
_KINDS = frozenset({"stored", "described"})
_USUAL = {".jpg", ".png", ".gif"}


def read(raws: Sequence[bytes]) -> Block | None:
    """Lines without their newlines as one block; None where one of them is none, or is not as `encode` writes it, or is
    `voided`: then they are to be read one by one, as `alone` does.

    The law: what is read here is what `skim` reads in each; of a work's metadata that is nothing.
    """
    bodies = [raw[:-_TRAILER] for raw in raws]
    if list(map(_SEAL, map(crc32, bodies))) != [raw[-_TRAILER:] for raw in raws]:
        return None
    if not all(map(bytes.startswith, bodies, repeat(_START))):
        return None
    # In JSON a quote inside a string is escaped: where _WORK stands, it is a key.
    heads = list(map(_FIRST, map(bytes.partition, bodies, repeat(_WORK))))
    try:
        return _columns(raws, bodies, heads, list(map(orjson.loads, map(_CLOSED, heads))))
    except (KeyError, TypeError, ValueError):
        return None


def alone(raw: bytes) -> Block | None:
    """A line, whatever it is, as a block of its own; None for what is no line."""
    if (block := read([raw])) is not None:
        return block
    line = decode(raw)
    if line is None:
        return None
    event, at = line.event, [0]
    none = Block([raw], [line.log], [line.seq], [line.t], (), (), (), (), (), (), (), (), (), ())
    match event:
        case Stored():
            file = none._replace(paths=[event.path], sizes=[event.bytes])
            return file._replace(stored_at=at, ids=[event.id], pages=[event.page], qualities=[event.quality])
        case Described():
            return none._replace(described_at=at, works=[event.id], images=[payload(event)["images"]])
        case _:
            return none._replace(others=[line])


def _columns(
    raws: Sequence[bytes], bodies: Sequence[bytes], heads: Sequence[bytes], lines: Sequence[Mapping[str, Any]]
) -> Block | None:
    """The columns of lines of which `heads` were read. Raises KeyError, TypeError, ValueError for what is odd."""
    logs, seqs, ts, events = _turned(map(_OF_ALL, lines), 4)
    if not (_are(str, chain(logs, ts, events)) and _are(int, seqs) and min(seqs, default=1) >= 1):
        return None
    is_stored = list(map("stored".__eq__, events))
    is_described = list(map("described".__eq__, events))
    stored, described = list(compress(lines, is_stored)), list(compress(lines, is_described))
    usual = list(map(_KINDS.__contains__, events))
    cut = map(lt, map(len, heads), map(len, bodies))
    if list(compress(cut, usual)) != list(compress(is_described, usual)):
        return None
    if set(map(len, stored)) - {14} or set(map(len, described)) - {6}:
        return None
    ids, pages, paths, sizes, sums, mimes, qualities, *_ = _turned(map(_OF_STORED, stored), 14)
    works, images, *_ = _turned(map(_OF_DESCRIBED, described), 6)
    if not (_are(str, chain(paths, sums, mimes, qualities)) and _are(int, sizes) and min(sizes, default=0) >= 0):
        return None
    if not (_ids(ids) and _ids(works) and _pages(pages) and _placed(ids, pages, paths) and _images(images)):
        return None
    others = list(map(decode, compress(raws, map(not_, usual))))
    if not all(line is not None and not isinstance(line.event, Voided) for line in others):
        return None
    at = list(compress(count(), is_stored)), list(compress(count(), is_described))
    return Block(
        raws, logs, seqs, ts, at[0], ids, pages, paths, sizes, qualities, at[1], works, images, cast(list[Line], others)
    )


def _turned(rows: Iterable[tuple[Any, ...]], width: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * width


def _are(kind: type, values: Iterable[object]) -> bool:
    return set(map(type, values)) <= {kind}


def _ids(ids: Sequence[Any]) -> bool:
    if _are(int, ids):
        return not ids or (min(ids) >= 0 and max(ids) < 1 << 63)
    return all(map(is_id, ids))


def _pages(pages: Sequence[Any]) -> bool:
    return min(pages, default=0) >= 0 if _are(int, pages) else all(map(is_page, pages))


def _placed(ids: Sequence[Any], pages: Sequence[Any], paths: Sequence[str]) -> bool:
    """Whether `is_place` says so of each image; most are numbered, and asked at a third of the price."""
    if _are(int, ids) and {path[-4:] for path in paths} <= _USUAL and _are(int, pages):
        due = [f"{FOLDERS[id % 1000]}{id}_p{page}" for id, page in zip(ids, pages, strict=True)]
        return due == [path[:-4] for path in paths]
    return all(map(is_place, paths, ids, pages))


def _images(images: Sequence[Any]) -> bool:
    """Whether `images_in` reads them, and each has a page."""
    if not _are(list, images):
        return False
    flat = list(chain.from_iterable(images))
    if not _are(dict, flat):
        return False
    pages, _ = _turned(map(_OF_IMAGE, flat), 2)
    return _pages(pages)
