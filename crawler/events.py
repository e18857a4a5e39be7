"""What the log can say: facts in the past tense, one frozen class an event (a tuple where there are very many).

An event never changes meaning; a new fact is a new event. Keys are flat (design.md 1.4). The envelope
(`log`, `seq`, `t`, `crc`) belongs to `crawler.log.codec`. `payload` and `read_event` are inverse; unknown keys are
ignored and an unknown event reads as None, so that an old reader survives a newer log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple, cast

from crawler.collected import COLLECTED, CollectedEvent
from crawler.model import Image, Page, WorkId


@dataclass(frozen=True, slots=True)
class Opened:
    """A run began. `log` names this file for ever; `source` = {path, digest, ids}; `settings` is a digest."""

    event: ClassVar[str] = "opened"
    log: str
    format: int
    version: str
    source: Mapping[str, Any]
    settings: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of the ids that belong to source `digest`; written only when the log already knew another list.

    `ids`: base64 of a serialized 64-bit roaring bitmap of the ids, or of `numbers.digest_of` each where they are texts.
    Lets `status` count the newest list from the log alone.
    """

    event: ClassVar[str] = "listed"
    digest: str
    ids: str


@dataclass(frozen=True, slots=True)
class Described:
    """The site's answer for a work: every image it has, and its metadata."""

    event: ClassVar[str] = "described"
    id: WorkId
    images: tuple[Image, ...]
    work: Mapping[str, Any]


class Stored(NamedTuple):
    """An image is safe on disk."""

    id: WorkId
    page: Page
    path: str
    bytes: int
    sha256: str
    mime: str
    width: int | None
    height: int | None
    quality: str
    url: str
    event = "stored"


@dataclass(frozen=True, slots=True)
class Gone:
    """Final: there is nothing to get. `rule` only where `reason` is `filtered`."""

    event: ClassVar[str] = "gone"
    id: WorkId
    reason: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Gave up on a work (`page` None) or on one image, for now or (`permanent`) for good."""

    event: ClassVar[str] = "failed"
    id: WorkId
    page: Page | None
    reason: str
    status: int | None
    attempts: int
    permanent: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Voided:
    """An earlier line no longer holds: line `seq` of log `log`."""

    event: ClassVar[str] = "voided"
    log: str
    seq: int
    reason: str
    id: WorkId | None = None


@dataclass(frozen=True, slots=True)
class Throttled:
    """The limiter of a host changed its mind. `rate` in requests/s (0: unlimited), `until` UTC ISO 8601 or None.

    The rest is what it has learnt, for the next run (rules.learning.Memory): the host's own `limit` (requests/s; 0: not
    known), of which `room` fit at once, `met` so many times in a row; more is asked for `again` (UTC ISO 8601, or
    None); a block lasted `block_s`.
    """

    event: ClassVar[str] = "throttled"
    host: str
    rate: float
    until: str | None
    reason: str
    limit: float = 0.0
    room: float = 0.0
    met: int = 0
    again: str | None = None
    block_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What a host was, or may have been, asked for in the five minutes from `since` on (UTC ISO 8601), by this log.

    Written before it is spent and only where limits.daily has a budget (`budget_*`, of any 24 h; 0: none), so that
    it is never less than what was. Of a log, a host and a `since` the last line counts; those of many logs add up.
    `bytes` are of bodies, as received. `until` (UTC ISO 8601): the budget is spent, and the host is left alone so long.
    """

    event: ClassVar[str] = "spent"
    host: str
    since: str
    requests: int
    bytes: int
    budget_requests: int
    budget_bytes: int
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """A run ended. `totals` has at least listed, done, gone, failed, pending, images, bytes."""

    event: ClassVar[str] = "closed"
    reason: str
    totals: Mapping[str, Any]


Event = Opened | Listed | Described | Stored | Gone | Failed | Voided | Throttled | Spent | Closed | CollectedEvent


def _image_out(image: Image) -> dict[str, Any]:
    page, url, fallback, width, height = image
    if fallback and width is not None:  # nearly every image
        return {"page": page, "url": url, "fallback": fallback, "width": width, "height": height}
    out: dict[str, Any] = {"page": page, "url": url}
    if fallback:
        out["fallback"] = fallback
    if width is not None:
        out |= {"width": width, "height": height}
    return out


def images_in(raw: Iterable[Mapping[str, Any]]) -> tuple[Image, ...]:
    """The images of a `described` line. Raises KeyError, TypeError or AttributeError for what are none."""
    return tuple([Image(i["page"], i["url"], i.get("fallback"), i.get("width"), i.get("height")) for i in raw])


def payload(event: Event) -> dict[str, Any]:
    """The event as the keys of its log line, `event` first, without the envelope."""
    out: dict[str, Any] = {"event": event.event}
    match event:
        case Described():
            out |= {"id": event.id, "images": list(map(_image_out, event.images)), "work": dict(event.work)}
        case Voided():
            out["line"] = {"log": event.log, "seq": event.seq}
            out |= {"reason": event.reason} | ({} if event.id is None else {"id": event.id})
        case _:
            out |= {name: getattr(event, name) for name in event.__match_args__}
            if out.get("rule") == "" or out.get("detail") == "":
                out = {k: v for k, v in out.items() if k not in ("rule", "detail") or v}
    return out


def _plain(cls: type[Any]) -> Callable[[Mapping[str, Any]], Any]:
    names: tuple[str, ...] = cls.__match_args__
    values = cast("Callable[[Mapping[str, Any]], tuple[Any, ...]]", itemgetter(*names))

    def read(raw: Mapping[str, Any]) -> Any:
        try:
            return cls(*values(raw))  # most lines have every key: three times faster than by name
        except KeyError:
            return cls(**{name: raw[name] for name in names if name in raw})

    return read


_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "described": lambda raw: Described(raw["id"], images_in(raw["images"]), raw["work"]),
    "voided": lambda raw: Voided(raw["line"]["log"], raw["line"]["seq"], raw["reason"], raw.get("id")),
    **{cls.event: _plain(cls) for cls in (Opened, Listed, Stored, Gone, Failed, Throttled, Spent, Closed, *COLLECTED)},
}


def read_event(raw: Mapping[str, Any]) -> Event | None:
    """The event in a decoded line; None for an event this version does not know.

    Raises KeyError or TypeError for a known event without one of its keys.
    """
    reader = _READERS.get(raw["event"])
    return None if reader is None else reader(raw)


@dataclass(frozen=True, slots=True)
class Line:
    """An event with its place: line `seq` of log `log`, written at `t` (UTC, ISO 8601, ms).

    `event` is None for an intact line that says something this version does not know.
    """

    log: str
    seq: int
    t: str
    event: Event | None
