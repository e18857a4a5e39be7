"""The pages of a family of works: line drawings, their colourings, variants, makings-of, and what has no place there.

What a page shows is a `Page`; the same page at another size is the same picture smaller. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from PIL import Image, ImageDraw

from crawler.origin.dice import Dice
from crawler.origin.draw_figure import drawing, ratio_of
from crawler.origin.draw_lines import Box, Look, paint

Kind = Literal["lines", "colour", "variant", "detail", "flats", "collage", "test", "other", "text"]
"""lines: the line drawing. colour: the finished colouring; variant: the same in other colours. detail: a part of it
enlarged. flats, collage: how it was made. test: colours tried on the lines. other: another drawing. text: words."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Page:
    """`drawing` and `like` are keys (draw_figure.drawing); `frame`: a border, as a share of the width; `shape`: height
    by width."""

    kind: Kind
    drawing: object
    look: Look
    shape: float
    like: object = None
    frame: float = 0.0


def sketch_pages(key: object, like: object = None) -> tuple[Page, ...]:
    """The pages of a work whose line drawing is `key`: mostly that one page; else others too, in any order."""
    dice = Dice("sketch", key)
    pages = [_page("lines", key, Look("lines", (key, "ink")), like)]
    for n in range(dice.pick((0, 0, 0, 1, 1, 2))):
        kind = dice.pick(("other", "other", "test", "text"))
        if kind == "other":
            other = (key, "other", n)
            pages.append(_page("other", other, Look("lines", other), key if dice.chance(0.4) else None))
        elif kind == "test":
            pages.append(_page("test", key, Look("flats", (key, "ink"), tint=(key, n), lines=0.9), like))
        else:
            pages.append(Page("text", (key, n), Look("lines", (key, n)), dice.pick((0.7, 1.0, 1.4))))
    return tuple(dice.some(pages, len(pages)) if dice.chance(0.4) else pages)


def colored_pages(key: object, lines: object, like: object = None) -> tuple[Page, ...]:
    """The pages of the colouring `key` of the line drawing `lines`: finished first, unless a making-of comes first."""
    dice = Dice("colored", key)
    look = Look(
        "colour",
        (lines, "ink") if dice.chance(0.7) else (key, "ink"),
        tint=(key, "tint"),
        scenery=(key, "scenery") if dice.chance(0.7) else None,
        view=_view(dice),
        flip=dice.chance(0.2),
        shade=dice.pick(("cel", "soft")),
        lines=dice.pick((1.0, 0.8, 0.5, 0.2)),
    )
    main = replace(_page("colour", lines, look, like), frame=dice.real(0.02, 0.08) if dice.chance(0.2) else 0.0)
    pages = [main]
    for n in range(dice.pick((0, 0, 0, 0, 1, 1, 2, 3))):
        kind = dice.pick(("variant", "variant", "detail", "flats", "lines", "collage", "text"))
        pages.append(_extra(dice, kind, main, (key, n), like))
    if len(pages) > 1 and dice.chance(0.25):
        pages.insert(dice.between(1, len(pages) - 1), pages.pop(0))
    return tuple(pages)


def _extra(dice: Dice, kind: Kind, main: Page, key: object, like: object) -> Page:
    look = main.look
    if kind == "variant":
        where = (key, "scenery") if dice.chance(0.5) else look.scenery
        return replace(main, kind=kind, look=replace(look, tint=(key, "tint"), scenery=where))
    if kind == "detail":
        left, top, side = dice.real(0.1, 0.4), dice.real(0.0, 0.25), dice.real(0.3, 0.45)
        return _page(kind, main.drawing, replace(look, view=(left, top, left + side, top + side)), like)
    if kind == "flats":
        return replace(main, kind=kind, look=replace(look, stage="flats"))
    if kind == "lines":
        return replace(main, kind=kind, look=replace(look, stage="lines"), frame=0.0)
    if kind == "collage":
        return replace(main, kind=kind, frame=0.0)
    return Page("text", key, Look("lines", key), dice.pick((0.7, 1.0, 1.4)))


def _page(kind: Kind, key: object, look: Look, like: object) -> Page:
    left, top, right, bottom = look.view
    return Page(kind, key, look, ratio_of(key, like) * (bottom - top) / (right - left), like)


def _view(dice: Dice) -> Box:
    """All of the canvas, a part of it, or more than was drawn."""
    way = dice.unit()
    if way < 0.45:
        return WHOLE
    if way < 0.85:
        wide, high = dice.real(0.55, 0.95), dice.real(0.55, 0.95)
        left, top = dice.real(0, 1 - wide), dice.real(0, 1 - high) * 0.6
        return left, top, left + wide, top + high
    return -dice.real(0, 0.3), -dice.real(0, 0.2), 1 + dice.real(0, 0.3), 1 + dice.real(0, 0.15)


def painted(page: Page, width: int, height: int) -> Image.Image:
    """The page as an RGB image."""
    if page.kind == "text":
        return _text(Dice("text", page.drawing), width, height)
    drawn = drawing(page.drawing, page.like)
    if page.kind == "collage":
        canvas = Image.new("RGB", (width, height), "white")
        looks = [replace(page.look, stage=stage) for stage in ("lines", "flats", "colour", "colour")]
        looks[3] = replace(looks[3], scenery=None, shade="cel")
        for n, look in enumerate(looks):
            tile = paint(drawn, look, width // 2 - 4, height // 2 - 4)
            canvas.paste(tile, (n % 2 * (width // 2) + 2, n // 2 * (height // 2) + 2))
        return canvas
    if not page.frame:
        return paint(drawn, page.look, width, height)
    edge = max(1, round(width * page.frame))
    canvas = Image.new("RGB", (width, height), (255, 255, 255))
    inner = paint(drawn, page.look, width - 2 * edge, height - 2 * edge)
    mask = Image.new("L", inner.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *inner.size), radius=edge, fill=255)
    canvas.paste(inner, (edge, edge), mask)
    return canvas


def _text(dice: Dice, width: int, height: int) -> Image.Image:
    """Handwriting that nobody can read."""
    canvas = Image.new("RGB", (width, height), dice.pick(((255, 255, 255), (250, 246, 235), (240, 245, 255))))
    pen, size = ImageDraw.Draw(canvas), width * dice.real(0.025, 0.05)
    y = height * 0.12
    while y < height * 0.88:
        x, end = width * 0.1, width * dice.real(0.45, 0.9)
        while x < end:
            word = dice.real(1.5, 6) * size
            wave, high = dice.real(0.8, 1.6), dice.real(0.25, 0.45)
            line = [(x + n / 24 * word, y + size * high * math.sin(n * wave) * math.cos(n * 0.7)) for n in range(25)]
            pen.line(line, fill=(40, 40, 50), width=max(1, round(size / 9)))
            x += word + size
        y += size * 2
    return canvas
