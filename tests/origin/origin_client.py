"""A client for the tests of the stand-in: real TLS, one request a connection, nothing repeated unasked."""

from __future__ import annotations

import gzip
import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from crawler.origin.replies import Asked, answer
from crawler.origin.server import Origin
from crawler.origin.work import OriginWork
from crawler.origin.world import World

AGENT = {"User-Agent": "Mozilla/5.0 (compatible; test)"}
GZIP = {"Accept-Encoding": "gzip"}
REFERER = {"Referer": "https://www.pixiv.net/"}
WWW = "https://www.pixiv.net"


class Loopback(AbstractResolver):
    """Every name is the stand-in's port."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=self.port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@dataclass(frozen=True)
class Got:
    """A reply, read whole. Status 0: the connection broke before there was one; -1: within the body."""

    status: int
    content: bytes
    headers: dict[str, str]


def get(origin: Origin, url: str, headers: dict[str, str] | None = None, *, method: str = "GET") -> Got:
    """Ask once, on a connection of its own, with the standard library's client: it never repeats anything unasked."""
    host, _, path = url.removeprefix("https://").partition("/")
    context = ssl.create_default_context(cafile=origin.ca_file)
    raw = socket.create_connection(("127.0.0.1", origin.port), timeout=30)
    with context.wrap_socket(raw, server_hostname=host.partition(":")[0]) as wrapped:
        connection = http.client.HTTPConnection(host)
        connection.sock = wrapped
        try:
            connection.request(method, "/" + path, headers=AGENT | REFERER | GZIP | (headers or {}))
            reply = connection.getresponse()
        except (http.client.HTTPException, OSError):
            return Got(0, b"", {})
        try:
            content, status = reply.read(), reply.status
        except (http.client.HTTPException, OSError):
            content, status = b"", -1
        found = {name.lower(): value for name, value in reply.getheaders()}
        reply.close()
    if found.get("content-encoding") == "gzip" and content:
        content = gzip.decompress(content)
    return Got(status, content, found)


def first(world: World, fits: Callable[[OriginWork], bool]) -> int:
    return next(id for id in range(1, 20_000) if (work := world.work(id)).alive and fits(work))


def plain_image(world: World, *, ranges: bool = True) -> tuple[str, bytes]:
    """URL and bytes of a plain image that does, or does not, serve ranges."""
    for id in range(1, 20_000):
        if world.work(id).features == {"plain"}:
            url = world.expected(id).images[0].url
            asked = Asked(
                "i.pximg.net",
                url.removeprefix("https://i.pximg.net"),
                "",
                {"user-agent": "x", "referer": "https://www.pixiv.net/"},
            )
            reply = answer(world, "", world.paint, asked)
            if ("accept-ranges" in reply.headers) == ranges:
                return url, reply.content
    raise AssertionError("no such image")
