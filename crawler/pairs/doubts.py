"""What the line matcher says of listed pairs, found while a review is on: the doubtful ones come to the top."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from crawler.dataset.columns import row_of
from crawler.dataset.index import Index
from crawler.dataset.splits import DEFAULT
from crawler.pairs.judgements import Pair

if TYPE_CHECKING:
    from crawler.dataset.matching import Matched, Sides

Tell = Callable[[Pair, Mapping[str, Any]], None]


def able() -> bool:
    """Whether the matcher can run here: it needs numpy (extra [dataset])."""
    return find_spec("numpy") is not None


def match(directory: Path, pairs: Sequence[Pair], tell: Tell, stopped: Event) -> None:
    """Match the pages of each pair, in order, one process at it, until `stopped`; `tell` hears of each, as of a
    candidate's `match`. What a `pairs find` or an earlier review found is not done again. Blocks. Raises OSError,
    LogDamaged; RuntimeError when the process died.
    """
    from crawler.dataset.matching import Desk, matched  # loads much, and most reviews do not need it
    from crawler.pairs.find import NOTES

    private = directory / ".crawl"
    with Index(directory / "log.jsonl", private / f"doubts-{os.getpid()}.sqlite") as index:

        def sides() -> Iterator[tuple[int, Sides]]:
            for number, pair in enumerate(pairs):
                if stopped.is_set():
                    return
                yield number, tuple([row_of(item, DEFAULT) for item in index.of(id)] for id in pair)  # pyright: ignore[reportReturnType]

        for number, result in matched(Desk(directory, private / NOTES, 1), sides()):
            if stopped.is_set():
                return
            pages = tuple([item.stored.page for item in index.of(id)] for id in pairs[number])
            tell(pairs[number], _told(result, pages[0], pages[1]))


def _told(result: Matched, colored: Sequence[object], sketch: Sequence[object]) -> dict[str, Any]:
    if not result.found:  # nothing that could be compared: as doubtful as it gets
        return {"score": 0.0}
    best = result.found[0]
    return {
        "colored_page": colored[best["colored"]],
        "sketch_page": sketch[best["sketch"]],
        "score": best["score"],
        "flip": best["flip"],
        "place": [best["left"], best["top"], best["width"], best["height"]],
    }
