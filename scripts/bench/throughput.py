#!/usr/bin/env python
"""What an image costs: CPU of this crawler and its neighbours on the same files, side by side, in turn.

    scripts/bench/throughput.py [--rounds 5] [--sizes "20 KB" …] [--only NAME …] [--plain] [--tls] [--dir DIR]
    scripts/bench/throughput.py --draw throughput.json

Starts nginx on loopback, pinned to one core, and runs each contender pinned to another. A round runs everybody once,
each into a fresh folder, and once with a single image: that is start-up, taken off, and shown apart. Those that do not
compute a SHA-256 themselves are charged for `openssl dgst -sha256` over their files. The figures are medians of the
rounds; CPU is what the kernel accounts to the process and its children. The machine may be shared: ratios within a
table mean something, times alone do not. On a disk (not tmpfs) nothing is deleted before the end: file systems are slow
where inodes were freed just before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from bench_origin import SIZES, Origin
from contenders import HEAVY, IMAGES, WHOLE, Command, Job, install, version
from tables import markdown, plot

COUNTS = {"20 KB": 3000, "300 KB": 1200, "1.5 MB": 300}
"""Images a run, at --scale 1."""
FEWEST = 150
"""Of tools that take long to start, too, or the start is all that is seen."""
HASHED = {*WHOLE, "crawler", "crawler, aiohttp", "bare libcurl", "write + rename"}
"""Who is not charged for digests: those that make them, and the raw limit."""


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds of wall clock and CPU, of the digests after it, of the origin; peak RSS in MB."""

    images: int
    wall: float
    cpu: float
    digest: float
    origin: float
    rss: float


@dataclass(frozen=True)
class Row:
    """Medians for one contender: microseconds of CPU an image, net of start-up; that with digests; images/s, gross."""

    name: str
    size: str
    scheme: str
    net_us: float
    start_s: float
    with_digest_us: float
    images_s: float
    rss_mb: float
    origin_us: float
    rounds: int


class Bench:
    """Runs and measures."""

    def __init__(self, args: argparse.Namespace, base: Path, origin: Origin) -> None:
        self.args = args
        self.base = base
        self.origin = origin
        self.numbers = count()
        self.disk = not str(base).startswith("/dev/shm")  # noqa: S108 - a question, not a place to write to

    def job(self, size: str, images: int, *, tls: bool) -> Job:
        """A job of so many images in a new folder."""
        folder = self.base / f"run{next(self.numbers)}"
        (folder / "out").mkdir(parents=True)
        ids: list[int] = []
        listed = 0
        for id, pages in self.origin.ids:
            if listed >= images:
                break
            if images > 1 or pages == 1:
                ids.append(id)
                listed += pages
        ca, port = self.origin.folder / "ca.pem", self.origin.port(size, tls=tls)
        urls = self.origin.urls(size, images, tls=tls)
        return Job(folder, ca, urls, ids, port, SIZES[size], self.args.durability, self.args.tools)

    def run(self, name: str, size: str, images: int, *, tls: bool) -> Cost:
        """One run, checked: the files that it left are as many as were asked for."""
        job = self.job(size, images, tls=tls)
        build = (IMAGES | WHOLE)[name]
        command = build(job)
        if self.args.code and name.startswith("crawler"):
            command.env["PYTHONPATH"] = str(self.args.code)
        expected = sum(pages for id, pages in self.origin.ids if id in set(job.ids)) if name in WHOLE else images
        before = self.origin.cpu()
        wall, cpu, rss = measured(command, job, self.args.core)
        origin = self.origin.cpu() - before
        files = [path for path in job.out.glob(command.pattern) if path.is_file()]
        if len(files) != expected:
            said = (job.folder / "said").read_text()[-600:]
            raise SystemExit(f"{name}, {size}: {len(files)} files of {expected}\n{said}")
        digest = 0.0 if name in HASHED else digests(files, job, self.args.core)
        if not self.disk:
            shutil.rmtree(job.folder)
        return Cost(expected, wall, cpu, digest, origin, rss)

    def pair(self, name: str, size: str, *, tls: bool) -> tuple[Cost, Cost]:
        """A run of one image, and one of many."""
        images = max(50, int(max(COUNTS[size] * HEAVY.get(name, 1), FEWEST) * self.args.scale))
        return self.run(name, size, 1, tls=tls), self.run(name, size, images, tls=tls)


