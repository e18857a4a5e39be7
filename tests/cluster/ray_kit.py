"""Ray nodes on this machine, each on a loopback address of its own, that tests start, look into and kill."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from judge import write_config

if importlib.util.find_spec("ray") is None:  # never imported in the process of tests: it reads the environment once
    pytest.skip("the extra [ray] is not installed", allow_module_level=True)

Popen = subprocess.Popen[bytes]
BUDGET, RATE, BURST = 50, 48, 5
"""What is held to BUDGET is asked for at RATE: of fifty requests two may come late on any machine."""
CANARY = "31337_CanaryThatMayNotSing0123456789"
"""A made-up session, to be looked for where it must not be."""


def processes() -> dict[int, str]:
    """Every process's command line, by pid."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def environment(pid: int) -> bytes:
    """A process's environment; b"" when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes()
    return b""


def of_ray(home: Path | str) -> dict[int, str]:
    """The processes of Ray, actors included, whose session lies under `home`."""
    mine = str(home).encode()
    named = {pid: text for pid, text in processes().items() if "ray" in text and pid != os.getpid()}
    return {pid: text for pid, text in named.items() if mine in text.encode() or mine in environment(pid)}


def actors(home: Path | str, kind: str) -> list[int]:
    """The pids of the actors of a kind (Hand, Desk)."""
    return [pid for pid, text in of_ray(home).items() if text.startswith(f"ray::{kind}")]


def wait_for(what: Callable[[], Any], within_s: float = 60) -> Any:
    """What `what` gives as soon as that is true."""
    until = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < until, f"waited {within_s} s in vain"
        time.sleep(0.05)
    return found


def kill(pids: Sequence[int]) -> None:
    """SIGKILL, whoever is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


class Node:
    """One `ray start --block`: a group of processes that dies at once."""

    def __init__(self, folder: Path, host: str, head: str, port: int = 0, before: Sequence[str] = ()) -> None:
        self.host = host
        self.folder = folder
        role = ["--head", f"--port={port}", f"--temp-dir={folder}"] if port else [f"--address={head}"]
        words = [
            *before, sys.executable, "-m", "ray.scripts.scripts", "start", *role, f"--node-ip-address={host}",
            "--num-cpus=2", "--object-store-memory=80000000", "--min-worker-port=0", "--max-worker-port=0",
            "--disable-usage-stats", "--block",
        ]  # fmt: skip
        if port:
            words.append("--include-dashboard=false")
        self.log = folder.with_suffix(f".{host}.log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)

    def raylet(self) -> list[int]:
        return [pid for pid, text in processes().items() if "raylet/raylet " in text and f"={self.host} " in text]

    def kill(self) -> None:
        """As if its plug was pulled: everything of it at once."""
        mine = [*self.raylet(), *_below(self.process.pid)]
        for raylet in self.raylet():
            mine += _below(raylet)
        kill([self.process.pid, *mine])
        self.process.wait()


def _below(pid: int) -> list[int]:
    """The children of a process, and theirs."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_below(int(child))]
    return found


class Nodes:
    """A cluster of nodes with a token, on 127.0.0.2, .3, ...; nothing of it is left afterwards."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="ray-t-", dir="/tmp"))
        self.port = free_port()
        token = self.home / "token"
        token.touch(mode=0o600)
        token.write_text("f" * 64)
        self.env = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_failure_threshold": "10",
        }
        self.nodes: list[Node] = []

    @property
    def address(self) -> str:
        return f"{self.nodes[0].host}:{self.port}"

    @property
    def temp(self) -> Path:
        return self.home / "r"

    def start(self, count: int) -> None:
        """The head and then the others, each on a loopback address of its own."""
        self.start_at([(f"127.0.0.{2 + n}", ()) for n in range(count)])

    def start_at(self, places: Sequence[tuple[str, Sequence[str]]]) -> None:
        """A node on each of these addresses, `before` it: what it is run by. One after another: those that share a
        machine share Ray's folder there."""
        os.environ.update(self.env)
        for host, before in places:
            made = Node(self.temp, host, self.address if self.nodes else "", 0 if self.nodes else self.port, before)
            self.nodes.append(made)
            wait_for(lambda made=made: "Ray runtime started" in made.log.read_text(), 90)

    def end(self) -> None:
        for node in reversed(self.nodes):
            node.kill()
        kill(list(of_ray(self.home)))
        for name in self.env:
            os.environ.pop(name, None)
        shutil.rmtree(self.home, ignore_errors=True)


@contextlib.contextmanager
def nodes(count: int) -> Iterator[Nodes]:
    made = Nodes()
    try:
        made.start(count)
        yield made
    finally:
        made.end()


def config_of(folder: Path, origin: Any, ids: Iterable[int], more: str = "") -> Path:
    """A config in `folder` for these ids at RATE requests a second to each host, with `more` sections."""
    (folder / "ids.txt").write_text("\n".join(map(str, ids)))
    config = write_config(folder, origin, 'path = "ids.txt"', more)
    text = config.read_text().replace("rate = 0\nconnections = 16", f"rate = {RATE}\nburst = {BURST}\nconnections = 8")
    config.write_text(text)
    return config


def start(config: Path, *flags: str, before: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Popen:
    """`crawler run` on its way; what it says is kept beside the config, in run.log."""
    with config.with_name("run.log").open("a") as log:
        return subprocess.Popen(
            [*before, sys.executable, "-m", "crawler", "run", str(config), "--progress", "plain", *flags],
            stdout=log,
            stderr=log,
            env={**os.environ, **(env or {})},
        )


def stored(root: Path) -> int:
    """How many images the main log has by now."""
    path = root / "log.jsonl"
    return path.read_bytes().count(b'"event":"stored"') if path.exists() else 0


def budget_kept(origin: Any) -> None:
    """No host ever saw more than the one budget and 5 % in any second, nor anything that no crawler does.

    A request that is sent in time comes late where all cores are taken, as they are while nodes start and die, and
    falls into the second of others: a second is as much longer as the machine was late meanwhile.
    """
    assert origin.violations == {}
    assert origin.arrivals
    for host, times in origin.arrivals.items():
        times.sort()
        first = 0
        for last, t in enumerate(times):
            while t - times[first] >= 1:
                first += 1
            if (count := last - first + 1) > 1.05 * BUDGET + BURST:
                late = origin.late.most(t - 1.2, t)
                assert count <= 1.05 * BUDGET * (1 + late) + BURST, (host, count, late)
