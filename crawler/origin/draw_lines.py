"""Paints the stand-in's drawings: as lines on paper, or the same lines in colour, shaded, before a background."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from crawler.origin.dice import Dice
from crawler.origin.draw_figure import Drawing
from crawler.origin.draw_shapes import Part, Point

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
FINER = 2
"""Painted so many times larger, then made smaller: smooth lines."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a drawing is painted.

    `stage`: lines (ink or pencil on paper), flats (colours without light), colour. `view` is the part of the canvas to
    be seen, as shares of its sides; `flip` mirrors it. `tint`, `scenery` and `hand` are keys: of the colours, of the
    background (None: paper), of how the lines are drawn. `lines` is how strong the lines stand in a colouring, 0 to 1.
    """

    stage: Literal["lines", "flats", "colour"]
    hand: object
    tint: object = None
    scenery: object = None
    view: Box = (0.0, 0.0, 1.0, 1.0)
    flip: bool = False
    shade: Literal["cel", "soft"] = "cel"
    lines: float = 1.0


def paint(drawn: Drawing, look: Look, width: int, height: int) -> Image.Image:
    """The drawing as an RGB image of `width` x `height`. The view's shape should be theirs, or it is stretched."""
    size = (width * FINER, height * FINER)
    pen = _Pen(drawn, look, size)
    done = 0
    for end, number in zip(drawn.ends, range(len(drawn.ends)), strict=True):
        pen.dress(number)
        for part in drawn.parts[done:end]:
            pen.part(part)
        done = end
    canvas = pen.canvas.reduce(FINER)
    return canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if look.flip else canvas


class _Pen:
    """A canvas, and the colours of whom is being painted on it."""

    def __init__(self, drawn: Drawing, look: Look, size: tuple[int, int]) -> None:
        dice = Dice("hand", look.hand)
        left, top, right, bottom = look.view
        self._across = size[0] / (right - left)
        self._down = size[1] / ((bottom - top) * drawn.ratio)
        self._origin = (left, top * drawn.ratio)
        self._look = look
        self._dark = dice.pick(((0, 0, 0), (25, 22, 30), (60, 60, 66), (95, 92, 96), (70, 50, 45)))
        self._rough = dice.chance(0.3) and look.stage == "lines"
        self._line = self._across * dice.real(0.0022, 0.0045) * (0.9 if look.stage != "lines" else 1.0)
        self._jitter = Dice("jitter", look.hand)
        tone = dice.between(244, 255)
        self._paper: Colour = (tone, tone, tone - dice.pick((0, 0, 0, 12)))
        self._palette: dict[str, Colour] = {}
        self.canvas = Image.new("RGB", size, self._paper)
        if look.stage == "colour" and look.scenery is not None:
            self.canvas = scenery(look.scenery, size)
        self._draw = ImageDraw.Draw(self.canvas)

    def dress(self, number: int) -> None:
        """Take the colours of figure `number`."""
        if self._look.stage != "lines":
            self._palette = palette(Dice("tint", self._look.tint, number))

    def part(self, part: Part) -> None:
        """Fill it, shade it, draw its lines."""
        outline = [self._place(point) for point in part.outline]
        plain = self._look.stage == "lines"
        fill = self._paper if plain else self._palette.get(part.slot, (255, 255, 255))
        if outline and not (part.bare and plain):
            if part.bare:
                self._glaze(outline, fill)
            elif self._look.stage == "colour" and part.slot not in ("white", "pupil"):
                self._shaded(outline, fill)
            else:
                self._draw.polygon(outline, fill=fill)
        if part.weight:
            colour = self._dark if plain else _blend(_darker(fill, 0.45), self._dark, self._look.lines)
            if outline:
                self._stroke([*outline, outline[0]], part.weight, colour, taper=False)
            for stroke in part.strokes:
                self._stroke([self._place(point) for point in stroke], part.weight * 0.8, colour, taper=True)

    def _place(self, point: Point) -> Point:
        return (point[0] - self._origin[0]) * self._across, (point[1] - self._origin[1]) * self._down

    def _stroke(self, line: Sequence[Point], weight: float, colour: Colour, *, taper: bool) -> None:
        wide = self._line * weight
        if self._rough:  # a pencil goes over a line twice
            off = wide * 0.9
            for _ in range(2):
                dx, dy = self._jitter.real(-off, off), self._jitter.real(-off, off)
                self._draw.line([(x + dx, y + dy) for x, y in line], fill=colour, width=max(1, round(wide * 0.5)))
            return
        if not taper:
            self._draw.line(list(line), fill=colour, width=max(1, round(wide)), joint="curve")
            return
        last = max(1, len(line) - 2)
        for n in range(len(line) - 1):
            swell = 0.35 + 0.75 * math.sin(math.pi * (0.12 + 0.76 * n / last))
            self._draw.line(list(line[n : n + 2]), fill=colour, width=max(1, round(wide * swell)))

    def _glaze(self, outline: list[Point], fill: Colour) -> None:
        found = self._masked(outline)
        if found is not None:
            place, mask = found
            self.canvas.paste(fill, place, mask.point([value // 2 for value in range(256)]))

    def _masked(self, outline: list[Point], dx: float = 0, dy: float = 0) -> tuple[tuple[int, int], Image.Image] | None:
        """The mask of a shape, and where it goes; None if nothing of it is on the canvas."""
        xs, ys = [x for x, _ in outline], [y for _, y in outline]
        left, top = max(0, int(min(xs))), max(0, int(min(ys)))
        right, bottom = min(self.canvas.width, int(max(xs)) + 2), min(self.canvas.height, int(max(ys)) + 2)
        if left >= right or top >= bottom:
            return None
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left + dx, y - top + dy) for x, y in outline], fill=255)
        return (left, top), mask

    def _shaded(self, outline: list[Point], fill: Colour) -> None:
        """Light from the upper left; the shadow keeps inside the shape."""
        found = self._masked(outline)
        if found is None:
            return
        place, mask = found
        self.canvas.paste(fill, place, mask)
        depth = min(mask.size) * 0.16
        lit = self._masked(outline, -depth, -depth * 0.8)
        assert lit is not None
        shadow = ImageChops.subtract(mask, lit[1])
        if self._look.shade == "soft":
            shadow = ImageChops.multiply(shadow.filter(ImageFilter.BoxBlur(max(1, depth * 0.8))), mask)
        self.canvas.paste(_darker(fill, 0.72), place, shadow)


