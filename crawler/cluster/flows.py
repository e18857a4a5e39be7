"""What workers sent to a host without a limit, put in order: for a limiter that hears of it only afterwards. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

_LAG_S = 1.5
"""Nobody reports later than this, if he can."""
_OLD_S = 4.0
_WORKERS_MAX, _SENT_MAX = 1000, 4096


def thinned(times: list[float], most: int) -> list[float]:
    """All of them, or every second, fourth, eighth…, so that they are fewer than `most`."""
    stride = 1
    while len(times) // stride >= most:
        stride *= 2
    return times[stride - 1 :: stride]


class Flows:
    """Times are the budget's."""

    def __init__(self) -> None:
        self._sent: list[float] = []
        self._seen: dict[str, tuple[float, float]] = {}

    def report(self, worker: str, times: Sequence[float], count: int, now: float) -> None:
        """A worker sent `count` requests since its last report, some of them at these times."""
        before, _ = self._seen.get(worker, (now - 1.0, 0.0))
        if now > before:
            self._seen[worker] = (now, count / max(now - before, 0.05))
        if len(self._seen) > _WORKERS_MAX:
            self._seen = {one: seen for one, seen in self._seen.items() if now - seen[0] < _OLD_S}
        each = max(1, round(count / len(times))) if times else 0
        for at in times:
            for _ in range(each):
                insort(self._sent, at)
        del self._sent[:-_SENT_MAX]

    def settled(self, now: float) -> Sequence[float]:
        """The times to which nobody will add any more, in order; each is given once."""
        return self._take(now - _LAG_S)

    def until(self, at: float) -> Sequence[float]:
        """The times up to `at`, with those that workers have probably sent since they last reported."""
        for worker, (seen, rate) in self._seen.items():
            count = int(rate * (at - seen)) if 0 < at - seen < _OLD_S else 0
            if count:
                self._seen[worker] = (at, rate)
            for n in range(1, min(count, _SENT_MAX) + 1):
                insort(self._sent, seen + n / rate)
        return self._take(at)

    def _take(self, until: float) -> Sequence[float]:
        end = bisect_right(self._sent, until)
        taken, self._sent = self._sent[:end], self._sent[end:]
        return taken
