"""What runs in Ray's processes: the desk of coordinator and budget, and a worker. Plain classes; no secret is ever an
argument or an answer of theirs, because Ray keeps both."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

import uvloop

from crawler import session as sessions
from crawler.cluster import ray_door
from crawler.cluster.protocol import Halt, Unreachable
from crawler.cluster.ray_line import DESK, FarBudget, FarCoordinator
from crawler.engine.settings import LimitsSettings
from crawler.errors import ConfigError
from crawler.events import Throttled
from crawler.fetch.settings import HostLimits
from crawler.settings import Settings
from crawler.stop import Stop

SESSION_VARIABLE = "CRAWLER_SITE__SESSION"
MARK = ".crawl/same-folder"
"""A file of the output that tells whether a folder of this name on another node is the very same one."""
ALONE_S = 3600.0
"""So long a cluster goes on without a driver; then its actors end themselves. What they did waits for the next one."""
GONE_S = 20.0
LEAST_MB = 0.001
"""A part of `limits.memory_mb` is never nothing, which would be no bound."""
WAITING = 64
"""So many questions to the coordinator may wait for the output at one time, each in a thread; the others wait for them.
A thousand workers that begin at once, with a bucket that takes 0.3 s for a lease, have all theirs in 5 s, half of what
an answer may take; later they ask 30 times a second."""
YOUNG = 20_000
"""As `cli.conducting`: so many more containers made than dropped, and Python looks for circles among them."""

T = TypeVar("T", bound=HostLimits)
Secret = Literal["none", "file", "environment"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What every actor is told. `settings` without the session; `session`: where each node finds it; `mark`: what the
    file MARK of the output holds ("" for an object store); `digest`: of all that decides how a crawl is done;
    `workers`: how many there are about to be, `beside`: how many of them on one machine."""

    settings: Settings
    session: Secret
    namespace: str
    mark: str
    digest: str
    workers: int = 1
    beside: int = 1


