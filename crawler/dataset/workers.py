"""What every process that an export starts does first: it leaves interrupts to its parent, and ends with it.

Those that decode pictures have less: no session, no keys, and so long for one picture.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from crawler.worker import STORES, hidden

LIMIT_S = 300.0
"""So long a process works at one picture, or at the pages of one pair: as `verify --decode` has it."""


class _Bare(SpawnProcess):
    def start(self) -> None:
        with hidden():
            super().start()


class _Fetching(SpawnProcess):
    def start(self) -> None:
        with hidden(STORES):
            super().start()


class _BareContext(SpawnContext):
    Process = _Bare


class _FetchingContext(SpawnContext):
    Process = _Fetching


def spawning(*, fetching: bool = False) -> SpawnContext:
    """Starts processes that are told nothing secret; those that are `fetching` need the keys of an object store.

    Not forked: a fork of a process with threads may hang.
    """
    with hidden():  # Python's own helper, which the first lock of a pool would start with all that we know
        resource_tracker.ensure_running()
    return _FetchingContext() if fetching else _BareContext()


@contextmanager
def ends_after(seconds: float) -> Generator[None]:
    """What takes longer ends the process, in the middle of a decoder too. For a worker's main thread."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # Killed, the parent closes no pipe that its other children do not hold too.
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: Any) -> None:
    parent.join()
    os._exit(1)
