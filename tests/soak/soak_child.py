"""The installed command, which also notes twice a second what it weighs, and at its end what it left behind.

    python soak_child.py SAMPLES run CONFIG ...

Each line of the file SAMPLES is JSON: a sample, or (`end`) what was there when the run was over. Linux only (/proc).
"""

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crawler.cli.main import main
from crawler.engine.run import Run

EVERY_S = 0.5
_go = Run.go


def weight() -> dict[str, Any]:
    """What the process holds now."""
    return {
        "t": time.time(),
        "pid": os.getpid(),
        "rss_mb": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6,
        "fds": len(os.listdir("/proc/self/fd")) - 1,  # less the one that lists them
        "threads": threading.active_count(),
    }


def descriptors() -> Counter[str]:
    """What is open, by name."""
    found: Counter[str] = Counter()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that lists them
            found[os.readlink(entry).partition(":[")[0]] += 1
    return found


def reached(run: Run) -> dict[str, Any]:
    """How far the run is."""
    now = run.snapshot()
    return {
        "phase": now.phase,
        "ended": now.done + now.gone + now.failed,
        "works": now.new_works,
        "in_flight": now.in_flight,
        "requests": now.requests,
    }


def tell(line: dict[str, Any]) -> None:
    """One more line; whole, whoever is killed."""
    with Path(sys.argv[1]).open("a") as file:
        file.write(json.dumps(line) + "\n")


async def sample(run: Run) -> None:
    """For ever."""
    while True:
        await asyncio.sleep(EVERY_S)
        tell(weight() | reached(run) | {"tasks": len(asyncio.all_tasks())})


async def watched(run: Run, attendants: Sequence[Any] = ()) -> Any:
    """Run.go between two countings."""
    before, opened = asyncio.all_tasks(), descriptors()
    sampler = asyncio.create_task(sample(run))
    try:
        return await _go(run, attendants)
    finally:
        sampler.cancel()
        await asyncio.wait([sampler])
        await asyncio.sleep(0.05)  # sockets are closed by the loop in its own time
        left = [task.get_name() for task in asyncio.all_tasks() - before if not task.done()]
        tell(weight() | {"end": True, "tasks_left": left, "fds_left": descriptors() - opened} | reached(run))


if __name__ == "__main__":
    Run.go = watched  # type: ignore[method-assign]
    sys.exit(main(sys.argv[2:]))
