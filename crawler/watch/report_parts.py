"""The sections of the report, from what was counted: each a chart with its table. Pure but for the machine's zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import cast

from crawler.rules.replay import State, Totals
from crawler.store.mirror import images_of
from crawler.watch.draw import Bar, Cell, Curve, Table, columns, curve, figure, heat, rows, stack, table, text
from crawler.watch.tally import Sample, Span, Tally, edge
from crawler.words import clean, count, duration, number, per_second, plural, seconds_of, share, size, tell, words

RATINGS = {0: "all ages", 1: "R-18", 2: "R-18G"}
AI = {0: "not said", 1: "no AI", 2: "AI-generated"}
_TAGS = 40
_CURVE_POINTS = 240
_RANGES = 24

Part = tuple[str, Table]


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


def sections(facts: Facts, folder: str, sheet: Sequence[tuple[Sample, bool, str]]) -> tuple[str, list[Table]]:
    """The body of the page and its tables; `folder` is where their CSV files lie, as the page links to them."""
    tables: list[Table] = []

    def shown(title: str, part: Part, note: str = "", wide: bool = False) -> str:
        body, data = part
        if not data.rows:
            return ""
        tables.append(data)
        return figure(title, body + table(data, folder), note, wide)

    tally = facts.tally
    parts = [
        _top(facts),
        "<main>",
        _tiles(facts),
        shown("What became of the works", _outcomes(facts), wide=True),
        shown("Throughput", _throughput(tally), "while running: pauses between runs are left out", wide=True),
        shown("Runs", _runs(tally), wide=True),
        shown("Images of a work", _per_work(tally)),
        shown("Size of an image", _sizes(tally)),
        shown("Formats", _counted("formats", "format", tally.formats)),
        shown("Quality", _counted("qualities", "quality", tally.qualities)),
        shown("Dimensions", _shapes(tally), "pixels, width to the right, height upwards; darker: more images"),
        shown("Ratings", _named("ratings", "rating", tally.ratings.items(), RATINGS)),
        shown("Kinds", _counted("kinds", "kind", tally.kinds)),
        shown("Made with AI", _named("ai", "declared", tally.ai.items(), AI)),
        shown("Year of upload", _years(tally), wide=True),
        shown("Alive, by id", _alive(tally), "ids grow with time: each column is a range of them", wide=True),
        shown("Most frequent tags", _tags(tally), wide=True),
        shown("Hosts", _hosts(tally), wide=True),
        shown("Last failures", _failures(facts), wide=True),
        _sheet(sheet),
        "</main>",
    ]
    return "".join(parts), tables


def _place(path: Path) -> str:
    """A path without what it lies under: a report is passed on, and whose machine it was is nobody's business."""
    return "/".join(path.parts[-2:]).replace("//", "/")


def _stamp(t: float) -> str:
    return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M")


def _top(facts: Facts) -> str:
    source = facts.state.source or {}
    path: object = source.get("path") or "standard input"
    paths = cast("list[object]", path) if isinstance(path, list) else [path]
    listed = text(", ".join(_place(Path(str(one))) for one in paths))
    state = "a run is on" if facts.running else "no run is on"
    return (
        f"<header><h1>{text(facts.name)}</h1>"
        f"<p>{count(facts.totals.listed)} works listed in <code>{listed}</code> · "
        f"as of {_stamp(facts.now)} UTC, {state}</p></header>"
    )


def _tiles(facts: Facts) -> str:
    tally, totals = facts.tally, facts.totals
    on = sum(end - begin for begin, end in _on(tally.spans))
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


def _outcomes(facts: Facts) -> Part:
    totals = facts.totals
    kinds = (("done", totals.done, "done"), ("gone", totals.gone, "gone"), ("failed", totals.failed, "failed"))
    parts = [Bar(name, n, kind) for name, n, kind in (*kinds, ("to do", totals.pending, "todo"))]
    reasons = sorted(totals.reasons.items(), key=lambda item: (-item[1], item[0]))
    lost = {"not_found", "restricted", "filtered", "unsupported", "purged"}
    bars = [Bar(words(reason), n, "gone" if reason in lost else "failed") for reason, n in reasons]
    data: list[tuple[Cell, ...]] = [("listed", "", totals.listed)]
    data += [(part.label, "", int(part.value)) for part in parts]
    data += [("gone" if reason in lost else "failed", reason, n) for reason, n in reasons]
    return stack(parts) + (rows(bars) if bars else ""), Table(
        "outcomes", ("outcome", "reason", "works or images"), data
    )


