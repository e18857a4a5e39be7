#!/usr/bin/env python
"""What a cluster costs: each message between its parts, permits a second, and CPU an image beside one process.

    scripts/bench/cluster.py messages [--rounds 3]
    scripts/bench/cluster.py count [--images 20000] [--rate 0] [--workers 1 2]
    scripts/bench/cluster.py crawl [--rounds 3] [--images 20000] [--size "300 KB"] [--workers 1 2] [--apart]

`messages` starts Ray with the real coordinator and budget and sends them what workers and drivers send; CPU is what the
kernel accounts to the actor's process. `count` runs workers, driver, coordinator and budget in one loop, each message
on its way for as long as Ray takes, and counts them: whoever else uses the machine changes little. `crawl` fetches the
same works from nginx on loopback with one process, with as many plain processes as there are workers, each with its
part of the list and of the connections, and with workers on a Ray that runs already; CPU is of all processes of the run
(driver, workers, coordinator, budget, Ray's own) while the middle nine tenths of the images came: starting up is told
apart. Images that are whole give back their memory as they come (a hole as long as the file): a crawl may be long, and
no host of a virtual machine is asked for pages that it must find first, which would cost more than the crawl. With
`--apart` nginx has its core for itself, and all else shares the others: who finds a socket that nginx is just filling
wakes five times as often, so where things run changes what an image costs. The machine may be shared: ratios mean
something, each to the one process of its own round; the table has their medians, and the least and the most.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import bench_origin
from bench_origin import SIZES, Origin
from contenders import CONNECTIONS, WHOLE, Job

if TYPE_CHECKING:
    from crawler.cluster.ray_crew import Crew
    from crawler.settings import Settings

bench_origin.FIRST_PORT = 21_000 + os.getpid() % 1000 * 10
"""More than one of us may run."""
TICKS = os.sysconf("SC_CLK_TCK")
TRIP_S = 0.002  # a message of Ray, there and back
PUNCH_HOLE, KEEP_SIZE = 2, 1
LIBC = ctypes.CDLL(None)
LIBC.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]


class Crawled(NamedTuple):
    """CPU µs an image by kind of process, in the middle of a run; seconds until the first image; images a second."""

    costs: dict[str, float]
    start_s: float
    pace: float


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far; 0 when it is gone."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    return 0.0


def marked(mark: str) -> dict[int, str]:
    """The processes whose environment holds `mark`, and their command lines."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


# ------------------------------------------------------------------------------------------- messages


async def timed(name: str, pid: int, count: int, at_once: int, call: Callable[[int], Awaitable[object]]) -> None:
    """`count` calls, so many at once, as a line of a table: round trip, calls a second, the other side's CPU."""
    trips: list[float] = []
    todo = iter(range(count))

    async def one() -> None:
        for n in todo:
            began = time.perf_counter()
            await call(n)
            trips.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), cpu_of(pid)
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one())
    wall, cpu = time.perf_counter() - began, cpu_of(pid) - cpu
    trip = 1000 * statistics.median(trips)
    print(f"| {name} | {at_once} | {trip:.1f} | {count / wall:,.0f} | {1e6 * cpu / count:,.0f} |", flush=True)


async def desk_messages(crew: Crew, pid: int, folder: Path, items: int) -> None:
    """What workers and drivers say to the coordinator."""
    from crawler.cluster.commits import ROOT, Commit, Ledger, Part
    from crawler.cluster.protocol import Flight, Shard
    from crawler.cluster.shelf import FolderShelf
    from crawler.sources.source import Item

    far, count, held = crew.coordinator, 200, [("s00000", 1), ("s00001", 1)]
    round = await Ledger(FolderShelf(folder / ROOT)).begin({})
    await far.begin(round.name)
    shards = [Shard(f"s{n:05}", tuple([Item(1000 * n + m, None) for m in range(items)])) for n in range(count)]
    for shard in shards:
        await round.put_shard(shard)
    await timed(f"view, with an offer of {items} works", pid, count, 4, lambda n: far.view((), shards[n : n + 1]))
    await timed(f"lease, a shard of {items} works", pid, count, 4, lambda n: far.lease(f"w{n}", 1))
    for at_once in (1, 20):
        await timed("renew, 2 leases", pid, 1000, at_once, lambda n: far.renew("w0", held, Flight()))
    await timed(f"view, of {count:,} shards", pid, 100, 1, lambda n: far.view())
    for n in range(count):
        part = Part(f"{round.name}/logs/s.jsonl", 1, "0" * 64, 1)
        await round.commit(Commit(shards[n].id, 1, f"w{n}", (part,)))
    await timed("commit (its object is there)", pid, count, 4, lambda n: far.commit(f"w{n}", shards[n].id, 1))


