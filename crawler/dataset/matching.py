"""Matches the pages of the listed pairs by their lines: files are read and held against each other on all cores.

What is found is noted as it comes, under the digests of the pages: an export that was killed does not do it again.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from crawler.dataset.bodies import Bodies, Body, Got, Traced
from crawler.dataset.columns import Row
from crawler.dataset.derive import prepare_worker
from crawler.dataset.job import wanted
from crawler.dataset.workers import LIMIT_S, ends_after, spawning
from crawler.likeness import WAY
from crawler.stop import Stop
from crawler.within import own_bytes, plain

if TYPE_CHECKING:
    from crawler.likeness.align import Print

KEPT = 16
"""Candidates of a pair that the data set tells."""
Sides = tuple[Sequence[Row], Sequence[Row]]
Found = list[dict[str, Any]]
"""Pairs of pages, best choice first: places in the lists of rows, score, flip, scale, and where the sketch lies."""
Pages = list[bytes | None]
"""The packed lines of the pages of both works; None for one that could not be read."""


class MatchersDied(Stop):
    """The processes that match pages end as soon as they are started."""

    code, reason = 1, "error"


@dataclass(frozen=True, slots=True)
class Matched:
    """What the lines say of a pair: its best pairs of pages. `unread`: pages that could not be read.

    `lost`: the process that held them against each other died of it, or had too little memory; nothing was found.
    """

    found: Found
    compared: int
    unread: int
    lost: bool = False

    @property
    def doubt(self) -> bool:
        """The lines do not agree, or there were none to compare: somebody should look."""
        from crawler.likeness.pages import LIKELY

        return not self.found or self.found[0]["score"] < LIKELY


NOTHING = Matched([], 0, 0, lost=True)


def align_pages(pages: Pages, split: int) -> dict[str, Any]:
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


def _within_time(align: Callable[[Pages, int], dict[str, Any]], pages: Pages, split: int) -> dict[str, Any]:
    """Runs in a worker, which ends when it takes too long."""
    with ends_after(LIMIT_S):
        return align(pages, split)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where matching is done: the crawl's folder, the file that notes what is found, and processes (0: one a core).

    `align`: what a worker does with the pages of a pair; a function of a module.
    """

    directory: Path
    notes: Path
    jobs: int = 0
    align: Callable[[Pages, int], dict[str, Any]] = align_pages


def matched(desk: Desk, pairs: Iterable[tuple[int, Sides]]) -> Iterator[tuple[int, Matched]]:
    """Each pair's number with what the lines of its pages say, in order. Raises MatchersDied, OSError."""
    with Notes(desk.notes) as notes, Bodies(desk.directory, "bytes", Traced(), desk.jobs) as bodies:
        pool = _Pool(desk)

        def asked() -> Iterator[tuple[tuple[int, bytes, int, Matched | None], tuple[Any, ...]]]:
            for number, sides in pairs:
                key = key_of(sides)
                known = notes.get(key, (len(sides[0]), len(sides[1])))
                files = () if known is not None else tuple(wanted(row) for side in sides for row in side)
                yield (number, key, len(sides[0]), known), files

        try:
            for (number, key, split, known), got in bodies.load(asked()):
                pool.give(_Task(number, key, [_bytes(one) for one in got], split, known))
                while pool.full:
                    yield pool.take(notes)
            while pool.under_way:
                yield pool.take(notes)
        finally:
            pool.close()


class Notes:
    """What is known from before, by the digests of both sides' pages. In memory is where it lies in the file."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        own_bytes(path, path.with_suffix(".own"))
        self._file = os.open(path, flags, 0o666)
        self._places: dict[bytes, tuple[int, int]] = {}
        at = 0
        with open(path, "rb", opener=plain) as lines:
            for line in lines:
                with suppress(KeyError, ValueError, TypeError):  # torn by a kill
                    self._places[bytes.fromhex(orjson.loads(line)["key"])] = at, len(line)
                at += len(line)
        self._put(b"\n")  # after a torn line

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def get(self, key: bytes, pages: tuple[int, int] | None = None) -> Matched | None:
        """What was found before, None if nothing was. `pages` of colouring and sketch there are: what does not fit
        them is forgotten, for the file can be anybody's."""
        place = self._places.get(key)
        if place is None:
            return None
        noted: Any = orjson.loads(os.pread(self._file, place[1], place[0]))
        try:
            result = Matched(noted["found"], int(noted["compared"]), int(noted["unread"]))
            if pages is None or all(_fits(one, pages) for one in result.found):
                return result
        except (KeyError, TypeError, ValueError):
            pass
        del self._places[key]  # it is found anew
        return None

    def add(self, key: bytes, result: Matched) -> None:
        """Note it at once. What a process died of is not noted: it may fare better next time."""
        if key not in self._places and not result.lost:
            self._places[key] = self._put(orjson.dumps({"key": key.hex(), **asdict(result)}) + b"\n")

    def _put(self, line: bytes) -> tuple[int, int]:
        written = os.write(self._file, line)
        if written < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        # Behind what others may have noted meanwhile.
        return os.lseek(self._file, 0, os.SEEK_CUR) - len(line), len(line)


