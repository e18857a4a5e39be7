"""Laws of leases and commits: every shard is committed once, none is lost, whoever dies or comes late."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from coordinator_laws import Laws, MemoryShelf, shards
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler.cluster import heard as heard_module
from crawler.cluster.commits import ROOT, Commit, Damaged, Ledger, Part, Round
from crawler.cluster.coordinator import LedgerCoordinator
from crawler.cluster.protocol import Flight, Orders, Unreachable
from crawler.cluster.shelf import FolderShelf, ObjectShelf
from crawler.disk import Disk
from crawler.simulate.loop import run_virtual
from crawler.stop import StorageFailed
from crawler.store.objects import Objects

TTL_S = 8.0


def in_memory() -> Ledger:
    return Ledger(MemoryShelf())


def in_folder(folder: Path) -> Ledger:
    return Ledger(FolderShelf(folder / ROOT, Disk(sync=False)))


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_the_protocol(kind: str, tmp_path: Path) -> None:
    """What every coordinator does, over both kinds of ledger."""

    async def main() -> None:
        ledger = Ledger(ObjectShelf(Objects.in_memory(), ROOT)) if kind == "memory" else in_folder(tmp_path)
        await Laws(LedgerCoordinator(ledger, ttl_s=30), await ledger.begin({})).all()

    asyncio.run(main())


def test_room_is_bounded() -> None:
    """A driver is held back until what was committed is merged."""

    async def main() -> None:
        ledger = in_memory()
        round = await ledger.begin({})
        one = LedgerCoordinator(ledger, room=3)
        await one.begin(round.name)
        many = shards(5)
        for shard in many:
            await round.put_shard(shard)
        assert (await one.view(offered=many)).taken == 3
        assert (await one.view(offered=many)).taken == 3
        assert (await one.view()).room == 0
        await round.commit(Commit("s000", 1, "w"))
        await one.commit("w", "s000", 1)
        assert (await one.view(offered=many)).taken == 3
        await one.view(merged=["s000"])
        assert (await one.view(offered=many[3:])).taken == 1

    asyncio.run(main())


def test_a_lease_runs_out_and_is_taken_up_again_only_by_its_holder() -> None:
    """Silent for a ttl and a quarter, a worker's shard waits; renewed before another has it, it is his again; given
    to another, it is lost to him; silent three times, it is parked."""

    async def main() -> None:
        ledger = in_memory()
        round = await ledger.begin({})
        one = LedgerCoordinator(ledger, ttl_s=TTL_S)
        await one.begin(round.name)
        (shard,) = shards(1)
        await round.put_shard(shard)
        await one.view(offered=[shard])
        first = (await one.lease("a", 1)).lease
        assert first is not None
        await asyncio.sleep(TTL_S * 1.2)
        assert (await one.lease("b", 1)).lease is None
        await asyncio.sleep(TTL_S)
        assert (await one.view()).leased == {}
        assert (await one.renew("b", [("s000", 1)], Flight())).lost == (("s000", 1),)
        assert (await one.renew("a", [("s000", 1)], Flight())).lost == ()
        assert (await one.view()).leased == {"s000": ("a", 1)}
        for n in range(2):
            await asyncio.sleep(TTL_S * 1.3)
            lease = (await one.lease(f"c{n}", 1)).lease
            assert lease is not None
            assert lease.epoch == n + 2
            assert (await one.renew("a", [("s000", 1)], Flight())).lost == (("s000", 1),)
        await asyncio.sleep(TTL_S * 1.3)
        assert "c1 gave no sign of life" in (await one.view()).parked["s000"]
        # A zombie's commit wins over having been given up.
        assert await round.commit(Commit("s000", 1, "a"))
        await one.commit("a", "s000", 1)
        view = await one.view()
        assert (view.parked, view.committed) == ({}, ("s000",))

    run_virtual(main())


def test_started_again_it_waits_for_who_worked_before() -> None:
    """Epochs and failures survive it; a lease of before is renewed by its holder, or runs out after a ttl and more;
    a commit whose word was lost is found; what was merged is not offered again."""

    async def main() -> None:
        ledger = in_memory()
        round = await ledger.begin({})
        one = LedgerCoordinator(ledger, ttl_s=TTL_S)
        await one.begin(round.name)
        for shard in (many := shards(5)):
            await round.put_shard(shard)
        await one.view(offered=many)
        for n in range(4):
            assert (await one.lease(f"w{n}", 1)).lease
        await one.fail("w0", "s000", 1, "broke")
        await round.commit(Commit("s001", 1, "w1"))
        two = LedgerCoordinator(ledger, ttl_s=TTL_S)
        with pytest.raises(Unreachable):
            await two.renew("w2", [("s002", 1)], Flight())
        await two.resume()
        assert (await two.renew("w2", [("s002", 1)], Flight())).lost == ()
        view = await two.view()
        assert (view.committed, set(view.leased)) == (("s001",), {"s002", "s003"})
        free = [(await two.lease("x", n)).lease for n in range(1, 4)]
        assert {lease.shard.id: lease.epoch for lease in free if lease} == {"s000": 2, "s004": 1}
        await asyncio.sleep(TTL_S * 0.8)
        assert (await two.renew("w2", [("s002", 1)], Flight())).lost == ()
        await two.renew("x", [("s000", 2), ("s004", 1)], Flight())
        await asyncio.sleep(TTL_S * 0.5)
        lease = (await two.lease("x", 4)).lease
        assert lease is not None
        assert (lease.shard, lease.epoch) == (many[3], 2)
        await round.trim(["s001"])
        await two.view(merged=["s001"])
        await two.view(offered=many)  # late
        assert "s001" not in (await two.view()).committed
        assert (await two.lease("x", 5)).lease is None
        assert "s001" not in (await two.view()).outstanding

    run_virtual(main())


def test_a_new_round_is_no_business_of_the_old_one() -> None:
    """Begun anew, leases of the round before are lost, and a late word of it changes nothing."""

    async def main() -> None:
        ledger = in_memory()
        first, second = await ledger.begin({}), await ledger.begin({})
        one = LedgerCoordinator(ledger, ttl_s=TTL_S)
        await one.begin(first.name)
        (shard,) = shards(1)
        await first.put_shard(shard)
        await one.view(offered=[shard])
        assert (await one.lease("a", 1)).lease
        await one.begin(second.name)
        await one.begin(first.name)
        assert (await one.view()).round == second.name
        assert (await one.renew("a", [("s000", 1)], Flight())).lost == (("s000", 1),)
        assert (await one.commit("a", "s000", 1)).lost == ()

    run_virtual(main())


def test_a_ledger_that_fails_halts_the_crawl() -> None:
    """What cannot be written down is not promised: no lease, and the driver sees why."""

    class Broken(ObjectShelf):
        async def create(self, key: str, data: bytes) -> bool:
            if "/attempts/" in key:
                raise StorageFailed("the disk is full")
            return await super().create(key, data)

    async def main() -> None:
        ledger = Ledger(Broken(Objects.in_memory(), ROOT))
        round = await ledger.begin({})
        one = LedgerCoordinator(ledger)
        await one.begin(round.name)
        (shard,) = shards(1)
        await round.put_shard(shard)
        await one.view(offered=[shard])
        orders = await one.lease("a", 1)
        assert (orders.lease, orders.drain) == (None, True)
        view = await one.view()
        assert view.halt is not None
        assert (view.halt.code, view.halt.text) == (7, "the disk is full")
        assert view.outstanding == ("s000",)

    asyncio.run(main())


# ------------------------------------------------------------------------------------ a whole cluster


@dataclass
class World:
    """A cluster in made-up time: messages are late, lost and doubled; coordinators die, workers sleep and wake."""

    chance: random.Random
    ledger: Ledger
    round: Round
    lossy: float
    coordinator: LedgerCoordinator | None = None
    won: dict[str, tuple[str, int]] = field(default_factory=dict)
    done: bool = False

    async def ask(self, method: str, *said: object) -> object:
        """A message there and back."""
        await asyncio.sleep(self.late())
        there, loss = self.coordinator, self.chance.random() < self.lossy
        if there is None or loss:
            await asyncio.sleep(1.0)
            raise Unreachable("there")
        if self.chance.random() < self.lossy:
            asyncio.get_running_loop().call_later(
                self.late() * 5, lambda: asyncio.ensure_future(self.echo(there, method, *said))
            )
        found = await getattr(there, method)(*said)
        if self.chance.random() < self.lossy or there is not self.coordinator:
            await asyncio.sleep(1.0)
            raise Unreachable("back")
        await asyncio.sleep(self.late())
        return found

    async def echo(self, there: LedgerCoordinator, method: str, *said: object) -> None:
        """The same message again, later, to whoever is still there."""
        if there is self.coordinator:
            with contextlib.suppress(Unreachable):
                await getattr(there, method)(*said)

    def late(self) -> float:
        return self.chance.choice([0.0, 0.001, 0.05, 0.5])

    async def insist(self, method: str, *said: object) -> object:
        """Until it is answered."""
        while True:
            try:
                return await self.ask(method, *said)
            except Unreachable:
                continue


async def worker(world: World, name: str) -> None:
    """Leases, works, renews, commits; stops by its own clock; at times it sleeps too long, fails, or dies."""
    loop, asked = asyncio.get_running_loop(), 0
    while not world.done:
        asked += 1
        sent = loop.time()
        orders = await world.insist("lease", name, asked)
        assert isinstance(orders, Orders)
        if orders.over:
            return
        if orders.lease is None:
            await asyncio.sleep(orders.wait_s)
            continue
        shard, epoch = orders.lease.shard, orders.lease.epoch
        fate = world.chance.choice(["works"] * 6 + ["sleeps", "fails", "releases", "dies"])
        if fate == "dies":
            return
        if fate == "fails":
            await world.insist("fail", name, shard.id, epoch, "broke")
            continue
        if fate == "releases":
            await world.insist("release", name, shard.id, epoch)
            continue
        until, left = sent + orders.lease.ttl_s, world.chance.uniform(0.1, 2 * TTL_S)
        while left > 0 and fate == "works" and loop.time() < until:
            await asyncio.sleep(min(left, TTL_S / 4))
            left -= TTL_S / 4
            sent = loop.time()
            try:
                renewed = await world.ask("renew", name, ((shard.id, epoch),), Flight())
            except Unreachable:
                continue
            assert isinstance(renewed, Orders)
            if (shard.id, epoch) in renewed.lost:
                break
            until = sent + TTL_S
        if fate == "sleeps":
            await asyncio.sleep(world.chance.uniform(TTL_S, 5 * TTL_S))  # a zombie: it wakes up and commits
        elif loop.time() >= until:
            continue
        part = Part(f"{world.round.name}/logs/{shard.id}.{epoch}.jsonl", 1, "0" * 64, 1)
        won = await world.round.commit(Commit(shard.id, epoch, name, (part,)))
        if won:
            assert shard.id not in world.won, "committed twice"
            world.won[shard.id] = (name, epoch)
        await world.insist("commit", name, shard.id, epoch)


async def driver(world: World, count: int, merged: dict[str, list[int]]) -> None:
    """Offers all, merges what is committed, and ends when nothing is outstanding."""
    left = shards(count)
    for shard in left:
        await world.round.put_shard(shard)
    told: tuple[str, ...] = ()
    while True:
        await world.insist("begin", world.round.name)
        view = await world.insist("view", told, tuple(left[:8]))
        if view.round != world.round.name:  # type: ignore[attr-defined]
            continue  # it was started again since
        left = left[view.taken :]  # type: ignore[attr-defined]
        if not left:
            await world.insist("finish")
        for id in view.committed:  # type: ignore[attr-defined]
            if id not in merged:
                shard, commit = await world.round.shard(id), await world.round.committed(id)
                assert shard is not None
                assert commit is not None
                assert (commit.worker, commit.epoch) == world.won[id]
                merged[id] = [int(item.id) for item in shard.items]
        await world.round.trim(list(view.committed))  # type: ignore[attr-defined]
        told = tuple(view.committed)  # type: ignore[attr-defined]
        if not left and not view.outstanding:  # type: ignore[attr-defined]
            assert len(merged) + len(view.parked) >= count  # type: ignore[attr-defined]
            break
        await asyncio.sleep(0.5)

    async def nothing(shard: str, epoch: int) -> tuple[tuple[Part, ...], dict[str, int]]:
        return (), {}

    await world.round.close(nothing)
    for id in await world.round.shards():
        commit = await world.round.committed(id)
        assert commit is not None
        if not commit.closed:  # a zombie that came just in time
            merged[id] = [int(item.id) for item in (await world.round.shard(id)).items]  # type: ignore[union-attr]
    world.done = True


SEEDS = given(seed=st.integers(0, 2**32), lossy=st.sampled_from([0.0, 0.1, 0.3]), deaths=st.integers(0, 4))


@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@SEEDS
def test_every_shard_is_committed_once_and_none_is_lost(seed: int, lossy: float, deaths: int) -> None:
    """Whatever is lost, late or doubled, whoever dies and whoever wakes up late: of each shard there is one commit,
    or it is parked with a reason, and what is merged names every id exactly once."""
    live_and_die(seed, lossy, deaths)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@SEEDS
def test_every_shard_is_committed_once_in_many_worlds(seed: int, lossy: float, deaths: int) -> None:
    """The same, again and again."""
    live_and_die(seed, lossy, deaths)


def live_and_die(seed: int, lossy: float, deaths: int) -> None:
    chance = random.Random(seed)
    merged: dict[str, list[int]] = {}
    count = 10

    async def main() -> None:
        ledger = Ledger(MemoryShelf(lambda: chance.choice([0.0, 0.0, 0.01, 0.2])))
        world = World(chance, ledger, await ledger.begin({}), lossy)
        world.coordinator = LedgerCoordinator(ledger, ttl_s=TTL_S, room=6)

        async def reaper() -> None:
            for _ in range(deaths):
                await asyncio.sleep(chance.uniform(1, 2 * TTL_S))
                world.coordinator = None
                await asyncio.sleep(chance.uniform(0, TTL_S))
                new = LedgerCoordinator(ledger, ttl_s=TTL_S, room=6)
                if chance.random() < 0.5:
                    await new.resume()
                world.coordinator = new

        async def crew() -> None:
            born = 0
            async with asyncio.TaskGroup() as group:
                running: set[asyncio.Task[None]] = set()
                while not world.done:
                    while len(running) < 4:
                        born += 1
                        running.add(group.create_task(worker(world, f"w{born}")))
                    await asyncio.sleep(1)
                    running = {task for task in running if not task.done()}

        async with asyncio.timeout(3600), asyncio.TaskGroup() as group:
            group.create_task(driver(world, count, merged))
            group.create_task(reaper())
            group.create_task(crew())
        parked = await world.round.parked()
        assert set(world.won) == set(merged)
        assert set(merged) | set(parked) == {shard.id for shard in shards(count)} == set(await world.round.commits())
        assert all(one.failures >= 3 for one in parked.values())
        for id in parked:
            assert not await world.round.commit(Commit(id, 99, "zombie")), "committed in a closed round"
        named = [id for ids in merged.values() for id in ids]
        assert len(named) == len(set(named)) == 2 * len(merged)

    run_virtual(main())


def test_what_was_edited_is_refused(tmp_path: Path) -> None:
    """An object with other bytes, or under another name, is named and believed by nobody."""

    async def main() -> None:
        ledger = in_folder(tmp_path)
        round = await ledger.begin({"list": "digest"})
        assert await round.about() == {"list": "digest"}
        await round.commit(Commit("s1", 1, "w", (Part(f"{round.name}/logs/a.jsonl", 9, "0" * 64, 3),), {"images": 2}))
        path = tmp_path / ROOT / round.name / "commits" / "s1.json"
        good = path.read_bytes()
        for bad in (good.replace(b'"images":2', b'"images":3'), good[:-9], b"", b"{}\n", good + b"x"):
            path.write_bytes(bad)
            with pytest.raises(Damaged, match=r"commits/s1.json: is not as it was written"):
                await round.committed("s1")
        path.write_bytes(good)
        path.rename(path.with_name("s2.json"))
        with pytest.raises(Damaged, match=r"s2.json"):
            await round.committed("s2")

    asyncio.run(main())


def test_what_is_known_of_workers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is silent has nothing under way; counters of a life never run backwards, also of those that are forgotten."""
    monkeypatch.setattr(heard_module, "_MOST", 10)
    heard = heard_module.Heard(5.0)
    for n in range(30):
        heard.say(f"w{n}", Flight(works=1, requests=10, retries=1), float(n))
        heard.say(f"w{n}", Flight(works=2, requests=7), float(n))
    flights = heard.flights(29.0)
    assert len(flights) <= 11
    assert sum(flight.requests for flight in flights.values()) == 300
    assert sum(flight.works for flight in flights.values()) == 2 * 6
    assert heard.alive(29.0) == 6
