"""One event as one line of the log, and back. Pure.

The format, version 1. The log is a sequence of lines, appended only; a line is a JSON object in UTF-8 and a newline:

    {"seq":7,"t":"2026-01-02T03:04:05.678Z","event":"gone","log":"0123456789ab",...,"crc":"89abcdef"}\\n

`crc` is always the last key: eight lower-case hexadecimal digits of CRC-32 (zlib) over every byte of the line before
`,"crc":`. So a line proves itself without its neighbours, and (`log`, `seq`) names it even after logs of many workers
were joined in any order. `seq` counts 1, 2, 3, … within a log, so that a lost line shows. JSON escapes control
characters: a newline byte only ever ends a line, and what a site says cannot forge one.

A reader tells two kinds of bad bytes apart (`crawler.log.reader`). A *torn tail* reaches to the end of the file with
no intact line after it: a write that did not finish, never confirmed, cut off when the log is next opened for writing.
*Damage* has an intact line after it, or is a gap in a log's `seq`: something confirmed was lost, so the file is left
alone until a person asks for repair.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, cast

import orjson

from crawler.events import Event, Line, payload, read_event

FORMAT = 1
"""The `format` of `opened` lines."""

_START = b'{"seq":'
_KEY = b',"crc":"'
_END = b'"}'
_TRAILER = len(_KEY) + 8 + len(_END)
_DEPTH_MAX = 100
"""What lies deeper than this is replaced in text that orjson refused: it stops at 254 by itself."""


def encode(log: str, seq: int, t: str, event: Event) -> bytes:
    """The line for `event`, newline included. Whatever strings and numbers the site sent, there is a line for it."""
    fields = payload(event)
    line = {"seq": seq, "t": t, "event": fields.pop("event"), "log": log} | fields
    try:
        body = orjson.dumps(line)
    except TypeError:  # a lone surrogate, a number above 64 bits, or nesting without end: met only in site metadata
        body = orjson.dumps(_clean(line, 0))
    body = body[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))


def decode(raw: bytes) -> Line | None:
    """The line in `raw` (with or without its newline), or None if these bytes are not exactly one intact line."""
    if raw[-1:] == b"\n":
        raw = raw[:-1]
    if raw[-_TRAILER:-10] != _KEY or raw[-2:] != _END or raw[: len(_START)] != _START or b"\n" in raw:
        return None
    if raw[-10:-2] != b"%08x" % zlib.crc32(raw[:-_TRAILER]):
        return None
    try:
        fields = orjson.loads(raw)
        log, seq, t = fields["log"], fields["seq"], fields["t"]
        event = read_event(fields)
    except (KeyError, TypeError, ValueError):
        return None
    if type(seq) is not int or seq < 1 or type(log) is not str or type(t) is not str:
        return None
    return Line(log, seq, t, event)


def _clean(value: Any, depth: int) -> Any:
    """The nearest value that JSON can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else str(value) if abs(value) < 1 << 4096 else "…"
    if depth >= _DEPTH_MAX:
        return "…"
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_clean(str(k), depth): _clean(v, depth + 1) for k, v in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(v, depth + 1) for v in cast("list[Any]", value)]
    return _clean(str(value), depth)
