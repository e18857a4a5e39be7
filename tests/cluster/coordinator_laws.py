"""What every coordinator must do, whatever carries its messages: a script of calls, for any of them.

`Laws(coordinator, round_)`: the coordinator has begun nothing yet; the round is empty. Its ttl must be at least 5 s
unless `later` moves its clock.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from crawler.cluster.commits import Commit, Round
from crawler.cluster.protocol import Coordinator, Flight, Halt, Lease, Shard
from crawler.sources.source import Item


class MemoryShelf:
    """A shelf without threads, for made-up time; each verb takes `late()` seconds, before and after."""

    place = "memory"

    def __init__(self, late: Callable[[], float] = lambda: 0.0) -> None:
        self.objects: dict[str, bytes] = {}
        self.late = late

    async def make(self, room: str) -> None:
        pass

    async def create(self, key: str, data: bytes) -> bool:
        await asyncio.sleep(self.late())
        won = self.objects.setdefault(key, data) == data
        await asyncio.sleep(self.late())
        return won

    async def get(self, key: str) -> bytes | None:
        await asyncio.sleep(self.late())
        return self.objects.get(key)

    async def keys(self, folder: str) -> Sequence[str]:
        await asyncio.sleep(self.late())
        return sorted(key for key in self.objects if key.startswith(f"{folder}/"))

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            await asyncio.sleep(self.late())
            self.objects.pop(key, None)

    async def remove(self, room: str) -> None:
        await self.delete(await self.keys(room))

    async def rooms(self) -> Sequence[str]:
        return sorted({key.partition("/")[0] for key in self.objects})


def shards(count: int, prefix: str = "s") -> list[Shard]:
    """So many, each with one item."""
    return [Shard(f"{prefix}{n:03}", (Item(n), Item(10_000 + n, None))) for n in range(count)]


class Laws:
    """Each method is one law; `all` runs those that need no clock, one after the other on the same coordinator."""

    def __init__(self, coordinator: Coordinator, round_: Round, later: Callable[[], Awaitable[None]] | None = None):
        self.coordinator = coordinator
        self.round = round_
        self.later = later
        self.asks = 0

    async def all(self) -> None:
        await self.nothing_before_it_begins()
        await self.offers_and_leases_are_idempotent()
        await self.a_commit_is_believed_when_its_object_exists()
        await self.a_released_shard_comes_back_and_a_failing_one_is_parked()
        await self.it_halts_and_drains()

    async def offered(self, offered: list[Shard]) -> None:
        for shard in offered:
            await self.round.put_shard(shard)
        assert (await self.coordinator.view(offered=offered)).taken == len(offered)

    async def leased(self, worker: str) -> Lease:
        self.asks += 1
        orders = await self.coordinator.lease(worker, self.asks)
        assert orders.lease is not None
        return orders.lease

    async def nothing_before_it_begins(self) -> None:
        """No lease, and a view that says so; `begin` twice is once."""
        assert (await self.coordinator.lease("early", 1)).lease is None
        assert (await self.coordinator.view()).round == ""
        for _ in range(2):
            await self.coordinator.begin(self.round.name)
        view = await self.coordinator.view()
        assert (view.round, view.outstanding, view.committed) == (self.round.name, (), ())

    async def offers_and_leases_are_idempotent(self) -> None:
        """Twice offered is once; the same question has the same answer; two workers have two shards."""
        two = shards(2)
        await self.offered(two)
        await self.offered(two)
        assert len((await self.coordinator.view()).outstanding) == 2
        lease = await self.leased("a")
        again = await self.coordinator.lease("a", self.asks)
        assert again.lease == lease
        assert (lease.epoch, lease.round, lease.shard.items) == (1, self.round.name, two[0].items)
        other = await self.leased("b")
        assert other.shard.id != lease.shard.id
        self.asks += 1
        assert (await self.coordinator.lease("c", self.asks)).lease is None
        held = ((lease.shard.id, 1),)
        for _ in range(2):
            orders = await self.coordinator.renew("a", held, Flight(works=3, requests=7))
            assert orders.lost == ()
        assert (await self.coordinator.renew("c", held, Flight())).lost == held
        view = await self.coordinator.view()
        assert view.leased == {lease.shard.id: ("a", 1), other.shard.id: ("b", 1)}
        assert view.flights["a"].requests == 7

    async def a_commit_is_believed_when_its_object_exists(self) -> None:
        """Said without an object it is a failure; with one the first wins, whoever says so, and is merged once."""
        one, two = (shard.id for shard in shards(2))
        assert (await self.coordinator.commit("b", two, 1)).lost == ((two, 1),)
        assert two not in (await self.coordinator.view()).committed
        assert await self.round.commit(Commit(one, 1, "a", counts={"images": 5}))
        assert await self.round.commit(Commit(one, 1, "a", counts={"images": 5}))
        assert not await self.round.commit(Commit(one, 2, "z"))
        for _ in range(2):
            assert (await self.coordinator.commit("a", one, 1)).lost == ()
        assert (await self.coordinator.commit("z", one, 2)).lost == ((one, 2),)
        assert (await self.coordinator.view()).committed == (one,)
        for _ in range(2):
            await self.coordinator.view(merged=[one])
        assert (await self.coordinator.view()).committed == ()
        again = await self.leased("b")
        assert (again.shard.id, again.epoch) == (two, 2)
        assert await self.round.commit(Commit(two, 2, "b"))
        await self.coordinator.commit("b", two, 2)
        await self.coordinator.view(merged=[two])

    async def a_released_shard_comes_back_and_a_failing_one_is_parked(self) -> None:
        """Releasing is no failure however often; the third failure parks, with its reason, and late words change
        nothing."""
        (shard,) = shards(1, "p")
        await self.offered([shard])
        for _ in range(4):
            lease = await self.leased("a")
            for _ in range(2):
                await self.coordinator.release("a", shard.id, lease.epoch)
        for n in range(3):
            lease = await self.leased("a")
            assert lease.epoch == 5 + n
            for _ in range(2):
                await self.coordinator.fail("a", shard.id, lease.epoch, f"broke {n}")
        view = await self.coordinator.view()
        assert view.parked == {shard.id: "broke 2"}
        assert (await self.round.parked())[shard.id].reason == "broke 2"
        self.asks += 1
        assert (await self.coordinator.lease("a", self.asks)).lease is None
        assert (await self.coordinator.renew("a", [(shard.id, 7)], Flight())).lost == ((shard.id, 7),)

    async def it_halts_and_drains(self) -> None:
        """`over` when all is done and no more will come; drained or halted it leases nothing, and the first halt is
        what the driver sees."""
        await self.coordinator.finish()
        self.asks += 1
        assert (await self.coordinator.lease("a", self.asks)).over
        await self.offered(shards(1, "h"))
        await self.coordinator.halt("a", Halt(6, "blocked", "no more"))
        await self.coordinator.halt("b", Halt(7, "storage", "full"))
        self.asks += 1
        orders = await self.coordinator.lease("a", self.asks)
        assert (orders.lease, orders.drain, orders.over) == (None, True, False)
        assert (await self.coordinator.view()).halt == Halt(6, "blocked", "no more")
        await self.coordinator.drain()
        assert (await self.coordinator.view()).draining
