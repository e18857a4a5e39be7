"""Servers that mean no good, and lives cut short: the same values come out of both ways to the network."""

import asyncio
import gc
import io
import os
import socket
import struct
import sys
import warnings
from pathlib import Path

import pytest
from fetch_kit import TRANSPORT, Seen, Server, Want, door, named, real, reply, until
from PIL import Image as Images

from crawler.disk import Disk
from crawler.engine.exchanges import Download
from crawler.fetch.client import Client
from crawler.fetch.exchange import Had, Request
from crawler.fetch.reply import Reply
from crawler.fetch.settings import NetworkSettings
from crawler.model import Failure, Kind
from crawler.rules.settings import RetrySettings
from crawler.sinks.folder import Folder

ONCE = RetrySettings(attempts=1, base_s=0.01)
WHOLE = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\nETag: "x"\r\n\r\n' + b"0123456789" * 2
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3\r\nfgh\r\n0\r\n\r\n"


def cut(data: bytes, *, reset: bool):
    """An answer that ends the connection after these bytes."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if reset:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    return write


@pytest.mark.parametrize("whole", [WHOLE, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
@real
async def test_a_reply_cut_at_every_byte_is_a_failure(whole: bytes, reset: bool) -> None:
    """Wherever the connection ends, it is RESET or TRUNCATED, and what was handed on is a beginning of the body."""
    async with Server(lambda seen: cut(whole[: int(seen.path[1:])], reset=reset)) as server:
        # A name for each place: what one reply did to its connection is no matter of the next.
        resolve = {f"a{place}.test": server.there for place in range(len(whole))}
        async with door({"resolve": resolve}, retry=ONCE) as there:
            for place in range(len(whole)):
                want = Want(f"http://a{place}.test/{place}")
                got = await there.get(want)
                assert isinstance(got, Failure), (place, got)
                assert got.kind in (Kind.RESET, Kind.TRUNCATED), (place, got)
                assert (got.kind is Kind.TRUNCATED) == (b"\r\n\r\n" in whole[:place]), (place, got)
                assert (b"0123456789" * 2).startswith(want.body) or b"abcdefgh".startswith(want.body)
        assert len(server.seen) == len(whole)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + b"\r\n\r\n\0garbage",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nevil",
    ],
    ids=["a-reply", "bytes", "after-chunks"],
)
@real
async def test_what_follows_a_reply_answers_no_other_request(answer: bytes) -> None:
    """A server that says more than it was asked for is heard no further: the next request has its own answer."""
    async with (
        Server(lambda seen: answer if seen.path == "/1" else reply(body=seen.path.encode())) as server,
        door({"resolve": named(a=server)}, retry=RetrySettings(attempts=3, base_s=0.01)) as there,
    ):
        for number in range(2, 12):
            first = Want("http://a.test/1")
            outcome = await there.get(first)
            assert outcome == Had(1) or isinstance(outcome, Failure)
            assert first.body == b"ok" or isinstance(outcome, Failure)
            second = Want(f"http://a.test/{number}")
            if isinstance(await there.get(second), Had):
                assert second.body == f"/{number}".encode()


@real
async def test_heads_of_information_are_passed_over() -> None:
    """100 and 103 before the reply, and a 204 and an empty body: heads like any other."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX-Early: 1\r\n\r\n"
    async with (
        Server(lambda _: early + reply(body=b"late")) as server,
        door({"resolve": named(a=server)}, retry=ONCE) as there,
    ):
        want = Want("http://a.test/")
        assert await there.get(want) == Had(1)
        assert (want.heads[0].status, want.body) == (200, b"late")
        assert "x-early" not in want.heads[0].headers
    async with Server(lambda _: reply(body=b"")) as server, door({"resolve": named(a=server)}, retry=ONCE) as there:
        want = Want("http://a.test/")
        assert await there.get(want) == Had(1)
        assert (want.heads[0].length, want.body) == (0, b"")


@real
async def test_a_kept_connection_that_died_is_not_asked_twice_in_silence() -> None:
    """The server takes the second request and closes: that is a failed attempt, and the limiter knows of each one."""
    calls = 0

    def answer(_seen):
        nonlocal calls
        calls += 1
        return reply() if calls != 2 else cut(b"", reset=False)

    async with Server(answer) as server, door({"resolve": named(a=server)}, retry=ONCE) as there:
        assert await there.get(Want("http://a.test/1")) == Had(1)
        got = await there.get(Want("http://a.test/2"))
        assert isinstance(got, Failure)
        assert got.kind is Kind.RESET
        assert (len(server.seen), there.requests) == (2, 2)


@real
async def test_connections_are_kept_and_shared_by_nobody() -> None:
    """Ten requests in turn need one connection; eight at once need eight; two names at one address share none."""
    async with Server(lambda _: reply(body=b"x" * 1000)) as server:
        async with door({"resolve": named(a=server, b=server)}, retry=ONCE) as there:
            for _ in range(10):
                assert await there.get(Want("http://a.test/")) == Had(1)
            assert server.connected == 1
            assert await there.get(Want("http://b.test/")) == Had(1)
            assert server.connected == 2
            async with asyncio.TaskGroup() as group:
                for _ in range(40):
                    group.create_task(there.get(Want("http://a.test/")))
            assert server.most_open <= 9
        await until(lambda: server.open == 0)


