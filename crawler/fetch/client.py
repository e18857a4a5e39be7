"""One request on the wire. Knows addresses, TLS and headers; no retries, no rates.

Two ways lead out, and nobody behind this seam can tell which was taken: libcurl (`lane`) for all that it can do, and
aiohttp (`byway`) for what goes through a proxy, on a loop whose clock is made up, and where `network.transport` says
so. The byway is loaded when it is first taken: that takes longer than the first hundred images.

Every socket passes a guard that looks at the address really connected, so names, literals, redirects and rebinding are
all covered. With a proxy the only address connected is the proxy's: then literals in URLs are still checked, and what
names stand for is the proxy's to decide.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from yarl import URL

from crawler import __version__
from crawler.fetch.errors import failure_of
from crawler.fetch.lane import CurlLane, header_lines
from crawler.fetch.reply import Reply, Watch
from crawler.fetch.settings import NetworkSettings
from crawler.fetch.trust import Trust, trusting
from crawler.fetch.where import Origin, Origins, Where
from crawler.model import Failure, Kind, Lane
from crawler.rules import addresses

if TYPE_CHECKING:
    from crawler.fetch.byway import Byway

SLOW_WINDOW_S = 30.0
"""How long a body may be slower than network.min_kb_s (design.md 1.2)."""
_LINES = 256
_CLOCKS_APART_S = 5.0
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


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
        self._proxy_port = URL(network.proxy).port if network.proxy else None
        self._agent = network.user_agent or f"Mozilla/5.0 (compatible; crawler/{__version__})"
        self._watch = Watch(int(network.max_body_mb * 1e6), network.min_kb_s * 1000, SLOW_WINDOW_S)
        self._trust = Trust(network.ca_file)
        if network.ca_file:
            trusting(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), network.ca_file)
        self._byway: Byway | None = None
        self._lane: CurlLane | None = None
        self._origins = Origins(self._know)
        self.where = self._origins.where
        """The place that a URL names (see Origins.where)."""
        self._last: tuple[Mapping[str, str], bool, list[str]] = ({}, False, [])
        self._lines: dict[tuple[bool, tuple[tuple[str, str], ...]], list[str]] = {}

    async def __aenter__(self) -> Client:
        if self._network.transport == "auto" and self._proxy_port is None and _real_clock():
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
        if self._byway is not None:
            await self._byway.close()

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
            if self._byway is None:
                self._byway = self._new_byway()
            encoding = "gzip" if packed else "identity"
            names = {"User-Agent": self._agent, "Accept-Encoding": encoding, **headers}
            came = await self._byway.open(where.url, self._resolve.get(where.origin.id[1]), names)
            return came if isinstance(came, Failure) else Reply(came, where.text, self._watch, packed=packed)
        text, origin = where
        try:
            transfer = self._lane.get(text, origin.place, self._fields(headers, packed=packed), tls=origin.tls)
        except (ValueError, OSError) as error:
            return failure_of(error)
        try:
            while not (transfer.headed or transfer.done):
                await transfer.waiting()
        except BaseException:
            transfer.close()
            raise
        return Reply(transfer, text, self._watch, packed=packed) if transfer.headed else transfer.lost()

    def _fields(self, headers: Mapping[str, str], *, packed: bool) -> list[str]:
        """The header lines of a request; those that come again are the same list."""
        last = self._last
        if headers is last[0] and packed == last[1]:
            return last[2]
        key = (packed, tuple(headers.items()))
        lines = self._lines.get(key)
        if lines is None:
            encoding = "gzip" if packed else "identity"
            names = {"User-Agent": self._agent, "Accept-Encoding": encoding, **headers}
            lines = header_lines(tuple(names.items()))
            if len(self._lines) >= _LINES:
                self._lines.clear()
            self._lines[key] = lines
        self._last = (headers, packed, lines)
        return lines

    def _new_byway(self) -> Byway:
        """Made when first needed: reading the system's certificates takes longer than a hundred images, too."""
        from crawler.fetch.byway import Byway

        return Byway(self._guard, self._network, SLOW_WINDOW_S)

    def _guard(self, ip: str, port: int) -> str | None:
        """Why nothing is sent to this address; None when it may be."""
        if self._proxy_port is not None:
            return None if port == self._proxy_port else f"{ip}:{port} is not the proxy"
        return None if (ip, port) in self._named else addresses.refused(ip, self._allowed)


def _real_clock() -> bool:
    """Whether the loop runs on the machine's time: libcurl has no other."""
    return abs(asyncio.get_running_loop().time() - time.monotonic()) < _CLOCKS_APART_S
