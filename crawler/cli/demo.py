"""`crawler demo [DIR]`: the main job against the embedded stand-in site; no network, no config, no account."""

from __future__ import annotations

import argparse
import os
import random
import shlex
import socket
from pathlib import Path

from crawler.cli.errors import UsageError
from crawler.cli.loading import load
from crawler.cli.talk import Talk
from crawler.origin.faults import PROFILES

LARGEST_ID = 61_897_803
"""The newest id of the 2017 list (the ids of the demo are spread like the real ones)."""

CONFIG = """\
# Written by `crawler demo`: the stand-in site plays www.pixiv.net and i.pximg.net on this machine.
[source]
path = "ids.txt"

[output]
dir = "data"

[limits]
works = 24
[limits.api]             # the stand-in can take it; the real site cannot: there the default is 0.6 a second
rate = 60
burst = 10
connections = 8
[limits.images]
rate = 120
burst = 20
connections = 12

[retry]
base_s = 0.2
cap_s = 2

[network]
"""
LOOK_S = 90
"""About so long a demo with a page goes on: somebody wants to look at it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `demo`."""
    parser.add_argument("dir", nargs="?", default="demo", metavar="DIR", help="folder to make (default: demo)")
    parser.add_argument("--works", type=int, default=400, metavar="N", help="works to crawl (default: 400)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another site (default: 1)")
    parser.add_argument("--profile", choices=tuple(PROFILES), default="mild", help="faults of the stand-in")
    parser.add_argument(
        "--page-port",
        type=int,
        metavar="N",
        help="serve the live page on this port (0: one that is free), and crawl slowly enough to look at it",
    )
    parser.add_argument(
        "--progress",
        choices=("auto", "rich", "plain", "json", "none"),
        default="auto",
        help="how it is shown: a screen on a terminal, plain lines elsewhere",
    )


def run(args: argparse.Namespace) -> int:
    """Exit codes as of `crawler run`."""
    from crawler.cli.run import execute
    from crawler.origin.server import origin_thread
    from crawler.watch.style import say
    from crawler.watch.summary import tree

    folder = Path(args.dir)
    config = folder / "demo.toml"
    if folder.exists() and any(folder.iterdir()) and not config.exists():
        raise UsageError(f"{folder}: is not empty and not an earlier demo; name another folder: crawler demo DIR")
    if args.works < 1:
        raise UsageError(f"--works {args.works}: must be at least 1")
    flags = {"ui.progress": args.progress}
    if args.page_port is not None:
        slow = max(1.0, args.works / LOOK_S)
        flags |= {"ui.page_port": str(_port(args.page_port)), "limits.api.rate": f"{slow:.1f}"}
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(args.seed)
    ids = dice.sample(range(1000, LARGEST_ID), args.works)
    (folder / "ids.txt").write_text("# made by `crawler demo`\n" + "".join(f"{id}\n" for id in ids))

    talk = Talk()
    with origin_thread(seed=args.seed, profile=args.profile, ca_dir=folder) as origin:
        resolve = ", ".join(f'"{host}" = "{address}"' for host, address in origin.resolve.items())
        config.write_text(f'{CONFIG}ca_file = "{Path(origin.ca_file).name}"\nresolve = {{ {resolve} }}\n')
        talk.say(
            f"The stand-in site is up on this machine (profile {args.profile}); crawling {args.works} works of it."
        )
        code = execute(load(config, flags, os.environ), talk, str(config))
    say(tree(folder / "data"))
    print(_next(folder, config))
    return code


def _port(asked: int) -> int:
    """A port of this machine that is free: the one asked for, or any for 0. Raises UsageError."""
    if not 0 <= asked <= 65535:
        raise UsageError(f"--page-port {asked}: must be from 0 to 65535")
    try:
        with socket.create_server(("127.0.0.1", asked)) as one:
            return int(one.getsockname()[1])
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise UsageError(f"--page-port {asked}: {why}; choose another, or 0 for one that is free") from None


def _next(folder: Path, config: Path) -> str:
    here, data, again = (shlex.quote(str(path)) for path in (config, folder / "data", f"{folder}-page"))
    rows = [
        (f"crawler status {data}", "counts, rate, last failures: from the log alone"),
        (f"crawler tail {data} -n 20", "the log, for people"),
        (f"crawler verify {data}", "every file against the log"),
        (f"crawler run {here}", "again: everything is there, so nothing is asked"),
        (f"crawler demo {again} --page-port 8080", "slower, with the live page to look at"),
        ("crawler init", "a commented config of your own"),
    ]
    wide = max(len(command) for command, _ in rows)
    return "\n".join(["", "What to try next:", *(f"  {command:<{wide}}   {does}" for command, does in rows)])
