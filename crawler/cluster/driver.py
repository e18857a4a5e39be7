"""The driver of a cluster: holds the output and its log, hands shards out, and merges what was committed."""

from __future__ import annotations

from collections.abc import Sequence

from crawler.assembly import Wishes
from crawler.cluster.protocol import Coordinator, RateBudget
from crawler.engine.books import Outcome
from crawler.engine.follower import Follower
from crawler.engine.run import Attendant
from crawler.engine.settings import LimitsSettings
from crawler.progress import Snapshot
from crawler.settings import Settings


class Driver:
    """Stands where `engine.run.Run` stands, for many workers: `api.Crawl(driver)` works too.

    `session`: for what the driver asks itself (rechecks, and works whose images moved); "" for none. `workers`: how
    many are about to work, for the size of shards. `wishes`: as for a run.
    """

    def __init__(
        self,
        settings: Settings,
        session: str,
        coordinator: Coordinator,
        budget: RateBudget,
        workers: int,
        wishes: Wishes | None = None,
    ) -> None:
        raise NotImplementedError

    async def go(self, attendants: Sequence[Attendant] = ()) -> Outcome:
        """Run to the end, with shards that a dead driver left if the coordinator still has them. Workers may begin
        before or after.

        Raises InUse, LogDamaged, SourceError, StorageFailed and ConfigError before the first shard is offered. What
        goes wrong later is told by the outcome.
        """
        raise NotImplementedError

    def drain(self, reason: str, code: int, text: str = "") -> None:
        """Offer nothing more, have the workers finish what is on the wire and commit it, then end with `code`."""
        raise NotImplementedError

    def snapshot(self) -> Snapshot:
        """The crawl at this moment: counts are of the merged log, what workers have under way is told apart."""
        raise NotImplementedError

    def follow(self) -> Follower:
        """Every event that is merged from now on."""
        raise NotImplementedError

    def reload(self, limits: LimitsSettings) -> None:
        """The limits of a cluster stand while it runs: this only says so, as a note."""
        raise NotImplementedError
