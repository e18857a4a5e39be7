"""Weeks at the default rates in made-up time: the real engine and the stand-in on one loop whose clock jumps.

On the way: kills, drains, other limits, a site that shuts us out for a while and one that is not there, and a clock on
the wall that is set forward and back. What must hold is said by `Days.play` and `judged`.
"""

import asyncio
import gc
import os
import random
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soak_judge
from judge import status

from crawler.assembly import Wishes, build_run
from crawler.disk import Disk
from crawler.engine.run import Run
from crawler.engine.settings import LimitsSettings
from crawler.origin.limits import Bucket
from crawler.origin.server import ADDRESS, Origin
from crawler.origin.work import Mix
from crawler.settings import Settings
from crawler.simulate.disk import Killed
from crawler.simulate.loop import EPOCH, run_virtual
from crawler.simulate.network import Weather, WorldLoop
from crawler.simulate.oracles import LATE_S
from crawler.simulate.stage import authority, scaled_down

SEED = 36
MIX = Mix(scale=0.06, big=0.0, multi=0.1, long=0.005)
DAY_S = 86400.0
LATENCY_S = 0.05
API, IMAGES = (0.6, 1), (1.0, 2)
"""Rate and burst, as in the default config."""
SLOWER = {"api": {"rate": 0.2}, "images": {"rate": 0.4}}
ENDS = frozenset({0, 4, 6, 130})
"""4 and 6: the site was not there, or shut us out; the command is run again an hour later, as cron would."""
OBJECTS = 20_000
"""Objects that Python looks after may be more by this many at the end than after the first tenth."""


class MortalDisk(Disk):
    """A disk of a process that dies: from then on nothing changes on it."""

    dead = False

    def _alive(self) -> None:
        if self.dead:
            raise Killed("kill")

    def open(self, path: Any, flags: int) -> int:
        self._alive()
        return super().open(path, flags)

    def write(self, descriptor: int, data: Any) -> None:
        self._alive()
        super().write(descriptor, data)

    def write_pieces(self, descriptor: int, pieces: Sequence[bytes]) -> None:
        self._alive()
        super().write_pieces(descriptor, pieces)

    def replace(self, source: Any, target: Any) -> None:
        self._alive()
        super().replace(source, target)

    def unlink(self, path: Path) -> None:
        self._alive()
        super().unlink(path)


@dataclass(frozen=True)
class Happening:
    """At `at_s` of the whole story: kill, drain, slower, usual (limits), refused, silent, back (the site), strict,
    lenient (its own limit), clock (by `by_s`)."""

    at_s: float
    what: str
    by_s: float = 0.0


def happenings(days: float, seed: int) -> list[Happening]:
    """All that happens, in order: something about every five hours."""
    dice = random.Random(seed)
    found: list[Happening] = []
    for _ in range(round(days * 2)):
        at = dice.uniform(0.02, 0.9) * days * DAY_S
        match dice.choice(("kill", "kill", "drain", "limits", "outage", "strict", "clock", "clock")):
            case "limits":
                found += [Happening(at, "slower"), Happening(at + dice.uniform(0.1, 6) * 3600, "usual")]
            case "outage":
                how = dice.choice(("refused", "silent"))
                found += [Happening(at, how), Happening(at + dice.choice((60, 900, 7200)), "back")]
            case "strict":
                found += [Happening(at, "strict"), Happening(at + dice.uniform(1, 12) * 3600, "lenient")]
            case "clock":
                found.append(Happening(at, "clock", dice.choice((-7200.0, -90.0, -1.0, 1.0, 45.0, 3600.0, DAY_S))))
            case what:
                found.append(Happening(at, what))
    return sorted(found, key=lambda one: one.at_s)


@dataclass
class Told:
    """What happened."""

    runs: list[tuple[float, int | None]] = field(default_factory=list[tuple[float, int | None]])
    happened: dict[str, int] = field(default_factory=dict[str, int])
    objects: list[tuple[float, int, int]] = field(default_factory=list[tuple[float, int, int]])
    wall: dict[str, "array[float]"] = field(default_factory=dict[str, "array[float]"])
    slower: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    wrong: list[str] = field(default_factory=list[str])
    virtual_s: float = 0.0
    real_s: float = 0.0
    cpu_s: float = 0.0
    requests: int = 0
    refused: int = 0
    arrivals: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])


