"""Sketches and their colourings from a second hand, which shares nothing with the stand-in's: no outlines, no splines.

Animals, robots and plants are blobs stamped into a map of labels; lines are where labels meet, thick and thin by noise
as from a soft brush; colours are washes with grain, light and glow. What the matcher was fitted on looks different.
"""

import io
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int16]
Rng = np.random.Generator


@dataclass(frozen=True)
class Subject:
    """What is drawn: a map of labels (0 is nothing), and how dark the lines are, 0 to 1."""

    labels: Labels
    ink: Array


@dataclass(frozen=True)
class Pair:
    """The pages of a colouring and of its sketch, which pairs of pages (colored, sketch) are right, and what was done
    to the lines on the way (pair_trials.TRAITS)."""

    seed: int
    colored: list[Image.Image]
    sketch: list[Image.Image]
    right: frozenset[tuple[int, int]]
    kinds: tuple[tuple[str, ...], tuple[str, ...]]
    traits: frozenset[str]


def pair(seed: int) -> Pair:
    """The pair of that number."""
    rng = np.random.default_rng([seed, 1])
    drawn = subject(seed)
    sketch = [("lines", on_paper(drawn, rng))]
    for n in range(int(rng.choice([0, 0, 1, 2]))):
        sketch.append(
            ("other", on_paper(subject(seed + 100_003 * (n + 1), like=seed if rng.random() < 0.3 else None), rng))
        )
    style = Style(rng)
    colored = [("finished", style.finish(drawn, rng))]
    for _ in range(int(rng.choice([0, 0, 1, 2, 3]))):
        kind = str(rng.choice(["recoloured", "part", "lines", "unrelated", "smaller"]))
        if kind == "recoloured":
            page = Style(rng, style).finish(drawn, rng)
        elif kind == "part":
            page = part_of(colored[0][1], rng)
        elif kind == "lines":
            page = on_paper(drawn, rng)
        elif kind == "unrelated":
            page = Style(rng).finish(subject(seed + 700_001), rng)
        else:
            page = sheet(colored[0][1], on_paper(drawn, rng))
        colored.append((kind, page))
    if rng.random() < 0.3:
        rng.shuffle(sketch)  # pyright: ignore[reportArgumentType]
    if rng.random() < 0.2:
        rng.shuffle(colored)  # pyright: ignore[reportArgumentType]
    right = frozenset((i, j) for i, (a, _) in enumerate(colored) for j, (b, _) in enumerate(sketch)
                      if a in ("finished", "recoloured") and b == "lines")  # fmt: skip
    kinds = tuple(k for k, _ in colored), tuple(k for k, _ in sketch)
    traits = style.traits | ({"recoloured"} if "recoloured" in kinds[0] else set())
    return Pair(seed, [saved(p, rng) for _, p in colored], [saved(p, rng) for _, p in sketch], right, kinds, traits)


@lru_cache(4)
def sibling(seed: int) -> Image.Image:
    """A line drawing of the same animal in the same place, drawn anew: nobody coloured it."""
    return on_paper(subject(seed + 900_007, like=seed), np.random.default_rng([seed, 2]))


def saved(picture: Image.Image, rng: Rng) -> Image.Image:
    """As it comes out of a file."""
    out = io.BytesIO()
    if rng.random() < 0.6:
        picture.save(out, "JPEG", quality=int(rng.integers(60, 95)))
    else:
        picture.save(out, "PNG", compress_level=1)
    found = Image.open(out)
    found.load()
    return found


@lru_cache(8)
def subject(seed: int, like: int | None = None) -> Subject:
    """Somebody made of blobs; `like` another, of the same build, each blob a little different."""
    plan, rng = np.random.default_rng([seed if like is None else like, 3]), np.random.default_rng([seed, 4])
    wide, high = ((500, 370), (380, 500), (430, 430), (580, 350))[int(plan.integers(4))]
    canvas = Canvas(wide, high)
    kind = int(plan.integers(3))
    shake = 0.0 if like is None else 0.13
    (animal, robot, plant)[kind](canvas, plan, rng, shake)
    return Subject(canvas.labels, canvas.inked(rng))


