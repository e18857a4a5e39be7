"""Laws of the disk that forgets: what is durable stays, what is not may go, what a process wrote outlives it."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.simulate.disk import ForgetfulDisk, Killed

SEEDS = range(60)


def disk_in(root: Path, seed: int = 0) -> ForgetfulDisk:
    """A new disk over a new folder."""
    folder = root / f"disk{seed}"
    folder.mkdir()
    return ForgetfulDisk(folder, random.Random(seed), lambda: 0.0)


def write(disk: ForgetfulDisk, path: Path, *chunks: bytes, sync: bool = False) -> None:
    """Append chunks to a file, and sync it if wanted."""
    file = disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for chunk in chunks:
            disk.write(file, chunk)
        if sync:
            disk.sync(file)
    finally:
        disk.close(file)


def outcomes(root: Path, act: Callable[[ForgetfulDisk], None]) -> set[tuple[tuple[str, bytes], ...]]:
    """Every folder that power cuts of many seeds left after `act`."""
    found: set[tuple[tuple[str, bytes], ...]] = set()
    for seed in SEEDS:
        disk = disk_in(root, seed)
        act(disk)
        disk.cut_power(random.Random(seed))
        files = sorted(path for path in disk.root.rglob("*") if path.is_file())
        found.add(tuple((str(path.relative_to(disk.root)), path.read_bytes()) for path in files))
    return found


def test_what_is_synced_stays(tmp_path: Path) -> None:
    """Bytes synced, name synced: the same after every power cut."""

    def act(disk: ForgetfulDisk) -> None:
        write(disk, disk.root / "a.part", b"all ", b"of it", sync=True)
        disk.make_folder(disk.root / "deep" / "er")
        disk.replace(disk.root / "a.part", disk.root / "deep" / "er" / "a")
        disk.sync_folder(disk.root / "deep" / "er")
        disk.sync_folder(disk.root)

    assert outcomes(tmp_path, act) == {(("deep/er/a", b"all of it"),)}


def test_bytes_that_are_not_synced_may_go(tmp_path: Path) -> None:
    """A file may lose what came after its sync, in the middle of a write too; never what came before."""

    def act(disk: ForgetfulDisk) -> None:
        write(disk, disk.root / "log", b"safe.", sync=True)
        disk.sync_folder(disk.root)
        write(disk, disk.root / "log", b"first.", b"second.")

    left = {files[0][1] for files in outcomes(tmp_path, act)}
    assert all(content.startswith(b"safe.") for content in left)
    assert b"safe." in left
    assert any(content.startswith(b"safe.first.second.") for content in left)
    assert any(content[:6] == b"safe.f" and not content.startswith(b"safe.first.") for content in left), "torn"
    assert len(left) > 8


def test_names_that_are_not_synced_may_go(tmp_path: Path) -> None:
    """A rename without a sync of its folder happened or did not; in no case are both names or neither there."""

    def act(disk: ForgetfulDisk) -> None:
        write(disk, disk.root / "old", b"x", sync=True)
        disk.sync_folder(disk.root)
        disk.replace(disk.root / "old", disk.root / "new")

    assert outcomes(tmp_path, act) == {(("old", b"x"),), (("new", b"x"),)}


def test_a_name_without_its_bytes(tmp_path: Path) -> None:
    """Renamed before it was synced, a file may have its name and not its bytes: the classic."""

    def act(disk: ForgetfulDisk) -> None:
        write(disk, disk.root / "a.part", b"bytes")
        disk.replace(disk.root / "a.part", disk.root / "a")
        disk.sync_folder(disk.root)

    left = outcomes(tmp_path, act)
    assert {files[0][0] for files in left} == {"a"}
    assert (("a", b""),) in left
    assert (("a", b"bytes"),) in left


def test_a_removal_may_not_have_happened(tmp_path: Path) -> None:
    """Until its folder is synced."""

    def act(disk: ForgetfulDisk) -> None:
        write(disk, disk.root / "a", b"x", sync=True)
        disk.sync_folder(disk.root)
        disk.unlink(disk.root / "a")

    assert outcomes(tmp_path, act) == {(), (("a", b"x"),)}


def test_a_kill_keeps_what_was_written(tmp_path: Path) -> None:
    """The process dies, the machine does not: all is there, and still not durable for a power cut that comes later."""
    left = set()
    for seed in SEEDS:
        disk = disk_in(tmp_path, seed)
        write(disk, disk.root / "a", b"written")
        disk.die("test")
        with pytest.raises(Killed):
            disk.unlink(disk.root / "a")
        assert (disk.root / "a").read_bytes() == b"written"
        disk.revive()
        write(disk, disk.root / "a", b"!")
        disk.cut_power(random.Random(seed))
        left.add((disk.root / "a").read_bytes() if (disk.root / "a").exists() else None)
    assert None in left
    assert b"written!" in left


@settings(max_examples=60, deadline=None)
@given(step=st.integers(1, 12), seed=st.integers(0, 1000))
def test_after_death_nothing_changes(tmp_path_factory: pytest.TempPathFactory, step: int, seed: int) -> None:
    """Killed at any step, in its midst too, the process can do nothing more; the steps before it happened."""
    disk = disk_in(tmp_path_factory.mktemp("disk"), seed)
    disk.kill_at = step
    done = 0

    def act() -> None:
        nonlocal done
        for number in range(4):
            write(disk, disk.root / f"{number}", b"content", sync=True)
            done += 1

    with pytest.raises(Killed):
        act()
    after = {path.name: path.read_bytes() for path in disk.root.iterdir()}
    assert all(after[str(number)] == b"content" for number in range(done))
    assert set(after) <= {str(number) for number in range(done + 1)}
    for attempt in (act, lambda: disk.unlink(disk.root / "0"), lambda: disk.make_folder(disk.root / "f")):
        with pytest.raises(Killed):
            attempt()
    assert after == {path.name: path.read_bytes() for path in disk.root.iterdir()}


def test_a_full_disk_takes_what_fits(tmp_path: Path) -> None:
    """A write ends where the room ends; what is removed gives room."""
    disk = disk_in(tmp_path)
    write(disk, disk.root / "ballast", bytes(100))
    disk.room = 10
    with pytest.raises(OSError, match="No space"):
        write(disk, disk.root / "a", b"0123456789abc")
    assert (disk.root / "a").read_bytes() == b"0123456789"
    with pytest.raises(OSError, match="No space"):
        write(disk, disk.root / "b", b"x")
    assert disk.free_bytes(disk.root) == 0
    disk.unlink(disk.root / "ballast")
    write(disk, disk.root / "b", b"x" * 50)
    assert disk.free_bytes(disk.root) == 50


def test_a_folder_is_a_name_too(tmp_path: Path) -> None:
    """Killed between making a folder and syncing its parent, the folder may go with all that is durable in it."""
    left = set()
    for seed in SEEDS:
        disk = disk_in(tmp_path, seed)
        disk.kill_at, disk.kill_on = 1, "sync_folder"
        with pytest.raises(Killed):
            disk.make_folder(disk.root / "images")
        disk.revive()
        disk.make_folder(disk.root / "images")
        write(disk, disk.root / "images" / "a", b"x", sync=True)
        disk.sync_folder(disk.root / "images")
        disk.cut_power(random.Random(seed))
        left.add((disk.root / "images" / "a").exists())
    assert left == {True, False}
