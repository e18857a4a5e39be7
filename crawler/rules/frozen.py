"""A state at one moment as plain data, and that as bytes and back: what a snapshot holds. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any, cast

import orjson
from pyroaring import BitMap64

from crawler.events import Closed, Failed, Spent, Throttled
from crawler.model import Image, WorkId
from crawler.numbers import NUMBERS, WIDE
from crawler.rules.naming import is_page
from crawler.rules.spending import Row
from crawler.rules.storable import storable
from crawler.rules.unfinished import Fact, Facts, Had, Key, Lost, Moment, Seen

PIECE = 1000
"""Unfinished works in one part: a part is encoded in one go, while nothing else runs."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """Everything that a State knows, as of one moment; nothing in it changes any more. `voided`: `seq` by log."""

    done: BitMap64
    gone: dict[str, BitMap64]
    lists: dict[str, BitMap64]
    voided: dict[str, BitMap64]
    unfinished: Sequence[tuple[WorkId, Facts | Lost]]
    images: int
    bytes: int
    qualities: dict[str, int]
    digests: list[str]
    opened: tuple[Moment, Mapping[str, Any]] | None
    closed: tuple[Moment, Closed] | None
    throttled: dict[str, tuple[Moment, Throttled]]
    spent: list[Row]
    spent_last: dict[str, tuple[Moment, Spent]]
    failures: dict[Moment, Failed]
    first_t: str
    last_t: str
    changed: BitMap64


def pack(frozen: Frozen) -> Iterator[bytes]:
    """The state in parts, each after its length as eight bytes, little endian."""
    for part in _parts(frozen):
        yield len(part).to_bytes(8, "little")
        yield part


def unpack(data: bytes | memoryview) -> Frozen:
    """The inverse of `pack`. Raises ValueError, KeyError, TypeError or IndexError for other bytes."""
    data = memoryview(data)
    parts: list[memoryview] = []
    at = 0
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 8], "little")
        parts.append(data[at + 8 : end])
        at = end
    if at != len(data):
        raise ValueError("the last part is cut off")
    parts.reverse()
    head = orjson.loads(parts.pop())
    maps = {name: {key: _ids(parts.pop(), parts.pop()) for key in head[name]} for name in _MAPS}
    unfinished = [_unfinished(row, head["logs"]) for part in reversed(parts) for row in orjson.loads(part)]
    if len(unfinished) != head["unfinished"]:
        raise ValueError("not all works are there")
    opened, closed = head["opened"], head["closed"]
    return Frozen(
        maps["done"][""],
        maps["gone"],
        maps["lists"],
        maps["voided"],
        unfinished,
        head["images"],
        head["bytes"],
        head["qualities"],
        head["digests"],
        None if opened is None else (_moment(opened[0]), opened[1]),
        None if closed is None else (_moment(closed[0]), Closed(**closed[1])),
        {host: (_moment(moment), Throttled(**event)) for host, (moment, event) in head["throttled"].items()},
        [(host, log, start, seq, asked, size) for host, log, start, seq, asked, size in head["spent"]],
        {host: (_moment(moment), Spent(**event)) for host, (moment, event) in head["spent_last"].items()},
        {_moment(moment): Failed(**event) for moment, event in head["failures"]},
        head["first_t"],
        head["last_t"],
        maps["changed"][""],
    )


_MAPS = ("done", "gone", "lists", "voided", "changed")


def _parts(frozen: Frozen) -> Iterator[bytes]:
    maps = {"done": {"": frozen.done}, "gone": frozen.gone, "lists": frozen.lists, "voided": frozen.voided}
    maps["changed"] = {"": frozen.changed}
    logs = sorted({log for _, facts in frozen.unfinished for log, _ in _each(facts)})
    head: dict[str, Any] = {name: list(bitmaps) for name, bitmaps in maps.items()}
    for name in ("images", "bytes", "qualities", "digests", "opened", "first_t", "last_t"):
        head[name] = getattr(frozen, name)
    head["closed"] = None if frozen.closed is None else (frozen.closed[0], asdict(frozen.closed[1]))
    head["throttled"] = {host: (moment, asdict(event)) for host, (moment, event) in frozen.throttled.items()}
    head["spent"] = frozen.spent
    head["spent_last"] = {host: (moment, asdict(event)) for host, (moment, event) in frozen.spent_last.items()}
    head["failures"] = [(moment, asdict(event)) for moment, event in frozen.failures.items()]
    head["logs"], head["unfinished"] = logs, len(frozen.unfinished)
    yield _json(head)
    for bitmaps in maps.values():
        for bitmap in bitmaps.values():
            yield from _packed(bitmap)
    number = {log: at for at, log in enumerate(logs)}
    for at in range(0, len(frozen.unfinished), PIECE):
        piece = frozen.unfinished[at : at + PIECE]
        yield _json([[id, [_row(key, fact, number) for key, fact in _each(facts).items()]] for id, facts in piece])


def _each(facts: Facts | Lost) -> Facts:
    return {facts.moment[1:]: facts} if isinstance(facts, Lost) else facts


def _packed(ids: BitMap64) -> tuple[bytes, bytes]:
    """A bitmap of `bit_of` ids in two parts: numbers, and the digests of texts."""
    if not ids or ids.max() < WIDE:
        return ids.serialize(), b""
    plain = BitMap64() if ids.min() >= WIDE else BitMap64(takewhile(WIDE.__gt__, ids))
    return plain.serialize(), array("Q", NUMBERS.digests(ids - plain)).tobytes()


def _ids(plain: memoryview, digests: memoryview) -> BitMap64:
    """The inverse of `_packed`."""
    ids = BitMap64.deserialize(bytes(plain))
    if digests:
        ids.update(map(NUMBERS.number, array("Q", bytes(digests))))
    return ids


def _row(key: Key, fact: Fact, number: Mapping[str, int]) -> list[Any]:
    """A fact without names: its line, its time, and what it says."""
    place = [number[key[0]], key[1], fact.moment[0]]
    if isinstance(fact, Had):
        return [*place, fact.page, fact.bytes, fact.quality]
    if isinstance(fact, Lost):
        return [*place, fact.permanent, fact.page, fact.reason, 0]
    return [*place, [(i.page, i.url, i.fallback, i.width, i.height) for i in fact.images]]


def _unfinished(row: list[Any], logs: list[str]) -> tuple[WorkId, Facts]:
    facts: dict[Key, Fact] = {}
    for place in cast("list[list[Any]]", row[1]):
        log = logs[int(place[0])]
        seq: int = place[1]
        moment: Moment = (place[2], log, seq)
        said: list[Any] = place[3:]
        if len(said) == 3:
            fact, pages = Had(moment, *said), [said[0]]
        elif len(said) == 4:
            fact, pages = Lost(said[0], moment, said[1], said[2]), [said[1]]
        else:
            fact = Seen(moment, tuple(Image(*image) for image in said[0]))
            pages = [image.page for image in fact.images]
        if not all(page is None or is_page(page) for page in pages):  # parts are named by it
            raise ValueError("a page that no image has")
        facts[log, seq] = fact
    return row[0], facts


def _moment(raw: list[Any]) -> Moment:
    return (raw[0], raw[1], raw[2])


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # as in the log's encoder, so that the log and the snapshot say the same
        return orjson.dumps(storable(value))


def copies(bitmaps: Mapping[str, BitMap64]) -> dict[str, BitMap64]:
    """The same bitmaps, which nobody else will change."""
    return {key: bitmap.copy() for key, bitmap in bitmaps.items()}
