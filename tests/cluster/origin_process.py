"""The stand-in as a process of its own, ahead of all others for a core: when a request came is what is measured."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop

from crawler.origin.server import Origin


class Lateness:
    """How late this machine woke one who had nothing to do: as late, requests that were sent in time may arrive."""

    STEP_S = 0.01

    def __init__(self) -> None:
        self._found: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.wait(self.STEP_S):
            now = time.monotonic()
            self._found.append((now, now - before - self.STEP_S))
            before = now

    def most(self, since: float, until: float) -> float:
        """In seconds, between two moments of the monotonic clock."""
        return max([late for t, late in self._found if since <= t <= until], default=0.0)

    def end(self) -> None:
        self._over.set()
        self._thread.join()


class Far:
    """What tests need of it. `total`: requests so far; once it has ended, `arrivals` by host and `violations`; `late`:
    what the machine was like."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.world = Origin(**settings).world
        self._folder = folder
        (folder / "origin.json").write_text(json.dumps({**settings, "ca_dir": str(folder)}))
        self._process = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.port: int = told["port"]
        self.ca_file: str = told["ca_file"]
        self.resolve: dict[str, str] = told["resolve"]
        self.arrivals: dict[str, list[float]] = {}
        self.violations: dict[str, int] = {}
        self.late = Lateness()

    @property
    def total(self) -> int:
        return int.from_bytes((self._folder / "total").read_bytes(), "little")

    def end(self) -> None:
        if self._process.poll() is None:
            self.late.end()
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(30) == 0
            assert self._process.stdout is not None
            self._process.stdout.close()
            told = json.loads((self._folder / "seen.json").read_text())
            self.arrivals, self.violations = told["arrivals"], told["violations"]


@contextlib.contextmanager
def far_origin(folder: Path, **settings: Any) -> Iterator[Far]:
    """An Origin with these settings, whose certificate and notes lie in `folder`."""
    (folder / "total").write_bytes(bytes(8))
    made = Far(folder, settings)
    try:
        yield made
    finally:
        made.end()


async def serve(folder: Path) -> None:
    settings = json.loads((folder / "origin.json").read_text())
    with contextlib.suppress(PermissionError):
        os.nice(-15)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    count = os.open(folder / "total", os.O_WRONLY)
    async with Origin(**settings) as origin:
        told = {"port": origin.port, "ca_file": str(origin.ca_file), "resolve": dict(origin.resolve)}
        print(json.dumps(told), flush=True)
        while not stop.is_set():
            os.pwrite(count, array("Q", [origin.seen.total]).tobytes(), 0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await stop.wait()
        (folder / "seen.json").write_text(json.dumps(origin.seen.as_json()))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1])))