class Canvas:
    """A map of labels under construction. Lengths are in shares of the shorter side, from the middle."""

    def __init__(self, wide: int, high: int) -> None:
        self.labels = np.zeros((high, wide), np.int16)
        self.unit = min(wide, high)
        ys, xs = np.mgrid[0:high, 0:wide].astype(np.float32)
        self.x, self.y = (xs - wide / 2) / self.unit, (ys - high / 2) / self.unit
        self.hatched = np.zeros((high, wide), bool)

    def stamp(self, mask: npt.NDArray[np.bool_]) -> None:
        self.labels[mask] = self.labels.max() + 1

    def blob(  # noqa: PLR0917 - a shape has so many numbers
        self, x: float, y: float, a: float, b: float, turn: float, rng: Rng, rough: float = 0.12
    ) -> None:
        """An oval with bumps."""
        u, v = self.x - x, self.y - y
        u, v = (u * math.cos(turn) + v * math.sin(turn)) / a, (v * math.cos(turn) - u * math.sin(turn)) / b
        angle, radius = np.arctan2(v, u), np.hypot(u, v)
        edge = np.ones_like(angle)
        for k in range(2, 7):
            edge += rough / k * 1.4 * rng.normal() * np.cos(k * angle + rng.uniform(0, 6.3))
        self.stamp(radius < edge)

    def limb(self, a: tuple[float, float], b: tuple[float, float], wide: float, rng: Rng, sag: float = 0.1) -> None:
        """A thick bent stroke."""
        mid = ((a[0] + b[0]) / 2 + sag * rng.normal() * 0.6, (a[1] + b[1]) / 2 + sag * rng.normal() * 0.6)
        inside = np.zeros(self.x.shape, bool)
        for n in range(16):
            t = n / 15
            px = float((1 - t) ** 2 * a[0] + 2 * t * (1 - t) * mid[0] + t * t * b[0])
            py = float((1 - t) ** 2 * a[1] + 2 * t * (1 - t) * mid[1] + t * t * b[1])
            inside |= (self.x - px) ** 2 + (self.y - py) ** 2 < (wide * (1.1 - 0.5 * t)) ** 2
        self.stamp(inside)

    def slab(self, x: float, y: float, a: float, b: float, turn: float, power: float = 5) -> None:
        """A box with rounded corners."""
        u, v = self.x - x, self.y - y
        u, v = u * math.cos(turn) + v * math.sin(turn), v * math.cos(turn) - u * math.sin(turn)
        self.stamp((np.abs(u / a) ** power + np.abs(v / b) ** power) < 1)

    def inked(self, rng: Rng) -> Array:
        """Lines where labels meet, of uneven pressure, and hatching on some of them."""
        lab = self.labels
        edge = np.zeros(lab.shape, bool)
        edge[:, 1:] |= lab[:, 1:] != lab[:, :-1]
        edge[1:] |= lab[1:] != lab[:-1]
        soft = blurred(edge.astype(np.float32), float(rng.uniform(0.6, 1.3)))
        pressure = 0.55 + 0.9 * noise(lab.shape, 40, rng)
        ink = np.clip(soft * 3.2 * pressure, 0, 1)
        lean, gap = rng.uniform(0, 3.14), rng.uniform(0.014, 0.03)
        stripes = ((self.x * math.cos(lean) + self.y * math.sin(lean)) % gap) < gap * 0.16
        chosen = rng.random(int(lab.max()) + 1) < rng.choice([0, 0.12, 0.3])
        chosen[0] = False
        hatch = stripes & chosen[lab] & (noise(lab.shape, 25, rng) > 0.35)
        return np.maximum(ink, blurred(hatch.astype(np.float32), 0.5) * 0.8)


def wobble(plan: Rng, rng: Rng, low: float, high: float, shake: float) -> float:
    """A length that the plan fixes, and the hand shakes."""
    return float(plan.uniform(low, high) * (1 + shake * rng.normal()))


