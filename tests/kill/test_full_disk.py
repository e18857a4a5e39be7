"""A disk that is nearly full, full of bytes, full of files, or filled by somebody: exit 7, and it goes on later."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crash_kit import mount, mounted, prepare, proven, some_ids, sound, start
from judge import Ended, command, judge

from crawler.origin.server import origin_thread

IDS = some_ids(130, seed=9)
RESERVE = "output.reserve_mb"


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=5, profile="none", ca_dir=tmp_path_factory.mktemp("ca"), latency_s=0.002) as origin:
        yield origin


def stopped_well(ended: Ended, root: Path) -> dict[str, Any]:
    """Exit 7 with words that help, whole and true lines; the last of them, which says how the run ended."""
    assert ended.code == 7, (ended.code, ended.err)
    assert "run the same command again" in ended.err
    assert sound(root).torn == 0
    last = proven((root / "log.jsonl").read_bytes().splitlines()[-1])
    assert last is not None
    assert (last["event"], last["reason"]) == ("closed", "storage"), last
    assert command("status", root, "--json").code == 0
    return last


def goes_on(config: Path, root: Path, origin: Any, *flags: str) -> None:
    ended = command("run", config, *flags)
    assert ended.code == 0, ended.err
    judge(origin.world, root, IDS)


@pytest.mark.parametrize(
    ("small", "large"),
    [
        pytest.param("size=2200k", "size=64m", id="bytes"),
        pytest.param("size=64m,nr_inodes=60", "size=64m,nr_inodes=10000", id="files", marks=pytest.mark.long),
    ],
)
def test_a_disk_that_is_full(tmp_path: Path, calm: Any, small: str, large: str) -> None:
    """Full of bytes or of files: the last lines are there; with more room the same command comes to its end."""
    config = prepare(tmp_path, calm, IDS)
    with mounted(tmp_path / "out", "tmpfs", small) as root:
        ended = command("run", config, f"--{RESERVE}", "0")
        last = stopped_well(ended, root)
        assert "the disk is full" in ended.err
        assert 0 < last["totals"]["images"] == len(sound(root).stored)
        again = command("run", config, f"--{RESERVE}", "0")
        assert again.code == 7, again.err
        sound(root)
        mount(root, "-o", f"remount,{large}")
        goes_on(config, root, calm, f"--{RESERVE}", "0")


def test_a_disk_that_is_nearly_full(tmp_path: Path, calm: Any) -> None:
    """Below the reserve nothing more is admitted, what is in flight is finished, and there is room left."""
    config = prepare(tmp_path, calm, IDS)
    with mounted(tmp_path / "out", "tmpfs", "size=8m") as root:
        ended = command("run", config, f"--{RESERVE}", "5")
        stopped_well(ended, root)
        assert f"less than {RESERVE} = 5" in ended.err
        left = sound(root)
        assert left.stored
        assert 0 < free(root) < 5_000_000
        assert not [path for path in (root / ".crawl" / "parts").iterdir() if path.suffix == ".part"]

        asked = Counter(calm.seen.requests)
        ended = command("run", config, f"--{RESERVE}", "5")
        stopped_well(ended, root)
        assert calm.seen.requests == asked, "with too little room nothing is asked for"

        mount(root, "-o", "remount,size=64m")
        goes_on(config, root, calm, f"--{RESERVE}", "5")


@pytest.mark.long
def test_a_disk_that_somebody_else_fills(tmp_path: Path, calm: Any) -> None:
    """From one moment to the next there is no room: exit 7; the other's file removed, the same command goes on."""
    config = prepare(tmp_path, calm, IDS)
    config.write_text(config.read_text().replace("[output]", "[output]\nreserve_mb = 0"))
    with mounted(tmp_path / "out", "tmpfs", "size=24m") as root:
        before = calm.seen.total
        process = start(config)
        while calm.seen.total < before + 60:
            assert process.poll() is None
            time.sleep(0.001)
        fill(root / "somebody's")
        out, err = process.communicate(timeout=60)
        stopped_well(Ended(process.returncode, out, err), root)
        assert "the disk is full" in err
        (root / "somebody's").unlink()
        goes_on(config, root, calm)


def fill(path: Path) -> None:
    """Write until there is no room for a byte."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def free(root: Path) -> int:
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize
