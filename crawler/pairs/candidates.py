"""candidates.jsonl: pairs that descriptions suggest, with the evidence; one JSON object a line, best first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from crawler.within import fresh

NAME = "candidates.jsonl"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pair that may be one. `score`: 0 to 1, how likely it is from all evidence.

    `match`: {colored_page, sketch_page, score, flip, place} from the line matcher, None where nothing was compared;
    place: where the sketch lies on the colouring (left, top, width, height in shares of its longer side).
    `evidence`: {tags, link, form, words, dates, pages, same_author, older}; the first of two is the colouring's.
    """

    colored: int
    sketch: int
    score: float
    match: Mapping[str, Any] | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])


def write_candidates(path: Path, found: Iterable[Candidate]) -> None:
    """Replace the file, best first. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with fresh(part) as file:
        for one in sorted(found, key=lambda one: (-one.score, one.colored, one.sketch)):
            file.write(orjson.dumps(asdict(one)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_candidates(path: Path) -> list[Candidate]:
    """The candidates in their order. Raises OSError; ValueError, naming file and line, for what is none."""
    found: list[Candidate] = []
    for number, raw in enumerate(path.read_bytes().splitlines(), 1):
        try:
            line = orjson.loads(raw)
            one = Candidate(line["colored"], line["sketch"], float(line["score"]), line["match"], line["evidence"])
            if not _sound(one):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{path}:{number}: not a candidate pair") from None
        found.append(one)
    return found


def _sound(one: Candidate) -> bool:
    """Whether it is of the right types: the file can be anybody's."""
    parts = [one.evidence] if one.match is None else [one.evidence, one.match]
    told = 0.0 if one.match is None else one.match["score"]
    ids = all(_is(int, id) and id > 0 for id in (one.colored, one.sketch))
    return ids and 0 <= one.score <= 1 and (_is(int, told) or _is(float, told)) and all(_is(dict, p) for p in parts)


def _is(kind: type, value: object) -> bool:
    return type(value) is kind
