"""A network inside the loop: the same bytes in the same order every time, late and in pieces as a seed wants it.

A server that listens on this loop is reached through memory; nothing else can be reached. TLS is optional: with it
the handshake and every record are real, without it a connection that asks for TLS gets plain bytes.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl as tls
from asyncio import sslproto
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from crawler.simulate.loop import VirtualLoop

WINDOW_BYTES = 256 * 1024
"""What may be on the way to one end before the other is told to pause."""
Factory = Callable[[], asyncio.BaseProtocol]


@dataclass(slots=True)
class Weather:
    """How the network is. `latency_s`: one way, the same for all; `piece`: most bytes of the next delivery;
    `resets`: whether an abort arrives as a reset, else as an end; `down`: None, or what a connection attempt gets:
    "refused" or "silent"."""

    latency_s: float = 0.0
    piece: Callable[[], int] = lambda: 65536
    resets: Callable[[], bool] = lambda: True
    down: str | None = None
    tls: bool = False


class End(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, loop: WorldLoop, protocol: asyncio.BaseProtocol, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self._loop = loop
        self._protocol = protocol
        self._incoming: deque[tuple[float, bytes | BaseException | None]] = deque()
        self._unread = 0
        self._reading = True
        self._pumping = False
        self._paused_writer = False
        self._closing = self._lost = False
        self.peer: End

    # -- what a protocol asks of its transport ----------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        if self.peer._lost:
            self._force_close(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))
            return
        self.peer._arrive(bytes(data))
        if self.peer._unread > WINDOW_BYTES and not self._paused_writer:
            self._paused_writer = True
            cast("asyncio.Protocol", self._protocol).pause_writing()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.peer._arrive(None)
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        self._force_close(None)

    def _force_close(self, exc: BaseException | None) -> None:
        if not self._closing:
            self._closing = True
            reset = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            self.peer._arrive(reset if self._loop.weather.resets() else None)
            self._loop.call_soon(self._lose, exc)

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._pump_later()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def get_write_buffer_size(self) -> int:
        return self.peer._unread

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The window is the network's."""

    def can_write_eof(self) -> bool:
        return False

    # -- what comes over the wire -----------------------------------------------------------------

    def _arrive(self, item: bytes | BaseException | None) -> None:
        if self._lost:
            return
        self._incoming.append((self._loop.time() + self._loop.weather.latency_s, item))
        if isinstance(item, bytes):
            self._unread += len(item)
        self._pump_later()

    def _pump_later(self) -> None:
        if self._pumping or not self._incoming or not self._reading:
            return
        self._pumping = True
        at = self._incoming[0][0]
        if at > self._loop.time():
            self._loop.call_at(at, self._pump)
        else:
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Deliver one piece."""
        self._pumping = False
        if self._closing or not self._reading or not self._incoming:
            return
        at, item = self._incoming.popleft()
        if isinstance(item, bytes):
            size = self._loop.weather.piece()
            if len(item) > size:
                self._incoming.appendleft((at, item[size:]))
                item = item[:size]
            self._unread -= len(item)
            self.peer._relieve()
            self._deliver(item)
        elif item is None:
            if not cast("asyncio.Protocol", self._protocol).eof_received():
                self.close()
        else:
            self._closing = True
            self._lose(item)
        self._pump_later()

    def _deliver(self, data: bytes) -> None:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            cast("asyncio.Protocol", protocol).data_received(data)
            return
        while data and not self._closing:
            buffer = memoryview(protocol.get_buffer(len(data)))
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            protocol.buffer_updated(size)
            data = data[size:]

    def _relieve(self) -> None:
        if self._paused_writer and self.peer._unread <= WINDOW_BYTES // 4 and not self._lost:
            self._paused_writer = False
            cast("asyncio.Protocol", self._protocol).resume_writing()

    def _lose(self, exc: BaseException | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._incoming.clear()
        self._protocol.connection_lost(cast("Exception | None", exc))
        self._unread = 0
        self.peer._relieve()  # nobody reads what it wants to write; its next write tells it


class Listener(asyncio.AbstractServer):
    """A server in memory, under the address of a real socket that keeps the port for it."""

    def __init__(self, loop: WorldLoop, factory: Factory, sock: socket.socket, context: tls.SSLContext | None) -> None:
        self._loop = loop
        self.factory = factory
        self.context = context
        self._socket = sock
        self.address = sock.getsockname()[:2]
        loop.listeners[self.address] = self

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The socket that keeps the port."""
        return (self._socket,)

    def close(self) -> None:
        self._loop.listeners.pop(self.address, None)
        self._socket.close()

    def is_serving(self) -> bool:
        return self.address in self._loop.listeners

    async def wait_closed(self) -> None:
        """Connections that are open stay so."""


class WorldLoop(VirtualLoop):
    """A loop with a network of its own."""

    def __init__(self, weather: Weather | None = None, job_s: Callable[[], float] | None = None) -> None:
        self.weather = weather or Weather()
        self.listeners: dict[tuple[str, int], Listener] = {}
        self._dialled: dict[socket.socket, Listener] = {}
        self._ports = 40_000
        super().__init__(job_s)

    async def create_server(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, protocol_factory: Factory, *_: Any, sock: socket.socket, ssl: tls.SSLContext | None = None, **__: Any
    ) -> Listener:
        """Serve in memory at the socket's address."""
        return Listener(self, protocol_factory, sock, ssl)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Find who listens there. Raises OSError."""
        if self.weather.down == "silent":
            await self.create_future()
        found = self.listeners.get(address[:2])
        if found is None or self.weather.down:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        self._dialled[sock] = found

    async def create_connection(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        protocol_factory: Factory,
        *_: Any,
        sock: socket.socket,
        ssl: tls.SSLContext | None = None,
        server_hostname: str | None = None,
        **__: Any,
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """Both ends of a connection to whom `sock_connect` found; with TLS, after the handshake."""
        listener = self._dialled.pop(sock)
        sock.close()
        protocol, served = protocol_factory(), listener.factory()
        near, far = protocol, served
        ready: asyncio.Future[None] | None = None
        if self.weather.tls and ssl is not None:
            ready = self.create_future()
            near = sslproto.SSLProtocol(self, protocol, ssl, ready, False, server_hostname)
            assert listener.context is not None
            far = sslproto.SSLProtocol(self, served, listener.context, cast("Any", None), True)
        self._ports += 1
        here, there = ("127.0.0.1", self._ports), listener.address
        client = End(self, near, {"sockname": here, "peername": there})
        server = End(self, far, {"sockname": there, "peername": here})
        client.peer, server.peer = server, client
        self.call_soon(far.connection_made, server)
        near.connection_made(client)
        if ready is None:
            return client, protocol
        try:
            await ready
        except BaseException:
            client.abort()
            raise
        return cast("Any", near)._app_transport, protocol
