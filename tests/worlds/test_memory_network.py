"""Laws of the network in memory: what asyncio promises of a connection holds, late and in pieces."""

import asyncio
import random
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.simulate.loop import run_virtual
from crawler.simulate.network import WINDOW_BYTES, Weather, WorldLoop

Handler = Any


async def served(handler: Handler) -> tuple[asyncio.AbstractServer, int]:
    """A server in memory, and its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def factory() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), handler)

    server = await asyncio.get_running_loop().create_server(factory, sock=listener)
    return server, listener.getsockname()[1]


async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as aiohttp does: the socket first, the transport over it."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        transport, _ = await loop.create_connection(lambda: protocol, sock=sock)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


@settings(max_examples=40, deadline=None)
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=5000), max_size=20),
    piece=st.integers(1, 3000),
    latency_s=st.sampled_from([0.0, 0.01, 3.0]),
    seed=st.integers(0, 9),
)
def test_bytes_come_whole_and_in_order(chunks: list[bytes], piece: int, latency_s: float, seed: int) -> None:
    """Both ways, however they are cut; then the end."""
    dice = random.Random(seed)
    weather = Weather(latency_s=latency_s, piece=lambda: dice.randint(1, piece))

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(700):
            writer.write(data)
        writer.close()

    async def main() -> bytes:
        server, port = await served(echo)
        reader, writer = await dial(port)
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        got = await reader.readexactly(sum(map(len, chunks)))
        writer.close()
        server.close()
        await asyncio.sleep(60)  # the other end learns of it, too
        return got

    loop = WorldLoop(weather)
    assert run_virtual(main(), loop) == b"".join(chunks)
    if chunks:
        assert loop.time() >= 2 * latency_s


def test_who_does_not_read_holds_the_writer_up() -> None:
    """A writer is paused at the window, and goes on when it is read."""

    async def lazy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(100)
        while await reader.read(65536):
            pass
        writer.close()

    async def main() -> list[float]:
        server, port = await served(lazy)
        _, writer = await dial(port)
        times: list[float] = []
        for _ in range(12):
            writer.write(bytes(WINDOW_BYTES // 4))
            await writer.drain()
            times.append(asyncio.get_running_loop().time())
        writer.close()
        server.close()
        await asyncio.sleep(60)  # the other end learns of it, too
        return times

    times = run_virtual(main(), WorldLoop())
    assert times[0] == 0
    assert times[-1] >= 100


@pytest.mark.parametrize("resets", [True, False])
def test_an_abort_arrives_as_a_reset_or_an_end(resets: bool) -> None:
    """What was sent before it comes first."""

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half")
        writer.transport.abort()

    async def main() -> None:
        server, port = await served(rude)
        reader, writer = await dial(port)
        assert await reader.readexactly(4) == b"half"
        if resets:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        else:
            assert await reader.read() == b""
        writer.close()
        server.close()
        await asyncio.sleep(60)  # the other end learns of it, too

    run_virtual(main(), WorldLoop(Weather(resets=lambda: resets)))


@pytest.mark.parametrize("down", ["refused", "silent", None])
def test_who_is_not_there_is_refused_or_silent(down: str | None) -> None:
    """No server at all is a refusal; nothing outside can be reached."""

    async def main() -> None:
        server, port = await served(lambda reader, writer: None)
        if down is None:
            server.close()
        with pytest.raises(TimeoutError if down == "silent" else ConnectionRefusedError):
            async with asyncio.timeout(10):
                await dial(port)
        server.close()

    run_virtual(main(), WorldLoop(Weather(down=down)))
