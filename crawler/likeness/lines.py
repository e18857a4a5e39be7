"""The lines of a picture, whatever it is coloured with: for each small square, how strong they are and how they run.

A gradient has a direction; a line has none, its two sides face each other. So gradients are squared as complex numbers:
both sides then say the same, and so do the rims of what is filled up to the line in any colour. The strength is held
against that of the neighbourhood: a pencil's line on paper counts as much as an ink's between two colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

Field = npt.NDArray[np.complex64]
Grid = npt.NDArray[np.float32]
SEEN = 448
"""Pixels of the longer side at which gradients are taken: a line of three pixels in two thousand is still seen."""
KEPT = 256
"""Pixels of the longer side of what is kept of them."""
BROAD = 7
"""Pixels, of SEEN, that a line is never broad."""
OFF_PAPER = 24
"""Steps of 255 that paper does not differ from itself by."""
FAINT = 0.12
"""Steps of brightness (of 2) that count as half a line where nothing else is near."""


@dataclass(frozen=True, slots=True)
class Lines:
    """`field`: complex, at most KEPT squares long; magnitude 0 to 1 is how strong, half the angle is how they run.

    `painted`: share of the picture, lines left aside, that has not the colour of which there is most (paper's, on a
    sketch); `tones`: how many colours it has, 0 (one) to 1.
    """

    field: Field
    painted: float
    tones: float

    def pack(self) -> bytes:
        """A few tens of kilobytes that `unpack` reads."""
        height, width = self.field.shape
        head = np.array([height, width, round(self.painted * 1e6), round(self.tones * 1e6)], "<u4").tobytes()
        parts = np.stack([self.field.real, self.field.imag])
        return head + np.rint(parts * 127).astype(np.int8).tobytes()

    @staticmethod
    def unpack(data: bytes) -> Lines:
        """What `pack` wrote."""
        height, width, painted, tones = (int(n) for n in np.frombuffer(data[:16], "<u4"))
        parts = np.frombuffer(data[16:], np.int8).reshape(2, height, width).astype(np.float32) / 127
        return Lines(_complex(parts[0], parts[1]), painted / 1e6, tones / 1e6)


def lines_of(picture: Image.Image) -> Lines:
    """The lines of a picture of any mode and size; what is transparent is white. About 15 ms."""
    shrunk = _shrunk(picture)
    pixels: Grid = np.asarray(shrunk, np.float32) / np.float32(255)
    field = _gradients(pixels)
    height, width = field.shape
    scale = KEPT / max(width, height)
    kept = resized(field, max(8, round(width * scale)), max(8, round(height * scale)))
    return Lines.unpack(Lines(kept, *_colours(shrunk)).pack())  # the same, whether it was packed in between or not


def _shrunk(picture: Image.Image) -> Image.Image:
    """RGB on white, the longer side SEEN; a sliver is made wider than it is."""
    scale = SEEN / max(picture.size)
    width, height = (max(16, round(side * scale)) for side in picture.size)
    if picture.mode not in ("RGB", "L"):
        picture = picture.convert("RGBA")
    picture = _resize(picture, width, height, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    if picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def _gradients(pixels: Grid) -> Field:
    """Squared gradients, their strength held against the neighbourhood's."""
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = (padded[:, 2:] - padded[:, :-2])[1:-1]
    down = (padded[2:] - padded[:-2])[:, 1:-1]
    squared = _complex((across * across - down * down).sum(2), (2 * across * down).sum(2))
    power = np.abs(squared)
    strength = np.sqrt(power)
    about = _mean_about(strength, SEEN // 14)
    weight = strength / (strength + FAINT + about) / np.maximum(power, 1e-9)
    return squared * weight


def _mean_about(values: Grid, reach: int) -> Grid:
    """The mean over a square of 2 `reach` + 1 about each place; beyond the rim, the rim goes on."""
    for axis in (0, 1):
        count = values.shape[axis]
        room = [(reach + 1, reach) if axis == n else (0, 0) for n in (0, 1)]
        sums = np.cumsum(np.pad(values, room, mode="edge"), axis=axis, dtype=np.float64)
        high = np.take(sums, range(2 * reach + 1, count + 2 * reach + 1), axis=axis)
        values = ((high - np.take(sums, range(count), axis=axis)) / (2 * reach + 1)).astype(np.float32)
    return values


def _colours(picture: Image.Image) -> tuple[float, float]:
    """`painted` and `tones`. Lines are dark and narrow: taking the brightest of the neighbourhood makes them vanish."""
    plain = np.asarray(picture)
    for axis in (0, 1):
        count = plain.shape[axis] - BROAD
        windows = [plain.take(range(n, n + count), axis) for n in range(BROAD)]
        plain = np.maximum.reduce(windows)
    step = max(1, max(plain.shape) // 64)
    pixels = plain[::step, ::step].astype(np.int32)
    codes = (pixels >> 4) @ np.array([256, 16, 1])
    names, counts = np.unique(codes, return_counts=True)
    paper = pixels[codes == names[counts.argmax()]].mean(axis=0)
    painted = (np.abs(pixels - paper).max(axis=2) > OFF_PAPER).mean()
    shares = counts / codes.size
    return float(painted), float(-(shares * np.log2(shares)).sum() / 12)


def resized(field: Field, width: int, height: int) -> Field:
    """The field at another size: means of squares where it gets smaller."""
    way = Image.Resampling.BOX if width <= field.shape[1] else Image.Resampling.BILINEAR
    parts = [np.asarray(_resize(Image.fromarray(np.ascontiguousarray(part)), width, height, way))
             for part in (field.real, field.imag)]  # fmt: skip
    return _complex(parts[0], parts[1])


def sized(field: Field, side: float) -> Field:
    """The field with its longer side `side`, strong where lines are, however many squares were merged to one."""
    height, width = field.shape
    scale = side / max(height, width)
    found = resized(field, max(4, round(width * scale)), max(4, round(height * scale)))
    strength = np.abs(found)
    return (found / (strength + 0.12 + 0.5 * strength.mean())).astype(np.complex64)


def _resize(picture: Image.Image, width: int, height: int, way: Image.Resampling) -> Image.Image:
    gap = 2.0 if picture.mode in ("RGB", "RGBA", "L") else None
    # Pillow's annotations of `resize` are not whole.
    return cast(Any, picture).resize((width, height), way, reducing_gap=gap)


def _complex(real: Any, imaginary: Any) -> Field:
    found = np.empty(real.shape, np.complex64)
    found.real, found.imag = real, imaginary
    return found
