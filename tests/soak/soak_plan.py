"""What will go wrong in a soak, and when: drawn from a seed, before it begins. Pure."""

from dataclasses import dataclass
from random import Random
from typing import Literal

What = Literal["kill", "early", "full", "tight", "drain", "end"]
"""SIGKILL; SIGKILL while it starts; a disk without a byte left; one below output.reserve_mb; SIGTERM; nothing more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """[limits] that SIGHUP brings."""

    works: int = 256
    connections: int = 128
    rate: int = 0
    memory_mb: int = 256
    adaptive: bool = False


WIDE = Limits()
OTHERS = (
    Limits(works=8),
    Limits(connections=4),
    Limits(rate=150),
    Limits(memory_mb=1),
    Limits(works=64, connections=16, adaptive=True),
    Limits(works=1000, connections=200),
)


@dataclass(frozen=True, slots=True)
class Leg:
    """One run of the command. `at`: when so many works have ended in all, this comes; `wait_s` more before it does.

    `reloads`: (so many works ended in all, the limits from then on).
    """

    what: What
    at: int
    wait_s: float = 0.0
    reloads: tuple[tuple[int, Limits], ...] = ()


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of what."""

    ids: int
    kills: int
    fulls: int
    drains: int
    reloads: int
    seed: int = 1


def legs(wanted: Amounts) -> list[Leg]:
    """All legs, in order. The last third of the list is left in one piece: what leaks, shows there."""
    dice = Random(wanted.seed)
    whats: list[What] = ["early" if n % 5 == 4 else "kill" for n in range(wanted.kills)]
    whats += ["full" if n % 2 else "tight" for n in range(wanted.fulls)] + ["drain"] * wanted.drains
    dice.shuffle(whats)
    troubles = sorted(dice.randrange(int(wanted.ids * 0.66)) for _ in whats)
    narrow = sorted(dice.randrange(int(wanted.ids * 0.9)) for _ in range(wanted.reloads))
    changes: list[tuple[int, Limits]] = []
    for n, at in enumerate(narrow):
        changes += [(at, OTHERS[n % len(OTHERS)]), (at + max(20, wanted.ids // 1000), WIDE)]
    changes.sort(key=lambda change: change[0])
    found: list[Leg] = []
    begin = 0
    for what, at in [*zip(whats, troubles, strict=True), ("end", wanted.ids + 1)]:
        mine = tuple(change for change in changes if begin <= change[0] < at)
        found.append(Leg(what, at, dice.random() * 0.5, mine))  # type: ignore[arg-type]
        begin = at
    return found
