"""The old files of edited works: kept by name and digest, whatever moment the machine dies at."""

import hashlib
import os
from pathlib import Path

import pytest

from crawler.disk import Disk
from crawler.sinks.replaced import Replaced

PATH = "images/034/1234_p0.png"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(root: Path, path: str, data: bytes) -> tuple[str, str]:
    """A file, replaced as the sink does it; its path and digest."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / "new").write_bytes(data)
    os.replace(root / "new", root / path)
    return path, sha(data)


def kept(root: Path) -> dict[str, bytes]:
    folder = root / ".crawl" / "replaced"
    return {p.name: p.read_bytes() for p in folder.iterdir()} if folder.is_dir() else {}


class NoLinks(Disk):
    """A file system without hard links."""

    def link(self, source: Path, target: Path) -> None:
        raise PermissionError(1, "no links here", str(source)) if source.exists() else FileNotFoundError(2, "no")


@pytest.fixture(params=[Disk, NoLinks])
def disk(request: pytest.FixtureRequest) -> Disk:
    return request.param(sync=False)


OLD = f"1234_p0.{sha(b'old')[:16]}.png"


@pytest.mark.parametrize("after", ["same name", "other name", "nothing"])
def test_old_bytes_are_kept(tmp_path: Path, disk: Disk, after: str) -> None:
    """New bytes under the same name, another name, or none: the old ones are under .crawl/replaced, and only there."""
    replaced = Replaced(tmp_path, disk)
    replaced.keep([put(tmp_path, PATH, b"old")])
    assert (tmp_path / PATH).read_bytes() == b"old"
    claims: dict[str, str] = {}
    if after != "nothing":
        claims = dict([put(tmp_path, PATH if after == "same name" else "images/034/1234_p0.jpg", b"new")])
    replaced.settle(replaced.pending(), claims)
    assert kept(tmp_path) == {OLD: b"old"}
    assert replaced.pending() == []
    left = {str(p.relative_to(tmp_path)): p.read_bytes() for p in (tmp_path / "images").rglob("*.*")}
    assert left == dict.fromkeys(claims, b"new")


def test_killed_before_the_log_said_so(tmp_path: Path, disk: Disk) -> None:
    """While the old line stands, its file stays; the second name goes."""
    replaced = Replaced(tmp_path, disk)
    old = put(tmp_path, PATH, b"old")
    replaced.keep([old])
    replaced.keep([old])
    replaced.settle(Replaced(tmp_path, disk).pending(), dict([old]))
    assert (tmp_path / PATH).read_bytes() == b"old"
    assert kept(tmp_path) == {}
    assert replaced.pending() == []


def test_killed_between_name_and_line(tmp_path: Path, disk: Disk) -> None:
    """New bytes that have their name and not their line yet are left for the next run; the old ones are kept."""
    replaced = Replaced(tmp_path, disk)
    replaced.keep([put(tmp_path, PATH, b"old")])
    put(tmp_path, PATH, b"new")
    replaced.settle(replaced.pending(), {})
    assert (tmp_path / PATH).read_bytes() == b"new"
    assert kept(tmp_path) == {OLD: b"old"}


def test_what_is_not_there_or_not_ours_is_not_kept(tmp_path: Path, disk: Disk) -> None:
    """A file that somebody removed, or a path outside images/, is no reason to stop; other names are left alone."""
    replaced = Replaced(tmp_path, disk)
    (tmp_path / "secret.txt").write_text("mine")
    replaced.keep([(PATH, "0" * 64), ("secret.txt", "0" * 64), ("images/../secret.txt", "0" * 64)])
    (tmp_path / ".crawl" / "replacing" / "notes.txt").write_text("mine")
    assert replaced.pending() == []
    replaced.settle(replaced.pending(), {})
    assert (tmp_path / "secret.txt").read_text() == "mine"
