#!/usr/bin/env python
"""What a crawl weighs: peak and growth of its memory, by real runs against a site in another process.

Four questions (issue 5, parts 5 and 6), each of them a part that can be asked alone:
  sizes   the peak of the whole job at 64 works in flight, for images of 20 KB, 300 KB and 1.5 MB
  works   growth over 268,118 works: metadata, image, checks, log
  hosts   growth over 20,000 URLs on 5,000 hosts in any order, robots.txt obeyed
  lists   a list of 10 million ids, and one of 10 million URLs: counted, and then fed for a while

    scripts/bench/memory.py [sizes works hosts lists] [--dir /dev/shm] [--svg docs/pictures]

Memory is what the kernel says (resident), sampled twice a second, its peak over the whole life of the process. Files
go to `--dir` with durability "none": the disk is not what is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from memory_plot import Line, plot

HERE = Path(__file__).parent
WORKS = 268_118
LIST, SHORT = 10_000_000, 20_000
_CONFIG = """
[source]
kind = "{kind}"
path = "list.txt"
[site]
name = "{site}"
[output]
dir = "out"
durability = "none"
[limits]
works = 64
[limits.api]
rate = 0
connections = 64
[limits.images]
rate = 0
connections = 64
[network]
ca_file = "{ca}"
robots = "{robots}"
allow_private = ["127.0.0.0/8"]
resolve = {{ "www.pixiv.net" = "127.0.0.1:{tls}", "i.pximg.net" = "127.0.0.1:{tls}" }}
"""


@dataclass
class Watched:
    """A run that was watched: `seen` holds (seconds, phase, works ended, resident MB) at times; `ended`: in all."""

    peak_mb: float = 0.0
    seconds: float = 0.0
    code: int = 0
    ended: int = 0
    seen: list[tuple[float, str, int, float]] = field(default_factory=list[tuple[float, str, int, float]])

    def at(self, part: float) -> float:
        """Resident MB when this part of all works had ended."""
        end = max(works for _, _, works, _ in self.seen)
        return next(mb for _, _, works, mb in self.seen if works >= part * end)


@contextmanager
def site(folder: Path, size: int) -> Iterator[tuple[int, int]]:
    """The ports, TLS and plain, of a site with images of so many bytes."""
    command = [sys.executable, HERE / "memory_origin.py", folder, str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        tls, plain = process.stdout.readline().split()
        try:
            yield int(tls), int(plain)
        finally:
            process.kill()


def watch(folder: Path, ports: tuple[int, int], *, urls: bool, robots: str = "ignore", stop_s: float = 0.0) -> Watched:
    """Run `list.txt` in `folder`; `stop_s`: interrupt it so long after its first works ended."""
    kind, name = ("urls", "urls") if urls else ("ids", "pixiv")
    text = _CONFIG.format(kind=kind, site=name, ca=folder / "ca.pem", tls=ports[0], robots=robots)
    (folder / "c.toml").write_text(text)
    out, status, began = Watched(), folder / "out" / "status.json", time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "crawler", "run", folder / "c.toml", "-q"])
    crawling = 0.0
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        time.sleep(0.5)
        phase, works = told(status)
        out.seen.append((time.monotonic() - began, phase, works, resident_mb(process.pid)))
        crawling = crawling or (time.monotonic() if works else 0.0)
        if stop_s and crawling and time.monotonic() > crawling + stop_s:
            process.send_signal(signal.SIGINT)
            stop_s = 0.0
    process.returncode = out.code = os.waitstatus_to_exitcode(ended[1])
    out.peak_mb, out.seconds = ended[2].ru_maxrss * 1024 / 1e6, time.monotonic() - began
    out.ended = told(status)[1]
    out.seen = [seen for seen in out.seen if seen[3]][:-1]  # the last may be of a process that is leaving
    return out


def told(status: Path) -> tuple[str, int]:
    """Phase, and works that ended in this run, as status.json says; "counting" before there is one."""
    try:
        now = json.loads(status.read_bytes())
    except (OSError, ValueError):
        return "counting", 0
    return str(now.get("phase", "")), int(now["done"]) + int(now["gone"]) + int(now["failed"])


def resident_mb(pid: int) -> float:
    """What the process holds in memory now; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
    except (OSError, IndexError):
        return 0.0


def sizes(base: Path) -> None:
    """The peaks, by size."""
    print("\n| images of | works | peak, the whole job | peak, images only | exit |\n|---|---|---|---|---|")
    for name, size, works in (("20 KB", 20_480, 3000), ("300 KB", 307_200, 1000), ("1.5 MB", 1_572_864, 500)):
        row: list[Watched] = []
        for urls in (False, True):
            with tempfile.TemporaryDirectory(dir=base) as scratch, site(Path(scratch), size) as ports:
                folder = Path(scratch)
                host = f"https://i.pximg.net:{ports[0]}" if urls else ""
                lines = (f"{host}/{n}.jpg" if urls else str(50_000_000 + n) for n in range(works))
                write(folder / "list.txt", lines)
                row.append(watch(folder, ports, urls=urls))
        codes = " ".join(str(ran.code) for ran in row)
        print(f"| {name} | {works:,} | {row[0].peak_mb:.0f} MB | {row[1].peak_mb:.0f} MB | {codes} |", flush=True)