class Days:
    """One story. `budget`: requests to a host in any 24 h."""

    def __init__(self, folder: Path, ids: Sequence[int], days: float, budget: int, loop: WorldLoop) -> None:
        self.told = Told()
        self.root = folder / "out"
        self._days, self._loop, self._budget = days, loop, budget
        self._skew = 0.0
        self._disk = MortalDisk(sync=False)
        self._usual = True
        (folder / "ids.txt").write_text("".join(f"{id}\n" for id in ids))
        self._folder = folder
        self._origin = Origin(
            seed=SEED, profile="flaky", ca_dir=folder, mix=MIX, ca=authority(), retry_after_s=5, stall_s=90.0
        )

    async def play(self) -> None:
        """From the first request to the last; the list must end, and take about the days it was meant to."""
        time.time = lambda: EPOCH + self._loop.time() + self._skew  # the loop's context puts it back
        plan = happenings(self._days, SEED)
        async with self._origin as origin:
            self._watch(origin)
            self._loop.listeners[ADDRESS, 443] = self._loop.listeners[ADDRESS, origin.port]
            code = None
            while code != 0 and self._loop.time() < 3 * self._days * DAY_S:
                code = await self._run(plan)
                self.told.runs.append((self._loop.time(), code))
                if code is not None and code not in ENDS:
                    self.told.wrong.append(f"a run ended with {code}")
                    return
                await asyncio.sleep({None: 60.0, 0: 0.0}.get(code, 3600.0))
            self.told.virtual_s = self._loop.time()
            self.told.requests, self.told.refused = origin.seen.total, sum(origin.seen.limited.values())
            self.told.arrivals = origin.seen.arrivals
            if origin.seen.violations:
                self.told.wrong.append(f"rules of the site that were broken: {origin.seen.examples[:3]}")
        if code != 0:
            self.told.wrong.append(f"the list did not end in three times its days; last exit code {code}")

    def _watch(self, origin: Origin) -> None:
        """Note each request by the clock on the wall too: budgets of a day go by that."""
        arrived = origin.seen.arrived

        def noted(host: str, path: str, now: float) -> int:
            self.told.wall.setdefault(host, array("d")).append(time.time())
            return arrived(host, path, now)

        origin.seen.arrived = noted  # type: ignore[method-assign]

    async def _run(self, plan: list[Happening]) -> int | None:
        """One run, and what happens meanwhile; None: it was killed."""
        random.seed(f"{SEED} {self._loop.time()}")  # the jitter of retries
        self._disk.dead = False
        run = build_run(self._settings(), "", Wishes(disk=self._disk))
        task = asyncio.create_task(run.go())
        while not task.done():
            now = self._loop.time()
            self._count(now)
            until = min(plan[0].at_s if plan else now + DAY_S, now + DAY_S / 4)
            await asyncio.wait([task], timeout=max(0.0, until - now))
            while plan and plan[0].at_s <= self._loop.time() and not task.done():
                self._happen(plan.pop(0), run, task)
        try:
            return (await task).code
        except (Killed, asyncio.CancelledError):
            return None
        except BaseExceptionGroup as group:
            if group.split((Killed, asyncio.CancelledError))[1] is None:
                return None
            raise

    def _happen(self, one: Happening, run: Run, task: "asyncio.Task[Any]") -> None:
        now = self._loop.time()
        self.told.happened[one.what] = self.told.happened.get(one.what, 0) + 1
        match one.what:
            case "kill":
                self._disk.dead = True
                task.cancel()
            case "drain":
                run.drain("interrupted", 130)
            case "slower" | "usual":
                if self._usual == (one.what == "slower"):
                    self._usual = one.what == "usual"
                    if self._usual:
                        self.told.slower[-1] = (self.told.slower[-1][0], now)
                    else:
                        self.told.slower.append((now, float("inf")))
                run.reload(self._limits())
            case "refused" | "silent":
                self._loop.weather.down = one.what
            case "back":
                self._loop.weather.down = None
            case "strict" | "lenient":
                rate = 0.25 if one.what == "strict" else 0.0
                self._origin._api = Bucket(rate, 20, 200.0)
                self._origin._images = Bucket(rate * 2, 20, 200.0)
            case _:
                self._skew += one.by_s

    def _count(self, now: float) -> None:
        """Objects and tasks of this process at this moment."""
        gc.collect()
        self.told.objects.append((now, len(gc.get_objects()), len(asyncio.all_tasks())))

    def _limits(self) -> LimitsSettings:
        own: dict[str, Any] = {} if self._usual else SLOWER
        return LimitsSettings.model_validate({**own, "daily": {"requests": self._budget}})

    def _settings(self) -> Settings:
        resolve = dict.fromkeys(self._origin.resolve, f"{ADDRESS}:443")
        return Settings.model_validate(
            {
                "source": {"path": str(self._folder / "ids.txt")},
                "output": {"dir": str(self.root), "durability": "none"},
                "limits": self._limits().model_dump(),
                "network": {"ca_file": self._origin.ca_file, "resolve": resolve, "transport": "aiohttp"},
                "log": {"commit_ms": 20_000},  # each look is a jump of the clock
            }
        )


