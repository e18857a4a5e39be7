"""Reads a log from disk line by line, and tells a torn tail (heals) from damage (refused, with its offset)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyroaring import BitMap64

from crawler.events import Line, Voided
from crawler.log.codec import decode
from crawler.rules.replay import Key, State
from crawler.stop import Stop

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


class Scan:
    """Iterates over the intact lines of a log as (offset, Line), in little memory. Raises LogDamaged, OSError.

    Bad bytes with an intact line after them are damage, told where they are met; so is a line that is missing from the
    `seq` of its log and not voided (that is how a repaired log says what it lost), told at the end: lines may come in
    any order. Starting at an offset that is not 0, the first line of each log is taken as it comes. When the iteration
    is over, `good` is the offset behind the last intact line, `end` the size that was read (more than `good`: a torn
    tail lies between), and `open_ended` says that the last intact line has no newline yet.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path = path
        self.start = self.good = self.end = start
        self.open_ended = False
        self._holes: list[tuple[int, str, int, int]] = []
        self._late: dict[str, BitMap64] = {}

    def __iter__(self) -> Iterator[tuple[int, Line]]:
        bad = -1
        last: dict[str, int] = {}
        for offset, raw, closed in raw_lines(self.path, self.start):
            self.end = offset + len(raw) + closed
            line = decode(raw)
            if line is None:
                if bad < 0:
                    bad = offset
                continue
            if bad >= 0:
                raise LogDamaged(self.path, bad, "bytes that are no line, with good lines after them")
            seq, seen = line.seq, last.get(line.log, 0)
            if seq > seen:
                last[line.log] = seq
                if seq != seen + 1 and (seen or not self.start):
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


def scan(path: Path, start: int = 0) -> Scan:
    """The lines of the log at `path` from byte `start` (a line's offset) on; see Scan."""
    return Scan(path, start)


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


def replay(path: Path) -> State:
    """What the log adds up to. Reads only; a torn tail is silent: a run may be on. Raises LogDamaged, OSError."""
    state = State(voided(path))
    for _, line in scan(path):
        state.apply(line)
    return state


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
    with path.open("rb", buffering=0) as file:
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
