"""What the limiters of hosts told last, in this run or an earlier one: kept for whoever limits a host next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice

from crawler.events import Throttled
from crawler.rules.learning import Memory
from crawler.rules.rate import Change

_KNOWN_MAX = 10_000
"""Hosts that refused something, and what their limiters told last: 0.5 KB each."""


class Known(Mapping[str, Throttled]):
    """By host. `now`: UTC seconds. Bounded, but for blocks that are not over; `in_use` hosts are never let go."""

    def __init__(self, told: Mapping[str, Throttled], now: Callable[[], float], in_use: Container[str]) -> None:
        self._told = OrderedDict(told)
        self._now = now
        self._in_use = in_use

    def __getitem__(self, host: str) -> Throttled:
        return self._told[host]

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)

    def memory(self, host: str) -> Memory | None:
        """What a limiter told last, as its successor takes it."""
        told, now = self._told.get(host), self._now()
        if told is None:
            return None
        return Memory(
            max(0.0, told.rate),
            max(0.0, told.limit),
            max(1.0, told.room),
            max(0, told.met),
            _seconds_left(told.again, now),
            max(0.0, told.block_s),
            _seconds_left(told.until, now),
            told.until is not None,
        )

    def tell(self, host: str, change: Change, learnt: Memory, clock: float) -> Throttled:
        """A limiter changed its mind: what it says. `clock`: the time now on the clock of `change.until`."""
        wall = self._now()
        told = self._told[host] = Throttled(
            host,
            change.rate,
            None if change.until is None else _iso(wall + change.until - clock),
            change.reason,
            round(learnt.limit, 4),
            round(learnt.room, 1),
            learnt.met,
            _iso(wall + learnt.again_s) if learnt.again_s else None,
            round(learnt.block_s, 2),
        )
        self._told.move_to_end(host)
        if len(self._told) > _KNOWN_MAX:
            self._forget(wall)
        return told

    def _forget(self, wall: float) -> None:
        """Let a tenth of them go, told longest ago: none with a block that is not over, nor one that is in use."""
        told = self._told.items()
        spare = (n for n, told in told if n not in self._in_use and not _seconds_left(told.until, wall))
        for host in list(islice(spare, _KNOWN_MAX // 10)):
            del self._told[host]


def _iso(t: float) -> str:
    return datetime.fromtimestamp(t, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds_left(t: str | None, now: float) -> float:
    try:
        return max(0.0, datetime.fromisoformat(t).timestamp() - now) if t else 0.0
    except ValueError:
        return 0.0