def animal(c: Canvas, plan: Rng, rng: Rng, shake: float) -> None:
    def w(low: float, high: float) -> float:
        return wobble(plan, rng, low, high, shake)

    bx, by, ba, bb = w(-0.12, 0.12), w(0.08, 0.16), w(0.2, 0.3), w(0.13, 0.2)
    hx, hy, head = bx + w(0.16, 0.28) * (1 if plan.random() < 0.5 else -1), by - w(0.2, 0.3), w(0.11, 0.16)
    c.limb((bx - ba * 0.8, by), (bx - ba - w(0.05, 0.2), by - w(-0.1, 0.3)), w(0.03, 0.06), rng)
    for n in range(4):
        x = bx + ba * (-0.7 + 0.47 * n)
        c.limb((x, by + bb * 0.4), (x + w(-0.05, 0.05), by + bb + w(0.08, 0.18)), w(0.03, 0.05), rng, 0.05)
    if plan.random() < 0.4:
        for k in range(3):
            c.limb((bx, by - bb * 0.5), (bx - w(0.1, 0.3), by - w(0.3, 0.45) + 0.1 * k), w(0.05, 0.08), rng)
    c.blob(bx, by, ba, bb, w(-0.2, 0.2), rng)
    for _ in range(int(plan.integers(0, 7))):
        c.blob(bx + w(-0.15, 0.15), by + w(-0.08, 0.08), w(0.02, 0.05), w(0.02, 0.04), w(0, 3), rng, 0.3)
    long_ears = plan.random() < 0.4
    for s in (-1, 1):
        c.blob(
            hx + s * head * 0.6,
            hy - head * (1.3 if long_ears else 0.9),
            head * 0.3,
            head * w(0.4, 1.0),
            s * w(0.1, 0.5),
            rng,
        )
    c.blob(hx, hy, head, head * w(0.8, 1.0), w(-0.2, 0.2), rng, 0.06)
    c.blob(hx + head * 0.2, hy + head * 0.4, head * 0.45, head * 0.3, 0, rng, 0.06)
    for s in (-1, 1):
        c.blob(hx + s * head * 0.4, hy - head * 0.1, head * 0.2, head * w(0.2, 0.3), 0, rng, 0.03)
        c.blob(hx + s * head * 0.4, hy - head * 0.08, head * 0.1, head * 0.13, 0, rng, 0.03)
    c.blob(hx + head * 0.2, hy + head * 0.28, head * 0.12, head * 0.08, 0, rng, 0.1)


def robot(c: Canvas, plan: Rng, rng: Rng, shake: float) -> None:
    def w(low: float, high: float) -> float:
        return wobble(plan, rng, low, high, shake)

    x, tall = w(-0.1, 0.1), w(0.14, 0.2)
    for s in (-1, 1):
        c.slab(x + s * w(0.06, 0.1), 0.3, w(0.035, 0.06), w(0.1, 0.16), s * w(0, 0.2))
        c.slab(x + s * w(0.07, 0.12), 0.42, w(0.05, 0.09), w(0.025, 0.04), 0)
        elbow = (x + s * w(0.22, 0.32), w(-0.05, 0.15))
        c.limb((x + s * 0.14, 0.0), elbow, w(0.03, 0.05), rng, 0.03)
        c.limb(elbow, (elbow[0] + s * w(-0.1, 0.15), elbow[1] + w(-0.25, 0.2)), w(0.03, 0.05), rng, 0.03)
        c.slab(elbow[0], elbow[1], 0.035, 0.035, 0.7)
    c.slab(x, 0.08, w(0.13, 0.18), tall, w(-0.06, 0.06))
    for n in range(int(plan.integers(2, 6))):
        c.slab(x + w(-0.08, 0.08), 0.0 + 0.05 * n, w(0.01, 0.04), w(0.01, 0.025), 0)
    c.slab(x, 0.08 - tall - 0.02, 0.04, 0.04, 0)
    hy, size = 0.06 - tall - w(0.1, 0.14), w(0.09, 0.14)
    c.limb((x, hy - size * 0.6), (x + w(-0.1, 0.1), hy - size - w(0.04, 0.12)), 0.012, rng, 0.02)
    c.slab(x, hy, size * w(1, 1.4), size * w(0.7, 0.9), w(-0.1, 0.1), 4)
    for s in (-1, 1):
        c.slab(x + s * size * 0.45, hy - 0.01, size * w(0.18, 0.3), size * w(0.18, 0.3), 0, 2)
        c.slab(x + s * size * 0.45, hy - 0.01, size * 0.1, size * 0.1, 0, 2)
    for n in range(int(plan.integers(3, 7))):
        c.slab(x + (n - 2.5) * size * 0.2, hy + size * 0.5, size * 0.07, size * 0.12, 0, 6)


