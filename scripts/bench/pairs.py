"""How well `crawler pairs find` tells true pairs from links that only look like one, on families of the stand-in.

    python scripts/bench/pairs.py                  # seeds that had no part in the weights
    python scripts/bench/pairs.py --seeds 7 8 --families 200
    python scripts/bench/pairs.py --fit            # the weights of crawler/pairs/evidence.py, from other seeds

Nothing is crawled: what the stand-in would answer is read as a crawl's log has it (tests/pairs does crawl). Recall is
of true pairs of which both works are there; precision of all candidates. `--fit` finds the weights that are best for
what is true and not far from GUESS: the log loss, and half the squared distance from the guess.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from crawler.likeness.align import Print
from crawler.likeness.lines import lines_of
from crawler.likeness.pages import page_pairs
from crawler.origin import families
from crawler.origin.world import World
from crawler.pairs.evidence import (
    TAGS,
    WEIGHTS,
    Facts,
    Suggestion,
    facts_of,
    judged,
    promising,
    rivals,
    score_of,
    suggestions,
    weigh,
)
from crawler.sites.pixiv import work_of

FIT, TEST = (11, 12, 901, 902), (501, 502, 503)
GUESS = {
    "always": -2.5,
    "tag": 2.0,
    "title": 0.7,
    "words": 1.5,
    "else": -1.5,
    "told": 0.5,
    "sketch_tag": 1.5,
    "sketch_colored": -2.0,
    "older": 1.5,
    "younger": -4.0,
    "same_author": -0.7,
    "author_linked": 1.0,
    "mutual": 1.5,
    "back": -1.5,
    "first": 0.3,
    "compared": 0.0,
    "match": 1.0,
    "rival": -2.0,
}
Row = tuple[Suggestion, float | None, bool, bool]
"""A suggestion, the matcher's score, whether there is a rival, whether it is true."""


class Site:
    """A world, read."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.world = World(seed)
        self._facts: dict[int, Facts | None] = {}
        self._prints: dict[int, list[Print | None]] = {}

    def facts(self, id: int) -> Facts | None:
        """A work as a crawl without a rating filter knows it; None for one that is gone or hidden."""
        if id not in self._facts:
            raw = self.world.detail(id) if self.world.expected(id).outcome != "gone" else None
            self._facts[id] = None if raw is None else facts_of(work_of(json.loads(raw)["body"]))
        return self._facts[id]

    def known(self, ids: Iterable[int]) -> dict[int, Facts]:
        """These works, and those that links lead to from them, to their end."""
        found: dict[int, Facts] = {}
        todo = list(ids)
        while todo:
            facts = self.facts(id := todo.pop())
            if facts is not None and id not in found:
                found[id] = facts
                todo += [link.id for link in facts.links if promising(facts, link, TAGS)]
        return found

    def prints(self, id: int) -> list[Print | None]:
        """The pages of a work, as far as they are to be had."""
        if id not in self._prints:
            had = self.world.expected(id).images
            pages = [self.world.image_bytes(id, page, image.quality) for page, image in had.items() if page != "zip"]
            self._prints[id] = [Print(lines_of(Image.open(io.BytesIO(page)))) for page in pages]
        return self._prints[id]

    def true(self, colored: int, sketch: int) -> bool:
        """Whether the one is a colouring of the other."""
        member = families.member(self.seed, colored)
        return member is not None and member.of == sketch


def numbers_of(seed: int, count: int) -> range:
    """Families of a seed, elsewhere in each."""
    return range(seed * 37 % 5000, seed * 37 % 5000 + count)


def rows_of(seed: int, count: int) -> tuple[list[Row], int]:
    """Every suggestion with the matcher's score and whether it is true; and how many true pairs there are to find."""
    site, numbers = Site(seed), numbers_of(seed, count)
    told = [one.id for number in numbers for one in families.family(seed, number) if one.role != "sketch"]
    known = site.known([*told, *range(20_000_000, 20_000_000 + count)])
    suggested = suggestions(known, TAGS)
    scores: dict[int, float] = {}
    for number, one in enumerate(suggested):
        if pairs := page_pairs(site.prints(one.colored.id), site.prints(one.sketch.id)):
            scores[number] = round(pairs[0].match.score, 4)
    beaten = rivals(suggested, scores)
    rows: list[Row] = [
        (one, scores.get(number), number in beaten, site.true(one.colored.id, one.sketch.id))
        for number, one in enumerate(suggested)
    ]
    # Links also led to families that were not asked for: what is true of those counts, too.
    all_there = {(one.colored.id, one.sketch.id) for one, _, _, true in rows if true}
    for pair in families.true_pairs(seed, numbers):
        if pair.colored in known and site.facts(pair.sketch) is not None:
            all_there.add((pair.colored, pair.sketch))
    return rows, len(all_there)


def fitted(rows: Sequence[Row], steps: int = 2000) -> dict[str, float]:
    """The weights: steps that never overshoot, as no curvature is more than a quarter of the sums of squares."""
    names = list(GUESS)
    both = [(weigh(one, TAGS, score, rival=rival), true) for one, score, rival, true in rows]
    both += [(weigh(one, TAGS), true) for one, score, _, true in rows if score is not None]
    x = np.array([[weighed[name] for name in names] for weighed, _ in both])
    y = np.array([true for _, true in both], float)
    guess = np.array([GUESS[name] for name in names])
    w = guess.copy()
    bound = x.T @ x / 4 + np.eye(len(w))
    for _ in range(steps):
        w -= np.linalg.solve(bound, x.T @ (1 / (1 + np.exp(-x @ w)) - y) + (w - guess))
    return {name: round(float(value), 2) for name, value in zip(names, w, strict=True)}


def taken(rows: Sequence[Row], *, compared: bool) -> list[bool]:
    """Of a seed's suggestions those that `pairs find` makes candidates, with and without pictures: whether true."""
    scores = {number: row[1] for number, row in enumerate(rows) if compared and row[1] is not None}
    verdicts = judged([row[0] for row in rows], TAGS, scores)
    return [row[3] for row, (_, enough) in zip(rows, verdicts, strict=True) if enough]


def wrong(rows: Sequence[Row]) -> Iterator[Any]:
    """Those on the wrong side of one half."""
    for one, match, rival, true in rows:
        score = score_of(weigh(one, TAGS, match, rival=rival))
        if (score >= 0.5) != true:
            yield true, score, match, one.colored.id, one.sketch.id, one.teller.reading.words(one.link)[:80]


def main() -> None:
    """Fit or judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--families", type=int, default=60)
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    all_rows: list[Row] = []
    candidates: dict[bool, list[bool]] = {True: [], False: []}
    all_there = 0
    for seed in args.seeds or (FIT if args.fit else TEST):
        began = time.process_time()
        rows, there = rows_of(seed, args.families)
        all_rows, all_there = all_rows + rows, all_there + there
        print(f"seed {seed}: {there} true pairs, {len(rows)} links, {time.process_time() - began:.0f} s of CPU")
        for compared, found in candidates.items():
            found.extend(taken(rows, compared=compared))
        for one in wrong(rows):
            print("  ", *one)
    if args.fit:
        for name, weight in fitted(all_rows).items():
            print(f'    "{name}": {weight},  # was {WEIGHTS[name]}')
        return
    for compared, found in candidates.items():
        recall, precision = sum(found) / max(1, all_there), sum(found) / max(1, len(found))
        how = "with" if compared else "without"
        print(f"{how} pictures: recall {recall:.4f}, precision {precision:.4f} of {len(found)}")


if __name__ == "__main__":
    main()
