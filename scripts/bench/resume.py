#!/usr/bin/env python
"""Measures what a restart costs: generated logs of finished crawls, opened, looked at and run again.

Each figure is of a process of its own: seconds of the wall clock, and peak resident memory. Files are in the page
cache. Nothing is asked of any network: every work of these logs has a final outcome.

    scripts/bench/resume.py [--dir DIR] [--works N ...] [--small] [--huge]

The defaults are the list that this tool was made for, 268,118 works with 3.7 images each. `--small` leaves out most
of the works' metadata (2 KB each), for logs of millions. `--huge` adds 27 million works: a snapshot alone, no log.
"""

import argparse
import asyncio
import multiprocessing
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from zlib import crc32

import orjson
from pyroaring import BitMap64

from crawler import __version__
from crawler.disk import Disk
from crawler.log import snapshot
from crawler.rules.frozen import Frozen
from crawler.sources.settings import SourceSettings
from crawler.sources.source import open_source

LOG = b"5eed00000001"
WORKS = 268_118
HUGE = 27_000_000
NEWEST = 130_000_000
"""Ids are spread over as many as the site has."""
URL = b"https://i.pximg.net/img-%b/img/2015/11/20/14/53/52/%d_p%d%b.jpg"
DESCRIBED = b'"id":%d,"images":[%b],"work":{"id":"%d",%b'
IMAGE = b'{"page":%d,"url":"%b","fallback":"%b","width":1535,"height":1411}'
STORED = (
    b'"id":%d,"page":%d,"path":"images/%03d/%d_p%d.jpg","bytes":%d,"sha256":"%064x","mime":"image/jpeg",'
    b'"width":1535,"height":1411,"quality":"original","url":"%b"'
)
FAILED = b'"id":%d,"page":%d,"reason":"not_found","status":404,"attempts":1,"permanent":true'
CONFIG = """[source]
path = "ids.txt"
[output]
dir = "data"
reserve_mb = 0
[network]
resolve = { "www.pixiv.net" = "127.0.0.1:9", "i.pximg.net" = "127.0.0.1:9" }
"""
OPEN = """import asyncio, sys, time
from pathlib import Path
from crawler.disk import Disk
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
async def main():
    began = time.perf_counter()
    log = await Log.open(Path(sys.argv[1]), LogSettings(), Disk())
    print(time.perf_counter() - began, log.state.totals().done)
    await log.close()
asyncio.run(main())
"""


def metadata(*, small: bool) -> bytes:
    """The rest of what the site says of a work, in its shape and size: 2 KB with six tags."""
    if small:
        return b'"title":"a work"}'
    tags = [
        {"tag": f"tag {n}", "locked": n < 2, "deletable": n > 1, "userId": "13454381", "romaji": f"tagu {n}"}
        | {"translation": {"en": f"the tag of number {n}"}, "userName": "somebody"}
        for n in range(6)
    ]
    urls = {name: f"https://i.pximg.net/{name}/img/2015/11/20/14/53/52/53493311_p0.jpg" for name in ("thumb", "small")}
    plain: dict[str, object] = {f"aFieldOfTheSite{n}": (None, 0, "", False, "2015-11-20")[n % 5] for n in range(30)}
    work = {"title": "ログ2", "description": "a few words " * 9, "urls": urls, "tags": {"tags": tags}} | plain
    return orjson.dumps(work)[1:]


def pages_of(number: int) -> int:
    """How many images a work has: 3.7 in the mean, some have many."""
    return 13 if number % 25 == 0 else 1 + number * 7 % 6


def lines(ids: list[int], *, small: bool) -> Iterator[tuple[bytes, bytes]]:
    """Event and body of each line; of the works 3 % are gone, and of 1 % an image failed for good."""
    rest = metadata(small=small)
    seq = 0
    for number, id in enumerate(ids):
        seq += 1
        if number % 33 == 0:
            yield b"gone", b'"id":%d,"reason":"not_found"' % id
            continue
        pages = pages_of(number)
        urls = [URL % (b"original", id, page, b"") for page in range(pages)]
        images = b",".join(
            [IMAGE % (page, url, URL % (b"master", id, page, b"_master1200")) for page, url in enumerate(urls)]
        )
        yield b"described", DESCRIBED % (id, images, id, rest)
        for page, url in enumerate(urls):
            seq += 1
            if page == 0 and number % 100 == 1:
                yield b"failed", FAILED % (id, page)
            else:
                size, digest = 1000 + seq % 1_000_000, seq * 0x9E3779B97F4A7C15F39CC060
                yield b"stored", STORED % (id, page, id % 1000, id, page, size, digest, url)


def generate(folder: Path, works: int, *, small: bool) -> None:
    """A list of ids, its config, and the log of its crawl."""
    ids = random.Random(1).sample(range(1, NEWEST), works)
    (folder / "ids.txt").write_text("".join(f"{id}\n" for id in ids))
    with (folder / "data" / "log.jsonl").open("wb", buffering=1 << 20) as file:
        for seq, (event, body) in enumerate(chain([opened(folder, works)], lines(ids, small=small)), 1):
            file.write(line(seq, event, body))


def opened(folder: Path, works: int) -> tuple[bytes, bytes]:
    """The first line of a log: that of a run of this list."""
    source = open_source(SourceSettings(path=str(folder / "ids.txt")), folder)
    digest = asyncio.run(source.count()).digest
    found = {"path": "ids.txt", "digest": digest, "ids": works}
    return b"opened", b'"format":1,"version":"0","source":%b,"settings":"s"' % orjson.dumps(found)


