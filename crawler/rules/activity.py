"""What was written when, by the minute, so that rates can be told from the log alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pyroaring import BitMap64

MINUTES_KEPT = 180


@dataclass(frozen=True, slots=True)
class Minute:
    """What was written in the minute `t` (UTC, YYYY-MM-DDTHH:MM): images, their bytes, works the site answered."""

    t: str
    images: int
    bytes: int
    works: int


class _Tick:
    """What one minute saw. Line numbers and ids as bitmaps, so that a repeated line counts once."""

    __slots__ = ("bytes", "seqs", "works")

    def __init__(self) -> None:
        self.seqs: dict[str, BitMap64] = {}
        self.works = BitMap64()
        self.bytes = 0


class Activity:
    """The last minutes in which anything was written. A line counts once, whatever became of it: voided lines too."""

    def __init__(self) -> None:
        self._ticks: dict[str, _Tick] = {}

    def stored(self, t: str, log: str, seq: int, bytes: int) -> None:
        """Line `seq` of `log` says that an image of `bytes` bytes was stored at `t`."""
        tick = self._tick(t)
        seqs = tick.seqs.get(log)
        if seqs is None:
            seqs = tick.seqs[log] = BitMap64()
        if seq not in seqs:
            seqs.add(seq)
            tick.bytes += bytes

    def answered(self, t: str, bit: int) -> None:
        """The site answered for a work at `t`."""
        self._tick(t).works.add(bit)

    def minutes(self) -> tuple[Minute, ...]:
        """Oldest first."""
        return tuple(
            Minute(t, sum(map(len, tick.seqs.values())), tick.bytes, len(tick.works))
            for t, tick in sorted(self._ticks.items())
        )

    def _tick(self, t: str) -> _Tick:
        minute = t[:16]
        tick = self._ticks.get(minute)
        if tick is None:
            tick = self._ticks[minute] = _Tick()
            if len(self._ticks) > MINUTES_KEPT:  # one older than all that are kept goes at once, in any order
                del self._ticks[min(self._ticks)]
        return tick
