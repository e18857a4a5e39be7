"""The live page and /metrics: served from the run's own loop, read-only, and of no consequence to the run.

What is served comes from memory: files of this package, frames of the board, thumbnails of the wall. Who may look is
said in `web`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from crawler.progress import Snapshot
from crawler.watch.board import Board, Broadcast
from crawler.watch.metrics import Metrics
from crawler.watch.pace import over_within
from crawler.watch.wall import Wall
from crawler.watch.web import Door, guard, protect, runner, static

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

Pull = Callable[[], Snapshot]


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
        server = runner(self._app(metrics), 20)
        await server.setup()
        try:
            await web.SockSite(server, self._door.listener).start()
            async with asyncio.TaskGroup() as group:
                painter = group.create_task(self._wall.paint(self._watched))
                await self._look(pull, done)
                painter.cancel()
        finally:
            await server.cleanup()

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
        app.on_response_prepare.append(protect)
        for path, (name, kind) in _FILES.items():
            app.router.add_get(path, static(STATIC / name, kind))

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


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
