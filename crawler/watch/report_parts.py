"""The page of the report, from what was counted: its cards, each with its table. Pure but for the machine's zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from crawler.rules.replay import State, Totals
from crawler.store.mirror import images_of
from crawler.watch import report_charts as charts
from crawler.watch.plots import Figure
from crawler.watch.report_charts import Part, running_spans, stamp
from crawler.watch.tables import Cell, Table, figure, legend, listing, place, table, text
from crawler.watch.tally import Sample, Tally
from crawler.words import clean, count, duration, per_second, plural, seconds_of, share, size, tell, words


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the report is made from. `now` UTC seconds."""

    directory: Path
    now: float
    tally: Tally
    state: State
    totals: Totals
    running: bool

    @property
    def name(self) -> str:
        """The folder and what it lies in: many a folder is just called `data`."""
        return images_of(self.directory) or _place(self.directory.resolve())

    @property
    def settled(self) -> int:
        """Works that have an outcome."""
        return self.totals.done + self.totals.gone + self.totals.failed


@dataclass(frozen=True, slots=True)
class Drawn:
    """The body of the page, its tables, and its figures by the names that their places in the body have."""

    body: str
    tables: list[Table]
    figures: dict[str, Figure]


def sections(facts: Facts, folder: str, sheet: Sequence[tuple[Sample, bool, str]]) -> Drawn:
    """All parts of the report; `folder` is where the CSV files of its tables lie, as the page links to them."""
    tables: list[Table] = []
    figures: dict[str, Figure] = {}

    def shown(title: str, part: Part, note: str = "", wide: bool = False) -> str:
        if not part.table.rows:
            return ""
        tables.append(part.table)
        places = ""
        for n, one in enumerate(part.figures):
            name = f"{part.table.name}-{n}"
            figures[name] = one
            places += place(name, title, one["layout"]["height"])
        body = legend(part.legend) + (f'<div class="plots">{places}</div>' if places else "")
        return figure(title, body + part.html + table(part.table, folder), note, wide)

    tally = facts.tally
    parts = [
        _top(facts),
        "<main>",
        _tiles(facts),
        shown("What became of the works", charts.outcomes(facts.totals), wide=True),
        shown("Throughput", charts.throughput(tally), "while running: pauses between runs are left out", wide=True),
        shown("Runs", _runs(tally), wide=True),
        shown("Images of a work", charts.per_work(tally)),
        shown("Size of an image", charts.sizes(tally)),
        shown("Formats", charts.counted("formats", "format", tally.formats)),
        shown("Quality", charts.counted("qualities", "quality", tally.qualities)),
        shown("Dimensions", charts.shapes(tally), "pixels, width to the right, height upwards; stronger: more images"),
        shown("Ratings", charts.named("ratings", "rating", tally.ratings.items(), charts.RATINGS)),
        shown("Kinds", charts.counted("kinds", "kind", tally.kinds)),
        shown("Made with AI", charts.named("ai", "declared", tally.ai.items(), charts.AI)),
        shown("Year of upload", charts.years(tally), wide=True),
        shown("Alive, by id", charts.alive(tally), "ids grow with time: each column is a range of them", wide=True),
        shown("Most frequent tags", charts.tags(tally), wide=True),
        shown("Hosts", _hosts(tally), wide=True),
        shown("Last failures", _failures(facts), wide=True),
        _sheet(sheet),
        "</main>",
    ]
    return Drawn("".join(parts), tables, figures)


def _place(path: Path) -> str:
    """A path without what it lies under: a report is passed on, and whose machine it was is nobody's business."""
    return "/".join(path.parts[-2:]).replace("//", "/")


def _top(facts: Facts) -> str:
    source = facts.state.source or {}
    path: object = source.get("path") or "standard input"
    paths = cast("list[object]", path) if isinstance(path, list) else [path]
    listed = text(", ".join(_place(Path(str(one))) for one in paths))
    state = "a run is on" if facts.running else "no run is on"
    return (
        f"<header><h1>{text(facts.name)}</h1>"
        f"<p>{count(facts.totals.listed)} works listed in <code>{listed}</code> · "
        f"as of {stamp(facts.now)} UTC, {state}</p></header>"
    )


def _tiles(facts: Facts) -> str:
    tally, totals = facts.tally, facts.totals
    on = sum(end - begin for begin, end in running_spans(tally.spans))
    known = len(tally.alive) + len(tally.missing) + len(tally.hidden)
    alive = share(len(tally.alive) + len(tally.hidden), known) if known else "–"
    tiles = (
        (share(facts.settled, totals.listed), "have their outcome"),
        (count(totals.done), "works done"),
        (count(totals.images), "images"),
        (size(totals.bytes), f"{size(totals.bytes / totals.images)} an image" if totals.images else "on disk"),
        (alive, "of the ids exist"),
        (duration(on), f"in {plural(len(tally.spans), 'run')}"),
    )
    cells = "".join(f'<div class="tile"><b>{text(value)}</b><span>{text(label)}</span></div>' for value, label in tiles)
    return f'<section class="tiles">{cells}</section>'


def _runs(tally: Tally) -> Part:
    head = ("began (UTC)", "lasted", "ended", "works", "images", "size", "version")
    data: list[tuple[Cell, ...]] = [
        (
            stamp(s.opened),
            duration(s.last - s.opened),
            words(s.ended) or "–",
            s.works,
            s.images,
            size(s.bytes),
            s.version,
        )
        for s in tally.spans
    ]
    table = Table("runs", head, data)
    return Part(table, html=listing(table, data[-8:]))


def _hosts(tally: Tally) -> Part:
    head = ("host", "limiter changed", "waits", "waited", "rate at last", "reasons")
    data: list[tuple[Cell, ...]] = []
    for name, host in sorted(tally.hosts.items(), key=lambda item: -item[1].waited_s):
        reasons = ", ".join(f"{words(reason)} {n}" for reason, n in host.reasons.most_common(4))
        data.append((name, host.changes, host.waits, duration(host.waited_s), per_second(host.rate), reasons))
    table = Table("hosts", head, data)
    return Part(table, html=listing(table, data[:8]))


def _failures(facts: Facts) -> Part:
    data: list[tuple[Cell, ...]] = []
    for t, event in reversed(facts.state.failures):
        id, said = tell(event)
        when = seconds_of(t)
        data.append(("" if when is None else stamp(when), id, said))
    body = "".join(f"<li><time>{text(t)}</time><b>{text(id)}</b><p>{text(said)}</p></li>" for t, id, said in data[:12])
    return Part(Table("failures", ("time (UTC)", "id", "what"), data), html=f'<ol class="failures">{body}</ol>')


def _sheet(sheet: Sequence[tuple[Sample, bool, str]]) -> str:
    if not sheet:
        return ""
    tiles = "".join(
        f'<li><img src="{url}" alt="" title="{text(_label(sample))}{", blurred" if rated else ""}"></li>'
        for sample, rated, url in sheet
    )
    note = "drawn by lot from all images; those of rated works are blurred"
    return figure("Contact sheet", f'<ol class="sheet">{tiles}</ol>', note, wide=True)


def _label(sample: Sample) -> str:
    return f"{clean(str(sample.id))} {'animation' if sample.page == 'zip' else f'p{sample.page}'}"
