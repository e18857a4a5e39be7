"""One calm screen: how far, how long still, what the limit is right now, what went wrong last.

Drawn as a list of lines, each a `Text` that was fitted to the width before rich sees it: cheap (no table is measured),
and no line can wrap and tear the picture. Nothing is drawn twice unless it changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import IO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from crawler.fetch.exchange import HostState
from crawler.progress import Note, Snapshot, Track, bottleneck
from crawler.watch.pace import over_within
from crawler.watch.style import BAD, EVENT, FAINT, GONE, GOOD, STRONG, WAIT, console, fit, fit_end, joined, pad
from crawler.words import (
    between,
    by_lane,
    clean,
    clock,
    count,
    duration,
    number,
    per_second,
    plural,
    share,
    size,
    words,
)

TROUBLE = ("failed", "throttled", "spent", "voided")
_LABEL = 11
_MOST_EVENTS = 8
_STEPS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame is drawn: columns, rows, and the zone of times of day (None: the machine's own)."""

    width: int
    height: int
    zone: tzinfo | None = None


async def show_screen(
    pull: Callable[[], Snapshot], done: asyncio.Event, *, stream: IO[str] | None = None, every_s: float = 0.4
) -> None:
    """Redraws the screen every `every_s` seconds until `done` is set; then leaves only the bars, for the scrollback."""
    out = console(stream)
    track = Track()
    last: list[Text] = []
    trouble: Note | None = None
    with Live(console=out, auto_refresh=False, vertical_overflow="crop", transient=False) as live:
        over = False
        while not over:
            now = pull()
            track.add(now)
            trouble = next((n for n in reversed(now.notes) if n.event in TROUBLE), trouble)
            lines = frame(now, track, _place(out), trouble)
            if lines != last:
                live.update(Group(*lines), refresh=True)
                last = lines
            over = await over_within(done, every_s)
        now = pull()
        track.add(now)
        live.update(Group(*_bars(now, _place(out).width)), refresh=True)


def _place(out: Console) -> Place:
    return Place(out.width, out.height)


def frame(now: Snapshot, track: Track, place: Place, trouble: Note | None = None) -> list[Text]:
    """The whole screen as lines of at most `place.width` cells and one line fewer than `place.height`."""
    width = place.width
    lines = [
        _edges(clean(now.directory), f"{now.phase}, {duration(now.elapsed_s)}", width),
        Text(),
        *_bars(now, width),
        Text(),
        *_answers(now, track, place, trouble),
        Text(),
        *_outcomes(now, width),
    ]
    if now.hosts:
        lines += [Text(), *_hosts(now, place)]
    room = min(_MOST_EVENTS, place.height - len(lines) - 3)
    if now.notes and room > 0:
        lines.append(Text())
        lines += [_event(note, place) for note in now.notes[-room:]]
    for line in lines:
        line.truncate(width)
    return lines[: max(1, place.height - 1)]


def _edges(folder: str, right: str, width: int) -> Text:
    room = width - 3 - len(right)
    left = "crawler  " + fit_end(folder, max(0, room - 9))
    return Text(" ").append(pad(left, room), STRONG).append(" ").append(right, FAINT)


def _row(label: str, value: Text) -> Text:
    return Text(no_wrap=True).append(" " + pad(label, _LABEL - 1), FAINT).append_text(value)


def _bars(now: Snapshot, width: int) -> list[Text]:
    settled = now.done + now.gone + now.failed
    known = max(now.expected_images, now.images)
    works = f"{count(settled)} of {count(now.listed)} listed"
    images = f"{count(now.images)} of {count(known)} known "  # one blank: the numbers stand in columns
    info = max(len(works), len(images), len(f"{count(now.listed)} of {count(now.listed)} listed"))
    cells = max(8, width - _LABEL - info - 12)
    parts = ((now.done, GOOD), (now.gone, GONE), (now.failed, BAD))
    return [
        _row("works", _bar(parts, now.listed, cells).append(_of(settled, now.listed, works, info))),
        _row(
            "images",
            _bar(((now.images, GOOD), (now.failed_images, BAD)), known, cells).append(
                _of(now.images, known, images, info)
            ),
        ),
    ]


def _of(part: int, whole: int, words_: str, cells: int) -> str:
    return f"  {share(part, whole):>7}  {pad(words_, cells, right=True)}"


