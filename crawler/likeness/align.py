"""Lays one picture's lines on another's: finds size, place and mirroring, and says how well the lines agree.

First everywhere, at every size, small (by Fourier transform); then the best few places again, larger, block by block,
so that a size between two steps and a drawing that was moved a little here and there still fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from crawler.likeness.lines import Field, Grid, Lines, lines_of, sized

SMALL = 36
"""Squares of the longer side in the search."""
SIZES = tuple(1.09**n for n in range(-10, 11))
"""How large the second picture may be drawn in the first one, longer side against longer side."""
ROOM = 120
"""Side of the search's transforms: SMALL * (1 + the largest of SIZES), without wrapping around."""
LEAST = 0.12
"""Pictures that overlap by a smaller share of the smaller one are not compared."""
LOOKS = 5
"""Places of the search that are looked at closely, and the best of them once more."""
LOW = 0.05
"""Agreement by chance that there always is."""
WEIGHTS_CLOSE = (-7.49, 2.17, 5.94, 3.89, 3.99)
WEIGHTS = (-7.83, 1.86, 5.31, 3.00, 3.51, 3.56)
"""Of a constant and a match's `grounds`, after the close look and after the closest: fitted on families of the stand-in
(scripts/bench/match.py --fit)."""


@dataclass(frozen=True, slots=True)
class Match:
    """How the second picture's lines lie on the first's.

    `score` 0 to 1: how likely they are the same lines. `flip`: the second is mirrored. `scale`: its longer side by the
    first's, as drawn there. `left`, `top`, `width`, `height`: where it lies, in shares of the first's longer side.
    `seen`: share of the second's lines that lie within the first; `fills`: of the first's within the second.
    `lead`: logarithm of how much better lines agree there than where they agree best elsewhere: any two drawings agree
    somewhere, and busy ones more. `evidence`: agreement of all lines where both are, and how much of the second's lines
    is found in the first, when looked at closely; and both once more, closer.
    """

    score: float
    flip: bool = False
    scale: float = 1.0
    left: float = 0.0
    top: float = 0.0
    width: float = 0.0
    height: float = 0.0
    seen: float = 0.0
    fills: float = 0.0
    lead: float = 0.0
    evidence: tuple[float, ...] = ()

    @property
    def grounds(self) -> tuple[float, ...]:
        """What the score weighs, besides a constant."""
        return (max(self.seen, self.fills), self.lead, *self.evidence[:3])


class Place(NamedTuple):
    """A place that the search found: how good, mirrored, which of SIZES, and where, in squares of the small picture."""

    worth: float
    flip: bool
    size: int
    down: int
    across: int


Steps = npt.NDArray[np.int_]


class Focus(NamedTuple):
    """A way to look: squares of the longer side, how many of them lines may be moved by, stretches tried."""

    side: int
    reach: int
    stretches: tuple[float, ...]

    @property
    def block(self) -> int:
        """Squares of a block's side: what is moved as one."""
        return self.side // 10


Fit = tuple[float, tuple[int, int], tuple[float, float]]
"""How much lines meet, by how many squares theirs were moved (down, across), and how much they were stretched."""
CLOSE = Focus(108, 4, tuple(n / 100 for n in range(-5, 6)))
CLOSEST = Focus(192, 3, tuple(n / 250 for n in range(-4, 5)))


class Print:
    """A picture's lines, made ready to be laid on others, once for all of them."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    @cached_property
    def small(self) -> Field:
        """The lines as the search sees them."""
        return sized(self.lines.field, SMALL)

    @cached_property
    def close(self) -> Field:
        """The lines as CLOSE sees them."""
        return sized(self.lines.field, CLOSE.side)

    @cached_property
    def closest(self) -> Field:
        """The lines as CLOSEST sees them."""
        return sized(self.lines.field, CLOSEST.side)

    @cached_property
    def ground(self) -> Field:
        """The transform of a picture that others are laid on."""
        return np.fft.fft2(_in_room(self.small)).astype(np.complex64)

    @cached_property
    def sums(self) -> Grid:
        """Running sums of the small lines' power."""
        return _sums(self.small)

    @cached_property
    def stamps(self) -> tuple[Field, tuple[Grid, ...]]:
        """The transforms of a picture that is laid on others (plain and mirrored, in all sizes), and running sums."""
        all_sizes = [sized(self.lines.field, SMALL * size) for size in SIZES]
        room = np.zeros((2, len(SIZES), ROOM, ROOM), np.complex64)
        for n, field in enumerate(all_sizes):
            room[0, n], room[1, n] = _in_room(field), _in_room(mirrored(field))
        return np.conj(np.fft.fft2(room)).astype(np.complex64), tuple(_sums(field) for field in all_sizes)