async def till_messages(crew: Crew, pid: int) -> None:
    """What workers say to the budget."""
    from crawler.cluster.protocol import Ask

    for wanted in (1, 10, 100, 1000):
        given = 0

        async def reserve(n: int, wanted: int = wanted) -> None:
            nonlocal given
            answer = await crew.budget.reserve(f"w{n % 20}", [Ask("h.example", "images", wanted)])
            given += answer.grants[0].count

        began = time.perf_counter()
        await timed(f"reserve, {wanted} permits wanted", pid, 2000, 20, reserve)
        print(f"| ... = {given / (time.perf_counter() - began):,.0f} permits a second | | | | |", flush=True)
    await timed("told", pid, 500, 1, lambda n: crew.budget.told(0))


def messages(args: argparse.Namespace) -> None:
    """The table of messages."""
    from crawler.cluster import ray_door
    from crawler.cluster.ray_actors import dissolve
    from crawler.cluster.ray_crew import Crew, plan_of
    from crawler.settings import Settings

    folder = Path(tempfile.mkdtemp(dir=args.dir))
    lane = {"rate": 100_000, "burst": 10_000, "connections": 1000}
    settings = Settings.model_validate({"output": {"dir": str(folder)}, "limits": {"api": lane, "images": lane}})

    async def run(crew: Crew) -> None:
        await crew.introduce({})
        await crew.coordinator.view()
        desk = next(pid for pid, text in marked("RAY_").items() if text.startswith("ray::Desk"))
        print("| message | at once | round trip ms | a second | CPU µs of the receiver |")
        print("| --- | --- | --- | --- | --- |")
        await desk_messages(crew, desk, folder, args.items)
        await till_messages(crew, desk)

    try:
        with ray_door.own(2):
            crew = Crew(plan_of(settings, "none"), 2, lambda text: None)
            crew.attach()
            asyncio.run(run(crew))
            dissolve(crew.plan.namespace)
    finally:
        shutil.rmtree(folder)


# ------------------------------------------------------------------------------------------- count


class Counted:
    """A coordinator or a budget whose messages are counted, and take so long there and back."""

    def __init__(self, inner: object, counts: Counter[str]) -> None:
        self._inner = inner
        self._counts = counts

    def __getattr__(self, method: str) -> Callable[..., Awaitable[object]]:
        async def ask(*arguments: object) -> object:
            self._counts[method] += 1
            await asyncio.sleep(TRIP_S)
            return await getattr(self._inner, method)(*arguments)

        return ask


async def counted(settings: Settings, workers: int, counts: Counter[str]) -> None:
    """A crawl by so many workers, in this loop. Raises SystemExit where it does not end well."""
    from crawler.cluster.driver import Driver
    from crawler.cluster.ray_actors import share_of
    from crawler.cluster.ray_parts import budget, coordinator
    from crawler.cluster.worker import Worker

    desk: Any = Counted(await coordinator(settings, again=False), counts)
    till: Any = Counted(budget(settings, {}, again=False), counts)
    shared = settings.model_copy(update={"limits": share_of(settings.limits, workers, workers)})
    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(Worker(shared, "", f"w{number}", desk, till).run())
        outcome = await Driver(settings, "", desk, till, workers).go()
    if outcome.code:
        raise SystemExit(outcome.text)


def count(args: argparse.Namespace) -> None:
    """The table of messages that a crawl sends, by kind."""
    import uvloop

    from crawler.cli.loading import load

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nginx is stopped on the way out
    base = Path(tempfile.mkdtemp(dir=args.dir))
    base.chmod(0o755)  # nginx reads it as somebody else
    origin = Origin(base / "origin", 0)
    try:
        origin.start(args.images)
        print("| workers | images/s | message | a second | per 1,000 images |")
        print("| --- | --- | --- | --- | --- |")
        for workers in args.workers:
            job, images = job_of(base, f"count{workers}", origin, args)
            WHOLE["crawler, whole job"](job)
            flags = {"limits.images.rate": str(args.rate), "limits.api.rate": str(args.rate)}
            with contextlib.chdir(job.folder):
                settings = load(job.folder / "c.toml", flags, {}).settings
                counts, began = Counter[str](), time.perf_counter()
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(counted(settings, workers, counts))
            seconds = time.perf_counter() - began
            for message, number in [*sorted(counts.items()), ("all", counts.total())]:
                told = f"{number / seconds:.2f} | {1000 * number / images:.2f}"
                print(f"| {workers} | {images / seconds:,.0f} | {message} | {told} |", flush=True)
            shutil.rmtree(job.folder)
    finally:
        origin.stop()
        shutil.rmtree(base, ignore_errors=True)


