"""What the log alone says of a run: counts, speed, time left, hosts, last failures. Reads, never writes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from crawler.events import Closed, Described, Event, Failed, Gone, Opened, Stored
from crawler.log.codec import decode
from crawler.log.files import is_busy
from crawler.log.reader import LogDamaged, replay
from crawler.progress import Rates, Snapshot, day_fields
from crawler.rules.ahead import Left
from crawler.rules.replay import State, Totals
from crawler.store.mirror import busy_there, images_of
from crawler.watch.days import day_rows, days
from crawler.watch.follow import last_lines
from crawler.watch.outlook import outlook
from crawler.watch.plain import eta_fields
from crawler.watch.style import BAD, FAINT, GOOD, STRONG, WAIT
from crawler.watch.summary import works_rows
from crawler.words import (
    between,
    by_lane,
    clean,
    clock,
    count,
    duration,
    limiter_words,
    number,
    per_second,
    plural,
    seconds_of,
    size,
    tell,
    words,
)

_LINES = 5000
_WINDOW_S = 600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The end of the log as speeds: `rates` of the newest run, in ten minutes at most; `last_t` of the last line."""

    rates: Rates
    last_t: float | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Status:
    """All that `crawler status` says. `now` UTC seconds."""

    directory: Path | str
    now: float
    state: State
    totals: Totals
    pace: Pace
    running: bool
    left: Left


def read_status(path: Path) -> Status:
    """Reads the log at `path`, or its snapshot and what came after; damage before that is not met here.

    Raises OSError, LogDamaged (a torn tail is silent: it may be a write under way).
    """
    folder, running = path.parent, is_running(path.parent)
    try:
        state = replay(path)
    except LogDamaged:
        # A log that a run cuts and goes on with in this very moment is read half before and half after: look again.
        state = replay(path)
    now = time.time()
    totals, timed = state.totals(state.listed()), _timed(path)
    moment = now if running else None
    return Status(
        images_of(folder) or folder,
        now,
        state,
        totals,
        pace(timed, moment),
        running,
        outlook(timed, state, totals, moment),
    )


def _timed(path: Path) -> list[tuple[float, Event | None]]:
    """The last lines of the log with their times, UTC seconds. Raises OSError."""
    lines = [line for piece in last_lines(path, _LINES, lambda _: True)[0] if (line := decode(piece.raw)) is not None]
    return [(t, line.event) for line in lines if (t := seconds_of(line.t)) is not None]


def is_running(directory: Path) -> bool:
    """Whether a process holds the folder's lock, or for a mirror: whether one wrote to the store."""
    return busy_there(directory) or is_busy(directory)


def pace(timed: Sequence[tuple[float, Event | None]], now: float | None) -> Pace:
    """Speeds from the last lines of the log, up to `now` (None: up to the last line)."""
    if not timed:
        return Pace(Rates(0.0, 0, 0.0, 0.0, 0.0, 0.0), None, False)
    last_t, last = timed[-1]
    end = last_t if now is None else max(last_t, now)
    opened = max((t for t, event in timed if isinstance(event, Opened)), default=timed[0][0])
    begin = max(opened, end - _WINDOW_S, timed[0][0])
    within = [event for t, event in timed if t >= begin]
    images = [event for event in within if isinstance(event, Stored)]
    works = sum(
        isinstance(event, Described | Gone)
        or (isinstance(event, Failed) and event.page is None)
        or (isinstance(event, Stored) and isinstance(event.id, str))  # site `urls` describes nothing
        for event in within
    )
    span = max(1e-3, end - begin)
    weight = sum(event.bytes for event in images)
    return Pace(
        Rates(span, works, 60 * works / span, len(images) / span, weight / span, 0.0), last_t, isinstance(last, Closed)
    )


def status_json(status: Status) -> dict[str, Any]:
    """The object that `status --json` prints. Times are UTC, as in the log; the `eta_*` as in status.json."""
    totals, state, speed, left = status.totals, status.state, status.pace.rates, status.left
    return {
        "listed": totals.listed,
        "done": totals.done,
        "gone": totals.gone,
        "failed": totals.failed,
        "pending": totals.pending,
        "images": totals.images,
        "bytes": totals.bytes,
        "expected_images": totals.expected_images,
        "changed": totals.changed,
        "failed_images": totals.failed_images_permanent + totals.failed_images_temporary,
        "reasons": dict(totals.reasons),
        "qualities": dict(totals.qualities),
        "hosts": _hosts_json(status),
        "running": status.running,
        "works_per_min": round(speed.works_min, 2),
        "images_per_s": round(speed.images_s, 3),
        "bytes_per_s": round(speed.bytes_s),
        **eta_fields(left),
        "source": None if state.source is None else dict(state.source),
        "closed": None if state.closed is None or not status.pace.closed else state.closed.reason,
        "last_failures": [
            {"t": t, "id": e.id, "page": e.page, "reason": e.reason, "status": e.status}
            | {"attempts": e.attempts, "permanent": e.permanent, "detail": e.detail}
            for t, e in state.failures
        ],
    }


