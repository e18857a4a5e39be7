"""Bodies: silence, drip, size, short ends and packing, from servers that really do it."""

import asyncio
import gzip
import socket
import struct
import time
import tracemalloc
import zlib

import pytest
from fetch_kit import FAST, Server, Want, door, named, real, reply

from crawler.fetch import client as client_module
from crawler.fetch.exchange import Had
from crawler.fetch.lane import CurlLane
from crawler.model import Failure, Kind
from crawler.rules.settings import RetrySettings

ONCE = RetrySettings(attempts=1, base_s=0.01)


async def fetch(answer, want: Want | None = None, lane: str = "images", **network) -> tuple[Had | Failure, Want]:
    """One exchange with one attempt against a server that answers like this."""
    async with Server(answer) as server, door({"resolve": named(a=server), **network}, retry=ONCE) as there:
        want = want or Want("http://a.test/x", lane)
        return await there.get(want), want


def then(*parts: bytes | float, reset: bool = False):
    """An answer that writes bytes and sleeps seconds in turn, then ends (or resets) the connection."""

    async def write(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            else:
                await asyncio.sleep(part)
        if reset:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    return lambda _seen: write


class Slow(Want):
    """Keeps the loop busy over each piece, as hashing does: meanwhile more comes than is held."""

    async def feed(self, chunk: bytes) -> None:
        await super().feed(chunk)
        time.sleep(0.002)  # noqa: ASYNC251 - that is the point


@real
async def test_who_was_paused_is_woken_by_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies that come faster than they are read end without anybody who looks after them now and then."""
    monkeypatch.setattr(CurlLane, "_sweep", lambda _self: None)
    body = bytes(range(256)) * 16 * 1024
    async with Server(lambda _seen: reply(body=body)) as server, door({"resolve": named(a=server)}) as there:
        wants = [Slow(f"http://a.test/{n}") for n in range(4)]
        async with asyncio.timeout(20):
            assert await asyncio.gather(*map(there.get, wants)) == [Had(1)] * 4
        assert all(want.body == body for want in wants)


HEAD = b"HTTP/1.1 200 OK\r\n"
LONG = HEAD + b"Content-Length: 1000\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "reset", "kind"),
    [
        ((LONG, b"x" * 999), False, Kind.TRUNCATED),
        ((LONG, b"x" * 10), True, Kind.TRUNCATED),
        ((CHUNKED, b"5\r\nabc"), False, Kind.TRUNCATED),
        ((CHUNKED, b"zz\r\nabc\r\n"), False, Kind.PROTOCOL),
        ((b"", 0.0), False, Kind.RESET),
        ((b"",), True, Kind.RESET),
        ((b"HTTP/1.1 2",), False, Kind.RESET),
        ((b"SSH-2.0-nothing\r\n\r\n",), False, Kind.PROTOCOL),
        ((HEAD + b"X: " + b"x" * 20_000 + b"\r\n\r\n",), False, Kind.PROTOCOL),
        ((HEAD + b"".join(b"X%d: 1\r\n" % n for n in range(2000)) + b"\r\n",), False, Kind.PROTOCOL),
        ((HEAD + b"Content-Length: -5\r\n\r\n",), False, Kind.PROTOCOL),
    ],
    ids=[
        "cut",
        "reset",
        "chunk-cut",
        "chunk-bad",
        "closed",
        "closed-by-reset",
        "half-a-line",
        "ssh",
        "long-line",
        "many-headers",
        "length",
    ],
)
@real
async def test_a_broken_reply_is_a_failure(parts, reset: bool, kind: Kind) -> None:
    """Cut, reset, wrongly chunked, no HTTP at all, oversized heads: a value with a kind, never an exception."""
    got, _ = await fetch(then(*parts, reset=reset))
    assert isinstance(got, Failure)
    assert (got.kind, got.attempts, got.permanent) == (kind, 1, False)


@real
async def test_what_came_before_a_cut_is_handed_on() -> None:
    """The bytes of a cut body reach the exchange: a resumed try need not ask for them again."""
    got, want = await fetch(then(LONG, b"x" * 999))
    assert isinstance(got, Failure)
    assert want.body == b"x" * 999


@pytest.mark.parametrize("head", [b"", LONG, LONG + b"abc", HEAD])
@real
async def test_silence_is_idle(head: bytes) -> None:
    """No byte for idle_s, before, in or after the head: IDLE."""
    got, _ = await fetch(then(head, 5.0), idle_s=0.1)
    assert isinstance(got, Failure)
    assert got.kind is Kind.IDLE


@pytest.mark.parametrize("head", [LONG, b"HTTP/1.1 200 OK\r\nX: "])
@real
async def test_a_drip_is_slow(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps every read timeout happy: the pace over a window ends it, in the body and the head."""
    monkeypatch.setattr(client_module, "SLOW_WINDOW_S", 0.2)
    got, _ = await fetch(then(head, *[b"x", 0.03] * 100), min_kb_s=1, idle_s=1, connect_s=1)
    assert isinstance(got, Failure)
    assert got.kind is Kind.SLOW


@real
async def test_a_slow_disk_is_not_the_hosts_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time spent in the exchange does not count against the host."""
    monkeypatch.setattr(client_module, "SLOW_WINDOW_S", 0.1)

    class Slow(Want):
        async def feed(self, chunk: bytes) -> None:
            await asyncio.sleep(0.12)
            await super().feed(chunk)

    got, want = await fetch(lambda _: reply(body=b"x" * 400_000), Slow("http://a.test/x"), min_kb_s=10_000)
    assert got == Had(1)
    assert len(want.body) == 400_000


@real
async def test_pieces_are_large_and_whole() -> None:
    """Pieces are 64 KB or more, but for the last: each may cost a hop to the disk."""
    body = bytes(range(256)) * 4000
    parts = [b"%x\r\n%b\r\n" % (1000, body[at : at + 1000]) for at in range(0, len(body), 1000)]
    got, want = await fetch(then(CHUNKED, *parts, b"0\r\n\r\n"))
    assert got == Had(1)
    assert want.body == body
    assert min(want.pieces[:-1]) >= 64 * 1024
    assert want.heads[0].length is None


@pytest.mark.parametrize("length", ["1000001", "99999999999999"])
@real
async def test_a_body_that_says_it_is_too_large_is_not_read(length: str) -> None:
    """Content-Length is looked at first."""
    got, want = await fetch(then(HEAD + f"Content-Length: {length}\r\n\r\n".encode(), 5.0), max_body_mb=1)
    assert isinstance(got, Failure)
    assert (got.kind, got.permanent, want.heads) == (Kind.TOO_LARGE, True, [])


@real
async def test_an_endless_body_is_cut_at_the_cap() -> None:
    """A body without a length is taken up to the cap and no further."""
    got, want = await fetch(then(HEAD + b"\r\n", *[b"x" * 100_000] * 40), max_body_mb=1)
    assert isinstance(got, Failure)
    assert got.kind is Kind.TOO_LARGE
    assert len(want.body) <= 1_000_000


@real
async def test_images_are_asked_for_as_they_are() -> None:
    """Images: Accept-Encoding: identity, and a reply that is packed all the same is a failure before any byte."""
    asked = []

    def answer(seen):
        asked.append(seen.headers["accept-encoding"])
        return reply(body=gzip.compress(b"x"), content_encoding="gzip")

    got, want = await fetch(answer)
    assert isinstance(got, Failure)
    assert (got.kind, want.heads, asked) == (Kind.ENCODING, [], ["identity"])


@real
async def test_metadata_may_be_packed() -> None:
    """The API may answer gzip: the exchange sees what is inside, and no length."""
    body = b'{"body": []}' * 50_000
    asked = []

    def answer(seen):
        asked.append(seen.headers["accept-encoding"])
        return reply(body=gzip.compress(body), content_encoding="gzip")

    got, want = await fetch(answer, lane="api")
    assert (got, asked, want.heads[0].length) == (Had(1), ["gzip"], None)
    assert want.body == body


@pytest.mark.parametrize(
    ("body", "encoding", "kind"),
    [
        (gzip.compress(b"x" * 100)[:-9], "gzip", Kind.TRUNCATED),
        (b"no gzip at all", "gzip", Kind.ENCODING),
        (gzip.compress(b"x") + b"more", "gzip", Kind.ENCODING),
        (zlib.compress(b"x"), "deflate", Kind.ENCODING),
        (b"x", "br", Kind.ENCODING),
        (b"x", "gzip, gzip", Kind.ENCODING),
        (b"", "gzip", Kind.TRUNCATED),
    ],
    ids=["cut", "false", "trailing", "deflate", "brotli", "twice", "empty"],
)
@real
async def test_broken_packing_is_a_failure(body: bytes, encoding: str, kind: Kind) -> None:
    """Cut, false or unasked-for packing of metadata: a value, never an exception."""
    got, _ = await fetch(lambda _: reply(body=body, content_encoding=encoding), lane="api")
    assert isinstance(got, Failure)
    assert got.kind is kind


@real
async def test_a_bomb_costs_what_is_read_of_it() -> None:
    """100 MB in 100 KB: the cap holds for what is unpacked, and memory stays small."""
    bomb = gzip.compress(b"\0" * 100_000_000, 6)

    class Count(Want):
        total = 0

        async def feed(self, chunk: bytes) -> None:
            self.total += len(chunk)

    tracemalloc.start()
    want = Count("http://a.test/x", "api")
    got, _ = await fetch(lambda _: reply(body=bomb, content_encoding="gzip"), want, max_body_mb=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(got, Failure)
    assert got.kind is Kind.TOO_LARGE
    assert want.total <= 10_000_000
    assert peak < 5_000_000


@real
async def test_small_refused_bodies_do_not_cost_the_connection() -> None:
    """A 404 whose body is short leaves its connection for the next request: no new handshake for each dead work."""
    async with Server(lambda _: reply(404, b"gone" * 10)) as server, door({"resolve": named(a=server)}) as there:
        for _ in range(5):
            assert isinstance(await there.get(Want("http://a.test/x")), Failure)
        assert server.connected == 1


@real
async def test_the_exchanges_own_errors_go_through_untouched() -> None:
    """A full disk in start, feed or finish is no network error: it comes out as it went in, and leaks nothing."""
    async with Server(lambda _: reply(body=b"x" * 10)) as server:
        for where in ("start", "feed", "finish"):
            error = OSError(28, "No space left on device")

            async def full(*_: object, error: OSError = error) -> None:
                raise error

            want = Want("http://a.test/x")
            setattr(want, where, full)
            async with door({"resolve": named(a=server)}, retry=FAST) as there:
                with pytest.raises(OSError, match="No space") as caught:
                    await there.get(want)
                assert caught.value is error
                assert want.asked == 1
                assert [(h.in_flight, h.waiting) for h in there.hosts()] == [(0, 0)]
