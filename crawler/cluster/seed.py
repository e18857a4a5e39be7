"""What the main log knows of works that are not finished, on its way to a worker: facts, with the lines they are of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from crawler.events import Described, Failed, Line, Stored, images_in
from crawler.events import payload as payload_of
from crawler.model import Page, WorkId
from crawler.rules.unfinished import Had, Lost, Seen, Unfinished


@dataclass(frozen=True, slots=True)
class Seed:
    """`lines` give a State all that is known. `pages`: of a manifest, which images of a work are wanted."""

    lines: tuple[Line, ...] = ()
    pages: Mapping[WorkId, frozenset[Page]] | None = None


def pack(known: Iterable[tuple[WorkId, Unfinished]], pages: Mapping[WorkId, Sequence[Page]] | None = None) -> bytes:
    """A seed as bytes; b"" where there is nothing to say."""
    facts = [[id, *_fact(one)] for id, entry in known for one in entry.facts.values()]
    if not facts and pages is None:
        return b""
    wanted = None if pages is None else [[id, list(some)] for id, some in pages.items()]
    return orjson.dumps({"facts": facts, "pages": wanted})


def unpack(seed: bytes) -> Seed:
    """What `pack` packed."""
    if not seed:
        return Seed()
    told: dict[str, Any] = orjson.loads(seed)
    lines = tuple([_line(*fact) for fact in told["facts"]])
    pages = told["pages"]
    return Seed(lines, None if pages is None else {id: frozenset(some) for id, some in pages})


def _fact(fact: Seen | Had | Lost) -> list[Any]:
    match fact:
        case Seen():
            return [*fact.moment, "seen", payload_of(Described(0, fact.images, {}))["images"]]
        case Had():
            return [*fact.moment, "had", [fact.page, fact.bytes, fact.quality]]
        case Lost():
            return [*fact.moment, "lost", [fact.permanent, fact.page, fact.reason]]


def _line(id: WorkId, t: str, log: str, seq: int, kind: str, said: Any) -> Line:
    if kind == "seen":
        return Line(log, seq, t, Described(id, images_in(said), {}))
    if kind == "had":
        page, size, quality = said
        return Line(log, seq, t, Stored(id, page, "", size, "", "", None, None, quality, ""))
    permanent, page, reason = said
    return Line(log, seq, t, Failed(id, page, reason, None, 0, permanent))
