#!/usr/bin/env python
"""Measures what durability costs: images a second through the real folder sink and the real log, without a network.

For each size of body and each `output.durability`, several rounds, interleaved, each into a fresh folder; the table has
the medians. Nothing is deleted before the end: ext4 is several times slower where inodes were freed just before.

    scripts/bench/durability.py [--dir DIR] [--rounds N] [--mb MB] [--fsync-ms 5]
"""

import argparse
import asyncio
import random
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from crawler.disk import THREADS, Disk
from crawler.events import Stored
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.sinks.folder import Folder

SIZES = {"20 KB": 20_000, "300 KB": 300_000, "1.5 MB": 1_500_000}
CHUNK = 1 << 16
"""What a socket gives at a time."""


class SlowDisk(Disk):
    """A disk whose syncs take longer than those of the machine."""

    def __init__(self, more_s: float, *, sync: bool) -> None:
        super().__init__(sync=sync)
        self._more_s = more_s if sync else 0

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        time.sleep(self._more_s)

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        time.sleep(self._more_s)


async def one_round(root: Path, size: int, images: int, concurrency: int, disk: Disk) -> tuple[float, float]:
    """Store so many images; images a second, all lines committed, and the median milliseconds of a `keep`."""
    body = random.Random(size).randbytes(size)
    dice = random.Random(1)
    for number in range(1000):  # a run of days has them all; here they are not part of what is timed
        (root / "images" / f"{number:03d}").mkdir(parents=True)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    log = await Log.open(root, LogSettings(), disk)
    folder = Folder(root, disk)
    ids = iter([dice.randrange(1, 130_000_000) for _ in range(images)])
    kept_ms: list[float] = []

    async def store() -> None:
        for id in ids:
            part = await folder.part(id, 0)
            await part.begin(f"https://i.pximg.net/{id}", "")
            for at in range(0, size, CHUNK):
                await part.write(body[at : at + CHUNK])
            before = time.perf_counter()
            kept = await part.keep("jpg")
            kept_ms.append((time.perf_counter() - before) * 1000)
            log.note(
                Stored(id, 0, kept.path, kept.bytes, kept.sha256, "image/jpeg", 600, 600, "original", "https://i/")
            )

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        commits = group.create_task(log.run())
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(store())
        commits.cancel()
    await log.commit()
    took = time.perf_counter() - began
    await log.close()
    return images / took, statistics.median(kept_ms)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", default=".", help="on the disk to measure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mb", type=int, default=100, help="written in a round, at most 4000 images")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--fsync-ms", type=float, default=0, help="each fsync takes so much longer (a slower disk)")
    args = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="durability-", dir=args.dir))
    numbers = count()
    found: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    try:
        for _ in range(args.rounds):
            for name, size in SIZES.items():
                for sync in (True, False):
                    root = base / str(next(numbers))
                    images = max(64, min(4000, args.mb * 1_000_000 // size))
                    disk = SlowDisk(args.fsync_ms / 1000, sync=sync) if args.fsync_ms else Disk(sync=sync)
                    one = asyncio.run(one_round(root, size, images, args.concurrency, disk))
                    found.setdefault((name, sync), []).append(one)
    finally:
        shutil.rmtree(base)
    print(f"{args.concurrency} at once, median (least to most) of {args.rounds} rounds")
    print("| body | durability | images/s | MB/s | ms for one to be durable |")
    print("| --- | --- | --- | --- | --- |")
    for (name, sync), rounds in found.items():
        rates = sorted(rate for rate, _ in rounds)
        rate, kept_ms = statistics.median(rates), statistics.median(ms for _, ms in rounds)
        mode = "fsync" if sync else "none"
        span = f"{rate:,.0f} ({rates[0]:,.0f} to {rates[-1]:,.0f})"
        print(f"| {name} | {mode} | {span} | {rate * SIZES[name] / 1e6:,.0f} | {kept_ms:.1f} |")


if __name__ == "__main__":
    main()
