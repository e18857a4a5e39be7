"""The folder sink: whole files under final names, or nothing."""

import asyncio
import errno
import hashlib
import os
import queue
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.disk import Disk
from crawler.sinks.folder import BUFFER_BYTES, Folder
from crawler.sinks.sink import Held
from crawler.stop import StorageFailed

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def finals(root: Path) -> list[Path]:
    return sorted(p for p in (root / "images").rglob("*") if p.is_file()) if (root / "images").exists() else []


@pytest.mark.parametrize("size", [1, 1000, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES + 17])
@pytest.mark.parametrize("sync", [True, False])
def test_a_kept_file_is_what_was_written(tmp_path: Path, size: int, sync: bool) -> None:
    """Bytes, size and digest of a kept file are those of the chunks, however large; nothing stays behind."""
    body = random.Random(size).randbytes(size)

    async def work() -> None:
        part = await Folder(tmp_path, Disk(sync=sync)).part(1234567, 2)
        await part.begin("https://i/x", "")
        for at in range(0, size, 100_000):
            await part.write(body[at : at + 100_000])
            assert finals(tmp_path) == []
        kept = await part.keep("png")
        assert kept.path == "images/567/1234567_p2.png"
        assert kept.bytes == size
        assert kept.sha256 == hashlib.sha256(body).hexdigest()
        assert (tmp_path / kept.path).read_bytes() == body

    run(work())
    assert list((tmp_path / ".crawl" / "parts").iterdir()) == []


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(1, 200_000), min_size=1, max_size=6), cut=st.integers(0, 5), again=st.booleans())
def test_a_part_goes_on_where_an_attempt_ended(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], cut: int, again: bool
) -> None:
    """Attempts that end anywhere, in this process or an earlier one, never change the bytes of the whole."""
    root = tmp_path_factory.mktemp("sink")
    body = random.Random(repr(sizes)).randbytes(sum(sizes))

    async def work() -> None:
        folder = Folder(root, Disk(sync=False))
        part = await folder.part(5, "zip")
        await part.begin("https://i/x", "v1")
        at = 0
        for index, size in enumerate(sizes):
            await part.write(body[at : at + size])
            at += size
            if index == cut:
                if again:
                    await part.leave()
                    part = await folder.part(5, "zip")
                else:
                    part.pause()
                assert part.held == Held(at, "https://i/x", "v1")
                assert b"".join([block async for block in part.reread()]) == body[:at]
        kept = await part.keep("zip")
        assert (root / kept.path).read_bytes() == body
        assert kept.sha256 == hashlib.sha256(body).hexdigest()

    run(work())


def test_without_a_validator_nothing_is_left_to_go_on_from(tmp_path: Path) -> None:
    """Bytes that cannot be told to be the same file are not resumed."""

    async def work() -> None:
        folder = Folder(tmp_path, Disk())
        part = await folder.part(5, 0)
        await part.begin("https://i/x", "")
        await part.write(b"x" * (BUFFER_BYTES + 5))
        await part.leave()
        assert (await folder.part(5, 0)).held is None

    run(work())
    assert list((tmp_path / ".crawl" / "parts").iterdir()) == []


@pytest.mark.parametrize("harm", ["flip", "short", "long", "note", "gone"])
def test_left_bytes_that_changed_are_not_trusted(tmp_path: Path, harm: str) -> None:
    """What a crash or a stranger did to a left part is seen by its digest, and the part begins anew."""

    async def leave() -> None:
        part = await Folder(tmp_path, Disk()).part(5, 0)
        await part.begin("https://i/x", "v")
        await part.write(b"x" * 5000)
        await part.leave()

    async def held() -> Held | None:
        return (await Folder(tmp_path, Disk()).part(5, 0)).held

    run(leave())
    assert run(held()) is not None
    (file,) = (tmp_path / ".crawl" / "parts").glob("*.part")
    (note,) = (tmp_path / ".crawl" / "parts").glob("*.json")
    match harm:
        case "flip":
            file.write_bytes(b"x" * 4000 + b"y" + b"x" * 999)
        case "short":
            os.truncate(file, 4999)
        case "long":
            file.write_bytes(b"x" * 5001)
        case "note":
            note.write_bytes(b'{"bytes": 5000')
        case _:
            file.unlink()
    assert run(held()) is None


