"""One writer to a prefix, and the pieces of its log: on a store in memory and on a real S3 server."""

import asyncio
import os
import secrets
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from crawler.sinks.bucket import ObjectPlace
from crawler.stop import StorageFailed
from crawler.store.address import is_address, name_of, problem, tidy
from crawler.store.lease import WRITERS, Lease, Lost, Taken, Who
from crawler.store.objects import Objects
from crawler.store.segments import Published


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@pytest.fixture(params=["memory", "s3"])
def objects(request: pytest.FixtureRequest) -> Objects:
    """An empty prefix."""
    if request.param == "memory":
        return Objects.in_memory()
    request.getfixturevalue("s3")
    return Objects.at(f"s3://tests/{secrets.token_hex(4)}")


class Heedless(Objects):
    """A store that ignores `If-None-Match`."""

    async def create(self, key: str, data: bytes) -> bool:
        await self.put(key, data)
        return True


class Stranger(Lease):
    """A writer of which nothing can be known from here."""

    def __init__(self, objects: Objects, **times: float) -> None:
        super().__init__(objects, **times)
        self._who = Who("far", 7, "", "")


def gone(lease: Lease) -> Lease:
    """As if its process had been of this machine and had ended."""
    lease._who = replace(Who.here(), pid=os.getpid(), started="0")
    return lease


def test_of_eight_racers_for_one_commit_one_wins(objects: Objects) -> None:
    """Whatever they write, the object has the winner's bytes, and the others are told."""

    async def work() -> None:
        for name in map(str, range(3)):
            bodies = [secrets.token_bytes(100) for _ in range(8)]
            won = await asyncio.gather(*(objects.create(name, body) for body in bodies))
            assert sum(won) == 1
            assert await objects.get(name) == bodies[won.index(True)]

    run(work())


def test_of_eight_writers_one_takes_a_prefix(objects: Objects) -> None:
    """Started in the same moment, on an empty prefix and on one that a dead writer left."""

    async def take(lease: Lease) -> bool:
        try:
            await lease.take()
        except Taken:
            return False
        return True

    async def work() -> None:
        assert sum(await asyncio.gather(*(take(Lease(objects)) for _ in range(8)))) == 1
        for one in await objects.listing(WRITERS):
            await objects.delete(one.key)
        await gone(Lease(objects)).take()
        assert sum(await asyncio.gather(*(take(Lease(objects)) for _ in range(8)))) == 1

    run(work())


def test_a_second_writer_is_refused_and_told_who_holds_it(objects: Objects) -> None:
    """At once when the first is seen to live; a first that left is no hindrance."""

    async def work() -> None:
        first = Lease(objects)
        await first.take()
        with pytest.raises(Taken, match=rf"process {os.getpid()} on .* is writing to this prefix"):
            await Lease(objects).take()
        await first.leave()
        second = Lease(objects)
        await second.take()
        assert second.number == first.number + 1
        with pytest.raises(Lost, match="another crawler took over"):
            await first.check()

    run(work())


def test_a_far_writer_is_dead_when_it_says_nothing(objects: Objects) -> None:
    """One that beats is found to live; one that is silent is waited out, and finds that it lost."""

    async def work() -> None:
        far = Stranger(objects, beat_s=0.05, life_s=0.4)
        await far.take()
        beating = asyncio.ensure_future(far.beat())
        with pytest.raises(Taken, match="process 7 on far"):
            await Lease(objects, life_s=0.4).take()
        beating.cancel()
        await asyncio.wait([beating])
        await Lease(objects, life_s=0.4).take()
        with pytest.raises(Lost):
            await far.beat()

    run(work())


def test_a_store_that_ignores_conditions_is_named(tmp_path: Path) -> None:
    """It is found out at the start and said; one after the other still works, and a second one is still refused."""

    async def work() -> None:
        store = Heedless("s3://old/thing", Objects.in_memory()._store)
        place = ObjectPlace(store, tmp_path, 15)
        (said,) = await place.take()
        assert "s3://old/thing: this store ignores `If-None-Match: *`" in said
        with pytest.raises(Taken):
            await ObjectPlace(store, tmp_path, 15).take()
        await place.leave()
        await ObjectPlace(store, tmp_path, 15).take()

    run(work())


LINES = [b'{"seq":%d,"body":"%s"}\n' % (n, b"x" * (n * 37 % 90)) for n in range(1, 200)]


def write(folder: Path, data: bytes) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / "log.jsonl").open("ab") as file:
        file.write(data)
    (folder / ".crawl").mkdir(exist_ok=True)


def test_another_machine_goes_on_from_what_was_published(objects: Objects, tmp_path: Path) -> None:
    """Whole lines only, in pieces that join to the log; a new machine has them, and goes on with the next piece."""

    async def work() -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        write(a, b"".join(LINES[:50]))
        first = Published(objects, a)
        assert await first.begin() == ""
        await first.publish()
        write(a, b"".join(LINES[50:80]) + LINES[80][:-3])
        await first.publish()
        await first.publish()
        assert first.pieces == 2
        second = Published(objects, b)
        assert await second.begin() == ""
        assert (b / "log.jsonl").read_bytes() == b"".join(LINES[:80])
        write(b, LINES[80])
        await second.publish()
        write(a, b"!!}\n" + LINES[81])
        with pytest.raises(Lost):  # the first one came to life again
            await first.publish()
        again = Published(objects, a)
        said = await again.begin()
        kept = a / ".crawl" / "unpublished-1.jsonl"
        assert str(kept) in said
        assert kept.read_bytes() == b"".join(LINES[:80]) + LINES[80][:-3] + b"!!}\n" + LINES[81]
        assert (a / "log.jsonl").read_bytes() == b"".join(LINES[:81])
        await again.publish_whole()
        assert await objects.get("log.jsonl") == b"".join(LINES[:81])

    run(work())


