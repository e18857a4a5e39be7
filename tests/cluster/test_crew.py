"""A cluster does what one process does: same images, same counts, each id once; whoever dies on the way."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crew_kit import Cluster, Wire, settings_of, some_ids, until
from judge import api_requests, files, judge, lines

from crawler.api import crawl
from crawler.cluster import worker
from crawler.cluster.attempt import Attempt
from crawler.cluster.commits import ROOT
from crawler.cluster.protocol import Unreachable
from crawler.cluster.shelf import FolderShelf
from crawler.engine.books import Outcome
from crawler.origin.server import origin_thread
from crawler.stop import StorageFailed

COUNTS = ("listed", "done", "gone", "failed", "pending", "images", "bytes", "failed_images", "reasons")


@pytest.fixture
def flaky(tmp_path: Path) -> Iterator[Any]:
    """A stand-in with the faults of an ordinary day."""
    with origin_thread(seed=7, profile="flaky", ca_dir=tmp_path / "ca", stall_s=3.0, retry_after_s=0) as origin:
        yield origin


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca") as origin:
        yield origin


def counts(outcome: Outcome) -> dict[str, Any]:
    """What must be the same, however many did it."""
    return {name: getattr(outcome.snapshot, name) for name in COUNTS} | {"code": outcome.code}


def alone(settings: Any, folder: Path) -> Outcome:
    """The same crawl by one process."""

    async def main() -> Outcome:
        output = settings.output.model_copy(update={"dir": str(folder)})
        async with crawl(settings.model_copy(update={"output": output})) as run:
            return await run.wait()

    return asyncio.run(main())


def nothing_left(root: Path) -> None:
    """Of the cluster itself nothing stays; of each log that was merged there is every line, in order."""
    assert list((root / ROOT).iterdir()) == []
    last: Counter[str] = Counter()
    for line in lines(root):
        assert line["seq"] == last[line["log"]] + 1
        last[line["log"]] += 1


def seen_at(cluster: Cluster, images: int) -> Callable[[], bool]:
    """Whether so many images are there, merged or not."""
    return lambda: len(files(cluster.root)) >= images


def test_workers_do_what_one_process_does(tmp_path: Path, flaky: Any) -> None:
    """Every id ends as the world says, byte for byte, with one answer in the log; counts and outcomes are those of one
    process; a second run asks nothing."""
    ids = some_ids(40)
    settings = settings_of(tmp_path, flaky, ids)
    outcome = asyncio.run(Cluster(settings).run(3))
    outcomes = judge(flaky.world, tmp_path / "out", ids)
    assert outcomes["done"] > 20
    nothing_left(tmp_path / "out")
    assert counts(outcome) == counts(alone(settings, tmp_path / "alone"))
    assert files(tmp_path / "out") == files(tmp_path / "alone")
    asked = flaky.seen.total
    assert asyncio.run(Cluster(settings).run(1)).code == 0
    assert flaky.seen.total == asked


def test_a_worker_dies_and_another_goes_on(tmp_path: Path, calm: Any) -> None:
    """Killed in the middle, it leaves a log; who has the shard next asks for nothing of what is in there."""
    ids = some_ids(40, seed=2)
    settings = settings_of(tmp_path, calm, ids, {"limits.works": "4", "limits.images.connections": "2"})
    cluster = Cluster(settings, ttl_s=1.5, attempts=9)

    async def main() -> Outcome:
        cluster.start("first")
        driving = asyncio.create_task(cluster.driver(1).go())
        await until(seen_at(cluster, 10))
        await cluster.kill("first")
        cluster.start("second")
        outcome = await driving
        await cluster.leave()
        return outcome

    outcome = asyncio.run(main())
    assert outcome.code == 0, outcome.text
    judge(calm.world, tmp_path / "out", ids)
    nothing_left(tmp_path / "out")
    twice = [path for (_, path), asked in calm.seen.requests.items() if asked > 1 and path != "/robots.txt"]
    assert len(twice) <= 4 + 2, "more than was in flight: two images, and four works half described"


def test_a_worker_that_is_cut_off_stops_by_itself(tmp_path: Path, calm: Any) -> None:
    """Its messages are lost: by its own clock its lease ends, and nothing of it counts but what is true."""
    ids = some_ids(24, seed=3)
    settings = settings_of(tmp_path, calm, ids, {"limits.images.rate": "40"})
    cluster = Cluster(settings, ttl_s=1.5, attempts=9)

    async def main() -> Outcome:
        wire = Wire(cluster.coordinator)
        cut_off = cluster.start("cut off", wire)
        driving = asyncio.create_task(cluster.driver(1).go())
        await until(seen_at(cluster, 5))
        wire.cut = True
        cluster.start("other")

        await until(lambda: cut_off.flight().in_flight == 0)
        outcome = await driving
        await cluster.kill("cut off")
        await cluster.leave()
        return outcome

    outcome = asyncio.run(main())
    assert outcome.code == 0, outcome.text
    judge(calm.world, tmp_path / "out", ids)
    nothing_left(tmp_path / "out")


@pytest.mark.long
def test_a_zombie_changes_nothing(tmp_path: Path, calm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker without a clock, cut off, comes to its commits when all is over: nothing is broken by it, and nobody
    is told to stop."""
    ids = some_ids(24, seed=11)
    settings = settings_of(tmp_path, calm, ids)
    cluster = Cluster(settings, ttl_s=1.5)
    over = asyncio.Event()
    commit = Attempt.commit

    async def late(self: Attempt, *args: Any) -> Any:
        if self._kit.name == "zombie":
            self.until = 1e12
            await over.wait()
        return await commit(self, *args)

    monkeypatch.setattr(Attempt, "commit", late)

    async def main() -> Outcome:
        wire = Wire(cluster.coordinator)
        zombie = cluster.start("zombie", wire)
        driving = asyncio.create_task(cluster.driver(1).go())
        await until(seen_at(cluster, 5))
        wire.cut = True
        cluster.start("other")
        outcome = await driving
        before = (tmp_path / "out/log.jsonl").read_bytes()
        over.set()
        await until(lambda: zombie.flight().works == 0)
        await cluster.kill("zombie")
        await cluster.leave()
        assert (tmp_path / "out/log.jsonl").read_bytes() == before
        assert (await cluster.coordinator.view()).halt is None
        return outcome

    outcome = asyncio.run(main())
    assert outcome.code == 0, outcome.text
    judge(calm.world, tmp_path / "out", ids)
    assert asyncio.run(Cluster(settings).run(1)).code == 0
    nothing_left(tmp_path / "out")


