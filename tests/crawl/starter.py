"""Starts the `crawler` command for tests, in a process of its own; in the short round without half a second of imports.

In the long round, and for whoever runs a single test, each command is an interpreter of its own, as a user's is. In the
short round (`-m "not long"`) it is a fork of an interpreter that has done its imports: with its own streams, folder,
environment, signals and exit code all the same, from the same entry on.
"""

from __future__ import annotations

import inspect
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CRAWLER = (sys.executable, "-m", "crawler")
READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")
"""The beginnings of variables that an interpreter looks at when it starts: where they differ, it must be a new one."""
SERVER = Path(__file__).parent / "starter_process.py"
GUARD = {"PYTHONPATH": str(Path(__file__).parent.parent / "guard")}
"""What an environment has that says nothing else: fixtures of a module come before those that say it."""
SHIM = Path(__file__).parent / "starter_shim.py"


class Warm:
    """The interpreter that is forked; started at the first request, and gone with this process."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started: Mapping[str, str] = {}
        self._lock = threading.Lock()

    def takes(self, environment: Mapping[str, str]) -> bool:
        """Whether a command in this environment may be a fork."""
        with self._lock:
            if self._process is None:
                self._start({**GUARD, **environment})
        return at_start({**GUARD, **environment}) == self._started

    def _start(self, environment: Mapping[str, str]) -> None:
        self._started = at_start(environment)
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        own = {**self._started, "PATH": environment.get("PATH", "")}  # no secret of the test that comes first
        pipe = subprocess.PIPE  # its streams are of the kind that its forks have
        with other:
            self._process = subprocess.Popen(
                [sys.executable, str(SERVER), str(other.fileno())],
                pass_fds=[other.fileno()],
                env=own,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
            )

    def in_a_shell(self, folder: Path, environment: Mapping[str, str]) -> tuple[dict[str, str], list[int]]:
        """A `crawler` in `folder` that is forked: the environment for a shell that finds it, and what it must inherit.

        An environment that no fork can have, and nothing, where `takes` says so.
        """
        if not self.takes(environment):
            return dict(environment), []
        assert self._control is not None
        command = folder / "crawler"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{SHIM}" "$@"\n')
        command.chmod(0o755)
        number = self._control.fileno()
        return {**environment, "PATH": f"{folder}:{environment['PATH']}", "WARM": str(number)}, [number]

    def fork(self, asked: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        """Have it done: see starter_process.serve."""
        assert self._control is not None
        socket.send_fds(self._control, [json.dumps(asked).encode()], descriptors)

    def close(self) -> str:
        """Let it go, whose forks go on: what it said on its standard error."""
        if self._control is None or self._process is None:
            return ""
        self._control.close()
        process, self._process = self._process, None
        return process.communicate()[1].decode()


warm: Warm | None = None
"""Set by conftest.py for the short round."""


def popen(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
    """subprocess.Popen; a fork, where `command` is a `python -m crawler` and nothing asks for more than that."""
    plain = {"cwd", "env", "stdin", "stdout", "stderr", "text"}
    ours = tuple(command[: len(CRAWLER)]) == CRAWLER and options.keys() <= plain
    if warm is not None and ours and warm.takes(options.get("env") or os.environ):
        return _Forked(command, **options)
    return subprocess.Popen(command, **options)


def run(
    command: Sequence[str | Path], *, input: str = "", timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run to the end with `input` on its standard input. Raises subprocess.TimeoutExpired, and kills it."""
    pipe = subprocess.PIPE
    with popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}


class _Forked(subprocess.Popen[Any]):
    """Its process is a fork of the warm interpreter. Private methods of Popen, as Python 3.11 to 3.14 have them."""

    def _execute_child(self, *args: Any, **more: Any) -> None:
        method = subprocess.Popen._execute_child  # type: ignore[attr-defined]
        given = inspect.signature(method).bind(self, *args, **more).arguments
        streams = (given["p2cread"], given["c2pwrite"], given["errwrite"])
        asked = {
            "argv": [str(one) for one in given["args"][len(CRAWLER) :]],
            "cwd": os.path.abspath(given["cwd"] or "."),
            "env": dict(given["env"] or os.environ),
        }
        self._told, told = os.pipe()
        assert warm is not None
        try:
            warm.fork(asked, [*(own if one == -1 else one for own, one in enumerate(streams)), told])
        finally:
            os.close(told)
            pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
            self._close_pipe_fds(*(given[name] for name in pipes))  # type: ignore[attr-defined]
        self.pid = self._hear()
        self._child_created = True

    def _hear(self) -> int:
        heard = os.read(self._told, 4)
        assert warm is not None
        assert len(heard) == 4, f"the warm interpreter is gone: {warm.close()}"
        return int.from_bytes(heard, "little")

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if wait_flags & os.WNOHANG and not select.select([self._told], [], [], 0)[0]:
            return 0, 0
        status = self._hear()
        os.close(self._told)
        return self.pid, status

    def _internal_poll(self, _deadstate: int | None = None, **_: Any) -> int | None:
        if self.returncode is None:
            with self._waitpid_lock:  # type: ignore[attr-defined]
                pid, status = self._try_wait(os.WNOHANG) if self.returncode is None else (0, 0)
                if pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
        return self.returncode