def job_of(base: Path, name: str, origin: Origin, args: argparse.Namespace) -> tuple[Job, int]:
    """The first works of the origin that have so many images together, and how many these have."""
    folder = base / name.replace(" ", "-")
    (folder / "out").mkdir(parents=True)
    ids: list[int] = []
    listed = 0
    for id, pages in origin.ids:
        if listed < args.images:
            ids.append(id)
            listed += pages
    port, size = origin.port(args.size, tls=True), SIZES[args.size]
    return Job(folder, base / "origin/ca.pem", [], ids, port, size, "none", base), listed


# ------------------------------------------------------------------------------------------- crawl


KINDS = {"ray::Hand": "workers", "ray::Desk": "coordinator and budget"}


def kind_of(pid: int, text: str, drivers: set[int]) -> str:
    """What a process of a run is."""
    if pid in drivers:
        return "driver"
    return next((kind for start, kind in KINDS.items() if text.startswith(start)), "Ray itself")


def crawled(jobs: list[Job], images: int, flags: list[str]) -> Crawled:
    """One run, or several beside each other, watched from outside."""
    mark = f"RAY_AUTH_TOKEN_PATH={os.environ['RAY_AUTH_TOKEN_PATH']}"
    cpu, kinds, done = dict[int, float](), dict[int, str](), set[str]()
    seen: list[tuple[float, int, dict[str, float]]] = []
    began = time.perf_counter()
    runs = [begun(job, flags) for job in jobs]
    pids = {run.pid for run in runs}
    while any(run.poll() is None for run in runs):
        for pid, text in marked(mark).items():
            kind = kind_of(pid, text, pids)
            # Ray is there all the time, and no part of who knows nothing of it.
            if "--ray" in flags or kind == "driver":
                cpu[pid], kinds[pid] = max(cpu.get(pid, 0.0), cpu_of(pid)), kind
        sums: dict[str, float] = dict.fromkeys(kinds.values(), 0.0)
        for pid, seconds in cpu.items():
            sums[kinds[pid]] += seconds
        for job in jobs:
            hollow(job.out / "images", done)
        seen.append((time.perf_counter() - began, len(done), sums))
        time.sleep(0.3)
    logs = [(job.out / "log.jsonl").read_bytes() for job in jobs]
    if any(run.returncode for run in runs) or sum(log.count(b'"event":"stored"') for log in logs) < images:
        failed = [line for log in logs for line in log.decode().splitlines() if '"event":"failed"' in line]
        said = "".join((job.folder / "said").read_text()[-1000:] for job in jobs)
        raise SystemExit("\n".join((f"{flags}: exit codes {[run.returncode for run in runs]}", *failed[:3], said)))
    first = next(one for one in seen if one[1] > 0.05 * images)
    last = next((one for one in seen if one[1] >= 0.95 * images), seen[-1])
    came = last[1] - first[1]
    costs = {kind: 1e6 * (sum_ - first[2].get(kind, 0.0)) / came for kind, sum_ in last[2].items()}
    return Crawled(costs, next(t for t, n, _ in seen if n), came / (last[0] - first[0]))


def hollow(folder: Path, done: set[str]) -> None:
    """Images that are not in `done` yet, and are then, give back what they take, and keep their size."""
    for place, _, names in os.walk(folder):
        for path in [f"{place}/{name}" for name in names]:
            if path not in done:
                done.add(path)
                file = os.open(path, os.O_RDWR)
                LIBC.fallocate(file, PUNCH_HOLE | KEEP_SIZE, 0, os.fstat(file).st_size)  # where it can't: no harm
                os.close(file)


