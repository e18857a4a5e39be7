"""The laws of coordinators, and of the budget's messages, on actors of a Ray of our own: `ray_laws.py FOLDER`."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from coordinator_laws import Laws

from crawler.cluster import ray_door
from crawler.cluster.commits import ROOT, Ledger
from crawler.cluster.protocol import Ask, Refusal, Report, Unreachable
from crawler.cluster.ray_actors import ALONE_S, WAITING, Desk, Plan, _Coordination
from crawler.cluster.ray_crew import plan_of
from crawler.cluster.ray_line import DESK, FarBudget, FarCoordinator
from crawler.cluster.shelf import FolderShelf
from crawler.settings import Settings


async def laws(plan: Plan) -> None:
    """Every law of leases, then the budget there and back, then what a message costs, then a death."""
    ledger = Ledger(FolderShelf(plan.settings.output.home / ROOT))
    await Laws(FarCoordinator(plan.namespace), await ledger.begin({})).all()
    budget = FarBudget(plan.namespace)
    ray_door.answer(ray_door.find(DESK, plan.namespace).know.remote({}))
    first = await budget.reserve("w", [Ask("a.test", "images", 3), Ask("b.test", "api", 0)])
    assert [bool(grant.count) for grant in first.grants] == [False, False] or first.grants[0].count
    refused = Report(refusals=(Refusal(0.1, "rate_limited 429", 30.0),), requests=1)
    second = await budget.reserve("w", [Ask("a.test", "images", 1, refused)], first.moment)
    assert second.moment.era == first.moment.era
    assert second.grants[0].blocked_s > 20
    told = await budget.told(-1)
    assert [event.host for event in told.events] == ["a.test"]
    assert (await budget.told(told.last)).events == ()
    began = time.perf_counter()
    for _ in range(200):
        await budget.reserve("w", [Ask("b.test", "images", 10)], first.moment)
    print(f"a message to the budget and back: {(time.perf_counter() - began) / 200 * 1e3:.2f} ms")


def desks() -> list[int]:
    """The pids of desks on this Ray of ours."""
    mine = f"RAY_AUTH_TOKEN_PATH={os.environ['RAY_AUTH_TOKEN_PATH']}".encode()
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if (entry / "cmdline").read_bytes().startswith(b"ray::Desk") and mine in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


async def reborn(plan: Plan) -> None:
    """Killed, the desk comes back under its name: the coordinator knows the round, and how its shards stand; the budget
    is closed until it is told what is known, and then gives nothing before all that was given is dead."""
    desk, budget = FarCoordinator(plan.namespace), FarBudget(plan.namespace)
    before = await desk.view()
    assert before.round
    (pid,) = desks()
    os.kill(pid, signal.SIGKILL)
    after = await desk.view()  # Ray asks the next one
    assert desks() not in ([], [pid])
    assert (after.round, set(after.outstanding)) == (before.round, set(before.outstanding))
    assert set(before.committed) <= set(after.committed)  # and those that were merged, and are there still
    assert dict(after.parked).keys() >= dict(before.parked).keys()
    asks = [Ask("c.test", "images", 1)]
    with pytest.raises(Unreachable, match="waits for the driver"):
        await budget.reserve("w", asks)
    ray_door.answer(ray_door.find(DESK, plan.namespace).know.remote({}))
    first = (await budget.reserve("w", asks)).grants[0]
    assert (first.count, first.delay_s > 1) == (0, True)


class Lonely(Desk):
    """An hour takes a second."""

    alone_s = 1.0


class Sitter:
    """Is there."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan


class Stuck(_Coordination):
    """Its output answers when somebody says so, by a file."""

    async def ask(self, method: str, arguments: Sequence[object]) -> int:
        while not (self._plan.settings.output.home / "goes").exists():  # noqa: ASYNC110 - it is another process that says so
            await asyncio.sleep(0.05)
        return 1


class Slow(Desk):
    """A desk whose coordinator waits."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._shift = Stuck(plan, ALONE_S)


async def waiting(plan: Plan) -> None:
    """While the coordinator waits for its output, more often than it has threads, the budget answers, and so do those
    that a driver asks; then all are answered."""
    ray_door.hire(DESK, plan.namespace, Slow, plan)
    desk, budget = ray_door.find(DESK, plan.namespace), FarBudget(plan.namespace)
    asked = [desk.coordinator.remote("view", ()) for _ in range(WAITING + 20)]
    async with asyncio.timeout(5):
        await desk.know.remote({})
        for _ in range(50):
            await budget.reserve("w", [Ask("a.test", "images", 1)])
        assert await desk.pulse.remote("me", "here") is False
    waited, left = await asyncio.wait([asyncio.wrap_future(one.future()) for one in asked], timeout=0.1)
    assert (len(waited), len(left)) == (0, WAITING + 20)
    (plan.settings.output.home / "goes").touch()
    async with asyncio.timeout(20):
        await asyncio.gather(*left)
    ray_door.end(DESK, plan.namespace)


async def lonely(plan: Plan) -> None:
    """Without a driver for so long all actors end, whoever asks: the worker and the desk itself."""
    for name, kind in ((DESK, Lonely), ("worker-0", Sitter)):
        ray_door.hire(name, plan.namespace, kind, plan)
    desk = FarCoordinator(plan.namespace)
    await ray_door.find(DESK, plan.namespace).pulse.remote("driver", "here")
    await desk.view()
    assert len(ray_door.names(plan.namespace)) == 2
    began = time.monotonic()
    while ray_door.names(plan.namespace):
        assert time.monotonic() - began < 60, ray_door.names(plan.namespace)
        await asyncio.sleep(0.3)
        with suppress(Unreachable):
            await desk.view()  # as workers do
    assert time.monotonic() - began > 0.9


def main() -> int:
    settings = Settings.model_validate({"output": {"dir": sys.argv[1]}})
    plan = plan_of(settings, "none")
    with ray_door.own(1):
        ray_door.hire(DESK, plan.namespace, Desk, plan)
        asyncio.run(laws(plan))
        asyncio.run(reborn(plan))
        asyncio.run(waiting(replace(plan, namespace="waiting")))
        asyncio.run(lonely(replace(plan, namespace="lonely")))
        print("lawful", Path(sys.argv[1]).name)
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    os._exit(main())
