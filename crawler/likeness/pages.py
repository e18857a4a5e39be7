"""Which page of a colouring belongs to which page of its sketch: the best of all pairs of pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from crawler.likeness.align import Match, Print, align, search
from crawler.likeness.lines import Lines

MOST_PAGES = 24
"""Pages of a work that are looked at, from the first on."""
MOST_LOOKS = 64
"""Pairs of pages that are looked at closely; of more, the best that the search found."""
LIKELY = 0.5
"""Works whose best pages score less are in doubt."""
ODDS, TONES, PAINT, SEEN, FILLS, SKETCH_PAINT, SKETCH_TONES, LATER, SKETCH_LATER = (
    *(0.84, 8.1, 2.2, 4.4, 3.9),
    *(-7.0, -4.1, -1.0, -0.75),
)
"""What counts in the choice among the pages of two works: the score's log odds; the colouring's tones, and whether it
is painted at all; `seen` and `fills`; against it, the sketch's paint and tones, and each page that comes before (LATEST
at most). Fitted on families of the stand-in."""
LATEST = 3


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
    found = [_ranked(PagePair(i, j, align(a, b), 0.0), a.lines, b.lines) for i, j, a, b in pairs]
    return sorted(found, key=lambda pair: (-pair.rank, pair.colored, pair.sketch))


def _ranked(pair: PagePair, a: Lines, b: Lines) -> PagePair:
    return replace(pair, rank=_rank(pair, a, b))


def _rank(pair: PagePair, a: Lines, b: Lines) -> float:
    odds = math.log((pair.match.score + 1e-6) / (1 - pair.match.score + 1e-6))
    rank = ODDS * max(-6.0, min(2.0, odds)) + SEEN * pair.match.seen + FILLS * pair.match.fills
    rank += TONES * a.tones + PAINT * min(1.0, 5 * a.painted) + SKETCH_PAINT * b.painted + SKETCH_TONES * b.tones
    return rank + LATER * min(pair.colored, LATEST) + SKETCH_LATER * min(pair.sketch, LATEST)