def plant(c: Canvas, plan: Rng, rng: Rng, shake: float) -> None:
    def w(low: float, high: float) -> float:
        return wobble(plan, rng, low, high, shake)

    for _ in range(int(plan.integers(3, 7))):
        foot, tip = (w(-0.12, 0.12), 0.3), (w(-0.4, 0.4), w(-0.4, 0.05))
        c.limb(foot, tip, w(0.012, 0.025), rng, 0.15)
        for _ in range(int(plan.integers(2, 5))):
            t = w(0.3, 0.85)
            lx, ly = foot[0] + (tip[0] - foot[0]) * t, foot[1] + (tip[1] - foot[1]) * t
            c.blob(lx + w(-0.08, 0.08), ly, w(0.05, 0.1), w(0.02, 0.045), w(-1, 1), rng, 0.08)
        petals, size, turn = int(plan.integers(4, 9)), w(0.06, 0.12), w(0, 1)
        for k in range(petals):
            angle = k / petals * 6.283 + turn
            c.blob(
                tip[0] + size * 0.7 * math.cos(angle),
                tip[1] + size * 0.7 * math.sin(angle),
                size * 0.55,
                size * 0.3,
                angle,
                rng,
            )
        c.blob(tip[0], tip[1], size * 0.35, size * 0.35, 0, rng)
    c.slab(0, 0.36, w(0.14, 0.22), w(0.1, 0.14), 0, 4)
    c.slab(0, 0.27, w(0.16, 0.24), 0.03, 0, 8)


def noise(shape: tuple[int, ...], scale: float, rng: Rng) -> Array:
    """Clouds between 0 and 1, some `scale` pixels large."""
    small = rng.random((max(2, int(shape[0] / scale)), max(2, int(shape[1] / scale)))).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)).clip(0, 1)


