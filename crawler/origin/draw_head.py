"""Heads of the stand-in's figures: face, eyes, hair, what is worn in it. Pure."""

from __future__ import annotations

import math

from crawler.origin.dice import Dice
from crawler.origin.draw_shapes import Line, Part, Point, Pose, lock, middle, oval, spline


def back_hair(dice: Dice, stance: Pose) -> list[Part]:
    """What falls behind the shoulders: none, long, tails at both sides, one tail, curls."""
    style, parts = stance.hair, list[Part]()
    if style in (1, 4):
        reach, count = dice.real(0.7, 1.7), dice.between(6, 9)
        for n in range(count):
            side = (n + 0.5) / count * 2 - 1
            root = (side * 0.36, -0.12 + 0.1 * abs(side))
            tip = (side * dice.real(0.5, 0.95), reach * dice.real(0.75, 1.1) - 0.25 * abs(side))
            parts.append(_lock(dice, root, tip, 0.3, wave=0.06 if style == 4 else 0.015))
        return parts
    if style in (2, 3):
        for side in (-1, 1) if style == 2 else (dice.pick((-1, 1)),):
            root = (side * 0.4, dice.real(-0.4, 0.0))
            out, reach = dice.real(0.3, 0.7), dice.real(0.6, 1.5)
            for n in range(dice.between(3, 5)):
                tip = (root[0] + side * (out - 0.13 * n), root[1] + reach * dice.real(0.75, 1.05))
                parts.append(_lock(dice, root, tip, 0.2, bend=-side * dice.real(0.08, 0.2), wave=0.03))
            parts.append(Part("trim", oval(*root, 0.09, 0.07)))
    return parts


def head(dice: Dice, stance: Pose) -> list[Part]:
    """Neck excluded; face first, then what lies on it, then hair."""
    look = stance.look * 0.06
    jaw, chin = dice.real(0.27, 0.33), dice.real(0.47, 0.56)
    half: list[Point] = [(0.37, -0.25), (0.375, 0.02), (jaw, 0.27), (0.1, chin - 0.06)]
    face = [
        (-0.2, -0.45),
        *((-x + look, y) for x, y in half),
        (look * 2, chin),
        *((x + look, y) for x, y in half[::-1]),
    ]
    parts = [_ear(side, look) for side in (-1, 1)]
    parts.append(Part("skin", spline([*face, (0.2, -0.45)], closed=True, steps=5), weight=1.2))
    parts += _features(dice, look)
    if dice.chance(0.2):
        parts += _glasses(look)
    parts += _hair(dice, look)
    parts += _worn(dice)
    return parts


def _ear(side: int, look: float) -> Part:
    x = side * 0.38 + look * 0.5
    return Part("skin", oval(x, 0.08, 0.06, 0.11, turn=side * 0.2), ((spline([(x, 0.02), (x + side * 0.02, 0.1)])),))


def _features(dice: Dice, look: float) -> list[Part]:
    parts: list[Part] = []
    gap, high, wide = dice.real(0.15, 0.19), dice.real(0.09, 0.14), dice.real(0.075, 0.1)
    shut, brow, slant = dice.chance(0.12), dice.real(-0.05, 0.05), dice.real(-0.03, 0.03)
    for side in (-1, 1):
        x, y = side * gap + look * 1.6, 0.09
        near = wide * (1 - 0.2 * side * math.copysign(1, look or 1) * abs(look) / 0.06)
        parts += _eye(x, y, near, high, slant * side, shut)
        arch = spline([(x - near, y - 0.2 + brow * side), (x, y - 0.235), (x + near, y - 0.2 - brow * side)])
        parts.append(Part("", (), (arch,), 0.8))
        cheek = oval(x + side * 0.06, 0.27, 0.08, 0.035, steps=12)
        if dice.chance(0.5):
            parts.append(Part("blush", cheek, bare=True, weight=0))
    nose = spline([(look * 2.4, 0.2), (look * 2.4 + 0.02, 0.25), (look * 2.4 - 0.012, 0.262)])
    parts.append(Part("", (), (nose,), 0.7))
    parts.append(_mouth(dice, look * 2.1))
    return parts


