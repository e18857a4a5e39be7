"""The border on the fast lane: every error of libcurl becomes a Failure with a kind, as in `errors` for aiohttp."""

from __future__ import annotations

from crawler.model import Failure, Kind

KINDS: dict[int, Kind] = {
    # connecting
    6: Kind.DNS,
    7: Kind.CONNECT,
    28: Kind.CONNECT_TIMEOUT,  # the only time limit that is libcurl's to watch
    45: Kind.CONNECT,
    **dict.fromkeys((35, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98), Kind.TLS),
    # what came
    1: Kind.PROTOCOL,  # no HTTP, or HTTP/0.9
    8: Kind.PROTOCOL,
    18: Kind.TRUNCATED,
    63: Kind.TOO_LARGE,
    # the connection went away
    42: Kind.RESET,  # `_before` let no second request out: the kept connection was dead
    52: Kind.RESET,
    55: Kind.RESET,
    56: Kind.RESET,
    3: Kind.BAD_URL,
}
"""By libcurl's code; what is not here is PROTOCOL."""
_CHUNKS = ("chunk", "hexadecimal", "trailer")
_RECEIVED = 56


def lane_failure(code: int, text: str, *, in_head: bool, sent: bool) -> Failure:
    """The Failure for an error of libcurl. Its text carries no header and no body."""
    kind = KINDS.get(code, Kind.PROTOCOL)
    said = " ".join(text.split())[:200]
    if code == _RECEIVED:
        if any(word in said.lower() for word in _CHUNKS):
            kind = Kind.PROTOCOL
        elif not sent and "SSL" in said:
            kind = Kind.TLS
        elif not in_head:
            kind = Kind.TRUNCATED
    elif kind is Kind.TRUNCATED and in_head:  # a length was announced, and the head never ended
        kind = Kind.RESET
    return Failure(kind, said or f"libcurl error {code}")