def _hosts_json(status: Status) -> dict[str, Any]:
    """`daily` where there is a budget; rate null where the limiter never said anything."""
    quiet = {"rate": None, "until": None, "reason": ""}
    hosts: dict[str, Any] = {
        host: {"rate": event.rate, "until": event.until, "reason": event.reason}
        | ({"limit": event.limit} if event.limit else {})
        for host, event in status.state.throttled.items()
    }
    for host, day in days(status.state, status.now).items():
        hosts[host] = {**hosts.get(host, quiet), "daily": day_fields(day, status.now)}
    return hosts


def status_text(status: Status) -> RenderableType:
    """The status for people."""
    totals = status.totals
    counted = Snapshot(
        t=status.now,
        elapsed_s=0,
        phase="",
        listed=totals.listed,
        done=totals.done,
        gone=totals.gone,
        failed=totals.failed,
        pending=totals.pending,
        in_flight=0,
        images=totals.images,
        bytes=totals.bytes,
        new_images=0,
        new_bytes=0,
        new_works=0,
        expected_images=totals.expected_images,
        failed_images=0,
        requests=0,
        retries=0,
        reasons=totals.reasons,
    )
    return Group(
        _head(status),
        Text(),
        *works_rows(counted),
        Text(),
        *_speed(status),
        *_hosts(status),
        *(_row("" if i else "daily", *row) for i, row in enumerate(day_rows(status.state, status.now))),
        *_failures(status),
    )


def _row(label: str, value: str, more: str = "") -> Text:
    return Text(no_wrap=True).append(f" {label:<10}", FAINT).append(value).append(more, FAINT)


def _head(status: Status) -> Text:
    head = Text(no_wrap=True).append(clean(str(status.directory)), STRONG).append("  ")
    last_t = status.pace.last_t
    ago = "" if last_t is None else f" {duration(status.now - last_t)} ago"
    if status.running:
        return head.append("running", GOOD).append(f", last line{ago}", FAINT)
    if status.pace.closed and status.state.closed is not None:
        return head.append(f"not running, {words(status.state.closed.reason)}{ago}", FAINT)
    return head.append("not running", WAIT).append(f", the last run ended without a word{ago}", FAINT)


def _speed(status: Status) -> Iterator[Text]:
    totals, speed = status.totals, status.pace.rates
    source = status.state.source or {}
    yield _row("source", clean(str(source.get("path") or "standard input")))
    known = f" of {count(totals.expected_images)} known" if totals.expected_images > totals.images else ""
    yield _row("images", f"{count(totals.images)}{known}, {size(totals.bytes)}")
    lost = totals.failed_images_permanent + totals.failed_images_temporary
    if lost:
        yield _row("", f"{count(lost)} failed", f", {count(totals.failed_images_permanent)} of them for good")
    if totals.changed:
        yield _row("", f"{plural(totals.changed, 'work')} edited since", ", the old files are in .crawl/replaced")
    over = f", over {duration(speed.over_s)}" if speed.over_s >= 1 else ""
    said = f"{number(speed.works_min)} works/min, {number(speed.images_s)} images/s, {size(speed.bytes_s)}/s"
    yield _row("speed", said, over if status.running else f"{over} when it last ran")
    once = " once it runs again" if status.left.whole and not status.running and totals.pending else ""
    lanes = by_lane(status.left.api, status.left.images)
    yield _row("time left", between(status.left.whole), once)
    if lanes:
        yield _row("", "", lanes)


def _hosts(status: Status) -> Iterator[Text]:
    for i, (host, event) in enumerate(status.state.throttled.items()):
        until = seconds_of(event.until) if event.until else None
        if until is not None and until > status.now and status.running:
            said = f"blocked until {clock(until)}, then {per_second(event.rate)}"
        else:
            said = per_second(event.rate)
        yield _row("hosts" if i == 0 else "", f"{clean(host)}  {said}", limiter_words(event))


def _failures(status: Status) -> Iterator[Text]:
    for i, (t, event) in enumerate(status.state.failures[-5:]):
        if i == 0:
            yield Text()
        id, said = tell(event)
        when = seconds_of(t)
        row = Text(no_wrap=True).append(f" {'failed' if i == 0 else '':<10}", FAINT)
        yield row.append("" if when is None else f"{clock(when)}  ", FAINT).append(f"{id}  {said}", BAD)
