"""What the stand-in answers when nothing goes wrong, and which requests break the rules. Pure.

Access rules as in pixiv.md 1, 3.3, 3.4, 4 and 5.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import format_datetime
from typing import Any

from crawler.origin import body, people, search
from crawler.origin.dice import Dice
from crawler.origin.links import IMAGES, PLAIN_HOSTS, STATIC, WWW
from crawler.origin.world import Asset, World

ROBOTS = """\
User-agent: *
Disallow: /cdn-cgi/
Disallow: /rpc/index.php?mode=profile_module_illusts&user_id=*&illust_id=*
Disallow: /ajax/illust/*/recommend/init
Disallow: *return_to*
Disallow: /artworks/unlisted/*
Disallow: /users/*/followers
Disallow: /users/*/mypixiv
Disallow: /users/*/bookmarks
Disallow: /novel/comments.php?id=
Disallow: /novels/unlisted/*
Disallow: /en/group
Disallow: /en/search/
Disallow: /fanbox/search
Disallow: /fanbox/tag
"""
PLAIN_ROBOTS = "User-agent: *\nDisallow: /private/\n"
"""Of the plain hosts with an odd number; the others have none."""
_DISALLOWED = re.compile(
    r"/cdn-cgi/|/ajax/illust/.*/recommend/init|.*return_to|/artworks/unlisted/|/users/.*/(followers|mypixiv|bookmarks)"
    r"|/novels/unlisted/|/en/(group|search/)|/fanbox/(search|tag)"
)
_REFERERS = ("https://www.pixiv.net/", "https://app-api.pixiv.net/")
_AJAX = re.compile(r"/ajax/illust/([^/]+)(/pages|/ugoira_meta)?")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `path` has no query; `headers` have lower-case names; `nth` is how often it was asked before; `fresh`
    is how many works every tag has got since the start."""

    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    nth: int = 0
    fresh: int = 0

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply. `chunked`: sent without a Content-Length."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    chunked: bool = False


def html(status: int, text: str) -> Reply:
    """A page for people."""
    page = f"<!DOCTYPE html><html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>"
    return Reply(status, page.encode(), {"content-type": "text/html; charset=UTF-8"})


def violations(asked: Asked) -> list[str]:
    """The rules that a request breaks, by name; a well-behaved crawler breaks none."""
    found: list[str] = []
    if not asked.headers.get("user-agent"):
        found.append("user_agent")
    if asked.host == IMAGES and not asked.path.startswith(("/plain/", "/robots.txt")) and not _refers(asked):
        found.append("referer")
    if asked.host != WWW and "cookie" in asked.headers:
        found.append("cookie")
        if "PHPSESSID" in asked.headers["cookie"]:
            found.append("session_leak")
    if asked.host == WWW and _DISALLOWED.match(asked.target):
        found.append("robots")
    if asked.host in PLAIN_HOSTS and _has_robots(asked.host) and asked.path.startswith("/private/"):
        found.append("robots")
    if asked.host == STATIC and "/limit_" in asked.path:
        found.append("placeholder")
    return found


def answer(world: World, session: str, paint: Callable[[tuple[Any, ...]], bytes], asked: Asked) -> Reply:
    """The reply to `asked`. `session` is the valid PHPSESSID ("" = none); `paint` is World.paint or a cache."""
    if not asked.headers.get("user-agent"):
        return html(403, "Forbidden")
    if asked.path == "/robots.txt":
        text = ROBOTS if asked.host == WWW else PLAIN_ROBOTS if _has_robots(asked.host) else ""
        return Reply(200, text.encode(), {"content-type": "text/plain"}) if text else html(404, "Not Found")
    if asked.host == WWW:
        return _api(world, session, asked)
    if asked.host not in (IMAGES, STATIC, *PLAIN_HOSTS):
        return html(421, "Misdirected Request")
    if "referer" in violations(asked):
        return html(403, "403 Forbidden")
    return _image(world, paint, asked)


def _has_robots(host: str) -> bool:
    return host in PLAIN_HOSTS[1::2]


def _refers(asked: Asked) -> bool:
    return asked.headers.get("referer", "").startswith(_REFERERS)


def session_of(cookie: str) -> str | None:
    """The value of PHPSESSID in a Cookie header; None if it has none."""
    pairs = (part.strip().partition("=") for part in cookie.split(";"))
    return next((value for name, _, value in pairs if name == "PHPSESSID"), None)


def _api(world: World, session: str, asked: Asked) -> Reply:
    given = session_of(asked.headers.get("cookie", ""))
    if given is not None and (not session or given != session):
        return _json(asked, 401, body.SESSION_REFUSED)
    found = _AJAX.fullmatch(asked.path)
    if not found:
        return _list(world, given, asked)
    if not re.fullmatch(r"[1-9][0-9]{0,17}", found[1]):
        return _json(asked, 400, body.INVALID)
    ask = {None: world.detail, "/pages": world.pages, "/ugoira_meta": world.ugoira_meta}[found[2]]
    content = ask(int(found[1]), session=given is not None)
    return _json(asked, 200, content) if content else _json(asked, 404, body.NOT_FOUND)


def _list(world: World, session: str | None, asked: Asked) -> Reply:
    """A page of a search, all works of a user, or a page of bookmarks."""
    if search.PATH.fullmatch(asked.path):
        query = search.parse(asked.path, asked.query)
        if query is None:
            return _json(asked, 400, body.INVALID)
        return _json(asked, 200, world.searches.page(query, session=session is not None, fresh=asked.fresh))
    found = people.PATH.fullmatch(asked.path)
    if not found:
        return html(404, "Not Found")
    if not re.fullmatch(r"[1-9][0-9]{0,17}", found[1]):
        return _json(asked, 400, body.INVALID)
    uid = int(found[1])
    if found[2] == "profile/all":
        content = people.profile(world.seed, world.mix, uid, world.work)
        return _json(asked, 200, content) if content else _json(asked, 404, people.LEFT)
    content = people.bookmarks(world.seed, world.mix, uid, asked.query, session, world.work)
    return _json(asked, 200, content) if content else _json(asked, 400, body.INVALID)


def throttled(asked: Asked) -> Reply | None:
    """What a search answers whom it finds too fast: 200 and nothing (pixiv.md 1.5). None: it is no search."""
    query = search.parse(asked.path, asked.query) if search.PATH.fullmatch(asked.path) else None
    return _json(asked, 200, search.reply(query, [], 0)) if query else None


def kind_of(asked: Asked) -> str:
    """What is asked for, by name, for counting."""
    if asked.host != WWW:
        return "image" if asked.path != "/robots.txt" else "robots"
    if found := _AJAX.fullmatch(asked.path):
        return {None: "detail", "/pages": "pages", "/ugoira_meta": "ugoira_meta"}[found[2]]
    if search.PATH.fullmatch(asked.path):
        return "search"
    if found := people.PATH.fullmatch(asked.path):
        return {"profile/all": "profile", "illusts/bookmarks": "bookmarks"}[found[2]]
    return "robots" if asked.path == "/robots.txt" else "other"


def _json(asked: Asked, status: int, content: bytes) -> Reply:
    headers = {"content-type": "application/json; charset=utf-8", "vary": "Accept-Encoding"}
    if "gzip" in asked.headers.get("accept-encoding", "") and len(content) > 1000:
        return Reply(status, gzip.compress(content, 1, mtime=0), headers | {"content-encoding": "gzip"})
    return Reply(status, content, headers)


def _image(world: World, paint: Callable[[tuple[Any, ...]], bytes], asked: Asked) -> Reply:
    asset = world.asset(asked.host, asked.target)
    if asset.status != 200:
        return html(asset.status, {404: "404 Not Found", 500: "500 Internal Server Error"}[asset.status])
    content = paint(asset.recipe)
    dice = Dice(world.seed, "manners", asked.host, asked.target)
    ranges = not dice.chance(0.05)
    headers = _headers(asset, ranges)
    # One in ten replies has no length, and the same file may have one the next time (pixiv.md 3.4).
    chunked = Dice(world.seed, "chunked", asked.host, asked.target, asked.nth).chance(0.1)
    part = _part(asked, headers["last-modified"], len(content)) if ranges else None
    if part is None:
        return Reply(200, content, headers, chunked)
    first, last = part
    if first >= len(content):
        return Reply(416, b"", headers | {"content-range": f"bytes */{len(content)}"})
    headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
    return Reply(206, content[first : last + 1], headers, chunked)


def _headers(asset: Asset, ranges: bool) -> dict[str, str]:
    modified = format_datetime(asset.modified.astimezone(UTC), usegmt=True)
    headers = {"content-type": asset.mime, "last-modified": modified, "cache-control": "max-age=31536000"}
    headers |= {"x-content-type-options": "nosniff", "via": "http/1.1 f014 (second)"}
    return headers | ({"accept-ranges": "bytes"} if ranges else {})


def _part(asked: Asked, modified: str, size: int) -> tuple[int, int] | None:
    """First and last byte that are asked for; None: all of them (no range, one that makes no sense, or a new file)."""
    found = _RANGE.fullmatch(asked.headers.get("range", ""))
    if not found or not (found[1] or found[2]) or asked.headers.get("if-range", modified) != modified:
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size - 1
    first, last = int(found[1]), min(int(found[2] or size), size - 1)
    return None if found[2] and int(found[2]) < first else (first, last)