def _fits(one: dict[str, Any], pages: tuple[int, int]) -> bool:
    """Whether it is a pair of pages as `align_pages` tells them. Raises KeyError, TypeError."""
    places = [one[name] for name in ("score", "scale", "left", "top", "width", "height")]
    return (
        all(isinstance(value, int | float) and math.isfinite(value) for value in places)
        and isinstance(one["flip"], bool)
        and all(isinstance(one[side], int) for side in ("colored", "sketch"))
        and 0 <= one["colored"] < pages[0]
        and 0 <= one["sketch"] < pages[1]
    )


class _Task(NamedTuple):
    """A pair under way. `known`: what is known of it from before, so that its pages were not read."""

    number: int
    key: bytes
    pages: Pages
    split: int
    known: Matched | None


class _Pool:
    """Processes that align lines, fed in order. One that dies costs the pair that it died of, and no other."""

    def __init__(self, desk: Desk) -> None:
        self._workers = desk.jobs or os.cpu_count() or 1
        self._align = desk.align
        self._pool = self._new(self._workers)
        self.under_way: deque[tuple[_Task, Future[dict[str, Any]] | None]] = deque()

    @property
    def full(self) -> bool:
        """Nothing more need be given yet."""
        return len(self.under_way) > 4 * self._workers

    def give(self, task: _Task) -> None:
        """Begin with a pair."""
        self.under_way.append((task, self._submit(task)))

    def take(self, notes: Notes) -> tuple[int, Matched]:
        """The next pair's number and result, which is noted."""
        task, future = self.under_way.popleft()
        if future is None:
            assert task.known is not None
            return task.number, task.known
        try:
            result = Matched(**future.result())
        except MemoryError:
            result = _nothing(task)
        except BrokenProcessPool:
            result = self._alone(task)
            self._pool.shutdown(cancel_futures=True)
            self._pool = self._new(self._workers)
            # What else was under way is asked for again.
            self.under_way = deque((t, f if f is None or _sound(f) else self._submit(t)) for t, f in self.under_way)
        notes.add(task.key, result)
        return task.number, result

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, task: _Task) -> Future[dict[str, Any]] | None:
        if task.known is not None:
            return None
        try:
            return self._pool.submit(_within_time, self._align, task.pages, task.split)
        except BrokenProcessPool as error:
            failed: Future[dict[str, Any]] = Future()
            failed.set_exception(error)
            return failed

    def _alone(self, task: _Task) -> Matched:
        """Some process died: of this pair? It is tried once more, in a process of its own."""
        try:
            with self._new(1) as pool:
                return Matched(**pool.submit(_within_time, self._align, task.pages, task.split).result())
        except (MemoryError, BrokenProcessPool):
            pass
        try:
            with self._new(1) as pool:
                pool.submit(align_pages, [], 0).result()
        except (MemoryError, BrokenProcessPool) as error:
            raise MatchersDied(
                "crawler: the processes that match pages end as soon as they start. Is there memory for them? Run the "
                "same command again to go on: with fewer at a time (--jobs 1), or with --match shape, which needs none."
            ) from error
        return _nothing(task)

    @staticmethod
    def _new(workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(workers, mp_context=spawning(), initializer=prepare_worker)


def _nothing(task: _Task) -> Matched:
    return Matched([], 0, sum(page is None for page in task.pages), lost=True)


def _sound(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and not isinstance(future.exception(), BrokenProcessPool)


def key_of(sides: Sides) -> bytes:
    """What a result is noted under: the digest of the digests of all pages of both sides, and of the way to match."""
    texts = [str(WAY), *(",".join(row.values["sha256"] for row in side) for side in sides)]
    return hashlib.sha256("|".join(texts).encode()).digest()


def _bytes(got: Got) -> bytes | None:
    return got.data if isinstance(got, Body) else None


_prints: OrderedDict[bytes, Print] = OrderedDict()
"""A worker's latest sketches, made ready: the colourings of a sketch often follow each other."""


def _print(page: bytes) -> Print:
    from crawler.likeness.align import Print
    from crawler.likeness.lines import Lines

    name = hashlib.sha256(page).digest()
    found = _prints.pop(name, None) or Print(Lines.unpack(page))
    _prints[name] = found
    while len(_prints) > 16:
        _prints.popitem(last=False)
    return found
