"""The pairs that are to be judged, with what is known of each: from candidates.jsonl, or from a csv of pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crawler.dataset.pairs import read_pairs
from crawler.pairs.candidates import read_candidates
from crawler.pairs.judgements import Pair


@dataclass(frozen=True, slots=True)
class Hint:
    """What is known of a pair before anybody looks. `match` and `evidence` as of a Candidate."""

    score: float | None = None
    match: Mapping[str, Any] | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Listing:
    """Pairs in the order of their file. `claimed`: somebody says that each is a pair, so what is wrong is looked for.

    `digest` names the set of pairs: the same pairs have the same random order, whatever else their files say.
    """

    pairs: dict[Pair, Hint]
    claimed: bool = False
    problems: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Hexadecimal, of the set."""
        return hashlib.sha256(repr(sorted(self.pairs)).encode()).hexdigest()[:16]


def from_candidates(path: Path) -> Listing:
    """The pairs that `crawler pairs find` found. Raises OSError, ValueError (naming file and line)."""
    found = read_candidates(path)
    return Listing({Pair(one.colored, one.sketch): Hint(one.score, one.match, one.evidence) for one in found})


def from_csv(path: Path, hints: Mapping[Pair, Hint]) -> Listing:
    """The pairs of a `colored,sketch` csv; what `hints` say of them too. Raises OSError, SourceError."""
    listed = read_pairs(path)
    pairs = [Pair(*pair) for pair in listed.pairs]
    return Listing({pair: _matched(hints.get(pair)) for pair in pairs}, True, tuple(map(str, listed.problems)))


def _matched(hint: Hint | None) -> Hint:
    """Of a list that claims to be right, what its links say is known: what counts is what the lines say."""
    if hint is None or hint.match is None:
        return Hint(evidence={} if hint is None else hint.evidence)
    return Hint(float(hint.match["score"]), hint.match, hint.evidence)