def _eye(x: float, y: float, wide: float, high: float, slant: float, shut: bool) -> list[Part]:
    if shut:
        low = spline([(x - wide, y + slant), (x, y + 0.05), (x + wide, y - slant)])
        lashes = [((x + wide * t, y + 0.04 - abs(t) * 0.03), (x + wide * t * 1.25, y + 0.085)) for t in (-0.7, 0, 0.7)]
        return [Part("", (), (low, *lashes), 1.6)]
    lid = ((-1.15, -0.2), (-0.3, -1.0), (0.5, -0.95), (1.15, -0.2))
    top = spline([(x + wide * u, y + high * v - slant * u / 1.15 * (abs(u) > 1)) for u, v in lid])
    low = spline([(x + wide * 0.9, y + high * 0.6), (x, y + high * 0.95), (x - wide * 0.9, y + high * 0.6)])
    return [
        Part("white", (*top, *low), weight=0),
        Part("iris", oval(x, y, wide * 0.68, high * 0.88), (oval(x, y, wide * 0.32, high * 0.45, steps=10),), 0.8),
        Part("pupil", oval(x, y - high * 0.1, wide * 0.3, high * 0.42, steps=12), weight=0, bare=True),
        Part("white", oval(x - wide * 0.25, y - high * 0.4, wide * 0.2, high * 0.22, steps=10), weight=0.4),
        Part("", (), (top, top), 2.2),
        Part("", (), (low,), 0.7),
    ]


def _mouth(dice: Dice, x: float) -> Part:
    kind, wide = dice.between(0, 3), dice.real(0.04, 0.09)
    if kind == 0:
        return Part("", (), (spline([(x - wide, 0.36), (x, 0.375), (x + wide, 0.36)]),), 0.9)
    if kind == 1:
        open_ = [(x - wide, 0.345), (x, 0.355), (x + wide, 0.345), (x + wide * 0.5, 0.4), (x - wide * 0.5, 0.4)]
        return Part("mouth", spline(open_, closed=True, steps=4), weight=0.8)
    if kind == 2:
        return Part("mouth", oval(x, 0.37, wide * 0.5, 0.025), weight=0.8)
    return Part("", (), (spline([(x - wide, 0.35), (x - wide / 2, 0.37), (x, 0.355), (x + wide / 2, 0.37),
                                 (x + wide, 0.35)]),), 0.9)  # fmt: skip


def _glasses(look: float) -> list[Part]:
    left, right = (oval(side * 0.17 + look * 1.6, 0.1, 0.145, 0.125) for side in (-1, 1))
    bridge = ((left[0][0], 0.08), (right[10][0], 0.08))
    return [Part("", (), ((*left, left[0]), (*right, right[0]), bridge), 1.1)]


def _hair(dice: Dice, look: float) -> list[Part]:
    """The cap with its bangs, and locks at both sides."""
    parts: list[Part] = []
    for side in (-1, 1):
        reach = dice.pick((0.25, 0.45, 0.75, 1.1)) * dice.real(0.85, 1.15)
        for n in range(dice.between(1, 3)):
            root = (side * (0.36 - 0.05 * n), -0.22)
            tip = (side * (0.42 + dice.real(-0.12, 0.14) - 0.05 * n), reach * dice.real(0.7, 1))
            parts.append(_lock(dice, root, tip, 0.14, bend=side * dice.real(-0.12, 0.06), wave=0.01))
    top = [(-0.43, 0.02), (-0.45, -0.3), (-0.3, -0.6), (0, -0.69), (0.3, -0.6), (0.45, -0.3), (0.43, 0.02)]
    rim = spline([(x + look * 0.5, y + dice.real(-0.015, 0.015)) for x, y in top])
    crown = (dice.real(-0.15, 0.15), -0.66)
    bangs, count, sweep = list[Point](), dice.between(4, 7), dice.real(-0.12, 0.12)
    for n in range(count):
        right = 0.4 - 0.8 * n / count
        left = 0.4 - 0.8 * (n + 1) / count
        tip = ((right + left) / 2 + sweep * dice.real(0.5, 1.3), dice.real(-0.12, 0.08))
        bangs += [tip, (left, -0.24 + dice.real(-0.1, 0.02))]
    strokes = [spline([(crown[0] * 0.6 + x * 0.4, -0.5), (x * 0.8, -0.35), (x, y - 0.06)], steps=4)
               for x, y in bangs if dice.chance(0.8)]  # fmt: skip
    edge = [_spike(a, b, sweep) for a, b in zip([(0.41, -0.1), *bangs[:-1]], bangs, strict=True)]
    parts.append(Part("hair", (*rim, *(p for piece in edge for p in piece)), tuple(strokes), 1.15))
    parts.append(Part("shine", spline([(-0.28, -0.42), (0, -0.5), (0.28, -0.42), (0, -0.43)], closed=True),
                      weight=0, bare=True))  # fmt: skip
    if dice.chance(0.4):
        tip = (crown[0] + dice.real(-0.3, 0.3), -0.66 - dice.real(0.15, 0.3))
        parts.append(_lock(dice, crown, tip, 0.09, bend=dice.real(-0.4, 0.4)))
    return parts


