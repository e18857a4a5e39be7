"""What a seed means: a list of works, a site with its moods, settings, and everything that will go wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from crawler.origin.limits import Limits
from crawler.origin.links import PLAIN_HOSTS
from crawler.origin.work import Mix

SITES = 3
"""Different stand-ins; what they paint is kept, so that a range of seeds paints each picture once."""
POOL = tuple(1000 + 7919 * number for number in range(150))
"""The ids that lists are made of."""
What = Literal["kill", "power", "drain", "full", "tight", "eio"]
WHATS: tuple[What, ...] = ("kill", "kill", "kill", "power", "power", "power", "power", "drain", "full", "tight", "eio")
SESSION = "4711_" + "made0up1" * 4


@dataclass(frozen=True, slots=True)
class Trouble:
    """What ends a run. `kill`: the process dies; `power`: and the disk forgets; `drain`: as after Ctrl-C; `full`: the
    disk has `room` bytes left; `tight`: it has less than output.reserve_mb; `eio`: a sync fails, then the power goes.

    It comes after `step` steps towards the disk, with the first from then on that has to do with `on` (a step's name,
    or the log; "" is any), or (`step` None) `at_s` seconds after the run began. `rest_s` later the next run begins.
    """

    what: What
    step: int | None
    on: str
    at_s: float
    room: int
    rest_s: float


@dataclass(frozen=True, slots=True)
class Outage:
    """From `at_s` on (of the whole story) nobody can be connected to, for `for_s`: "refused" or "silent"."""

    at_s: float
    for_s: float
    how: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of it. `listed` as in the list's file; `settings` as in a config, without what only the world knows."""

    seed: int
    site: int
    kind: Literal["ids", "pairs", "urls"]
    listed: tuple[str, ...]
    mix: Mix
    profile: str
    limits: Limits
    manners: Mapping[str, float]
    session: str
    settings: Mapping[str, Any]
    troubles: tuple[Trouble, ...]
    outages: tuple[Outage, ...]
    latency_s: float
    piece: int
    slow_disk_s: float
    tls: bool
    watched: bool
    ids: tuple[int, ...] = field(default=())

    @property
    def durable(self) -> bool:
        """Whether what the log says must survive a power cut."""
        return self.settings["output"]["durability"] == "fsync"

    @property
    def daily(self) -> int:
        """Requests to a host in any 24 h; 0: no limit."""
        return self.settings["limits"].get("daily", {}).get("requests", 0)

    @property
    def commit_s(self) -> float:
        """Seconds between commits of the log."""
        return self.settings["log"]["commit_ms"] / 1000


def scenario(seed: int, profile: str = "harsh", works: int | None = None, kills: int | None = None) -> Scenario:
    """The scenario of a seed. `works`, `kills`: that many, whatever the seed wants; all else stays as it was."""
    dice = Random(seed)
    works_wanted, kills_wanted = dice.randint(6, 28), dice.choice((0, 1, 1, 2, 2, 3, 4))
    works = works_wanted if works is None else works
    kind: Literal["ids", "pairs", "urls"] = dice.choice(("ids", "ids", "ids", "ids", "pairs", "urls"))
    ids = tuple(Random(f"{seed} ids").sample(POOL, min(works, len(POOL))))
    pace = _pace(dice)
    planned_s = works * (2 / pace[0] if pace[0] else 0.5) + works * (2 / pace[1] if pace[1] else 0.5)
    limits = _secret(dice)
    session = SESSION if dice.random() < 0.25 else ""
    mix = Mix(scale=0.12, big=0.01, dead=0.12, long=0.0, lost=0.04 if seed % SITES == 1 else 0.0)
    settings = _settings(dice, kind, pace)
    _daily(Random(f"{seed} daily"), settings)
    if limits.block_s > 2:
        # A run that gives up before the block ends (rules/retry.py: BREAKER) is right to; it would end no story.
        settings["retry"] |= {"base_s": 1.0, "cap_s": 120.0}
    manners = {
        "retry_after_s": dice.choice((1, 5, 60)),
        "stall_s": dice.choice((5.0, 20.0, 90.0)),
        "drip_s": dice.choice((2.0, 15.0, 90.0)),
    }
    outages = tuple(
        Outage(dice.uniform(0, planned_s), dice.choice((5, 60, 600)), dice.choice(("refused", "silent")))
        for _ in range(dice.choice((0, 0, 1, 2)))
    )
    listed = _listed(Random(f"{seed} list"), kind, ids)
    count = kills_wanted if kills is None else kills
    troubles_dice = Random(f"{seed} troubles")
    return Scenario(
        seed=seed,
        site=seed % SITES,
        kind=kind,
        listed=listed,
        mix=mix,
        profile=profile,
        limits=limits,
        manners=manners,
        session=session if kind != "urls" else "",
        settings=settings,
        troubles=tuple(_trouble(troubles_dice, planned_s, works) for _ in range(count)),
        outages=outages,
        latency_s=dice.choice((0.0, 0.0, 0.003, 0.15)),
        piece=dice.choice((300, 1500, 8192, 65536)),
        slow_disk_s=dice.choice((0.0, 0.001, 0.02, 0.3)),
        tls=dice.random() < 0.1,
        watched=dice.random() < 0.2,
        ids=ids,
    )


