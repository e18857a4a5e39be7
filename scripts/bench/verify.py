#!/usr/bin/env python
"""Measures `crawler verify`: megabytes a second of digests, over a made-up data set, from the page cache if it fits.

scripts/bench/verify.py [--dir DIR] [--mb MB] [--rounds N]
"""

import argparse
import asyncio
import hashlib
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from crawler.disk import Disk
from crawler.events import Opened, Stored
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.rules.naming import image_path

SIZES = (20_000, 300_000, 1_500_000)


async def make(root: Path, size: int, images: int) -> None:
    """So many files of `size` bytes, each another one, and the log that names them."""
    body = bytearray(random.Random(size).randbytes(size))
    log = await Log.open(root, LogSettings(), Disk(sync=False))
    log.note(Opened(log.id, 1, "0", {"path": "made up", "digest": "", "ids": images}, ""))
    for number in range(images):
        body[:8] = number.to_bytes(8)
        path = image_path(10_000_000 + number, 0, "jpg")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(body)
        digest = hashlib.sha256(body).hexdigest()
        log.note(
            Stored(10_000_000 + number, 0, path, size, digest, "image/jpeg", 1, 1, "original", "https://a.example/")
        )
        await log.room()
    await log.close()


def used() -> float:
    """CPU seconds of the processes that ended: what a busy machine does not change much."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main() -> None:
    """Make the data sets, verify each a few times, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--dir", default=None, help="where the data set is made (default: the system's temporary folder)"
    )
    parser.add_argument("--mb", type=int, default=600, help="megabytes for each size of file")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print("file size     files   MB/s (median)   files/s   MB a CPU second   rounds")
    for size in SIZES:
        images = args.mb * 1_000_000 // size
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            asyncio.run(make(Path(folder), size, images))
            rates: list[float] = []
            before = used()
            for _ in range(args.rounds):
                command = [sys.executable, "-m", "crawler", "verify", folder, "--json"]
                told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
                assert told["sound"]
                assert told["images"] == images
                rates.append(told["bytes"] / told["seconds"] / 1e6)
            rate = statistics.median(rates)
            per_core = told["bytes"] * args.rounds / (used() - before) / 1e6
            spread = ", ".join(f"{one:.0f}" for one in rates)
            row = f"{size / 1000:>6.0f} kB {images:>9,} {rate:>15.0f} {rate * 1e6 / size:>9.0f} {per_core:>16.0f}"
            print(f"{row}   {spread}")


if __name__ == "__main__":
    main()