def _throughput(tally: Tally) -> Part:
    """Over running time: what lies between two runs is left out, and a dashed line marks where the next one began."""
    on = _on(tally.spans)
    step = tally.bins.step_s
    data: list[tuple[Cell, ...]] = [
        (_stamp(at * step), *(round(n) for n in sums)) for at, sums in sorted(tally.bins.sums.items())
    ]
    long = sum(end - begin for begin, end in on)
    if long <= 0 or not data:
        return "", Table("throughput", (), [])
    wide = max(step, long / _CURVE_POINTS)
    sums = [[0.0, 0.0, 0.0] for _ in range(int(long / wide) + 1)]
    for at, values in tally.bins.sums.items():
        into = sums[min(len(sums) - 1, int(_running(at * step, on) / wide))]
        for i, value in enumerate(values):
            into[i] += value
    shaded = [(_running(a, on), _running(b, on)) for a, b in tally.blocks]
    shaded = [(a, b) for a, b in shaded if b > a]
    marks = [_running(begin, on) for begin, _ in on[1:]]
    last = max(1e-9, long - (len(sums) - 1) * wide)
    spent = [wide] * (len(sums) - 1) + [max(last, wide / 2)]
    charts = ""
    for i, (label, kind) in enumerate(
        (("works a minute", "api"), ("images a second", "images"), ("traffic", "traffic"))
    ):
        scale = 60 if i == 0 else 1
        points = [
            ((at + 0.5) * wide, scale * values[i] / s) for at, (values, s) in enumerate(zip(sums, spent, strict=True))
        ]
        best = max(value for _, value in points)
        top = f"{size(best)}/s" if i == 2 else number(best)
        charts += curve(Curve(label, kind, points), (0, long), shaded, marks, top)
    axis = "".join(f"<span>{text(duration(long * i / 4))}</span>" for i in range(5))
    legend = '<p class="note"><i class="shade"></i> a host had us wait'
    legend += " &nbsp; <i class=dash></i> the next run begins</p>" if marks else "</p>"
    body = f'<div class="curves">{charts}</div><div class="axis">{axis}</div>{legend}'
    return body, Table("throughput", ("begin (UTC)", "works", "images", "bytes"), data)


def _on(spans: Sequence[Span]) -> list[tuple[float, float]]:
    """When anything ran, in order: spans of runs at the same time (many workers) are one."""
    on: list[tuple[float, float]] = []
    for span in sorted(spans, key=lambda span: span.opened):
        if on and span.opened <= on[-1][1]:
            on[-1] = (on[-1][0], max(on[-1][1], span.last))
        else:
            on.append((span.opened, span.last))
    return on


def _running(t: float, on: Sequence[tuple[float, float]]) -> float:
    """Seconds of running before the moment `t`."""
    return sum(max(0.0, min(t, end) - begin) for begin, end in on)


def _runs(tally: Tally) -> Part:
    head = ("began (UTC)", "lasted", "ended", "works", "images", "size", "version")
    data: list[tuple[Cell, ...]] = [
        (
            _stamp(s.opened),
            duration(s.last - s.opened),
            words(s.ended) or "–",
            s.works,
            s.images,
            size(s.bytes),
            s.version,
        )
        for s in tally.spans
    ]
    shown = data[-8:]
    body = "".join("<tr>" + "".join(f"<td>{text(value)}</td>" for value in row) + "</tr>" for row in shown)
    names = "".join(f"<th>{name}</th>" for name in head)
    return f'<div class="scroll"><table><tr>{names}</tr>{body}</table></div>', Table("runs", head, data)


def _steps(counter: Iterable[tuple[int, int]], edges: Sequence[int]) -> Iterator[tuple[str, int]]:
    """Counts of numbers in ranges that begin at the edges."""
    known = dict(counter)
    for low, high in pairwise((*edges, 1 << 62)):
        n = sum(many for value, many in known.items() if low <= value < high)
        name = str(low) if high == low + 1 else f"{low}+" if high == 1 << 62 else f"{low}–{high - 1}"
        yield name, n


def _per_work(tally: Tally) -> Part:
    steps = list(_steps(tally.pages_of_works.items(), (1, 2, 3, 4, 6, 11, 21, 51, 101)))
    data: list[tuple[Cell, ...]] = sorted(tally.pages_of_works.items())
    chart = columns([(name, [Bar("works", n)]) for name, n in steps])
    return chart, Table("images_of_a_work", ("images", "works"), data)


def _sizes(tally: Tally) -> Part:
    if not tally.weights:
        return "", Table("sizes", (), [])
    low, high = min(tally.weights), max(tally.weights)
    steps = [(1 << bits - 1 if bits else 0, tally.weights[bits]) for bits in range(low, high + 1)]
    chart = columns(
        [(size(edge), [Bar("images", n, "traffic")]) for edge, n in steps], every=1 if len(steps) < 9 else 3
    )
    said = f'<p class="note">{size(tally.weight / tally.images)} on average, the largest {size(tally.heaviest)}</p>'
    return chart + said, Table("sizes", ("bytes, at least", "images"), list(steps))


def _counted(name: str, head: str, counter: dict[str, int]) -> Part:
    items = sorted(counter.items(), key=lambda item: -item[1])
    whole = sum(counter.values())
    bars = [Bar(words(label), n, "images", f"{count(n)}  {share(n, whole)}") for label, n in items[:12]]
    return rows(bars), Table(name, (head, "count"), list(items))


def _named(name: str, head: str, counter: Iterable[tuple[int, int]], names: dict[int, str]) -> Part:
    return _counted(name, head, {names.get(value, f"other ({value})"): n for value, n in sorted(counter)})


