"""Chance that is a pure function of a key: every draw of the stand-in's world comes from here."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_WORDS = struct.Struct("<8Q")


class Dice:
    """A stream of draws fixed by `key`: the same key gives the same draws, on every machine and Python version."""

    def __init__(self, *key: object) -> None:
        self._key = "\x1f".join(map(str, key)).encode("utf-8", "surrogatepass")
        self._pool: list[int] = []
        self._block = 0

    def word(self) -> int:
        """The next 64 bits."""
        if not self._pool:
            block = hashlib.blake2b(self._key, salt=self._block.to_bytes(16, "little")).digest()
            self._pool = list(_WORDS.unpack(block)[::-1])
            self._block += 1
        return self._pool.pop()

    def unit(self) -> float:
        """A number in [0, 1)."""
        return (self.word() >> 11) / (1 << 53)

    def chance(self, share: float) -> bool:
        """True for about `share` of all keys."""
        return self.unit() < share

    def between(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return low + self.word() % (high - low + 1)

    def real(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + self.unit() * (high - low)

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`."""
        return options[self.word() % len(options)]

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """Up to `count` different ones of `options`, in a drawn order."""
        left = list(options)
        return [left.pop(self.word() % len(left)) for _ in range(min(count, len(left)))]

    def hex(self, digits: int) -> str:
        """`digits` lower-case hexadecimal digits."""
        return "".join(f"{self.word():016x}" for _ in range(-(-digits // 16)))[:digits]

    def bytes(self, count: int) -> bytes:
        """`count` bytes at the price of one draw."""
        return hashlib.shake_128(self._key + self.word().to_bytes(8, "little")).digest(count)
