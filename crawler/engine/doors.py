"""The door of a job, of works as of lists, as its settings say: opened, and told when they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from crawler.engine.course import Course
from crawler.engine.days import daily_of, day_spent
from crawler.engine.settings import LimitsSettings
from crawler.events import Event, Throttled
from crawler.fetch.door import Door
from crawler.fetch.exchange import Day
from crawler.fetch.settings import HostLimits, NetworkSettings
from crawler.log.writer import Log
from crawler.model import Lane
from crawler.rules.settings import RetrySettings
from crawler.stop import DaySpent


class Ways(Protocol):
    """The settings that a door obeys. `waits`: a daily budget that is spent is waited out; else it ends the job."""

    @property
    def limits(self) -> LimitsSettings: ...
    @property
    def network(self) -> NetworkSettings: ...
    @property
    def retry(self) -> RetrySettings: ...
    @property
    def waits(self) -> bool: ...


def lanes_of(limits: LimitsSettings) -> dict[Lane, HostLimits]:
    """The budget of each lane."""
    return {"api": limits.api, "images": limits.images}


def door_of(ways: Ways, course: Course, log: Log, note: Callable[[Event], None]) -> Door:
    """A door that knows what the log tells of hosts and of the day. `note` is `Log.note`, or does as much."""

    def spent(host: str, day: Day, until: float) -> None:
        if not ways.waits:
            course.stop(DaySpent(day_spent(host, day, until)))

    return Door(
        ways.network,
        lanes_of(ways.limits),
        ways.retry,
        ways.limits.memory_mb,
        course.gate,
        on_throttle=note,
        known=log.state.throttled,
        daily=daily_of(log, ways.limits.daily.budget, note, spent),
    )


def reload(door: Door | None, limits: LimitsSettings, note: Callable[[Event], None]) -> None:
    """Obey other [limits] from now on: hosts start with nothing saved up, blocks stand, what is held stays held."""
    if door is None:
        return
    door.reload(lanes_of(limits), limits.memory_mb, limits.daily.budget)
    for host in door.hosts():
        note(Throttled(host.host, host.rate, None, "reloaded"))
