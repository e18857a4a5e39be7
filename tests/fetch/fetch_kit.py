"""What the tests of the door share: a server that may answer anything, byte for byte, and an exchange that collects."""

import asyncio
import functools
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import uvloop

from crawler.fetch.door import Door
from crawler.fetch.exchange import Exchange, Head, Request
from crawler.fetch.settings import HostLimits, NetworkSettings
from crawler.model import Failure
from crawler.rules.retry import kind_of_status
from crawler.rules.settings import RetrySettings
from crawler.stop import Gate


def real(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test on a loop of its own, with real sockets; 30 s at most. See conftest: on both ways out."""

    @functools.wraps(test)
    def call(*args: Any, **kwargs: Any) -> None:
        async def within() -> None:
            async with asyncio.timeout(30):
                await test(*args, **kwargs)

        # The program runs on uvloop, simulations on the standard library's: each way is tested on the loop it is for.
        loop = uvloop.new_event_loop if TRANSPORT[0] == "auto" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(within())

    call.through_a_door = True  # type: ignore[attr-defined]
    return call


@dataclass
class Seen:
    """One request as the server saw it."""

    t: float
    path: str
    headers: dict[str, str]


def reply(status: int = 200, body: bytes = b"ok", **headers: str) -> bytes:
    """A whole reply; header names with `_` for `-`. `content_length=""` leaves the length out (and closes)."""
    lines = {"content-length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


Answer = Callable[[Seen], bytes] | Callable[[Seen], Awaitable[bytes | None]]


@dataclass
class Server:
    """Answers with the bytes that `answer` gives; `drop` in an answer cuts the connection after it."""

    answer: Callable[..., Any]
    tls: ssl.SSLContext | None = None
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    open: int = 0
    most_open: int = 0
    connected: int = 0
    host: str = "127.0.0.1"

    async def __aenter__(self) -> "Server":
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def there(self) -> str:
        return f"{self.host}:{self.port}" if ":" not in self.host else f"[{self.host}]:{self.port}"

    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connected += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in raw[1:] if line)}
        seen = Seen(asyncio.get_running_loop().time(), raw[0].split(" ")[1], headers)
        self.seen.append(seen)
        answer = self.answer(seen)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if callable(answer):  # writes by itself, then the connection ends
            await answer(writer)
            return False
        writer.write(answer)
        await writer.drain()
        return b"content-length:" in answer or b"chunked" in answer


class Want(Exchange):
    """An exchange that collects a body, and takes every status but 2xx for a failure."""

    def __init__(self, url: str, lane: str = "images", **request: Any) -> None:
        self._request = Request(url, lane, **request)  # type: ignore[arg-type]
        self.body = b""
        self.heads: list[Head] = []
        self.pieces: list[int] = []
        self.asked = 0

    def request(self) -> Request:
        self.asked += 1
        return self._request

    async def start(self, head: Head) -> Failure | None:
        self.heads.append(head)
        self.body = b""
        kind = kind_of_status(head.status)
        return Failure(kind, status=head.status) if kind else None

    async def feed(self, chunk: bytes) -> None:
        self.body += chunk
        self.pieces.append(len(chunk))

    async def finish(self) -> Failure | None:
        return None


TRANSPORT = ["auto"]
"""The way to the network that `door` builds on: the suite runs on both, see conftest."""
FAST = RetrySettings(attempts=3, base_s=0.01, cap_s=0.05)
FREE = HostLimits(rate=0, burst=1, connections=8)


def door(
    network: dict[str, Any] | None = None,
    *,
    limits: HostLimits = FREE,
    retry: RetrySettings = FAST,
    gate: Gate | None = None,
    memory_mb: float = 64,
    **more: Any,
) -> Door:
    """A door without robots.txt and without limits, unless told otherwise."""
    settings = NetworkSettings(**{"robots": "ignore", "transport": TRANSPORT[0], **(network or {})})
    return Door(settings, {"api": limits, "images": limits}, retry, memory_mb, gate or Gate(), **more)


def named(**servers: Server) -> dict[str, str]:
    """`resolve` for hosts called NAME.test."""
    return {f"{name}.test": server.there for name, server in servers.items()}


async def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds that nobody announces."""
    while not holds():  # noqa: ASYNC110 - there is no event for it: that is why this exists
        await asyncio.sleep(0.002)