def test_the_driver_dies_and_comes_back(tmp_path: Path, calm: Any) -> None:
    """Workers go on without it; the next one takes over what they do, and offers nothing twice."""
    ids = some_ids(40, seed=4)
    settings = settings_of(tmp_path, calm, ids, {"limits.images.rate": "80"})
    cluster = Cluster(settings)

    async def main() -> Outcome:
        cluster.start("a")
        cluster.start("b")
        driving = asyncio.create_task(cluster.driver().go())
        await until(seen_at(cluster, 12))
        driving.cancel()
        await asyncio.wait((driving,))
        outcome = await cluster.driver().go()
        await cluster.leave()
        return outcome

    outcome = asyncio.run(main())
    assert outcome.code == 0, outcome.text
    judge(calm.world, tmp_path / "out", ids)
    nothing_left(tmp_path / "out")
    api_requests(calm.seen, calm.world, ids, faults=0)


def test_everything_dies_and_it_goes_on(tmp_path: Path, calm: Any) -> None:
    """A drain keeps all that was fetched, and so does the end of all: the next run asks for none of it.

    No lease runs out here, however busy the machine is: who loses one asks again for what was on its way."""
    ids = some_ids(40, seed=5)
    settings = settings_of(tmp_path, calm, ids, {"limits.images.rate": "80"})

    async def drained() -> Outcome:
        cluster = Cluster(settings, ttl_s=30)
        driver = cluster.driver()
        cluster.start("a")
        driving = asyncio.create_task(driver.go())
        await until(seen_at(cluster, 10))
        driver.drain("interrupted", 130)
        outcome = await driving
        await cluster.leave()
        return outcome

    async def dead() -> None:
        cluster = Cluster(settings, ttl_s=30)
        cluster.start("b")
        driving = asyncio.create_task(cluster.driver().go())
        await until(seen_at(cluster, len(files(cluster.root)) + 10))
        await cluster.kill("b")
        driving.cancel()
        await asyncio.wait((driving,))

    outcome = asyncio.run(drained())
    assert outcome.code == 130
    assert 10 <= outcome.snapshot.images == len(files(tmp_path / "out"))
    asyncio.run(dead())
    assert asyncio.run(Cluster(settings, ttl_s=30).run(2)).code == 0
    judge(calm.world, tmp_path / "out", ids)
    nothing_left(tmp_path / "out")
    for (host, path), asked in calm.seen.requests.items():
        broken = host == "i.pximg.net" and path != "/robots.txt" and calm.world.asset(host, path).status != 200
        assert asked <= 2 or path == "/robots.txt" or broken, (host, path)


