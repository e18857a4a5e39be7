"""The nouns of a crawl. Everything here is a frozen value; nothing here knows a socket, a clock or a disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from crawler.numbers import NUMBERS, digest_of

WorkId = int | str
"""An int for pixiv; for site `urls` the first 16 hex digits of the URL's SHA-256, or the key column."""
Page = int | Literal["zip"]
Lane = Literal["api", "images"]
"""Which of the two budgets ([limits.api], [limits.images]) a request is counted in."""


class Kind(StrEnum):
    """Why something was not had. The value is the `reason` in the log.

    Kinds above the line say something about the network or the host, those below about what it said.
    """

    DNS = "dns"
    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    PROXY = "proxy"
    RESET = "reset"
    IDLE = "idle"
    SLOW = "slow"
    TRUNCATED = "truncated"
    PROTOCOL = "protocol"
    ADDRESS = "address_refused"
    REDIRECT = "redirect"
    ROBOTS = "robots"
    BAD_URL = "bad_url"
    # ------------------------------------------------------------------
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    SERVER_ERROR = "server_error"
    FORBIDDEN = "forbidden"
    CHALLENGE = "challenge"
    SESSION_REFUSED = "session_refused"
    NOT_FOUND = "not_found"
    STATUS = "status"
    TOO_LARGE = "too_large"
    ENCODING = "encoding"
    BAD_REPLY = "bad_reply"
    NOT_AN_IMAGE = "not_an_image"
    PLACEHOLDER = "placeholder"
    RANGE = "range"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Failure:
    """An expected failure, as a value. `attempts` counts requests that used up `retry.attempts`."""

    kind: Kind
    detail: str = ""
    status: int | None = None
    retry_after_s: float | None = None
    attempts: int = 1
    permanent: bool = False


class Image(NamedTuple):
    """One file of a work as the site described it. `fallback` is the smaller rendition, if the site names one."""

    page: Page
    url: str
    fallback: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag with the translation the site gives (pixiv.md 2.3: the key is always `en`)."""

    name: str
    translation: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What the site says of a work, typed: what filters, export and review read.

    `kind` is illust, manga or ugoira; dates are ISO 8601 as the site gives them; counts are at the time of asking.
    """

    id: int
    title: str = ""
    description: str = ""
    kind: str = "illust"
    created: str = ""
    uploaded: str = ""
    restrict: int = 0
    x_restrict: int = 0
    sanity: int = 0
    ai_type: int = 0
    page_count: int = 1
    width: int | None = None
    height: int | None = None
    bookmarks: int = 0
    likes: int = 0
    views: int = 0
    comments: int = 0
    tags: tuple[Tag, ...] = ()
    user_id: int = 0
    user_name: str = ""
    series_id: int | None = None
    series_title: str = ""
    series_order: int | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """All that is needed to fetch a work and never ask for it again: its images, and the site's own metadata.

    `metadata` is the site's body under the site's own names, without ads and navigation (and, for ugoira, with
    `ugoira` = mime type and frames); `sites.pixiv.work_of(metadata)` types it.
    """

    images: tuple[Image, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Absent:
    """A final answer: there is nothing to get. `reason` as in the log's `gone`."""

    reason: Literal["not_found", "restricted", "filtered", "unsupported", "purged"]
    rule: str = ""


def bit_of(id: WorkId) -> int:
    """The number that stands for an id in a bitmap of this process: the id itself, or a text's place in NUMBERS."""
    if isinstance(id, int):
        return id
    return _bit_of(id)


@lru_cache(maxsize=4096)  # asked for several times in the life of an image
def _bit_of(id: str) -> int:
    return NUMBERS.number(digest_of(id))
