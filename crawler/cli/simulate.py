"""`crawler simulate --seed N`: a whole crawl in a made-up world, with kills, power cuts and faults from a seed."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterable

from crawler.cli.errors import UsageError
from crawler.origin.faults import PROFILES
from crawler.simulate.witness import Told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `simulate`."""
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="the world to play (default: 1)")
    parser.add_argument("--seeds", default="", metavar="A..B", help="play all worlds from A to B")
    parser.add_argument("--profile", choices=tuple(PROFILES), default="harsh", help="faults of the site")
    parser.add_argument(
        "--works", type=int, default=None, metavar="N", help="so many works (default: the seed decides)"
    )
    parser.add_argument(
        "--kills", type=int, default=None, metavar="K", help="so many troubles (default: the seed decides)"
    )


def run(args: argparse.Namespace) -> int:
    """0 when every law held in every world, 1 else."""
    failed = 0
    worlds = kills = 0
    began = time.perf_counter()
    many = bool(args.seeds)
    for seed in _seeds(args):
        told = play_seed(seed, args.profile, args.works, args.kills)
        worlds += 1
        kills += told.kills
        if told.broken:
            failed += 1
            print(f"seed {seed}: FAILED\n" + "\n".join(f"  {law}" for law in told.broken[:10]))
            print("\n".join(f"  run {line}" for line in told.runs))
            print(f"  replay: {replay_command(seed, args)}", flush=True)
        elif args.verbose or not many:
            print(summary(seed, told))
            print("\n".join(f"  {line}" for line in told.runs), flush=True)
    if many:
        took = time.perf_counter() - began
        rate = f"{worlds / took:.1f} worlds a second" if took else ""
        print(f"{worlds} worlds, {kills} kills, {failed} failed; {took:.1f} s, {rate}")
    return 1 if failed else 0


def play_seed(seed: int, profile: str = "harsh", works: int | None = None, kills: int | None = None) -> Told:
    """Play the world of a seed with the very run that `crawler run` builds."""
    from crawler.assembly import Wishes, build_run
    from crawler.disk import Disk
    from crawler.engine.run import Run
    from crawler.settings import Settings
    from crawler.simulate.scenario import scenario
    from crawler.simulate.world import play

    def build(settings: Settings, session: str, disk: Disk) -> Run:
        return build_run(settings, session, Wishes(disk=disk))

    return play(scenario(seed, profile, works, kills), build)


def summary(seed: int, told: Told) -> str:
    """A world in two lines."""
    return (
        f"seed {seed}: {told.works} works, {told.images} images; {told.virtual_s / 3600:.2f} h in {told.real_s:.2f} s\n"
        f"  {told.requests} requests, {told.faults} faults; {len(told.runs)} runs, {told.kills} killed, "
        f"{told.cuts} power cuts, {told.drains} drained, {told.full} disk trouble, {told.repairs} repairs, "
        f"{told.again} images fetched again; trace {told.trace}"
    )


def replay_command(seed: int, args: argparse.Namespace) -> str:
    """What plays this world again."""
    words = ["crawler", "simulate", "--seed", str(seed), "--profile", args.profile]
    for name in ("works", "kills"):
        if getattr(args, name) is not None:
            words += [f"--{name}", str(getattr(args, name))]
    return " ".join(words)


def _seeds(args: argparse.Namespace) -> Iterable[int]:
    if not args.seeds:
        return (1 if args.seed is None else args.seed,)
    found = re.fullmatch(r"(\d+)\.\.(\d+)", args.seeds)
    if args.seed is not None or found is None or int(found[1]) > int(found[2]):
        raise UsageError(f"--seeds {args.seeds}: give a range like 1..100, and then no --seed")
    return range(int(found[1]), int(found[2]) + 1)
