"""The crew of a crawl on Ray, as its driver sees it: found by name or hired, kept complete, sent home at the end."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import SecretStr

from crawler import __version__
from crawler.assembly import settings_digest
from crawler.cluster import ray_door
from crawler.cluster.protocol import Unreachable
from crawler.cluster.ray_actors import MARK, Desk, Hand, Plan, Secret, dissolve
from crawler.cluster.ray_door import Spot
from crawler.cluster.ray_line import DESK, FarBudget, FarCoordinator
from crawler.engine.books import Pull
from crawler.events import Throttled
from crawler.log.files import InUse, is_busy
from crawler.settings import Settings

EVERY_S = 2.0
"""How often the driver says that it lives, and looks for nodes that came."""
LEAVE_S = 3.0
"""So long workers may take to hear that it is over; then they are ended."""
LOST_S = 30.0
"""Our own Ray has one node; when that was not seen for so long, it does not come back."""
SILENT_S = 15.0
"""A driver on another host that was not heard for so long is gone."""
CRASHES = 5
"""A worker whose code broke so often, with nothing done between, breaks for everybody."""


def namespace_of(settings: Settings) -> str:
    """Where the actors of an output are found, whoever asks: a digest of its address."""
    place = settings.output.remote or str(settings.output.home.resolve())
    return f"crawler-{hashlib.sha256(place.encode()).hexdigest()[:16]}"


def plan_of(settings: Settings, session: Secret) -> Plan:
    """What the actors are told. Makes the file by which nodes know the folder again."""
    bare = settings.model_copy(update={"site": settings.site.model_copy(update={"session": SecretStr("")})})
    mark = "" if settings.output.remote else _mark(settings)
    parts = (__version__, settings_digest(bare), session, mark)
    return Plan(bare, session, namespace_of(settings), mark, hashlib.sha256("\n".join(parts).encode()).hexdigest())


def _mark(settings: Settings) -> str:
    path = settings.output.home / MARK
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x") as file:
            file.write(secrets.token_hex(16))
    except FileExistsError:
        pass
    return path.read_text()


class Crew:
    """Workers for a plan: `workers` of them, or (0) one on each node; on `own`, a Ray that ends with this process.

    `tell` says a line to the user; `drain` is called when somebody asked the crawl to stop (reason, code, words);
    `known` gives what the log knows of limiters; `lost`, on a Ray of our own, ends this process in plain words.
    """

    def __init__(
        self,
        plan: Plan,
        workers: int,
        tell: Callable[[str], None],
        drain: Callable[[str, int, str], None] = lambda reason, code, text: None,
        known: Callable[[], Mapping[str, Throttled]] = dict,
    ) -> None:
        self.plan = plan
        self.coordinator = FarCoordinator(plan.namespace)
        self.budget = FarBudget(plan.namespace, self._meet)
        self.drain = drain
        self.known = known
        self.lost: Callable[[], None] | None = None
        self._workers = workers
        self._tell = tell
        self._me = (secrets.token_hex(8), socket.gethostname())
        self._hired: set[str] = set()
        self._at_work: set[str] = set()
        self._idle = asyncio.Event()
        self._desk: Any = None

    @property
    def expected(self) -> int:
        """How many workers there are about to be."""
        return self._workers or max(1, len(ray_door.nodes()))

    def attach(self) -> None:
        """Find the desk that a driver before us left, or hire one. Blocks. Raises InUse.

        One with another plan is ended, with its workers: what they committed is in the output.
        """
        machines = len({node.address for node in ray_door.nodes()}) or 1
        self.plan = replace(self.plan, workers=self.expected, beside=-(-self._workers // machines) or 1)
        if is_busy(self.plan.settings.output.home):
            raise InUse(f"{self.plan.settings.output.home}: another run is writing here; wait for it, or stop it")
        for again in (False, True):
            found = ray_door.find(DESK, self.plan.namespace)
            self._seat()
            digest, silent_s = ray_door.answer(self._desk.claim.remote(*self._me))
            if silent_s < SILENT_S:
                raise InUse(
                    f"{self.plan.settings.output.dir}: another driver of this crawl was heard {silent_s:.0f} s ago"
                )
            if digest == self.plan.digest:
                if found is not None:
                    self._tell("The crawl was still there on Ray: going on with it.")
                break
            assert not again
            self._tell("A crawl with other settings was still there on Ray: its workers are sent home.")
            dissolve(self.plan.namespace)

    def _seat(self) -> None:
        """The desk, made where there is none. Blocks."""
        self._desk = ray_door.hire(DESK, self.plan.namespace, Desk, self.plan)

    async def introduce(self, known: Mapping[str, Throttled]) -> None:
        """Open the budget, which must first hear what limiters told in earlier runs."""
        await self._desk.know.remote(dict(known))

    async def attend(self, pull: Pull, done: asyncio.Event) -> None:
        """Keep the crew complete until `done`."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._pulse())]

            def keep(work: Coroutine[Any, Any, None]) -> None:
                tasks.append(group.create_task(work))

            tasks.append(group.create_task(self._hire(keep)))
            if self.lost is not None:
                tasks.append(group.create_task(self._look(self.lost)))
            await done.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_S):  # they clear up behind them
                    await self._idle.wait()
            for task in tasks:
                task.cancel()

    async def _meet(self) -> None:
        """The budget gave the driver no answer: it may have been begun again, and know nothing."""
        try:
            async with asyncio.timeout(5 * EVERY_S):
                await self.introduce(self.known())
        except (TimeoutError, ray_door.trouble()):
            await self._restore()

    async def _restore(self) -> None:
        """Ray begins the desk again, but for one that it has given up."""
        with suppress(ray_door.trouble()):
            await asyncio.to_thread(self._seat)

    async def _pulse(self) -> None:
        """Say that there is a driver; hear whether somebody wants the crawl stopped."""
        asked = False
        await self._meet()
        while True:
            try:
                async with asyncio.timeout(5 * EVERY_S):
                    stop = await self._desk.pulse.remote(*self._me)
                if stop and not asked:
                    asked = True
                    self._tell("Stopping, as `--stop` asked: what is on the wire is finished first.")
                    self.drain("interrupted", 143, "")
            except (TimeoutError, ray_door.trouble()):
                await self._restore()
            await asyncio.sleep(EVERY_S)

    async def _look(self, lost: Callable[[], None]) -> None:
        """See whether the node of our own Ray is still there. Mostly Ray ends this process when it dies; where it does
        not, every message waits for ever."""
        time = asyncio.get_running_loop().time
        seen = time()
        while time() - seen < LOST_S:
            with suppress(TimeoutError, ray_door.trouble()):
                async with asyncio.timeout(LOST_S / 3):
                    if await asyncio.to_thread(ray_door.nodes):
                        seen = time()
            await asyncio.sleep(5 * EVERY_S)
        lost()

    async def _hire(self, keep: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """A worker for each place that has none yet; nodes that come are places too."""
        while not self._workers or len(self._hired) < self._workers:
            alive = await asyncio.to_thread(ray_door.nodes)
            places = {f"worker-{node.id[:12]}": Spot(node.id, elsewhere=False) for node in alive}
            if self._workers:
                here = range(self._workers if alive else 0)
                places = {f"worker-{n}": Spot(alive[n % len(alive)].id, elsewhere=True) for n in here}
            for name, spot in places.items():
                if name not in self._hired:
                    self._hired.add(name)
                    keep(self._keep(name, spot))
            await asyncio.sleep(EVERY_S)

    async def _keep(self, name: str, spot: Spot) -> None:
        """One worker to its end. A process or node that dies is Ray's to replace; code that breaks is ours."""
        crashes, plan = 0, self.plan
        while crashes < CRASHES:
            try:
                actor = await asyncio.to_thread(partial(ray_door.hire, name, plan.namespace, Hand, plan, name, at=spot))
                self._works(name)
                await actor.run.remote()
                self._rests(name)
                crashes = 0
                await asyncio.sleep(EVERY_S)  # there is no more, unless the driver finds some
            except ray_door.trouble() as error:
                self._rests(name)
                if (cause := ray_door.cause(error)) is not None:
                    crashes += 1
                    self._tell(f"{name} broke ({type(cause).__name__}: {cause}); it is begun again.")
                    await asyncio.to_thread(ray_door.end, name, plan.namespace)
                elif not spot.elsewhere and spot.node not in {n.id for n in await asyncio.to_thread(ray_door.nodes)}:
                    return  # its node is gone, and comes back under another id
                await asyncio.sleep(1)
        self.drain("error", 1, f"{name} broke {CRASHES} times: this is a bug, not your mistake. Please report it.")

    def _works(self, name: str) -> None:
        self._at_work.add(name)
        self._idle.clear()

    def _rests(self, name: str) -> None:
        self._at_work.discard(name)
        if not self._at_work:
            self._idle.set()


async def stop(plan: Plan, tell: Callable[[str], None]) -> bool:
    """Drain the crawl of this output, and wait until it is over; False when there was none."""
    desk = await asyncio.to_thread(ray_door.find, DESK, plan.namespace)
    if desk is None:
        return False
    tell("Stopping: what is on the wire is finished first.")
    coordinator = FarCoordinator(plan.namespace)
    try:
        alone = await desk.stop.remote() > SILENT_S
        if alone:
            await coordinator.drain()
        while await asyncio.to_thread(ray_door.find, DESK, plan.namespace) is not None:
            if alone and not (await coordinator.view()).leased:
                await asyncio.to_thread(dissolve, plan.namespace)
                break
            await asyncio.sleep(EVERY_S / 2)
    except (Unreachable, ray_door.trouble()):
        pass  # it ended meanwhile
    return True
