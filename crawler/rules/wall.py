"""What the refusals of a host say about its secret limit: the rate it fills at, and how much it holds.

Pure. Most limits are leaky buckets or look like one: requests fill it, it drains at some rate, and whoever finds it
full is refused. So for each candidate rate a bucket of our own is kept. If a candidate is the host's rate, then the
host always refuses at the same level of that bucket, and lets pass what stays below; every candidate for which this
does not hold is ruled out. Two refusals at different paces leave a narrow band, and a third one a line: the limit is
found without an assumption on its size, and without being hit again and again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil

_STEPS = 32
"""Candidates an octave: 2.2 % between two."""
_BATCH = 8
"""Requests that are put into the buckets at once: 160 additions are not worth the while for each."""
_HITS = 3
"""Refusals that count; older ones may be of another limit."""
_LEAST = 3.0
"""A bucket that refuses at less than this says nothing: its rate was never below ours."""
_SLACK, _SLACK_SHARE = 1.0, 0.01
"""Levels closer than this are the same: requests are whole, and arrive a little sooner or later than others."""
_SHARES = (0, 0.25, 0.5, 0.75, 1)
"""Where to look between two candidates."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A host's limit as it looks from here: requests/s between `low` and `high`, `room` of them at once."""

    low: float
    high: float
    room: float

    @property
    def rate(self) -> float:
        """The best guess."""
        return (self.low * self.high) ** 0.5


class Wall:
    """The buckets of one host. Candidates lie between `top` and top / 2^octaves, requests/s."""

    def __init__(self, top: float, now: float, octaves: int = 5) -> None:
        self._rates = [top * 2 ** (-k / _STEPS) for k in range(octaves * _STEPS + 1)]
        self._pending: deque[float] = deque()
        self._at = now
        self._proven = now
        self.forget()

    @property
    def hits(self) -> int:
        """Refusals that are remembered."""
        return len(self._hits)

    def forget(self) -> None:
        """Begin anew: all buckets empty, nothing known."""
        self._levels = [0.0] * len(self._rates)
        self._peaks = [0.0] * len(self._rates)
        self._hits: deque[list[float]] = deque(maxlen=_HITS)
        self._shelf: list[float] | None = None
        self._told: tuple[Limit, int] | None = None

    def doubt(self) -> None:
        """Begin anew, but for the last hit: it counts again if the next one agrees with it."""
        shelf = self._hits[-1]
        self.forget()
        self._shelf = shelf

    def remember(self, limit: Limit) -> None:
        """Begin with what an earlier run found out."""
        self.forget()
        slower = next((k for k, rate in enumerate(self._rates) if rate <= limit.rate), len(self._rates) - 1)
        level = max(limit.room + 1, _LEAST)
        self._hits.append([level if slower - 1 <= k <= slower else 0.0 for k in range(len(self._rates))])
        self._told = (limit, slower)

    def sent(self, at: float) -> None:
        """A request went out then; times never go back."""
        self._pending.append(at)

    def unsent(self, after: float) -> None:
        """What was to go out later than `after` does not."""
        while self._pending and self._pending[-1] > after:
            self._pending.pop()

    def passed(self, sent: float) -> None:
        """What was `sent` then was let through, and so was what went before it and is not known to be refused."""
        self._proven = max(self._proven, sent)
        if len(self._pending) >= _BATCH:
            self._fill(self._proven)

    def refused(self, sent: float) -> None:
        """What was `sent` then was refused, and took no room."""
        if sent in self._pending:
            self._pending.remove(sent)

    def hit(self, sent: float) -> None:
        """What was `sent` then was the first to be refused: the bucket was full."""
        self.refused(sent)
        self._fill(sent)
        self._hits.append([level + 1 for level in self._levels])
        if self._shelf is not None:
            peaks, self._shelf, shelf = self._peaks, None, self._shelf
            self._hits.appendleft(shelf)
            self._peaks = [max(peak, level - 1) for peak, level in zip(peaks, shelf, strict=True)]
            if self.limit() is None:
                self._hits.popleft()
                self._peaks = peaks

    def unhit(self) -> None:
        """The last hit was none."""
        if self._hits:
            self._hits.pop()

    def limit(self) -> Limit | None:
        """The limit that all hits agree on; None when there was none, or no limit explains them."""
        self._fill(self._proven)
        if not self._hits:
            return None
        if self._told is not None and len(self._hits) == 1:
            limit, slower = self._told
            return limit if self._peaks[slower] <= limit.room + _SLACK + _SLACK_SHARE * limit.room else None
        full = list(map(min, zip(*self._hits, strict=True)))
        # The true rate lies between two candidates: what passed is held to the faster one's bucket, what was refused
        # to the slower one's, which is fuller.
        ruled_in = [
            k
            for k, (peak, level) in enumerate(zip(self._peaks, full[1:], strict=False))
            if level >= _LEAST and peak <= level + _SLACK + _SLACK_SHARE * level
        ]
        if not ruled_in:
            return None
        # Where no place agrees that was looked at: the slowest candidate that is not ruled out.
        places = [k + share for k in ruled_in for share in _SHARES if self._agree(k, share)] or [ruled_in[-1] + 1.0]
        # If there are several bands, the slowest: the others are of hardly a limit at all.
        first = last = max(places)
        for place in sorted(places, reverse=True):
            if place < first - 0.5:
                break
            first = place
        return Limit(self._rate_at(last), self._rate_at(first), full[ceil(last)] - 1)

    def _agree(self, k: int, share: float) -> bool:
        """Whether the refusals were at one level, and nothing above it passed, so far between two candidates."""
        levels = [hit[k] + share * (hit[k + 1] - hit[k]) for hit in self._hits]
        more = [max(0.0, self._peaks[j] - max(hit[j] for hit in self._hits) + 1) for j in (k, k + 1)]
        least, peak = min(levels), max(levels) - 1 + more[0] + share * (more[1] - more[0])
        return least >= _LEAST and peak <= least + _SLACK + _SLACK_SHARE * least

    def _rate_at(self, place: float) -> float:
        k = int(place)
        return self._rates[k] * 2 ** ((k - place) / _STEPS)

    def _fill(self, until: float) -> None:
        pending, count = self._pending, 0
        first = pending[0] if pending and pending[0] <= until else until
        while pending and pending[0] <= until:
            pending.popleft()
            count += 1
        pause, busy = max(0.0, first - self._at), max(0.0, until - first)
        if not count and not pause:
            return
        self._at = max(self._at, until)
        least = 1.0 if count else 0.0
        self._levels = [
            max(least, max(0.0, level - rate * pause) + count - rate * busy)
            for level, rate in zip(self._levels, self._rates, strict=True)
        ]
        self._peaks = list(map(max, self._peaks, self._levels))
