"""`crawler report`: what was asked and got, as one HTML file that needs nothing else, with its tables as CSV beside it.

Reads the log and, for the contact sheet, sixty images; a run may be on meanwhile.
"""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path

from crawler import __version__, within
from crawler.log.reader import scan, voided
from crawler.model import bit_of
from crawler.rules.replay import State, Totals
from crawler.store.mirror import at_hand
from crawler.watch.draw import Cell, Table
from crawler.watch.report_parts import Facts, sections
from crawler.watch.status import is_running
from crawler.watch.tally import Sample, Tally
from crawler.watch.thumbs import Thumbs
from crawler.words import clean, share

STATIC = Path(__file__).parent / "static"
EDGE = 168
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True)
class Written:
    """What a report consists of: the page, and the tables in their folder."""

    page: Path
    tables: tuple[Path, ...]


def read(log: Path) -> tuple[Tally, State, Totals]:
    """A log, counted. Raises LogDamaged, OSError."""
    gone = voided(log)
    tally, state = Tally(gone), State(gone)
    for _, line in scan(log):
        tally.add(line)
        state.apply(line)
    return tally, state, state.totals(state.listed())


def write_report(log: Path, out: Path, now: float) -> Written:
    """Write `out` and `STEM_tables/NAME.csv` beside it, each replaced as a whole. `now`: UTC seconds, for the heading.

    Raises LogDamaged, OSError.
    """
    directory = log.parent
    tally, state, totals = read(log)
    facts = Facts(directory, now, tally, state, totals, is_running(directory))
    folder = out.parent / f"{out.stem}_tables"
    parts, tables = sections(facts, folder.name, contact_sheet(directory, tally))
    page = document(facts, parts)
    folder.mkdir(parents=True, exist_ok=True)
    for data in tables:
        replace(folder / f"{data.name}.csv", as_csv(data).encode("utf-8"))
    replace(out, page.encode("utf-8", "replace"))
    return Written(out, tuple(folder / f"{data.name}.csv" for data in tables))


def document(facts: Facts, parts: str) -> str:
    """The whole page."""
    style = "".join((STATIC / name).read_text("utf-8") for name in ("tokens.css", "report.css"))
    name = escape(clean(facts.name))
    title = f"{name}: {share(facts.settled, facts.totals.listed)} of {facts.totals.listed:,} works"
    icon = base64.b64encode((STATIC / "icon.svg").read_bytes()).decode()
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">'
        f"<style>{style}</style></head><body>{parts}"
        f"<footer>crawler {__version__} · made on this machine from the log alone; the page loads nothing</footer>"
        "</body></html>\n"
    )


def contact_sheet(directory: Path, tally: Tally) -> list[tuple[Sample, bool, str]]:
    """Thumbnails as data URLs, those of rated works blurred beyond recognition; what has none is left out."""
    thumbs = Thumbs()
    out: list[tuple[Sample, bool, str]] = []
    try:
        for sample in tally.sheet:
            bit = bit_of(sample.id)
            # A work whose rating is not known is not shown as if it had none.
            rated = bit in tally.rated or (isinstance(sample.id, int) and bit not in tally.described)
            with at_hand(directory, sample.path) as file:
                jpeg = thumbs.make(file, EDGE, blur=rated)
            if jpeg is not None:
                out.append((sample, rated, "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()))
    finally:
        thumbs.close()
    return out


def as_csv(data: Table) -> str:
    """RFC 4180, UTF-8. A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(data.head)
    writer.writerows([_harmless(value) for value in row] for row in data.rows)
    return out.getvalue()


def _harmless(value: Cell) -> Cell:
    if not isinstance(value, str):
        return round(value, 3) if isinstance(value, float) else value
    value = clean(value)
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value


def replace(path: Path, body: bytes) -> None:
    """Write a file aside, then give it its name. Raises OSError."""
    within.replace(path, path.with_name(f".{path.name}.new"), body)
