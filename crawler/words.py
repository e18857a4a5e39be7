"""Words for people: numbers with units, times, and events as short sentences. Pure, and safe to print.

Strings from the site go through `clean`. Nothing here knows colours or widths.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime, tzinfo

from crawler.collected import Began, Capped, Emptied, Ended, Found, Missed, Paged
from crawler.events import (
    Closed,
    Described,
    Event,
    Failed,
    Gone,
    Listed,
    Opened,
    Spent,
    Stored,
    Throttled,
    Voided,
)
from crawler.model import Page

Range = tuple[float, float]
"""Seconds: at least, at most."""


def clean(text: str) -> str:
    """A string from the site as one harmless line: what could move a cursor or turn text round is shown as `\\x1b`.

    Escaped: control characters (newline too), terminal codes, bidi and other invisible format marks, line separators,
    lone surrogates, unassigned and private characters. Odd spaces become spaces, variation selectors and joiners go,
    and a letter keeps at most three marks. Letters of every script stay.
    """
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > 3 or char == "\u200d" or "\ufe00" <= char <= "\ufe0f":
            continue
        if category in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"):
            code = ord(char)
            short = {9: "\\t", 10: "\\n", 13: "\\r"}.get(code)
            out.append(short or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"))
        else:
            out.append(" " if category == "Zs" and char != "\u3000" else char)
    return "".join(out)


def count(n: int) -> str:
    """A number with thin groups: 268,118."""
    return f"{n:,}"


def number(n: float) -> str:
    """A speed: one digit after the point while it is small."""
    return f"{n:,.0f}" if n >= 99.95 else f"{n:.1f}"


def plural(n: int, noun: str) -> str:
    """`1 work`, `2 works`, `3 tries`."""
    if n != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{count(n)} {noun}"


def size(n: float) -> str:
    """Bytes in decimal units, three digits: 999 B, 1.23 MB, 45.6 GB."""
    n = max(0.0, n)
    if n < 999.5:
        return f"{n:.0f} B"
    unit = "B"
    for unit in ("kB", "MB", "GB", "TB", "PB"):  # noqa: B007 - read after the loop
        n /= 1000
        if n < 999.5:
            break
    return f"{n:.{2 if n < 9.995 else 1 if n < 99.95 else 0}f} {unit}"


def duration(seconds: float) -> str:
    """The two largest units: 9 s, 3 min 20 s, 2 h 05 min, 3 d 04 h."""
    s = max(0, round(seconds))
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s"
    if s < 86400:
        return f"{s // 3600} h {s % 3600 // 60:02d} min"
    return f"{s // 86400} d {s % 86400 // 3600:02d} h"


def between(left: Range | None) -> str:
    """A range of time as people say it: `2 to 3 h`, `50 min to 2 h`; nothing known: `not known yet`."""
    if left is None:
        return "not known yet"
    low, high = left
    if high < 1:
        return "none"
    unit, seconds = next(((u, s) for u, s in _UNITS if high >= 2 * s), ("s", 1))
    if unit != "s" and low < seconds:
        smaller, less = next(((u, s) for u, s in (*_UNITS, ("s", 1)) if s < seconds and low >= s), ("s", 1))
        return f"{math.floor(low / less)} {smaller} to {math.ceil(high / seconds)} {unit}"
    step = 0.5 if unit in ("d", "h") and high < 10 * seconds else 1
    short, long = step * math.floor(low / seconds / step), step * math.ceil(high / seconds / step)
    return f"{long:g} {unit}" if short == long else f"{short:g} to {long:g} {unit}"


def by_lane(api: Range | None, images: Range | None) -> str:
    """The time left of each lane, `API 2 to 3 d, images 5 to 7 h`; nothing where only one has any left, or nobody
    knows."""
    if api is None or images is None or api[1] < 1 or images[1] < 1:
        return ""
    return f"API {between(api)}, images {between(images)}"


_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def per_second(rate: float) -> str:
    """`0.6/s`, `12/s`; 0 is no limit."""
    return "no limit" if rate <= 0 else f"{rate:.0f}/s" if rate >= 99.5 else f"{rate:.2g}/s"


def share(part: int, whole: int) -> str:
    """Per cent with one digit, never rounded up to 100.0 while something is missing."""
    if whole <= 0:
        return "0.0 %"
    if 0 < 1000 * part < whole:
        return "< 0.1 %"
    return f"{math.floor(1000 * part / whole) / 10:.1f} %"


def clock(t: float, zone: tzinfo | None = None) -> str:
    """HH:MM:SS of UTC seconds `t` in `zone`, by default the machine's own."""
    return datetime.fromtimestamp(t, UTC).astimezone(zone).strftime("%H:%M:%S")


