"""The ledger of a cluster, in a folder and on a real S3 server: one winner, whole objects, whenever a process dies."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from coordinator_laws import MemoryShelf, shards

from crawler.cluster.commits import ROOT, Attempt, Commit, Ledger, Parked, Part, Round
from crawler.cluster.shelf import FolderShelf, ObjectShelf, Shelf
from crawler.disk import Disk, Name
from crawler.stop import StorageFailed
from crawler.store.objects import Objects


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.long), "memory"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """An empty place for a ledger."""
    if request.param == "folder":
        return FolderShelf(tmp_path / ROOT, Disk(sync=False))
    if request.param == "memory":
        return MemoryShelf()
    request.getfixturevalue("s3")
    return ObjectShelf(Objects.at(f"s3://tests/{secrets.token_hex(4)}"), ROOT)


async def nothing(shard: str, epoch: int) -> tuple[tuple[Part, ...], dict[str, int]]:
    return (), {}


def test_of_eight_racers_one_commits(shelf: Shelf) -> None:
    """Whoever wins, all then read the same commit; the winner may say it again, and a closing comes too late."""

    async def main() -> None:
        ledger = Ledger(shelf)
        await ledger.check()
        round = await ledger.begin({"settings": "digest"})
        for shard in shards(3):
            await round.put_shard(shard)
            commits = [
                Commit(shard.id, n, f"w{n}", (Part(f"{round.name}/logs/{n}.jsonl", n, "0" * 64, 1),)) for n in range(8)
            ]
            won = await asyncio.gather(*(round.commit(commit) for commit in commits))
            assert sum(won) == 1
            assert await round.committed(shard.id) == commits[won.index(True)]
            assert await round.commit(commits[won.index(True)])
        assert await round.close(nothing) == ()
        attempts = [Attempt("s000", 1, "w", f"c{n}") for n in range(4)]
        assert sum(await asyncio.gather(*(round.attempt(attempt) for attempt in attempts))) == 1

    asyncio.run(main())


def test_a_round_from_its_beginning_to_its_end(shelf: Shelf) -> None:
    """What was written is what is read; closed, it takes no commits; trimmed, it has but commits; removed, nothing."""

    async def main() -> None:
        ledger = Ledger(shelf)
        assert await ledger.rounds() == ()
        round = await ledger.begin({"settings": "digest"})
        assert [one.name for one in await ledger.rounds()] == [round.name]
        assert await round.about() == {"settings": "digest"}
        some = shards(3)
        for shard in some:
            await round.put_shard(shard)
            await round.put_shard(shard)
        assert await round.shards() == ("s000", "s001", "s002")
        assert await round.shard("s001") == some[1]
        for epoch in (1, 2, 10):
            assert await round.attempt(Attempt("s001", epoch, "w", "c"))
        await round.end("s001", 1, "released", "")
        await round.end("s001", 2, "failed", "broke")
        assert await round.attempts() == {"s001": 10}
        assert await round.ended() == {"s001": {1: "released", 2: "failed"}}
        assert await round.reason("s001", 2, "failed") == "broke"
        await round.park(Parked("s002", "it kills", 3))
        assert await round.parked() == {"s002": Parked("s002", "it kills", 3)}
        part = Part(f"{round.name}/logs/s000.1.jsonl", 12, "ab" * 32, 2)
        assert await round.commit(Commit("s000", 1, "w", (part,), {"images": 7}))
        assert await round.committed("s000") == Commit("s000", 1, "w", (part,), {"images": 7})

        async def salvage(shard: str, epoch: int) -> tuple[tuple[Part, ...], dict[str, int]]:
            return (
                ((Part(f"{round.name}/logs/{shard}.{epoch}.jsonl", 3, "cd" * 32, 1),), {"images": 1})
                if epoch
                else ((), {})
            )

        assert set(await round.close(salvage)) == {"s001", "s002"}
        kept = await round.committed("s001")
        assert kept is not None
        assert (kept.epoch, kept.closed, kept.logs[0].key) == (10, True, f"{round.name}/logs/s001.10.jsonl")
        assert not await round.commit(Commit("s001", 10, "zombie"))
        await round.trim(["s000", "s001"])
        assert await round.shards() == ("s002",)
        assert await round.commits() == ("s000", "s001", "s002")
        assert await round.attempts() == {}
        await round.remove()
        assert await ledger.rounds() == ()
        assert await shelf.rooms() == []
        # A zombie of a removed round: it finds no room, or leaves what is swept away and never read.
        with contextlib.suppress(StorageFailed):
            await round.commit(Commit("s000", 1, "zombie"))
        assert await ledger.rounds() == ()
        await ledger.sweep()
        assert await shelf.rooms() == []

    asyncio.run(main())


def test_a_store_that_lets_two_win_is_refused() -> None:
    """Where conditions are ignored there is no truth to be had, and it is said at the start."""

    class Heedless(ObjectShelf):
        async def create(self, key: str, data: bytes) -> bool:
            await self._objects.put(key, data)
            return True

    with pytest.raises(StorageFailed, match="lets two create one object"):
        asyncio.run(Ledger(Heedless(Objects.in_memory(), ROOT)).check())


def test_names_lead_nowhere(tmp_path: Path) -> None:
    """A shard or a round from anywhere is a plain name, and no planted link is followed."""
    for bad in ("..", "a/b", "", ".", "a.b", "x" * 65, "ü"):
        with pytest.raises(ValueError, match="ids and rounds"):
            Round(MemoryShelf(), bad)

    async def main() -> None:
        shelf = FolderShelf(tmp_path / ROOT, Disk(sync=False))
        round = await Ledger(shelf).begin({})
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / ROOT / round.name / "commits").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(StorageFailed, match="symbolic link"):
            await round.commit(Commit("s1", 1, "w"))
        with pytest.raises(StorageFailed, match="leads out"):
            await shelf.get("../../secret")
        assert list((tmp_path / "elsewhere").iterdir()) == []

    asyncio.run(main())


# ------------------------------------------------------------------------------- killed between steps


class Killed(BaseException):
    """The process ended here."""


class MortalDisk(Disk):
    """A disk whose process dies at its n-th step, a write after half of its bytes; a dead process does nothing more."""

    def __init__(self, steps: int) -> None:
        super().__init__(sync=False)
        self.left = steps

    def step(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Killed

    def open(self, path: Name, flags: int) -> int:
        self.step()
        return super().open(path, flags)

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        if self.left == 1:
            super().write(descriptor, data[: len(data) // 2])
        self.step()
        super().write(descriptor, data)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)  # the kernel does it for the dead, too
        self.step()

    def link(self, source: Path, target: Path) -> None:
        self.step()
        super().link(source, target)

    def unlink(self, path: Path) -> None:
        self.step()
        super().unlink(path)

    def sync_folder(self, path: Path) -> None:
        self.step()

    def sync(self, descriptor: int) -> None:
        self.step()


class InPlace(FolderShelf):
    """Does its work where it stands: a death must not be swallowed by a thread."""

    async def _ask(self, work: Any) -> Any:
        try:
            return work()
        except OSError as error:
            raise StorageFailed(str(error)) from error


async def life(shelf: Shelf, seen: list[str]) -> None:
    """All that is ever done to a round, by whoever; `seen`: what was confirmed."""
    ledger = Ledger(shelf)
    found = await ledger.rounds()
    await ledger.sweep()
    round = found[0] if found else await ledger.begin({})
    seen.append(round.name)
    some = shards(2)
    if not await round.commits():
        for shard in some:
            await round.put_shard(shard)
    epoch = (await round.attempts()).get("s000", 0) + 1
    if await round.committed("s000") is None:
        assert await round.attempt(Attempt("s000", epoch, "w", secrets.token_hex(4)))
        assert await round.commit(Commit("s000", epoch, "w"))
    seen.append("committed")
    if "s001" in await round.shards():
        await round.end("s001", 1, "failed", "broke")
        await round.park(Parked("s001", "broke", 3))
    await round.close(nothing)
    seen.append("closed")
    for id in await round.shards():
        commit = await round.committed(id)
        assert commit is not None
        assert commit.closed == (id != "s000")
        await round.trim([id])
    seen.append("merged")
    await round.remove()


def whole(root: Path) -> Sequence[str]:
    """The names of all objects, each of which must be one."""
    found = [path for path in root.rglob("*") if path.is_file() and path.parent.name != ".new"]
    for path in found:
        assert path.read_bytes().endswith(b'"}\n'), path
    return [str(path.relative_to(root)) for path in found]


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.long)])
def test_killed_between_any_two_steps(tmp_path: Path, stride: int) -> None:
    """A round is lived through by processes that die at every possible step in turn: each finds whole objects only,
    what was confirmed stands, nobody commits twice, and in the end nothing is left."""
    steps, ended = secrets.randbelow(stride), False
    while not ended:
        steps += stride
        root = tmp_path / f"{steps}" / ROOT
        seen: list[str] = []
        try:
            asyncio.run(life(InPlace(root, MortalDisk(steps)), seen))
            ended = True
        except Killed:
            names = whole(root)
            if seen and "merged" not in seen:
                assert f"{seen[0]}/round.json" in names
            if "committed" in seen and "merged" not in seen:
                assert f"{seen[0]}/commits/s000.json" in names
            again: list[str] = []
            asyncio.run(life(InPlace(root, Disk(sync=False)), again))
            if "merged" not in seen and seen:
                assert again[0] == seen[0]
            assert again[-1] == "merged"
        assert os.listdir(root) == []
    assert steps > 60
