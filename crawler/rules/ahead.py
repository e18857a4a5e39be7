"""How long what is left still takes, each lane by itself, from what the run did so far: a range, not a wish. Pure.

What was seen is kept in at most a few dozen batches that double in length with the run, so that what varies over hours
(dead ids come in clusters, works of a hundred pages, blocks) shows as a difference between batches, and widens the
range as it should; nothing is assumed of how it is distributed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crawler.words import Range

DAY_S = 86400.0
_MOST = 32
_LEAST = 8.0
"""Works or images in a batch, before anything is said."""
_NEVER_S = 1e10
"""Three hundred years: longer than this is said of nothing."""
_SURE = 1.75
"""Standard errors to each side."""
_FLOOR = 0.03
"""No guess of the future is better than this part of itself."""
_FEW = 3
"""Fewer batches than these do not tell how much they differ."""
_BLOCK_S = 200.0
"""What a block of the site lasts (pixiv.md 4.1), until one was seen."""
_SAME = 0.05
"""Limits that differ by less than this part are the same."""
_PASSING_S = 1800.0
"""A rate that fell without a limit that is known is back after so long at most (rules.learning climbs that fast)."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a run has before and behind it. `questions`: works to be asked for; `images` known and to be tried.

    Of this run: `asked` works answered, `wanted` images that the answers named, `tried` images had or given up;
    `works` still to come to their end, `ended` those that did.
    """

    questions: int
    images: int
    asked: int
    wanted: int
    tried: int
    works: int
    ended: int


@dataclass(frozen=True, slots=True)
class Daily:
    """A budget of any 24 hours: the part of it that `each` request takes, and the part that is `spent` now."""

    each: float
    spent: float = 0.0

    def bound(self, least: float, most: float) -> Range:
        """Seconds that so many requests take under it, whatever the rate."""
        low, high = least * self.each, most * self.each
        # Any 24 h hold one budget at most; when the last 24 h gave theirs is not known, so it is back within a day.
        return (max(0.0, low - 1) * DAY_S, (high + self.spent) * DAY_S if high + self.spent > 1 else 0.0)


@dataclass(frozen=True, slots=True)
class Gear:
    """The limiters of a lane: requests/s `rate` now and `budget` (0: no limit), `limit` learnt (0: none is known).

    `wait_s`: seconds that its hosts still wait out, the least and the most of them; `wanted`: whether somebody waits
    for the lane; `requests` since start; `daily` budget, if there is one; how many `hosts` these are.
    """

    rate: float = 0.0
    budget: float = 0.0
    limit: float = 0.0
    wait_s: Range = (0.0, 0.0)
    wanted: bool = False
    requests: int = 0
    daily: Daily | None = None
    hosts: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """Seconds that are left, at least and at most: of each lane if it had all it needs, and of the whole; None while
    too little was seen."""

    api: Range | None
    images: Range | None
    whole: Range | None


class Ratio:
    """How much `y` comes with an `x`, and how well that is known."""

    def __init__(self, least: float = _LEAST) -> None:
        self._least = least
        self._batches: list[tuple[float, float]] = []
        self._open = (0.0, 0.0)

    def add(self, x: float, y: float) -> None:
        """So much more of both."""
        ox, oy = self._open
        self._open = (ox + x, oy + y)
        if self._open[0] < self._least:
            return
        self._batches.append(self._open)
        self._open = (0.0, 0.0)
        if len(self._batches) >= _MOST:
            pairs = zip(self._batches[::2], self._batches[1::2], strict=True)
            self._batches = [(a + c, b + d) for (a, b), (c, d) in pairs]
            self._least *= 2

    @property
    def known(self) -> bool:
        """Whether it says anything."""
        return bool(self._batches)

    @property
    def mean(self) -> float:
        """y for each x; 0 where nothing is known."""
        return _mean([*self._batches, self._open])

    @property
    def lately(self) -> float:
        """The same of the last quarter."""
        return _mean([*self._batches[-max(1, len(self._batches) // 4) :], self._open])

    def error(self, more: float) -> float:
        """The part of itself by which `y` of `more` x may differ from what the mean says: a few standard errors."""
        mean, batches = self.mean, self._batches
        if mean <= 0 or len(batches) < 2 or more <= 0:
            return 2 * _SURE
        seen = sum(x for x, _ in batches)
        worst = 0.0
        while (k := len(batches)) >= 2:
            spread = sum((y - mean * x) ** 2 / x for x, y in batches) / (k - 1)
            error = math.sqrt(spread * (1 / more + 1 / seen)) / mean
            # Few batches know their own spread badly (Student's t, roughly).
            worst = max(worst, (1 + 3 / (k - 1)) * error) if k >= _FEW or not worst else worst
            # Neighbours may be alike (clusters): what is twice as long then varies more than chance would have it.
            batches = [
                (a + c, b + d) for (a, b), (c, d) in zip(batches[k % 2 :: 2], batches[k % 2 + 1 :: 2], strict=True)
            ]
        return _SURE * math.hypot(worst, _FLOOR / _SURE)


def _mean(batches: Sequence[tuple[float, float]]) -> float:
    x = sum(x for x, _ in batches)
    return sum(y for _, y in batches) / x if x else 0.0


class Progress:
    """One lane: the seconds it takes for each unit (an answer, an image) while it is wanted, and at all."""

    def __init__(self) -> None:
        self.busy = Ratio()
        self.all = Ratio()
        self.pace = Ratio()
        self.requests = Ratio()
        self.seconds = 0.0
        self.waits = 0

    def add(self, seconds: float, units: int, requests: int, *, wanted: bool, blocked: bool) -> None:
        """What happened in a stretch of time."""
        self.seconds += seconds
        self.waits += blocked
        self.all.add(units, seconds)
        self.requests.add(units, requests)
        if wanted:
            self.busy.add(units, seconds)
            self.pace.add(requests, seconds)

    def anew(self) -> None:
        """The limiter knows something now that it did not know: how fast it went before says nothing any more."""
        self.busy, self.all, self.pace = Ratio(), Ratio(), Ratio()

    def left(self, units: float, error: float, gear: Gear) -> Range | None:
        """Seconds for `units` more, a number that is known but for a part `error` of itself."""
        if units < 1:
            return (0.0, 0.0)
        each = self._each(units, gear)
        if each is None:
            return None
        fast, slow, doubt = each
        fast, slow = units * fast, units * slow
        spread = 1 + math.hypot(error, doubt)
        low, high = fast / spread, slow * spread
        costs = self.requests.mean or 1.0
        top = min((rate for rate in (gear.budget, gear.limit) if rate), default=0.0)
        if top:
            # Faster than the limiter lets it, it will not go, however fast it was.
            low = max(low, units * costs / top / (1 + math.hypot(error, self.requests.error(units))))
        if self.busy.known and self.all.known:
            # With all the time that it was not wanted it was this slow.
            slowest = max(self.all.mean, self.all.lately) * units * (1 + math.hypot(error, self.all.error(units)))
            high = min(high, slowest)
        if gear.rate and gear.limit:
            high = max(high, units * (1 + error) * costs / gear.rate)
        elif gear.rate and (lost := min(_PASSING_S, high) * (1 - gear.rate * slow / units / costs)) > 0:
            high += lost
        if self.waits == 0 and self.seconds:
            # A block that was not met yet may come all the same.
            high += min(_BLOCK_S, high / 5) * min(1.0, high / self.seconds)
        if gear.daily is not None:
            doubt = 1 + math.hypot(error, self.requests.error(units))
            least, most = gear.daily.bound(units * costs / doubt, units * costs * doubt)
            low, high = max(low, least), max(high, most)
        least, most = min(low, high) + gear.wait_s[0], max(low, high) + gear.wait_s[1]
        return (min(least, _NEVER_S), min(most, _NEVER_S))

    def _each(self, units: float, gear: Gear) -> tuple[float, float, float] | None:
        """Seconds a unit, fast and slow, and the part of itself by which either may be wrong."""
        if self.busy.known:
            speeds = [self.busy.mean, self.busy.lately]
            doubt = self.busy.error(units)
            if self.pace.known and self.requests.mean:
                # What a unit costs in requests is known for longer than how fast they go.
                speeds.append(self.requests.mean * self.pace.mean)
                doubt = max(doubt, self.requests.error(units))
            return min(speeds), max(speeds), doubt
        if gear.rate:
            each = (self.requests.mean or 1.0) / gear.rate
            return each, each, 2 * _FLOOR
        if self.all.known or (units < _LEAST and self.all.mean):
            # Nobody ever waited for it: it can do this, and nobody knows how much more.
            return self.all.mean / 4, self.all.mean, self.all.error(units)
        return None


class Forecast:
    """What a run has shown, lane by lane. `look` at it as often as you like, in the order of time."""

    def __init__(self, asked: int = 0, named: int = 0) -> None:
        """What earlier runs saw: so many works were answered, and had so many images."""
        self._api, self._images = Progress(), Progress()
        self._named = Ratio()
        self._named.add(asked, named)
        self._works = Ratio()
        self._last: tuple[float, Ahead, Gear, Gear] | None = None

    def look(self, t: float, ahead: Ahead, api: Gear, images: Gear) -> None:
        """The run at `t` (seconds)."""
        last, self._last = self._last, (t, ahead, api, images)
        if last is None or t <= last[0]:
            return
        then, before, api_before, images_before = last
        seconds = t - then
        for lane, now, was in ((self._api, api, api_before), (self._images, images, images_before)):
            if now.hosts != was.hosts:
                continue  # a list of URLs: another host came, and nobody changed their mind
            if now.budget != was.budget or abs(now.limit - was.limit) > _SAME * max(now.limit, was.limit):
                lane.anew()
                self._works = Ratio()
        asked = max(0, ahead.asked - before.asked)
        tried = max(0, ahead.tried - before.tried)
        self._api.add(
            seconds,
            asked,
            max(0, api.requests - api_before.requests),
            wanted=api.wanted and api_before.wanted,
            blocked=api.wait_s[1] >= 1,
        )
        self._images.add(
            seconds,
            tried,
            max(0, images.requests - images_before.requests),
            wanted=images.wanted and images_before.wanted,
            blocked=images.wait_s[1] >= 1,
        )
        self._named.add(asked, max(0, ahead.wanted - before.wanted))
        self._works.add(max(0, ahead.ended - before.ended), seconds)

    def left(self) -> Left:
        """What is left at the last look."""
        if self._last is None:
            return Left(None, None, None)
        _, ahead, api_gear, images_gear = self._last
        api = self._api.left(ahead.questions, 0.0, api_gear)
        images = self._images_left(ahead, images_gear)
        if api is None or images is None:
            return Left(api, images, None)
        # A lane that nobody ever waited for kept up with the other, and will: it makes nothing longer.
        idle = ahead.questions > 0 and self._api.busy.known and not self._images.busy.known
        high = api[1] if idle else max(api[1], images[1])
        whole = (min(max(api[0], images[0]), high), high)
        if ahead.works > 0 and self._works.known:
            # Where now one lane and now the other is waited for, the whole takes longer than either.
            slow = max(self._works.mean, self._works.lately) * (1 + self._works.error(ahead.works))
            whole = (whole[0], min(max(whole[1], ahead.works * slow), _NEVER_S))
        return Left(api, images, whole)

    def _images_left(self, ahead: Ahead, gear: Gear) -> Range | None:
        coming, error = ahead.questions * self._named.mean, 0.0
        if ahead.questions and not self._named.known:
            return None
        if coming:
            error = self._named.error(ahead.questions) * coming / (coming + ahead.images)
        return self._images.left(ahead.images + coming, error, gear)
