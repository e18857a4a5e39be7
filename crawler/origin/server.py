"""Serves the stand-in site over TLS on loopback: every host on one port, told apart by the Host header.

async with Origin(seed=7, profile="flaky") as origin:
    print(origin.toml())     # the lines that point a crawler at it
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import trustme
from aiohttp import web

from crawler.origin.deliver import HOP, Pace, applies, send, spoil
from crawler.origin.dice import Dice
from crawler.origin.faults import PROFILES, Profile, fault
from crawler.origin.limits import Bucket, Limits
from crawler.origin.links import HOSTS, IMAGES, WWW
from crawler.origin.listing import Listing
from crawler.origin.replies import Asked, Reply, answer, html, kind_of, throttled, violations
from crawler.origin.seen import Seen
from crawler.origin.world import Expected, Mix, World

CACHE_BYTES = 64 * 1024 * 1024
ADDRESS = "127.0.0.1"


class _Cache:
    """Painted images, the least recently used forgotten first."""

    def __init__(self, paint: Callable[[tuple[Any, ...]], bytes]) -> None:
        self._paint = paint
        self._kept: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._size = 0

    def paint(self, recipe: tuple[Any, ...]) -> bytes:
        """World.paint. On the loop and not in a thread: a millisecond, and a loop with a made-up clock can drive it."""
        found = self._kept.pop(recipe, None)
        if found is None:
            found = self._paint(recipe)
            self._size += len(found)
        self._kept[recipe] = found
        while self._size > CACHE_BYTES:
            self._size -= len(self._kept.popitem(last=False)[1])
        return found


@dataclass(eq=False)
class Origin:
    """A running stand-in. `profile` is none, flaky, harsh or a Profile; `session` the only PHPSESSID that is valid.

    `port` 0 is replaced by the one that was free; `ca_dir` is where ca.pem goes (default: a folder that goes with it);
    `latency_s` comes before every reply; `ca` lets a restarted stand-in keep its certificates.
    """

    seed: int = 0
    profile: str | Profile = "none"
    port: int = 0
    session: str = ""
    ca_dir: str | Path | None = None
    mix: Mix = field(default_factory=Mix)
    limits: Limits = field(default_factory=Limits)
    listing: Listing = field(default_factory=Listing)
    retry_after_s: int = 1
    stall_s: float = 5.0
    drip_s: float = 2.0
    latency_s: float = 0.0
    ca: trustme.CA | None = None
    seen: Seen = field(default_factory=Seen, init=False)
    ca_file: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._profile = PROFILES[self.profile] if isinstance(self.profile, str) else self.profile
        self.world = World(self.seed, self.mix, self.listing)
        self._cache = _Cache(self._paint)
        self._api = Bucket(self.limits.api_rate, self.limits.api_bucket, self.limits.block_s)
        self._searches = Bucket(self.limits.search_rate, self.limits.search_bucket, self.limits.block_s)
        self._images = Bucket(self.limits.images_rate, self.limits.images_bucket, self.limits.block_s)
        self._open = contextlib.AsyncExitStack()
        self._hosts: dict[int, str] = {}  # by connection: the host it was last used for

    @property
    def resolve(self) -> dict[str, str]:
        """Where each of the site's host names is to be connected to: the value of `network.resolve`."""
        return dict.fromkeys(HOSTS, f"{ADDRESS}:{self.port}")

    def toml(self) -> str:
        """The `[network]` lines that point a crawler here."""
        table = ", ".join(f"{json.dumps(host)} = {json.dumps(where)}" for host, where in self.resolve.items())
        return f"[network]\nca_file = {json.dumps(self.ca_file)}\nresolve = {{ {table} }}\n"

    async def __aenter__(self) -> Origin:
        async with contextlib.AsyncExitStack() as stack:
            folder = self.ca_dir or stack.enter_context(tempfile.TemporaryDirectory(prefix="crawler-origin-"))
            context = self._certified(Path(folder))
            self._pace = Pace(self.retry_after_s, self.stall_s, self.drip_s)
            self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)
            runner = web.ServerRunner(self._server, shutdown_timeout=0.2)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            stack.callback(self._pace.closing.set)
            listener = socket.create_server((ADDRESS, self.port), backlog=512)
            self.port = listener.getsockname()[1]
            await web.SockSite(runner, listener, ssl_context=context).start()
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def _certified(self, folder: Path) -> ssl.SSLContext:
        """Make the certificates; the CA's own goes to `folder`, no key leaves this process."""
        self.ca = self.ca or trustme.CA()
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = str(folder.resolve() / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        leaf = self.ca.issue_cert(*HOSTS, "localhost", ADDRESS)
        leaf.configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - names pyOpenSSL, which is not needed
        return context

    def _paint(self, recipe: tuple[Any, ...]) -> bytes:
        return self.world.paint(recipe)  # of whatever world is set by then: simulations bring one that remembers

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        host = request.headers.get("Host", "").partition(":")[0].lower()
        if path.startswith("/__origin__/"):
            return await send(request, self._account(path, query))
        asked = Asked(host, path, query, {name.lower(): value for name, value in request.headers.items()})
        now = asyncio.get_running_loop().time()
        asked = replace(asked, nth=self.seen.arrived(host, asked.target, now))
        kind = kind_of(asked)
        self.seen.kinds[kind] += 1
        if kind == "search" and self.listing.new_every:
            asked = replace(asked, fresh=self.seen.kinds[kind] // self.listing.new_every)
        self._hosts[id(request.protocol)] = host
        self.seen.connected(host, sum(self._hosts.get(id(one)) == host for one in self._server.connections))
        status = 0
        try:
            response = await self._respond(request, asked, now)
            status = 0 if response is None else response.status
        except ConnectionResetError:  # the client has gone
            response = None
        finally:
            self.seen.left(host, status)
        # After a cut nothing can be sent; aiohttp still wants a response, and notices the closed connection itself.
        return web.Response() if response is None else response

    async def _respond(self, request: web.BaseRequest, asked: Asked, now: float) -> web.StreamResponse | None:
        for rule in violations(asked):
            self.seen.violated(rule, asked.host, asked.target)
        if self.latency_s:
            await self._pace.wait(self.latency_s)
        if request.method not in ("GET", "HEAD"):
            self.seen.violated("method", asked.host, asked.target)
            return await send(request, html(405, "Method Not Allowed"))
        bucket = {WWW: self._api, IMAGES: self._images}.get(asked.host)
        if bucket and asked.path != "/robots.txt" and not bucket.take(now):
            self.seen.limited[asked.host] += 1
            return await send(request, html(429, "Too Many Requests"))
        empty = self._emptied(asked, now)
        if empty:
            return await send(request, empty)
        spoilt = fault(self._profile, self.seed, asked.host, asked.target, asked.nth)
        reply = answer(self.world, self.session, self._cache.paint, replace(asked, query=_without_hop(asked.query)))
        if spoilt and HOP not in asked.query and request.method == "GET" and applies(spoilt, asked, reply):
            self.seen.faults[spoilt.kind] += 1
            return await spoil(request, asked, reply, spoilt, self._pace)
        return await send(request, reply)

    def _emptied(self, asked: Asked, now: float) -> Reply | None:
        """What a search is answered that the site finds too fast, or that is drawn to be; None: as any other."""
        reply = throttled(asked)
        if reply is None:
            return None
        if not self._searches.take(now):
            self.seen.faults["search_limited"] += 1
            return reply
        share, times = self.listing.empty_share, self.listing.empty_times
        if asked.nth < times and Dice(self.seed, "empty", asked.target).chance(share):
            self.seen.faults["search_empty"] += 1
            return reply
        return None

    def _account(self, path: str, query: str) -> Reply:
        """`/__origin__/seen` (`?brief=1`) and `/__origin__/expected?ids=1,2` (`&session=1&quality=small`) as JSON."""
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        if path == "/__origin__/seen":
            found: object = self.seen.as_json(brief="brief" in asked)
        elif path == "/__origin__/expected":
            session, quality = asked.get("session", "0") == "1", asked.get("quality", "original")
            ids = [int(id) for id in asked.get("ids", "").split(",") if id.isdecimal()]
            found = {id: expected_json(self.world.expected(id, session=session, quality=quality)) for id in ids}
        else:
            return html(404, "Not Found")
        return Reply(200, json.dumps(found).encode(), {"content-type": "application/json"})


def expected_json(expected: Expected) -> dict[str, Any]:
    """`expected` as JSON has it: the keys of `images` are strings."""
    return asdict(expected)


def _without_hop(query: str) -> str:
    return query.removesuffix(HOP).removesuffix("&")


@contextlib.contextmanager
def origin_thread(**settings: Any) -> Generator[Origin]:
    """An Origin in a thread with a loop of its own, for callers that have none. Takes what Origin takes."""
    origin, ready = Origin(**settings), threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    failed: list[BaseException] = []

    async def serve() -> None:
        async with origin:
            stop.append((asyncio.get_running_loop(), asyncio.Event()))
            ready.set()
            await stop[0][1].wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, below
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="origin", daemon=True)
    thread.start()
    ready.wait()
    try:
        if not failed:
            yield origin
    finally:
        if stop and thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop closed in between
                stop[0][0].call_soon_threadsafe(stop[0][1].set)
        thread.join()
    if failed:
        raise failed[0]
