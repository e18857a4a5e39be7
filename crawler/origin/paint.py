"""Paints the stand-in's images: real, decodable, pleasant to look at, and no two alike.

A picture is a soft gradient with a few shapes in a palette of its own; the same key at another size is the same picture
smaller, so renditions look like their original.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
import math
import zipfile
from collections.abc import Sequence

from PIL import Image, ImageDraw

from crawler.origin.dice import Dice

Colour = tuple[int, int, int]
RAMP = 240
"""Indices of the palette below this are the sky's."""
MIMES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp", "zip": "application/zip"}


def picture(key: Sequence[object], width: int, height: int, kind: str, *, big: bool = False) -> bytes:
    """The bytes of a picture of `width` x `height` pixels; `kind` is jpg, png, gif or webp.

    `big` makes it hundreds of kilobytes: fine grain for jpg, no compression for png; other kinds ignore it.
    """
    canvas = _painted(Dice("picture", *key), width, height)
    note = "/".join(map(str, key))
    return encoded(canvas, kind, note, big)


def animation(key: Sequence[object], width: int, height: int, frames: int) -> bytes:
    """A zip of `frames` JPEGs, stored without compression and named 000000.jpg on, as the site packs an ugoira."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as pack:
        for frame in range(frames):
            canvas = _painted(Dice("picture", *key), width, height)
            _mark(canvas, frame / frames)
            data = encoded(canvas, "jpg", f"{'/'.join(map(str, key))}#{frame}", big=False)
            pack.writestr(zipfile.ZipInfo(f"{frame:06d}.jpg", (2020, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


def _painted(dice: Dice, width: int, height: int) -> Image.Image:
    """A canvas of palette indices: 0 to 239 are a ramp of colours (the sky), the rest flat colours (what is drawn).

    Painting indices and not colours makes PNG and GIF cheap: nothing has to be quantized.
    """
    # Pillow's annotations name numpy, which need not be installed.
    canvas = _sky(dice).resize((width, height), Image.Resampling.BILINEAR)  # pyright: ignore[reportUnknownMemberType]
    canvas.putpalette(_palette(dice))
    pen = ImageDraw.Draw(canvas)
    _disc(dice, pen, (width, height))
    for layer in range(dice.between(1, 3)):
        _hill(dice, pen, (width, height), 0.5 + 0.14 * layer)
    for _ in range(dice.between(1, 4)):
        _shape(dice, pen, (width, height))
    return canvas


def _sky(dice: Dice) -> Image.Image:
    """A few points of the ramp; stretched smoothly they make a sky."""
    return Image.frombytes("L", (3, 3), bytes(dice.between(0, RAMP - 1) for _ in range(9)))


def _palette(dice: Dice) -> bytes:
    """The 768 bytes of a palette: a ramp between neighbours on the colour wheel, then flat colours that go with it."""
    hue, step = dice.unit(), dice.real(0.05, 0.14) * dice.pick((-1, 1))
    stops = [_colour(hue + step * n, dice.real(0.2, 0.65), dice.real(0.6, 0.98)) for n in range(4)]
    ramp = [_between(stops, index / RAMP * 3) for index in range(RAMP)]
    flats = [_colour(hue + dice.pick((0.5, step, step * 2, 0.45)), dice.real(0.25, 0.8), dice.real(0.3, 0.95))
             for _ in range(256 - RAMP)]  # fmt: skip
    return bytes(channel for colour in ramp + flats for channel in colour)


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _between(stops: Sequence[Colour], place: float) -> Colour:
    left = int(place)
    share = place - left
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(stops[left], stops[left + 1], strict=True))
    return red, green, blue


def _flat(dice: Dice) -> int:
    return dice.between(RAMP, 255)


def _disc(dice: Dice, pen: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    """A sun or a moon."""
    width, height = size
    x, y, radius = dice.unit() * width, dice.real(0.12, 0.5) * height, dice.real(0.08, 0.22) * min(size)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_flat(dice))


def _hill(dice: Dice, pen: ImageDraw.ImageDraw, size: tuple[int, int], top: float) -> None:
    width, height = size
    wave, turn, swing = dice.real(2, 9), dice.real(0, 6.3), dice.real(0.02, 0.09)
    line = [(step / 32 * width, (top + math.sin(step / 32 * wave + turn) * swing) * height) for step in range(33)]
    pen.polygon([*line, (width, height), (0, height)], fill=_flat(dice))


def _shape(dice: Dice, pen: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    width, height = size
    x, y = dice.unit() * width, dice.unit() * height
    radius = dice.real(0.03, 0.16) * min(size)
    box = (x - radius, y - radius, x + radius, y + radius)
    form, fill, corners, turn = dice.between(0, 3), _flat(dice), dice.between(3, 7), dice.real(0, 360)
    if form == 0:
        pen.ellipse(box, outline=fill, width=max(1, int(radius / 6)))
    elif form == 1:
        pen.rounded_rectangle(box, radius=radius / 4, fill=fill)
    else:
        pen.regular_polygon((x, y, radius), corners, rotation=turn, fill=fill)


def _mark(canvas: Image.Image, turn: float) -> None:
    """A dot on a circle: what moves in an animation."""
    width, height = canvas.size
    x = width / 2 + math.cos(turn * math.tau) * width * 0.35
    y = height / 2 + math.sin(turn * math.tau) * height * 0.35
    radius = min(width, height) * 0.08
    ImageDraw.Draw(canvas).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def encoded(canvas: Image.Image, kind: str, note: str, big: bool) -> bytes:
    """`note` is written into the file where the format has room, so that bytes differ even where pixels agree."""
    out = io.BytesIO()
    if kind == "jpg":
        colours = canvas.convert("RGB")
        (_grained(colours, note) if big else colours).save(out, "JPEG", quality=95 if big else 85, comment=note)
    elif kind == "png" and big:
        canvas.convert("RGB").save(out, "PNG", compress_level=0)
    elif kind == "png":
        canvas.save(out, "PNG", compress_level=1)
    elif kind == "gif":
        canvas.save(out, "GIF", comment=note.encode())
    else:
        canvas.convert("RGB").save(out, "WEBP", quality=75, method=0)
    return out.getvalue()


def _grained(canvas: Image.Image, note: str) -> Image.Image:
    """Film grain from a hash: deterministic, cheap, and hard to compress."""
    grain = hashlib.shake_128(note.encode()).digest(canvas.width * canvas.height)
    return Image.blend(canvas, Image.frombytes("L", canvas.size, grain).convert("RGB"), 0.15)
