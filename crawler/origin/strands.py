"""Sorted sets of ids that nobody holds in memory: the rank of an id and the id at a rank are found by arithmetic. Pure.

A strand is a row of cells of equal width, one id in each; a shelf is the union of strands that share no id. So how many
ids lie below any id, and which are the sixty before it, costs the same in a set of a hundred and of a hundred thousand.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from crawler.origin.dice import Dice
from crawler.origin.work import Mix, glance

TRIES = 600
"""Ids of a cell that are looked at before one is taken that is not of the kind wanted."""


@dataclass(frozen=True, slots=True, eq=False)
class Strand:
    """`count` ids, one in each of as many cells of `width` from `first` on; all are `offset` above a multiple of
    `stride` from `first`, which must divide `width`. `want`: safe or r18 (both alive), or any (dead ones too)."""

    key: str
    first: int
    width: int
    count: int
    stride: int = 1
    offset: int = 0
    want: str = "safe"
    level: int = 0
    loose: bool = False

    def member(self, seed: int, mix: Mix, rank: int) -> int:
        """The id at `rank` (0 is the lowest)."""
        places = self.width // self.stride
        start = Dice(seed, self.key, self.level, rank).word() % places
        base = self.first + rank * self.width + self.offset
        if self.want == "any":
            return base + start * self.stride
        second = -1
        for step in range(min(places, TRIES)):
            id = base + (start + step) % places * self.stride
            seen = glance(seed, mix, id)
            if seen >= 0 and (seen > 0) == (self.want == "r18"):
                return id
            if seen >= 0 and second < 0:
                second = id
        return second if second >= 0 else base + start * self.stride

    def cells(self, id: int) -> int:
        """How many cells end at or before `id`: that many members at least lie below it, and at most one more."""
        return min(max((id - self.first) // self.width, 0), self.count)


class Shelf:
    """The ids of all `strands`, which must have none in common, in order."""

    def __init__(self, seed: int, mix: Mix, strands: Sequence[Strand]) -> None:
        self._seed, self._mix = seed, mix
        self.strands = tuple(strand for strand in strands if strand.count > 0)
        self.count = sum(strand.count for strand in self.strands)
        self._end = max((strand.first + strand.count * strand.width for strand in self.strands), default=0)

    def below(self, id: int) -> int:
        """How many are lower than `id`."""
        found = 0
        for strand in self.strands:
            rank = strand.cells(id)
            found += rank
            if rank < strand.count and id > strand.first + rank * strand.width:
                found += strand.member(self._seed, self._mix, rank) < id
        return found

    def down(self, id: int) -> Iterator[int]:
        """Those lower than `id`, the highest first."""
        return heapq.merge(*(self._down(strand, id) for strand in self.strands), reverse=True)

    def _down(self, strand: Strand, id: int) -> Iterator[int]:
        for rank in range(min(strand.cells(id), strand.count - 1), -1, -1):
            member = strand.member(self._seed, self._mix, rank)
            if member < id:
                yield member

    def between(self, low: int, high: int, start: int, count: int) -> list[int]:
        """Of those in [low, high), highest first: at most `count` from place `start` on."""
        wanted = self.below(high) - start  # ranks below this one, counted from the lowest of all
        count = min(count, wanted - self.below(low))
        if count <= 0:
            return []
        near = self._near(wanted)
        skip = self.below(near) - wanted
        return list(islice(self.down(near), skip, skip + count))

    def _near(self, wanted: int) -> int:
        """An id with at least `wanted` below it, and only a few more (two for each strand at most)."""
        low, high = 0, self._end
        while low < high:
            middle = (low + high) // 2
            if sum(strand.cells(middle) for strand in self.strands) >= wanted:
                high = middle
            else:
                low = middle + 1
        return low
