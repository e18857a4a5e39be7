"""Reads a log from disk line by line, and tells a torn tail (heals) from damage (refused, with its offset)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pyroaring import BitMap64

from crawler.events import Line, Voided
from crawler.log import snapshot
from crawler.log.codec import Glimpse, decode, rescue, skim, strange
from crawler.log.files import no_collection
from crawler.rules.replay import Key, State
from crawler.stop import Stop
from crawler.within import plain

_CHUNK = 1 << 20
_VOIDED = b'"event":"voided"'


class LogDamaged(Stop):
    """Bytes of the log that once were confirmed are gone: nothing is written until a person asks for repair."""

    code, reason = 7, "log_damaged"

    def __init__(self, path: Path, offset: int, what: str) -> None:
        folder = path.parent
        super().__init__(
            f"{path}: damaged at byte {offset}: {what}; nothing was thrown away; run crawler verify {folder} --repair"
        )
        self.path, self.offset = path, offset


class _Named(Protocol):
    @property
    def log(self) -> str: ...
    @property
    def seq(self) -> int: ...


L = TypeVar("L", bound=_Named)


class Scan(Generic[L]):
    """Iterates over the intact lines of a log as (offset, line), in little memory. Raises LogDamaged, OSError.

    Bad bytes with an intact line after or among them are damage, told where they are met; so is a line with a right
    checksum that says what no line says, wherever it is; and so is a line that is missing from the `seq` of its log
    and not voided (that is how a repaired log says what it lost), told at the end: lines may come in any order.
    Starting at an offset that is not 0, the first line of each log is taken as it comes, unless `last` says how far
    each log had come there; `last` grows with what is read. When the iteration is over, `good` is the offset behind
    the last intact line, `end` the size that was read (more than `good`: a torn tail lies between), and `open_ended`
    says that the last intact line has no newline yet.
    """

    def __init__(
        self, path: Path, start: int, read: Callable[[bytes], L | None], last: dict[str, int] | None = None
    ) -> None:
        self.path = path
        self.start = self.good = self.end = start
        self.open_ended = False
        self.last = {} if last is None else last
        self._read = read
        self._lenient = start > 0 and last is None
        self._holes: list[tuple[int, str, int, int]] = []
        self._late: dict[str, BitMap64] = {}

    def __iter__(self) -> Iterator[tuple[int, L]]:
        bad = -1
        read, last = self._read, self.last
        for offset, raw, closed in raw_lines(self.path, self.start):
            self.end = offset + len(raw) + closed
            line = read(raw)
            if line is None:
                bad = offset if bad < 0 else bad
                if why := strange(raw):
                    raise LogDamaged(self.path, offset, why)
                if rescue(raw):
                    raise LogDamaged(self.path, bad, "bytes that are no line, with good lines among them")
                continue
            if bad >= 0:
                raise LogDamaged(self.path, bad, "bytes that are no line, with good lines after them")
            seq, seen = line.seq, last.get(line.log, 0)
            if seq > seen:
                last[line.log] = seq
                if seq != seen + 1 and (seen or not self._lenient):
                    self._holes.append((offset, line.log, seen + 1, seq))
            elif self._holes:
                self._late.setdefault(line.log, BitMap64()).add(seq)
            self.good = self.end
            self.open_ended = not closed
            yield offset, line
        self._check_holes()

    def _check_holes(self) -> None:
        if not self._holes:
            return
        gone = voided(self.path)
        for offset, log, first, behind in self._holes:
            late = self._late.get(log, BitMap64())
            missing = next((seq for seq in range(first, behind) if seq not in late and (log, seq) not in gone), 0)
            if missing:
                raise LogDamaged(self.path, offset, f"line {missing} of log {log} is missing before it")


def scan(path: Path, start: int = 0) -> Scan[Line]:
    """The lines of the log at `path` from byte `start` (a line's offset) on; see Scan."""
    return Scan(path, start, decode)


def voided(path: Path) -> set[Key]:
    """The lines that `voided` lines of this log name, found in a pass that decodes nothing else. Raises OSError."""
    found: set[Key] = set()
    for block, _ in _blocks(path, 0):
        if _VOIDED not in block:
            continue
        for raw in block.split(b"\n"):
            if _VOIDED in raw and (line := decode(raw)) is not None and isinstance(line.event, Voided):
                found.add((line.event.log, line.event.seq))
    return found


@dataclass(frozen=True, slots=True)
class Folded:
    """What a log adds up to, and where it ends: `good`, `end`, `open_ended` and `last` as of Scan.

    `start`: the offset up to which a snapshot stood for the log, 0 without one.
    """

    state: State
    start: int
    last: dict[str, int]
    good: int
    end: int
    open_ended: bool


def fold(path: Path) -> Folded:
    """Fold a log: what its snapshot stands for, if there is one that fits, and all lines after it.

    Damage before the snapshot's end shows only where the snapshot's samples meet it; `scan` reads everything. Whatever
    is odd behind it, or takes back what the snapshot cannot, is answered by folding the log from its first line.
    Reads only; a torn tail is silent: a run may be on. Raises LogDamaged, OSError.
    """
    with no_collection():
        kept = snapshot.load(path)
        if kept is not None:
            state, offset, last = kept
            with suppress(LogDamaged):
                folded = _fold(path, state, offset, last)
                if not state.stale:
                    return folded
        return _fold(path, State(voided(path)), 0, {})


def replay(path: Path) -> State:
    """What the log adds up to; see `fold`. Raises LogDamaged, OSError."""
    return fold(path).state


def _fold(path: Path, state: State, start: int, last: dict[str, int]) -> Folded:
    lines = Scan[Glimpse | Line](path, start, skim, last)
    for _, line in lines:
        _take_in(state, line)
    return Folded(state, start, lines.last, lines.good, lines.end, lines.open_ended)


def _take_in(state: State, line: Glimpse | Line) -> None:
    if isinstance(line, Line):
        state.apply(line)
    elif line.images is None:
        state.stored((line.t, line.log, line.seq), line.id, line.page, line.bytes, line.quality)
    else:
        state.described((line.t, line.log, line.seq), line.id, line.images)


def raw_lines(path: Path, start: int) -> Iterator[tuple[int, bytes, bool]]:
    """Offset and bytes of each line, without its newline, and whether it has one: only the last can be without."""
    offset = start
    for block, closed in _blocks(path, start):
        raws = block.split(b"\n")
        final = raws.pop()
        for raw in raws:
            yield offset, raw, True
            offset += len(raw) + 1
        yield offset, final, closed
        offset += len(final) + closed


def _blocks(path: Path, start: int) -> Iterator[tuple[bytes, bool]]:
    """The file in pieces of whole lines, without the newline that ends a piece; the last may have had none."""
    rest = b""
    with open(path, "rb", buffering=0, opener=plain) as file:
        file.seek(start)
        while chunk := file.read(_CHUNK):
            cut = chunk.rfind(b"\n")
            if cut < 0:
                rest += chunk
                continue
            yield rest + chunk[:cut], True
            rest = chunk[cut + 1 :]
    if rest:
        yield rest, False
