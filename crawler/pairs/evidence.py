"""What speaks for a pair of sketch and colouring, and how much: two works' metadata and the link between them. Pure.

The score is a logistic model: each piece of evidence adds its weight to the log odds. The weights began as a person's
guess and were moved by what is true in worlds of the stand-in, no further than those could tell
(scripts/bench/pairs.py --fit); so what the stand-in does not vary keeps about the weight of the guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crawler.model import Work
from crawler.sources.links import Link, Reading, read_links

TAGS = ("塗ってみた", "塗らせていただきました")
"""The tags that were searched for the seed's own list of pairs (shared data's README): what colourings are tagged."""
COLORING = re.compile(
    r"塗|ぬっ|ぬら|ぬり|ヌリ|ﾇﾘ|着色|彩色|色付|色づけ|色を[付つ]|線画|線を|借り|お借"
    r"|\bcolou?r|line ?-?art|\blines?\b|coloriage",
    re.IGNORECASE,
)
"""Words of somebody who coloured, or was coloured."""
ELSE = re.compile(
    r"続き|つづき|憧れ|影響|参考|リスペクト|模写|オマージュ|前に|以前|前回|前作|過去|昔|別の|次回|関連|宣伝|描いてみ|自分で"
    r"|inspired|previous|earlier|my other|sequel|homage|own drawing|continu",
    re.IGNORECASE,
)
"""Words about a link for some other reason."""
SKETCH_TAGS = re.compile(
    r"線画|塗り絵|ぬりえ|塗って|塗っても|塗ってください|配布|line ?-?art|\blines?\b|colou?ring|free to", re.IGNORECASE
)
MOST_ODDS = 5.0
"""Log odds of the line matcher beyond which it cannot be surer."""
WEIGHTS: Mapping[str, float] = {
    "always": -3.72,
    "tag": 2.84,  # the colouring has one of the tags
    "title": 0.22,  # or says so in its title
    "words": 0.41,  # the words about the link are of colouring
    "else": -3.34,  # ... or of something else
    "told": 0.64,  # the description speaks of colouring somewhere
    "sketch_tag": 2.89,  # the sketch has a tag of line art that is to be coloured
    "sketch_colored": -2.0,  # the sketch says that it is a colouring itself
    "older": 0.28,  # the sketch is older
    "younger": -4.0,
    "same_author": -0.48,
    "author_linked": 1.0,  # the colouring's description links to the sketch's artist too
    "mutual": 1.7,  # each links to the other
    "back": -1.5,  # only the sketch's description links
    "first": -0.3,  # the first work that the description links to
    "compared": 0.24,  # the line matcher had pages of both
    "match": 1.38,  # its log odds, bounded
    "rival": -2.73,  # another sketch, linked too, fits the colouring far better
}
LEAST, LEAST_UNSEEN = 0.3, 0.1
"""Scores from which on a pair is a candidate: where pictures were compared, and where only words speak, which are right
less often and are not to lose what a look at it would find."""
FAR_BETTER = 1.0
"""By so much more log odds of the matcher."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a work that bears on pairs. `moment`: UTC seconds of its upload, None where it is not told."""

    id: int
    title: str
    tags: tuple[str, ...]
    created: str
    moment: float | None
    page_count: int
    user_id: int
    reading: Reading

    @property
    def links(self) -> list[Link]:
        """The links to other works; those to itself are left out."""
        return [link for link in self.reading.links if link.kind == "work" and link.id != self.id]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A pair that a link suggests. `link` stands in the description of the work `teller`."""

    colored: Facts
    sketch: Facts
    link: Link
    teller: Facts
    mutual: bool = False


def facts_of(work: Work) -> Facts:
    """What bears on pairs."""
    created = work.created or work.uploaded
    tags = tuple(tag.name for tag in work.tags)
    reading = read_links(work.description)
    return Facts(work.id, work.title, tags, created, _moment(created), work.page_count, work.user_id, reading)


def about(facts: Facts, link: Link) -> str:
    """The words that a link is told with: its line, up to the next links; where that is bare, the lines next to it."""
    text, links = facts.reading.text, facts.reading.links
    floor = max((one.end for one in links if one.end <= link.start), default=0)
    ceiling = min((one.start for one in links if one.start >= link.end), default=len(text))
    before, after = text[floor : link.start], text[link.end : ceiling]
    line = f"{before.rpartition(chr(10))[2]} {after.partition(chr(10))[0]}"
    if re.search(r"\w", line):
        return line
    lines = [one for one in before.split("\n") if re.search(r"\w", one)][-1:]
    return " ".join(lines + [one for one in after.split("\n") if re.search(r"\w", one)][:1])


def promising(facts: Facts, link: Link, tags: Sequence[str]) -> bool:
    """Whether a work that is not known yet is worth asking for: something in the linking work speaks of colouring."""
    return bool(set(tags) & set(facts.tags) or COLORING.search(about(facts, link)) or COLORING.search(facts.title))


def rivals(suggested: Sequence[Suggestion], scores: Mapping[int, float]) -> set[int]:
    """Suggestions (by their places) of whose colouring another one's sketch has far better lines: it is of one sketch.

    `scores`: the line matcher's, by the same places.
    """
    best: dict[int, float] = {}
    for number, score in scores.items():
        colored = suggested[number].colored.id
        best[colored] = max(best.get(colored, -MOST_ODDS), odds_of(score))
    fits = {colored: odds for colored, odds in best.items() if odds > 0}
    return {n for n, score in scores.items() if odds_of(score) + FAR_BETTER <= fits.get(suggested[n].colored.id, -9)}


def weigh(
    suggestion: Suggestion, tags: Sequence[str], match: float | None = None, *, rival: bool = False
) -> dict[str, float]:
    """How much of each piece of evidence there is, by the names of WEIGHTS.

    `match`: the line matcher's score; `rival`: see `rivals`.
    """
    colored, sketch, teller = suggestion.colored, suggestion.sketch, suggestion.teller
    words = about(teller, suggestion.link)
    older = is_older(sketch, colored)
    known = {
        "always": True,
        "tag": bool(set(tags) & set(colored.tags)),
        "title": bool(COLORING.search(colored.title)),
        "words": bool(COLORING.search(words)),
        "else": bool(ELSE.search(words)),
        "told": bool(COLORING.search(teller.reading.text)),
        "sketch_tag": any(SKETCH_TAGS.search(tag) and tag not in tags for tag in sketch.tags),
        "sketch_colored": bool(set(tags) & set(sketch.tags)),
        "older": older is True,
        "younger": older is False,
        "same_author": same_author(colored, sketch),
        "author_linked": any(one.kind == "user" and one.id == sketch.user_id for one in colored.reading.links),
        "mutual": suggestion.mutual,
        "back": teller is sketch and not suggestion.mutual,
        "first": teller.links[:1] == [suggestion.link],
        "compared": match is not None,
        "rival": rival,
    }
    return {name: float(value) for name, value in known.items()} | {"match": 0.0 if match is None else odds_of(match)}


def odds_of(score: float) -> float:
    """The log odds of a score, within MOST_ODDS."""
    return max(-MOST_ODDS, min(MOST_ODDS, math.log((score + 1e-9) / (1 - score + 1e-9))))


def score_of(weighed: Mapping[str, float]) -> float:
    """0 to 1: how likely the pair is one."""
    return round(1 / (1 + math.exp(-sum(WEIGHTS[name] * value for name, value in weighed.items()))), 4)


def judged(
    suggested: Sequence[Suggestion], tags: Sequence[str], scores: Mapping[int, float], least: float | None = None
) -> list[tuple[float, bool]]:
    """How likely each suggestion is, and whether that is enough to be a candidate: at least `least` (None: LEAST, and
    LEAST_UNSEEN where nothing was compared). `scores`: the line matcher's, by place in `suggested`."""
    beaten = rivals(suggested, scores)
    found: list[tuple[float, bool]] = []
    for number, one in enumerate(suggested):
        score = score_of(weigh(one, tags, scores.get(number), rival=number in beaten))
        usual = LEAST if number in scores else LEAST_UNSEEN
        found.append((score, score >= (usual if least is None else least)))
    return found


