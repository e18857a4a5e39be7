"""The site `urls`: plain image URLs of any host. There is no metadata: a URL is its own description. Pure."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urlsplit

from crawler.fetch.exchange import Request
from crawler.model import Description, Image, WorkId
from crawler.sites.site import Ask

_AS_IT_IS = {"Accept-Encoding": "identity"}
_LONGEST = 8000
"""Characters of a URL: what RFC 9110 4.1 asks every party to take."""
_USUAL = re.compile(rb"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?/[!-\[\]-~]*")
"""Nearly every URL of a list: nothing in it needs a second look."""


def identity(url: str) -> str:
    """The id of a URL: the first 16 hex digits of its SHA-256, byte for byte as listed (design.md 1.3).

    Raises UnicodeEncodeError for text that is not Unicode, which `url_problem` names beforehand.
    """
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def usual(line: bytes) -> tuple[str, str] | None:
    """Identity and URL of a line that is nothing but a usual URL; None for what needs a closer look."""
    if len(line) > _LONGEST or _USUAL.fullmatch(line) is None:
        return None
    return hashlib.sha256(line).hexdigest()[:16], line.decode("ascii")


def url_problem(url: str) -> str | None:
    """Why a URL is not asked for, or None. Never raises."""
    if not url or len(url) > _LONGEST:
        return f"a URL has 1 to {_LONGEST} characters"
    if not url.isprintable() or " " in url or "\\" in url:
        return "a URL has no blanks, backslashes or control characters"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "not a URL that can be read"
    if parts.scheme not in ("http", "https"):
        return "not an http or https URL"
    if parts.username is not None or parts.password is not None:
        return "a URL with a user name or password in it is not taken"
    if not host:
        return "a URL without a host"
    return "port 0" if port == 0 else None


class Urls:
    """Site `urls`. Requests carry no Referer and no session."""

    def describe(self, id: WorkId) -> Ask:
        """Raises LookupError, always: nothing but the list knows the URL of an id; see `description`."""
        raise LookupError(f"{id!r}: a plain list of URLs has no metadata to ask for")

    def description(self, id: WorkId, url: str) -> Description:
        """The one image of a URL; `id` is its `identity` or the key column's."""
        return Description((Image(0, url),))

    def image_request(self, image: Image) -> Request:
        """One GET of the image, as it is: no content coding, so that Range means the same bytes each time."""
        return Request(image.url, "images", _AS_IT_IS)
