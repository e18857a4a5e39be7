"""A whole cluster in one loop: real workers, driver, coordinator and budget, without what carries their messages."""

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from judge import write_config

from crawler.assembly import Wishes
from crawler.cli.loading import load
from crawler.cluster.budget import Budget
from crawler.cluster.commits import Ledger
from crawler.cluster.coordinator import LedgerCoordinator
from crawler.cluster.driver import Driver
from crawler.cluster.output import Output
from crawler.cluster.protocol import Unreachable
from crawler.cluster.worker import Worker
from crawler.disk import Disk
from crawler.engine.books import Outcome
from crawler.engine.doors import lanes_of
from crawler.settings import Settings


def some_ids(count: int, seed: int = 1) -> list[int]:
    """Ids that a stand-in may or may not have."""
    return random.Random(seed).sample(range(258, 61_897_803), count)


def settings_of(folder: Path, origin: Any, ids: Sequence[int], flags: dict[str, str] | None = None) -> Settings:
    """The settings of a crawl of these ids into `folder/out`; `flags`: dotted keys and values as typed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ids.txt").write_text("\n".join(map(str, ids)))
    return load(write_config(folder, origin, 'path = "ids.txt"'), flags or {}, {}).settings


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that comes."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - others do not know that we wait
            await asyncio.sleep(0.01)


class Wire:
    """A coordinator as one worker has it: what it says is lost while the wire is `cut`."""

    def __init__(self, coordinator: Any) -> None:
        self._coordinator = coordinator
        self.cut = False

    def _through(self) -> Any:
        if self.cut:
            raise Unreachable("cut")
        return self._coordinator

    async def lease(self, worker: str, ask: int) -> Any:
        return await self._through().lease(worker, ask)

    async def renew(self, worker: str, held: Sequence[tuple[str, int]], flight: Any) -> Any:
        return await self._through().renew(worker, held, flight)

    async def commit(self, worker: str, shard: str, epoch: int) -> Any:
        return await self._through().commit(worker, shard, epoch)

    async def release(self, worker: str, shard: str, epoch: int) -> None:
        await self._through().release(worker, shard, epoch)

    async def fail(self, worker: str, shard: str, epoch: int, reason: str) -> None:
        await self._through().fail(worker, shard, epoch, reason)

    async def halt(self, worker: str, halt: Any) -> None:
        await self._through().halt(worker, halt)


class Cluster:
    """A coordinator and a budget that live as long as this, and any number of workers, each a task of this loop."""

    def __init__(self, settings: Settings, ttl_s: float = 3.0, session: str = "", **more: Any) -> None:
        self.settings = settings
        self.session = session
        self.wishes = Wishes()
        self.root = settings.output.home
        self.output = Output(settings, Disk(sync=False))
        self.ledger = Ledger(self.output.shelf)
        self.coordinator = LedgerCoordinator(self.ledger, ttl_s=ttl_s, **more)
        self.budget = Budget(lanes_of(settings.limits), settings.retry, fresh=True)
        self.workers: dict[str, asyncio.Task[Any]] = {}

    def driver(self, workers: int = 2) -> Driver:
        """A driver of this cluster."""
        return Driver(self.settings, self.session, self.coordinator, self.budget, workers, self.wishes)

    def start(self, name: str, coordinator: Any = None, settings: Settings | None = None) -> Worker:
        """One more worker."""
        worker = Worker(settings or self.settings, self.session, name, coordinator or self.coordinator, self.budget)
        self.workers[name] = asyncio.create_task(worker.run(), name=name)
        return worker

    async def kill(self, name: str) -> None:
        """Stop a worker at once: it says nothing to nobody."""
        task = self.workers.pop(name)
        task.cancel()
        await asyncio.wait((task,))

    async def leave(self) -> None:
        """Wait until all workers have gone home; what broke in them is raised."""
        for task in self.workers.values():
            await task

    async def run(self, workers: int = 2) -> Outcome:
        """A crawl from its first shard to its end."""
        for number in range(workers):
            self.start(f"w{number}")
        outcome = await self.driver(workers).go()
        await self.leave()
        return outcome
