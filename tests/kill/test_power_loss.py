"""The power goes: a real file system forgets what was not synced, and every line that is left is true.

A file system in a file is shut down under the running command without writing out its journal (xfs_io's `shutdown`),
then mounted again. The last two tests show that this finds what it looks for.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crash_kit import Standing, broken, mounted, needs, prepare, some_ids, standing
from judge import Ended, command, judge

from crawler.origin.server import origin_thread

LONG = pytest.mark.long
IDS = some_ids(150, seed=11)
REQUESTS = 120
"""After so many the power goes, at the earliest."""
SETTLED_S = 0.05
"""A log of commits 200 ms apart that has stood still for so long has a whole batch, written before its fsync."""

IMAGES_UNSYNCED = """
import os, sys
from crawler.disk import Disk
from crawler.cli.main import main
sync = Disk.sync
def only_the_log(self, descriptor):
    if os.readlink(f"/proc/self/fd/{descriptor}").endswith("log.jsonl"):
        sync(self, descriptor)
Disk.sync = only_the_log
Disk.sync_folder = lambda self, path: None
sys.exit(main(sys.argv[1:]))
"""
"""The command with a sink that forgot its fsyncs."""


@dataclass(frozen=True)
class Lost:
    """A crash: how the command ended, how many lines it had confirmed, and what was there after the power came back."""

    ended: Ended
    confirmed: int
    left: Standing
    false: list[str]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=5, profile="none", ca_dir=tmp_path_factory.mktemp("ca"), latency_s=0.01) as origin:
        yield origin


@contextmanager
def disk(folder: Path, kind: str) -> Iterator[Path]:
    """A file with a file system of this kind. Skips where it cannot be made or shut down."""
    needs("xfs_io", f"mkfs.{kind}", root=True)
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(800 << 20)  # more than output.reserve_mb and what xfs needs for itself; most of it is a hole
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True, capture_output=True, timeout=60)
    yield image
    image.unlink()


def power_cut(image: Path, kind: str, config: Path, origin: Any, program: list[str]) -> Lost:
    """Run until there are confirmed lines and many requests were made, then cut the power; what is left."""
    root = config.parent / "out"
    before = origin.seen.total
    with mounted(root, kind, "loop", str(image)):
        with started(config, *program) as process:
            confirmed = watch(root / "log.jsonl", process, lambda: origin.seen.total > before + REQUESTS)
            done = subprocess.run(
                ["xfs_io", "-x", "-c", "shutdown", root], check=False, capture_output=True, text=True, timeout=60
            )
            out, err = process.communicate(timeout=60)
        if done.returncode or "shutdown" in done.stderr:
            pytest.skip(f"this kernel cannot shut a file system down: {done.stderr}")
    with mounted(root, kind, "loop", str(image)):
        left = standing(root)
        return Lost(Ended(process.returncode, out, err), confirmed, left, broken(root, left))


@contextmanager
def started(config: Path, *program: str) -> Iterator["subprocess.Popen[str]"]:
    """The command on its way, which does not outlive the test."""
    with subprocess.Popen(
        [sys.executable, *program, "run", str(config), "--progress", "none"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def watch(log: Path, process: "subprocess.Popen[str]", enough: Callable[[], bool]) -> int:
    """Watch a log grow until `enough`; how many lines were confirmed: a later write shows that an fsync was over.

    The writer writes a batch, syncs it, and only then writes the next.
    """
    size = confirmed = 0
    since = time.monotonic()
    batch = b""
    while not (enough() and confirmed) and process.poll() is None:
        now = log.stat().st_size if log.exists() else 0
        if now != size:
            if size and time.monotonic() - since > SETTLED_S:
                confirmed = batch.count(b"\n")
            size, since = now, time.monotonic()
        elif size and len(batch) < size and time.monotonic() - since > SETTLED_S:
            batch = log.read_bytes()[:size]
        time.sleep(0.002)
    return confirmed


@pytest.mark.parametrize("kind", ["ext4", pytest.param("xfs", marks=LONG)])
def test_the_power_goes(tmp_path: Path, calm: Any, kind: str) -> None:
    """Confirmed lines are there, every line that is there is true, and the next run ends like any other."""
    config = crawl(tmp_path, calm)
    root = config.parent / "out"
    with disk(tmp_path, kind) as image:
        lost = power_cut(image, kind, config, calm, ["-m", "crawler"])
        print(f"{kind}: {lost.confirmed} lines confirmed, {lost.left.lines} there, {lost.left.torn} bytes torn")
        assert lost.ended.code == 7, lost.ended.err
        assert "run the same command again" in lost.ended.err
        assert lost.confirmed > 20
        assert lost.left.lines >= lost.confirmed
        assert lost.left.stored
        assert lost.false == []
        with mounted(root, kind, "loop", str(image)):
            ended = command("run", config)
            assert ended.code == 0, ended.err
            judge(calm.world, root, IDS)


@LONG
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_without_fsync_lines_are_lost(tmp_path: Path, calm: Any, kind: str) -> None:
    """Durability `none` loses lines that a reader had seen, and this test finds them missing; the next run heals it."""
    config = crawl(tmp_path, calm)
    config.write_text(config.read_text().replace("[output]", '[output]\ndurability = "none"'))
    root = config.parent / "out"
    with disk(tmp_path, kind) as image:
        lost = power_cut(image, kind, config, calm, ["-m", "crawler"])
        print(f"{kind}: {lost.confirmed} lines seen, {lost.left.lines} there")
        assert lost.left.lines < lost.confirmed
        with mounted(root, kind, "loop", str(image)):
            ended = command("run", config)
            assert ended.code == 0, ended.err


@LONG
def test_without_fsync_of_images_lines_lie(tmp_path: Path, calm: Any) -> None:
    """Were images not synced before their lines, this test would find lines without bytes.

    On xfs: ext4 writes most of what was renamed out with the log's fsync, and would show one or two.
    """
    config = crawl(tmp_path, calm)
    with disk(tmp_path, "xfs") as image:
        lost = power_cut(image, "xfs", config, calm, ["-c", IMAGES_UNSYNCED])
        print(f"xfs: {len(lost.left.stored)} stored lines, {len(lost.false)} of them without their bytes")
        assert lost.false != []


def crawl(folder: Path, origin: Any) -> Path:
    """A crawl whose commits are far enough apart to be told from each other."""
    config = prepare(folder, origin, IDS)
    config.write_text(config.read_text().replace("commit_ms = 20", "commit_ms = 200"))
    return config
