"""How long a run still takes, from its log alone: the last lines looked at as the live screen looks at a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crawler.events import Described, Event, Failed, Gone, Opened, Stored, Throttled
from crawler.fetch.exchange import Day
from crawler.progress import day_of
from crawler.rules.ahead import Ahead, Forecast, Gear, Left
from crawler.rules.coming import Coming, coming
from crawler.rules.replay import State
from crawler.rules.totals import Totals
from crawler.sites.pixiv import HOST
from crawler.watch.days import days
from crawler.words import seconds_of

_STEP_S = 1.0
_IN_FLIGHT = 8
"""More images than these are not on the wire: they wait."""
Timed = tuple[float, Event | None]


def outlook(timed: Sequence[Timed], state: State, totals: Totals, now: float | None) -> Left:
    """What is left by lane. `timed`: the last lines of the log with their times, UTC seconds; only those of the newest
    run count. `now`: the moment, if that run is on; else what it would take once it runs again."""
    before = _before(state, totals, running=now is not None)
    if before.works <= 0:
        return Left((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    opened = max((i for i, (_, event) in enumerate(timed) if isinstance(event, Opened)), default=0)
    heard = {event.host for _, event in timed[opened:] if isinstance(event, Throttled)}
    counted = _Counted(before, {host: event for host, event in state.throttled.items() if host not in heard})
    for _, event in timed[opened:]:
        counted.foresee(event)
    forecast = Forecast(totals.done + totals.gone, totals.images)
    due = 0.0
    for t, event in timed[opened:]:
        if t >= due:
            counted.look(forecast, t)
            due = t + _STEP_S
        counted.take(event)
    if timed:
        counted.ended(forecast, max(timed[-1][0], now or 0.0), state, running=now is not None)
    return forecast.left()


def _before(state: State, totals: Totals, *, running: bool) -> Coming:
    listed = state.listed()
    known = state.known()
    found = coming(state, known if listed is None else listed, retry=not running)
    new = max(0, totals.listed - len(known)) if listed is None else found.new
    return Coming(new, found.undescribed, found.described, found.images)


class _Counted:
    """Counts lines into looks. What is left at the end is known; before that it does not matter."""

    def __init__(self, left: Coming, told: Mapping[str, Throttled]) -> None:
        """`told`: what limiters said last before the lines that are counted."""
        self._left = left
        self._asked = self._wanted = self._tried = self._ended = 0
        self._behind = left.images
        self._plain = False
        self._told = {host: (0.0, event) for host, event in told.items()}
        self._days: dict[str, Day] = {}

    def foresee(self, event: Event | None) -> None:
        """Of every line first of all: how many images were known and missing when the lines begin."""
        match event:
            case Described():
                self._behind -= len(event.images)
            case Stored() | Failed(page=int() | "zip"):
                self._behind += 1
            case _:
                pass

    def take(self, event: Event | None) -> None:
        match event:
            case Described():
                self._asked += 1
                self._ended += 1
                self._wanted += len(event.images)
            case Stored() | Failed(page=int() | "zip"):
                self._tried += 1
                self._settle(event.id)
            case Gone() | Failed():
                self._ended += 1
                self._asked += isinstance(event.id, int)
                self._tried += isinstance(event.id, str)
                self._plain |= isinstance(event.id, str)
            case Throttled():
                until = seconds_of(event.until) if event.until else None
                self._told[event.host] = (until or 0.0, event)
            case _:
                pass

    def _settle(self, id: int | str) -> None:
        if isinstance(id, str):  # site `urls` describes nothing
            self._plain = True
            self._ended += 1

    def look(self, forecast: Forecast, t: float) -> None:
        left = self._left
        questions, images = (0, left.works) if self._plain else (left.unknown, left.images)
        ahead = Ahead(questions, images, self._asked, self._wanted, self._tried, left.works, self._ended)
        # Who waited for a lane is not in the log: while images that are known pile up, they are what is waited for.
        behind = self._plain or self._behind + self._wanted - self._tried > _IN_FLIGHT or not left.unknown
        forecast.look(t, ahead, self._gear(t, api=True, wanted=not behind), self._gear(t, api=False, wanted=behind))

    def ended(self, forecast: Forecast, t: float, state: State, *, running: bool) -> None:
        """The last look: the limiters' last words count, however long ago, and the daily budgets; blocks if it runs."""
        for host, event in state.throttled.items():
            until = seconds_of(event.until) if event.until and running else None
            self._told[host] = (until or 0.0, event)
        self._days = days(state, t)
        self.look(forecast, t)

    def _gear(self, t: float, *, api: bool, wanted: bool) -> Gear:
        mine = [told for host, told in self._told.items() if (host == HOST) == api]
        rates = [event.rate for _, event in mine]
        limits = [event.limit for _, event in mine]
        waits = [max(0.0, until - t) for until, _ in mine] or [0.0]
        held = [day for host, day in self._days.items() if (host == HOST) == api]
        return Gear(
            rate=sum(rates) if all(rates) else 0.0,
            limit=sum(limits) if all(limits) else 0.0,
            wait_s=(min(waits), max(waits)),
            wanted=wanted,
            daily=day_of(held, sum(day.bytes for day in held) / max(1, sum(day.requests for day in held))),
        )
