"""Servers that send without end, or more than a client should hold: bounded in memory and in time, both ways out."""

import asyncio
import gzip
import itertools
import socket
import ssl
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pycurl
import pytest
import trustme
from fetch_kit import TRANSPORT, Server, Want, door, named, real, reply

from crawler.fetch import byway, client
from crawler.fetch.exchange import Had
from crawler.fetch.lane import CurlLane
from crawler.model import Failure, Kind
from crawler.rules.settings import RetrySettings

ONCE = RetrySettings(attempts=1, base_s=0.01)
OK = b"HTTP/1.1 200 OK\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\n\r\n"
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
    "gzip-name": (GZIP + b"\x1f\x8b\x08\x08\0\0\0\0\0\xff", lambda _: b"y" * 65536),
    "gzip-nothing": (GZIP + b"\x1f\x8b\x08\0\0\0\0\0\0\xff", lambda _: b"\0\0\0\xff\xff" * 13107),
    "gzip-body": (GZIP + gzip.compress(b"x"), lambda _: gzip.compress(b"") * 3000),
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
            want = Want("http://a.test/", "api" if name.startswith("gzip") else "images")
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


ECHOES = {
    "location": lambda said: reply(302, b"", location=f"ftp://{said}/"),
    "encoding": lambda said: reply(200, b"x", content_encoding=said),
    "status": lambda said: f"HTTP/1.1 {said}\r\nContent-Length: 0\r\n\r\n".encode(),
    "name": lambda said: f"HTTP/1.1 200 OK\r\n{said} x\r\nContent-Length: 0\r\n\r\n".encode(),
    "length": lambda said: f"HTTP/1.1 200 OK\r\nContent-Length: {said}\r\n\r\n".encode(),
    "cut": lambda said: reply(302, b"", location="ftp://" + "a" * 70 + said),
}


@real
@pytest.mark.parametrize("how", ECHOES)
async def test_what_repeats_the_session_is_not_repeated(how: str) -> None:
    """A gateway that quotes the header it does not like, wherever it may: failures go into the log, and on screens."""
    session = "12345678_canary7f3a7f3a7f3a7f3a7f3a7f3a"
    async with (
        Server(lambda seen: ECHOES[how](seen.headers["cookie"])) as server,
        door({"resolve": named(a=server)}, retry=ONCE) as there,
    ):
        got = await there.get(Want("http://a.test/", secret={"Cookie": f"PHPSESSID={session}"}))
    assert session in str(server.seen[0].headers)
    assert isinstance(got, Failure)
    assert "canary" not in repr(got)


