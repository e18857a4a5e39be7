"""Which page of a sketch belongs to which page of its colouring, judged by what the log knows: shapes. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from crawler.events import Stored
from crawler.model import Page

ALIKE = 0.03
"""Shapes whose ratios of width to height differ by less, as a share, are taken for the same."""


@dataclass(frozen=True, slots=True)
class Match:
    """The best of `candidates` pairs of pages. `score` 0 to 1; `sure`: no other pair comes near.

    `by`: `only` (there is one candidate), `shape` (the likest shape), or `order` (of likest shapes, the first).
    """

    colored_page: Page
    sketch_page: Page
    score: float
    by: str
    sure: bool
    candidates: int


def best(colored: Sequence[Stored], sketch: Sequence[Stored]) -> Match | None:
    """The likeliest pair of pages; None without pages on both sides. Zips are no candidates, unless all there is."""
    left = [s for s in colored if s.page != "zip"] or list(colored)
    right = [s for s in sketch if s.page != "zip"] or list(sketch)
    pairs = list(product(left, right))
    if not pairs:
        return None
    scored = [(_score(a, b), -abs(_number(a) - _number(b)), -_number(a), a, b) for a, b in pairs]
    top = max(scored, key=lambda s: s[:3])
    near = [s for s in scored if s[0] > top[0] - ALIKE]
    by = "only" if len(pairs) == 1 else "shape" if len(near) == 1 else "order"
    sure = by != "order" and top[0] > 1 - 5 * ALIKE
    return Match(top[3].page, top[4].page, round(top[0], 4), by, sure, len(pairs))


def _score(a: Stored, b: Stored) -> float:
    """1 for the same ratio of width to height, less the more they differ."""
    if not (a.width and a.height and b.width and b.height):
        return 0.0
    return math.exp(-abs(math.log(a.width / a.height) - math.log(b.width / b.height)))


def _number(stored: Stored) -> int:
    return stored.page if isinstance(stored.page, int) else 0