def _spike(a: Point, b: Point, sweep: float) -> Line:
    """From `a` to `b` with a belly: the side of a lock of the bangs."""
    belly = ((a[0] + b[0]) / 2 + 0.02 + sweep * 0.1, (a[1] + b[1]) / 2 + 0.02)
    return spline([a, belly, b], steps=3)[1:]


def _lock(dice: Dice, root: Point, tip: Point, width: float, bend: float | None = None, wave: float = 0.0) -> Part:
    swing = dice.real(-0.12, 0.12) if bend is None else bend
    shape = lock(root, tip, width * dice.real(0.8, 1.2), swing, wave * dice.pick((-1, 1)))
    strokes = [middle(shape, dice.real(-0.3, 0.3)) for _ in range(dice.between(1, 3))]
    return Part("hair", shape, tuple(strokes))


def _worn(dice: Dice) -> list[Part]:
    """Ears of an animal, a hat, a ribbon, flowers, horns, or nothing."""
    kind, side = dice.between(0, 6), dice.pick((-1, 1))
    if kind == 0:
        outer, inner = ((0.12, -0.6), (0.36, -0.98), (0.42, -0.42)), ((0.2, -0.6), (0.34, -0.86), (0.38, -0.5))
        return [
            Part(slot, spline([(s * x, y) for x, y in shape], steps=4), weight=weight)
            for s in (-1, 1)
            for slot, shape, weight in (("hair", outer, 1.2), ("blush", inner, 0.6))
        ]
    if kind == 1:
        brim = oval(0, -0.42, 0.78, 0.17, turn=side * 0.12)
        crown = spline(
            [(-0.42, -0.45), (-0.36, -0.8), (0, -0.92), (0.36, -0.8), (0.42, -0.45), (0, -0.38)], closed=True
        )
        band = ((-0.41, -0.52), (0, -0.46), (0.41, -0.52))
        return [Part("cloth2", brim, weight=1.2), Part("cloth2", crown, (spline(band),), 1.2)]
    if kind in (2, 3):
        x, y, size = side * dice.real(0.25, 0.4), dice.real(-0.6, -0.35), dice.real(0.14, 0.26)
        wings = [Part("trim", spline([(x, y), (x + s * size, y - size * 0.6), (x + s * size * 1.15, y + size * 0.4)],
                                     closed=True), ((((x, y), (x + s * size * 0.7, y - size * 0.1)),)))
                 for s in (-1, 1)]  # fmt: skip
        tails = [Part("trim", lock((x, y), (x + s * size * 0.7, y + size * dice.real(1, 2)), size * 0.35, s * 0.1))
                 for s in (-1, 1)]  # fmt: skip
        return [*tails, *wings, Part("trim", oval(x, y, size * 0.22, size * 0.24, steps=12))]
    if kind == 4:
        found: list[Part] = []
        for n in range(dice.between(1, 3)):
            x, y = side * (0.42 - 0.13 * n), -0.42 - 0.11 * n
            size = dice.real(0.09, 0.15)
            found += flower(x, y, size, dice.between(5, 7), dice.unit())
        return found
    if kind == 5:
        return [
            Part("trim", lock((s * 0.25, -0.55), (s * dice.real(0.35, 0.6), -1.0), 0.16, s * 0.25)) for s in (-1, 1)
        ]
    return []


def flower(x: float, y: float, size: float, petals: int, turn: float) -> list[Part]:
    """A flower of round petals about a disc."""
    found: list[Part] = []
    for n in range(petals):
        angle = (n + turn) / petals * math.tau
        place = (x + size * 0.62 * math.cos(angle), y + size * 0.62 * math.sin(angle))
        found.append(Part("trim", oval(*place, size * 0.5, size * 0.34, turn=angle, steps=12), weight=0.8))
    return [*found, Part("accent", oval(x, y, size * 0.26, size * 0.26, steps=12), weight=0.8)]
