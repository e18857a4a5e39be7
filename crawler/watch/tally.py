"""Counts what a log holds, in one pass and little memory: what the report is drawn from. Voided lines do not count."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyroaring import BitMap64

from crawler.events import Closed, Described, Failed, Gone, Line, Opened, Stored, Throttled
from crawler.model import Page, Work, WorkId, bit_of
from crawler.numbers import WIDE
from crawler.rules.replay import Key
from crawler.sites.pixiv_work import work_of
from crawler.words import seconds_of

SHEET = 60
"""Images of the contact sheet."""
_MOST_BINS = 4096
_MOST_TAGS = 400_000
_MOST_BLOCKS = 2000


class Bins:
    """Sums over time in steps that double when there are too many, so that any span fits. `step_s` seconds each."""

    def __init__(self, step_s: float = 1.0) -> None:
        self.step_s = step_s
        self.sums: dict[int, list[float]] = {}

    def add(self, t: float, works: int, images: int, size: int) -> None:
        """What happened at `t` (UTC seconds)."""
        bin = self.sums.setdefault(int(t // self.step_s), [0.0, 0.0, 0.0])
        bin[0] += works
        bin[1] += images
        bin[2] += size
        while len(self.sums) > _MOST_BINS:
            self.step_s *= 2
            merged: dict[int, list[float]] = {}
            for at, sums in self.sums.items():
                into = merged.setdefault(at // 2, [0.0, 0.0, 0.0])
                for i, value in enumerate(sums):
                    into[i] += value
            self.sums = merged


@dataclass
class Span:
    """A run as the log saw it: `opened` and `last` line, UTC seconds; `ended` the reason of its `closed`, or ""."""

    opened: float
    last: float
    version: str
    source: Mapping[str, Any]
    ended: str = ""
    works: int = 0
    images: int = 0
    bytes: int = 0


@dataclass
class Host:
    """How often a host's limiter changed its mind, and how long nothing was asked of it, in seconds."""

    changes: int = 0
    waits: int = 0
    waited_s: float = 0.0
    until: float = 0.0
    rate: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True)
class Sample:
    """An image of the contact sheet."""

    id: WorkId
    page: Page
    path: str


def half_octave(n: int) -> int:
    """Which of 1, 1.5, 2, 3, 4, 6, 8, 12, ... is the last that is not above `n` (1 or more); see `edge`."""
    size = n.bit_length() - 1
    return 2 * size + (n >> size - 1 & 1 if size else 0)


