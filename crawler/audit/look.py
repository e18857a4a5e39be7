"""Looks at every file that a standing `stored` line names, and at every file that none names. Reads only.

The log is read twice: first for what stands and what is named more than once, then a line at a time for the checks,
so that memory holds eight bytes an image. A run may go on meanwhile: what it changed is not held against the files.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from crawler.audit.decode import Decoder
from crawler.audit.findings import Finding, Key, Report, Standing
from crawler.audit.shelf import Shelf, shelf_of
from crawler.events import Line, Stored, Voided
from crawler.log.files import LOG
from crawler.log.reader import Scan, scan, voided
from crawler.model import Page, WorkId
from crawler.numbers import digest_of

BATCH = 32
BUFFER_BYTES = 1 << 18
SETTLING_S = 5.0
"""While a run is on, a file this young may be waiting for its log line (log.commit_ms is at most a minute, 0.2 s as a
rule)."""

Progress = Callable[[int, int], None]
"""Told images and bytes looked at so far."""
Image = tuple[WorkId, Page]
Moment = tuple[str, str, int]


class _Checked(NamedTuple):
    bytes: int
    finding: Finding | None
    undecided: tuple[str, str] | None = None
    flawed: tuple[str, str] | None = None


def audit(directory: Path, *, decode: bool = False, progress: Progress | None = None, alone: bool = False) -> Report:
    """Hold the files of a data set against the log in `directory`. Blocking. Raises LogDamaged, OSError (no log).

    `alone`: the caller holds the folder's lock. Raises StorageFailed when the images are in an object store that fails.
    """
    began = time.time()
    shelf = shelf_of(directory)
    standing = _Standing(directory / LOG)
    report = Report(log_bytes=standing.good, torn_bytes=standing.torn)
    claimed = array("Q")
    with _Checker(shelf, decode=decode) as checker:
        for image in standing:
            claimed.append(digest_of(image.path))
            if done := checker.give(image):
                _take(report, done, progress)
        for done in checker.rest():
            _take(report, done, progress)
    claimed = array("Q", sorted(claimed))
    orphans = [path for path in shelf.names() if not _has(claimed, digest_of(path))]
    if not alone:
        orphans = _forgive(report, orphans, scan(directory / LOG, standing.good), shelf, began)
    report.findings += (Finding("orphan", path, "no line of the log names it") for path in orphans)
    return report


class _Standing:
    """The standing `stored` lines of a log, the latest of each image, as of the moment this was made."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._voided = voided(log)
        self._undecodable: set[Key] = set()
        self.good = self.torn = 0
        bits = array("Q")
        lines = scan(log)
        for line in lines:
            if isinstance(line[1].event, Voided) and line[1].event.reason == "undecodable":
                self._undecodable.add((line[1].event.log, line[1].event.seq))
            if (stored := self._standing(line[1])) is not None:
                bits.append(_bit((stored.id, stored.page)))
        self.good, self.torn = lines.good, lines.end - lines.good
        ordered = sorted(bits)
        again = {a for a, b in pairwise(ordered) if a == b}
        self._best = self._contest(again) if again else {}

    def __iter__(self) -> Iterator[Standing]:
        given: set[Image] = set()
        sent: set[tuple[Image, str]] = set()
        for line, event in self._lines(sent):
            image = (event.id, event.page)
            keys: tuple[Key, ...] = ((line.log, line.seq),)
            if image in self._best:
                moment, keys = self._best[image]
                if moment != _moment(line) or image in given:
                    continue
                given.add(image)
            resent = (image, event.sha256) in sent
            yield Standing(event.id, event.page, event.path, event.bytes, event.sha256, keys, resent)

    def _contest(self, again: set[int]) -> dict[Image, tuple[Moment, tuple[Key, ...]]]:
        """Of images that several lines name: the moment of the latest, and all lines."""
        best: dict[Image, tuple[Moment, tuple[Key, ...]]] = {}
        for line, event in self._lines():
            image: Image = (event.id, event.page)
            key = (line.log, line.seq)
            if _bit(image) in again:
                moment, keys = best.get(image, (_moment(line), ()))
                best[image] = (max(moment, _moment(line)), keys if key in keys else (*keys, key))
        return best

    def _lines(self, sent: set[tuple[Image, str]] | None = None) -> Iterator[tuple[Line, Stored]]:
        """Once more, and no further than the first time. `sent` collects the digests that were found undecodable."""
        for offset, line in scan(self._log):
            if offset >= self.good:
                return
            if sent is not None and (line.log, line.seq) in self._undecodable and isinstance(line.event, Stored):
                sent.add(((line.event.id, line.event.page), line.event.sha256))
            if (stored := self._standing(line)) is not None:
                yield line, stored

    def _standing(self, line: Line) -> Stored | None:
        if isinstance(line.event, Stored) and (line.log, line.seq) not in self._voided:
            return line.event
        return None


