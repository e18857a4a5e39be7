#!/usr/bin/env python
"""Small objects into a real S3 server on loopback: the crawl's own sink against boto3 in threads, in turns.

    python scripts/bench/objects.py [--count 1000] [--kb 20] [--rounds 5]

The neighbour is what `aws s3 cp --recursive` does, with as many threads as the sink sends at once would be kind: 10 is
its default, 32 is where it is best here. Server and clients share the machine's cores, so the ratio of CPU time is what
travels to other machines; the ratio of wall time is what this one gives.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "crawl"))

from s3_kit import S3

from crawler.sinks.objects import ObjectSink
from crawler.store.objects import Objects

SINK_AT_ONCE = 32


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="objects a round")
    parser.add_argument("--kb", type=int, default=20, help="size of each")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    bodies = [random.Random(n).randbytes(args.kb * 1000) for n in range(args.count)]
    with tempfile.TemporaryDirectory(prefix="bench-objects-") as folder:
        server = S3(Path(folder) / "server")
        server.start()
        try:
            os.environ.update(server.env)
            server.client().create_bucket(Bucket=server.bucket)
            ways: dict[str, Callable[[], None]] = {
                "crawler": lambda: by_sink(bodies, Path(folder)),
                "boto3, 10 threads": lambda: by_boto(server, bodies, 10),
                "boto3, 32 threads": lambda: by_boto(server, bodies, 32),
            }
            show(measure(ways, args.rounds), args)
        finally:
            server.kill()
    return 0


def measure(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of each way and round; a first round of each, for connections and imports, is not told."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way()
            if number:
                found[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return found


def by_sink(bodies: list[bytes], folder: Path) -> None:
    """As a crawl stores images: parts that are written, digested, and kept."""

    async def work() -> None:
        sink = ObjectSink(Objects.at(f"s3://{S3.bucket}/{secrets.token_hex(4)}"), folder / "work")
        left = iter(enumerate(bodies))

        async def some() -> None:
            for number, body in left:
                part = await sink.part(number, 0)
                await part.begin("https://i/x", "")
                await part.write(body)
                await part.keep("jpg")

        async with asyncio.TaskGroup() as group:
            for _ in range(SINK_AT_ONCE):
                group.create_task(some())

    uvloop.run(work())


def by_boto(server: S3, bodies: list[bytes], threads: int) -> None:
    """Puts from a pool of threads, one client for all of them."""
    client, prefix = server.client(), secrets.token_hex(4)

    def put(number: int) -> None:
        key = f"{prefix}/images/{number % 1000:03d}/{number}_p0.jpg"
        client.put_object(Bucket=S3.bucket, Key=key, Body=bodies[number])

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(put, range(len(bodies))):
            pass


def show(found: dict[str, list[tuple[float, float]]], args: argparse.Namespace) -> None:
    """A line for each way: median objects/s with the spread, CPU for a thousand, and what the sink is to it."""
    print(f"{args.count} objects of {args.kb} KB a round, {args.rounds} rounds in turns, {os.cpu_count()} cores")
    print(f"{'':<20}{'objects/s':>10}{'least':>8}{'most':>8}{'CPU s/1000':>12}{'sink is':>9}{'CPU':>7}")
    mine = statistics.median(wall for wall, _ in found["crawler"])
    mine_cpu = statistics.median(cpu for _, cpu in found["crawler"])
    for name, rounds in found.items():
        walls = sorted(wall for wall, _ in rounds)
        wall, cpu = statistics.median(walls), statistics.median(cpu for _, cpu in rounds)
        rates = [args.count / one for one in (wall, walls[-1], walls[0])]
        print(
            f"{name:<20}{rates[0]:>10.0f}{rates[1]:>8.0f}{rates[2]:>8.0f}{1000 * cpu / args.count:>12.2f}"
            f"{wall / mine:>8.2f}x{cpu / mine_cpu:>6.1f}x"
        )


if __name__ == "__main__":
    sys.exit(main())
