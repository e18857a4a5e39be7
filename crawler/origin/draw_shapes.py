"""What the stand-in's sketches and their colourings are made of: shapes and strokes, no pixels yet. Pure.

A figure is a list of parts from back to front. Whoever paints them in that order, each filled and then outlined, gets
the lines right for nothing: what is hidden is painted over, in paper's colour or in any other.

The unit of length is the height of a head; the origin is between the eyes, y points down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Line = tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A closed `outline` to be filled with the colour of its `slot`, and open `strokes` on it. `weight` 1 is a common
    line; 0 leaves the outline out. `bare` parts are not there on a line drawing (blush, shine)."""

    slot: str
    outline: Line
    strokes: tuple[Line, ...] = ()
    weight: float = 1.0
    bare: bool = False


def spline(points: Sequence[Point], *, closed: bool = False, steps: int = 6) -> Line:
    """A smooth line through all points (Catmull-Rom)."""
    count = len(points)
    found: list[Point] = []
    for n in range(count if closed else count - 1):
        if closed:
            p, q, r, s = (points[(n + k) % count] for k in (-1, 0, 1, 2))
        else:
            p, q, r, s = (points[min(max(n + k, 0), count - 1)] for k in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            found.append((_curve(p[0], q[0], r[0], s[0], t), _curve(p[1], q[1], r[1], s[1], t)))
    return tuple(found) if closed else (*found, points[-1])


def _curve(p: float, q: float, r: float, s: float, t: float) -> float:
    return q + 0.5 * t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)))


def oval(x: float, y: float, a: float, b: float, *, turn: float = 0.0, steps: int = 20) -> Line:
    """An ellipse with half axes `a` and `b`, turned by `turn` radians."""
    found: list[Point] = []
    for n in range(steps):
        u, v = a * math.cos(n / steps * math.tau), b * math.sin(n / steps * math.tau)
        found.append((x + u * math.cos(turn) - v * math.sin(turn), y + u * math.sin(turn) + v * math.cos(turn)))
    return tuple(found)


def lock(root: Point, tip: Point, width: float, bend: float, wave: float = 0.0) -> Line:
    """A lock of hair from `root` to its pointed `tip`, bent to a side by a share of its length, wavy by another."""
    (x, y), (dx, dy) = root, (tip[0] - root[0], tip[1] - root[1])
    length = math.hypot(dx, dy) or 1e-6
    nx, ny = -dy / length, dx / length

    def at(t: float, side: float) -> Point:
        swing = bend * length * 4 * t * (1 - t) + wave * length * math.sin(t * 2.2 * math.tau) * t
        off = swing + side * width * (1 - t) ** 0.7 * (0.75 + 0.5 * t)
        return x + dx * t + nx * off, y + dy * t + ny * off

    ts = (0.0, 0.18, 0.36, 0.54, 0.72, 0.88)
    return spline([*(at(t, -0.5) for t in ts), at(1.0, 0.0), *(at(t, 0.5) for t in reversed(ts))], steps=3)


def middle(shape: Line, shift: float = 0.0) -> Line:
    """A stroke along the inside of a lock."""
    half = len(shape) // 2
    there, back = shape[:half], shape[: len(shape) - half - 1 : -1]
    share = 0.5 + shift
    pairs = list(zip(there, back, strict=True))[1:-2]
    return tuple((a[0] * share + b[0] * (1 - share), a[1] * share + b[1] * (1 - share)) for a, b in pairs)


def turned(parts: Iterable[Part], angle: float, pivot: Point = (0.0, 0.45)) -> list[Part]:
    """The parts turned about `pivot` by `angle` radians."""
    cos, sin = math.cos(angle), math.sin(angle)

    def turn(line: Line) -> Line:
        offs = ((x - pivot[0], y - pivot[1]) for x, y in line)
        return tuple((pivot[0] + u * cos - v * sin, pivot[1] + u * sin + v * cos) for u, v in offs)

    return [_mapped(part, turn) for part in parts]


def moved(parts: Iterable[Part], dx: float, dy: float, scale: float = 1.0, flip: bool = False) -> list[Part]:
    """The parts made larger by `scale`, mirrored or not, then moved."""
    across = -scale if flip else scale
    return [_mapped(part, lambda line: tuple((x * across + dx, y * scale + dy) for x, y in line)) for part in parts]


def _mapped(part: Part, change: Callable[[Line], Line]) -> Part:
    strokes = tuple(change(line) for line in part.strokes)
    return Part(part.slot, change(part.outline), strokes, part.weight, part.bare)


@dataclass(frozen=True, slots=True)
class Pose:
    """What two drawings of a similar composition have in common; `lean` and `tilt` in radians."""

    tilt: float
    lean: float
    look: float
    arms: tuple[int, int]
    hair: int
    dress: int
