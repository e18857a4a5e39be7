"""Which of some known tags hold a work, the inverse of what a tag holds: so details name what lists found. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from crawler.origin.dice import Dice
from crawler.origin.strands import Strand
from crawler.origin.tags import LEVELS, STEP, Soil, stem_of, strands_of
from crawler.origin.work import glance

_NEW = 100_000
"""As many works of a tag that appear while someone reads are known."""


class Carried:
    """The tags among `tags` that each work has, about a microsecond for each of them."""

    def __init__(self, soil: Soil, tags: Iterable[str]) -> None:
        self._soil = soil
        self._asked: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for tag in tags:
            stem, floor = stem_of(tag)
            self._asked[stem].append((floor, tag))
        self._strands: defaultdict[int, list[tuple[Strand, str]]] = defaultdict(list)
        for stem in self._asked:
            for strand in strands_of(soil, stem, _NEW):
                place = strand.offset if strand.stride == STEP else -1
                if strand.count > 0:
                    self._strands[place].append((strand, stem))
        adult = min(1.0, soil.mix.r18 + soil.mix.r18g)
        self._steps = {"safe": _most((1 - soil.mix.dead) * (1 - adult)), "r18": _most((1 - soil.mix.dead) * adult)}

    def of(self, id: int) -> list[str]:
        """The tags of work `id`; those that hold it by partial match only in the form in which it has them."""
        near = self._strands.get(-1 if id % 2 else id % STEP)
        if not near or glance(self._soil.seed, self._soil.mix, id) < 0:
            return []
        found: list[str] = []
        known: dict[str, bool] = {}
        for strand, stem in near:
            if not strand.first <= id < strand.first + strand.count * strand.width:
                continue
            if strand.key not in known:
                known[strand.key] = self._holds(strand, id)
            if known[strand.key]:
                level, tail = LEVELS[strand.level], "系" if strand.loose else ""
                found += [tag + tail for floor, tag in self._asked[stem] if floor <= level]
        return found

    def _holds(self, strand: Strand, id: int) -> bool:
        rank, place = divmod(id - strand.first, strand.width)
        places = strand.width // strand.stride
        start = Dice(self._soil.seed, strand.key, strand.level, rank).word() % places
        if (place // strand.stride - start) % places > self._steps[strand.want]:
            return False  # a nearer one would have been taken
        return strand.member(self._soil.seed, self._soil.mix, rank) == id


def _most(share: float) -> float:
    """How many ids must be looked at, of which `share` fit, to be as good as sure that one did."""
    return math.inf if share < 0.02 else math.log(1e-15) / math.log1p(-min(share, 0.999))