def test_a_disk_that_fails_stops_the_run(tmp_path: Path) -> None:
    """A write that fails is a StorageFailed that says which work and what to do, and leaves no final name."""

    async def work() -> None:
        part = await Folder(tmp_path, Disk()).part(5, 0)
        (tmp_path / ".crawl" / "parts" / "5_0.part").mkdir()
        await part.begin("https://i/x", "v")
        await part.write(b"x" * 10)
        with pytest.raises(StorageFailed, match=r"work 5: .*run the same command again"):
            await part.keep("png")

    run(work())
    assert finals(tmp_path) == []


class Slow(Disk):
    """Each sync of an image's folder waits for a word."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.words = 0, queue.Queue[OSError | None]()

    def sync_folder(self, path: Path) -> None:
        if path.parent.name != "images":
            return
        self.begun += 1
        if error := self.words.get(timeout=60):
            raise error


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("this should have come")


async def kept(disk: Slow, folder: Folder, pages: int) -> list[asyncio.Future[str]]:
    """Keep pages 1 to `pages` of a work while the sync for page 0 is on its way; what became of all."""

    async def keep(page: int) -> str:
        part = await folder.part(5, page)
        await part.begin("https://i/x", "v")
        await part.write(b"x" * 10)
        return (await part.keep("png")).path

    keeps = [asyncio.ensure_future(keep(0))]
    await until(lambda: disk.begun == 1)
    keeps += [asyncio.ensure_future(keep(page)) for page in range(1, pages + 1)]
    await until(lambda: len(finals(folder.root)) > pages)
    await asyncio.sleep(0.02)  # from the rename to the wait for the sync
    disk.words.put(None)
    await until(lambda: disk.begun == 2)
    return keeps


def test_names_of_one_folder_share_a_sync(tmp_path: Path) -> None:
    """Names given while a sync of their folder is on its way need one more, together; none is safe before."""

    async def work() -> None:
        disk = Slow()
        keeps = await kept(disk, Folder(tmp_path, disk), 3)
        await keeps[0]
        assert not any(keep.done() for keep in keeps[1:])
        disk.words.put(None)
        assert [await keep for keep in keeps] == [f"images/005/5_p{page}.png" for page in range(4)]
        assert disk.begun == 2

    run(work())


def test_after_a_failed_sync_nothing_more_is_kept(tmp_path: Path) -> None:
    """No name is said to be safe that waited for a sync that failed, or comes later: the next fsync may lie."""

    async def work() -> None:
        disk = Slow()
        folder = Folder(tmp_path, disk)
        keeps = await kept(disk, folder, 3)
        disk.words.put(OSError(errno.EIO, "Input/output error"))
        await keeps[0]
        outcomes = await asyncio.gather(*keeps[1:], return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StorageFailed] * 3
        assert disk.begun == 2
        other = await folder.part(6, 0)
        await other.begin("https://i/x", "v")
        with pytest.raises(StorageFailed, match="run the same command again"):
            await other.keep("png")
        await other.leave()

    run(work())


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    """A symbolic link, a second name or a pipe where the part should be loses that place."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    root = tmp_path / "root"

    async def work() -> None:
        for make in (os.symlink, os.link, lambda _, to: os.mkfifo(to)):
            part = await Folder(root, Disk()).part(5, 0)
            make(outside, root / ".crawl" / "parts" / "5_0.part")
            await part.begin("https://i/x", "v")
            await part.write(b"x" * 10)
            await part.keep("png")
            assert (root / "images/005/5_p0.png").read_bytes() == b"x" * 10

    run(work())
    assert outside.read_bytes() == b"mine"
