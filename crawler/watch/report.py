"""`crawler report`: what was asked and got, as one HTML file that needs nothing else, with its tables as CSV beside it.

Reads the log and, for the contact sheet, sixty images; a run may be on meanwhile.
"""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path

from crawler import __version__, within
from crawler.log.reader import scan, voided
from crawler.model import bit_of
from crawler.rules.replay import State, Totals
from crawler.store.mirror import at_hand
from crawler.watch import plots
from crawler.watch.report_parts import Drawn, Facts, sections
from crawler.watch.status import is_running
from crawler.watch.tables import Cell, Table
from crawler.watch.tally import Sample, Tally
from crawler.watch.thumbs import Thumbs
from crawler.words import clean, share

STATIC = Path(__file__).parent / "static"
EDGE = 168
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {}"
_UNDRAWN = (
    "The plots need a browser of 2023 or later that may run the scripts of this file; each table has its numbers."
)


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

    Raises LogDamaged, OSError, plots.NoLibrary.
    """
    library = plots.script()
    directory = log.parent
    tally, state, totals = read(log)
    facts = Facts(directory, now, tally, state, totals, is_running(directory))
    folder = out.parent / f"{out.stem}_tables"
    drawn = sections(facts, folder.name, contact_sheet(directory, tally))
    page = document(facts, drawn, library)
    within.no_link(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for data in drawn.tables:
        replace(folder / f"{data.name}.csv", as_csv(data).encode("utf-8"))
    replace(out, page.encode("utf-8", "replace"))
    return Written(out, tuple(folder / f"{data.name}.csv" for data in drawn.tables))


def document(facts: Facts, drawn: Drawn, library: str) -> str:
    """The whole page. It runs two scripts, its own and the `library`: its policy names their digests, no others."""
    style = "".join((STATIC / name).read_text("utf-8") for name in ("tokens.css", "report.css"))
    own = (STATIC / "report.js").read_text("utf-8")
    policy = _POLICY.format(" ".join(_digest(script) for script in (own, library)))
    packed = base64.b64encode(gzip.compress(library.encode("utf-8"), 6, mtime=0)).decode()
    name = escape(clean(facts.name))
    title = f"{name}: {share(facts.settled, facts.totals.listed)} of {facts.totals.listed:,} works"
    icon = base64.b64encode((STATIC / "icon.svg").read_bytes()).decode()
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">'
        f"<style>{style}</style><noscript><style>.undrawn {{ display: block !important }}</style></noscript></head>"
        f'<body><p class="undrawn">{_UNDRAWN}</p>{drawn.body}'
        f"<footer>crawler {__version__} · made on this machine from the log alone; the page loads nothing · "
        f"plots: Plotly.js (MIT)</footer>"
        f'<script type="application/json" id="figures">{_as_json(drawn)}</script>'
        f'<script type="text/plain" id="plotly">{packed}</script>'
        f"<script>{own}</script></body></html>\n"
    )


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode()}'"


def _as_json(drawn: Drawn) -> str:
    """The figures, in a form that can end no element of the page."""
    text = ",".join(f'"{name}":{plots.checked(figure)}' for name, figure in drawn.figures.items())
    return "{" + text.translate({ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}) + "}"


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
