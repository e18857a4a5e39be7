#!/usr/bin/env python
"""Politeness, measured: how much of a host's limit is used, known or secret, and how often the host has to say so.

All numbers are from the host's side. The virtual part plays days in seconds (the rate rule alone, in the world of
tests/rules/limit_shapes.py). The real part runs the installed command against the stand-in over TLS on loopback, for
`--seconds` each; the peers get the same links with the same secret limit (20 a second, 20 at once, 3 s for who is too
fast, no Retry-After). Peers are installed into environments of their own under `--tools`, and are given loopback
addresses only.

    scripts/bench/limits.py [--seconds 300] [--only NAME ...] [--virtual | --real | --peers]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "rules"))

from contenders import install, version  # noqa: E402 - lies beside this file
from limit_shapes import Bucket, Host, Queue, Ran, Sporadic, run  # noqa: E402

from crawler.origin.links import IMAGES  # noqa: E402
from crawler.origin.server import Origin, origin_thread  # noqa: E402
from crawler.rules.learning import Memory  # noqa: E402
from crawler.rules.rate import Pace  # noqa: E402
from crawler.rules.settings import RetrySettings  # noqa: E402

HOUR = 3600
LINKS = 600
CONNECTIONS = 16
_CONFIG = """
[source]
kind = "urls"
path = "links.txt"
[site]
name = "urls"
[output]
dir = "out"
[limits]
works = 64
[limits.images]
rate = {rate}
burst = 1
connections = {connections}
[network]
ca_file = "{ca}"
allow_private = ["127.0.0.0/8"]
"""


@dataclass
class Account:
    """What the host saw: when each request came, and whether it was let through."""

    host: Host
    seen: list[tuple[float, bool]] = field(default_factory=list[tuple[float, bool]])
    began: float = 0.0

    def take(self, now: float) -> bool:
        """Judge a request; the host's clock begins with the first one."""
        self.began = self.began or now
        ok = self.host.take(now - self.began, len(self.seen), 0)
        self.seen.append((now - self.began, ok))
        return ok

    def ran(self, seconds: float) -> Ran:
        """As a run of the virtual world, cut off after `seconds`."""
        seen = [(at, ok) for at, ok in self.seen if at < seconds]
        passed = sum(ok for _, ok in seen)
        blocks = [at for at in getattr(self.host, "blocks", []) if at < seconds]
        times = [at for at, _ in seen]
        return Ran(seconds, times, passed, len(seen) - passed, blocks, self.host.allowed(seconds), None, [], 0, 0)  # type: ignore[arg-type]


@contextlib.contextmanager
def stand_in(host: Host, latency_s: float = 0.0) -> Iterator[tuple[Origin, Account]]:
    """The stand-in, all of it answering as its image host, with this limit in front."""
    with tempfile.TemporaryDirectory() as folder, origin_thread(seed=4, latency_s=latency_s, ca_dir=folder) as origin:
        account = Account(host)
        answer = origin._respond

        class Judge:
            """In the place of the stand-in's own limit."""

            def take(self, now: float) -> bool:
                return account.take(now)

        origin._images = Judge()  # type: ignore[assignment]

        async def respond(request: Any, asked: Any, now: float) -> Any:
            if isinstance(host, Queue) and asked.path != "/robots.txt":
                await origin._pace.wait(host.latency_s(now))
            return await answer(request, replace(asked, host=IMAGES), now)

        origin._respond = respond  # type: ignore[method-assign]
        yield origin, account


def links(origin: Origin, count: int) -> list[str]:
    """So many images of the stand-in."""
    return [f"https://localhost:{origin.port}/plain/{n}.jpg" for n in range(count)]


@contextlib.contextmanager
def crawling(folder: Path, origin: Origin, rate: float, count: int) -> Iterator[subprocess.Popen[bytes]]:
    """The installed command, at work on these links; killed at the end."""
    (folder / "links.txt").write_text("\n".join(links(origin, count)) + "\n")
    (folder / "c.toml").write_text(_CONFIG.format(rate=rate, connections=CONNECTIONS, ca=origin.ca_file))
    with running([sys.executable, "-m", "crawler", "run", folder / "c.toml", "-q"], {}, folder) as process:
        yield process


