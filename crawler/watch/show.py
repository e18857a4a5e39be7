"""Shows a run in the way that was asked for, on stderr, until it is over. Pulls snapshots; never steers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import IO

from crawler.progress import Snapshot
from crawler.watch.plain import show_json, show_plain
from crawler.watch.streams import is_terminal


async def watch(
    mode: str,
    pull: Callable[[], Snapshot],
    done: asyncio.Event,
    *,
    stream: IO[str] | None = None,
    every_s: float | None = None,
) -> None:
    """Shows progress until `done` is set, then the last state. `mode`: auto | rich | plain | json | none (ui.progress).

    `auto` is rich where `stream` (default stderr) is a terminal, else plain. `every_s` defaults to 0.4 s on the screen,
    10 s for lines. Raises ValueError for another mode.
    """
    out: IO[str] = sys.stderr if stream is None else stream
    if mode == "auto":
        mode = "rich" if is_terminal(out) else "plain"
    match mode:
        case "rich":
            from crawler.watch.terminal import show_screen

            await show_screen(pull, done, stream=out, every_s=every_s or 0.4)
        case "plain":
            await show_plain(pull, done, stream=out, every_s=every_s or 10.0)
        case "json":
            await show_json(pull, done, stream=out, every_s=every_s or 10.0)
        case "none":
            await done.wait()
        case _:
            raise ValueError(f"unknown progress mode {mode!r}")