def _bar(parts: tuple[tuple[int, str], ...], whole: int, cells: int) -> Text:
    """Segments in their colours; one that is not zero gets a cell if there is room, the end is never reached early."""
    bar = Text(no_wrap=True)
    total = sum(n for n, _ in parts)
    filled = cells if 0 < whole <= total else min(cells - 1, total * cells // whole) if whole > 0 else 0
    left = filled
    for i, (n, style) in enumerate(parts):
        wanted = max(1, round(filled * n / total)) if n and total else 0
        later = sum(1 for m, _ in parts[i + 1 :] if m)
        mine = min(wanted, max(0, left - later)) if later else (left if n else 0)
        bar.append("━" * mine, style)
        left -= mine
    return bar.append("─" * (cells - filled), FAINT)


def _answers(now: Snapshot, track: Track, place: Place, trouble: Note | None) -> list[Text]:
    speed = track.minute
    answer = bottleneck(now, place.zone)
    stuck = "blocked" in answer or "slowed" in answer or "spent" in answer or now.stopping
    limit = Text(no_wrap=True).append(answer, WAIT if stuck else STRONG)
    flying = f"   {plural(now.in_flight, 'work')} in flight"
    if now.in_flight and not now.stopping and _LABEL + limit.cell_len + len(flying) <= place.width:
        limit.append(flying, FAINT)
    pieces = joined(
        (
            (f"{number(speed.works_min)} works/min", ""),
            (f"{number(speed.images_s)} images/s", ""),
            (f"{size(speed.bytes_s)}/s", ""),
        )
    )
    curve = _curve(track.curve(20))
    if len(curve) > 3 and place.width - _LABEL - pieces.cell_len > len(curve) + 4:
        pieces.append("   ").append(curve, GONE)
    so_far = joined(
        (
            (f"{size(now.bytes)} in {plural(now.images, 'image')}", ""),
            (f"{plural(now.requests, 'request')}, {count(now.retries)} repeated", FAINT),
        )
    )
    rows = [
        _row("time left", _left(track, place)),
        _row("limit", limit),
        _row("speed", pieces),
        _row("so far", so_far),
    ]
    if now.crew:
        rows.append(_row("workers", Text(fit(now.crew, place.width - _LABEL - 1))))
    if now.again:
        rows.append(_row("again", Text(f"{count(now.again_done)} of {plural(now.again, 'work')} asked again")))
    if now.stopping:
        rows.append(_row("stopping", Text(fit(words(now.stopping), place.width - _LABEL - 1), WAIT)))
    rows.append(_row("trouble", _trouble(trouble, place)))
    return rows


def _left(track: Track, place: Place) -> Text:
    left = track.lanes()
    text = Text(between(left.whole), STRONG, no_wrap=True)
    lanes = by_lane(left.api, left.images)
    room = place.width - _LABEL - text.cell_len - 3
    return text.append(f"   {lanes}", FAINT) if lanes and len(lanes) <= room else text


def _trouble(note: Note | None, place: Place) -> Text:
    if note is None:
        return Text("none so far", FAINT)
    text = Text(no_wrap=True).append(clock(note.t, place.zone) + "  ", FAINT)
    said = f"{clean(note.id)} {clean(note.text)}".strip()
    return text.append(fit(said, place.width - _LABEL - 11), EVENT.get(note.event, ""))


def _curve(values: list[float]) -> str:
    top = 1.25 * max(values, default=0.0)  # a steady pace is a line with air above it, not a wall
    if top <= 0:
        return ""
    return "".join(_STEPS[min(7, int(8 * v / top))] for v in values)


def _outcomes(now: Snapshot, width: int) -> list[Text]:
    kinds = joined(
        (
            (f"━ {count(now.done)} done", GOOD),
            (f"━ {count(now.gone)} gone", GONE),
            (f"━ {count(now.failed)} failed", BAD if now.failed else FAINT),
            (f"─ {count(now.pending)} to do", FAINT),
        )
    )
    rows = [_row("outcomes", kinds)]
    room = width - _LABEL - 1
    line: list[str] = []
    for reason, n in sorted(now.reasons.items(), key=lambda item: -item[1]):
        piece = f"{words(reason)} {count(n)}"
        if line and len("   ".join([*line, piece])) > room:
            line.append("…")
            break
        line.append(piece)
    if line:
        rows.append(_row("", Text(fit("   ".join(line), room), FAINT)))
    return rows


def _hosts(now: Snapshot, place: Place) -> list[Text]:
    name_cells = max(12, min(32, place.width - 63))
    head = f"{pad('rate', 17)}{'queue':>7}{'open':>6}{'asked':>10}{'refused':>9}{'reply':>9}"
    rows = [Text(no_wrap=True).append(" " + pad("host", name_cells) + "  " + head, FAINT)]
    busiest = sorted(now.hosts, key=lambda h: -h.requests)[:4]
    for host in sorted(busiest, key=lambda h: (h.lane, h.host)):
        rate, style = _pace(host, now.t, place)
        row = Text(" " + pad(clean(host.host), name_cells) + "  ", no_wrap=True).append(pad(rate, 17), style)
        row.append(f"{host.waiting:>7}{host.in_flight:>6}{count(host.requests):>10}")
        row.append(f"{count(host.refused):>9}", WAIT if host.refused else "")
        row.append(f"{'' if host.latency_s is None else f'{1000 * host.latency_s:.0f} ms':>9}")
        rows.append(row)
    if len(now.hosts) > len(busiest):
        rows.append(Text(f" and {plural(len(now.hosts) - len(busiest), 'more host')}", FAINT))
    return rows


def _pace(host: HostState, t: float, place: Place) -> tuple[str, str]:
    if host.blocked_s >= 1:
        until = f"{host.blocked_s:.0f} s" if host.blocked_s < 60 else f"to {clock(t + host.blocked_s, place.zone)[:5]}"
        return f"blocked {until}", WAIT
    if host.daily is not None and host.daily.wait_s >= 1:
        return f"spent to {clock(t + host.daily.wait_s, place.zone)[:5]}", WAIT
    if 0 < host.rate < 0.99 * host.budget:
        return f"{per_second(host.rate)} of {per_second(host.budget)}", WAIT
    return per_second(host.rate), ""


def _event(note: Note, place: Place) -> Text:
    row = Text(no_wrap=True).append(" " + clock(note.t, place.zone) + "  ", FAINT)
    row.append(pad(words(note.event), 11), EVENT.get(note.event, ""))
    said = f"{pad(clean(note.id), max(10, len(note.id)))} {clean(note.text)}" if note.id else clean(note.text)
    return row.append(fit(said, max(1, place.width - 23)))
