"""A worker of a cluster: leases shards, crawls them with the ordinary engine, and commits what came of each."""

from __future__ import annotations

from crawler.cluster.protocol import Coordinator, Flight, Halt, RateBudget
from crawler.disk import Disk
from crawler.settings import Settings

AT_ONCE = 2
"""So many shards are worked on at a time: the last slow works of one idle nobody while the next has begun."""


class Worker:
    """Crawls what it is given until there is no more. Any number may run in one loop.

    `settings`: those of the driver, paths included (`output.dir` of a folder must be the very same folder, seen from
    here; the list itself is never read). `session`: the value of PHPSESSID, or "". `name`: unique among the workers of
    this coordinator. `disk`: a simulation brings its own.
    """

    def __init__(
        self,
        settings: Settings,
        session: str,
        name: str,
        coordinator: Coordinator,
        budget: RateBudget,
        *,
        disk: Disk | None = None,
    ) -> None:
        raise NotImplementedError

    async def run(self) -> Halt | None:
        """Until the coordinator says that nothing will come, or that it drains; what stopped the crawl here, if
        anything did: that was told to the coordinator. Cancelled, it stops at once, as if killed.

        Raises Unreachable when the coordinator has given no answer for so long that no lease can be left, and
        ConfigError.
        """
        raise NotImplementedError

    def drain(self) -> None:
        """This worker goes home (its machine is wanted back): on the wire is finished, shards go to others."""
        raise NotImplementedError

    def flight(self) -> Flight:
        """What it has under way, for whoever looks."""
        raise NotImplementedError
