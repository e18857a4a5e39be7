"""The folder sink: whole files under final names, or nothing."""

import asyncio
import hashlib
import os
import random
from collections.abc import Coroutine
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


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    """A symbolic link where the part should be does not lead out of the folder."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    root = tmp_path / "root"

    async def work() -> None:
        part = await Folder(root, Disk()).part(5, 0)
        (root / ".crawl" / "parts" / "5_0.part").symlink_to(outside)
        await part.begin("https://i/x", "v")
        await part.write(b"x" * 10)
        with pytest.raises(StorageFailed):
            await part.keep("png")

    run(work())
    assert outside.read_bytes() == b"mine"
