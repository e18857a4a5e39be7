"""Where a request goes: a URL as text, and its origin with all that is the same for every URL of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from yarl import URL

from crawler.model import Failure

_PLAIN = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_USUAL = re.compile(r"(https?://[a-z0-9.-]+(?::[1-9][0-9]{0,4})?)/[\x21-\x7e]*")
"""A URL of which nothing is new but the path, once its origin was met."""
_ORIGINS = 1024


@dataclass(slots=True, eq=False)
class Origin:
    """What secrets are bound to, and what a robots.txt speaks for: `id` is scheme, host and port.

    `key` is what a limiter is kept for: the host, with the port where it is unusual. `refusal` says why no address
    there is asked, `place` ("ip:port", "" = where the name says) where to connect instead: the client's. Up to `free`
    (the loop's time) its robots.txt has nothing against URLs whose path begins with none of `spelt`.
    """

    id: tuple[str, str, int | None]
    key: str
    tls: bool
    refusal: Failure | None = None
    place: str = ""
    free: float = -math.inf
    spelt: tuple[str, ...] = ()


class Where(NamedTuple):
    """A URL exactly as it is sent, and its origin."""

    text: str
    origin: Origin

    @property
    def url(self) -> URL:
        """For what is not usual."""
        return URL(self.text, encoded=True)


@dataclass(slots=True)
class Origins:
    """Finds the origin of a URL; `know` fills in the client's part of a new one."""

    know: Callable[[Origin], None] = lambda origin: None
    _known: dict[str, Origin] = field(default_factory=dict[str, Origin])

    def where(self, text: str, base: URL | None = None) -> Where:
        """Raises ValueError, as `parse_url`."""
        usual = _USUAL.fullmatch(text)
        if usual is not None and (known := self._known.get(usual[1])) is not None:
            return Where(text, known)
        url = parse_url(text, base)
        origin = Origin(origin_of(url), host_key(url), url.scheme == "https")
        self.know(origin)
        spelt = str(url)
        if usual is not None and spelt == text:
            if len(self._known) >= _ORIGINS:
                self._known.clear()
            self._known[usual[1]] = origin
        return Where(spelt, origin)


def parse_url(text: str, base: URL | None = None) -> URL:
    """The URL, exactly as it was spelt where it is plain ASCII; relative to `base` if given.

    Raises ValueError for what is no http(s) URL with a usable host, and for one with a user name in it.
    """
    text = text.strip()
    url = URL(text, encoded=_PLAIN.fullmatch(text) is not None)
    if base is not None and (url.raw_host or not url.scheme):
        url = base.join(url)
    if url.scheme not in ("http", "https"):
        raise ValueError(f"scheme {url.scheme[:20]!r} is neither http nor https")
    if not _HOST.fullmatch(host_of(url)):
        raise ValueError("no usable host name")
    if url.raw_user is not None or url.raw_password is not None:
        raise ValueError("user names in URLs are not supported")
    if not url.port:
        raise ValueError("no usable port")
    host = host_of(url)
    return url if host == url.raw_host else url.with_host(host)


def host_of(url: URL) -> str:
    """The host, lower-case, without brackets and trailing dot."""
    return (url.raw_host or "").lower().removesuffix(".")


def host_key(url: URL) -> str:
    """See Origin.key."""
    return host_of(url) if url.is_default_port() else f"{host_of(url)}:{url.port}"


def origin_of(url: URL) -> tuple[str, str, int | None]:
    """See Origin.id."""
    return url.scheme, host_of(url), url.port
