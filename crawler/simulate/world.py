"""Plays a scenario: the stand-in and run after run of the real engine on one loop, with everything that goes wrong."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

from crawler.disk import Disk
from crawler.engine.run import Attendant, Pull, Run
from crawler.fetch.settings import NetworkSettings
from crawler.log.reader import LogDamaged, scan
from crawler.log.repair import salvage
from crawler.origin.server import ADDRESS, Origin
from crawler.settings import Settings
from crawler.simulate import oracles
from crawler.simulate.disk import ForgetfulDisk, Killed
from crawler.simulate.loop import run_virtual
from crawler.simulate.network import Weather, WorldLoop
from crawler.simulate.oracles import Book, Wanted, read_book
from crawler.simulate.scenario import Scenario, Trouble
from crawler.simulate.stage import authority, known_world, scaled_down
from crawler.simulate.witness import Told, Witness, trace
from crawler.stop import Stop
from crawler.watch.status_file import keep_status

Build = Callable[[Settings, str, Disk], Run]
"""Makes a run of settings, a session ("" for none) and a disk."""
CALM_RUNS = 6
"""After the last trouble so many runs must be enough."""
END_S = 6 * 3600.0
"""No run of a world this small may take longer."""
DAYS_S = 30 * 86400.0
"""With a daily budget it may take so much longer."""
ENDS = frozenset({0, 3})
SHM = "/dev/shm"  # noqa: S108 - where it exists a folder in memory is ten times as fast


@dataclass(slots=True)
class Ending:
    """How a run ended: its exit code, None if it was killed; the loop's time when it, or its disk, first failed."""

    code: int | None
    failed_at: float
    run: Run


