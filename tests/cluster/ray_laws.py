"""The laws of coordinators, and of the budget's messages, on actors of a Ray of our own: `ray_laws.py FOLDER`."""

import asyncio
import os
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from coordinator_laws import Laws

from crawler.cluster import ray_door
from crawler.cluster.commits import ROOT, Ledger
from crawler.cluster.protocol import Ask, Refusal, Report, Unreachable
from crawler.cluster.ray_actors import Desk, Plan, Till
from crawler.cluster.ray_crew import plan_of
from crawler.cluster.ray_line import DESK, TILL, FarBudget, FarCoordinator
from crawler.cluster.shelf import FolderShelf
from crawler.settings import Settings


async def laws(plan: Plan) -> None:
    """Every law of leases, then the budget there and back, then what a message costs."""
    ledger = Ledger(FolderShelf(plan.settings.output.home / ROOT))
    await Laws(FarCoordinator(plan.namespace), await ledger.begin({})).all()
    budget = FarBudget(plan.namespace)
    ray_door.answer(ray_door.find(TILL, plan.namespace).know.remote({}))
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


class Lonely(Desk):
    """An hour takes a second."""

    alone_s = 1.0


async def lonely(plan: Plan) -> None:
    """Without a driver for so long all actors end, whoever asks: the worker, the budget and the desk itself."""
    for name, kind in ((DESK, Lonely), (TILL, Till), ("worker-0", Till)):
        ray_door.hire(name, plan.namespace, kind, plan)
    desk = FarCoordinator(plan.namespace)
    await ray_door.find(DESK, plan.namespace).pulse.remote("driver", "here")
    await desk.view()
    assert len(ray_door.names(plan.namespace)) == 3
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
        ray_door.hire(TILL, plan.namespace, Till, plan)
        asyncio.run(laws(plan))
        asyncio.run(lonely(replace(plan, namespace="lonely")))
        print("lawful", Path(sys.argv[1]).name)
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    os._exit(main())
