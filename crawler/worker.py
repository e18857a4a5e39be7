"""A script of ours in a process of its own, asked one thing after another: what crashes it or eats its memory is it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock

_NAMES = frozenset({"PATH", "HOME", "LANG", "LANGUAGE", "TMPDIR", "TZ"})
_STARTS = ("LC_", "LD_", "DYLD_", "MALLOC_", "PYTHON", "OMP_", "OPENBLAS_", "MKL_")
STORES = ("AWS_", "GOOGLE_", "AZURE_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""The beginnings of what a process needs that reads from an object store."""
_HIDING = Lock()


class Worker:
    """Started when first asked, and again after it was closed. One thread asks; another may `kill`.

    The script gets a line of JSON for each question on its standard input and answers on its standard output, in a way
    that its asker knows. It imports nothing of this package, and ends when its input does.
    """

    def __init__(self, script: str, *arguments: str) -> None:
        self._command = [sys.executable, "-P", script, *arguments]
        """-P: neither the caller's folder nor the script's may lend it a module."""
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, question: object, within_s: float) -> float:
        """Put a question: until when (time.monotonic) its answer may come.

        Raises BrokenPipeError where the process has ended, and OSError where none can be started.
        """
        if self.process is None:
            # A session of its own: Ctrl-C is for its asker, who ends it.
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=_harmless(os.environ, ()),
            )
        assert self.process.stdin is not None
        self.process.stdin.write(os.fsencode(json.dumps(question)) + b"\n")
        self.process.stdin.flush()
        return time.monotonic() + within_s

    def read(self, n: int, end: float) -> bytes:
        """Exactly `n` bytes of the answer. Raises TimeoutError, and BrokenPipeError where the process has ended."""
        out = b""
        while len(out) < n:
            out += self._more(n - len(out), end)
        return out

    def line(self, end: float) -> bytes:
        """An answer that is one line. Raises as `read`."""
        out = b""
        while not out.endswith(b"\n"):
            out += self._more(65536, end)
        return out

    def _more(self, most: int, end: float) -> bytes:
        process = self.process
        if process is None:
            raise BrokenPipeError
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError
        more = os.read(process.stdout.fileno(), most)
        if not more:
            raise BrokenPipeError
        return more

    def kill(self) -> None:
        """End the process; who waits for its answer is told."""
        process = self.process
        if process is not None:
            process.kill()

    def close(self, *, ended: bool = False) -> int:
        """End the process, or (`ended`) wait for an end that it is at already: its exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        if not ended:
            process.kill()
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        return code


@contextmanager
def hidden(also: tuple[str, ...] = ()) -> Generator[None]:
    """Meanwhile this process's environment is what a worker may know, and what begins as one of `also`: for processes
    whose starter takes no environment. Only for where nobody else reads it."""
    with _HIDING:
        kept = _harmless(os.environ, also)
        away = {name: value for name, value in os.environ.items() if name not in kept}
        for name in away:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(away)


def _harmless(environ: Mapping[str, str], also: tuple[str, ...]) -> dict[str, str]:
    """The environment without session, keys, and whatever else a user keeps there: what reads a stranger's bytes is
    told where its libraries are, and how to speak."""
    return {
        name: value
        for name, value in environ.items()
        if name in _NAMES or name.startswith(_STARTS) or name.upper().startswith(also or ("\0",))
    }
