"""`crawler run` on many processes: what is refused, Ray around the run, and `--stop`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from crawler.cli.errors import ConfigError, UsageError
from crawler.cli.layers import Origin, Problem
from crawler.cli.loading import Loaded
from crawler.cli.talk import Talk

if TYPE_CHECKING:
    from crawler.api import Crawl
    from crawler.cli.run import Asked
    from crawler.cluster.ray_actors import Secret
    from crawler.cluster.ray_crew import Crew
    from crawler.engine.run import Attendant


def add_cluster_flags(parser: argparse.ArgumentParser) -> None:
    """`--ray` and `--stop`."""
    group = parser.add_argument_group("many machines", "a Ray cluster that runs already; see docs/cluster.md")
    group.add_argument(
        "--ray",
        metavar="HOST:PORT",
        default="",
        help="fetch with a worker on each of its nodes, or with cluster.workers of them over all",
    )
    group.add_argument(
        "--stop", action="store_true", help="with --ray: drain the crawl of this config there, and wait for its end"
    )


def is_asked(loaded: Loaded, address: str) -> bool:
    """Whether this run is one of many processes."""
    return bool(address) or loaded.settings.cluster.workers > 1


def check(loaded: Loaded, address: str) -> None:
    """Raises ConfigError for what many processes cannot do."""
    settings = loaded.settings
    key = "--ray" if address else "cluster.workers"
    place = Origin("flag", "--ray") if address else loaded.origin[key]
    wrong: list[tuple[str, str]] = []
    from crawler.cluster import ray_door

    if text := ray_door.missing():
        wrong.append((key, text))
    if address and "@" in settings.network.proxy:
        wrong.append((key, "network.proxy holds a password, and Ray would keep it: use a proxy that knows our address"))
    if wrong:
        raise ConfigError([Problem(place, key, text).line() for _, text in wrong])


@contextlib.contextmanager
def crew(loaded: Loaded, talk: Talk, address: str) -> Generator[Crew]:
    """The crew for a run, on a Ray that is started for it or (`address`) joined. Raises ConfigError, InUse."""
    from crawler.cluster import ray_door
    from crawler.cluster.ray_actors import dissolve
    from crawler.cluster.ray_crew import Crew, plan_of
    from crawler.cluster.ray_guard import watched
    from crawler.log.files import InUse

    plan = plan_of(loaded.settings, secret_of(loaded))
    wanted = loaded.settings.cluster.workers
    if not address:
        talk.say(f"Starting Ray on this machine, for {wanted} workers.")
    with (
        watched(f"--ray {address}" if address else "cluster.workers") as guard,
        ray_door.joined(address) if address else ray_door.own(wanted),
    ):
        each = address and loaded.origin["cluster.workers"].kind == "default"
        made = Crew(plan, 0 if each else wanted, talk.say)
        made.attach()
        guard.answered()
        if not address:
            made.lost = guard.lost
        try:
            yield made
        except InUse:
            raise  # by another driver: its crew is not ours to send home
        except BaseException:
            dissolve(plan.namespace)
            raise
        dissolve(plan.namespace)


def prepare(loaded: Loaded, talk: Talk, attendants: Sequence[Attendant], crew: Crew, asked: Asked) -> Crawl:
    """The crawl that the settings describe, done by this crew. Raises ConfigError."""
    from crawler.api import Crawl
    from crawler.assembly import Wishes
    from crawler.cluster.driver import Driver

    wishes = Wishes(asked.recheck, talk.counted, waits=asked.waits)
    driver = Driver(loaded.settings, loaded.session, crew.coordinator, crew.budget, crew.expected, wishes)
    crew.drain, crew.known = driver.drain, driver.known
    return Crawl(driver, [*attendants, crew.attend])


def secret_of(loaded: Loaded) -> Secret:
    """Where each node is to look for the session."""
    if not loaded.session:
        return "none"
    return "environment" if loaded.session_origin.kind == "environment" else "file"


def stop(loaded: Loaded, talk: Talk, address: str) -> int:
    """Drain what runs there; 0 when it is over, or never was."""
    from crawler.cluster import ray_door
    from crawler.cluster.ray_crew import plan_of
    from crawler.cluster.ray_crew import stop as drain
    from crawler.cluster.ray_guard import watched

    if not address:
        raise UsageError("--stop goes with --ray HOST:PORT; a run on this machine alone ends with Ctrl-C")
    check(loaded, address)
    plan = plan_of(loaded.settings, secret_of(loaded))
    with watched(f"--ray {address}") as guard, ray_door.joined(address):
        guard.answered()
        found = asyncio.run(drain(plan, talk.say))
    talk.say("It is over; the same command without --stop goes on." if found else "No crawl of this output runs there.")
    return 0