def play_days(folder: Path, ids: Sequence[int], days: float) -> Told:
    """Play so many days (about); what is wrong is in what it gives."""
    budget = max(20, round(len(ids) * 1.45 / days))
    loop = WorldLoop(Weather(latency_s=LATENCY_S))
    began, used = time.perf_counter(), time.process_time()
    with scaled_down(days=True):
        story = Days(folder, ids, days, budget, loop)
        run_virtual(story.play(), loop)
    told = story.told
    told.real_s, told.cpu_s = time.perf_counter() - began, time.process_time() - used
    told.wrong += budgets_broken(told, budget) + not_level(told.objects)
    return told


def budgets_broken(told: Told, daily: int) -> list[str]:
    """In every window the site saw at most rate * T + burst requests, and in 24 h by the clock on the wall `daily`."""
    wrong: list[str] = []
    for host, times in told.arrivals.items():
        lane, (rate, burst) = ("api", API) if host == "www.pixiv.net" else ("images", IMAGES)
        wrong += above(host, times, rate, burst)
        for begun, ended in told.slower:
            within = [t for t in times if begun + 60 < t < ended]
            wrong += above(f"{host}, slower", within, SLOWER[lane]["rate"], burst)
        wall = sorted(told.wall[host])
        first = 0
        for number, t in enumerate(wall):
            while wall[first] <= t - DAY_S:
                first += 1
            if number - first + 1 > daily:
                wrong.append(f"{host}: {number - first + 1} requests in 24 h of the clock on the wall, allowed {daily}")
                break
    return wrong


def above(what: str, times: Sequence[float], rate: float, burst: int) -> list[str]:
    """The first window with more than the budget, in words."""
    least = float("inf")
    for number, t in enumerate(times):
        least = min(least, number - rate * t)
        over = number + 1 - rate * t - least - burst
        if over > rate * LATE_S + 1e-6:
            return [f"t={t:.1f}: {what}: {over:.3f} requests above {rate:g}/s with a burst of {burst}"]
    return []


def not_level(counts: Sequence[tuple[float, int, int]]) -> list[str]:
    """Objects and tasks that become more and more."""
    early = max(objects for _, objects, _ in counts[: max(3, len(counts) // 10)])
    late = min(objects for _, objects, _ in counts[-max(3, len(counts) // 10) :])
    wrong = [f"{late - early:,} more objects at the end than at first"] if late > early + OBJECTS else []
    most = max(tasks for _, _, tasks in counts)
    return wrong + ([f"{most} tasks at once"] if most > 32 * 4 + 40 else [])


def judged_days(told: Told, root: Path, ids: Sequence[int], days: float) -> dict[str, Any]:
    """The end, exact. Raises AssertionError."""
    assert not told.wrong, told.wrong
    assert told.virtual_s > 0.7 * days * DAY_S, told.virtual_s / DAY_S
    soak_judge.log_is_whole(root)
    outcomes = soak_judge.judge_all((SEED, MIX), root, ids, os.cpu_count() or 1)
    counted = status(root)
    soak_judge.totals_agree(counted, outcomes, root, len(ids))
    return {"outcomes": outcomes, "status": counted}
