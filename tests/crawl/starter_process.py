"""A warm interpreter: has imported what most commands need, and is forked for each one that starter.py asks for."""

import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import runpy
import select
import socket
import sys
import threading
import time

from crawler.cli.main import COMMANDS

OTHERS = ("aiohttp", "pycurl", "uvloop", "PIL.Image", "rich.live", "crawler.session", "crawler.assembly")
"""Not numpy and pyarrow: they start threads, and who has threads must not fork."""


def serve(control: socket.socket) -> list[str] | None:
    """Fork for each request until the asker is gone (None). In a child: the arguments of its command.

    A request is a JSON object (argv, cwd, env) and four descriptors: the three streams, and a pipe on which the asker
    is told the process id, and the wait status once it has ended (4 bytes each).
    """
    ends: dict[int, tuple[int, int]] = {}  # by pidfd: the process, and where its asker waits
    while True:
        ready, _, _ = select.select([control, *ends], [], [])
        for one in ready:
            if one is not control:
                pid, told = ends.pop(one)
                _, code = os.waitpid(pid, 0)
                answer(told, code)
                os.close(told)
                os.close(one)
                continue
            message, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 4)
            if not message:
                return None
            pid = os.fork()
            if pid == 0:
                return become(json.loads(message), descriptors)
            answer(descriptors[3], pid)
            ends[os.pidfd_open(pid)] = (pid, descriptors[3])
            for descriptor in descriptors[:3]:
                os.close(descriptor)


def answer(told: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the test is over
        os.write(told, number.to_bytes(4, "little"))


def become(asked: dict[str, object], descriptors: list[int]) -> list[str]:
    """Take the place of a fresh `python -m crawler`: streams, folder, environment, dice."""
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    os.closerange(3, 4096)
    os.chdir(str(asked["cwd"]))
    os.environ.clear()
    os.environ.update(asked["env"])  # type: ignore[call-overload]
    time.tzset()
    random.seed()
    sys.path[0] = os.getcwd()
    return list(asked["argv"])  # type: ignore[call-overload]


def main() -> int:
    """`python -m crawler`, with all that a process which it starts may want to know of its parent."""
    try:
        runpy.run_module("crawler", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return ended.code  # type: ignore[return-value]  # an exit code: what crawler/__main__.py raises it with
    return 0


def finish(code: int) -> None:
    """The end of an interpreter, but for taking each of its modules apart: that would copy all that a fork shares."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, and for those of pools
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    for name in (*OTHERS, *(f"crawler.cli.{command}" for command in COMMANDS)):
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "a thread would be lost in a fork"
    gc.collect()
    gc.freeze()  # else the first collection of each child copies all of it
    arguments = serve(socket.socket(fileno=int(sys.argv[1])))
    if arguments is not None:
        sys.argv[1:] = arguments
        finish(main())