def palette(dice: Dice) -> dict[str, Colour]:
    """Colours that somebody chose for a figure, by slot."""
    hair, cloth = dice.unit(), dice.unit()
    skin = _hsv(dice.real(0.03, 0.09), dice.real(0.1, 0.4), dice.real(0.8, 1.0))
    trim = _hsv(dice.pick((hair, cloth)) + 0.5, dice.real(0.4, 0.9), dice.real(0.5, 1))
    return {
        "skin": skin,
        "hair": _hsv(hair, dice.real(0.1, 0.8), dice.real(0.25, 1)),
        "iris": _hsv(dice.unit(), dice.real(0.5, 0.95), dice.real(0.4, 0.9)),
        "pupil": (30, 20, 40),
        "white": (252, 252, 255),
        "mouth": (190, 80, 90),
        "blush": (240, 120, 120),
        "shine": (255, 255, 255),
        "cloth": _hsv(cloth, dice.real(0.05, 0.7), dice.real(0.25, 1)),
        "cloth2": _hsv(cloth + dice.pick((0, 0.08, 0.45)), dice.real(0.1, 0.8), dice.real(0.2, 0.95)),
        "trim": trim,
        "accent": _hsv(0.14, dice.real(0.4, 0.9), 0.95),
    }


def scenery(key: object, size: tuple[int, int]) -> Image.Image:
    """A background: a wash of colour, lozenges, dots, stripes, or a landscape."""
    dice = Dice("scenery", key)
    hue, pale = dice.unit(), dice.real(0.1, 0.5)
    tones = [_hsv(hue + dice.real(-0.06, 0.06), pale * dice.real(0.5, 1.2), dice.real(0.55, 1)) for _ in range(4)]
    wash = Image.new("RGB", (2, 2))
    for n, tone in enumerate(tones):
        wash.putpixel((n % 2, n // 2), tone)
    # Pillow's annotations name numpy, which need not be installed.
    canvas = wash.resize(size, Image.Resampling.BILINEAR)  # pyright: ignore[reportUnknownMemberType]
    pen, unit = ImageDraw.Draw(canvas), max(size) * dice.real(0.05, 0.16)
    kind, tone = dice.between(0, 4), _blend(tones[0], (255, 255, 255), dice.real(0.2, 0.7))
    if kind == 1:
        for row in range(int(size[1] / unit) + 2):
            for x in range(int(size[0] / unit) + 2):
                u, v, half = x * unit, row * unit, unit / 2
                pen.polygon(((u, v - half), (u + half, v), (u, v + half), (u - half, v)), fill=tone)
    elif kind == 2:
        for _ in range(dice.between(20, 60)):
            x, y, r = dice.real(0, size[0]), dice.real(0, size[1]), unit * dice.real(0.1, 0.5)
            pen.ellipse((x - r, y - r, x + r, y + r), fill=_blend(tone, tones[dice.between(0, 3)], dice.unit()))
    elif kind == 3:
        lean = dice.real(-1, 1) * size[1]
        for n in range(-12, int(size[0] / unit) + 12, 2):
            left, right = n * unit, (n + 1) * unit
            pen.polygon(((left, 0), (right, 0), (right + lean, size[1]), (left + lean, size[1])), fill=tone)
    elif kind == 4:
        _land(dice, pen, size, tones)
    return canvas


def _land(dice: Dice, pen: ImageDraw.ImageDraw, size: tuple[int, int], tones: Sequence[Colour]) -> None:
    width, height = size
    for layer in range(3):
        top, wave, turn = 0.45 + 0.17 * layer, dice.real(3, 14), dice.real(0, 6)
        ridge = [(n / 40 * width, (top + 0.06 * math.sin(n / 40 * wave + turn) + dice.real(0, 0.02)) * height)
                 for n in range(41)]  # fmt: skip
        pen.polygon([*ridge, (width, height), (0, height)], fill=_darker(tones[layer], 0.9 - 0.15 * layer))
    for _ in range(dice.between(2, 7)):
        x, y, tall = dice.real(0, width), height * dice.real(0.55, 0.95), height * dice.real(0.08, 0.3)
        pen.rectangle((x - tall * 0.04, y - tall, x + tall * 0.04, y), fill=(90, 65, 50))
        pen.ellipse((x - tall * 0.4, y - tall * 1.5, x + tall * 0.4, y - tall * 0.7), fill=_darker(tones[3], 0.7))


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(1.0, saturation), min(1.0, value))
    return round(red * 255), round(green * 255), round(blue * 255)


def _darker(colour: Colour, share: float) -> Colour:
    """Darker, and a little to the blue, as shadows are."""
    red, green, blue = colour
    return round(red * share), round(green * share), round(blue * (share + (1 - share) * 0.25))


def _blend(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