@real
async def test_cancelled_at_any_moment_nothing_leaks() -> None:
    """Before the head, in it, in the body: after a cancellation no connection, descriptor or turn is left."""

    async def slowly(writer: asyncio.StreamWriter) -> None:
        for part in (b"HTTP/1.1 200 OK\r\n", b"Content-Length: 9000000\r\n\r\n", *[b"x" * 1000] * 100):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.002)

    async with Server(lambda _: slowly) as server:
        before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
        async with door({"resolve": named(a=server)}, retry=ONCE) as there:
            for wait_s in (0.0, 0.001, 0.003, 0.005, 0.01, 0.03, 0.06):
                tasks = [asyncio.get_running_loop().create_task(there.get(Want("http://a.test/"))) for _ in range(4)]
                await asyncio.sleep(wait_s)
                for task in tasks:
                    task.cancel()
                for task in tasks:
                    with pytest.raises(asyncio.CancelledError):
                        await task
                assert [(h.in_flight, h.waiting) for h in there.hosts()] == [(0, 0)] * len(there.hosts())
            await until(lambda: server.open == 0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            gc.collect()
        if before:
            assert len(os.listdir("/proc/self/fd")) <= before


@real
async def test_a_body_that_nobody_reads_holds_little() -> None:
    """Back-pressure: of 50 MB that a reader is slow to take, the client takes no more than a few buffers."""
    sent = 0

    async def pour(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        writer.transport.set_write_buffer_limits(65536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with (
        Server(lambda _: pour) as server,
        Client(NetworkSettings(resolve=named(a=server), transport=TRANSPORT[0])) as client,
    ):
        got = await client.open(client.where("http://a.test/"), {}, "images")
        assert isinstance(got, Reply)
        await asyncio.sleep(0.3)
        assert sent < 20_000_000
        size = 0
        while piece := await got.read():
            assert isinstance(piece, bytes)
            size += len(piece)
        got.close()
        assert (size, sent) == (50_000_000, 50_000_000)


@real
async def test_a_client_closed_in_the_middle_lets_nobody_wait() -> None:
    """Who waits for a head when the session ends is told."""
    held = asyncio.Event()

    async def silent(_writer: asyncio.StreamWriter) -> None:
        await held.wait()

    async with Server(lambda _: silent) as server:
        client = await Client(NetworkSettings(resolve=named(a=server), transport=TRANSPORT[0])).__aenter__()
        task = asyncio.get_running_loop().create_task(client.open(client.where("http://a.test/"), {}, "images"))
        await until(lambda: server.seen)
        await client.__aexit__(None, None, None)
        assert isinstance(await task, Failure)
        held.set()


@pytest.mark.parametrize("path", ["/a%2Fb%7E?sig=%27+%2B&x=~", "/../a/./b", "/a//b", '/a?b=|{}^`"<>', "/;p?=&&"])
@real
async def test_paths_arrive_as_they_were_spelt(path: str) -> None:
    """Signed URLs break when anything is tidied up: no dot segment, escape or odd character is touched."""
    async with Server(lambda _: reply()) as server, door({"resolve": named(a=server)}, retry=ONCE) as there:
        assert await there.get(Want(f"http://a.test{path}")) == Had(1)
        assert server.seen[0].path in (path, path.replace('"', "%22").replace("<", "%3C").replace(">", "%3E"))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nabcde",
        b"\0" * 100,
    ],
    ids=[
        "two-lengths",
        "huge-length",
        "no-status",
        "long-status",
        "endless-length",
        "te-gzip",
        "te-twice",
        "hex-length",
        "zeros",
    ],
)
@real
async def test_a_head_that_contradicts_itself_is_a_failure(head: bytes) -> None:
    """Never an exception, never a success."""
    async with (
        Server(lambda _: cut(head, reset=False)) as server,
        door({"resolve": named(a=server)}, retry=ONCE) as there,
    ):
        got = await there.get(Want("http://a.test/"))
        assert isinstance(got, Failure)
        assert got.kind in (Kind.PROTOCOL, Kind.RESET, Kind.TRUNCATED, Kind.TOO_LARGE, Kind.ENCODING), got


def png() -> bytes:
    """An image that is compressed to nothing."""
    file = io.BytesIO()
    Images.effect_noise((64, 64), 90).save(file, "PNG")
    return file.getvalue()


DIGITS = b"9" * 5000
HALF = b"HTTP/1.1 200 OK\r\nETag: %b\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize(
    ("etag", "second"),
    [
        (b'"\xc3\xa9"', b""),
        (b'"\xe9"', b""),
        (b'"\x01"', b""),
        (b'"' + b"x" * 5000 + b'"', b""),
        (b'"x"', b"HTTP/1.1 206 X\r\nContent-Range: bytes 100-101/%b\r\nContent-Length: 2\r\n\r\nok" % DIGITS),
        (b'"x"', b"HTTP/1.1 206 X\r\nContent-Range: bytes %b-%b/9\r\nContent-Length: 2\r\n\r\nok" % (DIGITS, DIGITS)),
    ],
    ids=["utf-8", "latin-1", "control", "long", "total", "place"],
)
@real
async def test_an_image_is_had_whatever_the_first_try_left(etag: bytes, second: bytes, tmp_path: Path) -> None:
    """Cut in the middle, with an ETag that cannot be sent back; then a range of thousands of digits, if any: the image
    is had in the end, and no ValueError ends the run."""
    body, seen = png(), 0
    whole = HALF % (etag, len(body)) + body

    def answer(_: Seen) -> object:
        nonlocal seen
        seen += 1
        first = {1: whole[:-100], 2: second}.get(seen)
        return cut(first, reset=False) if first else whole

    retry = RetrySettings(attempts=5, base_s=0.01, cap_s=0.01)
    async with Server(answer) as server, door({"resolve": named(a=server)}, retry=retry) as there:
        part = await Folder(tmp_path, Disk(sync=False)).part(1, 0)
        download = Download(part, Request("http://a.test/x", "images"), 0)
        assert isinstance(await there.get(download), Had)
        kept = await part.keep("png")
    assert (tmp_path / kept.path).read_bytes() == body
