"""What the report's charts show, from what was counted: each its figures and the table behind them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from crawler.rules.replay import Totals
from crawler.watch.plots import Bar, Curve, Figure, Time, columns, curves, heat, rows, stack
from crawler.watch.tables import Cell, Table
from crawler.watch.tally import Span, Tally, edge
from crawler.words import count, duration, number, share, size, words

RATINGS = {0: "all ages", 1: "R-18", 2: "R-18G"}
AI = {0: "not said", 1: "no AI", 2: "AI-generated"}
_TAGS = 40
_CURVE_POINTS = 240
_RANGES = 24
_LOST = frozenset(("not_found", "restricted", "filtered", "unsupported", "purged"))
_UNITS = ((2 * 86400, 86400, "days"), (2 * 3600, 3600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))


@dataclass(frozen=True, slots=True)
class Part:
    """A card of the report: its table, the figures above it, what colours mean, and HTML below. No rows: left out."""

    table: Table
    figures: list[Figure] = field(default_factory=list[Figure])
    html: str = ""
    legend: Sequence[tuple[str, str, str]] = ()


def stamp(t: float) -> str:
    """A moment, to the minute."""
    return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M")


def outcomes(totals: Totals) -> Part:
    """What became of the works, and why some are not there."""
    kinds = (("done", totals.done, "done"), ("gone", totals.gone, "gone"), ("failed", totals.failed, "failed"))
    parts = [Bar(name, n, kind) for name, n, kind in (*kinds, ("to do", totals.pending, "todo"))]
    reasons = sorted(totals.reasons.items(), key=lambda item: (-item[1], item[0]))
    bars = [Bar(words(reason), n, "gone" if reason in _LOST else "failed") for reason, n in reasons]
    data: list[tuple[Cell, ...]] = [("listed", "", totals.listed)]
    data += [(part.label, "", int(part.value)) for part in parts]
    data += [("gone" if reason in _LOST else "failed", reason, n) for reason, n in reasons]
    table = Table("outcomes", ("outcome", "reason", "works or images"), data)
    legend = [(part.kind, count(int(part.value)), part.label) for part in parts]
    return Part(table, [stack(parts), *([rows(bars)] if bars else [])], legend=legend)


def throughput(tally: Tally) -> Part:
    """Over running time: what lies between two runs is left out, and a line marks where the next one began."""
    on = running_spans(tally.spans)
    step = tally.bins.step_s
    data: list[tuple[Cell, ...]] = [
        (stamp(at * step), *(round(n) for n in sums)) for at, sums in sorted(tally.bins.sums.items())
    ]
    long = sum(end - begin for begin, end in on)
    table = Table("throughput", ("begin (UTC)", "works", "images", "bytes"), data)
    if long <= 0 or not data:
        return Part(Table("throughput", (), []))
    wide = max(step, long / _CURVE_POINTS)
    sums = [[0.0, 0.0, 0.0] for _ in range(int(long / wide) + 1)]
    for at, values in tally.bins.sums.items():
        into = sums[min(len(sums) - 1, int(_running(at * step, on) / wide))]
        for i, value in enumerate(values):
            into[i] += value
    last = max(1e-9, long - (len(sums) - 1) * wide)
    spent = [wide] * (len(sums) - 1) + [max(last, wide / 2)]
    speed = [[value / s for value, s in zip(column, spent, strict=True)] for column in zip(*sums, strict=True)]
    minutes = [60 * value for value in speed[0]]
    lines = [
        Curve("works a minute", "api", minutes, [f"{number(value)} works a minute" for value in minutes]),
        Curve("images a second", "images", speed[1], [f"{number(value)} images a second" for value in speed[1]]),
        Curve("bytes a second", "traffic", speed[2], [f"{size(value)} a second" for value in speed[2]]),
    ]
    time = _time(tally, on, wide, len(sums))
    said = ['<i class="shade"></i> a host had us wait'] * bool(time.shaded)
    said += ['<i class="dash"></i> the next run begins'] * bool(time.marks)
    said += ['<span class="fine">drag across to look closer, double-click for the whole</span>']
    return Part(table, [curves(lines, time)], f'<p class="note">{" &nbsp; ".join(said)}</p>')


def _time(tally: Tally, on: Sequence[tuple[float, float]], wide: float, bins: int) -> Time:
    """The axis of time for so many bins of `wide` seconds of running."""
    long = sum(end - begin for begin, end in on)
    _, unit, name = next(one for one in _UNITS if long >= one[0])
    waits = merged(((_running(a, on), _running(b, on)) for a, b in tally.blocks), long / 1000)
    waits = [(a, b) for a, b in waits if b > a]  # not those that lie in a pause
    middles = [min((at + 0.5) * wide, long) for at in range(bins)]
    said: list[str] = []
    for at, middle in enumerate(middles):
        held = sum(max(0.0, min(b, (at + 1) * wide) - max(a, at * wide)) for a, b in waits)
        wait = f", a host had us wait for {duration(held)}" if held >= 0.5 else ""
        said.append(f"{stamp(_moment(middle, on))} UTC{wait}")
    marks = [_running(begin, on) / unit for begin, _ in on[1:]]
    shaded = [(a / unit, b / unit) for a, b in waits]
    return Time(name, [middle / unit for middle in middles], said, long / unit, shaded, marks)


def running_spans(spans: Sequence[Span]) -> list[tuple[float, float]]:
    """When anything ran, in order: spans of runs at the same time (many workers) are one."""
    return merged((span.opened, span.last) for span in spans)


def merged(spans: Iterable[tuple[float, float]], gap: float = 0.0) -> list[tuple[float, float]]:
    """Spans in order, those that overlap or lie within `gap` of each other made one."""
    out: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1] + gap:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return out


def _running(t: float, on: Sequence[tuple[float, float]]) -> float:
    """Seconds of running before the moment `t`."""
    return sum(max(0.0, min(t, end) - begin) for begin, end in on)


def _moment(ran: float, on: Sequence[tuple[float, float]]) -> float:
    """The moment after so many seconds of running: the inverse of `_running`."""
    for begin, end in on:
        if ran <= end - begin:
            return begin + ran
        ran -= end - begin
    return on[-1][1]


def _steps(counter: Iterable[tuple[int, int]], edges: Sequence[int]) -> Iterator[tuple[str, int]]:
    """Counts of numbers in ranges that begin at the edges."""
    known = dict(counter)
    for low, high in pairwise((*edges, 1 << 62)):
        n = sum(many for value, many in known.items() if low <= value < high)
        name = str(low) if high == low + 1 else f"{low}+" if high == 1 << 62 else f"{low}–{high - 1}"
        yield name, n


def per_work(tally: Tally) -> Part:
    """How many images works have."""
    steps = list(_steps(tally.pages_of_works.items(), (1, 2, 3, 4, 6, 11, 21, 51, 101)))
    data: list[tuple[Cell, ...]] = sorted(tally.pages_of_works.items())
    chart = columns([name for name, _ in steps], [[Bar("works", n) for _, n in steps]])
    return Part(Table("images_of_a_work", ("images", "works"), data), [chart])


def sizes(tally: Tally) -> Part:
    """How heavy images are."""
    if not tally.weights:
        return Part(Table("sizes", (), []))
    low, high = min(tally.weights), max(tally.weights)
    steps = [(1 << bits - 1 if bits else 0, tally.weights[bits]) for bits in range(low, high + 1)]
    names = [size(edge) for edge, _ in steps]
    chart = columns(names, [[Bar("images", n, "traffic") for _, n in steps]])
    said = f'<p class="note">{size(tally.weight / tally.images)} on average, the largest {size(tally.heaviest)}</p>'
    return Part(Table("sizes", ("bytes, at least", "images"), list(steps)), [chart], said)


def counted(name: str, head: str, counter: dict[str, int]) -> Part:
    """How often each of some names occurs: the twelve most frequent, the others in the table."""
    items = sorted(counter.items(), key=lambda item: -item[1])
    whole = sum(counter.values())
    bars = [Bar(words(label), n, "images", f"{count(n)}  {share(n, whole)}") for label, n in items[:12]]
    return Part(Table(name, (head, "count"), list(items)), [rows(bars)])


def named(name: str, head: str, counter: Iterable[tuple[int, int]], names: dict[int, str]) -> Part:
    """The same for numbers that stand for names."""
    return counted(name, head, {names.get(value, f"other ({value})"): n for value, n in sorted(counter)})


def shapes(tally: Tally) -> Part:
    """Width by height."""
    if not tally.shapes:
        return Part(Table("dimensions", (), []))
    wide, high = [w for w, _ in tally.shapes], [h for _, h in tally.shapes]
    first, last = min(*wide, *high), max(*wide, *high)
    names = [f"{edge(step):,.0f}" for step in range(first, last + 1)]
    cells = {(w - first, h - first): n for (w, h), n in tally.shapes.items()}
    data: list[tuple[Cell, ...]] = [(round(edge(w)), round(edge(h)), n) for (w, h), n in sorted(tally.shapes.items())]
    head = ("width, at least", "height, at least", "images")
    return Part(Table("dimensions", head, data), [heat(cells, names, "images")])


def years(tally: Tally) -> Part:
    """When works were put up."""
    if not tally.years:
        return Part(Table("years", (), []))
    known: Sequence[int] = range(int(min(tally.years)), int(max(tally.years)) + 1)
    if len(known) > 60:  # a date that is none
        known = sorted(map(int, tally.years))
    data: list[tuple[Cell, ...]] = [(year, tally.years.get(str(year), 0)) for year in known]
    bars = [Bar("works", tally.years.get(str(year), 0)) for year in known]
    chart = columns([str(year) for year in known], [bars])
    return Part(Table("years", ("year", "works"), data), [chart])


_ALIVE = (("done", "described"), ("gone", "exist: hidden or filtered"), ("todo", "not found"))


def alive(tally: Tally) -> Part:
    """Which share of the ids is still there, by ranges of ids."""
    every = (tally.alive, tally.hidden, tally.missing)
    known = [ids for ids in every if ids]
    if not known:
        return Part(Table("alive_by_id", (), []))
    low, high = min(ids.min() for ids in known), max(ids.max() for ids in known)
    wide = max(1, -(-(high - low + 1) // _RANGES))
    counts = [[0, 0, 0] for _ in range(-(-(high - low + 1) // wide))]
    for i, ids in enumerate(every):
        for id in ids:
            counts[(id - low) // wide][i] += 1
    layers = [
        [Bar(name, _part(n[i], sum(n)), kind, f"{count(n[i])} ({share(n[i], sum(n) or 1)})") for n in counts]
        for i, (kind, name) in enumerate(_ALIVE)
    ]
    names = [_short(low + at * wide) for at in range(len(counts))]
    data: list[tuple[Cell, ...]] = [
        (low + at * wide, min(high, low + (at + 1) * wide - 1), *n, _exist(n)) for at, n in enumerate(counts)
    ]
    head = ("first id", "last id", "fetched", "not shown", "not found", "alive share")
    chart = columns(names, layers)
    chart["layout"]["yaxis"] |= {"tickformat": ".0%", "range": [0, 1]}
    return Part(Table("alive_by_id", head, data), [chart], legend=[(kind, "", name) for kind, name in _ALIVE])


def _exist(counts: Sequence[int]) -> float | None:
    """The share of described and hidden ids, of all that are known."""
    return round((counts[0] + counts[1]) / sum(counts), 4) if sum(counts) else None


def _part(n: int, whole: int) -> float:
    return n / whole if whole else 0.0


def _short(id: int) -> str:
    return f"{id / 1e6:.1f} M" if id >= 1_000_000 else f"{id / 1e3:.0f} k" if id >= 10_000 else str(id)


def tags(tally: Tally) -> Part:
    """The most frequent tags, in two charts of one scale that stand beside each other where there is room."""
    top = tally.tags.most_common(2000)
    bars = [Bar(_tag(name, tally), n) for name, n in top[:_TAGS]]
    data: list[tuple[Cell, ...]] = [(name, tally.translations.get(name, ""), n) for name, n in top]
    half = -(-len(bars) // 2) if len(bars) > 8 else len(bars)
    most = bars[0].value if bars else 0.0
    figures = [rows(part, most) for part in (bars[:half], bars[half:]) if part]
    return Part(Table("tags", ("tag", "translation", "works"), data), figures)


def _tag(name: str, tally: Tally) -> str:
    translation = tally.translations.get(name, "")
    return f"{name} · {translation}" if translation and translation != name else name
