"""Puts the line matcher to the test: pairs of works from both generators, with what is right known."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import other_pairs
from PIL import Image

from crawler.likeness.align import Print
from crawler.likeness.lines import lines_of
from crawler.likeness.pages import PagePair, page_pairs
from crawler.origin import families
from crawler.origin.work import Mix
from crawler.origin.world import World

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


TRAITS = (
    *("cropped", "larger canvas", "mirrored", "recoloured", "background", "strong shade", "weak lines"),
    "several pages",
)
"""What may lie between a sketch and its colouring."""


@dataclass(frozen=True)
class Trial:
    """Two works: their pages, the pairs of pages that are right (none: it is no pair of works), what was done."""

    name: str
    colored: list[Image.Image]
    sketch: list[Image.Image]
    right: frozenset[tuple[int, int]] = frozenset()
    traits: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Result:
    """What came of a trial. `pairs`: all pairs of pages, best choice first."""

    name: str
    right: frozenset[tuple[int, int]]
    pairs: list[PagePair]
    traits: frozenset[str]

    @property
    def first(self) -> bool:
        """The right pages come first."""
        return (self.pairs[0].colored, self.pairs[0].sketch) in self.right

    @property
    def score(self) -> float:
        """That of the pages that come first."""
        return self.pairs[0].match.score


def of_stand_in(seed: int, numbers: Iterable[int]) -> Iterator[Trial]:
    """All true and false pairs of some families of the stand-in, its files read back as a crawler would have them."""
    world = World(seed, Mix(dead=0, broken=0, scale=1))

    def pages(id: int) -> list[Image.Image]:
        count = len(world.work(id).pages)
        return [Image.open(io.BytesIO(world.image_bytes(id, page))) for page in range(count)]

    for number in numbers:
        held = {id: pages(id) for id in families.ids(seed, [number])}
        for pair in families.true_pairs(seed, [number]):
            name, traits = f"{pair.colored} {pair.sketch}", _traits(seed, pair.colored)
            yield Trial(name, held[pair.colored], held[pair.sketch], pair.pages, traits)
        for colored, sketch in families.false_pairs(seed, [number]):
            yield Trial(f"{colored} {sketch}", held[colored], held[sketch])


def _traits(seed: int, colored: int) -> frozenset[str]:
    """What a colouring of the stand-in did to its lines."""
    member = families.member(seed, colored)
    assert member is not None
    page = next(page for page in member.pages if page.kind == "colour")
    left, top, right, bottom = page.look.view
    here = {
        "mirrored": page.look.flip,
        "cropped": max(left, top, 1 - right, 1 - bottom) > 0,
        "larger canvas": min(left, top, 1 - right, 1 - bottom) < 0 or page.frame > 0,
        "background": page.look.scenery is not None,
        "strong shade": page.look.shade == "soft",
        "weak lines": page.look.lines < 0.5,
        "recoloured": any(one.kind == "variant" for one in member.pages),
    }
    return frozenset(name for name, so in here.items() if so)


def of_other(numbers: Iterable[int], *, false: bool = True) -> Iterator[Trial]:
    """Pairs of the other generator; and each colouring with a sketch of its like, and with one of another."""
    for number in numbers:
        pair = other_pairs.pair(number)
        yield Trial(str(number), pair.colored, pair.sketch, pair.right, pair.traits)
        if false:
            yield Trial(f"{number} like", pair.colored, [other_pairs.sibling(number)])
            yield Trial(f"{number} other", pair.colored, [other_pairs.sibling(number + 1)])


def example() -> Trial | None:
    """The pair that came with the seed's data, None where it is not."""
    files = [SHARED / name for name in ("14646322_p0.jpg", "14577906_p0.png")]
    if not all(file.is_file() for file in files):
        return None
    colored, sketch = (Image.open(file) for file in files)
    return Trial("example", [colored], [sketch], frozenset({(0, 0)}))


def tried(trial: Trial) -> Result:
    """Match the pages of both works."""
    sides = [[Print(lines_of(page)) for page in pages] for pages in (trial.colored, trial.sketch)]
    several = {"several pages"} if len(trial.colored) * len(trial.sketch) > 1 else set[str]()
    return Result(trial.name, trial.right, page_pairs(*sides), trial.traits | several)


def auc(true: list[float], false: list[float]) -> float:
    """How likely a true pair scores above a false one."""
    ours, theirs = np.array(true)[:, None], np.array(false)
    return float((ours > theirs).mean() + 0.5 * (ours == theirs).mean())
