"""Many lines at once, as columns: a fold that asks of a column what it would ask of each line. Pure.

What a call in Python for each line costs is most of what a fold costs. A work that is described and stored whole within
one block, of which nobody knew anything before, comes to one bit and a few sums, and these are sums over columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, compress, repeat
from operator import itemgetter, not_
from typing import Any, NamedTuple

from crawler.events import Line, images_in
from crawler.model import Image, Page, WorkId, bit_of
from crawler.rules.unfinished import Moment

_PAGE = itemgetter("page")


class Block(NamedTuple):
    """Intact lines in their order: `raws` without their newlines, and whose they are.

    Those that are `stored`: their place among the lines in `stored_at`, then column by column (bytes in `sizes`). Those
    that are `described`: `described_at`, the works, and the images as the line has them. `others`: all the rest, among
    them no `voided` one, unless it is the only line.
    """

    raws: Sequence[bytes]
    logs: Sequence[str]
    seqs: Sequence[int]
    ts: Sequence[str]
    stored_at: Sequence[int]
    ids: Sequence[WorkId]
    pages: Sequence[Page]
    paths: Sequence[str]
    sizes: Sequence[int]
    qualities: Sequence[str]
    described_at: Sequence[int]
    works: Sequence[WorkId]
    images: Sequence[Sequence[Mapping[str, Any]]]
    others: Sequence[Line]

    @property
    def files(self) -> Iterator[tuple[str, int]]:
        """The files that are stored: path and bytes."""
        return zip(self.paths, self.sizes, strict=True)

    @property
    def wanted(self) -> int:
        """How many images are described."""
        return sum(map(len, self.images))

    def follows(self, last: Mapping[str, int]) -> bool:
        """Whether every line is the next one of its log; `last`: how far each has come."""
        for log in set(self.logs):
            seqs = list(compress(self.seqs, map(log.__eq__, self.logs)))
            first = last.get(log, 0) + 1
            if seqs != list(range(first, first + len(seqs))):
                return False
        return True

    def whole(self) -> set[WorkId]:
        """The numbered works that are described here with all their images stored here; none where anything is said
        twice. Of site `urls`, which describes nothing: all that are stored."""
        ids = self.ids
        kinds = set(map(type, chain(ids, self.works)))
        if kinds == {str}:
            return set(ids) if not self.works and len(set(map(bit_of, ids))) == len(ids) else set()
        counts = list(map(len, self.images))
        pairs = set(zip(ids, self.pages, strict=True))
        described = chain.from_iterable(map(repeat, self.works, counts))
        due = set(zip(described, map(_PAGE, chain.from_iterable(self.images)), strict=True))
        whole = set(self.works)
        if kinds != {int} or len(pairs) < len(ids) or len(due) < sum(counts):
            return set()
        whole.difference_update(map(itemgetter(0), pairs ^ due))
        return whole

    def sums(self, works: Set[WorkId]) -> tuple[int, int, Iterable[str]]:
        """What is stored of works: how many images, their bytes, their qualities."""
        here = list(map(works.__contains__, self.ids))
        return sum(here), sum(compress(self.sizes, here)), compress(self.qualities, here)

    def stored(self, but: Set[WorkId]) -> Iterator[tuple[Moment, WorkId, Page, int, str]]:
        """The `stored` lines of other works than these: moment, id, page, bytes, quality."""
        there = map(not_, map(but.__contains__, self.ids))
        rows = zip(self.stored_at, self.ids, self.pages, self.sizes, self.qualities, strict=True)
        for at, id, page, size, quality in compress(rows, there):
            yield (self.ts[at], self.logs[at], self.seqs[at]), id, page, size, quality

    def described(self, but: Set[WorkId]) -> Iterator[tuple[Moment, WorkId, tuple[Image, ...]]]:
        """The `described` lines of other works than these: moment, id, images."""
        there = map(not_, map(but.__contains__, self.works))
        for at, id, images in compress(zip(self.described_at, self.works, self.images, strict=True), there):
            yield (self.ts[at], self.logs[at], self.seqs[at]), id, images_in(images)
