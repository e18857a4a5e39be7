"""`crawler tune CONFIG`: how many connections and works in flight are worth it, against a host of your own."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from crawler.cli.errors import UsageError
from crawler.cli.flags import add_setting_flags, flag_values
from crawler.cli.loading import Loaded, load
from crawler.cli.talk import Talk
from crawler.engine.run import Outcome
from crawler.rules.addresses import endpoint, refused
from crawler.rules.knee import flat, knee
from crawler.settings import Settings
from crawler.sources.source import Item, open_source

LIVE = ("pixiv.net", "pximg.net")
"""Hosts of the live site: never measured, whatever is asked."""
PIXIV_HOSTS = ("www.pixiv.net", "i.pximg.net")
_BAR = 36

Measure = Callable[[int], float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `tune`."""
    add_setting_flags(parser)
    parser.add_argument("--own", action="append", default=[], metavar="HOST", help="a host that you own (site urls)")
    parser.add_argument("--items", type=int, default=200, metavar="N", help="works or URLs to crawl for each step")
    parser.add_argument("--most", type=int, default=64, metavar="N", help="most connections to try (default: 64)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Crawl parts of the list again and again into a temporary folder. 2 for hosts that may not be measured."""
    if args.items < 1 or args.most < 1:
        raise UsageError("--items and --most must be at least 1")
    loaded = load(Path(args.config) if args.config else None, flag_values(args), os.environ)
    with tempfile.TemporaryDirectory(prefix="crawler-tune-") as scratch:
        items = _items(loaded, Path(scratch))
        _check_hosts(loaded.settings, items, args.own)
        bench = Bench(loaded, items, Path(scratch), args.items)
        connections = sweep("connections", doubling(1, args.most), lambda n: bench.step(n, max(2 * n, 8)))
        best = knee(connections)
        works = sweep("works", doubling(best, 8 * best), lambda n: bench.step(best, n))
    if args.json:
        print(json.dumps({"connections": connections, "works": works, "best": [best, knee(works)]}))
    else:
        print("\n".join(_told(connections, works)))
    return 0


def doubling(first: int, most: int) -> Iterator[int]:
    """first, twice that, …, not beyond `most`."""
    while first <= most:
        yield first
        first *= 2


def sweep(name: str, settings: Iterator[int], measure: Measure) -> dict[int, float]:
    """Throughput in images/s for each setting, until it stops to rise. Talks to stderr."""
    curve: dict[int, float] = {}
    for setting in settings:
        curve[setting] = measure(setting)
        print(f"{name} {setting}: {curve[setting]:.1f} images/s", file=sys.stderr)
        if flat(curve):
            break
    return curve


@dataclass
class Bench:
    """Crawls the next part of the list at each step, so that no step profits from what another warmed up."""

    loaded: Loaded
    items: Sequence[Item]
    scratch: Path
    size: int
    steps: int = 0

    def step(self, connections: int, works: int) -> float:
        """Images stored a second, with these numbers and no rate limit. Raises UsageError when nothing was stored."""
        from crawler.cli.assembly import conduct, prepare

        self.steps += 1
        folder = self.scratch / f"step{self.steps}"
        folder.mkdir()
        start = (self.steps - 1) * self.size
        part = [self.items[(start + n) % len(self.items)] for n in range(min(self.size, len(self.items)))]
        (folder / "list.txt").write_text("".join(f"{item.url or item.id}\n" for item in part))
        quiet = Talk(quiet=True)
        outcome = conduct(prepare(self._with(folder, connections, works), quiet, []), quiet)
        if not isinstance(outcome, Outcome):
            raise KeyboardInterrupt
        if not outcome.snapshot.new_images:
            raise UsageError(f"nothing could be stored: {outcome.text or dict(outcome.snapshot.reasons)}")
        return outcome.snapshot.new_images / outcome.snapshot.elapsed_s

    def _with(self, folder: Path, connections: int, works: int) -> Loaded:
        raw = self.loaded.settings.model_dump()
        kind = "urls" if self.loaded.settings.site.name == "urls" else "ids"
        raw["source"] = {"kind": kind, "path": str(folder / "list.txt")}
        raw["network"]["proxy"] = self.loaded.settings.network.proxy  # a dump is without its password
        raw["output"] |= {"dir": str(folder / "out")}
        raw["limits"] |= {"works": works}
        for lane in ("api", "images"):
            raw["limits"][lane] |= {"rate": 0, "connections": connections, "adaptive": False}
        settings = Settings.model_validate(raw)
        return Loaded(settings, self.loaded.origin, self.loaded.session, self.loaded.session_origin)


def _items(loaded: Loaded, scratch: Path) -> list[Item]:
    """The first ten thousand of the list: enough for every step, little in memory."""
    source = open_source(loaded.settings.source, scratch)
    census = asyncio.run(source.count())
    if not census.ids:
        raise UsageError("the list is empty: there is nothing to crawl")
    return list(islice(source.items(), 10_000))


def _check_hosts(settings: Settings, items: Sequence[Item], own: Sequence[str]) -> None:
    """Only a stand-in, or a host that the user names as his own, and never the live site. Raises UsageError."""
    hosts = {urlsplit(item.url).hostname or "" for item in items if item.url} or set(PIXIV_HOSTS)
    for host in sorted(hosts):
        target = settings.network.resolve.get(host)
        if target is not None and refused(endpoint(target)[0]) is not None:
            continue  # a private or loopback address: somebody's own machine
        live = any(host == name or host.endswith(f".{name}") for name in LIVE)
        if live or host not in own:
            hint = "" if live else f"; is it yours? then say so: --own {host}"
            raise UsageError(
                f"{host}: tuning asks as fast as it can, so it is done against a stand-in or a host of your own only"
                f"{hint}. `crawler origin` serves a stand-in; its output goes into [network]."
            )


def _told(connections: dict[int, float], works: dict[int, float]) -> Iterator[str]:
    for name, curve in (("connections", connections), ("works in flight", works)):
        best = max(curve.values())
        yield f"{name:<18}images/s"
        for setting, rate in curve.items():
            mark = "  <-" if setting == knee(curve) else ""
            yield f"{setting:>15}  {rate:>8.1f}  {'━' * max(1, round(_BAR * rate / best))}{mark}"
        yield ""
    yield "Beyond the marked numbers throughput grows by less than 5 %. For your config:"
    yield "[limits]"
    yield f"works = {knee(works)}"
    yield "[limits.images]"
    yield f"connections = {knee(connections)}"
