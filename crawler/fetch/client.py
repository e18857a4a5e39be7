"""One request on the wire. Knows addresses, TLS and headers; no retries, no rates.

Two ways lead out, and nobody behind this seam can tell which was taken: libcurl (`lane`) for all that it can do, and
aiohttp for what goes through a proxy, on a loop whose clock is made up, and where `network.transport` says so.

Every socket passes a guard that looks at the address really connected, so names, literals, redirects and rebinding are
all covered. With a proxy the only address connected is the proxy's: then literals in URLs are still checked, and what
names stand for is the proxy's to decide.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import aiohttp
from yarl import URL

from crawler import __version__
from crawler.fetch.errors import FOREIGN, AddressRefused, failure_of
from crawler.fetch.lane import CurlLane, header_lines
from crawler.fetch.reply import Reply, Watch
from crawler.fetch.settings import NetworkSettings
from crawler.fetch.trust import Trust
from crawler.fetch.where import Origin, Origins, Where, host_of
from crawler.model import Failure, Kind, Lane
from crawler.rules import addresses
from crawler.stop import Stop

SLOW_WINDOW_S = 30.0
"""How long a body may be slower than network.min_kb_s (design.md 1.2)."""
_DNS_TTL_S = 60
_LINES = 256
_CLOCKS_APART_S = 5.0
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class BadNetwork(Stop):
    """A network setting cannot be used (ca_file)."""

    code, reason = 2, "config"


class _Lost(Exception):
    """Carries an error past aiohttp's own second try, which no limiter would see."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Lost(error) from error


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Verifies always; trusts the system's CAs, and `ca_file` in addition. Raises BadNetwork."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        trusting(context, ca_file)
    return context


def trusting(context: ssl.SSLContext, ca_file: str) -> None:
    """Have a context trust `ca_file`. Raises BadNetwork."""
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise BadNetwork(f"network.ca_file: {ca_file}: {error}. Give a file of PEM certificates.") from error


