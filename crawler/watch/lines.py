"""A line of the log for people: when, what, which work, in words and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, cast

import orjson
from rich.text import Text

from crawler.log.codec import decode
from crawler.watch.follow import Piece
from crawler.watch.style import EVENT, FAINT, fit, pad
from crawler.words import clean, seconds_of, tell, words

_ID = 10


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are wanted: by event (none named: all), by the work's id as text."""

    events: frozenset[str] = frozenset()
    id: str = ""

    def wants(self, raw: bytes) -> bool:
        """Whether these bytes are wanted. What is no line at all is wanted unless a filter is on."""
        if not self.events and not self.id:
            return True
        if self.events and not any(b'"event":"%b"' % event.encode() in raw for event in self.events):
            return False  # cheap, for the many that are not wanted
        if decode(raw) is None:
            return False
        fields = _fields(raw)
        if self.events and fields.get("event") not in self.events:
            return False
        return not self.id or str(fields.get("id")) == self.id


def _fields(raw: bytes) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", orjson.loads(raw))


def intact(raw: bytes) -> bool:
    """Whether the bytes are a line as it was written."""
    return decode(raw) is not None


def render(piece: Piece, width: int | None = None, zone: tzinfo | None = None) -> Text:
    """The line as text: local time, event, id, words; cut to `width` cells if given. Never raises, never wraps."""
    line = decode(piece.raw)
    if line is None:
        return _row("", "damaged", "", f"damaged line at byte {piece.offset}", width)
    if line.event is None:
        name, id, said = _unknown(piece.raw)
    else:
        name = line.event.event
        id, said = tell(line.event, zone)
    t = seconds_of(line.t)
    when = clean(line.t) if t is None else datetime.fromtimestamp(t, UTC).astimezone(zone).strftime("%m-%d %H:%M:%S")
    return _row(when, name, id, said, width)


def _unknown(raw: bytes) -> tuple[str, str, str]:
    """An event of a newer version: its name, and its keys as they are."""
    fields = dict(_fields(raw))
    name, id = clean(str(fields.get("event"))), fields.get("id")
    for key in ("seq", "t", "event", "log", "crc", "id"):
        fields.pop(key, None)
    return name, "" if id is None else clean(str(id)), clean(orjson.dumps(fields).decode())


def _row(when: str, name: str, id: str, said: str, width: int | None) -> Text:
    style = EVENT.get(name, "")
    row = Text(no_wrap=True, end="").append(pad(when, 14) + "  ", FAINT)
    row.append(words(name).ljust(9) + "  ", style)
    text = f"{pad(id, max(_ID, len(id)))} {said}" if id else said
    row.append(text if width is None else fit(text, max(1, width - row.cell_len)), style if name == "failed" else "")
    if width is not None:
        row.truncate(width)
    return row