class _Checker:
    """Checks files in a few threads: hashing and reading let go of the interpreter. Results come in any order."""

    def __init__(self, shelf: Shelf, *, decode: bool) -> None:
        self._shelf = shelf
        self._decode = decode
        self._own = threading.local()
        self._decoders: list[Decoder] = []
        cores = os.cpu_count() or 1
        # Twice the cores: while some wait for the disk, the others hash. Decoding waits for nothing but the core.
        self._workers = shelf.workers or min(16, cores if decode else 2 * cores)
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="audit")
        self._batch: list[Standing] = []
        self._running: deque[Future[list[_Checked]]] = deque()

    def __enter__(self) -> _Checker:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for decoder in self._decoders:
            decoder.close()

    def give(self, image: Standing) -> list[_Checked]:
        """Take an image to be checked; gives what became ready, waiting when too much is under way."""
        self._batch.append(image)
        if len(self._batch) < BATCH:
            return []
        self._running.append(self._threads.submit(self._check_all, self._batch))
        self._batch = []
        return self._running.popleft().result() if len(self._running) > 3 * self._workers else []

    def rest(self) -> Iterator[list[_Checked]]:
        """The results of all that was given."""
        self._running.append(self._threads.submit(self._check_all, self._batch))
        while self._running:
            yield self._running.popleft().result()

    def _check_all(self, images: list[Standing]) -> list[_Checked]:
        return [self._check(image) for image in images]

    def _check(self, image: Standing) -> _Checked:
        buffer: bytearray | None = getattr(self._own, "buffer", None)
        if buffer is None:
            buffer = self._own.buffer = bytearray(BUFFER_BYTES)
        finding = self._shelf.check(image, buffer)
        if finding is not None or not self._decode:
            return _Checked(image.bytes, finding)
        decoder: Decoder | None = getattr(self._own, "decoder", None)
        if decoder is None:
            decoder = self._own.decoder = Decoder()
            self._decoders.append(decoder)
        with self._shelf.file(image.path) as path:
            verdict, why = decoder.check(path)
        if verdict == "undecided":
            return _Checked(image.bytes, None, (image.path, why))
        if verdict == "broken" and image.resent:
            return _Checked(image.bytes, None, None, (image.path, why))
        return _Checked(image.bytes, Finding("undecodable", image.path, why, image) if verdict == "broken" else None)


def _forgive(report: Report, orphans: list[str], since: Scan[Line], shelf: Shelf, began: float) -> list[str]:
    """Take back what a run has changed since the log was read; gives the orphans that remain."""
    undone: set[Key] = set()
    renewed: set[str] = set()
    for _, line in since:
        if isinstance(line.event, Voided):
            undone.add((line.event.log, line.event.seq))
        elif isinstance(line.event, Stored):
            renewed.add(line.event.path)
    report.findings = [
        f for f in report.findings if f.path not in renewed and not (f.image and undone.issuperset(f.image.lines))
    ]
    busy = bool(orphans) and shelf.busy()
    return [path for path in orphans if path not in renewed and not (busy and shelf.changed(path) > began - SETTLING_S)]


def _take(report: Report, checked: list[_Checked], progress: Progress | None) -> None:
    for one in checked:
        report.images += 1
        report.bytes += one.bytes
        if one.finding is not None:
            report.findings.append(one.finding)
        if one.undecided is not None:
            report.undecided.append(one.undecided)
        if one.flawed is not None:
            report.flawed.append(one.flawed)
    if progress is not None:
        progress(report.images, report.bytes)


def _has(ordered: array[int], value: int) -> bool:
    at = bisect_left(ordered, value)
    return at < len(ordered) and ordered[at] == value


def _moment(line: Line) -> Moment:
    return (line.t, line.log, line.seq)


def _bit(image: Image) -> int:
    return digest_of(f"{image[0]!r} {image[1]!r}")