def edge(step: int) -> float:
    """The number that a half-octave begins with."""
    return 2.0 ** (step // 2) * (1.5 if step % 2 else 1.0)


class Tally:
    """Counts over the lines that stand. `voided`: the lines that do not."""

    def __init__(self, voided: set[Key]) -> None:
        self.bins = Bins()
        self.spans: list[Span] = []
        self.hosts: dict[str, Host] = {}
        self.blocks: list[tuple[float, float]] = []
        self.pages_of_works: Counter[int] = Counter()
        self.weights: Counter[int] = Counter()
        self.weight = self.heaviest = 0
        self.images = 0
        self.formats: Counter[str] = Counter()
        self.qualities: Counter[str] = Counter()
        self.shapes: Counter[tuple[int, int]] = Counter()
        self.kinds: Counter[str] = Counter()
        self.ratings: Counter[int] = Counter()
        self.ai: Counter[int] = Counter()
        self.years: Counter[str] = Counter()
        self.tags: Counter[str] = Counter()
        self.translations: dict[str, str] = {}
        self.described, self.rated = BitMap64(), BitMap64()
        self.alive, self.hidden, self.missing = BitMap64(), BitMap64(), BitMap64()
        self.sheet: list[Sample] = []
        self._voided = voided
        self._had = BitMap64()
        self._dice = random.Random(1)  # the same log, the same contact sheet
        self._running: dict[str, Span] = {}

    def add(self, line: Line) -> None:
        """Count a line."""
        t, event = seconds_of(line.t), line.event
        if event is None or t is None or (line.log, line.seq) in self._voided:
            return
        span = self._running.get(line.log)
        if span is not None and not isinstance(event, Opened):  # a new run: the pause before it belongs to none
            span.last = max(span.last, t)
        match event:
            case Opened():
                self._running[line.log] = Span(t, t, event.version, event.source)
                self.spans.append(self._running[line.log])
            case Closed() if span is not None:
                span.ended = event.reason
            case Described():
                self._describe(t, event, span)
            case Stored():
                self._store(t, event, span)
            case Gone() | Failed(page=None):
                self._settled(t, span)
                if isinstance(event, Gone) and isinstance(event.id, int):
                    (self.missing if event.reason == "not_found" else self.hidden).add(event.id)
            case Throttled():
                self._throttle(t, event)
            case _:
                pass

    def _settled(self, t: float, span: Span | None) -> None:
        self.bins.add(t, 1, 0, 0)
        if span is not None:
            span.works += 1

    def _describe(self, t: float, event: Described, span: Span | None) -> None:
        bit = bit_of(event.id)
        if bit in self.described:
            return
        self.described.add(bit)
        self._settled(t, span)
        self.pages_of_works[len(event.images)] += 1
        if isinstance(event.id, int):
            self.alive.add(event.id)
        try:
            work = work_of(event.work)
        except ValueError:
            return
        self._read(bit, work)

    def _read(self, bit: int, work: Work) -> None:
        if work.x_restrict > 0:
            self.rated.add(bit)
        self.ratings[work.x_restrict] += 1
        self.kinds[work.kind] += 1
        self.ai[work.ai_type] += 1
        year = (work.created or work.uploaded)[:4]
        if year.isascii() and year.isdigit():
            self.years[year] += 1
        for tag in {tag.name: tag for tag in work.tags}.values():
            self.tags[tag.name] += 1
            if tag.translation:
                self.translations.setdefault(tag.name, tag.translation)
        if len(self.tags) > _MOST_TAGS:
            self.tags = Counter({name: n for name, n in self.tags.items() if n > 1})
            self.translations = {name: text for name, text in self.translations.items() if name in self.tags}

    def _store(self, t: float, event: Stored, span: Span | None) -> None:
        page = 0 if event.page == "zip" else event.page + 1
        work = bit_of(event.id)
        bit = ((work << 16) + page) & (WIDE - 1) | work & WIDE
        if bit in self._had:
            return
        self._had.add(bit)
        works = int(isinstance(event.id, str))  # site `urls` describes nothing
        self.bins.add(t, works, 1, event.bytes)
        if span is not None:
            span.works += works
            span.images += 1
            span.bytes += event.bytes
        self.images += 1
        self.weight += event.bytes
        self.heaviest = max(self.heaviest, event.bytes)
        self.weights[max(0, event.bytes).bit_length()] += 1
        self.formats[event.mime] += 1
        self.qualities[event.quality] += 1
        if event.width and event.height:
            self.shapes[half_octave(event.width), half_octave(event.height)] += 1
        self._draw(Sample(event.id, event.page, event.path))

    def _draw(self, sample: Sample) -> None:
        """Reservoir: any image is on the sheet with the same chance."""
        if len(self.sheet) < SHEET:
            self.sheet.append(sample)
        elif (at := self._dice.randrange(self.images)) < SHEET:
            self.sheet[at] = sample

    def _throttle(self, t: float, event: Throttled) -> None:
        host = self.hosts.setdefault(event.host, Host())
        host.changes += 1
        host.rate = event.rate
        host.reasons[event.reason] += 1
        until = seconds_of(event.until) if event.until else None
        if until is None or until <= t:
            return
        host.waits += 1
        host.waited_s += max(0.0, until - max(t, host.until))
        host.until = max(host.until, until)
        if self.blocks and t <= self.blocks[-1][1] + 1:
            self.blocks[-1] = (self.blocks[-1][0], max(self.blocks[-1][1], until))
        elif len(self.blocks) < _MOST_BLOCKS:
            self.blocks.append((t, until))