def test_a_commit_that_lies_is_not_believed(tmp_path: Path, calm: Any) -> None:
    """A file that a commit names is not there: the shard is done again, and the log never said that it was."""
    ids = some_ids(20, seed=6)
    settings = settings_of(tmp_path, calm, ids)
    cluster = Cluster(settings)
    removed: list[str] = []

    class Thief(Wire):
        async def commit(self, worker: str, shard: str, epoch: int) -> Any:
            if not removed:
                removed.append(sorted(files(cluster.root))[0])
                (cluster.root / removed[0]).unlink()
            return await super().commit(worker, shard, epoch)

    async def main() -> Outcome:
        cluster.start("a", Thief(cluster.coordinator))
        outcome = await cluster.driver(1).go()
        await cluster.leave()
        return outcome

    outcome = asyncio.run(main())
    assert outcome.code == 0, outcome.text
    assert removed
    judge(calm.world, tmp_path / "out", ids)
    nothing_left(tmp_path / "out")


@pytest.mark.long
def test_what_breaks_workers_is_parked(tmp_path: Path, calm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A work that breaks whoever has it costs its shard, told with its reason; all others are done."""
    ids = some_ids(40, seed=8)
    settings = settings_of(tmp_path, calm, ids)
    from crawler.sites.pixiv import Pixiv

    describe = Pixiv.describe

    def breaks(self: Pixiv, id: int) -> Any:
        assert id != ids[7], "a mistake of ours"
        return describe(self, id)

    monkeypatch.setattr(Pixiv, "describe", breaks)
    outcome = asyncio.run(Cluster(settings).run(2))
    assert (outcome.code, outcome.reason) == (4, "finished")
    assert "a mistake of ours" in outcome.text
    assert 1 <= outcome.snapshot.pending <= 20
    answered = {line["id"] for line in lines(tmp_path / "out") if line["event"] in ("described", "gone")}
    assert ids[7] not in answered
    monkeypatch.undo()
    assert asyncio.run(Cluster(settings).run(1)).code == 0
    judge(calm.world, tmp_path / "out", ids)
    nothing_left(tmp_path / "out")


def test_a_worker_without_a_coordinator_gives_up(tmp_path: Path, calm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers, and it holds nothing: it says so, and asks no site for anything."""
    monkeypatch.setattr(worker, "PATIENCE_S", 0.3)
    cluster = Cluster(settings_of(tmp_path, calm, [1]))

    async def main() -> None:
        wire = Wire(cluster.coordinator)
        wire.cut = True
        cluster.start("alone", wire)
        await cluster.leave()

    with pytest.raises(Unreachable):
        asyncio.run(main())
    assert calm.seen.total == 0


class Heedless(FolderShelf):
    """A place where whoever comes last wins, as on an object store that ignores conditions."""

    async def create(self, key: str, data: bytes) -> bool:
        await self.delete([key])
        return await super().create(key, data)


def test_a_place_where_two_may_commit_is_refused_at_the_start(tmp_path: Path, calm: Any) -> None:
    """Nothing is handed out, and nothing asked of any site, where a commit would not be the only one."""
    cluster = Cluster(settings_of(tmp_path, calm, some_ids(4)))

    async def main() -> None:
        cluster.start("a")
        driver = cluster.driver(1)
        driver._output.shelf = Heedless(cluster.root / ROOT)
        with pytest.raises(StorageFailed, match="lets two create one object"):
            await driver.go()
        await cluster.kill("a")

    asyncio.run(main())
    assert calm.seen.total == 0
    assert list((tmp_path / "out" / ROOT).iterdir()) == []


def test_a_refused_session_stops_all(tmp_path: Path) -> None:
    """One worker is told that the session is none: nobody asks any more, with the code and words of one process."""
    ids = some_ids(60, seed=9)
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", session="good") as origin:
        settings = settings_of(tmp_path, origin, ids, {"limits.api.rate": "30"})
        outcome = asyncio.run(Cluster(settings, session="1_bad").run(2))
        assert (outcome.code, outcome.reason) == (5, "session_refused")
        assert "refused the session" in outcome.text
        assert origin.seen.total < 20
    closed = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_bytes().splitlines()][-1]
    assert (closed["event"], closed["reason"]) == ("closed", "session_refused")
