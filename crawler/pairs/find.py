"""Finds pairs in what a crawl knows: which works are worth asking for, which links suggest pairs, and how likely."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crawler.dataset.columns import row_of
from crawler.dataset.index import Index
from crawler.dataset.matching import Desk, Matched, Sides, matched
from crawler.dataset.splits import DEFAULT
from crawler.disk import Disk
from crawler.model import Page
from crawler.pairs.candidates import Candidate
from crawler.pairs.evidence import (
    Facts,
    Suggestion,
    facts_of,
    judged,
    promising,
    suggestions,
    told,
)
from crawler.rules.gone import GONE_STRENGTH
from crawler.within import make_private

FOLDER = "pairs"
"""Where, in a crawl's folder, what belongs to pairs lies."""
IDS = "works.txt"
NOTES = "pairs-matches.jsonl"
"""Under .crawl/: what the line matcher said, by the digests of the pages; made anew when it is lost."""


@dataclass(slots=True)
class Look:
    """What the log says of links. `works`: those that link to others or are linked to. `described`: all there are.

    `known`: ids of all works of which the log says anything. `unknown`: linked works worth asking for of which nothing
    is known yet, `unfinished`: works of suggested pairs that lack images. `gone`: linked works that cannot be had, by
    reason; `passed`: links that nobody would take for one to a sketch, to works that are not known.
    """

    works: dict[int, Facts] = field(default_factory=dict[int, Facts])
    described: int = 0
    known: list[int] = field(default_factory=list[int])
    unknown: list[int] = field(default_factory=list[int])
    unfinished: list[int] = field(default_factory=list[int])
    gone: Counter[str] = field(default_factory=Counter[str])
    passed: int = 0
    suggested: list[Suggestion] = field(default_factory=list[Suggestion])


class Folder:
    """A crawl's folder, looked at through its log. Closes with `with`. Raises LogDamaged, OSError (no log)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        private = make_private(directory)
        self._index = Index(directory / "log.jsonl", private / f"find-{os.getpid()}.sqlite")

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self._index.__exit__()

    def look(self, tags: Sequence[str]) -> Look:
        """Read every description for links. Blocking: some ten thousand works a second."""
        found = Look()
        index, described = self._index, set[int]()
        wanted: dict[int, bool] = {}
        for id in index.described():
            if not isinstance(id, int) or (work := index.work(id)) is None:
                continue
            described.add(id)
            facts = facts_of(work)
            if links := facts.links:
                found.works[id] = facts
            for link in links:
                wanted[link.id] = wanted.get(link.id, False) or promising(facts, link, tags)
        found.described = len(described)
        for id, worth in sorted(wanted.items()):
            if id in described:
                if id not in found.works and (work := index.work(id)) is not None:
                    found.works[id] = facts_of(work)
            elif (reason := index.absence(id)) in GONE_STRENGTH:
                found.gone[reason] += worth
            elif worth:
                found.unknown.append(id)
            else:
                found.passed += 1
        found.suggested = sorted(suggestions(found.works, tags), key=lambda one: (one.colored.id, one.sketch.id))
        found.known = sorted(index.state.known())
        pairs = {side.id for one in found.suggested for side in (one.colored, one.sketch)}
        found.unfinished = [id for id in sorted(pairs) if index.state.todo(id) is not None]
        return found

    def matches(self, suggested: Sequence[Suggestion], jobs: int) -> dict[int, Matched]:
        """What the line matcher says, by place in `suggested`, of those that have images on both sides."""
        desk = Desk(self.directory, self.directory / ".crawl" / NOTES, jobs)
        return dict(matched(desk, self._sides(suggested)))

    def _sides(self, suggested: Sequence[Suggestion]) -> Iterator[tuple[int, Sides]]:
        for number, one in enumerate(suggested):
            left, right = ([row_of(item, DEFAULT) for item in self._index.of(side.id)]
                           for side in (one.colored, one.sketch))  # fmt: skip
            if left and right:
                yield number, (left, right)

    def pages(self, id: int) -> list[Page]:
        """The pages of a work that are stored, in order."""
        return [item.stored.page for item in self._index.of(id)]


def candidates(
    folder: Folder, look: Look, tags: Sequence[str], matches: dict[int, Matched], least: float | None = None
) -> list[Candidate]:
    """The pairs that score at least `least` (as evidence.judged has it), in the order of candidates.jsonl."""
    found: list[Candidate] = []
    scores = {number: float(said.found[0]["score"]) for number, said in matches.items() if said.found}
    verdicts = judged(look.suggested, tags, scores, least)
    for number, (one, (score, enough)) in enumerate(zip(look.suggested, verdicts, strict=True)):
        best = matches[number].found[0] if number in scores else None
        if not enough:
            continue
        match: dict[str, Any] | None = None
        if best is not None:
            pages = folder.pages(one.colored.id), folder.pages(one.sketch.id)
            match = {
                "colored_page": pages[0][best["colored"]],
                "sketch_page": pages[1][best["sketch"]],
                "score": best["score"],
                "flip": best["flip"],
                "place": [best["left"], best["top"], best["width"], best["height"]],
            }
        found.append(Candidate(one.colored.id, one.sketch.id, score, match, told(one, tags)))
    return sorted(found, key=lambda one: (-one.score, one.colored, one.sketch))


def write_ids(path: Path, ids: Iterable[int]) -> None:
    """Replace the list of works, durably. Raises OSError."""
    disk = Disk()
    disk.make_folder(path.parent)
    part = path.with_name(path.name + ".part")
    file = disk.fresh(part)
    try:
        disk.write(file, "".join(f"{id}\n" for id in sorted(set(ids))).encode())
        disk.sync(file)
    finally:
        disk.close(file)
    disk.replace(part, path)
    disk.sync_folder(path.parent)
