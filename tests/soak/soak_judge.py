"""What must hold of a soak: the end exact to the byte, and its weight flat. Linux only where it looks at weights."""

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from judge import files, judge_works

from crawler.origin.work import Mix
from crawler.origin.world import World

PARTS = 24
"""Works are judged in so many lots, by the last three digits of their ids: no list of all lines is ever in memory."""
GROWTH_MB, GROWTH_BYTES = 30.0, 100.0
"""What a leg may grow by after its first fifth: so much, and so many bytes for each work that ended."""
GROWN_OVER = 5_000
"""A leg in which fewer works ended after its first fifth says nothing of growth: it was still filling, or its limits
were widened, and the bodies in flight, up to `limits.memory_mb`, weigh more than what could leak. Its peak counts."""
PEAK_MB = 200.0
FDS = 60
"""Descriptors of a run besides its connections: log, lock, list, threads that write, pipes of the loop."""
TASKS = 40
"""Tasks of a run besides works and their images."""
HEARD_S = 5.0
"""So long after SIGHUP other limits hold; on a machine that is busy a process may be slow to hear it."""
AT_ONCE = 700
"""Requests that may be made again after a kill: what was on the wire, and what waited for the next commit."""


def lot_of(id: int) -> int:
    """The lot that a work is judged in."""
    return id % 1000 * PARTS // 1000


def judge_lot(
    site: tuple[int, Mix], root: Path, ids: Sequence[int], lot: int, *, whole: bool
) -> tuple[Counter[str], set[str]]:
    """Outcomes and files of one lot, every image read. `site`: its seed and mix. Raises AssertionError.

    Not `whole`: works without an outcome are `pending`, and what there is of them is judged.
    """
    mine = [id for id in ids if lot_of(id) == lot]
    standing: list[dict[str, Any]] = []
    with (root / "log.jsonl").open("rb") as log:
        for raw in log:
            head = raw[:200]
            if b'"id":' not in head:
                continue
            if lot_of(int(head.partition(b'"id":')[2].partition(b",")[0])) == lot:
                standing.append(json.loads(raw))
    world = World(*site)
    if whole:
        return judge_works(world, root, standing, mine)
    begun = begun_works(standing)
    outcomes, wanted = judge_works(world, root, standing, [id for id in mine if id in begun and not begun[id]])
    for line in standing:
        if line["event"] == "stored" and begun[line["id"]]:
            image = world.expected(line["id"]).images[line["page"]]
            assert (line["sha256"], line["bytes"]) == (image.sha256, image.bytes), line
            assert hashlib.sha256((root / line["path"]).read_bytes()).hexdigest() == image.sha256, line
            wanted.add(line["path"])
    outcomes["pending"] = sum(begun.get(id, 1) != 0 for id in mine)
    return outcomes, wanted


def begun_works(standing: Iterable[dict[str, Any]]) -> dict[int, int]:
    """How many images each work that was answered for still lacks; one that is gone lacks none."""
    lacking: dict[int, int] = {}
    for line in standing:
        match line["event"]:
            case "described":
                lacking[line["id"]] = lacking.get(line["id"], 0) + len(line["images"])
            case "stored":
                lacking[line["id"]] = lacking.get(line["id"], 0) - 1
            case "gone":
                lacking[line["id"]] = 0
    return lacking


def judge_all(
    site: tuple[int, Mix], root: Path, ids: Sequence[int], processes: int, *, whole: bool = True
) -> Counter[str]:
    """Every work's outcome, every image byte for byte, and nothing else in the folder. Raises AssertionError."""
    outcomes: Counter[str] = Counter()
    wanted: set[str] = set()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        asked = [pool.submit(judge_lot, site, root, ids, lot, whole=whole) for lot in range(PARTS)]
        for answer in asked:
            counts, paths = answer.result()
            outcomes += counts
            wanted |= paths
    there = files(root)
    assert there == wanted, (sorted(there - wanted)[:5], sorted(wanted - there)[:5])
    assert not whole or list((root / ".crawl" / "parts").iterdir()) == []
    return outcomes


