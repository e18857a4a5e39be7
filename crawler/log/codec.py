"""One event as one line of the log, and back. Pure. And the law of the log, version 1.

*Framing.* The log is a sequence of lines, appended only; a line is one JSON object in UTF-8 and a newline:

    {"seq":7,"t":"2026-01-02T03:04:05.678Z","event":"gone","log":"0123456789ab",...,"crc":"89abcdef"}\\n

JSON escapes control characters and quotes: a newline byte only ever ends a line, and what a site says forges none.

*Checksum.* `crc` is always the last key: eight lower-case hexadecimal digits of CRC-32 (zlib) over every byte of the
line before `,"crc":`. So a line proves itself without its neighbours, wherever it stands.

*Sequence.* `log` names the log for ever, `seq` counts 1, 2, 3, … within it: (`log`, `seq`) names a line even after the
logs of many workers were joined in any order, a line that is gone shows as a gap, and a repeated one changes nothing.

*Commit* (`crawler.log.writer`). Lines are noted in memory and appended many at a time: one write, one fsync, every
`log.commit_ms`. What a line states is durable before the line is noted (an image: fsync, rename, fsync of its folder).
Guaranteed once a commit is over: its lines survive SIGKILL and power loss. Not before: what was noted since the last
commit may be lost, as if it had not been done, and is done again. With `output.durability = "none"` nothing is synced:
lines then survive the end of the process, not of the machine. After a write or fsync that failed nothing more is
written; the next process reads what is really there.

*Torn tail or damage* (`crawler.log.reader`). A torn tail is bytes at the end of the file that are no line, with no
intact line behind or among them: a write that did not finish, never confirmed. It is cut off, and kept under .crawl/,
when the log is next opened for writing. Damage is anything else: bytes that are no line with an intact one after them,
or a gap in a log's `seq` that no `voided` line explains. Something confirmed was lost, so nothing is written and the
file is left alone, with the offset told, until a person asks for repair (`crawler.log.repair`): that keeps every intact
line on both sides, voids those that are missing, and sets the original aside. CRC-32 sees every change of up to 32
neighbouring bits in a line; of other changes one in four thousand million goes unseen, unless `seq` shows it.

*Believed.* A checksum can be anybody's, and so can a log. A line whose checksum is right and that says what no line
says (a text for a number, a page "..", an image under another's path) is no line but damage, wherever it stands, also
at the end: nothing is read, moved or removed on its word. `decode` and `skim` are where that is looked at.

*For ever.* An event never changes its meaning, and keys are only added: unknown keys and events are passed over. A
snapshot (`crawler.log.snapshot`) is a shortcut past the beginning of a log and never more than that.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Mapping
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple, cast
from zlib import crc32

import orjson

from crawler.collected import Collected
from crawler.events import Described, Event, Failed, Line, Stored, Voided, images_in, payload, read_event
from crawler.model import Image, Page, WorkId
from crawler.rules.naming import FOLDERS, is_page, is_place, key_problem
from crawler.rules.storable import storable

FORMAT = 1
"""The `format` of `opened` lines."""

_START = b'{"seq":'
_KEY = b',"crc":"'
_END = b'"}'
_HEAD = re.compile(re.escape(_START))
_TAIL = re.compile(rb',"crc":"[0-9a-f]{8}"\}')
_TRAILER = len(_KEY) + 8 + len(_END)
_WORK = b',"work":'
"""In JSON a quote inside a string is escaped: where these bytes stand, they are a key."""
_EVENT = b'"event":"'
_STORED_KEYS = 15
_OF_STORED = itemgetter(
    "log", "seq", "t", "id", "page", "path", "bytes", "sha256", "mime", "quality", "width", "height", "url"
)
_USUAL = frozenset({".jpg", ".png", ".gif"})
"""How most paths end."""
_KINDS: Mapping[str, Collection[type]] = {
    "path": {str}, "bytes": {int}, "sha256": {str}, "mime": {str}, "quality": {str}, "reason": {str}, "host": {str},
    "source": {dict}, "totals": {dict}, "work": {dict}, "ids": {str}, "digest": {str}, "log": {str}, "rule": {str},
    "page": {int, str, type(None)}, "images": {tuple},
}  # fmt: skip
"""Of which types, as JSON has them, keys are that others build upon."""
_COLLECTED: Mapping[str, Collection[type]] = {
    "list": {int}, "page": {int}, "rank": {int}, "total": {int}, "rows": {int}, "masked": {int}, "left_out": {int},
    "ads": {int}, "reached": {int}, "ids": {int}, "pages": {int}, "short": {int}, "attempts": {int}, "kind": {str},
    "tag": {str}, "match": {str}, "mode": {str}, "since": {str}, "until": {str}, "first": {str}, "last": {str},
    "date": {str}, "day": {str}, "reason": {str}, "next": {dict, type(None)}, "hidden": {list, tuple},
    "wait_s": {int, float},
}  # fmt: skip
"""The same, in lines of `crawler collect`."""
_DESCRIBED_KEYS = 6
_new = cast(Any, tuple).__new__
"""Of a named tuple: past its own, which is a call in Python."""


def encode(log: str, seq: int, t: str, event: Event) -> bytes:
    """The line for `event`, newline included. Whatever strings and numbers the site sent, there is a line for it."""
    if type(event) is Stored:  # most lines are: written out, it costs half
        id, page, path, size, sha256, mime, width, height, quality, url = event
        line: dict[str, Any] = {
            "seq": seq, "t": t, "event": "stored", "log": log, "id": id, "page": page, "path": path, "bytes": size,
            "sha256": sha256, "mime": mime, "width": width, "height": height, "quality": quality, "url": url,
        }  # fmt: skip
    else:
        fields = payload(event)
        line = {"seq": seq, "t": t, "event": fields.pop("event"), "log": log} | fields
    return seal(line)


def seal(line: Mapping[str, Any]) -> bytes:
    """An object as a line with its checksum, newline included. `seq` must be its first key."""
    try:
        body = orjson.dumps(line)
    except TypeError:  # a lone surrogate, a number above 64 bits, or nesting without end: met only in site metadata
        body = orjson.dumps(storable(line))
    body = body[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


def unseal(raw: bytes) -> dict[str, Any] | None:
    """The object in an intact line (with or without its newline), None for any other bytes."""
    if raw[-1:] == b"\n":
        raw = raw[:-1]
    if raw[-_TRAILER:-10] != _KEY or raw[-2:] != _END or raw[: len(_START)] != _START or b"\n" in raw:
        return None
    if raw[-10:-2] != b"%08x" % crc32(raw[:-_TRAILER]):
        return None
    try:
        fields = orjson.loads(raw)
        log, seq, t = fields["log"], fields["seq"], fields["t"]
    except (KeyError, ValueError):
        return None
    return fields if type(seq) is int and seq >= 1 and type(log) is str and type(t) is str else None


class Glimpse(NamedTuple):
    """What a fold needs of a `stored` or a `described` line: nineteen of twenty, so they are read for this alone.

    `images` is None for `stored`, and what follows is for `stored` only.
    """

    log: str
    seq: int
    t: str
    id: WorkId
    images: tuple[Image, ...] | None
    page: Page = 0
    bytes: int = 0
    quality: str = ""


def skim(raw: bytes) -> Glimpse | Line | None:
    """As `decode`, for bytes without a newline, and two to three times faster where a fold needs little of a line.

    The checksum is verified over every byte; of a `described` line the site's metadata is then left unread. Whatever
    does not look exactly as `encode` writes it is decoded in full.
    """
    body = raw[:-_TRAILER]
    if raw[-_TRAILER:] != b',"crc":"%08x"}' % crc32(body) or raw[:7] != _START:
        return None
    at = body.find(_EVENT, 8, 80) + len(_EVENT)
    try:
        if body.startswith(b'stored","log":', at):
            fields = orjson.loads(raw)
            if len(fields) == _STORED_KEYS:
                log, seq, t, id, page, path, size, sha256, mime, quality, _, _, _ = _OF_STORED(fields)
                right = type(seq) is int and seq >= 1 and type(log) is str and type(t) is str and type(quality) is str
                if right and type(sha256) is str and type(mime) is str and type(size) is int and size >= 0:
                    if type(id) is int and type(page) is int and path[-4:] in _USUAL:
                        # What `is_place` would say, at a third of the price.
                        right = page >= 0 == id >> 63 and path[:-4] == f"{FOLDERS[id % 1000]}{id}_p{page}"
                    else:
                        right = is_id(id) and is_page(page) and type(path) is str and is_place(path, id, page)
                    if right:
                        return _new(Glimpse, (log, seq, t, id, None, page, size, quality))
        elif body.startswith(b'described","log":', at):
            fields = orjson.loads(body[: body.index(_WORK)] + b"}")
            if len(fields) == _DESCRIBED_KEYS:
                log, seq, t = fields["log"], fields["seq"], fields["t"]
                images = images_in(fields["images"])
                right = type(seq) is int and seq >= 1 and type(log) is str and type(t) is str
                if right and is_id(fields["id"]) and all(is_page(image.page) for image in images):
                    return Glimpse(log, seq, t, fields["id"], images)
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    return decode(raw)


def is_id(id: object) -> bool:
    """Whether a work may have this id, whatever it is."""
    return id >> 63 == 0 if type(id) is int else type(id) is str and not key_problem(id)


def sound(event: Event) -> bool:
    """Whether a line can say this: what is built upon has the types that it has, and a path is its image's own."""
    for name, kinds in _checks(type(event)):
        if type(getattr(event, name)) not in kinds:
            return False
    id: object = getattr(event, "id", 0)
    if not is_id(id) and not (id is None and isinstance(event, Voided)):
        return False
    match event:
        case Stored():
            return event.bytes >= 0 and is_page(event.page) and is_place(event.path, event.id, event.page)
        case Described():
            return all(is_page(image.page) for image in event.images)
        case Failed():
            return event.page is None or is_page(event.page)
        case Voided():
            return type(event.seq) is int and event.seq >= 0
        case _:
            return True


