"""A person at a terminal, for tests: the real command on a real pty, answered prompt by prompt."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PROMPT = b"] > "


def converse(argv: Sequence[str], answers: Sequence[str], folder: Path, patience_s: float = 100) -> tuple[int, str]:
    """Exit code and screen of `python -m crawler ARGV` in `folder`; an answer is typed at each prompt.

    \\x03 for an answer is Ctrl-C, \\x04 the end of input.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-m", "crawler", *argv])
    shown, left, end = b"", list(answers), time.monotonic() + patience_s
    heard = 0
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # Linux says so when the other side is gone
                break
            shown += piece
            if left and shown[heard:].endswith(PROMPT):
                heard = len(shown)
                answer = left.pop(0)
                os.write(terminal, answer.encode() if answer in ("\x03", "\x04") else answer.encode() + b"\n")
        else:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode().replace("\r\n", "\n")
