"""The works that are not finished, by id, in little memory. Pure.

Of a long list of links many are dead, and of such a link one failure is all that is known: it is kept as that fact
alone, which takes less than half of what a work with its facts and what they join to takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from crawler.model import Page, WorkId, bit_of
from crawler.rules.unfinished import Fact, Facts, Key, Lost, Moment, Unfinished


class Lone(NamedTuple):
    """A `Lost` that is all that is known of a work; `bit`: the work's."""

    permanent: bool
    moment: Moment
    page: Page | None
    reason: str
    bit: int


Kept = Unfinished | Lone


class Entries:
    """Works by id. What `get` and `items` give is to be read; `open` gives what may be changed."""

    __slots__ = ("_kept", "ids")

    def __init__(self) -> None:
        self._kept: dict[WorkId, Kept] = {}
        self.ids = self._kept.keys()
        """Which works there are, now and later."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, id: WorkId) -> Unfinished | None:
        """What is known of a work; to be read only."""
        kept = self._kept.get(id)
        return _whole(kept) if isinstance(kept, Lone) else kept

    def open(self, id: WorkId) -> Unfinished | None:
        """What is known of a work, to be added to or taken from."""
        kept = self._kept.get(id)
        if isinstance(kept, Lone):
            kept = self._kept[id] = _whole(kept)
        return kept

    def begin(self, id: WorkId, bit: int, fact: Fact) -> Unfinished | None:
        """Take in the first fact of a work; the work, unless a failure is all that is known of it."""
        if isinstance(fact, Lost):
            self._kept[id] = Lone(*fact, bit)
            return None
        work = self._kept[id] = Unfinished(bit, {fact.moment[1:]: fact})
        return work

    def restore(self, id: WorkId, facts: Facts | Lost) -> None:
        """Take in all that was known of a work."""
        bit = bit_of(id)
        lone = facts if isinstance(facts, Lost) else next(iter(facts.values())) if len(facts) == 1 else None
        if isinstance(lone, Lost):
            self._kept[id] = Lone(*lone, bit)
        elif not isinstance(facts, Lost):
            self._kept[id] = Unfinished(bit, facts)

    def drop(self, id: WorkId) -> None:
        """It is finished, or nothing is known of it any more."""
        del self._kept[id]

    def pop_sole(self, id: WorkId, page: Page) -> int | None:
        """Drop a work that is finished with this page, the only one it has: its bit; None where it has others."""
        kept = self._kept.get(id)
        if type(kept) is not Unfinished or (seen := kept.seen) is None or kept.had:
            return None
        if len(seen.images) != 1 or seen.images[0].page != page or type(id) is str:
            return None
        del self._kept[id]
        return kept.bit

    def holder(self, key: Key, id: WorkId | None) -> WorkId | None:
        """The work of which line `key` is a standing fact; `id`: which it must be, if that is known."""
        for candidate in list(self._kept) if id is None else [id]:
            kept = self._kept.get(candidate)
            if kept is not None and (kept.moment[1:] == key if isinstance(kept, Lone) else key in kept.facts):
                return candidate
        return None

    def items(self) -> Iterator[tuple[WorkId, Unfinished]]:
        """Every work with all that is known of it, to be read only."""
        for id, kept in self._kept.items():
            yield id, _whole(kept) if isinstance(kept, Lone) else kept

    def kept(self) -> Iterator[tuple[WorkId, Kept]]:
        """Every work as it is kept."""
        yield from self._kept.items()

    def frozen(self) -> list[tuple[WorkId, Facts | Lost]]:
        """All that is known, as it will never change any more; see `restore`."""
        return [
            (id, Lost(*kept[:4]) if isinstance(kept, Lone) else kept.facts.copy()) for id, kept in self._kept.items()
        ]


def _whole(lone: Lone) -> Unfinished:
    return Unfinished(lone.bit, {lone.moment[1:]: Lost(*lone[:4])})