def strange(raw: bytes) -> str:
    """What is wrong with a line whose checksum is right and that is none; "" for any other bytes."""
    fields = unseal(raw)
    if fields is None or decode(raw) is not None:
        return ""
    line = f"line {fields['seq']} of log {ascii(fields['log'])[1:-1][:20]}"
    said, path = f"{line} has a right checksum and says what no line says", fields.get("path")
    return f"{said}: a path {ascii(path)[:120]} of another place" if type(path) is str else said


@cache
def _checks(kind: type[Event]) -> list[tuple[str, Collection[type]]]:
    types = _COLLECTED if issubclass(kind, Collected) else _KINDS
    return [(name, types[name]) for name in kind.__match_args__ if name in types]


def rescue(raw: bytes) -> list[bytes]:
    """The intact lines in bytes that are not one themselves, as when the newline between two lines was hit."""
    found: list[bytes] = []
    ends = [match.end() for match in _TAIL.finditer(raw)]
    done = 0
    for match in _HEAD.finditer(raw):
        start = match.start()
        if start < done:
            continue
        # Site metadata may hold an object that begins or ends like a line: the checksum knows.
        for end in ends[bisect_right(ends, start) :]:
            if decode(raw[start:end]) is not None:
                found.append(raw[start:end])
                done = end
                break
    return found


def decode(raw: bytes) -> Line | None:
    """The line in `raw` (with or without its newline), or None if these bytes are not exactly one intact line."""
    fields = unseal(raw)
    if fields is None:
        return None
    try:
        event = read_event(fields)
    except (KeyError, TypeError, ValueError):
        return None
    if event is not None and not sound(event):
        return None
    return Line(fields["log"], fields["seq"], fields["t"], event)