def same_author(one: Facts, other: Facts) -> bool:
    """Whether both are of one artist, as far as is known."""
    return one.user_id == other.user_id and one.user_id > 0


def is_older(one: Facts, other: Facts) -> bool | None:
    """Whether a work was there before another; None where they are of the same minute.

    The site numbers works as they come; dates decide where both are told.
    """
    if one.moment is not None and other.moment is not None:
        return None if one.moment == other.moment else one.moment < other.moment
    return one.id < other.id


def told(suggestion: Suggestion, tags: Sequence[str]) -> dict[str, Any]:
    """The evidence as candidates.jsonl has it."""
    colored, sketch, link = suggestion.colored, suggestion.sketch, suggestion.link
    return {
        "tags": [tag for tag in colored.tags if tag in tags],
        "link": link.text,
        "form": link.form,
        "words": suggestion.teller.reading.words(link),
        "dates": [colored.created, sketch.created],
        "pages": [colored.page_count, sketch.page_count],
        "same_author": same_author(colored, sketch),
        "older": is_older(sketch, colored) is True,
        "linked_by": "sketch" if suggestion.teller is sketch else "colored",
        "mutual": suggestion.mutual,
    }


def suggestions(works: Mapping[int, Facts], tags: Sequence[str]) -> list[Suggestion]:
    """The pairs that links among these works suggest, each two works once, the likelier way around."""
    best: dict[frozenset[int], Suggestion] = {}
    ways: dict[frozenset[int], set[int]] = {}
    for id in sorted(works):
        for link in works[id].links:
            if (other := works.get(link.id)) is None:
                continue
            key = frozenset((id, link.id))
            ways.setdefault(key, set()).add(id)
            here = works[id]
            for one in (Suggestion(here, other, link, here), Suggestion(other, here, link, here)):
                if key not in best or score_of(weigh(one, tags)) > score_of(weigh(best[key], tags)):
                    best[key] = one
    return [
        Suggestion(one.colored, one.sketch, one.link, one.teller, mutual=len(ways[key]) == 2)
        for key, one in best.items()
    ]


def _moment(date: str) -> float | None:
    try:
        return datetime.fromisoformat(date).timestamp() if "+" in date or date.endswith("Z") else None
    except (ValueError, OverflowError):
        return None