def share_of(limits: LimitsSettings, workers: int, beside: int) -> LimitsSettings:
    """The limits of one of so many workers: works in flight and connections to a host are divided among all of them,
    one each at least; bytes held at once among those `beside` each other on a machine."""

    def part(lane: T) -> T:
        return lane.model_copy(update={"connections": max(1, lane.connections // workers)})

    memory_mb = max(LEAST_MB, limits.memory_mb / beside) if limits.memory_mb else 0.0
    works = max(1, limits.works // workers)
    parts = {"api": part(limits.api), "images": part(limits.images), "works": works, "memory_mb": memory_mb}
    return limits.model_copy(update=parts)


def stranger(plan: Plan) -> str:
    """What is wrong with the output's folder as this node sees it; "" when it is the driver's own."""
    if not plan.mark:
        return ""
    home = plan.settings.output.home
    try:
        found = (home / MARK).read_text()
    except OSError as error:
        found = os.strerror(error.errno or 0)
    if found == plan.mark:
        return ""
    return (
        f"node {ray_door.whereabouts()}: {home} is not the folder that it is where the command runs. All nodes must "
        "see one folder there (NFS, Lustre, ...), or output.dir be an object store."
    )


def session_here(plan: Plan) -> str:
    """The session as this node has it. Raises BadSession."""
    if plan.session == "file":
        return sessions.read(plan.settings.site.session_file)
    if plan.session == "environment":
        return sessions.checked(os.environ.get(SESSION_VARIABLE, ""))
    return ""


class Desk:
    """Coordinator and budget, and what is known of drivers: which one came last, and when it last was heard. Started
    again the budget is empty, with nothing saved up, and the coordinator is as the ledger has it.

    One process for both: idle, an actor takes 7 ms of CPU a second and 70 MB. What is answered at once, the budget
    before all, has one thread; the coordinator, which may wait for the output, has a loop in a thread of its own, and
    those that wait for what it says have the threads of `THREADS`. Let nothing of this class be `async`: Ray would run
    all of it in loops, at half as much again for a message.
    """

    THREADS: ClassVar[Mapping[str, int]] = {"coordinator": WAITING}
    alone_s = ALONE_S

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._budget: Any = None
        self._shift = _Coordination(plan, self.alone_s)
        self._loop = uvloop.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="coordinator", daemon=True).start()
        self._driver = self._host = ""
        self._stop = False

    def know(self, known: Mapping[str, Throttled]) -> None:
        """What limiters told in earlier runs, by host: said by the driver when it begins to crawl, and again
        whenever a question of its own had no answer: this may be a budget that was begun again. Until then there is
        nothing to be had."""
        if self._budget is None:
            from crawler.cluster.ray_parts import budget

            self._budget = budget(self._plan.settings, known, again=ray_door.reborn())

    def budget(self, method: str, arguments: Sequence[object]) -> Any:
        """The answer of the budget: all hosts, all workers. Nothing of it waits."""
        if self._budget is None:
            raise Unreachable("the budget waits for the driver to say what is known of hosts")
        try:
            getattr(self._budget, method)(*arguments).send(None)
        except StopIteration as answer:
            return answer.value
        raise AssertionError(f"{method} of a budget waits")

    def coordinator(self, method: str, arguments: Sequence[object]) -> Any:
        """The answer of the coordinator; a Halt for a Stop, whose kind would not survive the way."""
        return asyncio.run_coroutine_threadsafe(self._shift.ask(method, arguments), self._loop).result()

    def claim(self, driver: str, host: str) -> tuple[str, float]:
        """A driver comes, on `host`: the digest of the plan that is obeyed here, and how many seconds ago another one
        was heard that is on another host (inf: none was)."""
        silent = float("inf")
        if self._driver not in ("", driver) and self._host != host:
            silent = time.monotonic() - self._shift.heard
        return self._plan.digest, silent

    def pulse(self, driver: str, host: str) -> bool:
        """A driver lives. Whether the crawl is to be drained because somebody asked for it."""
        self._driver, self._host, self._shift.heard = driver, host, time.monotonic()
        return self._stop

    def stop(self) -> float:
        """Drain. How many seconds ago a driver was heard: one that lives drains, else it is done here."""
        self._stop = True
        silent = time.monotonic() - self._shift.heard
        return silent if self._driver else float("inf")


class _Coordination:
    """The coordinator in its loop. `heard`: when a driver was heard last, or this began."""

    def __init__(self, plan: Plan, alone_s: float) -> None:
        self._plan = plan
        self._alone_s = alone_s
        self._inner: Any = None
        self._making = asyncio.Lock()
        self.heard = time.monotonic()

    async def ask(self, method: str, arguments: Sequence[object]) -> Any:
        """The answer, or a Halt. Workers ask all the time: it is noticed here that no driver came back."""
        if time.monotonic() - self.heard > self._alone_s:
            await asyncio.to_thread(dissolve, self._plan.namespace)
        try:
            if self._inner is None:
                async with self._making:
                    self._inner = self._inner or await self._made()
            return await getattr(self._inner, method)(*arguments)
        except Stop as stop:
            return Halt(stop.code, stop.reason, str(stop))

    async def _made(self) -> Any:
        from crawler.cluster.ray_parts import coordinator

        if wrong := stranger(self._plan):
            raise _Strange(wrong)
        return await coordinator(self._plan.settings, again=ray_door.reborn())


class _Strange(Stop):
    """The output is not the same folder here."""

    code, reason = 2, "output"


class Hand:
    """A worker's process: nothing of it is `async` for Ray, so that it has the main thread to itself, as a process that
    crawls alone has.

    What is, Ray runs in another thread, and calls Python in the main one a hundred times a second to look for signals:
    each time the crawl must let go of the interpreter. And glibc's memory of other threads costs page faults: 19 an
    image of 300 KB instead of none.
    """

    def __init__(self, plan: Plan, name: str) -> None:
        self._shift = _Shift(plan, name)
        gc.freeze()
        gc.set_threshold(YOUNG)

    def run(self) -> None:
        """Work until there is no more. Asked again, by a driver that came after another, it first ends that: Ray has an
        actor do one thing at a time."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._shift.run())


class _Shift:
    """What a worker's process does."""

    def __init__(self, plan: Plan, name: str) -> None:
        self._plan, self._name = plan, name

    async def run(self) -> None:
        """Work until there is no more."""
        while True:
            try:
                await self._work(f"{self._name}.{secrets.token_hex(4)}")
                return
            except Unreachable:  # no lease can be left: from the beginning, as somebody new
                await asyncio.sleep(1)

    async def _work(self, me: str) -> None:
        from crawler.cluster.worker import Worker

        coordinator = FarCoordinator(self._plan.namespace)
        try:
            wrong, session = stranger(self._plan), session_here(self._plan)
        except sessions.BadSession as error:
            at = "site.session_file" if self._plan.session == "file" else SESSION_VARIABLE
            wrong, session = f"node {ray_door.whereabouts()}: {at}: {error}", ""
        if wrong:
            await coordinator.halt(me, Halt(2, "config", wrong))
            return
        await self._bury(me, coordinator)
        try:
            plan = self._plan
            worker = Worker(plan.settings, session, me, coordinator, FarBudget(plan.namespace))
            worker.share = lambda limits: share_of(limits, plan.workers, plan.beside)
            await worker.run()
        except ConfigError as error:
            await coordinator.halt(me, Halt(2, "config", f"node {ray_door.whereabouts()}: {error}"))

    async def _bury(self, me: str, coordinator: FarCoordinator) -> None:
        """Where this process stands in for one that died, its shards need not wait until their leases run out.

        Ray begins an actor again once it takes the one before for dead. Should that one live after all, cut off, its
        leases are over: it stops when they run out by its own clock, or when it hears of it. What it commits before
        that counts if nobody has committed the shard yet, and is nothing if somebody has: of all who ever leased a
        shard, whoever creates its commit first has done it.
        """
        for shard, (worker, epoch) in (await coordinator.view()).leased.items():
            if worker.rpartition(".")[0] == self._name and worker != me:
                await coordinator.fail(worker, shard, epoch, f"{worker} died")


def dissolve(namespace: str) -> None:
    """End every actor of a crawl: the workers first, and last the desk, which may be who does it. Waits for Ray until
    all names are free: who comes next must not find one that is about to die."""
    until = time.monotonic() + GONE_S
    while (left := ray_door.names(namespace)) and time.monotonic() < until:
        for name in sorted(left, key=lambda name: name == DESK):
            ray_door.end(name, namespace)
        threading.Event().wait(0.1)