class _Response:
    """A reply of aiohttp as a `reply.Body`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self.head_at = asyncio.get_running_loop().time()
        self._response = response

    @property
    def at_end(self) -> bool:
        return self._response.content.at_eof()

    def whole(self) -> bytes | None:
        return None

    async def read(self) -> bytes:
        return await self._response.content.readany()

    def close(self) -> None:
        self._response.close()


class Client:
    """The session. Used as an async context manager; `open` sends one GET and never follows a redirect."""

    def __init__(self, network: NetworkSettings) -> None:
        self._network = network
        self._allowed = addresses.networks(network.allow_private)
        self._resolve = {
            host.strip().strip("[]").lower().removesuffix("."): addresses.endpoint(there)
            for host, there in network.resolve.items()
        }
        self._named = set(self._resolve.values())
        self._proxy = URL(network.proxy) if network.proxy else None
        self._agent = network.user_agent or f"Mozilla/5.0 (compatible; crawler/{__version__})"
        self._watch = Watch(int(network.max_body_mb * 1e6), network.min_kb_s * 1000, SLOW_WINDOW_S)
        self._timeout = aiohttp.ClientTimeout(total=None, connect=network.connect_s, sock_read=network.idle_s)
        # No silence is longer than idle_s, but a head may drip for ever: it gets this long in all.
        self._head_s = network.connect_s + network.idle_s + SLOW_WINDOW_S
        self._trust = Trust(network.ca_file)
        if network.ca_file:
            trusting(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), network.ca_file)
        self._session: aiohttp.ClientSession | None = None
        self._lane: CurlLane | None = None
        self._origins = Origins(self._know)
        self.where = self._origins.where
        """The place that a URL names (see Origins.where)."""
        self._lines: dict[tuple[bool, tuple[tuple[str, str], ...]], list[str]] = {}

    async def __aenter__(self) -> Client:
        if self._network.transport == "auto" and self._proxy is None and _real_clock():
            self._lane = CurlLane(
                self._guard, self._trust.path, self._network.connect_s, self._network.idle_s, SLOW_WINDOW_S
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lane is not None:
            self._lane.close()
        self._trust.close()
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # transports close in the loop's next turn

    def _know(self, origin: Origin) -> None:
        """How we get to an origin, and why we do not to an address spelt out; the guard judges what names stand for.

        A host whose last label is a number is an address to every resolver: 0x7f000001 is 127.0.0.1 to most.
        """
        _, host, port = origin.id
        there = self._resolve.get(host)
        if there is not None:
            origin.place = f"[{there[0]}]:{there[1]}" if ":" in there[0] else f"{there[0]}:{there[1]}"
        elif (":" in host or _NUMBER.fullmatch(host.rpartition(".")[2])) and (host, port) not in self._named:
            why = addresses.refused(host, self._allowed)
            origin.refusal = Failure(Kind.ADDRESS, why) if why else None

    async def open(self, where: Where, headers: Mapping[str, str], lane: Lane) -> Reply | Failure:
        """Send one GET and wait for its head. The caller closes the Reply.

        Metadata may come as gzip; images are asked for as they are (a digest of what is stored must mean something).
        """
        packed = lane == "api"
        if self._lane is None:
            return await self._open_aiohttp(where.url, headers, packed=packed)
        text, origin = where
        try:
            transfer = self._lane.get(text, origin.place, self._fields(headers, packed=packed), tls=origin.tls)
        except (ValueError, OSError) as error:
            return failure_of(error)
        try:
            failure = await transfer.head()
        except BaseException:
            transfer.close()
            raise
        return failure or Reply(transfer, text, self._watch, packed=packed)

    def _fields(self, headers: Mapping[str, str], *, packed: bool) -> list[str]:
        """The header lines of a request; those that come again are the same list."""
        key = (packed, tuple(headers.items()))
        lines = self._lines.get(key)
        if lines is None:
            encoding = "gzip" if packed else "identity"
            names = {"User-Agent": self._agent, "Accept-Encoding": encoding, **headers}
            lines = header_lines(tuple(names.items()))
            if len(self._lines) >= _LINES:
                self._lines.clear()
            self._lines[key] = lines
        return lines

    async def _open_aiohttp(self, url: URL, headers: Mapping[str, str], *, packed: bool) -> Reply | Failure:
        if self._session is None:
            self._session = self._new_session()
        names = {"User-Agent": self._agent, "Accept-Encoding": "gzip" if packed else "identity", **headers}
        extra: dict[str, Any] = {}
        where = url
        there = self._resolve.get(host_of(url))
        if there is not None:
            where = url.with_host(there[0]).with_port(there[1])
            names["Host"] = url.host_port_subcomponent or host_of(url)
            extra["server_hostname"] = host_of(url)
        deadline = asyncio.timeout(self._head_s)
        try:
            async with deadline:
                response = await self._session.get(
                    where, headers=names, allow_redirects=False, proxy=self._proxy, **extra
                )
        except _Lost as lost:
            return failure_of(lost.error)
        except FOREIGN as error:
            if deadline.expired():
                return Failure(Kind.SLOW, f"no complete head within {self._head_s:.0f} s")
            return failure_of(error)
        return Reply(_Response(response), str(url), self._watch, packed=packed)

    def _new_session(self) -> aiohttp.ClientSession:
        """Made when first needed: reading the system's certificates takes longer than a hundred images."""
        connector = aiohttp.TCPConnector(
            ssl=tls_context(self._network.ca_file),
            limit=0,  # connections are counted by the door, for each host
            ttl_dns_cache=_DNS_TTL_S,
            socket_factory=self._socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=self._timeout,
            middlewares=(_once,),
        )

    def _socket(self, info: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
        """The guard: called by the connector with the very address that it is about to connect to."""
        family, kind, proto, _, there = info
        why = self._guard(str(there[0]), int(there[1]))
        if why:
            raise AddressRefused(why)
        return socket.socket(family, kind, proto)

    def _guard(self, ip: str, port: int) -> str | None:
        """Why nothing is sent to this address; None when it may be."""
        if self._proxy is not None:
            return None if port == self._proxy.port else f"{ip}:{port} is not the proxy"
        return None if (ip, port) in self._named else addresses.refused(ip, self._allowed)


def _real_clock() -> bool:
    """Whether the loop runs on the machine's time: libcurl has no other."""
    return abs(asyncio.get_running_loop().time() - time.monotonic()) < _CLOCKS_APART_S