class Story:
    """One scenario being played."""

    def __init__(self, plan: Scenario, build: Build, folder: Path, loop: WorldLoop) -> None:
        self.plan = plan
        self.told = Told(works=len(plan.ids))
        self._build = build
        self._folder = folder
        self._root = folder / "out"
        self._loop = loop
        self._dice = Random(f"{plan.seed} story")
        self._origin = Origin(
            seed=plan.site,
            profile=plan.profile,
            session=plan.session,
            ca_dir=folder,
            mix=plan.mix,
            limits=plan.limits,
            ca=authority(),
            retry_after_s=int(plan.manners["retry_after_s"]),
            stall_s=plan.manners["stall_s"],
            drip_s=plan.manners["drip_s"],
        )
        self.seen = self._origin.seen = Witness()
        self._origin.world = known_world(plan.site, plan.mix)
        self._lost = {id for id in plan.ids if self._origin.world.expected(id, session=bool(plan.session)).lost}
        self._placed: dict[str, float] = {}
        self._before = Book()
        self._within: Any = None

    async def play(self) -> Told:
        """From the first run to the last law."""
        plan, told = self.plan, self.told
        self._root.mkdir()
        (self._folder / "list.txt").write_text("".join(f"{line}\n" for line in plan.listed))
        self._loop.set_exception_handler(self._unhandled)
        async with self._origin:
            self._settings = self._all_settings()
            self._disk = ForgetfulDisk(self._root, self._dice, self._loop.time, sync=plan.durable)
            self._disk.placed = self._place
            for outage in plan.outages:
                self._loop.call_later(outage.at_s, self._go_down, outage.how, outage.for_s)
            for trouble in plan.troubles:
                ending = await self._run(trouble)
                self._aftermath(ending, trouble)
                await asyncio.sleep(trouble.rest_s)
            await self._calm()
            told.virtual_s = self._loop.time()
            self._judge()
        return told

    async def _calm(self) -> None:
        """Faults have stopped: now the crawl must end, and then there is nothing left to ask."""
        self._loop.call_later(3600, self._go_up)
        for _ in range(CALM_RUNS):
            ending = await self._run(None)
            self._aftermath(ending, None)
            if ending.code in ENDS:
                break
            if self.told.broken:
                return
            await asyncio.sleep(3600)
        else:
            self.told.law(False, f"{CALM_RUNS} runs without trouble did not end it")
        asked = len(self.seen.order)
        ending = await self._run(None)
        self._aftermath(ending, None)
        self.told.law(len(self.seen.order) == asked, "a finished list was asked for again")

    # -- one run ----------------------------------------------------------------------------------

    async def _run(self, trouble: Trouble | None) -> Ending:
        disk, began, asked = self._disk, self._loop.time(), len(self.seen.order)
        disk.revive()
        random.seed(f"{self.plan.seed} {began}")  # the jitter of retries
        run = self._build(self._settings, self.plan.session, disk)
        async with asyncio.TaskGroup() as group:
            life = group.create_task(self._live(run))
            disk.on_death = lambda: self._loop.call_soon(life.cancel) and None
            timer = self._arm(trouble, run)
            code = await life
            await self._loop.jobs_done()
            if timer is not None:
                timer.cancel()
        disk.on_death = lambda: None
        failed_at = min(disk.failed_at, self._loop.time())
        census = run.census
        if census is not None:
            self._within = census.bitmap
        arrivals = self.seen.order[asked:]
        self.told.runs.append(
            f"t={began:.1f} to {self._loop.time():.1f}: {len(arrivals)} requests, "
            + (f"died {disk.died_at} (step {disk.steps})" if code is None else f"exit {code}")
        )
        oracles.nothing_is_asked_again(self._before, arrivals, self._lost, self.told)
        return Ending(code, failed_at, run)

    async def _live(self, run: Run) -> int | None:
        """The exit code; None when the process was killed."""
        attendants: list[Attendant] = [self._watch]
        if self.plan.watched:
            attendants.append(self._keep_status)
        try:
            async with asyncio.timeout(END_S + (DAYS_S if self.plan.daily else 0)):
                outcome = await run.go(attendants)
            oracles.adds_up(outcome.snapshot, self.told, "at the end of a run")
            return outcome.code
        except Stop as stop:
            return stop.code
        except TimeoutError:
            self.told.law(False, f"a run did not end within {END_S:.0f} s")
            return 1
        except BaseException as error:
            if self._disk.dead:
                return None
            if not isinstance(error, Exception):
                raise
            self.told.law(False, f"a run raised {_innermost(error)!r}")
            return 1

    async def _watch(self, pull: Pull, done: asyncio.Event) -> None:
        """Looks at the run now and then, as a screen would."""
        pause_s = 0.5
        while not done.is_set():
            oracles.adds_up(pull(), self.told, f"t={self._loop.time():.1f}")
            pause_s *= 3
            try:
                async with asyncio.timeout(pause_s):
                    await done.wait()
            except TimeoutError:
                continue

    async def _keep_status(self, pull: Pull, done: asyncio.Event) -> None:
        await keep_status(self._root / "status.json", pull, done, every_s=max(1.0, self.plan.commit_s * 5))

    def _arm(self, trouble: Trouble | None, run: Run) -> asyncio.TimerHandle | None:
        """Make the trouble wait for its moment."""
        disk = self._disk
        if trouble is None:
            return None
        if trouble.step is not None:
            at = disk.steps + trouble.step
            if trouble.what == "eio":
                disk.bad_sync_at = at
            else:
                disk.kill_at, disk.kill_on = at, trouble.on
            return None

        def come() -> None:
            match trouble.what:
                case "kill" | "power":
                    disk.die(f"at {self._loop.time():.3f}")
                case "drain":
                    run.drain("interrupted", 130)
                case "full" | "tight":
                    disk.room = trouble.room
                case "eio":
                    disk.bad_sync_at = 0

        return self._loop.call_later(trouble.at_s, come)

    # -- between runs -----------------------------------------------------------------------------

    def _aftermath(self, ending: Ending, trouble: Trouble | None) -> None:
        """What must hold whenever no run is on; and the power cut, if it was one."""
        disk, told, dice = self._disk, self.told, self._dice
        what = None if trouble is None else trouble.what
        told.kills += ending.code is None
        told.drains += ending.code == 130
        told.full += ending.code == 7
        if ending.code == 7:
            told.law(what in ("full", "tight", "eio"), "exit 7, and the disk was well")
        if ending.code not in (None, 1, 7):
            self._memory_agrees(ending.run)
        cut = what in ("power", "eio") and self.plan.durable and (ending.code in (None, 7) or dice.random() < 0.5)
        disk.room, disk.bad_sync_at, disk.kill_at = None, None, None
        if cut:
            told.cuts += 1
            disk.cut_power(dice)
            self._repair()
        book = read_book(self._root)
        if self.plan.durable or not cut:
            oracles.files_are_what_the_log_says(self._root, book, told)
            self._nothing_old_is_lost(book, ending)
        told.again += sum(path not in book.paths for path in self._placed)
        safe_at = self._safe_at(ending)
        self._placed = {path: t for path, t in self._placed.items() if path in book.paths and t < safe_at}
        self._before = book

    def _memory_agrees(self, run: Run) -> None:
        """Only of a run that could write its last line: what was noted and not written is in memory alone."""
        state = run.state
        if state is not None:
            oracles.books_agree(self._root, self._within, state, self.told)

    def _repair(self) -> None:
        """What a user does about a log that lost a middle of what was never confirmed."""
        path = self._root / "log.jsonl"
        if not path.exists():
            return
        try:
            for _ in scan(path):
                pass
        except LogDamaged:
            salvage(self._root)
            self.told.repairs += 1
            self._disk.adopt()

    def _nothing_old_is_lost(self, book: Book, ending: Ending) -> None:
        """An image that had its name for longer than a commit takes has its line, whatever happened since."""
        safe_at = self._safe_at(ending)
        for path, t in self._placed.items():
            if t < safe_at:
                self.told.law(path in book.paths, f"{path} was placed at {t:.3f}, its line is lost at {safe_at:.3f}")

    def _safe_at(self, ending: Ending) -> float:
        """What had its name before this time has its line for good. What is later may be written and not synced."""
        if ending.code in (0, 3, 4, 6):
            return ending.failed_at
        return ending.failed_at - 2 * self.plan.commit_s - 6 * self.plan.slow_disk_s - 0.01

    # -- the end ----------------------------------------------------------------------------------

    def _judge(self) -> None:
        told, plan, seen = self.told, self.plan, self.seen
        book = read_book(self._root)
        oracles.store_is_whole(self._root, book, self._wanted(), told)
        budgets = {
            lane: (plan.settings["limits"][lane]["rate"], plan.settings["limits"][lane]["burst"])
            for lane in ("api", "images")
        }
        # The first request of a connection comes after its handshake.
        jitter_s = 4 * plan.latency_s if plan.tls else 0.0
        oracles.no_window_above_the_budget(seen.arrivals, budgets, jitter_s, told)
        oracles.no_day_above_the_budget(seen.arrivals, plan.daily, told)
        told.law(not seen.violations, f"rules of the site that were broken: {seen.examples[:3]}")
        told.requests, told.faults = len(seen.order), seen.faults.total()
        told.images = len(book.stored)
        told.trace = trace(seen.order, book.lines)

    def _wanted(self) -> dict[Any, Wanted]:
        plan, world = self.plan, self._origin.world
        if plan.kind == "urls":
            found = [world.expected_url(line) for line in plan.listed]
            return {one.id: Wanted(one, filtered=False) for one in found}
        site, most = plan.settings["site"], plan.settings["filter"]["max_x_restrict"]
        wanted: dict[Any, Wanted] = {}
        for id in plan.ids:
            one = world.expected(id, session=bool(plan.session), quality=site["quality"])
            wanted[id] = Wanted(one, filtered=one.outcome != "gone" and one.x_restrict > most)
        return wanted

    # -- small things -----------------------------------------------------------------------------

    def _all_settings(self) -> Settings:
        # The port differs from one machine to the next, and would show in the log: it goes by another here.
        self._loop.listeners[ADDRESS, 443] = self._loop.listeners[ADDRESS, self._origin.port]
        resolve = dict.fromkeys(self._origin.resolve, f"{ADDRESS}:443")
        network: dict[str, Any] = {"ca_file": self._origin.ca_file, "resolve": resolve}
        if "transport" in NetworkSettings.model_fields:
            network["transport"] = "aiohttp"  # whose sockets a loop can make up
        own = {
            "source": {"path": str(self._folder / "list.txt")},
            "output": {"dir": str(self._root)},
            "network": network,
        }
        sections = {name: {**values, **own.get(name, {})} for name, values in self.plan.settings.items()}
        return Settings.model_validate(sections)

    def _place(self, path: Path) -> None:
        relative = str(path.relative_to(self._root))
        if relative.startswith("images/"):
            self._placed[relative] = self._loop.time()

    def _go_down(self, how: str, for_s: float) -> None:
        self._loop.weather.down = how
        self._loop.call_later(for_s, self._go_up)

    def _go_up(self) -> None:
        self._loop.weather.down = None

    def _unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, Killed) and not self._disk.dead:
            self.told.law(False, f"nobody handled: {context.get('message')}: {error!r}")


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def play(plan: Scenario, build: Build) -> Told:
    """Play a scenario to its end; whatever goes wrong is in what it gives."""
    network = Random(f"{plan.seed} network")
    weather = Weather(
        latency_s=plan.latency_s,
        piece=lambda: network.randint(1, plan.piece),
        resets=lambda: network.random() < 0.5,
        tls=plan.tls,
    )
    disk = Random(f"{plan.seed} disk")
    loop = WorldLoop(weather, lambda: plan.slow_disk_s * disk.random() ** 3)
    began = time.perf_counter()
    memory = SHM if os.path.isdir(SHM) else None
    with tempfile.TemporaryDirectory(prefix="crawler-world-", dir=memory) as folder, scaled_down(days=plan.daily > 0):
        story = Story(plan, build, Path(folder), loop)
        told = story.told
        try:
            run_virtual(story.play(), loop)
        except Exception as error:  # noqa: BLE001 - a world that breaks down is a finding, with a seed
            told.law(False, f"the world broke down: {_innermost(error)!r}")
    told.real_s = time.perf_counter() - began
    return told
