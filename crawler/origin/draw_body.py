"""Bodies of the stand-in's figures: neck, clothes, arms, what they hold. Pure."""

from __future__ import annotations

import math

from crawler.origin.dice import Dice
from crawler.origin.draw_head import flower
from crawler.origin.draw_shapes import Part, Point, Pose, lock, oval, spline


def body(dice: Dice, stance: Pose) -> list[Part]:
    """From neck to knee; arms last."""
    wide, waist = dice.real(0.55, 0.72), dice.real(0.3, 0.4)
    hem, flare = dice.real(1.9, 2.5), dice.real(0.5, 0.95)
    parts = [*_legs(dice), *_skirt(dice, waist, hem, flare)]
    neck = [(-0.12, 0.35), (0.12, 0.35), (0.14, 0.62), (0.26, 0.7), (0, 0.98), (-0.26, 0.7), (-0.14, 0.62)]
    half = [(-0.2, 0.66), (-wide, 0.8), (-wide * 0.82, 1.2), (-waist, 1.55), (-waist * 1.15, 1.75)]
    trunk = [*half, *((-x, y) for x, y in reversed(half))]
    folds = [spline([(s * waist * dice.real(0.3, 0.9), 1.62), (s * waist * dice.real(0.1, 0.5), 1.4)])
             for s in (-1, 1, 1, -1) if dice.chance(0.8)]  # fmt: skip
    parts.append(Part("cloth", spline(trunk, closed=True, steps=5), tuple(folds), 1.15))
    parts.append(Part("skin", spline(neck, closed=True, steps=4)))
    parts += _collar(dice, stance.dress)
    for side, kind in zip((-1, 1), stance.arms, strict=True):
        parts += _arm(dice, side, kind, wide)
    return parts


def _legs(dice: Dice) -> list[Part]:
    spread = dice.real(0.16, 0.26)
    return [
        Part("skin", spline([(s * spread - 0.15, 1.7), (s * spread - 0.13, 2.6), (s * spread - 0.1, 3.4),
                             (s * spread + 0.1, 3.4), (s * spread + 0.13, 2.6), (s * spread + 0.15, 1.7)], closed=True))
        for s in (-1, 1)
    ]  # fmt: skip


def _skirt(dice: Dice, waist: float, hem: float, flare: float) -> list[Part]:
    pleats = dice.between(4, 8)
    low: list[Point] = []
    for n in range(pleats + 1):
        x = flare * (1 - 2 * n / pleats)
        low += [(x, hem + dice.real(-0.05, 0.05)), (x - flare / pleats, hem - 0.06)]
    outline = [(-waist, 1.55), (waist, 1.55), *low[:-1]]
    strokes = [
        spline([(x * waist / flare * 0.8, 1.62), (x * 0.85, (1.6 + hem) / 2), (x, y - 0.02)]) for x, y in low[2:-2:2]
    ]
    belt = Part("trim", ((-waist, 1.5), (waist, 1.5), (waist * 1.05, 1.62), (-waist * 1.05, 1.62)))
    return [Part("cloth2", tuple(outline), tuple(strokes), 1.1), belt]


def _collar(dice: Dice, kind: int) -> list[Part]:
    if kind == 0:  # a sailor's
        flaps = [Part("cloth2", spline([(s * 0.16, 0.6), (s * 0.42, 0.74), (s * 0.36, 1.05), (0, 1.2)], steps=4),
                      (spline([(s * 0.34, 0.78), (s * 0.3, 1.0), (s * 0.03, 1.13)]),)) for s in (-1, 1)]  # fmt: skip
        return [*flaps, *_bow(dice, 1.2)]
    if kind == 1:  # a shirt's, with buttons
        flaps = [Part("white", ((s * 0.14, 0.58), (s * 0.34, 0.72), (s * 0.2, 0.92), (0, 0.78))) for s in (-1, 1)]
        buttons = [Part("accent", oval(0, 1.0 + 0.16 * n, 0.03, 0.03, steps=8), weight=0.7) for n in range(4)]
        return [Part("", (), (((0, 0.8), (0, 1.7)),)), *flaps, *buttons]
    if kind == 2:  # a scarf
        ring = spline([(-0.34, 0.6), (0, 0.74), (0.34, 0.6), (0.3, 0.82), (0, 0.93), (-0.3, 0.82)], closed=True)
        end = lock((0.12, 0.82), (dice.real(0.1, 0.6), dice.real(1.3, 1.8)), 0.24, dice.real(-0.2, 0.2))
        return [Part("trim", end), Part("trim", ring, (spline([(-0.2, 0.74), (0, 0.8), (0.2, 0.75)]),))]
    front = ((0.22, 0.62), (0.68, 0.82), (0.6, 1.75), (0.3, 1.78), (0.2, 1.2))
    jacket = [Part("cloth2", spline([(s * x, y) for x, y in front], closed=True, steps=5)) for s in (-1, 1)]
    frill = [
        Part("white", oval(x / 10, 1.0 + abs(x) * 0.01, 0.08, 0.06, steps=10), weight=0.8) for x in (-2, -1, 0, 1, 2)
    ]
    return [*frill, *jacket]