def begun(job: Job, flags: list[str]) -> subprocess.Popen[bytes]:
    """A run in its folder."""
    command = WHOLE["crawler, whole job"](job)
    with (job.folder / "said").open("wb") as said:
        return subprocess.Popen(
            [*command.argv, *flags], stdout=said, stderr=said, cwd=job.folder, env={**os.environ, **command.env}
        )


def parts_of(job: Job, count: int) -> list[Job]:
    """The same works for so many processes that know nothing of each other."""
    parts = [replace(job, folder=job.folder / str(n), ids=job.ids[n::count]) for n in range(count)]
    for part in parts:
        part.out.mkdir(parents=True)
    return parts


def started(base: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A head of Ray on the loopback, up, and its address: what is measured is a crawl, once that has started."""
    port = bench_origin.FIRST_PORT + 9
    (base / "token").write_text("b" * 64)
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(base / "token"), RAY_USAGE_STATS_ENABLED="0")
    as_told = dict.fromkeys(("event_stats", "enable_timeline", "enable_metrics_collection", "worker_niceness"), "0")
    os.environ.update({f"RAY_{name}": value for name, value in as_told.items()})  # as docs/cluster.md says
    words = ["--head", "--node-ip-address=127.0.0.2", f"--port={port}", "--include-dashboard=false", "--num-cpus=2"]
    words += ["--include-log-monitor=false", f"--temp-dir={base}/r", "--object-store-memory=80000000", "--block"]
    with (base / "ray").open("wb") as said:
        head = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *words], stdout=said, stderr=said
        )
    while "Ray runtime started" not in (base / "ray").read_text():
        time.sleep(0.2)
    return head, f"127.0.0.2:{port}"


def crawl(args: argparse.Namespace) -> None:
    """The table of crawls, in turn, and their ratios."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nginx is stopped on the way out
    base = Path(tempfile.mkdtemp(dir=args.dir))
    base.chmod(0o755)  # nginx reads it as somebody else
    origin = Origin(base / "origin", 0)
    if args.apart:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {0})  # nginx has a mask of its own
    head, address = started(base)
    ways: dict[str, tuple[int, list[str]]] = {"one process": (1, [])}
    for workers in args.workers:
        part = str(CONNECTIONS // workers)
        alone = ["--limits.api.connections", part, "--limits.images.connections", part]
        if workers > 1:
            ways[f"{workers} plain processes"] = (workers, [*alone, "--limits.works", str(64 // workers)])
        ways[f"{workers} on Ray"] = (1, ["--ray", address, "--cluster.workers", str(workers)])
    found: dict[str, list[Crawled]] = {name: [] for name in ways}
    try:
        origin.start(args.images)
        for number in range(args.rounds):
            for name, (count, flags) in ways.items():
                job, listed = job_of(base, f"{name}{number}", origin, args)
                found[name].append(crawled(parts_of(job, count), listed, flags))
                shutil.rmtree(job.folder)
                print(name, json.dumps(found[name][-1]), file=sys.stderr, flush=True)
    finally:
        origin.stop()
        head.terminate()
        head.wait()
        shutil.rmtree(base, ignore_errors=True)
    parts = ("workers", "driver", "coordinator and budget", "Ray itself")
    print(f"| | CPU µs/image | × one process | first image after s | images/s | {' | '.join(parts)} |")
    print("| --- " * (5 + len(parts)) + "|")
    alone = [sum(one.costs.values()) for one in found["one process"]]
    for name, runs in found.items():
        cost = statistics.median([sum(one.costs.values()) for one in runs])
        times = [sum(one.costs.values()) / beside for one, beside in zip(runs, alone, strict=True)]
        start, pace = (statistics.median([one[n] for one in runs]) for n in (1, 2))
        shares = [statistics.median([one.costs.get(part, 0.0) for one in runs]) for part in parts]
        told = " | ".join(f"{share:,.0f}" for share in shares)
        ratio = f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
        print(f"| {name} | {cost:,.0f} | {ratio} | {start:.1f} | {pace:,.0f} | {told} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("messages", "count", "crawl"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--items", type=int, default=200, help="works in a shard, for the table of messages")
    parser.add_argument("--rate", type=float, default=0, help="of images and metadata a second, to count messages")
    parser.add_argument("--size", choices=list(SIZES), default="300 KB")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--apart", action="store_true", help="nginx has its core for itself")
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"), help="where files go")  # noqa: S108
    args = parser.parse_args()
    {"messages": messages, "count": count, "crawl": crawl}[args.what](args)


if __name__ == "__main__":
    main()