def works(base: Path, svg: Path, count: int) -> None:
    """Growth over the whole popular list."""
    with tempfile.TemporaryDirectory(dir=base) as scratch, site(Path(scratch), 1500) as ports:
        folder = Path(scratch)
        write(folder / "list.txt", (str(50_000_000 + 7 * n) for n in range(count)))
        ran = watch(folder, ports, urls=False)
        log_mb = (folder / "out" / "log.jsonl").stat().st_size / 1e6
    tell(f"{count:,} works", ran, f"log {log_mb:,.0f} MB")
    points = [(done, mb) for _, _, done, mb in ran.seen if done]
    plot(svg / "memory-works.svg", [Line("resident", points)], "works ended", "MB")


def hosts(base: Path, svg: Path, count: int, many: int) -> None:
    """Growth over a list on very many hosts, in any order."""
    with tempfile.TemporaryDirectory(dir=base) as scratch, site(Path(scratch), 1500) as ports:
        folder, dice = Path(scratch), random.Random(1)
        names = [f"127.{1 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(1, many + 1)]
        urls = [f"http://{names[n % many]}:{ports[1]}/{n}.jpg" for n in range(count)]
        dice.shuffle(urls)
        write(folder / "list.txt", iter(urls))
        ran = watch(folder, ports, urls=True, robots="obey")
    tell(f"{count:,} URLs on {many:,} hosts", ran)
    points = [(done, mb) for _, _, done, mb in ran.seen if done]
    plot(svg / "memory-hosts.svg", [Line("resident", points)], "URLs ended", "MB")


def lists(base: Path, svg: Path, count: int) -> None:
    """Very long lists: counted, and fed for a while."""
    lines: list[Line] = []
    for urls in (False, True):
        short, ran = (listed(base, size, urls=urls) for size in (SHORT, count))
        counted = next((at for at, _, done, _ in ran.seen if done), 0.0)
        each = (ran.peak_mb - short.peak_mb) * 1e6 / count
        kind = "URLs" if urls else "ids"
        tell(f"{count:,} {kind}", ran, f"counted in {counted:.0f} s, {each:.1f} bytes each")
        lines.append(Line(kind, [(at, mb) for at, _, _, mb in ran.seen]))
    plot(svg / "memory-lists.svg", lines, "seconds: counting, then 30 s of crawling", "MB")


def listed(base: Path, count: int, *, urls: bool) -> Watched:
    """A run of a list of so many lines: counted, and half a minute more."""
    with tempfile.TemporaryDirectory(dir=base) as scratch, site(Path(scratch), 1500) as ports:
        folder, step = Path(scratch), 15  # pixiv's ids reach 150 million: 10 million of them lie so far apart
        there = f"http://127.0.0.1:{ports[1]}"
        write(folder / "list.txt", (f"{there}/{n}.jpg" if urls else str(1 + step * n) for n in range(count)))
        return watch(folder, ports, urls=urls, stop_s=30)


def write(path: Path, lines: Iterator[str]) -> None:
    """A list, one entry a line."""
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)


def tell(what: str, ran: Watched, more: str = "") -> None:
    """One run in a few lines."""
    grown = ", ".join(f"{mb:.0f} MB at {part:.0%}" for part in (0.05, 0.25, 0.5, 0.75, 1) if (mb := ran.at(part)))
    print(f"\n{what}: peak {ran.peak_mb:.0f} MB, exit {ran.code}, {ran.ended:,} ended in {ran.seconds:.0f} s. {more}")
    print(f"  {grown}", flush=True)


def main() -> None:
    """Ask what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["sizes", "works", "hosts", "lists"])
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"), help="a folder in memory")  # noqa: S108
    parser.add_argument("--svg", type=Path, default=HERE.parent.parent / "docs" / "pictures")
    parser.add_argument("--works", type=int, default=WORKS)
    parser.add_argument("--urls", type=int, default=20_000)
    parser.add_argument("--hosts", type=int, default=5_000)
    parser.add_argument("--list", type=int, default=LIST)
    args = parser.parse_args()
    args.svg.mkdir(parents=True, exist_ok=True)
    print(f"python {platform.python_version()}, {os.cpu_count()} cores; MB are 10^6 bytes, resident")
    if "sizes" in args.parts:
        sizes(args.dir)
    if "works" in args.parts:
        works(args.dir, args.svg, args.works)
    if "hosts" in args.parts:
        hosts(args.dir, args.svg, args.urls, args.hosts)
    if "lists" in args.parts:
        lists(args.dir, args.svg, args.list)


if __name__ == "__main__":
    main()