@real
async def test_a_scheme_of_its_own_is_another_place(tmp_path: Path) -> None:
    """Up from http to https of the same host: no cookie, no key, no Referer goes along."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("a.test").configure_cert(context)
    async with Server(lambda _: reply(), tls=context) as tls:
        # One place for both ports of a host: what comes in plain is sent up, what begins as TLS is passed on.
        front = await asyncio.start_server(partial(_either, tls.port), "127.0.0.1", 0)
        place = f"127.0.0.1:{front.sockets[0].getsockname()[1]}"
        network = {"resolve": {"a.test": place}, "ca_file": str(tmp_path / "ca.pem")}
        async with front, door(network, retry=ONCE) as there:
            secret = {"Cookie": "PHPSESSID=canary", "X-Api-Key": "canary"}
            want = Want("http://a.test/", headers={"Referer": "http://a.test/canary"}, secret=secret)
            assert await there.get(want) == Had(1)
        assert want.heads[0].url == "https://a.test/up"
        assert [(seen.path, "canary" in str(seen.headers)) for seen in tls.seen] == [("/up", False)]


async def _either(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    first = await reader.read(1)
    if first != b"\x16":
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(301, b"", location="https://a.test/up"))
        await writer.drain()
        writer.close()
        return
    inner, out = await asyncio.open_connection("127.0.0.1", port)
    out.write(first)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
        except ConnectionError:
            pass
        sink.close()

    await asyncio.gather(pump(reader, out), pump(inner, writer))


@real
async def test_nothing_is_remembered_of_a_host_that_asks_for_it() -> None:
    """Set-Cookie, Alt-Svc, HSTS, Refresh, Link and Clear-Site-Data change nothing about the next request."""
    async with Server(lambda _: reply()) as other:
        said = {
            "set_cookie": "a=1; Domain=test; Path=/",
            "alt_svc": f'h2="{other.there}"; ma=99999, h3="{other.there}"',
            "strict_transport_security": "max-age=99999; includeSubDomains",
            "refresh": "0; url=http://b.test/",
            "link": "<http://b.test/x>; rel=preload",
            "clear_site_data": '"*"',
            "connection": "close",
        }
        server = Server(lambda _: reply(**said))
        async with server, door({"resolve": named(a=server, b=other)}, retry=ONCE) as there:
            for _ in range(3):
                assert await there.get(Want("http://a.test/x")) == Had(1)
        assert [(seen.path, seen.headers.get("cookie")) for seen in server.seen] == [("/x", None)] * 3
        assert other.connected == 0


@pytest.mark.parametrize("after", [b"", OK + b"content-length: 4\r\n\r\nevil", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
@real
async def test_no_other_protocol_is_spoken(after: bytes) -> None:
    """101 (switching protocols) was not asked for: no success, or the head that follows is the reply's."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    server = Server(lambda _: once(head + after))
    async with server, door({"resolve": named(a=server), "idle_s": 0.3}, retry=ONCE) as there:
        want = Want("http://a.test/")
        got = await there.get(want)
        assert isinstance(got, Failure) or (want.body == b"evil" and after.endswith(want.body))


def once(data: bytes):
    """An answer of these bytes, after which the connection ends."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return write


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address only")
@pytest.mark.parametrize("then", [["127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]])
@real
async def test_a_name_that_comes_to_mean_another_address(then: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: a name leads to an allowed address at first, and to a private one then, alone or beside the other.
    Each connection is judged by where it goes: the private place is never reached."""
    good = Server(lambda _: reply(connection="close"), host="127.0.0.2")
    async with good, Server(lambda _: reply(body=b"secret")) as bad:
        means: list[str] = []
        answering(monkeypatch, "rebind.test", (good.port, bad.port), means)
        for there, port in ((good, good.port), (bad, bad.port)):
            means[:] = ["127.0.0.2"]
            async with door({"allow_private": ["127.0.0.2/32"]}, retry=ONCE) as out:
                first = await out.get(Want(f"http://rebind.test:{port}/"))
                assert (first == Had(1)) == (there is good), first
                means[:] = then
                got = await out.get(Want(f"http://rebind.test:{port}/"))
                if there is good and len(then) == 2:
                    assert got == Had(1) or (isinstance(got, Failure) and got.kind is Kind.ADDRESS), got
                else:
                    assert isinstance(got, Failure), got
                    assert got.kind in ((Kind.ADDRESS,) if len(then) == 1 else (Kind.ADDRESS, Kind.CONNECT)), got
        assert bad.connected == 0


def answering(monkeypatch: pytest.MonkeyPatch, name: str, ports: tuple[int, ...], means: list[str]) -> None:
    """Let a name mean these addresses, to both ways out, anew for each request."""
    monkeypatch.setattr(byway, "_DNS_TTL_S", 0)
    loop = asyncio.get_running_loop()
    lookup = loop.getaddrinfo

    async def asked(host, port, **more):
        if host != name:
            return await lookup(host, port, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in means]

    if TRANSPORT[0] == "aiohttp":  # uvloop's loops take no other method
        monkeypatch.setattr(loop, "getaddrinfo", asked)
    get = CurlLane.get

    def got(self: CurlLane, *args, **more):
        if not self._free:
            self._free.append(self._new_wire())
        for wire in self._free:  # libcurl asks the system by itself: what it would hear is laid before it
            forget = [f"-{name}:{port}" for port in ports]
            wire.handle.setopt(pycurl.RESOLVE, [*forget, *(f"{name}:{port}:{','.join(means)}" for port in ports)])
        return get(self, *args, **more)

    monkeypatch.setattr(CurlLane, "get", got)
