"""Whether a request is repeated, when, and what it means when it no longer is. Pure: chance and settings are arguments.

Three groups of failures:
- final at once: the answer will not change by asking again now (404, a refused session, an address we may not reach);
- refusals (429, 503): the host's limiter answers these; they use up no attempt (design.md 1.2);
- the rest: asked again after a pause, `retry.attempts` times in all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crawler.model import Failure, Kind, Lane
from crawler.rules.rate import RETRY_AFTER_MAX_S
from crawler.rules.settings import RetrySettings

FINAL = frozenset(
    {
        Kind.NOT_FOUND,
        Kind.SESSION_REFUSED,
        Kind.CHALLENGE,
        Kind.ADDRESS,
        Kind.ROBOTS,
        Kind.BAD_URL,
        Kind.TOO_LARGE,
        Kind.REDIRECT,
        Kind.PLACEHOLDER,
    }
)
"""Not asked again."""

REFUSALS = frozenset({Kind.RATE_LIMITED, Kind.UNAVAILABLE})
"""Say something of the host, not of the request: they slow the host and use up no attempt."""

TROUBLES = frozenset({Kind.CONNECT, Kind.CONNECT_TIMEOUT, Kind.IDLE})
"""Use up an attempt, and tell the host's limiter to go slower."""

REFUSALS_MAX = 24
"""Refusals of one request, while the host answers others, after which it is given up for now: no loop is endless."""

DENIED_MAX = 20
"""Different URLs of one host in a row that are answered 403, and nothing else between them: the host shut us out."""

BREAKER = 12
"""Refusals of one host in a row, none of the replies between them a good one, after which the run stops."""

CONFIRMED = 2
"""So many of the last tries must agree before an image is given up for good: one strange answer after an outage that
used up all other tries says nothing yet."""

_CURABLE = frozenset({Kind.SESSION_REFUSED, Kind.CHALLENGE})
_STUBBORN = frozenset(
    {Kind.FORBIDDEN, Kind.STATUS, Kind.SERVER_ERROR, Kind.ENCODING, Kind.NOT_AN_IMAGE, Kind.BROKEN, Kind.RANGE}
)
_GATEWAY = frozenset({502, 503, 504, *range(520, 528)})
"""What a proxy says of a server that it cannot reach: passes (pixiv.md 4: 502 is short-lived)."""


def pause(failure: Failure, attempt: int, settings: RetrySettings, dice: float) -> float | None:
    """Seconds to wait before the next try; None = give up. `attempt` tries were made, `dice` is in [0, 1).

    Doubles from `base_s` up to `cap_s`, half of it by chance; `Retry-After` is a minimum.
    """
    if failure.kind in FINAL or attempt >= settings.attempts:
        return None
    longest = min(settings.cap_s, settings.base_s * 2.0 ** (attempt - 1))  # finite: of 1000 attempts at most
    asked = min(failure.retry_after_s or 0.0, RETRY_AFTER_MAX_S)
    return max(longest * (1 + dice) / 2, asked)


def permanent(failure: Failure, lane: Lane = "images") -> bool:
    """Whether a failure that is no longer retried is final for good, or a re-run may cure it.

    An image that is answered 500, 403 or with something else than an image each time is broken for good (pixiv.md 3.6);
    metadata that is answered so is an outage. What went wrong on the way (connections, cut bodies, gateways) may pass.
    """
    if failure.kind in FINAL:
        return failure.kind not in _CURABLE
    if lane == "api" or failure.status in _GATEWAY:
        return False
    if failure.kind is Kind.SERVER_ERROR:
        return failure.status is not None
    return failure.kind in _STUBBORN


def kind_of_status(status: int) -> Kind | None:
    """What a status alone says; None for 2xx. 401 is FORBIDDEN: only a site knows of sessions."""
    if 200 <= status < 300:
        return None
    if status in (404, 410):
        return Kind.NOT_FOUND
    if status in (401, 403):
        return Kind.FORBIDDEN
    if status == 416:
        return Kind.RANGE
    if status == 429:
        return Kind.RATE_LIMITED
    if status == 503:
        return Kind.UNAVAILABLE
    return Kind.SERVER_ERROR if status >= 500 else Kind.STATUS


def parse_retry_after(value: str | None, date: str | None = None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` asks for, in [0, 1 h]; None when it says nothing that can be used.

    Seconds or an HTTP date (RFC 9110 10.2.3); a date is counted from the reply's own `Date`, whose clock wrote it,
    else from `now` (UTC).
    """
    text = (value or "").strip()
    if not text or not text.isascii():
        return None
    try:
        seconds = float(text) if text[0].isdigit() or text[0] == "." else None
    except ValueError:
        seconds = None
    if seconds is None:
        until, base = _http_date(text), _http_date(date or "") or now
        if until is None or base is None:
            return None
        seconds = (until - base).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_S)


def _http_date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
