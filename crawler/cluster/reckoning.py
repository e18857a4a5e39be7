"""Where the budget's clock stands, by a worker's own: known to within the shortest round trip of late. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from crawler.cluster.protocol import Moment

_SPAN_S = 20.0
"""Round trips of this and the span before count: clocks drift, a tenth of a millisecond in a second at the worst."""
_TRIES, _TRIED_S = 24, 10.0
"""After so many round trips, and so long, there will be no shorter ones."""
_LATE_S = 0.02


class Use(NamedTuple):
    """When a permit may be used, on the worker's clock: from `due` on, not after `latest` (which may be before)."""

    due: float
    latest: float


class Reckoning:
    """Told of each round trip: asked at `asked`, heard at `heard`, and in between the budget's clock said so.

    So its clock is behind or before ours by at least `heard - said` and at most `asked - said`, for each of them.
    """

    def __init__(self) -> None:
        self._era = ""
        self._began = self._turned = 0.0
        self._count = 0
        self._low = self._low_before = -math.inf
        self._high = self._high_before = math.inf
        self._short = self._short_before = math.inf

    def trip(self, asked: float, moment: Moment, heard: float) -> None:
        """There and back."""
        low, high = asked - moment.at, heard - moment.at
        if moment.era != self._era or high < self.low or low > self.high:  # another clock, or one that was set
            self._era, self._began, self._turned, self._count = moment.era, heard, heard, 0
            self._low = self._low_before = low
            self._high = self._high_before = high
            self._short = self._short_before = high - low
        elif heard - self._turned > _SPAN_S:
            self._turned = heard
            self._low_before, self._high_before = self._low, self._high
            self._short_before = self._short
            self._low, self._high, self._short = low, high, high - low
        else:
            self._low, self._high = max(self._low, low), min(self._high, high)
            self._short = min(self._short, high - low)
        self._count += 1

    @property
    def low(self) -> float:
        """Our clock is ahead of the budget's by at least so much."""
        return max(self._low, self._low_before)

    @property
    def high(self) -> float:
        """And by at most so much."""
        return min(self._high, self._high_before)

    @property
    def shortest(self) -> float:
        """The shortest round trip of late, seconds."""
        return min(self._short, self._short_before)

    def moment(self, now: float) -> Moment | None:
        """What the budget's clock says at least, `now` on ours; None while nothing is known."""
        return Moment(self._era, now - self.high) if self._era else None

    def use(self, at: float, life_s: float, now: float) -> Use:
        """When to use a permit for `at` (the budget's clock) that lives so long: never early, never after its life.

        Where round trips are always longer than a permit's life, that is never. Then it is used when it is due all the
        same: what a server sees in a second then depends on how much the round trips of workers differ.
        """
        due, latest = at + self.high, at + self.low + life_s
        if latest < due + _LATE_S / 2 and self._count >= _TRIES and now - self._began >= _TRIED_S:
            latest = due + _LATE_S
        return Use(due, latest)
