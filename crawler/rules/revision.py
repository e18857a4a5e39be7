"""What a new answer for a known work changes: the lines to write, in which order, and which images stay. Pure.

The order is the safety: whichever of these lines is the last that became durable, the log tells no lie. First comes
the new answer, inert as long as the old one makes the work done. Then the lines of images that the new answer has too
and under another URL are voided, then the old answer, and last what the work no longer has. Of a work that is not whole
those lines are voided before the new answer: with fewer pages it could make a work of old images done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

from crawler.events import Described, Event, Failed, Gone, Line, Stored, Voided
from crawler.model import Image, WorkId
from crawler.rules.unfinished import Seen, Unfinished

RECHECKED = "rechecked"
"""The reason of a `voided` line whose fact was asked for again and noted anew."""
REPLACED = "replaced"
"""The reason of a `voided` line whose fact is another one now: the work was edited."""

E = TypeVar("E", Described, Stored, Gone, Failed)


@dataclass(frozen=True, slots=True)
class Revision:
    """What follows from a new answer. `events` in the order to be written; `replaced`: whose files are so no more."""

    events: tuple[Event, ...]
    replaced: tuple[Stored, ...] = ()


def revise(before: Sequence[Line], answer: Described | Gone | Failed | Stored) -> Revision:
    """What a new answer means for a work, given every standing line of it.

    Described: pages of the same URL keep what is stored, others lose it; a newer upload date renews every page.
    Gone: in place of the older `gone`; a work that is whole stays done, for done is the stronger fact. Failed: for now,
    nothing else; for good, in place of the older ones of the work. Stored, of site `urls`: in place of all
    others, which have the same bytes.
    """
    gone, lost, stored = _of(before, Gone), _of(before, Failed), _of(before, Stored)
    # A plain URL is its one image.
    works_lost = [pair for pair in lost if pair[1].page is None or isinstance(pair[1].id, str)]
    match answer:
        case Described():
            return _described(before, answer)
        case Gone():
            return Revision((answer, *_void([*gone, *works_lost], RECHECKED)))
        case Failed():
            return Revision((answer, *(_void(works_lost, RECHECKED) if answer.permanent else ())))
        case Stored():
            return Revision((answer, *_void([*stored, *gone, *lost], RECHECKED)))


def _described(before: Sequence[Line], answer: Described) -> Revision:
    described, stored = _of(before, Described), _of(before, Stored)
    old = max(described, key=lambda pair: _moment(pair[0]))[1] if described else None
    new = {image.page: image for image in answer.images}
    renewed = old is not None and _newer(answer, old)
    out = [(line, event) for line, event in stored if renewed or not _stays(event, new.get(event.page), old)]
    changed = old is not None and (renewed or bool(out) or not _alike(old.images, answer.images))
    had = {event.page for _, event in stored}
    whole = old is not None and all(image.page in had for image in old.images)
    other = _void([pair for pair in out if pair[1].page in new], REPLACED)
    events: list[Event] = [answer, *other] if whole else [*other, answer]
    events += _void(_of(before, Failed), RECHECKED)
    events += _void(described, REPLACED if changed else RECHECKED)
    events += _void(_of(before, Gone), RECHECKED)
    events += _void([pair for pair in out if pair[1].page not in new], REPLACED)
    return Revision(tuple(events), tuple(event for _, event in out))


def supersede(id: WorkId, entry: Unfinished) -> tuple[Voided, ...]:
    """The rest of a revision that a crash cut off after its new answer: what that answer had to take away.

    Which images would have stayed is not known here: where the answers differ, all that is older goes.
    """
    seen = sorted(fact for fact in entry.facts.values() if isinstance(fact, Seen))
    if len(seen) < 2:
        return ()
    last = seen[-1]
    edited = not all(_alike(one.images, last.images) for one in seen)
    older = [
        key for key, fact in entry.facts.items() if fact.moment < last.moment and (edited or isinstance(fact, Seen))
    ]
    return tuple(Voided(*key, REPLACED if edited else RECHECKED, id) for key in older)


def same_image(one: Image, other: Image) -> bool:
    """Whether two descriptions mean the same file: same page, same place on the host (pixiv.md 3.1: a revision changes
    the path), whichever host it is."""
    return one.page == other.page and _place(one.url) == _place(other.url)


def _alike(old: Sequence[Image], new: Sequence[Image]) -> bool:
    return len(old) == len(new) and all(map(same_image, old, new))


def _stays(stored: Stored, new: Image | None, old: Described | None) -> bool:
    if new is None:
        return False
    if _place(stored.url) in _places(new):
        return True
    # Stored as a smaller rendition that the new description does not name, as without site.fallback.
    was = next((image for image in old.images if image.page == stored.page), None) if old else None
    return was is not None and same_image(was, new) and _place(stored.url) in _places(was)


def _newer(answer: Described, old: Described) -> bool:
    now, then = _date(answer.work.get("uploadDate")), _date(old.work.get("uploadDate"))
    return now is not None and then is not None and now > then


def _date(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _places(image: Image) -> set[str]:
    return {_place(image.url)} | ({_place(image.fallback)} if image.fallback else set())


def _place(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return url


def _of(lines: Iterable[Line], kind: type[E]) -> list[tuple[Line, E]]:
    return [(line, line.event) for line in lines if isinstance(line.event, kind)]


def _void(pairs: Iterable[tuple[Line, Described | Stored | Gone | Failed]], reason: str) -> list[Voided]:
    return [Voided(line.log, line.seq, reason, event.id) for line, event in pairs]


def _moment(line: Line) -> tuple[str, str, int]:
    return (line.t, line.log, line.seq)