def _bow(dice: Dice, y: float) -> list[Part]:
    size = dice.real(0.12, 0.24)
    wings = [Part("trim", spline([(0, y), (s * size, y - size * 0.5), (s * size, y + size * 0.5)], closed=True))
             for s in (-1, 1)]  # fmt: skip
    return [*wings, Part("trim", oval(0, y, size * 0.2, size * 0.22, steps=10))]


def _arm(dice: Dice, side: int, kind: int, wide: float) -> list[Part]:
    """Hanging, bent before the body, raised, or held out."""
    shoulder = (side * wide * 0.93, 0.85)
    elbow, hand = (
        ((side * (wide + 0.18), 1.45), (side * (wide + 0.12), 2.0)),
        ((side * (wide + 0.15), 1.4), (side * dice.real(0.05, 0.3), dice.real(1.15, 1.35))),
        ((side * (wide + 0.3), 1.3), (side * dice.real(0.55, 0.8), dice.real(0.2, 0.55))),
        ((side * (wide + 0.35), 1.15), (side * (wide + 0.8), dice.real(0.8, 1.3))),
    )[kind]
    fingers = [Part("skin", lock(hand, _beyond(elbow, hand, 0.13, turn), 0.075, 0.0), weight=0.8)
               for turn in (-0.6, -0.2, 0.2, 0.6)]  # fmt: skip
    sleeve = Part("cloth", _limb(shoulder, elbow, 0.2, 0.16), (spline([_mix(shoulder, elbow, 0.7), elbow]),), 1.1)
    fore = Part("cloth", _limb(elbow, _mix(elbow, hand, 0.8), 0.16, dice.real(0.12, 0.22)), weight=1.1)
    palm = Part("skin", oval(*_mix(elbow, hand, 0.97), 0.09, 0.1))
    return [sleeve, *fingers, palm, fore, *(_held(dice, hand) if kind >= 2 else [])]


def _limb(a: Point, b: Point, wide: float, narrow: float) -> tuple[Point, ...]:
    length = math.dist(a, b) or 1e-6
    nx, ny = (a[1] - b[1]) / length, (b[0] - a[0]) / length
    m = _mix(a, b, 0.5)
    sides = [[(p[0] + s * nx * w, p[1] + s * ny * w) for p, w in ((a, wide), (m, (wide + narrow) / 1.9), (b, narrow))]
             for s in (-1, 1)]  # fmt: skip
    return spline([*sides[0], *sides[1][::-1]], closed=True, steps=4)


def _mix(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _beyond(a: Point, b: Point, length: float, turn: float) -> Point:
    angle = math.atan2(b[1] - a[1], b[0] - a[0]) + turn
    return b[0] + length * math.cos(angle), b[1] + length * math.sin(angle)


def _held(dice: Dice, hand: Point) -> list[Part]:
    x, y = hand
    kind = dice.between(0, 4)
    if kind == 0:
        stem = Part("", (), (spline([(x, y + 0.3), (x + 0.03, y), (x, y - 0.3)]),), 1.4)
        return [stem, *flower(x, y - 0.35, 0.22, 6, dice.unit())]
    if kind == 1:
        star = [(x + (0.26 if n % 2 else 0.11) * math.sin(n * math.pi / 5), y - 0.3 + (0.26 if n % 2 else 0.11)
                 * math.cos(n * math.pi / 5)) for n in range(10)]  # fmt: skip
        return [Part("", (), (((x, y + 0.6), (x, y - 0.3)),), 2.0), Part("accent", tuple(star))]
    if kind == 2:
        return [Part("accent", oval(x, y - 0.25, 0.27, 0.27), (oval(x - 0.05, y - 0.3, 0.15, 0.15, steps=12),))]
    if kind == 3:
        lean = dice.real(-0.3, 0.3)
        blade = ((-0.03, 0), (-0.04 + lean, -1.2), (lean, -1.35), (0.04 + lean, -1.2), (0.03, 0))
        return [Part("white", tuple((x + u, y + v) for u, v in blade)), Part("accent", oval(x, y, 0.17, 0.04))]
    return []
