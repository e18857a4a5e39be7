"""What a seed once found, told in steps, so that it stays found."""

import asyncio
import random
from pathlib import Path

import pytest

from crawler.events import Opened
from crawler.log.reader import replay
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.simulate.disk import ForgetfulDisk, Killed
from crawler.sinks.folder import Folder

SEEDS = range(12)


def made(root: Path, seed: int) -> ForgetfulDisk:
    """A disk over a folder that was there before."""
    folder = root / str(seed)
    folder.mkdir()
    return ForgetfulDisk(folder, random.Random(seed), lambda: 0.0)


def keep(disk: ForgetfulDisk, id: int) -> str:
    """Store an image as a new process does."""

    async def main() -> str:
        part = await Folder(disk.root, disk).part(id, 0)
        await part.begin("https://i.pximg.net/a.png", "")
        await part.write(b"image")
        return (await part.keep("png")).path

    return asyncio.run(main())


def test_a_folder_made_by_a_killed_process(tmp_path: Path) -> None:
    """Found by seed 3021 with 6 kills: killed after making images/007 and before its name was durable, the next
    process stored an image in it; a power cut then took the folder."""
    for seed in SEEDS:
        disk = made(tmp_path, seed)
        keep(disk, 8)
        disk.kill_at, disk.kill_on = disk.steps + 6, "sync_folder"
        with pytest.raises(Killed):
            keep(disk, 7)
        disk.revive()
        path = keep(disk, 7)
        disk.cut_power(random.Random(seed))
        assert (disk.root / path).read_bytes() == b"image"


def test_a_log_made_by_a_killed_process(tmp_path: Path) -> None:
    """Its cousin: killed after making the log and before its name was durable; lines committed later must not go."""

    async def main(disk: ForgetfulDisk) -> None:
        log = await Log.open(disk.root, LogSettings(), disk)
        log.note(Opened(log.id, 1, "test", {"path": "", "digest": "d", "ids": 3}, ""))
        await log.commit()
        await log.close()

    for seed in SEEDS:
        disk = made(tmp_path, seed)
        disk.kill_at, disk.kill_on = 1, ("log.jsonl", "sync_folder")[seed % 2]
        with pytest.raises(Killed):
            asyncio.run(main(disk))
        disk.revive()
        asyncio.run(main(disk))
        disk.cut_power(random.Random(seed))
        assert replay(disk.root / "log.jsonl").totals().listed == 3
