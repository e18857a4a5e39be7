"""The texts of robots.txt that are not in use just now: small, many, and forgotten when there are too many of them.

A list of URLs in any order meets an origin again and again, with thousands of others in between. To parse what is
known again takes a millisecond; to ask for it again takes a request that a host did not have to get.
"""

from __future__ import annotations

import zlib

from crawler.numbers import digest_of

_MOST_BYTES = 24_000_000
_ENTRY_BYTES = 170
"""What an entry takes beside its text."""


class Aside:
    """Texts by name, each until its time. Two generations: what was not asked for since the last change is let go."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes // 2
        self._young: dict[int, bytes] = {}
        self._old: dict[int, bytes] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def put(self, name: str, text: str, until: float) -> None:
        """Keep a text until then (seconds of a clock that never goes back; whole ones count)."""
        packed = zlib.compress(text.encode("utf-8", "surrogatepass"), 6) if text else b""
        kept = int(until).to_bytes(6, "little") + packed
        if self._size + len(kept) + _ENTRY_BYTES > self._most:
            self._old, self._young, self._size = self._young, {}, 0
        self._young[digest_of(name)] = kept
        self._size += len(kept) + _ENTRY_BYTES

    def take(self, name: str, now: float) -> tuple[str, float] | None:
        """The text and until when it holds, once; None for what is not there, or no longer holds."""
        key = digest_of(name)
        kept = self._young.pop(key, None)
        if kept is not None:
            self._size -= len(kept) + _ENTRY_BYTES
        else:
            kept = self._old.pop(key, None)
        if kept is None or (until := int.from_bytes(kept[:6], "little")) <= now:
            return None
        return (zlib.decompress(kept[6:]).decode("utf-8", "surrogatepass") if kept[6:] else ""), float(until)