def score(a: Image.Image, b: Image.Image) -> Match:
    """How well the lines of `b` (a sketch) lie on those of `a` (what may be its colouring)."""
    return align(Print(lines_of(a)), Print(lines_of(b)))


def align(a: Print, b: Print) -> Match:
    """As `score`, of pictures that are ready; some 20 ms."""
    places = search(a, b)
    elsewhere = max(LOW, _elsewhere(places))
    found: list[Match] = []
    for place in places[:LOOKS]:
        match = look(a.close, b, _guess(place), CLOSE)
        if match is not None:
            found.append(_scored(replace(match, lead=math.log(max(LOW, match.evidence[0]) / elsewhere))))
    if not found:
        return Match(0.0)
    best = max(found, key=lambda match: match.score)
    closer = look(a.closest, b, best, CLOSEST)
    return best if closer is None else _scored(closer)


def _elsewhere(places: list[Place]) -> float:
    """How good the best place is that is not about the best one of all."""
    best = places[0]
    for place in places:
        apart = abs(place.down - best.down) + abs(place.across - best.across)
        if place.flip != best.flip or abs(place.size - best.size) > 2 or apart > SMALL // 6:
            return place.worth
    return 0.0


def _guess(place: Place) -> Match:
    scale = SIZES[place.size]
    return Match(0.0, place.flip, scale, place.across / SMALL, place.down / SMALL)


def mirrored(field: Field) -> Field:
    """Left is right: lines run the other way too."""
    return np.conj(field[:, ::-1])


def search(a: Print, b: Print) -> list[Place]:
    """The best place of each size and mirroring, best first."""
    stamps, sums = b.stamps
    meets = np.fft.ifft2(a.ground * stamps).real
    height, width = a.small.shape
    step = np.arange(ROOM)
    down, across = np.where(step < height, step, step - ROOM), np.where(step < width, step, step - ROOM)
    all_of_a = a.sums[-1, -1]
    found: list[Place] = []
    for n, of_b in enumerate(sums):
        high, wide = of_b.shape[0] - 1, of_b.shape[1] - 1
        ours = np.maximum(_within(a.sums, down, down + high, across, across + wide), LEAST * all_of_a)
        tall = np.clip(np.minimum(height, down + high) - np.maximum(0, down), 0, None)
        broad = np.clip(np.minimum(width, across + wide) - np.maximum(0, across), 0, None)
        apart = np.outer(tall, broad) < LEAST * min(height * width, high * wide)
        ends = ((-across, width - across), (wide - width + across, wide + across))
        for flip, (left, right) in enumerate(ends):
            theirs = np.maximum(_within(of_b, -down, height - down, left, right), 2 * LEAST * of_b[-1, -1])
            worth = meets[flip, n] / np.sqrt(ours * theirs + 1e-6)
            worth[apart] = -1
            y, x = divmod(int(worth.argmax()), ROOM)
            found.append(Place(float(worth[y, x]), bool(flip), n, int(down[y]), int(across[x])))
    return sorted(found, reverse=True)


def look(ours: Field, b: Print, guess: Match, focus: Focus) -> Match | None:
    """The lines of both, closely, at about the place of `guess`; None where they hardly overlap."""
    theirs = sized(b.lines.field, focus.side * guess.scale)
    theirs = mirrored(theirs) if guess.flip else theirs
    (height, width), (high, wide) = ours.shape, theirs.shape
    top, left = round(guess.top * focus.side), round(guess.left * focus.side)
    y0, y1, x0, x1 = max(0, top), min(height, top + high), max(0, left), min(width, left + wide)
    if y1 - y0 < focus.block or x1 - x0 < focus.block:
        return None
    over, under = ours[y0:y1, x0:x1], theirs[y0 - top : y1 - top, x0 - left : x1 - left]
    met, moved, stretch = _fit(over, theirs, (y0 - top, x0 - left), focus)
    power_a, power_b = _power(over), _power(under)
    evidence = (
        met / math.sqrt(power_a * power_b + 1e-6),
        min(1.5, met / (power_b + 1e-6)),
    )
    # A point of ours at u shows what of theirs is at u - corner + moved + stretch * (u - middle).
    middle, corner = ((y0 + y1) / 2, (x0 + x1) / 2), (top, left)
    y, x = ((c - m + s * at) / (1 + s) / focus.side for c, m, s, at in zip(corner, moved, stretch, middle, strict=True))
    size = max(high, wide)
    high, wide = guess.scale * high / size / (1 + stretch[0]), guess.scale * wide / size / (1 + stretch[1])
    seen, fills = min(1.0, power_b / (_power(theirs) + 1e-6)), min(1.0, power_a / (_power(ours) + 1e-6))
    evidence = (*guess.evidence, *evidence)
    return Match(0.0, guess.flip, max(high, wide), x, y, wide, high, seen, fills, guess.lead, evidence)


