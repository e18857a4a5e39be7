"""Laws of packing: the same members whoever packs them, with whatever memory; and only what the crawl stored."""

import io
import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from exports import Crawl

from crawler.dataset import packing
from crawler.dataset.index import Index
from crawler.dataset.originals import Originals, read_into
from crawler.dataset.packing import Packed, Packs, Plan, processes
from crawler.log.files import LOG


def plan(directory: Path) -> Plan:
    return Plan(
        directory, directory / LOG, (("train", 0.6), ("val", 0.4)), ("page <> 2",), {"val": (False, 9**8, True, 0)}
    )


def packed(crawl: Path, scratch: Path, workers: int) -> Iterator[tuple[Packed, bytes]]:
    """Each image with its bytes."""
    with Index(crawl / LOG, scratch / "index") as index, Packs(plan(crawl), workers) as packs:
        for some, room in packs.load(index.refs()):
            for one in some:
                yield one._replace(start=0, end=0), bytes(room[one.start : one.end])


def test_whoever_packs(crawl: Crawl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process, in several, in little memory, and when processes die on the way: the same, in the same order."""
    here = list(packed(crawl.works, tmp_path, 0))
    stored = crawl.stored()
    assert len(here) == len(stored)
    assert {one.why for one, _ in here} == {"", "where", "finished"}
    for one, members in here:
        assert bool(members) == (one.why == "")
        if members:
            with tarfile.open(fileobj=io.BytesIO(members + bytes(1024))) as tar:
                names = tar.getnames()
            assert stored[names[0].partition(".")[0]]["path"].endswith(names[0])
    monkeypatch.setattr(packing, "SLOT_BYTES", 1 << 10)
    assert list(packed(crawl.works, tmp_path, 0)) == here
    monkeypatch.undo()
    monkeypatch.setattr(packing, "CHUNK_FILES", 3)
    assert list(packed(crawl.works, tmp_path, 2)) == here


def test_processes_that_die(crawl: Crawl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their share is done by the one that is left, and nothing is lost or twice."""
    here = list(packed(crawl.works, tmp_path, 0))
    monkeypatch.setattr(packing, "CHUNK_FILES", 2)
    monkeypatch.setattr(Packs, "_started", lambda self: True)
    got: list[tuple[Packed, bytes]] = []
    killed = False
    with Index(crawl.works / LOG, tmp_path / "index") as index, Packs(plan(crawl.works), 1) as packs:
        for some, room in packs.load(index.refs()):
            got += [(one._replace(start=0, end=0), bytes(room[one.start : one.end])) for one in some]
            if len(got) > 20 and not killed and packs._pool is not None:
                for process in packs._pool._processes.values():
                    os.kill(process.pid or 0, signal.SIGKILL)
                    killed = True
    assert killed
    assert got == here


@pytest.mark.parametrize(
    ("images", "size", "jobs", "cores", "expected"),
    [
        (10**6, 10**12, 1, 8, 0),
        (10, 10**6, 8, 8, 0),
        (10**6, 10**9, 0, 1, 0),
        (10**6, 10**9, 0, 2, 2),
        (40, 10**9, 0, 64, packing.PROCESSES),
        (10**6, 10**6, 3, 64, 3),
    ],
)
def test_how_many(
    monkeypatch: pytest.MonkeyPatch, images: int, size: int, jobs: int, cores: int, expected: int
) -> None:
    """None for a small export, for --jobs 1 and on one core; else one a core up to four, or as many as asked for."""
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert processes(images, size, jobs) == expected


def test_originals_are_reached_through_no_link(tmp_path: Path) -> None:
    """A link, a pipe, a folder, a path that leads up or elsewhere: left out, with the reason; however few stay open."""
    for name in ("001", "002", "003"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "a.jpg").write_bytes(b"12345")
    (tmp_path / "a.jpg").write_bytes(b"12345")
    (tmp_path / "images" / "004").symlink_to("001")
    (tmp_path / "images" / "001" / "b.jpg").symlink_to("a.jpg")
    os.mkfifo(tmp_path / "images" / "001" / "pipe")
    (tmp_path / "images" / "001" / "folder").mkdir()
    with Originals(tmp_path, folders=2) as files:
        for _ in range(2):
            for name in ("001", "002", "003"):
                file = files.open(f"images/{name}/a.jpg", 5)
                room = memoryview(bytearray(5))
                assert isinstance(file, int)
                digest = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"
                assert read_into(file, room, digest) is None
                assert bytes(room) == b"12345"
        file = files.open("images/001/a.jpg", 5)
        assert isinstance(file, int)
        assert read_into(file, memoryview(bytearray(5)), "0" * 64) == "changed"
        assert files.open("images/001/a.jpg", 6) == "changed"
        for path in (
            "images/004/a.jpg",
            "a.jpg",
            "images/../a.jpg",
            "/etc/passwd",
            "images",
            "images/",
            "",
            "images/001/..",
        ):
            assert files.open(path, 5) == "missing", path
        for path in (
            "images/001/\0",
            "images/\0/a.jpg",
            "images/009/a.jpg",
            "images/001/c.jpg",
            f"images/{'a/' * 2000}b",
        ):
            assert files.open(path, 5) == "missing", path
        for path in ("images/001/b.jpg", "images/001/pipe", "images/001/folder"):
            assert files.open(path, 5) == "unreadable", path
