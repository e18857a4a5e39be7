"""A cluster in which something dies, or is cut off, all the time: it ends as if nothing had been."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from crew_kit import Cluster, Wire, settings_of, some_ids
from judge import judge, lines

from crawler.cluster.commits import ROOT
from crawler.cluster.worker import Worker
from crawler.origin.server import origin_thread


class Story:
    """What happens to one crawl: `moves` times something goes wrong."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.dice = random.Random(seed)
        self.wires: dict[str, Wire] = {}
        self.hands: dict[str, Worker] = {}
        self.names = 0
        self.done: list[str] = []

    def hire(self) -> None:
        """One more worker."""
        self.names += 1
        name = f"w{self.names}"
        self.wires[name] = Wire(self.cluster.coordinator)
        self.hands[name] = self.cluster.start(name, self.wires[name])

    async def play(self, moves: int) -> Any:
        for _ in range(3):
            self.hire()
        driving = asyncio.create_task(self.cluster.driver(3).go())
        for _ in range(moves):
            await asyncio.sleep(self.dice.uniform(0.2, 1.5))
            if driving.done():
                break
            alive = [name for name, task in self.cluster.workers.items() if not task.done()]
            move = self.dice.choice(["kill", "cut", "mend", "driver", "worker", "go home"])
            self.done.append(move)
            if move == "driver":
                driving.cancel()
                await asyncio.wait((driving,))
                driving = asyncio.create_task(self.cluster.driver(3).go())
            elif move == "worker" or not alive:
                self.hire()
            elif move == "go home":
                self.hands[self.dice.choice(alive)].drain()
                self.hire()
            elif move == "kill":
                await self.cluster.kill(self.dice.choice(alive))
                self.hire()
            else:
                self.wires[self.dice.choice(alive)].cut = move == "cut"
        for wire in self.wires.values():
            wire.cut = False
        self.hire()
        return await driving


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(8))
def test_whatever_dies(tmp_path: Path, seed: int) -> None:
    """Workers and drivers are killed, wires are cut and mended: every id ends as the world says, once."""
    ids = some_ids(150, seed=40 + seed)
    ca = tmp_path / "ca"
    with origin_thread(seed=seed, profile="flaky", ca_dir=ca, stall_s=3.0, retry_after_s=0) as origin:
        settings = settings_of(tmp_path, origin, ids, {"limits.images.rate": "60"})
        cluster = Cluster(settings, ttl_s=1.5, attempts=99)
        story = Story(cluster, seed)

        async def main() -> Any:
            outcome = await story.play(12)
            for name in list(cluster.workers):
                await cluster.kill(name)
            return outcome

        outcome = asyncio.run(main())
        print(story.done)
        assert outcome.code == 0, outcome.text
        outcomes = judge(origin.world, tmp_path / "out", ids)
        assert outcomes["done"] > 75
        assert len({(line["log"], line["seq"]) for line in lines(tmp_path / "out")}) == len(lines(tmp_path / "out"))
        assert asyncio.run(Cluster(settings).run(1)).code == 0
        assert list((tmp_path / "out" / ROOT).iterdir()) == []
