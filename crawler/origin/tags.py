"""What a tag of the stand-in holds: a function of (seed, mix, scale, tag), as a shelf of ids that nobody lists. Pure.

A tag is a stem and, if it names one, a number: "猫500users入り" holds the popular part of "猫", and within it lies
"猫1000users入り". One stem in twelve holds nothing, one in 120 so much that its "500users入り" exceeds 60,000 works;
one in two has had days on which more was uploaded than in a usual month; and the stems of one bucket of 64 have some
works in common. The tags of colourings hold works of families instead. By partial match a tag holds what it holds by
exact match and some more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from crawler.origin import families
from crawler.origin.dice import Dice
from crawler.origin.strands import Shelf, Strand
from crawler.origin.work import Mix, first_of, moment_of

LEVELS = (0, 100, 500, 1000, 2500, 5000, 10_000, 20_000, 50_000)
LAST = 143_000_064
"""Ids from here on are of works that appear while someone reads (see `fresh`)."""
BUCKETS = 64
_POPULAR = re.compile(r"(\d{1,9})users入り")
STEP = 128
"""Odd ids are for the crowded days; even ones have a place in `STEP` for every strand that a shelf may have."""
_PEAK_LEVEL = 3
_LOOSE = 4
_COLORED = frozenset(tag[0] for tag in families.TAGS_COLORED)


@dataclass(frozen=True, slots=True)
class Soil:
    """What tags grow on; `scale` multiplies what they hold."""

    seed: int
    mix: Mix
    scale: float = 1.0


def stem_of(tag: str) -> tuple[str, int]:
    """A tag without its number of users, and that number; 0 if it names none."""
    found = _POPULAR.search(tag)
    return (tag[: found.start()] + tag[found.end() :], int(found[1])) if found else (tag, 0)


def shelf(soil: Soil, tag: str, *, exact: bool, mode: str, fresh: int = 0) -> Shelf:
    """The works of `tag`; `mode` is all, safe or r18; `fresh` of them have appeared since the world was made.

    The more there are of those, the fewer change: what was there stays, and they are newer than all else.
    """
    stem, floor = stem_of(tag)
    if tag in _COLORED:
        return Shelf(soil.seed, soil.mix, [_families(soil)] if mode != "r18" else [])
    strands = [
        strand
        for strand in strands_of(soil, stem, fresh)
        if LEVELS[strand.level] >= floor and not (exact and strand.loose) and mode in ("all", strand.want)
    ]
    return Shelf(soil.seed, soil.mix, strands)


def strands_of(soil: Soil, stem: str, fresh: int = 0) -> list[Strand]:
    """All strands of a stem."""
    return [*_family(soil, stem), *_shared(soil, stem), *_fresh(soil.seed, stem, fresh)]


def is_loose(id: int) -> bool:
    """Whether a work is in lists of its tags by partial match only."""
    return id < LAST and id % 2 == 0 and id % STEP // 2 % 6 >= _LOOSE


def members(soil: Soil, tag: str, *, exact: bool, mode: str, fresh: int = 0) -> Iterator[int]:
    """All works of `shelf`, in no order: every strand from its first to its last."""
    for strand in shelf(soil, tag, exact=exact, mode=mode, fresh=fresh).strands:
        for rank in range(strand.count):
            yield strand.member(soil.seed, soil.mix, rank)


def size_of(seed: int, stem: str) -> int:
    """How many works of a stem have 100 users or more, 0 if it holds nothing at all, before `scale`."""
    dice = Dice(seed, "stem", stem)
    draw, spread = dice.unit(), dice.unit()
    if draw < 1 / 12:
        return 0
    if draw < 1 / 12 + 1 / 120:
        return int(175_000 + 90_000 * spread)
    return min(60_000, int(40 * (1 - spread) ** -0.9))


def _families(soil: Soil) -> Strand:
    """Colourings with links to line drawings, one of eight families: what `crawler pairs` looks for."""
    count = min(int(1500 * soil.scale), families.COUNT // 8)
    return Strand("families", families.COLORED, 8 * families.ROOM, count, families.ROOM)


def _family(soil: Soil, stem: str) -> Iterable[Strand]:
    """The strands that are the stem's alone."""
    size = size_of(soil.seed, stem) * soil.scale
    if size <= 0:
        return
    dice = Dice(soil.seed, "life", stem)
    born = dice.between(1_000_000, 100_000_000) // STEP * STEP
    for level in range(len(LEVELS)):
        count = size * _share(level)
        yield from _rated(soil.mix, f"own {stem}", born, level, (count, 0), dice)
        yield from _rated(soil.mix, f"loose {stem}", born, level, (count * 0.15, _LOOSE), dice)
    if dice.chance(0.5) and size >= 200:
        yield from _peaks(soil.mix, dice, stem, born, int(size))


def _shared(soil: Soil, stem: str) -> Iterable[Strand]:
    """The works that a stem has in common with all others of its bucket."""
    if size_of(soil.seed, stem) == 0:
        return
    bucket = Dice(soil.seed, "bucket", stem).between(1, BUCKETS)
    dice = Dice(soil.seed, "shared", bucket)
    size = dice.between(0, 120) * soil.scale
    for level in range(len(LEVELS)):
        yield from _rated(
            soil.mix, f"shared {bucket}", 40_000_000 // STEP * STEP, level, (size * _share(level), 2), dice
        )


def _share(level: int) -> float:
    """How many works reach a level and not the next, for each that has 100 users: it falls as their 0.6th power."""
    here, above = (
        0.0 if place >= len(LEVELS) else 2.0 if place == 0 else (100 / LEVELS[place]) ** 0.6
        for place in (level, level + 1)
    )
    return here - above


def _rated(mix: Mix, key: str, born: int, level: int, size: tuple[float, int], dice: Dice) -> Iterable[Strand]:
    """Two strands of `size[0]` works in all: those for everyone, and those rated R-18; `size[1]` is their place."""
    whole, kind = size
    adult = min(1.0, mix.r18 + mix.r18g)
    for place, (want, share) in enumerate((("safe", 1 - adult), ("r18", adult))):
        count = min(int(whole * share + dice.unit()), (LAST - born) // 1024) if share > 0 else 0
        width = (LAST - born) // max(1, count) // STEP * STEP
        offset = 2 * (level * 6 + kind + place)
        yield Strand(f"{key} {want}", born, width, count, STEP, offset, want, level, loose=kind == _LOOSE)


def _peaks(mix: Mix, dice: Dice, stem: str, born: int, size: int) -> Iterable[Strand]:
    """Some crowded days, each a year at least from the next."""
    year = timedelta(days=365)
    day = moment_of(born).date() + timedelta(days=dice.between(1, 360))
    for _ in range(dice.between(1, 3)):
        low, high = (first_of(day + timedelta(days=days)) for days in (0, 1))
        low, room = low + low % 2, (high - low - 1) // 16
        count = min(dice.between(60, 900), room, size // 3)
        if high >= LAST or count <= 0:
            return
        if mix.r18 + mix.r18g < 1:
            yield Strand(
                f"peak {stem} {day}", low, (high - low - 1) // count // 2 * 2, count, 2, 1, "safe", _PEAK_LEVEL
            )
        day += year + timedelta(days=dice.between(0, 200))


def _fresh(seed: int, stem: str, fresh: int) -> Iterable[Strand]:
    if fresh > 0 and size_of(seed, stem) > 0:
        yield Strand(f"fresh {stem}", LAST, STEP, fresh, 2, 1, "safe", len(LEVELS) - 1)
