"""The live page and /metrics: served from the run's own loop, read-only, and of no consequence to the run.

What is served comes from memory: files of this package, frames of the board, thumbnails of the wall. No path of a
request ever becomes a path of the disk. Addresses other than loopback need a token; loopback needs the right Host, so
that no site a browser visits can read along by way of a name it made to resolve to 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from crawler.progress import Snapshot
from crawler.watch.board import Board, Broadcast
from crawler.watch.metrics import Metrics
from crawler.watch.pace import over_within
from crawler.watch.wall import Wall

MOST_VIEWERS = 16
LOOK_S, GLANCE_S = 1.0, 2.0
"""How often the run is looked at while somebody watches, and while nobody does."""
STALLED_S = 10.0
STATIC = Path(__file__).parent / "static"
_FILES = {
    "/": ("page.html", "text/html"),
    "/tokens.css": ("tokens.css", "text/css"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/chart.js": ("chart.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

Pull = Callable[[], Snapshot]


class Door(NamedTuple):
    """Where the page listens, and what it asks of who comes; `token` is "" on loopback."""

    listener: socket.socket
    url: str
    token: str


def listen(host: str, port: int, directory: Path) -> Door:
    """Take the address before the run begins. Raises OSError: in use, not allowed, no such address; or for the token.

    The token stays the same from run to run, so that a bookmark or a scraper goes on working; it is kept in
    `.crawl/page-token`, mode 0600, and deleting that makes another.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=64)
    try:
        address = ipaddress.ip_address(listener.getsockname()[0].partition("%")[0])
        bound = listener.getsockname()[1]
        if address.is_loopback:
            name = f"[{address}]" if address.version == 6 else str(address)
            return Door(listener, f"http://{name}:{bound}/", "")
        token = kept_token(directory / ".crawl" / "page-token")
    except OSError:
        listener.close()
        raise
    name = socket.gethostname() if address.is_unspecified else f"[{address}]" if address.version == 6 else host
    return Door(listener, f"http://{name}:{bound}/?token={token}", token)


def kept_token(path: Path) -> str:
    """The token in `path`, made where there is none. Raises OSError."""
    try:
        token = path.read_text().strip()
        if len(token) >= 20 and token.isascii() and token.isprintable():
            return token
        path.unlink()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(18)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token + "\n")
    return token


class Page:
    """The page of one run. `link`: the address of a work, with `{id}`, or ""; `warn` takes a line for the user."""

    def __init__(self, door: Door, directory: Path, link: str, warn: Callable[[str], None]) -> None:
        self._door = door
        self._warn = warn
        self._board = Board(link)
        self._cast = Broadcast()
        self._wall = Wall(directory, self._board.hang)
        self._watched = asyncio.Event()
        self._viewers = 0
        self._over = False

    async def attend(self, pull: Pull, done: asyncio.Event) -> None:
        """Serve until `done` is set, tell viewers that the run is over, and go. The run goes on whatever goes wrong."""
        try:
            await self._serve(pull, done)
        except* Exception as errors:  # noqa: BLE001 - a bystander's bug must not end a crawl of days
            error = _first(errors)
            self._warn(f"warning: the live page is off: {type(error).__name__}: {error}; the run goes on")
        finally:
            self._door.listener.close()

    async def _serve(self, pull: Pull, done: asyncio.Event) -> None:
        metrics = Metrics(pull)
        self._board.take(pull())
        runner = web.AppRunner(self._app(metrics), access_log=None, shutdown_timeout=1.0, keepalive_timeout=20)
        await runner.setup()
        try:
            await web.SockSite(runner, self._door.listener).start()
            async with asyncio.TaskGroup() as group:
                painter = group.create_task(self._wall.paint(self._watched))
                await self._look(pull, done)
                painter.cancel()
        finally:
            await runner.cleanup()

    async def _look(self, pull: Pull, done: asyncio.Event) -> None:
        while not self._over:
            self._over = await over_within(done, LOOK_S if self._viewers else GLANCE_S)
            self._board.take(pull())
            if self._viewers:
                self._cast.send(self._board.tick())
            else:
                self._board.forget()
        for _ in range(50):  # until the last frame is told
            if not self._viewers:
                return
            await asyncio.sleep(0.02)

    # -- what is served ----------------------------------------------------------------------------

    def _app(self, metrics: Metrics) -> web.Application:
        app = web.Application(middlewares=[guard(self._door.token)], client_max_size=1024)
        app.on_response_prepare.append(_protect)
        for path, (name, kind) in _FILES.items():
            app.router.add_get(path, _static(STATIC / name, kind))

        async def scrape(request: web.Request) -> web.Response:
            body, kind = metrics.text(request.headers.get("Accept", ""))
            return web.Response(body=body, headers={"Content-Type": kind})

        app.router.add_get("/metrics", scrape)
        app.router.add_get("/events", self._events, allow_head=False)
        app.router.add_get("/thumb/{key:[0-9a-f]{20}}.jpg", self._thumb)
        return app

    async def _thumb(self, request: web.Request) -> web.Response:
        jpeg = self._wall.jpeg(request.match_info["key"])
        if jpeg is None:
            return web.Response(status=404, text="no longer on the wall\n")
        headers = {"Cache-Control": "private, max-age=86400, immutable"}  # the key is the bytes' own digest
        return web.Response(body=jpeg, content_type="image/jpeg", headers=headers)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._viewers >= MOST_VIEWERS:
            return web.Response(status=503, text="too many look at this run already\n")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        self._viewers += 1
        self._watched.set()
        try:
            await self._tell(response)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._viewers -= 1
            if not self._viewers:
                self._watched.clear()
        return response

    async def _tell(self, response: web.StreamResponse) -> None:
        number = self._cast.number
        frame = b"retry: 2000\n\n" + self._board.hello(self._wall.thumbs)
        while True:
            async with asyncio.timeout(STALLED_S):
                await response.write(frame + (b"event: end\ndata: {}\n\n" if self._over else b""))
            if self._over:
                return
            await self._cast.after(number)
            missed = self._cast.number != number + 1  # a slow reader: everything again, instead of a queue
            number = self._cast.number
            frame = self._board.hello(self._wall.thumbs) if missed else self._cast.frame


def guard(token: str) -> Middleware:
    """A middleware: with a token, who does not show it is refused; without, who does not name a loopback host."""
    cookie = "crawler_token"

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and request.path != "/":
            return web.Response(status=403, text="this is for its own page only\n")
        if not token:
            if not names_loopback(request.host):
                return web.Response(status=403, text="ask for 127.0.0.1 or localhost\n")
            return await handler(request)
        shown = request.query.get("token", "")
        bearer = request.headers.get("Authorization", "").partition("Bearer ")[2]
        if not any(same(token, given) for given in (shown, bearer, request.cookies.get(cookie, ""))):
            return web.Response(status=401, text="the address of this page has a token in it: /?token=...\n")
        response = await handler(request)
        if shown and not response.prepared:
            response.set_cookie(cookie, token, httponly=True, samesite="Strict", path="/")
        return response

    return check


def names_loopback(host: str) -> bool:
    """Whether a Host header names this machine from inside; any port, for tunnels end at other ports."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name in ("localhost", "127.0.0.1", "::1")


def same(token: str, given: str) -> bool:
    """Whether two tokens are equal, in a time that does not tell how far."""
    return secrets.compare_digest(token.encode(), given.encode("utf-8", "replace"))


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def _static(path: Path, kind: str) -> Handler:
    body = path.read_bytes()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return answer


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
