#!/usr/bin/env python
"""How long until something happens: `--help` beside `import pydantic`, the first request beside `import aiohttp`.

Everything is started in turn, round after round, and told as a ratio of medians (issue 5: at most 2.5 and 2). "First
request" is a real run of one URL, from the start of the process until the bytes of the request are at the host. It has
no rate limit: a limiter starts empty, so that at 1/s the first request is a second late by design. All run from
bytecode that was written before, as after an installation, whatever PYTHONDONTWRITEBYTECODE says here.

    scripts/bench/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_CONFIG = """
[source]
kind = "urls"
path = "one.txt"
[site]
name = "urls"
[limits.images]
rate = 0
[network]
robots = "ignore"
allow_private = ["127.0.0.0/8"]
transport = "{transport}"
"""


class Listener:
    """A host that notes when the first byte of a request came, and answers 404."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.came: list[float] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            peer, _ = self._socket.accept()
            with peer:
                if peer.recv(65536):
                    self.came.append(time.perf_counter())
                    peer.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def took(command: list[str]) -> float:
    """Milliseconds from start to end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    return 1000 * (time.perf_counter() - began)


def first_request(host: Listener, transport: str) -> float:
    """Milliseconds from the start of `crawler run` until its first request is at the host."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "one.txt").write_text(f"http://127.0.0.1:{host.port}/one.jpg\n")
        (folder / "c.toml").write_text(_CONFIG.format(transport=transport))
        host.came.clear()
        began = time.perf_counter()
        command = [sys.executable, "-m", "crawler", "run", "c.toml", "--output.dir", "out", "-q"]
        subprocess.run(
            command, cwd=folder, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )
        return 1000 * (host.came[0] - began)


def main() -> None:
    """Measure in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    host, python = Listener(), sys.executable
    crawler = shutil.which("crawler", path=f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}") or "crawler"
    what: Mapping[str, Callable[[], float]] = {
        "import pydantic": lambda: took([python, "-c", "import pydantic"]),
        "import aiohttp": lambda: took([python, "-c", "import aiohttp"]),
        "crawler --help": lambda: took([crawler, "--help"]),
        "crawler run --help": lambda: took([crawler, "run", "--help"]),
        "first request, libcurl": lambda: first_request(host, "auto"),
        "first request, aiohttp": lambda: first_request(host, "aiohttp"),
    }
    with tempfile.TemporaryDirectory() as bytecode:
        ENVIRONMENT["PYTHONPYCACHEPREFIX"] = bytecode
        median = measured(what, args.rounds)
    show(median, args.rounds)


def measured(what: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The medians, in ms. The first round, which writes the bytecode, does not count."""
    times: dict[str, list[float]] = {name: [] for name in what}
    for number in range(rounds + 1):
        for name, measure in what.items():
            ms = measure()
            if number:
                times[name].append(ms)
    return {name: statistics.median(each) for name, each in times.items()}


def show(median: Mapping[str, float], rounds: int) -> None:
    """Print the table."""
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {rounds} rounds, medians of wall time")
    print("\n| | ms | beside | ratio |\n|---|---|---|---|")
    for name, ms in median.items():
        base = "import pydantic" if "--help" in name or "pydantic" in name else "import aiohttp"
        print(f"| {name} | {ms:.0f} | {base} | {ms / median[base]:.2f} |")


if __name__ == "__main__":
    main()