def _scored(match: Match) -> Match:
    grounds = match.grounds
    constant, *weights = WEIGHTS_CLOSE if len(grounds) < len(WEIGHTS) - 1 else WEIGHTS
    odds = constant + sum(w * v for w, v in zip(weights, grounds, strict=True))
    return replace(match, score=1 / (1 + math.exp(-odds)))


def _fit(ours: Field, theirs: Field, start: tuple[int, int], focus: Focus) -> Fit:
    """How much lines meet, best, when theirs are moved by at most `reach` and stretched a little; and that movement."""
    height, width = ours.shape
    reach, block = focus.reach, focus.block
    room = np.pad(theirs, reach)
    real, imaginary = np.ascontiguousarray(ours.real), np.ascontiguousarray(ours.imag)
    room_real, room_imaginary = np.ascontiguousarray(room.real), np.ascontiguousarray(room.imag)
    rows: Steps = np.arange(0, height, block, dtype=np.int_)
    columns: Steps = np.arange(0, width, block, dtype=np.int_)
    steps: Steps = np.arange(2 * reach + 1, dtype=np.int_)
    meets = np.empty((len(steps), len(steps), len(rows), len(columns)), np.float32)
    for y in steps:
        for x in steps:
            here = np.s_[start[0] + y : start[0] + y + height, start[1] + x : start[1] + x + width]
            both = real * room_real[here]
            both += imaginary * room_imaginary[here]
            meets[y, x] = np.add.reduceat(np.add.reduceat(both, rows, 0), columns, 1)
    off = [np.minimum(starts + block / 2, size) - size / 2 for starts, size in ((rows, height), (columns, width))]

    def best_of(stretches: Iterable[tuple[float, float]]) -> tuple[float, tuple[int, int], tuple[float, float]]:
        found = (-math.inf, (0, 0), (0.0, 0.0))
        for both_ways in stretches:
            y, x = (np.clip(np.rint(steps[:, None] + s * o).astype(int), 0, 2 * reach)
                    for s, o in zip(both_ways, off, strict=True))  # fmt: skip
            each = meets[
                y[:, None, :, None], x[None, :, None, :], np.arange(len(rows))[:, None], np.arange(len(columns))
            ]
            sums = each.sum((2, 3))
            n, m = divmod(int(sums.argmax()), len(steps))
            if sums[n, m] > found[0]:
                found = (float(sums[n, m]), (n - reach, m - reach), both_ways)
        return found

    _, _, (tall, _) = best_of((s, s) for s in focus.stretches)
    _, _, (_, broad) = best_of((tall, s) for s in focus.stretches)
    return best_of((s, broad) for s in focus.stretches)


def _power(field: Field) -> float:
    return float((np.abs(field) ** 2).sum())


def _in_room(field: Field) -> Field:
    """The field in the corner of a square that transforms have room in."""
    found = np.zeros((ROOM, ROOM), np.complex64)
    high, wide = min(ROOM, field.shape[0]), min(ROOM, field.shape[1])
    found[:high, :wide] = field[:high, :wide]
    return found


def _sums(field: Field) -> Grid:
    """Running sums of the power, from a row and a column of zeros on: what lies in a rectangle is four look-ups."""
    sums = np.zeros((field.shape[0] + 1, field.shape[1] + 1), np.float32)
    sums[1:, 1:] = (np.abs(field) ** 2).cumsum(0).cumsum(1)
    return sums


def _within(sums: Grid, top: Steps, bottom: Steps, left: Steps, right: Steps) -> Grid:
    """The power in every rectangle (rows `top` to `bottom`) x (columns `left` to `right`)."""
    high, wide = sums.shape[0] - 1, sums.shape[1] - 1
    rows: Grid = sums[bottom.clip(0, high)] - sums[top.clip(0, high)]
    found: Grid = rows[:, right.clip(0, wide)] - rows[:, left.clip(0, wide)]
    return found
