"""The review page's server: deals pairs to tabs, and confirms a judgement once its line is on the disk.

What is served: files of this package, words about the listed works, and images of the run's folder by id and page as
its log names them. No path of a request becomes a path of the disk. Who may ask is said in `crawler.watch.web`; here
everything needs the token, and what is written must come from a page of this very address.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, cast

import orjson
from aiohttp import web

from crawler import __version__
from crawler.events import Stored
from crawler.pairs import cards, doubts
from crawler.pairs.catalog import Catalog
from crawler.pairs.estimate import Estimate, list_errors, own_errors
from crawler.pairs.judgements import VERDICTS, Judged, Noted, Pair, Undone
from crawler.pairs.ledger import Ledger
from crawler.pairs.listing import Hint, Listing
from crawler.pairs.queue import ORDERS, SHOWS, Deal, Queue, Table
from crawler.pairs.served import images
from crawler.pairs.views import Views
from crawler.stop import Stop, StorageFailed
from crawler.watch import page as live
from crawler.watch.board import Broadcast
from crawler.watch.web import Door, guard, names_loopback, ours, protect, runner, static
from crawler.words import clean

MOST_TABS = 8
STALLED_S = 10.0
GONE_S = 20.0
"""A tab that has not been heard of for so long gives back what it held."""
TRAIL = 30
"""Judgements that a tab knows when it is opened: it can go back to them."""
MOST_WANTED = 24
AHEAD = 40
"""Pairs whose large pictures are made for the screen before their turn: a minute or so of judging."""
LINK = "https://www.pixiv.net/artworks/{id}"
_STATIC = Path(__file__).parent / "static"
_FILES = {
    "/": (_STATIC / "review.html", "text/html"),
    "/review.css": (_STATIC / "review.css", "text/css"),
    "/review.js": (_STATIC / "review.js", "text/javascript"),
    "/outbox.js": (_STATIC / "outbox.js", "text/javascript"),
    "/stage.js": (_STATIC / "stage.js", "text/javascript"),
    "/lay.js": (_STATIC / "lay.js", "text/javascript"),
    "/tokens.css": (live.STATIC / "tokens.css", "text/css"),
    "/icon.svg": (live.STATIC / "icon.svg", "image/svg+xml"),
}
_TAB = re.compile(r"[a-z0-9]{6,16}")
_KEY = re.compile(r"([a-z0-9]{6,16})-[0-9]{1,9}")


@dataclass(slots=True)
class Tab:
    """A page in somebody's browser: `streams` that it listens on, and when it was last heard of (the loop's time)."""

    streams: int = 0
    heard: float = 0.0


@dataclass(slots=True)
class Rooms:
    """What a review works with. `lacking`: listed pairs of which a side has no image, and which are not dealt."""

    directory: Path
    listing: Listing
    ledger: Ledger
    catalog: Catalog
    queue: Queue
    lacking: int
    order: str
    tabs: dict[str, Tab] = field(default_factory=dict[str, Tab])


class Review:
    """A review that is served. `warn` takes a line for the user."""

    def __init__(self, door: Door, rooms: Rooms, warn: Callable[[str], None]) -> None:
        self._door = door
        self._rooms = rooms
        self._warn = warn
        self._judgements = rooms.ledger.judgements
        self._table = Table(rooms.queue, self._judgements)
        self._views = Views(rooms.directory)
        self._cast = Broadcast()
        self._writer = ThreadPoolExecutor(1, "judgements")
        self._writing = asyncio.Lock()
        self._over = False

    async def serve(self, done: asyncio.Event) -> None:
        """Until `done` is set. Raises OSError."""
        server = runner(self._app(), 60)
        await server.setup()
        stopped = Event()
        try:
            await web.SockSite(server, self._door.listener).start()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._doubt(stopped))
                group.create_task(self._views.warm())
                await done.wait()
                stopped.set()
                self._over = True
                self._views.rest()
                self._cast.send(b"event: bye\ndata: {}\n\n")
        finally:
            stopped.set()
            await server.cleanup()
            self._views.close()
            self._writer.shutdown()

    async def _doubt(self, stopped: Event) -> None:
        """Of a list that claims to be right, find out how much the lines of each pair agree, beside the review."""
        hints = self._rooms.listing.pairs
        unknown = [pair for pair in self._rooms.queue.shuffled if hints[pair].match is None]
        if not self._rooms.listing.claimed or not unknown:
            return
        if not doubts.able():
            self._warn("the pairs come as listed: the matcher, which would find the doubtful ones, needs numpy")
            return
        loop = asyncio.get_running_loop()

        def tell(pair: Pair, match: Mapping[str, Any]) -> None:
            if not stopped.is_set():
                loop.call_soon_threadsafe(self._rescore, pair, match)

        try:
            await asyncio.to_thread(doubts.match, self._rooms.directory, unknown, tell, stopped)
        except (OSError, RuntimeError, Stop) as error:
            self._warn(f"the matcher stopped: {error}; the pairs it had not come to are in no order")

    def _rescore(self, pair: Pair, match: Mapping[str, Any]) -> None:
        hint = self._rooms.listing.pairs[pair]
        self._rooms.listing.pairs[pair] = Hint(float(match["score"]), match, hint.evidence)
        self._rooms.queue.score(pair, float(match["score"]))

    # -- what is served ----------------------------------------------------------------------------

    def _app(self) -> web.Application:
        address = self._door.listener.getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        entry = guard(self._door.token, cookie=f"crawler_review_{address[1]}", inside=names_loopback(host))
        app = web.Application(middlewares=[entry], client_max_size=1 << 18)
        app.on_response_prepare.append(protect)
        for path, (file, kind) in _FILES.items():
            app.router.add_get(path, static(file, kind))
        app.router.add_get("/events", self._events, allow_head=False)
        app.router.add_post("/deal", self._deal)
        app.router.add_post("/say", self._say)
        app.add_routes(images(self._rooms.directory, self._rooms.catalog, self._views))
        return app

    async def _deal(self, request: web.Request) -> web.Response:
        """What a tab holds from now on, as cards. It says what it holds, or that it has just been opened (null)."""
        asked = await _asked(request)
        tab, held, want = asked.get("tab"), asked.get("held"), asked.get("want")
        order, show = asked.get("order") or self._rooms.order, asked.get("show") or "todo"
        if not (isinstance(tab, str) and _TAB.fullmatch(tab)) or order not in [*ORDERS] or show not in [*SHOWS]:
            return _wrong("tab, order or show")
        self._heard(tab)
        known = None if held is None else [d for one in _list(held) if (d := cards.deal_of(one)) is not None]
        most = min(MOST_WANTED, want) if isinstance(want, int) else MOST_WANTED
        fresh = known is None
        deals = self._table.deal(tab, most, order, show, known)
        if len(deals) < most and self._forget(0.0, but=tab):  # what closed tabs held is wanted now
            deals = self._table.deal(tab, most, order, show, deals)
        had = {(d.pair, d.again) for d in known or ()}
        new = [deal for deal in deals if (deal.pair, deal.again) not in had]
        trail = self._judgements.latest(TRAIL) if fresh else []
        loop = asyncio.get_running_loop()
        pairs = dict.fromkeys([*(deal.pair for deal in new), *(judged.pair for _, judged in trail)])
        pictured = await loop.run_in_executor(self._rooms.catalog.threads, self._cards, new, list(pairs))
        dealt, shown = pictured
        await self._prepare(tab, order, show)
        return _json(
            {
                "log": self._rooms.ledger.log,
                "hand": [[*deal.pair, deal.again] for deal in deals],
                "cards": dealt,
                "trail": [cards.said(*one) for one in trail],
                "trail_cards": [shown[pair] for pair in dict.fromkeys(judged.pair for _, judged in trail)],
                "progress": self._progress(),
            }
        )

    def _cards(self, deals: list[Deal], pairs: list[Pair]) -> tuple[list[dict[str, Any]], dict[Pair, dict[str, Any]]]:
        """In the catalog's thread."""
        catalog, hints = self._rooms.catalog, self._rooms.listing.pairs
        sides = {pair: (catalog.side(pair.colored), catalog.side(pair.sketch)) for pair in pairs if pair in hints}
        dealt = [cards.card(deal, hints[deal.pair], sides[deal.pair]) for deal in deals]
        empty = (cards.Side(0, None, ()), cards.Side(0, None, ()))
        shown = {pair: cards.card(Deal(pair), hints.get(pair, cards.Hint()), sides.get(pair, empty)) for pair in pairs}
        return dealt, shown

    async def _prepare(self, tab: str, order: str, show: str) -> None:
        """Have large pictures of the pairs to come made before they are asked for."""
        pairs = [pair for pair in self._table.beyond(tab, AHEAD, order, show) if pair in self._rooms.listing.pairs]
        catalog, hints = self._rooms.catalog, self._rooms.listing.pairs

        def first() -> list[Stored]:
            sides = ((pair, (catalog.side(pair.colored), catalog.side(pair.sketch))) for pair in pairs)
            return [stored for pair, both in sides for stored in cards.looked_at(hints[pair], both)]

        self._views.ahead(await asyncio.get_running_loop().run_in_executor(catalog.threads, first))

    async def _say(self, request: web.Request) -> web.Response:
        """Takes judgements and what undoes them, in order; answered once they are durable."""
        asked = await _asked(request)
        if asked.get("log") != self._rooms.ledger.log:
            return web.Response(status=409, text="these judgements are for another folder\n")
        for op in _list(asked.get("ops")):
            try:
                await self._take(op)
            except StorageFailed as error:
                self._warn(str(error))
                return web.Response(status=507, text=str(error))
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                return _wrong(str(error))
        return _json({"progress": self._progress()})

    async def _take(self, op: Mapping[str, Any]) -> None:
        """Raises StorageFailed; LookupError, TypeError, ValueError, ArithmeticError for what no page of ours sends."""
        kind, key = op["op"], str(op["key"])
        named = _KEY.fullmatch(key)
        if named is None:
            raise ValueError("key")
        if kind == "later":
            self._table.put_off(_pair(op))
            return
        async with self._writing:
            if self._judgements.keyed(key) is not None:  # it did arrive; the answer did not
                return
            if kind == "judge":
                pages = (int(op["pages"][0]), int(op["pages"][1]))
                said = Judged(_pair(op), str(op["verdict"]), pages, op.get("again") is True, key)
                if said.verdict not in VERDICTS or said.pair not in self._rooms.queue.scores:
                    raise ValueError("verdict or pair")
            elif kind == "undo":
                of = self._judgements.keyed(str(op["of"]))
                if of is None or not isinstance(of.said, Judged) or not self._judgements.stands(of):
                    return
                said = Undone(of.log, of.seq, key)
            else:
                raise ValueError("op")
            loop = asyncio.get_running_loop()
            noted = await loop.run_in_executor(self._writer, self._rooms.ledger.write, said)
            self._judgements.apply(noted)
        self._after(noted, named[1])

    def _after(self, noted: Noted, tab: str) -> None:
        if isinstance(noted.said, Judged):
            self._table.release(noted.said.pair)
            self._tell(said=cards.said(noted, noted.said))
        elif isinstance(noted.said, Undone):
            of = self._judgements.line(noted.said.log, noted.said.seq)
            if of is not None and isinstance(of.said, Judged):
                self._table.take(tab, Deal(of.said.pair, of.said.again))
                self._tell(undone=of.said.key)

    # -- who listens -------------------------------------------------------------------------------

    def _heard(self, name: str) -> None:
        self._rooms.tabs.setdefault(name, Tab()).heard = asyncio.get_running_loop().time()
        self._forget(GONE_S)

    def _forget(self, after_s: float, but: str = "") -> bool:
        """Take back what tabs held that nobody listens on any more, and has not for so long; whether there were any."""
        now = asyncio.get_running_loop().time()
        gone = [
            name
            for name, tab in self._rooms.tabs.items()
            if not tab.streams and now - tab.heard > after_s and name != but
        ]
        for name in gone:
            del self._rooms.tabs[name]
            self._table.leave(name)
        return bool(gone)

    def _tell(self, **news: object) -> None:
        body = orjson.dumps({"progress": self._progress()} | news)
        self._cast.send(b"event: news\ndata: %b\n\n" % body)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        name = request.query.get("tab", "")
        if not _TAB.fullmatch(name):
            return _wrong("tab")
        if sum(tab.streams for tab in self._rooms.tabs.values()) >= MOST_TABS:
            return web.Response(status=503, text="too many tabs are open\n")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        self._heard(name)
        tab = self._rooms.tabs[name]
        tab.streams += 1
        try:
            await self._stream(response)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            tab.streams -= 1
            tab.heard = asyncio.get_running_loop().time()
        return response

    async def _stream(self, response: web.StreamResponse) -> None:
        number = self._cast.number
        frame = b"retry: 500\n\n" + self._hello()
        while True:
            async with asyncio.timeout(STALLED_S):
                await response.write(frame)
            if self._over:
                return
            await self._cast.after(number)
            missed = self._cast.number != number + 1
            number = self._cast.number
            frame = self._hello() if missed and not self._over else self._cast.frame

    def _hello(self) -> bytes:
        told = {
            "version": __version__,
            "directory": clean(str(self._rooms.directory)),
            "log": self._rooms.ledger.log,
            "orders": ORDERS,
            "shows": SHOWS,
            "order": self._rooms.order,
            "link": LINK,
            "progress": self._progress(),
        }
        return b"event: hello\ndata: %b\n\n" % orjson.dumps(told)

    def _progress(self) -> dict[str, Any]:
        queue = self._rooms.queue
        counts = Counter(said.verdict for pair in queue.scores if (said := self._judgements.last(pair)) is not None)
        told: dict[str, Any] = {verdict: counts[verdict] for verdict in VERDICTS}
        told |= {"total": len(queue.scores), "judged": sum(counts.values()), "lacking": self._rooms.lacking}
        told["scored"] = sum(score is not None for score in queue.scores.values())
        told["own"] = _estimated(own_errors(self._judgements))
        told["list"] = _estimated(list_errors(queue.shuffled, self._judgements)) if queue.sampling else None
        return told


async def _asked(request: web.Request) -> dict[str, Any]:
    """The body of a request that writes. Raises HTTPForbidden, HTTPBadRequest."""
    if not ours(request):
        raise web.HTTPForbidden(text="this is for its own page only\n")
    try:
        body: object = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="this is not what the page sends\n")
    return cast("dict[str, Any]", body)


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value)[:500] if isinstance(value, list) else []


def _pair(op: Mapping[str, Any]) -> Pair:
    return Pair(int(op["pair"][0]), int(op["pair"][1]))


def _wrong(what: str) -> web.Response:
    return web.Response(status=400, text=f"this is not what the page sends: {what}\n")


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


def _estimated(found: Estimate) -> dict[str, Any]:
    return {
        "sample": found.sample, "wrong": found.wrong, "unsure": found.unsure, "rate": found.rate, "low": found.low,
        "high": found.high,
    }  # fmt: skip
