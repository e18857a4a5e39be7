"""Reads a log from disk line by line, and tells a torn tail (heals) from damage (refused, with its offset)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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

    A gap in `seq` is damage unless each missing line is voided (that is how a repaired log says what it lost). Starting
    at an offset that is not 0, the first line of each log is taken as it comes. When the iteration is over, `good` is
    the offset behind the last intact line, `end` the size that was read (more than `good`: a torn tail lies between),
    and `open_ended` says that the last intact line has no newline yet.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path = path
        self.start = self.good = self.end = start
        self.open_ended = False
        self._last: dict[str, int] = {}
        self._voided: set[Key] | None = None

    def __iter__(self) -> Iterator[tuple[int, Line]]:
        bad = -1
        last = self._last
        for offset, raw in _raw_lines(self.path, self.start):
            line = decode(raw)
            self.end = offset + len(raw) + 1
            if line is None:
                if bad < 0:
                    bad = offset
                continue
            if bad >= 0:
                raise LogDamaged(self.path, bad, "bytes that are no line, with good lines after them")
            seq, seen = line.seq, last.get(line.log, 0)
            if seq > seen:
                if seq != seen + 1 and (seen or not self.start):
                    self._gap(line, offset, seen)
                last[line.log] = seq
            self.good = self.end
            yield offset, line
        self._finish(bad)

    def _finish(self, bad: int) -> None:
        """The last piece of a file has no newline, so what was counted is one byte more than what is there."""
        size = self.path.stat().st_size
        self.open_ended = bad < 0 and self.good == size + 1
        if self.open_ended:
            self.good = size
        self.end = max(self.good, min(self.end, size))

    def _gap(self, line: Line, offset: int, seen: int) -> None:
        if self._voided is None:
            self._voided = voided(self.path)
        if any((line.log, seq) not in self._voided for seq in range(seen + 1, line.seq)):
            raise LogDamaged(
                self.path, offset, f"lines {seen + 1} to {line.seq - 1} of log {line.log} are missing before it"
            )


def scan(path: Path, start: int = 0) -> Scan:
    """The lines of the log at `path` from byte `start` (a line's offset) on; see Scan."""
    return Scan(path, start)


def voided(path: Path) -> set[Key]:
    """The lines that `voided` lines of this log name, found in a pass that decodes nothing else. Raises OSError."""
    found: set[Key] = set()
    for block in _blocks(path, 0):
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


def _raw_lines(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each line, without newlines; the last only if there is anything behind the last newline."""
    offset = start
    for block in _blocks(path, start):
        for raw in block.split(b"\n"):
            yield offset, raw
            offset += len(raw) + 1


def _blocks(path: Path, start: int) -> Iterator[bytes]:
    """Bytes of the file in pieces that end before a newline, which is left out; the last may be without one."""
    rest = b""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while chunk := file.read(_CHUNK):
            cut = chunk.rfind(b"\n")
            if cut < 0:
                rest += chunk
                continue
            yield rest + chunk[:cut]
            rest = chunk[cut + 1 :]
    if rest:
        yield rest
