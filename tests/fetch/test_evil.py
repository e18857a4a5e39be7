"""Servers that send without end, or more than a client should hold: bounded in memory and in time, both ways out."""

import asyncio
import gzip
import itertools
import tracemalloc
from collections.abc import Callable

import pytest
from fetch_kit import Server, Want, door, named, real, reply

from crawler.fetch import client
from crawler.model import Failure, Kind
from crawler.rules.settings import RetrySettings

ONCE = RetrySettings(attempts=1, base_s=0.01)
OK = b"HTTP/1.1 200 OK\r\n"
MOST_BYTES = 12_000_000
"""What a client (and the server of the test) may hold before it gives up on such a server."""


def pour(first: bytes, again: Callable[[int], bytes]):
    """An answer that begins so and goes on in that way, for ever."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        for number in itertools.count():
            writer.write(again(number))
            await writer.drain()
            await asyncio.sleep(0.01)  # both ends share a core and a loop

    return write


ENDLESS = {
    "one-header": (OK + b"X: ", lambda _: b"y" * 65536),
    "headers": (OK, lambda n: b"".join(b"X-%d-%d: y\r\n" % (n, i) for i in range(2000))),
    "cookies": (OK, lambda n: b"".join(b"Set-Cookie: a%d-%d=%s\r\n" % (n, i, b"y" * 100) for i in range(500))),
    "folded": (OK + b"X: a\r\n", lambda _: b" y\r\n" * 16384),
    "status-line": (b"HTTP/1.1 200 ", lambda _: b"y" * 65536),
    "no-http": (b"", lambda _: b"y" * 65536),
    "blank-lines": (b"", lambda _: b"\r\n" * 32768),
    "continues": (b"", lambda _: b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "early-hints": (b"", lambda _: b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" * 1000),
    "trailers": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        lambda n: b"".join(b"X-%d-%d: y\r\n" % (n, i) for i in range(2000)),
    ),
    "one-trailer": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: ", lambda _: b"y" * 65536),
    "chunk-extension": (OK + b"Transfer-Encoding: chunked\r\n\r\n2;", lambda _: b"y" * 65536),
    "chunk-length": (OK + b"Transfer-Encoding: chunked\r\n\r\n", lambda _: b"0" * 65536),
    "tiny-chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", lambda _: b"1\r\nx\r\n" * 10000),
    "body": (OK + b"\r\n", lambda _: b"x" * 65536),
    "redirect-body": (b"HTTP/1.1 302 X\r\nLocation: http://a.test/2\r\n\r\n", lambda _: b"x" * 65536),
    "error-body": (b"HTTP/1.1 404 X\r\n\r\n", lambda _: b"x" * 65536),
}


@pytest.mark.parametrize("name", sorted(ENDLESS))
@real
async def test_what_has_no_end_is_given_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads, trailers, 1xx, chunks and bodies without end: a Failure, in bounded time and memory."""
    monkeypatch.setattr(client, "SLOW_WINDOW_S", 0.5)
    write = pour(*ENDLESS[name])
    network = {"max_body_mb": 0.25, "max_redirects": 1, "connect_s": 0.5, "idle_s": 0.5}
    tracemalloc.start()
    try:
        async with (
            asyncio.timeout(10),
            Server(lambda _: write) as server,
            door({"resolve": named(a=server), **network}, retry=ONCE) as there,
        ):
            want = Want("http://a.test/")
            got = await there.get(want)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(got, Failure), got
    assert len(want.body) <= 250_000
    assert peak < MOST_BYTES, peak


@pytest.mark.parametrize("lane", ["api", "images"])
@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "compress", "gzip, gzip", "gzip,br", "BR", "x"])
@real
async def test_no_packing_but_the_one_asked_for_is_opened(encoding: str, lane: str) -> None:
    """brotli, zstd and what is packed twice are refused by the head: no byte of theirs is unpacked or handed on."""
    bomb = gzip.compress(gzip.compress(b"\0" * 1_000_000))
    async with (
        Server(lambda _: reply(body=bomb, content_encoding=encoding)) as server,
        door({"resolve": named(a=server)}, retry=ONCE) as there,
    ):
        want = Want("http://a.test/", lane)
        got = await there.get(want)
        assert isinstance(got, Failure)
        assert (got.kind, want.body) == (Kind.ENCODING, b"")


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/hostname",
        "ftp://a.test/x",
        "gopher://a.test:70/_x",
        "dict://a.test:11211/x",
        "smb://a.test/x",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "s3://bucket/key",
        "unix:///var/run/docker.sock",
        "FILE:/etc/hostname",
        "http:file:///etc/hostname",
        "//",
        "http://",
        "http://user:pw@b.test/",
        "http://b.test:0/",
        "http://b.test:99999/",
        "http://b.test:22:80/",
        "http://b.test\\@c.test/",
        "http://b.test%00.c.test/",
        "http://b.test\x01/",
    ],
)
@real
async def test_only_http_and_https_are_spoken(location: str) -> None:
    """Listed or at a hop: any other scheme, and any odd host, is a value, and no connection is made for it."""
    async with (
        Server(lambda seen: reply(302, b"", location=location)) as server,
        Server(lambda _: reply(body=b"secret")) as other,
        door({"resolve": named(a=server, b=other, c=other)}, retry=ONCE) as there,
    ):
        got = await there.get(Want("http://a.test/"))
        assert isinstance(got, Failure), got
        assert got.kind in (Kind.REDIRECT, Kind.BAD_URL, Kind.DNS, Kind.PROTOCOL, Kind.ADDRESS), got
        listed = await there.get(Want(location))
        assert isinstance(listed, Failure)
        assert listed.kind in (Kind.BAD_URL, Kind.DNS, Kind.ADDRESS), listed
        assert other.seen == []


@real
async def test_nothing_of_ours_goes_to_another_host() -> None:
    """A redirect away and back: cookie, Referer and any key of the first request are seen by nobody but its host."""
    canary = "canary-7f3a"
    async with Server(lambda _: reply()) as far:
        near = Server(lambda _: reply(307, b"", location="http://far.test/got"))
        async with near, door({"resolve": {**named(near=near, far=far)}}, retry=ONCE) as there:
            secret = {"Cookie": f"PHPSESSID={canary}", "Authorization": canary, "X-Api-Key": canary}
            want = Want("http://near.test/", headers={"Referer": f"http://near.test/{canary}"}, secret=secret)
            await there.get(want)
        assert [canary in str(seen.headers) for seen in near.seen] == [True]
        assert [canary in str(seen.headers) for seen in far.seen] == [False]