def line(seq: int, event: bytes, body: bytes) -> bytes:
    """A line of the log as the encoder writes it, ten times faster."""
    minute, ms = divmod(seq * 60, 60_000)
    day, minute = divmod(minute, 1440)
    t = b"2026-%02d-%02dT%02d:%02d:%02d.%03dZ" % (
        1 + day // 28 % 12,
        1 + day % 28,
        minute // 60,
        minute % 60,
        ms // 1000,
        ms % 1000,
    )
    raw = b'{"seq":%d,"t":"%b","event":"%b","log":"%b",%b' % (seq, t, event, LOG, body)
    return b'%b,"crc":"%08x"}\n' % (raw, crc32(raw))


def generate_huge(folder: Path) -> None:
    """A list, a log of one line, and the snapshot of a crawl of the whole list that stands for it."""
    dice = random.Random(1)
    done, gone = BitMap64(), BitMap64()
    each = HUGE * 65_536 // NEWEST
    with (folder / "ids.txt").open("w") as file:
        for high in range(0, NEWEST, 65_536):
            ids = [high + 1 + low for low in dice.sample(range(65_536), each)]
            file.write("".join(f"{id}\n" for id in ids))
            gone.update(ids[: each // 33])
            done.update(ids[each // 33 :])
    event, body = opened(folder, len(done) + len(gone))
    log = folder / "data" / "log.jsonl"
    log.write_bytes(line(1, event, body))
    source = orjson.loads(b"{" + body + b"}")["source"]
    frozen = Frozen(
        done=done,
        gone={"not_found": gone},
        lists={},
        voided={},
        unfinished=[],
        images=int(3.7 * len(done)),
        bytes=len(done) << 21,
        qualities={"original": int(3.7 * len(done))},
        digests=[source["digest"]],
        opened=(("2026-01-01T00:00:00.060Z", LOG.decode(), 1), source),
        closed=None,
        throttled={},
        failures={},
        first_t="2026-01-01T00:00:00.060Z",
        last_t="2026-01-01T00:00:00.060Z",
        changed=BitMap64(),
    )
    snapshot.save(Disk(sync=False), log, frozen, log.stat().st_size, {LOG.decode(): 1})


@dataclass(frozen=True)
class Cost:
    """Wall clock, CPU and peak resident memory of a process; `opening`: seconds of it that `Log.open` took."""

    seconds: float
    cpu: float
    mb: float
    opening: float | None = None

    def __str__(self) -> str:
        opening = "" if self.opening is None else f", opening took {self.opening:.2f} s"
        return f"{self.seconds:6.2f} s, of CPU {self.cpu:6.2f} s, {self.mb:4.0f} MB{opening}"


def measure(*command: str | Path, good: tuple[int, ...] = (0,)) -> Cost:
    """Run a command to its end."""
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        child = subprocess.Popen([str(word) for word in command], stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode()
        if child.returncode not in good:
            sys.exit(f"{command} ended with {child.returncode}:\n{said}")
        opening = float(said.split()[0]) if OPEN in command else None
        cpu = usage.ru_utime + usage.ru_stime
        return Cost(seconds, cpu, usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10), opening)


def rows(folder: Path, *, whole: bool) -> Iterator[tuple[str, Cost]]:
    """Each figure of a folder; `whole`: its log is there, so it can be folded without a snapshot."""
    data = folder / "data"
    python, crawler = sys.executable, [sys.executable, "-m", "crawler"]
    yield "the interpreter and its imports", measure(python, "-c", OPEN, folder / "empty")
    if whole:
        (data / ".crawl" / "snapshot").unlink(missing_ok=True)
        yield "open the log, no snapshot", measure(python, "-c", OPEN, data)
    yield "open the log, snapshot", measure(python, "-c", OPEN, data)
    yield "crawler status, snapshot", measure(*crawler, "status", data, "--json")
    config = folder / "crawl.toml"
    config.write_text(CONFIG)
    # 3: an image that failed for good stays failed.
    yield "crawler run, snapshot", measure(*crawler, "run", config, "--progress", "none", good=(0, 3))


def report(title: str, folder: Path, *, whole: bool) -> None:
    """Print the figures of a folder."""
    log, kept = folder / "data" / "log.jsonl", folder / "data" / ".crawl" / "snapshot"
    print(f"\n{title}; log {log.stat().st_size / 1e6:,.0f} MB", flush=True)
    for name, cost in rows(folder, whole=whole):
        print(f"  {name:<34}{cost}", flush=True)
    print(f"  snapshot: {kept.stat().st_size / 1e6:.2f} MB")


def apart(work: Callable[[Path], None], folder: Path) -> None:
    """Do it in a process of its own."""
    child = multiprocessing.get_context("fork").Process(target=work, args=(folder,))
    child.start()
    child.join()
    if child.exitcode:
        sys.exit(child.exitcode)


def main() -> None:
    """Generate, measure, delete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", help="where the logs are put for the time being; default: a temporary folder")
    parser.add_argument("--works", type=int, nargs="*", default=[WORKS])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--huge", action="store_true")
    args = parser.parse_args()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("orjson", "pyroaring"))
    print(f"crawler {__version__}, Python {platform.python_version()}, {libraries}")
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for works in [*args.works, *([HUGE] if args.huge else [])]:
        folder = Path(tempfile.mkdtemp(prefix="resume-", dir=args.dir))
        try:
            (folder / "data" / ".crawl").mkdir(parents=True)
            # In a process of its own: what this one takes would count as the peak of those that it starts.
            if works == HUGE:
                apart(generate_huge, folder)
                report(f"{works:,} works, a snapshot alone", folder, whole=False)
            else:
                apart(partial(generate, works=works, small=args.small), folder)
                metadata_of = "without metadata" if args.small else "2 KB of metadata each"
                report(f"{works:,} works, {metadata_of}", folder, whole=True)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
