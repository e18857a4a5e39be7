"""Tables and cards of the report as HTML. Pure, escapes it all."""

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


def place(name: str, label: str, height: int) -> str:
    """Where a figure is drawn: as high from the start as it will be, so that nothing moves."""
    said = f'role="img" aria-label="{text(label)}"'
    return f'<div class="plot" data-plot="{name}" {said} style="height:{height}px"></div>'


def legend(parts: Sequence[tuple[str, str, str]]) -> str:
    """What the colours of a chart mean: (colour, number or "", name)."""
    items = "".join(f'<li><i class="dot {kind}"></i><b>{text(n)}</b> {text(name)}</li>' for kind, n, name in parts)
    return f'<ul class="legend">{items}</ul>' if parts else ""


def listing(data: Table, rows: list[tuple[Cell, ...]]) -> str:
    """Some rows of a table, in sight."""
    names = "".join(f"<th>{text(name)}</th>" for name in data.head)
    body = "".join("<tr>" + "".join(f"<td>{text(value)}</td>" for value in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{names}</tr>{body}</table></div>'
