"""Small numbers for texts, so that a set of millions of them is a small bitmap: the first text is 0, the next 1, …

A bitmap of digests takes 113 bytes for each: no two are near each other. A bitmap of these numbers takes a bit, and a
text costs 15 bytes once in a process, however many sets it is in. As with `sys.intern` nobody can tell from what comes
out who asked before: the numbers of a process are never written down; what is, are digests.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from threading import Lock

WIDE = 1 << 63
"""The numbers of texts begin here, far above what stands for itself."""
LEAST = 1 << 53
"""No digest is smaller, and no number of a work is as large (sources.ids.MAX_ID)."""
_PARTS_BITS = 12
_SHIFT = 64 - _PARTS_BITS
_SMALLEST = 8


def digest_of(text: str) -> int:
    """64 bits of the BLAKE2b of a text, the first of them set where the number were below LEAST. The same for ever."""
    return clear(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()))


def clear(digest: int) -> int:
    """A digest that cannot be taken for the number of a work."""
    return digest if digest >= LEAST else digest | WIDE


class Numbers:
    """Numbers digests from WIDE on, in the order in which they come. Any thread may ask.

    A hash table in parts, by the digest's first bits: a part that grows holds nobody up. Parts are filled to three
    quarters at most, and searched from where the digest's last bits say.
    """

    def __init__(self) -> None:
        self._digests = array("Q")
        self._parts: list[array[int]] = [array("I", bytes(4 * _SMALLEST)) for _ in range(1 << _PARTS_BITS)]
        self._held = [0] * (1 << _PARTS_BITS)
        self._adding = Lock()

    def number(self, digest: int) -> int:
        """The number of a digest; a new one where it has none."""
        which = digest >> _SHIFT
        slots, digests = self._parts[which], self._digests
        size = len(slots)
        at = digest % size
        while found := slots[at]:
            if digests[found - 1] == digest:
                return found - 1 | WIDE
            at = at + 1 if at + 1 < size else 0
        with self._adding:
            if slots is self._parts[which] and not slots[at]:
                number = len(digests)
                digests.append(digest)
                slots[at] = number + 1
                self._held[which] = filled = self._held[which] + 1
                if 4 * filled > 3 * size:
                    self._parts[which] = self._larger(slots)
                return number | WIDE
        return self.number(digest)  # another thread was quicker

    def digests(self, numbers: Iterable[int]) -> Iterator[int]:
        """The digests of numbers, one by one."""
        digests = self._digests
        return (digests[number ^ WIDE] for number in numbers)

    def _place(self, slots: array[int], digest: int) -> int:
        """Where a digest is, or belongs."""
        at = digest % len(slots)
        while (found := slots[at]) and self._digests[found - 1] != digest:
            at = at + 1 if at + 1 < len(slots) else 0
        return at

    def _larger(self, slots: array[int]) -> array[int]:
        grown = array("I", bytes(4 * (len(slots) * 3 // 2 + 1)))
        for found in slots:
            if found:
                grown[self._place(grown, self._digests[found - 1])] = found
        return grown


NUMBERS = Numbers()
"""Those of this process."""