def measured(command: Command, job: Job, core: int) -> tuple[float, float, float]:
    """Run it on one core: wall seconds, CPU seconds of it and its children, peak RSS in MB."""
    with (job.folder / "said").open("wb") as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command.argv],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=job.folder,
            env={**os.environ, **command.env},
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def digests(files: list[Path], job: Job, core: int) -> float:
    """CPU seconds of SHA-256 over the files, in as few processes as there can be."""
    listed = job.folder / "files"
    listed.write_text("\0".join(map(str, files)))
    argv: list[str | Path] = ["xargs", "-0", "-a", listed, "openssl", "dgst", "-sha256"]
    return measured(Command(argv, {}), job, core)[1]


def rows(found: dict[tuple[str, str, str], list[tuple[Cost, Cost]]]) -> Iterator[Row]:
    """Medians over the rounds."""
    for (name, size, scheme), pairs in found.items():

        def median(value: Callable[[Cost, Cost], float], pairs: list[tuple[Cost, Cost]] = pairs) -> float:
            return statistics.median(value(one, many) for one, many in pairs)

        def net(one: float, many: float, images: int) -> float:
            return (many - one) / (images - 1) * 1e6

        yield Row(
            name=name,
            size=size,
            scheme=scheme,
            net_us=median(lambda one, many: net(one.cpu, many.cpu, many.images)),
            start_s=median(lambda one, many: one.cpu),
            with_digest_us=median(lambda one, many: net(one.cpu + one.digest, many.cpu + many.digest, many.images)),
            images_s=median(lambda one, many: many.images / many.wall),
            rss_mb=median(lambda one, many: many.rss),
            origin_us=median(lambda one, many: many.origin / many.images * 1e6),
            rounds=len(pairs),
        )


def machine() -> str:
    """What it ran on."""
    cpu = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    return f"{os.cpu_count()} x {cpu}, Linux {platform.release()}, Python {platform.python_version()}"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--only", nargs="+", choices=[*IMAGES, *WHOLE], default=[*IMAGES, *WHOLE])
    parser.add_argument("--plain", action="store_true", help="plain HTTP only")
    parser.add_argument("--tls", action="store_true", help="TLS only")
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer images a run")
    parser.add_argument("--durability", choices=["none", "fsync"], default="none", help="for this crawler")
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"), help="where files go")  # noqa: S108
    parser.add_argument("--tools", type=Path, default=Path(tempfile.gettempdir()) / "crawler-bench-tools")
    parser.add_argument("--code", type=Path, help="another checkout to run this crawler from: before and after")
    parser.add_argument("--core", type=int, default=(os.cpu_count() or 2) - 1, help="the contenders' core")
    parser.add_argument("--out", type=Path, help="folder for throughput.md, .json and .svg")
    parser.add_argument("--draw", type=Path, metavar="JSON", help="measure nothing: table and plot of what was saved")
    return parser.parse_args()


def main() -> None:
    """Measure, print, save."""
    args = arguments()
    if args.draw:
        saved = json.loads(args.draw.read_text())
        tell([Row(**row) for row in saved["rows"]], saved["about"], args.out or args.draw.parent)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nginx is stopped on the way out
    install(args.only, args.tools)
    base = Path(tempfile.mkdtemp(prefix="throughput-", dir=args.dir))
    base.chmod(0o755)  # nginx works as nobody
    origin = Origin(base / "origin", 0)
    found: dict[tuple[str, str, str], list[tuple[Cost, Cost]]] = {}
    try:
        origin.start(int(3000 * max(1.0, args.scale)))
        bench = Bench(args, base, origin)
        for number in range(args.rounds):
            for size in args.sizes:
                for tls in [False] * (not args.tls) + [True] * (not args.plain):
                    for name in args.only:
                        if name in WHOLE and not tls:
                            continue
                        scheme = "TLS" if tls else "plain"
                        pair = bench.pair(name, size, tls=tls)
                        found.setdefault((name, size, scheme), []).append(pair)
                        print(f"round {number + 1} {size} {scheme} {name}", file=sys.stderr)
    finally:
        if hasattr(origin, "_nginx"):
            origin.stop()
        shutil.rmtree(base)
    about = {"machine": machine(), "durability": args.durability, "place": str(args.dir)}
    about |= {name: told for name in ("nginx", *args.only) if (told := version(name, args.tools))}
    tell(list(rows(found)), about, args.out)


def tell(table: list[Row], about: dict[str, str], out: Path | None) -> None:
    """Print the table; save it, what it is made of, and the plot."""
    text = markdown(table, about)
    print(text)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "throughput.md").write_text(text)
        (out / "throughput.svg").write_text(plot(table))
        saved = {"about": about, "rows": [asdict(row) for row in table]}
        (out / "throughput.json").write_text(json.dumps(saved, indent=1) + "\n")


if __name__ == "__main__":
    main()