def _pace(dice: Random) -> tuple[float, float]:
    """Rates of the two lanes, requests a second."""
    return dice.choice(((0.6, 1.0), (0.6, 1.0), (3.0, 5.0), (30.0, 50.0), (0.0, 0.0), (0.0, 2.0)))


def _secret(dice: Random) -> Limits:
    """The site's own limits, which nobody is told of."""
    if dice.random() < 0.6:
        return Limits()
    rate = dice.choice((0.3, 0.8, 2.0))
    images = dice.choice((0.0, 0.0, 1.0))
    return Limits(
        api_rate=rate,
        api_bucket=dice.choice((3, 10, 30)),
        images_rate=images,
        images_bucket=10,
        block_s=dice.choice((2.0, 30.0, 200.0)),
    )


def _settings(dice: Random, kind: str, pace: tuple[float, float]) -> dict[str, Any]:
    # Each commit is a jump of the clock, also when there is nothing to commit: hours get few of them.
    slow = 0 < pace[0] < 5 or 0 < pace[1] < 5
    return {
        "source": {"kind": kind},
        "site": {
            "name": "urls" if kind == "urls" else "pixiv",
            "quality": dice.choice(("original", "original", "original", "regular", "small", "thumb")),
        },
        "filter": {"max_x_restrict": dice.choice((0, 0, 1, 2))},
        "output": {"durability": "fsync" if dice.random() < 0.9 else "none", "reserve_mb": 1},
        "limits": {
            "works": dice.choice((1, 2, 4, 8, 32)),
            "memory_mb": dice.choice((0, 0.3, 1.1, 64)),
            "drain_s": dice.choice((0, 2, 30)),
            "api": {
                "rate": pace[0],
                "burst": dice.choice((1, 1, 5)),
                "connections": dice.choice((1, 2, 4)),
                "adaptive": dice.random() < 0.8,
            },
            "images": {
                "rate": pace[1],
                "burst": dice.choice((1, 2, 8)),
                "connections": dice.choice((1, 3, 8)),
                "adaptive": dice.random() < 0.8,
            },
        },
        "retry": {
            "attempts": dice.choice((4, 5, 8)),
            "base_s": dice.choice((0.05, 1.0)),
            "cap_s": dice.choice((2.0, 120.0)),
        },
        "log": {"commit_ms": dice.choice((1000, 5000) if slow else (100, 300, 1000))},
        "network": {"idle_s": dice.choice((10, 30))},
    }


def _daily(dice: Random, settings: dict[str, Any]) -> None:
    """One world in eight has a budget of 24 h that makes days of it."""
    if dice.random() < 0.125:
        settings["limits"]["daily"] = {"requests": dice.choice((15, 30, 60))}
        settings["log"]["commit_ms"] = 60_000  # each commit is a jump of the clock


def _trouble(dice: Random, planned_s: float, works: int) -> Trouble:
    """Troubles come early more often than late: what comes after the end of a run troubles nobody."""
    what = dice.choice(WHATS)
    by_step = what in ("kill", "power", "eio") and dice.random() < 0.6
    most = works * 16
    step = int(most ** dice.random()) if by_step else None
    return Trouble(
        what=what,
        step=step,
        on=dice.choice(("", "", "log.jsonl", "log.jsonl", "write", "sync", "replace", "sync_folder")),
        at_s=planned_s * dice.random() ** 2,
        room=dice.choice((0, 500, 20_000)) if what == "full" else 600_000,
        rest_s=dice.choice((0.0, 1.0, 60.0, 7200.0)),
    )


def _listed(dice: Random, kind: str, ids: tuple[int, ...]) -> tuple[str, ...]:
    """Lines of the list's file; some of them twice, some malformed."""
    if kind == "urls":
        hosts = PLAIN_HOSTS[: dice.choice((1, 2, 4))]
        lines = [f"https://{hosts[id % len(hosts)]}/a/{id}.{('jpg', 'png', 'gif')[id % 3]}" for id in ids]
    elif kind == "pairs":
        lines = [f"{left},{right}" for left, right in zip(ids, ids[1:] + ids[:1], strict=True)]
    else:
        lines = [f"https://www.pixiv.net/artworks/{id}" if dice.random() < 0.2 else str(id) for id in ids]
    if dice.random() < 0.3 and lines:
        lines.insert(dice.randint(0, len(lines)), dice.choice(lines))
    if dice.random() < 0.2 and kind == "ids":
        lines.insert(dice.randint(0, len(lines)), "not an id")
    return tuple(lines)