def log_is_whole(root: Path) -> Counter[str]:
    """Every line of the log with its checksum and its number, none voided; how many there are of each event."""
    events: Counter[str] = Counter()
    with (root / "log.jsonl").open("rb") as log:
        for number, raw in enumerate(log, 1):
            body, key, crc = raw.rpartition(b',"crc":"')
            assert key, (number, raw[:100])
            assert crc == b'%08x"}\n' % zlib.crc32(body), (number, raw[:100])
            assert raw.startswith(b'{"seq":%d,' % number), (number, raw[:100])
            events[raw[:120].partition(b'"event":"')[2].partition(b'"')[0].decode()] += 1
    assert not events["voided"]
    return events


def totals_agree(told: dict[str, Any], outcomes: Counter[str], root: Path, ids: int) -> None:
    """What `status --json` counts is what was judged, and what lies there."""
    gone = outcomes["not_found"] + outcomes["restricted"] + outcomes["filtered"]
    counted = (told["listed"], told["done"], told["gone"], told["failed"] + told["pending"])
    assert counted == (ids, outcomes["done"], gone, outcomes["pending"]), (counted, outcomes)
    sizes = [path.stat().st_size for path in (root / "images").rglob("*") if path.is_file()]
    assert (told["images"], told["bytes"]) == (len(sizes), sum(sizes)), told


@dataclass(frozen=True)
class Weights:
    """What one leg weighed: its samples, and (None: it was killed) what it left at its end."""

    samples: list[dict[str, Any]]
    end: dict[str, Any] | None


def weights(lines: Iterable[str]) -> list[Weights]:
    """The legs of a file of samples, in order."""
    found: dict[int, Weights] = {}
    for line in map(json.loads, lines):
        leg = found.setdefault(line["pid"], Weights([], None))
        if line.get("end"):
            found[line["pid"]] = Weights(leg.samples, line)
        else:
            leg.samples.append(line)
    return list(found.values())


def growth(leg: Weights) -> tuple[float, int]:
    """By how many MB a leg grew from its second fifth to its last, and how many works ended between."""
    crawling = [one for one in leg.samples if one["phase"] == "crawling"]
    if len(crawling) < 10:
        return 0.0, 0
    fifth = len(crawling) // 5
    early, late = crawling[fifth : 2 * fifth], crawling[-fifth:]
    grown = median(one["rss_mb"] for one in late) - median(one["rss_mb"] for one in early)
    return grown, round(median(one["works"] for one in late) - median(one["works"] for one in early))


def not_obeyed(legs: Sequence[Weights], changes: Sequence[tuple[float, int]]) -> list[str]:
    """Where more works were in flight than limits allowed. Those that are over the limit when it changes may end; no
    other is begun. `changes`: (when, how many works from then on)."""
    wrong: list[str] = []
    for number, leg in enumerate(legs):
        before: dict[str, Any] = {"in_flight": 0}
        for one in leg.samples:
            last = [change for change in changes if change[0] < one["t"]][-1:]
            holds = last and leg.samples[0]["t"] < last[0][0] < one["t"] - HEARD_S
            if holds and one["in_flight"] > max(last[0][1], before["in_flight"]):
                wrong.append(f"leg {number}: {one['in_flight']} works in flight, allowed {last[0][1]}")
            before = one
    return wrong


def not_flat(legs: Sequence[Weights], works: int, connections: int) -> list[str]:
    """What is wrong with the weights: memory, descriptors, tasks. `works`, `connections`: the most that were allowed.

    Each law in words of one leg; an empty list is well.
    """
    wrong: list[str] = []
    for number, leg in enumerate(legs):
        grown, ended = growth(leg)
        if ended >= GROWN_OVER and grown > GROWTH_MB + ended * GROWTH_BYTES / 1e6:
            wrong.append(f"leg {number}: grew by {grown:.1f} MB over {ended} works")
        for key, most in (
            ("rss_mb", PEAK_MB),
            ("fds", 2 * connections + FDS),
            ("tasks", 4 * works + TASKS),
        ):
            peak = max((one[key] for one in leg.samples), default=0)
            if peak > most:
                wrong.append(f"leg {number}: {key} reached {peak:.0f}, more than {most:.0f}")
        if leg.end is not None:
            if leg.end["tasks_left"]:
                wrong.append(f"leg {number}: left tasks behind: {leg.end['tasks_left'][:5]}")
            if leg.end["fds_left"]:
                wrong.append(f"leg {number}: left descriptors open: {leg.end['fds_left']}")
    return wrong
