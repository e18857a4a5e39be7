"""Charts and tables of the report as HTML that needs no script: text stays text at any width. Pure, escapes it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from crawler.words import clean, count

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table: in the report, and as `name`.csv beside it."""

    name: str
    head: tuple[str, ...]
    rows: list[tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a chart: what it is called, how much, its colour (a class), and the words beside it ("": the count)."""

    label: str
    value: float
    kind: str = "images"
    said: str = ""


def text(value: Cell) -> str:
    """A value as text of a page: harmless, numbers in groups."""
    if value is None:
        return ""
    if isinstance(value, str):
        return escape(clean(value))
    return count(value) if isinstance(value, int) else f"{value:,.2f}"


def table(data: Table, folder: str, most: int = 400) -> str:
    """The table behind a chart, folded, with a link to its CSV in `folder`."""
    head = "".join(f"<th>{text(name)}</th>" for name in data.head)
    rows = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in data.rows[:most])
    more = f"<p>{count(len(data.rows) - most)} more rows are in the CSV.</p>" if len(data.rows) > most else ""
    link = f'<a href="{escape(folder)}/{escape(data.name)}.csv">CSV</a>'
    return (
        f"<details><summary>Table</summary>{link}"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{more}</details>'
    )


def _cell(value: Cell) -> str:
    return f'<td class="n">{text(value)}</td>' if isinstance(value, int | float) else f"<td>{text(value)}</td>"


def figure(title: str, body: str, note: str = "", wide: bool = False) -> str:
    """A card with a chart."""
    small = f"<p class=note>{text(note)}</p>" if note else ""
    return f'<section class="card{" wide" if wide else ""}"><h2>{text(title)}</h2>{small}{body}</section>'


def rows(bars: Sequence[Bar]) -> str:
    """Horizontal bars under each other."""
    if not bars:
        return '<p class="empty">Nothing to show yet.</p>'
    most = max(bar.value for bar in bars) or 1
    return '<ul class="outcomes">' + "".join(
        f'<li><span>{text(bar.label)}</span><div class="bar"><i class="{bar.kind}" style="width:'
        f'{100 * bar.value / most:.2f}%"></i></div><b>{text(bar.said or int(bar.value))}</b></li>'
        for bar in bars
    ) + "</ul>"  # fmt: skip


def stack(parts: Sequence[Bar]) -> str:
    """One bar of parts, with a legend."""
    whole = sum(part.value for part in parts) or 1
    bar = "".join(
        f'<i class="{part.kind}" style="width:{100 * part.value / whole:.3f}%"></i>' for part in parts if part.value
    )
    legend = "".join(
        f'<li><i class="dot {part.kind}"></i><b>{text(int(part.value))}</b> {text(part.label)}</li>' for part in parts
    )
    return f'<div class="bar tall">{bar}</div><ul class="legend">{legend}</ul>'


def columns(columns: Sequence[tuple[str, Sequence[Bar]]], every: int = 1) -> str:
    """Columns of stacked parts; every n-th has its label below. Hovering tells the numbers."""
    if not columns:
        return '<p class="empty">Nothing to show yet.</p>'
    most = max(sum(part.value for part in parts) for _, parts in columns) or 1
    out: list[str] = []
    for at, (label, parts) in enumerate(columns):
        said = ", ".join(f"{part.label} {part.said or count(int(part.value))}".strip() for part in parts if part.value)
        fill = "".join(
            f'<i class="{part.kind}" style="height:{100 * part.value / most:.2f}%"></i>'
            for part in reversed(parts)
            if part.value
        )
        below = text(label) if at % every == 0 else ""
        out.append(f'<li title="{text(label)}: {text(said or "0")}"><div>{fill}</div><span>{below}</span></li>')
    return f'<ol class="columns">{"".join(out)}</ol>'


@dataclass(frozen=True, slots=True)
class Curve:
    """A line over time: (time, value) points, a colour, and how values are said."""

    label: str
    kind: str
    points: Sequence[tuple[float, float]]


def curve(
    line: Curve, span: tuple[float, float], shaded: Sequence[tuple[float, float]], marks: Sequence[float], top: str
) -> str:
    """A line with an area below it over `span`; `shaded` times, `marks` as dashed lines; `top` labels the highest."""
    begin, end = span
    long = max(1e-9, end - begin)
    most = max((value for _, value in line.points), default=0.0) or 1.0

    def x(t: float) -> float:
        return max(0.0, min(1000.0, 1000 * (t - begin) / long))

    shades = "".join(
        f'<rect class="blocked" x="{x(a):.1f}" y="0" width="{max(1.5, x(b) - x(a)):.1f}" height="200"/>'
        for a, b in shaded
    )
    lines = "".join(f'<line class="cross" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="0" y2="200"/>' for t in marks)
    path = "L".join(f"{x(t):.1f},{200 - 196 * value / most:.1f}" for t, value in line.points)
    area = f'<path class="area {line.kind}" d="M0,200L{path}L1000,200Z"/><path class="line {line.kind}" d="M{path}"/>'
    return (
        f'<div class="chart"><figcaption><b>{text(line.label)}</b><span>highest {text(top)}</span></figcaption>'
        f'<svg viewBox="0 0 1000 200" preserveAspectRatio="none" role="img" aria-label="{text(line.label)}">'
        f'{shades}<line class="grid" x1="0" x2="1000" y1="200" y2="200"/>{area if line.points else ""}{lines}'
        "</svg></div>"
    )


def heat(cells: dict[tuple[int, int], int], labels: tuple[Sequence[str], Sequence[str]], of: str) -> str:
    """A map: cells (column, row) from 0, row 0 at the bottom, darker for more; labels of columns and rows."""
    across, up = labels
    most = max(cells.values(), default=0) or 1
    out: list[str] = []
    for row in reversed(range(len(up))):
        out.append(f"<span>{text(up[row])}</span>")
        for column in range(len(across)):
            n = cells.get((column, row), 0)
            said = f' title="{text(across[column])} × {text(up[row])} and more: {count(n)} {text(of)}"' if n else ""
            shade = f' style="opacity:{0.12 + 0.88 * (n / most) ** 0.5:.2f}"' if n else ""
            out.append(f"<i{' class=on' if n else ''}{said}{shade}></i>")
    out.append("<span></span>" + "".join(f"<span class=x>{text(label)}</span>" for label in across))
    return f'<div class="heat" style="grid-template-columns:auto repeat({len(across)},1fr)">{"".join(out)}</div>'