def _shapes(tally: Tally) -> Part:
    if not tally.shapes:
        return "", Table("dimensions", (), [])
    wide, high = [w for w, _ in tally.shapes], [h for _, h in tally.shapes]
    first, last = min(*wide, *high), max(*wide, *high)
    names = [f"{edge(step):,.0f}" for step in range(first, last + 1)]
    across = [name if i % max(1, len(names) // 5) == 0 else "" for i, name in enumerate(names)]
    cells = {(w - first, h - first): n for (w, h), n in tally.shapes.items()}
    data: list[tuple[Cell, ...]] = [(round(edge(w)), round(edge(h)), n) for (w, h), n in sorted(tally.shapes.items())]
    head = ("width, at least", "height, at least", "images")
    return heat(cells, (across, names), "images"), Table("dimensions", head, data)


def _years(tally: Tally) -> Part:
    if not tally.years:
        return "", Table("years", (), [])
    years = range(int(min(tally.years)), int(max(tally.years)) + 1)
    if len(years) > 60:  # a date that is none
        years = sorted(map(int, tally.years))
    data: list[tuple[Cell, ...]] = [(year, tally.years.get(str(year), 0)) for year in years]
    chart = columns([(str(y), [Bar("works", tally.years.get(str(y), 0))]) for y in years], every=1 + len(years) // 12)
    return chart, Table("years", ("year", "works"), data)


def _alive(tally: Tally) -> Part:
    every = (tally.alive, tally.hidden, tally.missing)
    known = [ids for ids in every if ids]
    if not known:
        return "", Table("alive_by_id", (), [])
    low, high = min(ids.min() for ids in known), max(ids.max() for ids in known)
    wide = max(1, -(-(high - low + 1) // _RANGES))
    counts = [[0, 0, 0] for _ in range(-(-(high - low + 1) // wide))]
    for i, ids in enumerate(every):
        for id in ids:
            counts[(id - low) // wide][i] += 1
    chart = columns([(_short(low + at * wide), _shares(alive)) for at, alive in enumerate(counts)], every=4)
    legend = "".join(f'<li><i class="dot {k}"></i>{n}</li>' for k, n in _ALIVE)
    data: list[tuple[Cell, ...]] = [
        (
            low + at * wide,
            min(high, low + (at + 1) * wide - 1),
            *n,
            round((n[0] + n[1]) / sum(n), 4) if sum(n) else None,
        )
        for at, n in enumerate(counts)
    ]
    head = ("first id", "last id", "fetched", "not shown", "not found", "alive share")
    return chart + f'<ul class="legend">{legend}</ul>', Table("alive_by_id", head, data)


_ALIVE = (("done", "described"), ("gone", "exists: hidden or filtered"), ("todo", "not found"))


def _shares(counts: Sequence[int]) -> list[Bar]:
    whole = sum(counts) or 1
    return [
        Bar(name, n / whole, kind, f"{count(n)} ({share(n, whole)})")
        for (kind, name), n in zip(_ALIVE, counts, strict=True)
    ]


def _short(id: int) -> str:
    return f"{id / 1e6:.1f} M" if id >= 1_000_000 else f"{id / 1e3:.0f} k" if id >= 10_000 else str(id)


def _tags(tally: Tally) -> Part:
    top = tally.tags.most_common(2000)
    bars = [Bar(_tag(name, tally), n) for name, n in top[:_TAGS]]
    data: list[tuple[Cell, ...]] = [(name, tally.translations.get(name, ""), n) for name, n in top]
    return f'<div class="two">{rows(bars)}</div>', Table("tags", ("tag", "translation", "works"), data)


def _tag(name: str, tally: Tally) -> str:
    translation = tally.translations.get(name, "")
    return f"{name} · {translation}" if translation and translation != name else name


def _hosts(tally: Tally) -> Part:
    head = ("host", "limiter changed", "waits", "waited", "rate at last", "reasons")
    data: list[tuple[Cell, ...]] = []
    for name, host in sorted(tally.hosts.items(), key=lambda item: -item[1].waited_s):
        reasons = ", ".join(f"{words(reason)} {n}" for reason, n in host.reasons.most_common(4))
        data.append((name, host.changes, host.waits, duration(host.waited_s), per_second(host.rate), reasons))
    names = "".join(f"<th>{name}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{text(value)}</td>" for value in row) + "</tr>" for row in data[:8])
    return f'<div class="scroll"><table><tr>{names}</tr>{body}</table></div>', Table("hosts", head, data)


def _failures(facts: Facts) -> Part:
    data: list[tuple[Cell, ...]] = []
    for t, event in reversed(facts.state.failures):
        id, said = tell(event)
        when = seconds_of(t)
        data.append(("" if when is None else _stamp(when), id, said))
    body = "".join(f"<li><time>{text(t)}</time><b>{text(id)}</b><p>{text(said)}</p></li>" for t, id, said in data[:12])
    return f'<ol class="failures">{body}</ol>', Table("failures", ("time (UTC)", "id", "what"), data)


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
