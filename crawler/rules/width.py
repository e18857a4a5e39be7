"""How many requests a host is given at once: fewer while they only wait for one another.

Pure. The idea is that of TCP Vegas: what answers take longer than they would at an idle host, they spend in a queue. A
window of replies that took twice as long as the best one is given a smaller width; one that did not, a larger one if
there was work for it. Never more than what is configured.
"""

from __future__ import annotations

_LEAST = 2
_WINDOW = 20
"""Replies that are averaged; one alone may be slow for any reason."""
_QUEUED = 2.0
_SHRINK = 0.8
_FORGET = 0.02
"""The best average is let go by this part each window: a host that has become slower for good is not starved."""


class Width:
    """The width for one host; `most` is the configured number of connections."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._width = float(most)
        self._best = 0.0
        self._sum = 0.0
        self._count = 0
        self._enough = max(_WINDOW, 2 * most)

    @property
    def now(self) -> int:
        """Requests at once, at least 1 and at most what is configured."""
        return max(1, min(self._most, round(self._width)))

    def answered(self, latency_s: float, *, busy: bool) -> bool:
        """A reply's head came after so many seconds; whether `now` changed. `busy`: more requests were waiting."""
        return self.counted(latency_s) and self.judge(busy=busy)

    def counted(self, latency_s: float) -> bool:
        """Count a reply; whether there are enough of them to `judge`."""
        self._sum += latency_s
        self._count = count = self._count + 1
        return count >= self._enough

    def judge(self, *, busy: bool) -> bool:
        """The other half of `answered`."""
        average, before = self._sum / self._count, self.now
        self._sum, self._count = 0.0, 0
        self._best = min(self._best + _FORGET * (average - self._best), average) if self._best else average
        if average > _QUEUED * self._best and busy:
            self._width = max(min(_LEAST, self._most), self._width * _SHRINK)
        elif busy:
            self._width = min(self._most, self._width + 1)
        self._enough = max(_WINDOW, 2 * self.now)
        return self.now != before
