"""The view of a collection's log: what lies in its place, and is not ours, keeps its bytes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crawler.collect.idfile import IdFile
from crawler.disk import Disk


def made(folder: Path) -> bytes:
    """What the file says after three ids, two of which were there."""
    file = IdFile(folder, Disk(sync=False))
    file.rebuild([5, 7])
    file.append([11])
    file.close()
    return (folder / "ids.txt").read_bytes()


@pytest.mark.parametrize("plant", [os.link, lambda victim, there: there.symlink_to(victim)])
def test_a_second_name_is_not_written_through(tmp_path: Path, plant: Callable[[Path, Path], None]) -> None:
    """A hard or symbolic link to somebody's file of the same bytes: a new file stands there then."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"5\n7\n")
    folder = tmp_path / "out"
    folder.mkdir()
    plant(victim, folder / "ids.txt")
    assert made(folder) == b"5\n7\n11\n"
    assert victim.read_bytes() == b"5\n7\n"


def test_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    """It loses the name."""
    os.mkfifo(tmp_path / "ids.txt")
    assert made(tmp_path) == b"5\n7\n11\n"


def test_the_same_is_left_as_it_is(tmp_path: Path) -> None:
    """A file that says what the log says is appended to, not made anew."""
    (tmp_path / "ids.txt").write_bytes(b"5\n7\n")
    before = (tmp_path / "ids.txt").stat().st_ino
    assert made(tmp_path) == b"5\n7\n11\n"
    assert (tmp_path / "ids.txt").stat().st_ino == before
