"""A small plot as SVG: lines over two axes from zero, readable on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_COLOURS = ("#2f7ebc", "#c8592b", "#3f8f4f", "#8758a8")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 720, 260, 64, 44, 26, 16


@dataclass(frozen=True)
class Line:
    """A line: its name and its points."""

    label: str
    points: Sequence[tuple[float, float]]


def plot(path: Path, lines: Sequence[Line], across: str, up: str) -> None:
    """Draw `lines` into the file; `across` and `up` name the axes."""
    right = max((x for line in lines for x, _ in line.points), default=1.0) or 1.0
    x_step, y_step = _step(right), _step(max((y for line in lines for _, y in line.points), default=1.0))
    top = y_step * math.ceil(max((y for line in lines for _, y in line.points), default=1.0) / y_step)

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / right

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * value / top

    parts: list[str] = []
    for n in range(round(top / y_step) + 1):
        at = y(n * y_step)
        ends = f'x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"'
        parts.append(f'<line {ends} stroke="#808890" stroke-opacity=".3"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{n * y_step:,.0f}</text>')
    for n in range(int(right / x_step) + 1):
        parts.append(f'<text x="{x(n * x_step):.1f}" y="{_HEIGHT - 24}" text-anchor="middle">{n * x_step:,.0f}</text>')
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">{across}</text>')
    parts.append(f'<text x="{_LEFT}" y="14">{up}</text>')
    for n, line in enumerate(lines):
        colour = _COLOURS[n % len(_COLOURS)]
        drawn = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in _thinned(line.points))
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{_LEFT + 60 + 110 * n}" y="14" fill="{colour}" font-weight="600">{line.label}</text>')
    body = "\n".join(parts)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="#808890">\n'
        f"{body}\n</svg>\n"
    )


def _step(most: float) -> float:
    """A round distance between marks: about five up to `most`."""
    rough = max(most, 1e-9) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough)


def _thinned(points: Sequence[tuple[float, float]], most: int = 300) -> Sequence[tuple[float, float]]:
    """Some of the points, the last among them."""
    every = max(1, len(points) // most)
    return [*points[::every], *points[-1:]]
