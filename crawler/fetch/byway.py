"""The way through aiohttp, for what the fast lane cannot do: a proxy, or a clock that is made up."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import aiohttp
from yarl import URL

from crawler.fetch.byway_errors import FOREIGN, failure_of
from crawler.fetch.errors import AddressRefused, LostReply
from crawler.fetch.settings import NetworkSettings
from crawler.fetch.trust import trusting
from crawler.fetch.where import host_of
from crawler.hidden import Hidden, without
from crawler.model import Failure, Kind

_DNS_TTL_S = 60


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
    """Verifies always; trusts the system's CAs, and `ca_file` in addition. Raises trust.BadNetwork."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        trusting(context, ca_file)
    return context


def _proxy(address: str) -> tuple[URL | None, Mapping[str, str], Sequence[str]]:
    """Where a proxy is, the header that it wants, and what of that is secret.

    aiohttp would show an address with its password in errors and reprs.
    """
    if not address:
        return None, {}, ()
    proxy = URL(address)
    if proxy.user is None and proxy.password is None:
        return proxy, {}, ()
    # RFC 7617, 2: the two in UTF-8, and Base64.
    known = Hidden(base64.b64encode(f"{proxy.user or ''}:{proxy.password or ''}".encode()).decode())
    header = {"Proxy-Authorization": Hidden(f"Basic {known}")}
    return proxy.with_user(None), header, (known, Hidden(proxy.password or ""))


class Response:
    """A reply of aiohttp as a `reply.Body`."""

    def __init__(self, response: aiohttp.ClientResponse, idle_s: float) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self.head_at = asyncio.get_running_loop().time()
        self._response = response
        self._idle_s = idle_s

    @property
    def at_end(self) -> bool:
        return self._response.content.at_eof()

    def whole(self, most: int) -> bytes | None:
        return None

    async def read(self) -> bytes:
        # aiohttp's own clock starts anew with every byte: an endless chunk extension or trailer is no silence to it.
        deadline = asyncio.timeout(self._idle_s)
        try:
            async with deadline:
                return await self._response.content.readany()
        except FOREIGN as error:
            if deadline.expired():
                raise LostReply(Failure(Kind.IDLE, f"nothing of the body for {self._idle_s:g} s")) from error
            raise LostReply(failure_of(error)) from error

    def close(self) -> None:
        self._response.close()


class Byway:
    """A session of aiohttp; `close` when done.

    `guard` says why nothing may be sent to an address (IP, port), or None; a head may take `window_s` beside the
    network's own times. Raises trust.BadNetwork.
    """

    def __init__(self, guard: Callable[[str, int], str | None], network: NetworkSettings, window_s: float) -> None:
        self._guard = guard
        self._proxy, self._to_proxy, self._secrets = _proxy(network.proxy)
        # No silence is longer than idle_s, but a head may drip for ever: it gets this long in all.
        self._idle_s = network.idle_s
        self._head_s = network.connect_s + network.idle_s + window_s
        connector = aiohttp.TCPConnector(
            ssl=tls_context(network.ca_file),
            limit=0,  # connections are counted by the door, for each host
            ttl_dns_cache=_DNS_TTL_S,
            socket_factory=self._socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=network.connect_s, sock_read=network.idle_s),
            middlewares=(_once,),
        )

    async def open(self, url: URL, there: tuple[str, int] | None, headers: Mapping[str, str]) -> Response | Failure:
        """Send one GET, to the address `there` if one is given, and wait for its head. The caller closes it."""
        names = dict(headers)
        extra: dict[str, Any] = {}
        where = url
        if there is not None:
            where = url.with_host(there[0]).with_port(there[1])
            names["Host"] = url.host_port_subcomponent or host_of(url)
            extra["server_hostname"] = host_of(url)
        if self._proxy is not None:
            extra["proxy"] = self._proxy
            if where.scheme == "http":
                names |= self._to_proxy
            else:  # by CONNECT: what is behind it is for the host alone
                extra["proxy_headers"] = self._to_proxy
        deadline = asyncio.timeout(self._head_s)
        try:
            async with deadline:
                response = await self._session.get(where, headers=names, allow_redirects=False, **extra)
        except _Lost as lost:
            return self._failed(lost.error)
        except FOREIGN as error:
            if deadline.expired():
                return Failure(Kind.SLOW, f"no complete head within {self._head_s:.0f} s")
            return self._failed(error)
        return Response(response, self._idle_s)

    def _failed(self, error: BaseException) -> Failure:
        failure = failure_of(error)
        return replace(failure, detail=without(failure.detail, self._secrets)) if self._secrets else failure

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def _socket(self, info: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
        """The guard: called by the connector with the very address that it is about to connect to."""
        family, kind, proto, _, there = info
        why = self._guard(str(there[0]), int(there[1]))
        if why:
            raise AddressRefused(why)
        return socket.socket(family, kind, proto)