def blurred(values: Array, radius: float) -> Array:
    # Filters take bytes only.
    picture = Image.fromarray((values.clip(0, 1) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(picture, np.float32) / 255


def on_paper(drawn: Subject, rng: Rng) -> Image.Image:
    """The line drawing: ink, or soft pencil on grey paper, scanned, in any size."""
    paper = np.array([1, 1, 1 - rng.choice([0, 0.03, 0.08])]) * rng.uniform(0.9, 1)
    dark = rng.choice([0.0, 0.2, 0.45]) * np.array([1, 1, rng.uniform(0.8, 1.2)])
    ink = drawn.ink[..., None] * rng.uniform(0.6, 1)
    page = paper * (1 - ink) + dark * ink
    if rng.random() < 0.4:
        page = page + rng.normal(0, 0.02, page.shape)
    return scaled(page, rng)


def scaled(page: npt.NDArray[np.floating], rng: Rng) -> Image.Image:
    picture = Image.fromarray((page.clip(0, 1) * 255).astype(np.uint8))
    scale = rng.uniform(0.7, 2.2)
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)


class Style:
    """How somebody colours, crops and mirrors; a second style after a first keeps its crop."""

    def __init__(self, rng: Rng, first: "Style | None" = None) -> None:
        self.palette = rng.random((400, 3)) ** rng.choice([0.4, 0.8, 1.3])
        self.line = rng.choice([1.0, 0.85, 0.6, 0.35])
        self.line_colour = rng.random(3) * 0.35
        self.scene = int(rng.integers(0, 6))
        self.flip = bool(rng.random() < 0.25) if first is None else first.flip
        self.crop: tuple[float, ...] = self._crop(rng) if first is None else first.crop
        self.finish_kind = int(rng.integers(0, 4))

    @property
    def traits(self) -> frozenset[str]:
        """What this does to a drawing. Light, grain and shadows are on all of them."""
        here = {
            "mirrored": self.flip,
            "cropped": max(self.crop) > 0,
            "larger canvas": min(self.crop) < 0,
            "background": self.scene > 0,
            "strong shade": self.finish_kind in (1, 2),
            "weak lines": self.line < 0.5,
        }
        return frozenset(name for name, so in here.items() if so)

    @staticmethod
    def _crop(rng: Rng) -> tuple[float, ...]:
        if rng.random() < 0.4:
            return 0.0, 0.0, 0.0, 0.0
        if rng.random() < 0.7:
            return tuple(rng.uniform(0, 0.2, 4))
        return tuple(-rng.uniform(0, 0.25, 4))

    def finish(self, drawn: Subject, rng: Rng) -> Image.Image:
        """The finished colouring."""
        labels, ink = drawn.labels, drawn.ink
        room = [max(0, round(-share * labels.shape[n // 2])) for n, share in enumerate(self.crop)]
        pad = ((room[0], room[1]), (room[2], room[3]))
        labels, ink = np.pad(labels, pad), np.pad(ink, pad)
        page = self._washes(labels, rng)
        ink = ink[..., None] * self.line
        page = page * (1 - ink) + self.line_colour * ink
        if self.finish_kind == 1:  # glow
            page = 1 - (1 - page) * (1 - 0.35 * np.dstack([blurred(page[..., k], 8) for k in range(3)]))
        elif self.finish_kind == 2:  # a colour over all
            page = page * (0.7 + 0.3 * rng.random(3)) + 0.08 * rng.random(3)
        cut = [max(0, round(share * page.shape[n // 2])) for n, share in enumerate(self.crop)]
        page = page[cut[0] : page.shape[0] - cut[1], cut[2] : page.shape[1] - cut[3]]
        return scaled(page[:, ::-1] if self.flip else page, rng)

    def _washes(self, labels: Labels, rng: Rng) -> npt.NDArray[np.float32]:
        grain = 0.75 + 0.35 * noise(labels.shape, 30, rng) + 0.06 * rng.random(labels.shape)
        body = (labels > 0).astype(np.float32)
        light = blurred(np.roll(body, (9, 7), (0, 1)), 10) * 0.5 + 0.55
        page = self.palette[labels % 400].astype(np.float32)
        rims = np.zeros(labels.shape, np.float32)
        for label in range(1, int(labels.max()) + 1, 2):  # a shadow at the lower right of every other
            mask = labels == label
            rims[mask & ~np.roll(mask, (-6, -5), (0, 1))] = 0.3
        page = page * (grain * light * (1 - blurred(rims, 0.8 if self.finish_kind % 2 else 3)))[..., None]
        return np.where(labels[..., None] > 0, page, self._scene(labels.shape, rng))

    def _scene(self, shape: tuple[int, ...], rng: Rng) -> npt.NDArray[np.float32]:
        one, two = rng.uniform(0.4, 1, 3), rng.uniform(0.3, 1, 3)
        ys, xs = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        if self.scene == 0:
            return np.ones((*shape, 3), np.float32)
        if self.scene == 1:
            share = noise(shape, 90, rng)
        elif self.scene == 2:  # a brick wall
            row = ys // 26
            share = (((ys % 26) < 2) | (((xs + 30 * (row % 2)) % 60) < 2)).astype(np.float32)
        elif self.scene == 3:  # rays
            share = (np.sin(np.arctan2(ys - shape[0] / 2, xs - shape[1] / 3) * 12) > 0).astype(np.float32)
        elif self.scene == 4:  # leaves
            share = (noise(shape, 14, rng) > 0.55).astype(np.float32) * 0.8
        else:
            share = ys / shape[0]
        return (one * (1 - share[..., None]) + two * share[..., None]).astype(np.float32)


def part_of(picture: Image.Image, rng: Rng) -> Image.Image:
    """A third of the page, enlarged."""
    x, y = rng.uniform(0, 0.6) * picture.width, rng.uniform(0, 0.6) * picture.height
    box = (int(x), int(y), int(x + picture.width * 0.36), int(y + picture.height * 0.36))
    return picture.crop(box).resize((picture.width, picture.height), Image.Resampling.BICUBIC)


def sheet(finished: Image.Image, lines: Image.Image) -> Image.Image:
    """How it was made: lines and colours side by side, smaller."""
    wide, high = finished.width // 2, finished.height // 2
    page = Image.new("RGB", (finished.width, finished.height), (250, 250, 250))
    page.paste(lines.resize((wide - 10, round((wide - 10) * lines.height / lines.width))), (5, 5))
    page.paste(finished.resize((wide - 10, high - 10)), (wide + 5, high // 2))
    return page
