"""What a drawing of the stand-in shows: one or two figures, how they stand, and where on the canvas. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.origin.dice import Dice
from crawler.origin.draw_body import body
from crawler.origin.draw_head import back_hair, head
from crawler.origin.draw_shapes import Part, Pose, moved, turned

RATIOS = (1.41, 1.33, 1.0, 0.75, 0.71, 1.6)


@dataclass(frozen=True, slots=True)
class Drawing:
    """Parts from back to front on a canvas of width 1 and height `ratio`; what belongs to figure n is before
    `ends[n]`, so that each figure can have colours of its own."""

    parts: tuple[Part, ...]
    ends: tuple[int, ...]
    ratio: float


def ratio_of(key: object, like: object = None) -> float:
    """The ratio of `drawing`, at a hundredth of what drawing costs."""
    return Dice("composition", key if like is None else like).pick(RATIOS)


def drawing(key: object, like: object = None) -> Drawing:
    """The drawing that `key` is; `like` another key makes a similar composition of it: the same size and places, and
    people who stand and dress alike, but no line the same."""
    plan, dice = Dice("composition", key if like is None else like), Dice("drawing", key)
    ratio = plan.pick(RATIOS)
    count = 2 if plan.chance(0.22) else 1
    size = plan.pick((0.5, 0.4, 0.32, 0.26)) * min(1.0, ratio) / count**0.6
    parts: list[Part] = []
    ends: list[int] = []
    for n in range(count):
        stance = _pose(plan)
        x = (n + 1) / (count + 1) + plan.real(-0.07, 0.07) + dice.real(-0.015, 0.015)
        y = size * plan.real(0.85, 1.25) + dice.real(-0.015, 0.015)
        parts += moved(_figure(dice, stance), x, y, size, flip=plan.chance(0.5))
        ends.append(len(parts))
    return Drawing(tuple(parts), tuple(ends), ratio)


def _pose(dice: Dice) -> Pose:
    arms = (dice.between(0, 3), dice.between(0, 3))
    return Pose(
        dice.real(-0.28, 0.28), dice.real(-0.12, 0.12), dice.real(-1, 1), arms, dice.between(0, 4), dice.between(0, 3)
    )


def _figure(dice: Dice, stance: Pose) -> list[Part]:
    """Somebody from head to knee, from back to front."""
    return [
        *turned(back_hair(dice, stance), stance.tilt * 0.6),
        *turned(body(dice, stance), stance.lean),
        *turned(head(dice, stance), stance.tilt),
    ]
