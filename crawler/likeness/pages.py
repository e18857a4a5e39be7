"""Which page of a colouring belongs to which page of its sketch: the best of all pairs of pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from crawler.likeness.align import Match, Print, align, search

MOST_PAGES = 24
"""Pages of a work that are looked at, from the first on."""
MOST_LOOKS = 64
"""Pairs of pages that are looked at closely; of more, the best that the search found."""
LIKELY = 0.5
"""Works whose best pages score less are in doubt."""
WEIGHTS = (1.0, 6.0, 3.0, 1.0, 3.0)
"""Of the score (as log odds, bounded), the colouring's tones, `seen`, `fills`, and the sketch's paint (against it) in
the choice among pages that are likely."""


@dataclass(frozen=True, slots=True)
class PagePair:
    """Two pages by their places in the lists, how well their lines agree, and how good a choice they are."""

    colored: int
    sketch: int
    match: Match
    rank: float


def page_pairs(colored: Sequence[Print | None], sketch: Sequence[Print | None]) -> list[PagePair]:
    """All pairs of pages, best choice first; None stands for a page that could not be read.

    Pages of which the lines agree come before those of which they do not; among them a finished colouring before the
    line art, parts and sheets that show how it was made, and a line drawing before colours that were tried on it.
    """
    places = [(i, j) for i, j in product(range(len(colored[:MOST_PAGES])), range(len(sketch[:MOST_PAGES])))]
    pairs = [(i, j, a, b) for i, j in places if (a := colored[i]) is not None and (b := sketch[j]) is not None]
    if len(pairs) > MOST_LOOKS:
        pairs.sort(key=lambda p: (-search(p[2], p[3])[0].worth, p[0], p[1]))
        del pairs[MOST_LOOKS:]
    found = [PagePair(i, j, match := align(a, b), _rank(a, b, match)) for i, j, a, b in pairs]
    return sorted(found, key=lambda pair: (-pair.rank, pair.colored, pair.sketch))


def _rank(a: Print, b: Print, match: Match) -> float:
    odds = math.log((match.score + 1e-6) / (1 - match.score + 1e-6))
    odds_weight, tones, seen, fills, paint = WEIGHTS
    rank = odds_weight * max(-8.0, min(3.0, odds))
    return rank + tones * a.lines.tones + seen * match.seen + fills * match.fills - paint * b.lines.painted
