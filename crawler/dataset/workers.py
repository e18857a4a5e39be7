"""What every process that an export starts does first: it leaves interrupts to its parent, and ends with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from typing import Any


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
