"""Two hosts on one machine: network namespaces with a cable between them that can be pulled, and another way to the
stand-in that cannot."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

NETWORK = "10.99.7"
"""Of addresses that only the two namespaces have: nothing leaves the machine. The guard knows it (sitecustomize.py)."""
RELAY = Path(__file__).with_name("relay.py")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Hosts:
    """`inside(n)`: what comes before a command to run it on host 1 or 2."""

    def __init__(self) -> None:
        self.names = [f"crawler{os.getpid()}-{n}" for n in (1, 2)]
        self.relays: list[subprocess.Popen[bytes]] = []

    def address(self, n: int) -> str:
        return f"{NETWORK}.{n}"

    def inside(self, n: int) -> Sequence[str]:
        return ("ip", "netns", "exec", self.names[n - 1])

    def make(self) -> None:
        for name in self.names:
            ip("netns", "add", name)
        ip("-n", self.names[0], "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.names[1])
        for n, name in enumerate(self.names, 1):
            ip("-n", name, "addr", "add", f"{self.address(n)}/30", "dev", "cable")
            for device in ("lo", "cable"):
                ip("-n", name, "link", "set", device, "up")

    def bring(self, port: int, socket: Path) -> None:
        """The stand-in's port, on the loopback of both hosts too."""
        ways = [("out", str(socket), str(port)), *[("in", str(port), str(socket))] * 2]
        befores: list[Sequence[str]] = [(), self.inside(1), self.inside(2)]
        for before, words in zip(befores, ways, strict=True):
            relay = subprocess.Popen([*before, sys.executable, str(RELAY), *words], stdout=subprocess.PIPE)
            self.relays.append(relay)
            assert relay.stdout is not None
            assert relay.stdout.readline() == b"ready\n"

    def cable(self, state: str) -> None:
        """`down` pulls it out, `up` puts it back."""
        ip("-n", self.names[0], "link", "set", "cable", state)

    def end(self) -> None:
        for relay in self.relays:
            relay.kill()
            relay.wait()
            assert relay.stdout is not None
            relay.stdout.close()
        for name in self.names:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)


@contextlib.contextmanager
def hosts() -> Iterator[Hosts]:
    """Skips the test where no namespaces may be made."""
    made = Hosts()
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    try:
        try:
            made.make()
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield made
    finally:
        made.end()
