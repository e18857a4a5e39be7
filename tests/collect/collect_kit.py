"""Collecting against the stand-in, and what must be true of it afterwards, from the stand-in's side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from crawler.origin.listing import Listing
from crawler.origin.search import pages_of
from crawler.origin.tags import size_of
from crawler.origin.work import glance

BODY = """
[collect]
path = "tags.txt"
empty_wait_s = {wait}
cap_pages = {cap}
lists = {lists}
{more}
[output]
dir = "out"
durability = "{durability}"
[limits.api]
rate = 0
connections = 8
[limits.images]
rate = 0
connections = 8
[retry]
attempts = 6
base_s = 0.02
cap_s = 0.3
[network]
idle_s = 5
min_kb_s = 0
ca_file = "{ca}"
resolve = {{ {resolve} }}
"""


def write_collect(
    folder: Path,
    origin: Any,
    tags: Iterable[str],
    more: str = "",
    *,
    lists: int = 4,
    durability: str = "none",
    wait: float = 0.3,
) -> Path:
    """A config in `folder` that collects `tags` from `origin`, as fast as it can; `more` goes into [collect]."""
    (folder / "tags.txt").write_text("\n".join(tags) + "\n")
    resolve = ", ".join(f'"{host}" = "{address}"' for host, address in origin.resolve.items())
    path = folder / "collect.toml"
    cap = origin.listing.cap_pages
    path.write_text(
        BODY.format(
            ca=origin.ca_file, resolve=resolve, more=more, lists=lists, durability=durability, wait=wait, cap=cap
        )
    )
    return path


def stems(seed: int, low: int, high: int, count: int) -> list[str]:
    """Stems whose size before scaling lies in a range."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        if low <= size_of(seed, f"猫{number}匹") < high:
            found.append(f"猫{number}匹")
    return found


def truth(
    origin: Any, tag: str, mode: str = "safe", match: str = "exact", since: str = "", until: str = ""
) -> set[int]:
    """What a search for a tag shows: of all its works those that live."""
    world = origin.world
    ids = world.expected_tag(tag, match, mode, since, until)
    return {id for id in ids if glance(world.seed, world.mix, id) >= 0}


def least(origin: Any, tags: Sequence[str], mode: str = "safe") -> int:
    """The least pages that all works of these tags fill, the cap left aside."""
    listing: Listing = origin.listing
    return sum(pages_of(listing, len(origin.world.expected_tag(tag, "exact", mode))) for tag in tags)


def collected(folder: Path) -> list[int]:
    """ids.txt, each id once."""
    ids = list(map(int, (folder / "collected" / "ids.txt").read_text().split()))
    assert len(ids) == len(set(ids)), "an id stands twice in ids.txt"
    return ids


def log_of(folder: Path) -> list[dict[str, Any]]:
    """The log, line by line."""
    return [json.loads(line) for line in (folder / "collected" / "log.jsonl").read_bytes().splitlines()]


def judge_log(folder: Path) -> Counter[str]:
    """ids.txt is what the log says, in its order; where each came from is said. Counts of events."""
    order: dict[int, None] = {}
    events: Counter[str] = Counter()
    for seq, line in enumerate(log_of(folder), 1):
        assert line["seq"] == seq
        events[line["event"]] += 1
        if line["event"] == "found":
            order.setdefault(line["id"])
            assert line["tag"]
            assert min(line["rank"], line["page"]) >= 1
    assert collected(folder) == list(order)
    return events


def searches(origin: Any) -> int:
    """How many pages of searches were asked for."""
    return origin.seen.kinds["search"]
