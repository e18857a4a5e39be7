"""Progress where nobody can redraw a screen: a line of words, or of JSON, every ten seconds, and what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import IO, Any

import orjson

from crawler.progress import Note, Snapshot, Track, bottleneck, status_fields
from crawler.rules.ahead import Left
from crawler.watch.pace import over_within
from crawler.words import between, by_lane, clean, clock, count, number, share, size, words

_WORTH_A_LINE = ("opened", "failed", "voided", "throttled", "spent", "closed")
_MOST_NOTES = 10  # between two lines of progress


def line(now: Snapshot, track: Track) -> str:
    """One line that answers what the screen answers."""
    settled = now.done + now.gone + now.failed
    speed, left = track.minute, track.lanes()
    lanes = by_lane(left.api, left.images)
    again = f", asked again {count(now.again_done)}/{count(now.again)}" if now.again else ""
    parts = [
        f"{clock(now.t)}  works {count(settled)}/{count(now.listed)} ({share(settled, now.listed)}){again}",
        f"images {count(now.images)}",
        size(now.bytes),
        f"{number(speed.works_min)} works/min, {number(speed.images_s)} images/s, {size(speed.bytes_s)}/s",
        f"gone {count(now.gone)}, failed {count(now.failed)}",
        f"left {between(left.whole)}{f' ({lanes})' if lanes else ''}",
        f"limit: {bottleneck(now)}",
        now.crew,
    ]
    return "  ".join(filter(None, parts))


def fields(now: Snapshot, track: Track) -> dict[str, Any]:
    """What status.json holds, and each line of `--progress json`: `status_fields` and how the run goes.

    `updated` UTC seconds; `eta_*` see `eta_fields`; `again`, `again_done`: works that this run asks again for.
    """
    speed = track.minute
    return status_fields(now) | {
        "updated": round(now.t, 3),
        "phase": now.phase,
        "elapsed_s": round(now.elapsed_s, 1),
        "in_flight": now.in_flight,
        "new_works": now.new_works,
        "new_images": now.new_images,
        "new_bytes": now.new_bytes,
        "expected_images": now.expected_images,
        "failed_images": now.failed_images,
        "requests": now.requests,
        "retries": now.retries,
        "works_per_min": round(speed.works_min, 2),
        "images_per_s": round(speed.images_s, 3),
        "bytes_per_s": round(speed.bytes_s),
        **eta_fields(track.lanes()),
        "again": now.again,
        "again_done": now.again_done,
        "limit": bottleneck(now),
        "stopping": now.stopping,
        **({"crew": now.crew} if now.crew else {}),
    }


def eta_fields(left: Left) -> dict[str, Any]:
    """Time left in seconds, [at least, at most] or null while too little was seen: of the whole, and of each lane if
    it had all it needs."""
    return {
        f"eta_{name}": None if span is None else [round(span[0]), round(span[1])]
        for name, span in (("s", left.whole), ("api_s", left.api), ("images_s", left.images))
    }


def encode(now: Snapshot, track: Track) -> bytes:
    """`fields` as one line of JSON, without the newline."""
    return orjson.dumps(fields(now, track), default=str, option=orjson.OPT_NON_STR_KEYS)


class Notes:
    """Picks out of each snapshot's notes those that were not seen before and are worth a line."""

    def __init__(self) -> None:
        self._seen: Note | None = None

    def fresh(self, now: Snapshot) -> list[Note]:
        """New notes since the last call, oldest first."""
        notes = now.notes
        start = next((i + 1 for i in range(len(notes) - 1, -1, -1) if notes[i] is self._seen), 0)
        if start == 0 and self._seen is not None:
            start = next((i + 1 for i in range(len(notes) - 1, -1, -1) if notes[i] == self._seen), 0)
        if notes:
            self._seen = notes[-1]
        return [n for n in notes[start:] if n.event in _WORTH_A_LINE]


def note_line(note: Note) -> str:
    """A note as a line; strings that may come from the site are made harmless."""
    return "  ".join(filter(None, (clock(note.t), words(note.event), clean(note.id), clean(note.text))))


async def show_plain(
    pull: Callable[[], Snapshot], done: asyncio.Event, *, stream: IO[str], every_s: float = 10.0
) -> None:
    """A line now, one every `every_s` seconds, one at the end; between them, at most ten notes worth a line."""
    track, notes = Track(), Notes()
    due, told, more, over = 0.0, 0, 0, False
    loop = asyncio.get_running_loop()
    while True:
        now = pull()
        track.add(now)
        for note in notes.fresh(now):
            if told < _MOST_NOTES:
                write(stream, note_line(note))
            told, more = told + 1, more + (told >= _MOST_NOTES)
        if over or loop.time() >= due:
            if more:
                write(stream, f"{clock(now.t)}  and {more} more notes like these, see the log")
            write(stream, line(now, track))
            due, told, more = loop.time() + every_s, 0, 0
        if over:
            return
        over = await over_within(done, min(1.0, every_s))


async def show_json(
    pull: Callable[[], Snapshot], done: asyncio.Event, *, stream: IO[str], every_s: float = 10.0
) -> None:
    """One JSON object a line: now, every `every_s` seconds, and at the end."""
    track = Track()
    due, over = 0.0, False
    loop = asyncio.get_running_loop()
    while True:
        now = pull()
        track.add(now)
        if over or loop.time() >= due:
            write(stream, encode(now, track).decode())
            due = loop.time() + every_s
        if over:
            return
        over = await over_within(done, min(1.0, every_s))


def write(stream: IO[str], text: str) -> None:
    """A line to a stream that may know few letters, or whose reader may have gone: watching never stops a run."""
    try:
        try:
            stream.write(text + "\n")
        except UnicodeEncodeError:
            stream.write(text.encode("ascii", "backslashreplace").decode() + "\n")
        stream.flush()
    except (OSError, ValueError):
        return
