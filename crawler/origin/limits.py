"""The secret limit of the stand-in: a token bucket for each host, and a block for whoever empties it. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Rates in requests a second, 0 = none; a bucket holds that many requests; a block lasts `block_s` seconds.

    The site's own, for an account: about 0.8 a second, 120 to 200 at once, 200 s (pixiv.md 0, 4.1); images: none.
    Searches have a bucket besides; who empties that is not told, but sees empty lists until the block is over.
    """

    api_rate: float = 0.0
    api_bucket: int = 150
    images_rate: float = 0.0
    images_bucket: int = 50
    block_s: float = 2.0
    search_rate: float = 0.0
    search_bucket: int = 200


class Bucket:
    """Full at first, filled at `rate`; the request that finds it empty starts a block, in which all are refused."""

    def __init__(self, rate: float, size: int, block_s: float) -> None:
        self._rate, self._size, self._block_s = rate, size, block_s
        self._level = float(size)
        self._at = self._blocked_until = float("-inf")

    def take(self, now: float) -> bool:
        """Whether a request at `now` (seconds, never going back) is let through."""
        if self._rate <= 0:
            return True
        if now < self._blocked_until:
            return False
        if self._at > float("-inf"):
            self._level = min(self._size, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1:
            self._blocked_until = now + self._block_s
            return False
        self._level -= 1
        return True
