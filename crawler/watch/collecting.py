"""How collecting looks: a calm screen, a line of words or of JSON every ten seconds, and what to say at the end."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import IO, Any

import orjson
from rich.console import Group
from rich.live import Live
from rich.text import Text

from crawler.collect.picture import Collection, time_left
from crawler.progress import Note
from crawler.watch.pace import over_within
from crawler.watch.plain import note_line, write
from crawler.watch.streams import is_terminal
from crawler.watch.style import BAD, FAINT, GOOD, STRONG, WAIT, console, fit, fit_end, joined, pad, say
from crawler.words import between, clean, clock, count, duration, number, per_second, plural, share, words

_LABEL = 11
_NOTES = 6
_HEADLINES = {
    0: ("Collected: every list is read to its end.", GOOD),
    3: ("Collected; of some lists something is missing for good.", WAIT),
    4: ("Collected; some lists are to be gone on with.", WAIT),
    5: ("Stopped: the site refused the session.", BAD),
    6: ("Stopped by a limit.", WAIT),
    7: ("Stopped: the disk did not take what was to be written.", BAD),
    130: ("Stopped by you. What was found is kept.", WAIT),
    143: ("Stopped by a signal. What was found is kept.", WAIT),
}


async def watch(
    mode: str,
    pull: Callable[[], Collection],
    done: asyncio.Event,
    *,
    stream: IO[str] | None = None,
    every_s: float | None = None,
) -> None:
    """Shows progress on `stream` (default stderr) until `done` is set. `mode` as ui.progress."""
    out: IO[str] = sys.stderr if stream is None else stream
    if mode == "auto":
        mode = "rich" if is_terminal(out) else "plain"
    if mode == "none":
        await done.wait()
    elif mode == "rich":
        await _screen(pull, done, out, every_s or 0.4)
    else:
        await _lines(pull, done, out, every_s or 10.0, encode if mode == "json" else line)


async def _screen(pull: Callable[[], Collection], done: asyncio.Event, out: IO[str], every_s: float) -> None:
    terminal = console(out)
    with Live(console=terminal, auto_refresh=False, vertical_overflow="crop", transient=False) as live:
        over = False
        while not over:
            live.update(Group(*frame(pull(), terminal.width)), refresh=True)
            over = await over_within(done, every_s)
        live.update(Group(_bar_row(pull(), terminal.width)), refresh=True)


async def _lines(
    pull: Callable[[], Collection],
    done: asyncio.Event,
    out: IO[str],
    every_s: float,
    told: Callable[[Collection], str],
) -> None:
    due, over = 0.0, False
    last: Note | None = None
    loop = asyncio.get_running_loop()
    while True:
        now = pull()
        if told is line:
            start = next((i + 1 for i in range(len(now.notes) - 1, -1, -1) if now.notes[i] == last), 0)
            for note in now.notes[start:][-_NOTES:]:
                write(out, note_line(note))
            last = now.notes[-1] if now.notes else None
        if over or loop.time() >= due:
            write(out, told(now))
            due = loop.time() + every_s
        if over:
            return
        over = await over_within(done, min(1.0, every_s))


def line(now: Collection) -> str:
    """One line that answers what the screen answers."""
    pace = 60 * now.pages / now.elapsed_s if now.elapsed_s >= 1 else 0.0
    parts = [
        f"{clock(now.t)}  lists {count(now.over)}/{count(now.lists)} ({share(now.over, now.lists)})",
        f"ids {count(now.ids)}",
        f"pages {count(now.pages)}, {number(pace)} a minute",
        f"left {between(time_left(now))}",
        f"limit: {limit(now)}",
    ]
    return "  ".join(parts)


def fields(now: Collection) -> dict[str, Any]:
    """A line of `--progress json`: counts, `left` in lists and requests, `eta_s` [at least, at most] or null."""
    left = time_left(now)
    plain = asdict(now)
    for name in ("hosts", "notes", "t"):
        del plain[name]
    return plain | {
        "updated": round(now.t, 3),
        "elapsed_s": round(now.elapsed_s, 1),
        "eta_s": None if left is None else [round(left[0]), round(left[1])],
        "limit": limit(now),
    }


def encode(now: Collection) -> str:
    """`fields` as one line of JSON."""
    return orjson.dumps(fields(now)).decode()


def limit(now: Collection) -> str:
    """A few words on what it waits for right now."""
    if now.phase != "collecting":
        return now.phase
    blocked = max((host.blocked_s for host in now.hosts), default=0.0)
    if blocked >= 1:
        return f"API blocked for {duration(blocked)} more"
    if now.waiting and not now.open:
        return f"{plural(now.waiting, 'list')} with empty pages, to be asked again"
    host = max(now.hosts, key=lambda host: host.waiting, default=None)
    if host is not None and host.waiting and host.rate > 0:
        slowed = f", slowed from {per_second(host.budget)}" if host.rate < 0.99 * host.budget else ""
        return f"API budget {per_second(host.rate)}{slowed}"
    return "network, API answers"


def frame(now: Collection, width: int) -> list[Text]:
    """The whole screen as lines of at most `width` cells."""
    right = f"{now.phase}, {duration(now.elapsed_s)}"
    room = width - 3 - len(right)
    head = Text(" ").append(pad("crawler  " + fit_end(clean(now.directory), max(0, room - 9)), room), STRONG)
    pace = 60 * now.pages / now.elapsed_s if now.elapsed_s >= 1 else 0.0
    speed = joined(
        ((f"{number(pace)} pages/min", ""), (f"{number(pace and 60 * now.new_ids / now.elapsed_s)} ids/min", ""))
    )
    rows = [
        head.append(" ").append(right, FAINT),
        Text(),
        _bar_row(now, width),
        Text(),
        _row("time left", Text(between(time_left(now)), STRONG)),
        _row("limit", _in_flight(now)),
        _row("speed", speed),
        _row("so far", _so_far(now)),
    ]
    if now.stopping:
        rows.append(_row("stopping", Text(words(now.stopping), WAIT)))
    if now.notes:
        rows.append(Text())
        rows += [Text(" " + fit(note_line(note), width - 2), FAINT) for note in now.notes[-_NOTES:]]
    for row in rows:
        row.no_wrap = True
        row.truncate(width)
    return rows


def _in_flight(now: Collection) -> Text:
    if not now.open:
        return Text(limit(now), STRONG)
    waiting = f", {count(now.waiting)} waiting to be asked again" if now.waiting else ""
    return Text(limit(now), STRONG).append(f"   {plural(now.open, 'list')} in flight{waiting}", FAINT)


def _so_far(now: Collection) -> Text:
    return joined(
        (
            (f"{plural(now.ids, 'id')}, {count(now.new_ids)} of them new", ""),
            (f"{plural(now.requests, 'request')}, {count(now.retries)} repeated", FAINT),
        )
    )


def _row(label: str, value: Text) -> Text:
    return Text(no_wrap=True).append(" " + pad(label, _LABEL - 1), FAINT).append_text(value)


def _bar_row(now: Collection, width: int) -> Text:
    said = f"{count(now.over)} of {plural(now.lists, 'list')}"
    cells = max(8, width - _LABEL - len(said) - 12)
    filled = cells if now.lists and now.over >= now.lists else now.over * cells // now.lists if now.lists else 0
    filled = max(filled, 1 if now.over else 0)
    bar = Text("━" * filled, GOOD).append("─" * (cells - filled), FAINT)
    return _row("lists", bar.append(f"  {share(now.over, now.lists):>7}  {said}", ""))


def print_end(now: Collection, code: int, reason: str, config: str) -> None:
    """Prints the summary to stdout."""
    say(Group(*_end(now, code, reason, config)))


def _end(now: Collection, code: int, reason: str, config: str) -> Iterator[Text]:
    text, style = _HEADLINES.get(code, ("Stopped.", WAIT))
    head = Text(no_wrap=True).append(text, f"{style} {STRONG}")
    if reason not in ("finished", "interrupted", ""):
        head.append(f"  ({words(reason)})", FAINT)
    yield from (Text(), head, Text())

    def row(label: str, value: str, more: str = "") -> Text:
        return Text(no_wrap=True).append(f" {label:<10}", FAINT).append(value).append(more, FAINT)

    yield row("lists", plural(now.lists, "list"), f", {count(now.over)} read to the end")
    if now.missed:
        yield row("", f"{count(now.missed)} of them cannot be had")
    yield row(
        "ids", plural(now.ids, "id"), f", {count(now.new_ids)} of them new; {count(now.doubles)} named more than once"
    )
    if now.masked:
        yield row("hidden", f"{plural(now.masked, 'row')}", ", masked by the site; not in the list")
    if now.short:
        yield row("short", f"{plural(now.short, 'work')}", ", on no page that the site shows")
    yield row("pages", count(now.pages), f", {plural(now.requests, 'request')}, {count(now.retries)} of them repeats")
    yield row("time", duration(now.elapsed_s))
    yield row("file", clean(f"{now.directory}/ids.txt"))
    yield Text()
    quoted = shlex.quote(config)
    if code in (4, 6, 7, 130, 143):
        yield row("next", f"crawler collect {quoted}", "  goes on")
    else:
        yield row("next", f"crawler run {quoted}", "  fetches them")
