"""Planted secrets, the places where they may come out, and what looks there."""

import contextlib
import http.client
import re
import socket
from collections.abc import Iterable
from pathlib import Path

CANARY = "12345678_CanaryThatMustNotBeSeen0123456789"
KEY = "AKIACANARYKEY0000000"
TOKEN = "CanarySecretAccessKey/0123456789abcdefghij"
PASSWORD = "CanaryPasswordOfAProxy"
ENV = {"CRAWLER_SITE__SESSION": CANARY, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": TOKEN}
PARTS = (
    CANARY.encode(),
    CANARY[9:30].encode(),
    KEY.encode(),
    TOKEN.encode(),
    TOKEN[:20].encode(),
    PASSWORD.encode(),
)


def clean(*texts: bytes | str) -> None:
    """No text holds the session, a key, the password, or a good part of one."""
    for text in texts:
        raw = text.encode() if isinstance(text, str) else text
        assert not [part for part in PARTS if part in raw], raw[:2000]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def processes() -> set[bytes]:
    """What every process of this machine shows to everybody: its arguments."""
    seen: set[bytes] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            seen.add((folder / "cmdline").read_bytes())
    return seen


def children(pid: int) -> Iterable[Path]:
    """The /proc folders of all that a process started, and what they started."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    for one in parents:
        above = one
        while above in parents and above != pid:
            above = parents[above]
        if above == pid and one != pid:
            yield Path(f"/proc/{one}")


def environments(pid: int) -> set[bytes]:
    """What the processes that a process started were given as their environment.

    Between fork and exec a child still is its parent.
    """
    seen: set[bytes] = set()
    for folder in children(pid):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes() != Path(f"/proc/{pid}/cmdline").read_bytes():
                seen.add((folder / "environ").read_bytes())
    return seen - {b""}


class Viewer:
    """Somebody who looks at a live page: its files, its numbers, its stream, its pictures."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen: list[bytes] = []
        self._stream: http.client.HTTPResponse | None = None

    def look(self) -> None:
        """Once, if somebody answers by now."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            for path in ("/", "/page.js", "/metrics"):
                self.seen.append(self.get(path))
            if self._stream is None:
                self._line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                self._line.request("GET", "/events")
                self._stream = self._line.getresponse()
            for key in set(re.findall(rb"/thumb/[0-9a-f]{20}\.jpg", b"".join(self.seen[-50:]))):
                self.seen.append(self.get(key.decode()))

    def get(self, path: str) -> bytes:
        """A file with its head."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        line.request("GET", path)
        answer = line.getresponse()
        body = answer.read()
        line.close()
        return repr(answer.getheaders()).encode() + body

    def leave(self) -> None:
        """Read the stream to its end."""
        if self._stream is not None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.seen.append(self._stream.read())
            self._line.close()