def test_what_only_this_machine_has_stays(objects: Objects, tmp_path: Path) -> None:
    """Killed between line and piece: the lines are there and are published by the next run; a torn one is not."""

    async def work() -> None:
        write(tmp_path, b"".join(LINES[:10]))
        first = Published(objects, tmp_path)
        await first.begin()
        await first.publish()
        write(tmp_path, b"".join(LINES[10:20]) + b'{"se')
        second = Published(objects, tmp_path)
        assert await second.begin() == ""
        await second.publish()
        assert second.bytes == sum(map(len, LINES[:20]))

    run(work())


def test_a_log_that_is_behind_is_brought_up(objects: Objects, tmp_path: Path) -> None:
    """Of a machine that lost its last lines, torn or not, nothing need be kept aside."""

    async def work() -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        write(a, b"".join(LINES))
        first = Published(objects, a)
        await first.begin()
        await first.publish()
        write(b, b"".join(LINES[:7]) + b'{"seq"')
        assert "went on from what another machine published" in await Published(objects, b).begin()
        assert (b / "log.jsonl").read_bytes() == b"".join(LINES)
        assert not list((b / ".crawl").glob("unpublished*"))

    run(work())


def test_a_piece_that_was_sent_by_a_cancelled_publish_is_ours(objects: Objects, tmp_path: Path) -> None:
    """The end of a run cancels a publish on its way; what follows goes on behind what the store has."""

    async def work() -> None:
        write(tmp_path, b"".join(LINES[:10]))
        mine = Published(objects, tmp_path)
        await mine.begin()
        await objects.create("log/00000001.jsonl", b"".join(LINES[:10]))  # and nobody heard of it
        write(tmp_path, b"".join(LINES[10:12]))
        await mine.publish()
        assert (mine.pieces, mine.bytes) == (2, sum(map(len, LINES[:12])))
        assert await objects.get("log/00000002.jsonl") == b"".join(LINES[10:12])

    run(work())


@pytest.mark.parametrize("lost", ["last", "middle"])
def test_pieces_that_are_gone_are_missed(objects: Objects, tmp_path: Path, lost: str) -> None:
    """A store that lost a piece of the log is not written to."""

    async def work() -> None:
        first = Published(objects, tmp_path)
        await first.begin()
        for line in LINES[:3]:
            write(tmp_path, line)
            await first.publish()
        await objects.delete(f"log/0000000{3 if lost == 'last' else 2}.jsonl")
        with pytest.raises(StorageFailed, match=r"missing|held 3"):
            await Published(objects, tmp_path).begin()

    run(work())


def test_addresses() -> None:
    """What is an address, how it is written, and that each place has a name of its own."""
    assert is_address("s3://b/p")
    assert is_address("gs://b")
    assert not is_address("s3")
    assert not is_address("/a/s3://b")
    assert tidy("s3://b//p/q/") == "s3://b/p/q"
    assert tidy("s3://b/") == tidy("s3://b") == "s3://b"
    assert problem("s3://bucket/prefix") is None
    for bad in ("s3://", "s3:///p", "s3://b/../c", "s3://b/a\nb", "s3://key:secret@b/p", "s3://b/p?x=1"):
        assert problem(bad), bad
    names = {name_of("s3://b/p", {}), name_of("s3://b/q", {}), name_of("gs://b/p", {})}
    names.add(name_of("s3://b/p", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}))
    assert len(names) == 4
    assert all(name.startswith("b-") for name in names)
    assert name_of("s3://b/p/", {}) == name_of("s3://b//p", {})


def test_nothing_that_answers_is_said_soon_enough(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens, or the credentials are wrong: which store, what it said, and what to look at."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageFailed, match=r"s3://tests/x/k: .*403.*AWS_\*"):
        Objects.at("s3://tests/x").get_now("k")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageFailed, match="s3://tests/x/k"):
        Objects.at("s3://tests/x", retry_s=0.3).get_now("k")


def test_a_body_that_is_broken_off_leaves_nothing(s3: Any, tmp_path: Path) -> None:
    """An upload of parts that is cancelled in the middle has no object, not a partial one."""
    objects = Objects.at(f"s3://tests/{secrets.token_hex(4)}")
    (tmp_path / "large").write_bytes(os.urandom(1 << 20) * 64)

    async def work() -> None:
        upload = asyncio.ensure_future(objects.upload("images/001/1_p0.png", tmp_path / "large"))
        await asyncio.sleep(0.05)
        upload.cancel()
        await asyncio.wait([upload])
        await asyncio.sleep(0.2)
        assert await objects.listing("images") == []
        await objects.upload("images/001/1_p0.png", tmp_path / "large")
        (one,) = await objects.listing("images")
        assert one.bytes == 64 << 20

    run(work())


def test_a_writer_says_who_it_is(objects: Objects) -> None:
    """For people who look into the bucket."""

    async def work() -> None:
        await Lease(objects).take()
        (one,) = await objects.listing(WRITERS)
        told = orjson.loads(await objects.get(one.key) or b"")
        assert told["who"]["pid"] == os.getpid()
        assert told["left"] is False

    run(work())
