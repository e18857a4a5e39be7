"""Reads the site's envelope: which replies are answers, which say that a work is gone, and which are trouble.

JSON is tried first and believed before the status, for the site, its gatekeeper and its balancers each answer in their
own way (pixiv.md 4). What is final (`Absent`) needs the site's own words: a bare 404 from between is trouble.
"""

from __future__ import annotations

import re
from typing import Any, cast

import orjson

from crawler.model import Absent, Failure, Kind

_CHALLENGE = re.compile(rb"_cf_chl_opt|<title>Just a moment|Attention Required! \| Cloudflare")
"""Marks of Cloudflare asking whether one is human (pixiv.md 4). Its script folder is none: sound pages load it too."""
_LOOK_BYTES = 64 * 1024
_NEIGHBOURS = b'"userIllusts":'
"""All works of the artist, hundreds of names without values: three quarters of what reading a reply costs, and dropped
(pixiv_work). In JSON a quote inside a string is escaped: where these bytes stand, they are a key."""
_WORTH_BYTES = 1024
_AFTER_THEM = b'"likeData":'
_MARK = "5402886731944071"
"""Stands where names were cut out: no work has that number."""
_MARKED = b'"%b":0' % _MARK.encode()

_WORDS: tuple[tuple[str, Absent], ...] = (
    ("has been deleted or the ID does not exist", Absent("not_found")),
    ("該当作品は削除されたか、存在しない作品ID", Absent("not_found")),
    ("尚无权限浏览该作品", Absent("not_found")),
    ("User has left pixiv or the user ID does not exist", Absent("not_found")),
    ("Artist has made their work private", Absent("restricted")),
)
"""What the site says of works that cannot be had, in any status (pixiv.md 4, rows deleted, private, left)."""


def body_of(status: int, content_type: str, reply: bytes, *, session: bool) -> Any | Absent | Failure:
    """The envelope's `body` of a good reply (an object or list), else what the reply means. Never raises.

    `session`: whether one was sent; only then does 401 speak of it.
    """
    reply = reply.removeprefix(b"\xef\xbb\xbf")
    try:
        said: Any = _without_neighbours(reply) or orjson.loads(reply)
    except orjson.JSONDecodeError:
        said = None
    envelope = cast(dict[str, Any], said) if isinstance(said, dict) else {}
    error, body = envelope.get("error"), envelope.get("body")
    if status == 200 and not error and isinstance(body, dict | list):
        return cast(Any, body)
    if error is True and "body" in envelope:
        return _refused(status, str(envelope.get("message") or ""), session=session)
    return _without_words(status, content_type, reply, session=session)


def _without_neighbours(reply: bytes) -> Any:
    """The reply read without the neighbours in its body; None where it is not as it always was, or has none.

    Two runs of names go: from the opening brace to the first neighbour with values, and from the last brace before the
    closing one. The first has no brace in it, so it is inside; where the second was stands a mark, which must be found
    inside. Were one end of a run in a string, quotes would not pair, and what remains were no JSON.
    """
    key = reply.find(_NEIGHBOURS) + len(_NEIGHBOURS)
    end = reply.find(_AFTER_THEM, key)
    opened = reply.find(b"{", key, key + 2)
    if end < 0 or opened < 0 or key < len(_NEIGHBOURS):
        return None
    closed = reply.rfind(b"}", opened, end)
    last = reply.rfind(b"}", opened, closed)
    mark = b"," + _MARKED
    if last < 0 or reply.find(b"{", last, closed) >= 0:
        last, mark = reply.rfind(b"{", opened, closed), _MARKED
    value = reply.find(b"{", opened + 1, last + 1)
    begun = opened + 1 if reply.find(b"}", opened, value) >= 0 else reply.rfind(b",", opened, value) + 1 or opened + 1
    if begun - opened + closed - last < _WORTH_BYTES:
        return None
    try:
        said = orjson.loads(b"".join((reply[: opened + 1], reply[begun : last + 1], mark, reply[closed:])))
        return said if said["body"].pop("userIllusts")[_MARK] == 0 else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _refused(status: int, message: str, *, session: bool) -> Absent | Failure:
    if status == 401:
        if session:
            return Failure(Kind.SESSION_REFUSED, "the site does not accept the session", status)
        return Absent("restricted")
    if status in (404, 410):
        return Absent("not_found")
    if status == 429 or "rate limit" in message.lower():
        return Failure(Kind.RATE_LIMITED, _quoted(message), status)
    if status < 500:
        for words, meaning in _WORDS:
            if words in message:
                return meaning
    return _by_status(status, _quoted(message))


def _without_words(status: int, content_type: str, reply: bytes, *, session: bool) -> Failure:
    if _CHALLENGE.search(reply, 0, _LOOK_BYTES):
        return Failure(Kind.CHALLENGE, "the site asks whether a human is there", status)
    if status == 401 and session:
        return Failure(Kind.SESSION_REFUSED, "the site does not accept the session", status)
    what = (
        f"{len(reply)} bytes of {_quoted(content_type) or 'no type'} where JSON should be" if reply else "an empty body"
    )
    if status == 200 or status in (401, 404, 410):
        return Failure(Kind.BAD_REPLY, what, status)
    if status == 403 and b"<html" in reply[:_LOOK_BYTES].lower():
        return Failure(Kind.CHALLENGE, "the site's gate refuses with a page of its own", status)
    return _by_status(status, what)


def _by_status(status: int, detail: str) -> Failure:
    if status < 300:
        return Failure(Kind.BAD_REPLY, f"the site says error: {detail}", status)
    if status == 403:
        return Failure(Kind.FORBIDDEN, detail, status)
    if status == 429:
        return Failure(Kind.RATE_LIMITED, detail, status)
    if status == 503:
        return Failure(Kind.UNAVAILABLE, detail, status)
    if status >= 500:
        return Failure(Kind.SERVER_ERROR, detail, status)
    return Failure(Kind.STATUS, detail, status, permanent=400 <= status < 500 and status not in (408, 425))


def _quoted(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:120]).strip()