@contextlib.contextmanager
def running(argv: list[str | Path], env: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a folder; killed at the end."""
    with open(folder / "said.txt", "ab") as said:
        process = subprocess.Popen(argv, cwd=folder, env={**os.environ, **env}, stdout=said, stderr=said)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def ended(process: subprocess.Popen[bytes], within_s: float) -> int | None:
    """The exit code; None when it still runs after so long."""
    try:
        return process.wait(within_s)
    except subprocess.TimeoutExpired:
        return None


def for_a_while(host: Host, rate: float, seconds: float, latency_s: float = 0.0) -> Ran:
    """One real run of `seconds`, from the first request on."""
    count = int(rate * seconds) + 1000
    with tempfile.TemporaryDirectory() as folder, stand_in(host, latency_s) as (origin, account):
        with crawling(Path(folder), origin, rate, count) as process:
            while not account.seen and process.poll() is None:
                time.sleep(0.05)
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            process.wait(60)
        return account.ran(seconds)


def killed_every_two_seconds(rate: float, seconds: float) -> Ran:
    """Started, killed after two seconds, started again, into the same folder."""
    with tempfile.TemporaryDirectory() as folder, stand_in(Sporadic(0, 0), 0.05) as (origin, account):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with crawling(Path(folder), origin, rate, 10_000) as process:
                ended(process, 2)
        return account.ran(seconds)


Shape = tuple[str, Callable[[float], Ran], float]
"""What is said of it, how it is run for so many seconds, and the budget that bounds what could be had."""
REAL: dict[str, Shape] = {
    "fixed": ("budget 25/s, 150 ms", lambda s: for_a_while(Sporadic(0, 0), 25, s, 0.15), 25),
    "bucket": ("budget 60/s, secret 20/s", lambda s: for_a_while(Bucket(((0, 20),), 20, 3), 60, s), 60),
    "low": ("budget 25/s, secret 20/s", lambda s: for_a_while(Bucket(((0, 20),), 20, 3), 25, s), 25),
    "halves": ("budget 60/s, 40/s halves", lambda s: for_a_while(Bucket(((0, 40), (s / 2, 20)), 40, 3), 60, s), 60),
    "slows": ("budget 60/s, only slower", lambda s: for_a_while(Queue(20, 0.05), 60, s), 60),
    "killed": ("5/s, killed every 2 s", lambda s: killed_every_two_seconds(5, s), 5),
}


def played(host: Host, hours: float, rate: float, **world: Any) -> Ran:
    """A virtual run."""

    def pace(now: float, memory: Memory | None) -> Pace:
        return Pace(rate, 1, now, adaptive=True, retry=RetrySettings(), memory=memory)

    return run(host, hours * HOUR, pace, **world)


def virtual(seed: int) -> Iterator[tuple[str, Ran, float]]:
    """The days."""
    for rate in (0.6, 1.0, 1.2, 1.6, 3.0, 5.0, 10.0):
        yield f"site 0.8/s, budget {rate:g}/s", played(Bucket(((0, 0.8),), 185, 200), 24, rate, seed=seed), rate
    for rate in (1.6, 2.0, 3.0, 5.0):
        halving = Bucket(((0, 1.6), (12 * HOUR, 0.8)), 185, 200)
        yield f"1.6/s halves, budget {rate:g}/s", played(halving, 24, rate, seed=seed), rate
    for restart_s in (300, HOUR):
        told = played(Bucket(((0, 0.8),), 185, 200), 24, 1.6, seed=seed, restart_s=restart_s)
        yield f"site, killed every {restart_s} s", told, 1.6
    for rate in (22.0, 40.0, 60.0, 200.0):
        yield f"20/s for 4 h, budget {rate:g}/s", played(Bucket(((0, 20),), 20, 3), 4, rate, seed=seed), rate
    for rate in (1.0, 5.0, 25.0):
        yield f"1 in 30 refused, budget {rate:g}/s", played(Sporadic(1 / 30, seed), 1, rate, seed=seed), rate


HEADS = ("", "used", "429", "blocks 1st h", "worst 6 h", "most in 1 s", "requests", "took")


def row(name: str, ran: Ran, budget: float, took_s: float) -> tuple[str, ...]:
    """A line of the table. `used`: of what host and budget would have allowed."""
    used = ran.passed / min(ran.allowed, budget * ran.seconds)
    blocks = (str(ran.first_hour), str(ran.worst_six_hours)) if ran.allowed < float("inf") else ("-", "-")
    most = str(ran.most_within(1.0))
    return (name, f"{used:.3f}", f"{ran.share_refused:.4f}", *blocks, most, str(len(ran.times)), f"{took_s:.1f} s")


def table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    """Print as it comes, in Markdown."""
    print("\n| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    for cells in rows:
        print("| " + " | ".join(cells) + " |", flush=True)


# -- peers ---------------------------------------------------------------------------------------------

Build = Callable[[Path, Path, Origin], tuple[list[str | Path], dict[str, str]]]


def ours(folder: Path, tools: Path, origin: Origin) -> tuple[list[str | Path], dict[str, str]]:
    """This crawler, told of a budget three times as high as the host's limit."""
    (folder / "c.toml").write_text(_CONFIG.format(rate=60, connections=CONNECTIONS, ca=origin.ca_file))
    return [sys.executable, "-m", "crawler", "run", folder / "c.toml", "-q"], {}


def gallery_dl(folder: Path, tools: Path, origin: Origin) -> tuple[list[str | Path], dict[str, str]]:
    """gallery-dl, direct links, as it comes."""
    flags = ["--config-ignore", "-q", "-D", "out", "-i", "links.txt"]
    return [tools / "gallery-dl/bin/gallery-dl", *flags], {"REQUESTS_CA_BUNDLE": origin.ca_file}


def scrapy(folder: Path, tools: Path, origin: Origin) -> tuple[list[str | Path], dict[str, str]]:
    """Scrapy with AutoThrottle and five retries."""
    settings = {"AUTOTHROTTLE_ENABLED": 1, "RETRY_TIMES": 5, "CONCURRENT_REQUESTS_PER_DOMAIN": CONNECTIONS}
    settings |= {"FILES_STORE": "out", "LOG_LEVEL": "ERROR"}
    flags = [text for name, value in settings.items() for text in ("-s", f"{name}={value}")]
    return [tools / "scrapy/bin/scrapy", "runspider", HERE / "files_spider.py", "-a", "listed=links.txt", *flags], {}


def img2dataset(folder: Path, tools: Path, origin: Origin) -> tuple[list[str | Path], dict[str, str]]:
    """img2dataset with five retries."""
    flags = ["--output_format=files", "--resize_mode=no", "--processes_count=1", f"--thread_count={CONNECTIONS}"]
    flags += ["--retries=5", "--enable_wandb=False", "--url_list=links.txt", "--output_folder=out"]
    offline = {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}
    return [tools / "img2dataset/bin/img2dataset", *flags], {"SSL_CERT_FILE": origin.ca_file, **offline}


def curl(folder: Path, tools: Path, origin: Origin) -> tuple[list[str | Path], dict[str, str]]:
    """curl with as many connections, five retries and its own waiting between them."""
    flags = ["--parallel", f"--parallel-max={CONNECTIONS}", "--retry=5", "--fail", "--silent", "--remote-name-all"]
    listed = (folder / "links.txt").read_text().split()
    (folder / "curl.txt").write_text("".join(f'url = "{link}"\n' for link in listed))
    spaced = [part for flag in flags for part in flag.split("=")]
    return ["curl", *spaced, "--cacert", origin.ca_file, "--output-dir", "out", "--config", "curl.txt"], {}


def aria2(folder: Path, tools: Path, origin: Origin) -> tuple[list[str | Path], dict[str, str]]:
    """aria2 with as many files at once, and its five tries."""
    flags = ["-j", str(CONNECTIONS), "-q", "-d", "out", "-i", "links.txt", "--no-conf"]
    return ["aria2c", *flags, f"--ca-certificate={origin.ca_file}"], {}


PEERS: dict[str, Build] = {
    "crawler": ours,
    "curl": curl,
    "Scrapy": scrapy,
    "aria2c": aria2,
    "img2dataset": img2dataset,
    "gallery-dl": gallery_dl,
}
PEER_HEADS = ("", "images got", "lost", "requests", "429", "blocks", "exit", "took", "version")


def peer(name: str, build: Build, tools: Path) -> tuple[str, ...]:
    """One tool, once, with 600 links; at most five minutes."""
    host = Bucket(((0, 20),), 20, 3)
    with tempfile.TemporaryDirectory() as scratch, stand_in(host) as (origin, account):
        folder = Path(scratch)
        # Only what is there: a link that is dead is nobody's fault.
        wanted = [link for link in links(origin, 2 * LINKS) if alive(origin, link)][:LINKS]
        (folder / "links.txt").write_text("\n".join(wanted) + "\n")
        (folder / "out").mkdir()
        began = time.monotonic()
        with running(*build(folder, tools, origin), folder) as process:
            code = ended(process, 300)
        took_s = time.monotonic() - began
        got = sum(
            path.suffix in (".jpg", ".png", ".gif", ".webp") for path in (folder / "out").rglob("*") if path.is_file()
        )
        ran = account.ran(float("inf"))
    shares = f"{ran.share_refused:.3f}"
    counts = (str(got), str(LINKS - got), str(len(ran.times)), shares, str(len(ran.blocks)))
    return (name, *counts, "none in 5 min" if code is None else str(code), f"{took_s:.0f} s", version(name, tools))


def alive(origin: Origin, link: str) -> bool:
    """Whether there is an image behind a link."""
    return origin.world.asset(IMAGES, "/" + link.split("/", 3)[3]).status == 200


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300, help="how long each real run takes (default 300)")
    parser.add_argument("--only", nargs="+", choices=[*REAL, *PEERS], default=[], help="just these")
    parser.add_argument("--seeds", type=int, default=1, help="virtual runs each")
    parser.add_argument("--tools", type=Path, default=Path(tempfile.gettempdir()) / "crawler-bench-tools")
    for part in ("virtual", "real", "peers"):
        parser.add_argument(f"--{part}", action="store_true", help="this part alone")
    args = parser.parse_args()
    every = not (args.virtual or args.real or args.peers or args.only)
    wanted = set(args.only)
    print(json.dumps({"seconds": args.seconds, "cpus": os.cpu_count(), "python": sys.version.split()[0]}))
    if args.virtual or every:
        table(HEADS, timed(itertools.chain.from_iterable(virtual(seed) for seed in range(args.seeds))))
    if args.real or every or wanted & REAL.keys():
        names = [name for name in REAL if not wanted or name in wanted]
        shapes = (REAL[name] for name in names)
        table(HEADS, timed((says, start(args.seconds), budget) for says, start, budget in shapes))
    if args.peers or every or wanted & PEERS.keys():
        names = [name for name in PEERS if not wanted or name in wanted]
        install(names, args.tools)
        table(PEER_HEADS, (peer(name, PEERS[name], args.tools) for name in names))


def timed(runs: Iterator[tuple[str, Ran, float]]) -> Iterator[tuple[str, ...]]:
    """A row for each run, with the seconds that it took."""
    began = time.monotonic()
    for name, ran, budget in runs:
        yield row(name, ran, budget, time.monotonic() - began)
        began = time.monotonic()


if __name__ == "__main__":
    main()
