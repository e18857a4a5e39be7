#!/usr/bin/env python
"""How fast images become a data set: `crawler export` beside tar, and a crawl with its export beside img2dataset.

    scripts/bench/export.py [--rounds 5] [--sizes "20 KB" …] [--scale 1] [--dir DIR] [--only tar|img2dataset]

Two tables. The first has the folder of a finished crawl, its files in memory's cache: `tar -cf` of images/, which
reads and writes and nothing else; the same with an fsync; the same with SHA-256 over each file and over the tar, as an
export makes them; and `crawler export --to webdataset`, which holds each file against its digest, writes each image's
metadata beside it and waits for the disk.
The second has the same images on nginx on loopback: img2dataset (16 threads, one process, no resizing, no encoding,
webdataset) downloads and writes tars in one go, so it stands beside a crawl *and* its export, from the same links, with
16 connections; what the two leave is counted. Everybody may use every core but the one that nginx is pinned to; in the
first table, every core. Medians of rounds in turn; wall clock and CPU (of the process and its children), start-up
included.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import bench_origin
from bench_origin import SIZES, Origin
from contenders import CONNECTIONS, Command, Job, install, ours, version
from throughput import machine

bench_origin.FIRST_PORT = 18_600  # the throughput benchmark may be running
COUNTS = {"20 KB": 30_000, "300 KB": 4000, "1.5 MB": 1200}
"""Images, at --scale 1."""
SHARE = {"20 KB": 0.05, "300 KB": 0.2, "1.5 MB": 0.2}
"""Of these, in the second table: img2dataset takes milliseconds for each."""
SHARD_MB = 256


@dataclass(frozen=True)
class Took:
    """Seconds of wall clock and of CPU; of the wall clock, how many the same takes for one image."""

    wall: float
    cpu: float
    start: float = 0.0

    def __add__(self, other: Took) -> Took:
        return Took(self.wall + other.wall, self.cpu + other.cpu, self.start + other.start)

    @property
    def net(self) -> float:
        """Wall clock without start-up."""
        return self.wall - self.start


class Bench:
    """Runs and measures, each run into a new folder."""

    def __init__(self, args: argparse.Namespace, base: Path, origin: Origin) -> None:
        self.args = args
        self.base = base
        self.origin = origin
        self.numbers = count()
        self.cores = sorted(os.sched_getaffinity(0))

    def folder(self) -> Path:
        folder = self.base / f"run{next(self.numbers)}"
        folder.mkdir()
        return folder

    def took(self, command: Command, folder: Path, cores: list[int]) -> Took:
        """Run it. Raises SystemExit with what it said if it fails."""
        with (folder / "said").open("wb") as said:
            began = time.perf_counter()
            process = subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, cores)), *command.argv],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=folder,
                env={**os.environ, **command.env},
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"{command.argv}: exit {process.returncode}\n{(folder / 'said').read_text()[-800:]}")
        return Took(wall, usage.ru_utime + usage.ru_stime)

    def job(self, size: str, images: int) -> Job:
        folder = self.folder()
        (folder / "out").mkdir()
        urls = self.origin.urls(size, images, tls=False)
        durability = self.args.durability
        ca, port = self.origin.folder / "ca.pem", self.origin.port(size, tls=False)
        return Job(folder, ca, urls, [], port, SIZES[size], durability, self.args.tools)

    # -- beside tar --------------------------------------------------------------------------------

    def crawled(self, size: str, images: int) -> Path:
        """The folder of a finished crawl."""
        job = self.job(size, images)
        self.took(ours(job, "", whole=False), job.folder, self.cores)
        return job.out

    def beside_tar(self, crawl: Path, one: Path) -> Iterator[tuple[str, Took]]:
        """Each way once; `one`: the folder of a crawl of one image."""
        for name, build in TARS.items():
            folders = self.folder(), self.folder()
            start = self.took(build(one, folders[0]), folders[0], self.cores).wall
            took = self.took(build(crawl, folders[1]), folders[1], self.cores)
            yield name, replace(took, start=start)
            if name.startswith("crawler"):
                assert members(folders[1].glob("tars/*.tar")) == sum(1 for _ in crawl.glob("images/*/*"))
            for folder in folders:
                self.clear(folder)

    # -- beside img2dataset ------------------------------------------------------------------------

    def beside_img2dataset(self, size: str, images: int) -> Iterator[tuple[str, Took]]:
        cores = [core for core in self.cores if core != self.origin.core] or self.cores
        job = self.job(size, images)
        crawl = self.took(ours(job, "", whole=False), job.folder, cores)
        export = self.took(export_of(job.out, job.folder), job.folder, cores)
        assert members(job.folder.glob("tars/*.tar")) == images
        yield "crawler run", crawl
        yield "crawler run + export", crawl + export
        self.clear(job.folder)
        job = self.job(size, images)
        yield "img2dataset", self.took(img2dataset(job), job.folder, cores)
        assert members(job.out.glob("*.tar")) == images
        self.clear(job.folder)

    def clear(self, folder: Path) -> None:
        """On a disk nothing is deleted before the end: file systems are slow where inodes were freed just before."""
        if str(self.base).startswith("/dev/shm"):  # noqa: S108 - a question, not a place to write to
            shutil.rmtree(folder)


def export_of(crawl: Path, folder: Path) -> Command:
    """The export as a user types it."""
    argv: list[str | Path] = [sys.executable, "-m", "crawler", "export", crawl, "--to", "webdataset", "-q"]
    return Command([*argv, "--out", folder / "tars", "--shard-mb", str(SHARD_MB)], {})


def tar(crawl: Path, folder: Path) -> Command:
    """The floor."""
    return Command(["tar", "-cf", folder / "images.tar", "-C", crawl, "images"], {})


def tar_and_sync(crawl: Path, folder: Path) -> Command:
    """The floor of what is durable, as an export is."""
    script = 'tar -cf "$2/i.tar" -C "$1" images && sync "$2/i.tar"'
    return Command(["bash", "-c", script, "bash", crawl, folder], {})


def tar_and_digests(crawl: Path, folder: Path) -> Command:
    """What an export does beside copying, done with the tools at hand, one after the other."""
    digest = "xargs -0 openssl dgst -sha256 > /dev/null"
    script = f'find "$1/images" -type f -print0 | {digest} && tar -cf "$2/i.tar" -C "$1" images'
    script += ' && openssl dgst -sha256 "$2/i.tar" > /dev/null'
    return Command(["bash", "-c", script, "bash", crawl, folder], {})


def img2dataset(job: Job) -> Command:
    """Files as they are: no resize, no encoding, no EXIF; its own SHA-256 of each; tars of the same size at most."""
    per_shard = max(1, SHARD_MB * 1_000_000 // job.size)
    flags = ["--output_format=webdataset", "--resize_mode=no", "--disable_all_reencoding=True", "--processes_count=1"]
    flags += [f"--thread_count={CONNECTIONS}", "--extract_exif=False", "--compute_hash=sha256", "--enable_wandb=False"]
    flags += [f"--url_list={job.listed(job.urls)}", f"--output_folder={job.out}"]
    flags += [f"--number_sample_per_shard={per_shard}"]
    offline = {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}
    return Command([job.tools / "img2dataset/bin/img2dataset", *flags], offline)


TARS: dict[str, Callable[[Path, Path], Command]] = {
    "tar": tar,
    "tar, fsync": tar_and_sync,
    "tar, SHA-256 of files and tar": tar_and_digests,
    "crawler export": export_of,
}


def members(tars: Iterator[Path]) -> int:
    """How many images these tars hold."""
    found = 0
    for path in tars:
        with tarfile.open(path) as opened:
            found += sum(name.endswith((".jpg", ".png")) for name in opened.getnames())
    return found


def table(title: str, found: dict[tuple[str, str], list[Took]], base: str) -> str:
    """Medians, beside the one of `base`."""
    started = any(run.start for runs in found.values() for run in runs)
    head = f"| | size | images | wall s | CPU s | MB/s | × {base}, wall | × {base}, CPU |"
    head += f" start-up s | × {base}, wall without start-up |" if started else ""
    out = [f"**{title}**", "", head, "| --- " * (head.count("|") - 1) + "|"]
    for (size, key), runs in found.items():
        images, name = int(key.partition("|")[0]), key.partition("|")[2]
        floor = found[size, f"{images}|{base}"]
        wall, cpu, start = (statistics.median(getattr(run, what) for run in runs) for what in ("wall", "cpu", "start"))
        # Of the same round, so that what else the machine does weighs on both.
        walls, cpus, nets = (
            statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(floor, runs, strict=True))
            for what in ("wall", "cpu", "net")
        )
        speed = images * SIZES[size] / wall / 1e6
        row = f"| {name} | {size} | {images:,} | {wall:.2f} | {cpu:.2f} | {speed:,.0f} | {walls:.2f} | {cpus:.2f} |"
        out.append(row + (f" {start:.2f} | {nets:.2f} |" if started else ""))
    return "\n".join(out) + "\n"


def measure(bench: Bench, args: argparse.Namespace) -> None:
    """Both tables."""
    beside_tar: dict[tuple[str, str], list[Took]] = defaultdict(list)
    beside_them: dict[tuple[str, str], list[Took]] = defaultdict(list)
    for size in args.sizes:
        images = max(40, int(COUNTS[size] * args.scale))
        some = max(40, int(images * SHARE[size]))
        crawl, one = (bench.crawled(size, n) if args.only != "img2dataset" else None for n in (images, 1))
        for number in range(args.rounds):
            for name, took in bench.beside_tar(crawl, one) if crawl and one else ():
                beside_tar[size, f"{images}|{name}"].append(took)
            for name, took in bench.beside_img2dataset(size, some) if args.only != "tar" else ():
                beside_them[size, f"{some}|{name}"].append(took)
            print(f"{size}, round {number + 1}", file=sys.stderr)
        for folder in (crawl, one):
            if folder:
                bench.clear(folder.parent)
    if beside_tar:
        print(table("Files to tars; × : how much of tar's speed", beside_tar, "tar"))
    if beside_them:
        print(table("Links to tars; × : how much of img2dataset's speed", beside_them, "img2dataset"))
    tools = {"img2dataset": version("img2dataset", args.tools)} if args.only != "tar" else {}
    gnu = subprocess.run(["tar", "--version"], capture_output=True, text=True, check=True).stdout.partition("\n")[0]
    tools |= {"tar": gnu, "nginx": version("nginx", args.tools)}
    print(
        f"Medians of {args.rounds} rounds, in turn. machine: {machine()}; place: {args.dir}; crawl's durability: ",
        end="",
    )
    print(args.durability + "; " + "; ".join(f"{name}: {told}" for name, told in tools.items()))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer images")
    parser.add_argument("--only", choices=["tar", "img2dataset"], help="one table")
    parser.add_argument("--durability", choices=["none", "fsync"], default="none", help="of the crawl; exports fsync")
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"), help="where files go")  # noqa: S108
    parser.add_argument("--tools", type=Path, default=Path(tempfile.gettempdir()) / "crawler-bench-tools")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nginx is stopped on the way out
    install([] if args.only == "tar" else ["img2dataset"], args.tools)
    base = Path(tempfile.mkdtemp(prefix="export-", dir=args.dir))
    base.chmod(0o755)  # nginx works as nobody
    origin = Origin(base / "origin", 0)
    try:
        origin.start(50)
        measure(Bench(args, base, origin), args)
    finally:
        if hasattr(origin, "_nginx"):
            origin.stop()
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
