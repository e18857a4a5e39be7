"""Matches the pages of the listed pairs by their lines: files are read and held against each other on all cores.

What is found is noted as it comes, under the digests of the pages: an export that was killed does not do it again.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from crawler.dataset.bodies import Bodies, Body, Got, Traced
from crawler.dataset.columns import Row
from crawler.dataset.derive import prepare_worker
from crawler.dataset.job import Job, wanted

if TYPE_CHECKING:
    from crawler.likeness.align import Print

KEPT = 16
"""Candidates of a pair that the data set tells."""
NOTES = "matches.jsonl"
Sides = tuple[Sequence[Row], Sequence[Row]]
Found = list[dict[str, Any]]
"""Pairs of pages, best choice first: places in the lists of rows, score, flip, scale, and where the sketch lies."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What the lines say of a pair: its best pairs of pages. `unread`: pages that could not be read."""

    found: Found
    compared: int
    unread: int

    @property
    def doubt(self) -> bool:
        """The lines do not agree, or there were none to compare: somebody should look."""
        from crawler.likeness.pages import LIKELY

        return not self.found or self.found[0]["score"] < LIKELY


def matched(job: Job, pairs: Iterable[tuple[int, Sides]]) -> Iterator[tuple[int, Matched]]:
    """Each pair's number with what the lines of its pages say, in order."""
    with _Notes(job) as notes, _Pool(job.options.jobs) as pool:
        for number, key, result in pool.run(notes, job, pairs):
            notes.add(key, result)
            yield number, Matched(**result)


class _Notes:
    """What is known from before, by the digests of both sides' pages."""

    def __init__(self, job: Job) -> None:
        self._path = job.manifest.scratch / NOTES
        self.known: dict[str, dict[str, Any]] = {}
        if self._path.is_file():
            for line in self._path.read_bytes().splitlines():
                try:
                    noted = orjson.loads(line)
                except orjson.JSONDecodeError:  # torn by a kill
                    continue
                self.known[noted.pop("key")] = noted
        self._file = self._path.open("ab")
        self._file.write(b"\n")  # after a torn line

    def __enter__(self) -> _Notes:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, key: str, result: Mapping[str, Any]) -> None:
        """Note it; lost when killed at once, and then found again."""
        if key not in self.known:
            self._file.write(orjson.dumps({"key": key, **result}) + b"\n")


class _Pool:
    """Processes that align lines, fed in order."""

    def __init__(self, jobs: int) -> None:
        self._workers = jobs or os.cpu_count() or 1
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        self._pool = ProcessPoolExecutor(self._workers, mp_context=context, initializer=prepare_worker)

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(
        self, notes: _Notes, job: Job, pairs: Iterable[tuple[int, Sides]]
    ) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Number, key and result of each pair. Known ones are not read."""

        def asked() -> Iterator[tuple[tuple[int, str, int], tuple[Any, ...]]]:
            for number, sides in pairs:
                key = _key(sides)
                files = () if key in notes.known else tuple(wanted(row) for side in sides for row in side)
                yield (number, key, len(sides[0])), files

        under_way: deque[tuple[int, str, Future[dict[str, Any]]]] = deque()
        with Bodies(job.directory, "bytes", Traced(), job.options.jobs) as bodies:
            for (number, key, split), got in bodies.load(asked()):
                result: Future[dict[str, Any]] = Future()
                if key in notes.known:
                    result.set_result(notes.known[key])
                else:
                    result = self._pool.submit(align_pages, [_bytes(one) for one in got], split)
                under_way.append((number, key, result))
                if len(under_way) > 4 * self._workers:
                    done = under_way.popleft()
                    yield done[0], done[1], done[2].result()
            while under_way:
                done = under_way.popleft()
                yield done[0], done[1], done[2].result()


def _key(sides: Sides) -> str:
    texts = [",".join(row.values["sha256"] for row in side) for side in sides]
    return hashlib.sha256("|".join(texts).encode()).hexdigest()


def _bytes(got: Got) -> bytes | None:
    return got.data if isinstance(got, Body) else None


_prints: OrderedDict[bytes, Print] = OrderedDict()
"""A worker's latest sketches, made ready: the colourings of a sketch often follow each other."""


def align_pages(pages: list[bytes | None], split: int) -> dict[str, Any]:
    """Runs in a worker: the packed lines of all pages, the colouring's first. As the fields of Matched."""
    from crawler.likeness.pages import page_pairs

    prints = [None if page is None else _print(page) for page in pages]
    pairs = page_pairs(prints[:split], prints[split:])
    found: Found = []
    for pair in pairs[:KEPT]:
        match = pair.match
        place = {name: round(getattr(match, name), 4) for name in ("score", "scale", "left", "top", "width", "height")}
        found.append({"colored": pair.colored, "sketch": pair.sketch, "flip": match.flip, **place})
    return {"found": found, "compared": len(pairs), "unread": sum(page is None for page in pages)}


def _print(page: bytes) -> Print:
    from crawler.likeness.align import Print
    from crawler.likeness.lines import Lines

    name = hashlib.sha256(page).digest()
    found = _prints.pop(name, None) or Print(Lines.unpack(page))
    _prints[name] = found
    while len(_prints) > 16:
        _prints.popitem(last=False)
    return found