def on_the_day(t: float, zone: tzinfo | None = None) -> str:
    """2026-11-23 13:45 of UTC seconds `t` in `zone`, by default the machine's own. A begun minute is a whole one."""
    return datetime.fromtimestamp(60 * math.ceil(t / 60), UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M")


def of_budgets(requests: int, most_requests: int, n: int, most_bytes: int) -> str:
    """What was spent of budgets (0: none): `500 of 500 requests, 1.20 GB of 2.00 GB`."""
    asked = f"{count(requests)} of {plural(most_requests, 'request')}" if most_requests else ""
    came = f"{size(n)} of {size(most_bytes)}" if most_bytes else ""
    return ", ".join(filter(None, (asked, came))) or "no budget"


def words(reason: str) -> str:
    """A reason of the log as words: `not_found` -> `not found`."""
    return clean(reason).replace("_", " ")


# ---------------------------------------------------------------------- events


def tell(event: Event, zone: tzinfo | None = None) -> tuple[str, str]:
    """(id, words) of an event; the id is empty where it is about no work. Times of day in `zone`."""
    match event:
        case Opened():
            return "", _opened(event)
        case Listed():
            return "", f"a part of the new list, digest {clean(event.digest)[:12]}"
        case Described():
            return _id(event.id), _described(event)
        case Stored():
            shape = f"{event.width} x {event.height}  " if event.width and event.height else ""
            smaller = "" if event.quality == "original" else f"  {words(event.quality)}"
            return _id(event.id), f"{page(event.page):<4} {size(event.bytes):<8} {shape}{clean(event.path)}{smaller}"
        case Gone():
            return _id(event.id), words(event.reason) + (f" by {clean(event.rule)}" if event.rule else "")
        case Failed():
            return _id(event.id), _failed(event)
        case Voided():
            id = "" if event.id is None else _id(event.id)
            return id, f"line {event.seq} of log {clean(event.log)} no longer holds: {words(event.reason)}"
        case Throttled():
            return "", f"{clean(event.host)}  {_throttled(event, zone)}"
        case Spent():
            return "", f"{clean(event.host)}  {_spent(event, zone)}"
        case Closed():
            return "", _closed(event)
        case Found():
            return _id(event.id), f"{clean(event.tag)}, place {count(event.rank)}, {clean(event.date)[:10]}"
        case Began() | Paged() | Capped() | Emptied() | Ended() | Missed():
            return "", _of_list(event)


def page(page: Page | None) -> str:
    """`p0`, `zip`; empty for a whole work."""
    return "" if page is None else f"p{page}" if isinstance(page, int) else clean(str(page))


def _id(id: object) -> str:
    return clean(str(id))


def _of_list(event: Began | Paged | Capped | Emptied | Ended | Missed) -> str:
    name = clean(event.tag)
    match event:
        case Began():
            days = f", {event.first or 'the beginning'} to {event.last}" if event.last else ""
            return f"{name}{days}"
        case Paged():
            return f"{name}  page {count(event.page)}, {plural(event.rank, 'row')} so far"
        case Capped():
            left = event.total - event.reached
            return f"{name}  {event.day}: {count(event.total)} works, {count(left)} of them are on no page of the site"
        case Emptied():
            then = f"asked again in {duration(event.wait_s)}" if event.wait_s else "believed"
            return f"{name}  page {count(event.page)} is empty, {then}"
        case Ended():
            return f"{name}  {plural(event.ids, 'id')} on {plural(event.pages, 'page')}"
        case Missed():
            end = "for good" if event.permanent else "the next run goes on there"
            detail = f": {clean(event.detail)}" if event.detail else ""
            status = "" if event.status is None else f", status {event.status}"
            return f"{name}  page {count(event.page)}: {words(event.reason)}{status}, {end}{detail}"


def _opened(event: Opened) -> str:
    ids = event.source.get("ids")
    lists = event.source.get("lists")
    many = plural(ids, "id") if isinstance(ids, int) else plural(lists, "list") if isinstance(lists, int) else "ids"
    path = clean(str(event.source.get("path") or "standard input"))
    return f"{many} from {path}, crawler {clean(event.version)}, log {clean(event.log)}"


def _described(event: Described) -> str:
    title, by = event.work.get("illustTitle") or event.work.get("title"), event.work.get("userName")
    said = plural(len(event.images), "image")
    if isinstance(title, str) and title:
        said += f", {clean(title)}"
    if isinstance(by, str) and by:
        said += f", by {clean(by)}"
    return said


def _failed(event: Failed) -> str:
    what = f"{page(event.page):<4} " if event.page is not None else ""
    status = "" if event.status is None else f", status {event.status}"
    tries = f" after {plural(event.attempts, 'try')}" if event.attempts else ""
    end = "for good" if event.permanent else "the next run tries again"
    detail = f": {clean(event.detail)}" if event.detail else ""
    return f"{what}{words(event.reason)}{status}{tries}, {end}{detail}"


_REFUSALS = {
    "rate_limited": "too many requests",
    "unavailable": "unavailable",
    "connect": "connections are refused",
    "connect_timeout": "connecting takes too long",
    "idle": "replies stop midway",
}


def _throttled(event: Throttled, zone: tzinfo | None) -> str:
    """What a limiter says, for each reason that rules.rate and rules.learning give."""
    pace = "no limit" if event.rate <= 0 else per_second(event.rate)
    if event.until:
        t = seconds_of(event.until)
        end = clean(event.until) if t is None else clock(t, zone)
        return f"blocked until {end}, {_why(event.reason)}, then {pace}{_known(event, zone)}"
    match event.reason:
        case "resumed" if event.limit > 0:
            return f"limit near {per_second(event.limit)} learnt, goes on at {pace}{_more(event, zone)}"
        case "resumed":
            return f"answers again, {pace}{_next(event, zone)}"
        case "recovered":
            return f"back at {pace}"
        case "limit_gone":
            return f"the limit is gone, climbing back from {pace}"
        case "reloaded":
            return f"limits read again, now {pace}{_known(event, zone)}"
        case "":
            return f"now {pace}"
        case reason if reason.partition(" ")[0] in _REFUSALS:
            return f"slowed to {pace}: {_why(reason)}"
        case reason:
            return f"now {pace}, {words(reason)}"


def limiter_words(event: Throttled) -> str:
    """What goes behind a host's rate: `, limit near 0.8/s learnt`, `, too many requests (429)`."""
    known = _known(event, None)
    quiet = event.reason in ("", "recovered", "limit_gone", "reloaded")
    if known or quiet:
        return known
    return _next(event, None) if event.reason == "resumed" else f", {_why(event.reason)}"


def _next(event: Throttled, zone: tzinfo | None) -> str:
    """What a rate that was lowered does next, where no limit is known."""
    t = seconds_of(event.again) if event.again else None
    return "" if event.rate <= 0 else ", climbing back" if t is None else f" until {clock(t, zone)[:5]}"


def _known(event: Throttled, zone: tzinfo | None) -> str:
    """What was learnt of the host's own limit."""
    return f", limit near {per_second(event.limit)} learnt{_more(event, zone)}" if event.limit > 0 else ""


def _more(event: Throttled, zone: tzinfo | None) -> str:
    """When more is asked for than the limit that is known."""
    t = seconds_of(event.again) if event.again else None
    return "" if t is None else f", tries more from {clock(t, zone)[:5]}"


def _why(reason: str) -> str:
    """`rate_limited 429` -> `too many requests (429)`."""
    name, _, status = reason.partition(" ")
    said = _REFUSALS.get(name)
    return words(reason) if said is None else said + (f" ({clean(status)})" if status else "")


def _spent(event: Spent, zone: tzinfo | None) -> str:
    most = (
        plural(event.budget_requests, "request") if event.budget_requests else "",
        size(event.budget_bytes) if event.budget_bytes else "",
    )
    day = " and ".join(filter(None, most))
    budget = f"the daily budget of {day}" if day else "no daily budget"
    if event.until:
        t = seconds_of(event.until)
        return f"{budget} is spent, waits until {clean(event.until) if t is None else on_the_day(t, zone)}"
    t = seconds_of(event.since)
    since = clean(event.since) if t is None else clock(t, zone)[:5]
    return f"{plural(event.requests, 'request')} at most and {size(event.bytes)} in the 5 min from {since}, {budget}"


def _closed(event: Closed) -> str:
    def n(key: str) -> str:
        value = event.totals.get(key)
        return count(value) if isinstance(value, int) else "?"

    if "lists" in event.totals:
        return f"{words(event.reason)}: {n('over')} of {n('lists')} lists, {n('ids')} ids, {n('new_ids')} of them new"
    stored = event.totals.get("bytes")
    room = f", {size(stored)}" if isinstance(stored, int) else ""
    works = ", ".join(f"{n(key)} {key}" for key in ("done", "gone", "failed", "pending"))
    return f"{words(event.reason)}: {works}, {n('images')} images{room}"


def seconds_of(t: str) -> float | None:
    """UTC seconds of an ISO 8601 time; None if it is none."""
    try:
        when = datetime.fromisoformat(t)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
