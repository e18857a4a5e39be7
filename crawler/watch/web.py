"""What every page that this program serves has in common: who may ask, and what each answer says of itself.

What is served is what its room hands out; no path of a request ever becomes a path of the disk. Addresses other than
loopback need a token, and so does a page that writes; loopback needs the right Host, so that no site a browser visits
can read along by way of a name it made to resolve to 127.0.0.1.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import secrets
import socket
from pathlib import Path
from typing import NamedTuple

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from crawler.hidden import Hidden
from crawler.within import no_link

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_LOG = logging.getLogger("crawler.page")
_LOG.addFilter(lambda said: not (said.exc_info and isinstance(said.exc_info[1], HttpProcessingError)))
"""Where aiohttp tells of bugs: what strangers send that is no request is answered with 400, and no news for a terminal
(a traceback of it would quote the request, and the token in it)."""


class Door(NamedTuple):
    """Where the page listens, and what it asks of who comes; `token` is "" on loopback."""

    listener: socket.socket
    url: str
    token: str

    def __repr__(self) -> str:
        return f"Door({self.listener!r}, {self.url.partition('?')[0]!r}, {Hidden(self.token)!r})"


def listen(host: str, port: int, directory: Path, *, writes: bool = False) -> Door:
    """Take the address, before anything else begins. Raises OSError: in use, not allowed, no such address; or for the
    token. A page that `writes` has a token on loopback too.

    The token stays the same from run to run, so that a bookmark or a scraper goes on working; it is kept in
    `.crawl/page-token`, mode 0600, and deleting that makes another.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=64)
    try:
        address = ipaddress.ip_address(listener.getsockname()[0].partition("%")[0])
        bound = listener.getsockname()[1]
        if address.is_loopback and not writes:
            name = f"[{address}]" if address.version == 6 else str(address)
            return Door(listener, f"http://{name}:{bound}/", "")
        token = kept_token(directory / ".crawl" / "page-token")
    except OSError:
        listener.close()
        raise
    name = socket.gethostname() if address.is_unspecified else f"[{address}]" if address.version == 6 else host
    return Door(listener, f"http://{name}:{bound}/?token={token}", token)


def kept_token(path: Path) -> Hidden:
    """The token in `path`, made where there is none. Raises OSError."""
    no_link(path.parent)
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)) as kept:
            if os.fstat(kept.fileno()).st_mode & 0o077:  # others may have read it
                raise PermissionError
            token = Hidden(kept.read(1000).strip())
        if len(token) >= 20 and token.isascii() and token.isprintable():
            return token
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError):
        pass  # a link, or nothing that we wrote
    path.unlink(missing_ok=True)
    token = Hidden(secrets.token_urlsafe(18))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token + "\n")
    return token


def guard(token: str, *, cookie: str = "crawler_token", inside: bool = False) -> Middleware:
    """A middleware: with a token, who does not show it is refused; without, or `inside`, who does not name a loopback
    host. Cookies know no ports: two pages of one machine need two names of a `cookie`.
    """
    token = Hidden(token)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and request.path != "/":
            return web.Response(status=403, text="this is for its own page only\n")
        if (inside or not token) and not names_loopback(request.headers.get("Host", "")):
            return web.Response(status=403, text="ask for 127.0.0.1 or localhost\n")
        if not token:
            return await handler(request)
        shown = Hidden(request.query.get("token", ""))
        bearer = Hidden(request.headers.get("Authorization", "").partition("Bearer ")[2])
        if not any(same(token, given) for given in (shown, bearer, Hidden(request.cookies.get(cookie, "")))):
            return web.Response(status=401, text="the address of this page has a token in it: /?token=...\n")
        response = await handler(request)
        if shown and not response.prepared:
            response.set_cookie(cookie, token, httponly=True, samesite="Strict", path="/")
        return response

    return check


def ours(request: web.Request) -> bool:
    """Whether a request that writes comes from a page of ours (Origin), and says that it is JSON, which no form can."""
    # A browser always names the page that a POST is from; what is no browser may show the token as a bearer instead.
    origin = request.headers.get("Origin")
    if origin is None:
        return "Authorization" in request.headers and request.content_type == "application/json"
    here = f"{request.scheme}://{request.headers.get('Host', '')}"
    return origin == here and request.content_type == "application/json"


def names_loopback(host: str) -> bool:
    """Whether a Host header names this machine from inside; any port, for tunnels end at other ports."""
    return _LOOPBACK.fullmatch(host) is not None


def same(token: str, given: str) -> bool:
    """Whether two tokens are equal, in a time that does not tell how far."""
    return secrets.compare_digest(token.encode(), given.encode("utf-8", "replace"))


async def protect(request: web.Request, response: web.StreamResponse) -> None:
    """Policy and kin, on every answer."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def runner(app: web.Application, keepalive_s: float) -> web.AppRunner:
    """What serves an app until its `cleanup`."""
    return web.AppRunner(app, access_log=None, logger=_LOG, shutdown_timeout=1.0, keepalive_timeout=keepalive_s)


def static(path: Path, kind: str) -> Handler:
    """Serves a file of this package, read once. Raises OSError."""
    body = path.read_bytes()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return answer
