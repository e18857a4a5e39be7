"""What a run leaves behind in its process: nothing, also when it is the disk that ends it."""

import asyncio
import errno
import gc
import os
from pathlib import Path

import pytest

from crawler.assembly import Wishes, build_run
from crawler.disk import Disk
from crawler.origin.server import origin_thread
from crawler.origin.work import Mix
from crawler.settings import Settings


class FullDisk(Disk):
    """No room for a byte of an image."""

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        if "/parts/" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(descriptor, data)

    def write_pieces(self, descriptor: int, pieces: object) -> None:
        self.write(descriptor, b"")


def opened() -> set[str]:
    """The files that this process has open."""
    found: set[str] = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(os.readlink(entry))
        except OSError:
            continue
    return {name for name in found if name.startswith("/")}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("full", [True, False])
def test_a_run_leaves_no_task_and_no_file_open(tmp_path: Path, full: bool) -> None:
    """A list that was not read to its end, because the disk was full in the middle, is closed all the same, at once."""
    (tmp_path / "ids.txt").write_text("".join(f"{id}\n" for id in range(59120000, 59120040)))

    async def go(settings: Settings) -> tuple[int, set[str], int]:
        before, tasks = opened(), asyncio.all_tasks()
        run = build_run(settings, "", Wishes(disk=FullDisk(sync=False) if full else Disk(sync=False)))
        outcome = await run.go()
        await asyncio.sleep(0.05)  # sockets are closed by the loop in its own time
        return outcome.code, opened() - before, len(asyncio.all_tasks() - tasks)

    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", mix=Mix(scale=0.1)) as origin:
        settings = Settings.model_validate(
            {
                "source": {"path": str(tmp_path / "ids.txt")},
                "output": {"dir": str(tmp_path / "out"), "durability": "none", "reserve_mb": 0},
                "limits": {"works": 8, "api": {"rate": 0}, "images": {"rate": 0}},
                "network": {"ca_file": origin.ca_file, "resolve": origin.resolve},
            }
        )
        gc.disable()
        try:
            assert asyncio.run(go(settings)) == (7 if full else 0, set(), 0)
        finally:
            gc.enable()
