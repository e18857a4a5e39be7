"""Keeps status.json: what scripts read while a run is on, always one whole JSON object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from crawler import within
from crawler.progress import Snapshot, Track
from crawler.watch.pace import over_within
from crawler.watch.plain import encode


async def keep_status(path: Path, pull: Callable[[], Snapshot], done: asyncio.Event, every_s: float = 1.0) -> None:
    """Replaces `path` atomically every `every_s` seconds until `done` is set, and once more then.

    A disk that refuses is no reason to stop: the log is the truth and stops the run by itself; the next second tries
    again. No fsync: after a power cut an old status is as good as none.
    """
    track = Track()
    over = False
    while True:
        now = pull()
        track.add(now)
        await asyncio.to_thread(_replace, path, encode(now, track) + b"\n")
        if over:
            return
        over = await over_within(done, every_s)


def _replace(path: Path, body: bytes) -> None:
    aside = path.parent / ".crawl" / (path.name + ".new")  # no partial file ever has a final name
    try:
        aside.parent.mkdir(parents=True, exist_ok=True)
        within.replace(path, aside, body)
    except OSError:
        return
