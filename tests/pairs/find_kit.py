"""Crawls colourings of the stand-in and has `crawler pairs find` look for what they are colourings of."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge import Ended, command, write_config
from starter import CRAWLER, popen

from crawler.origin import families
from crawler.origin.server import origin_thread

Pair = tuple[int, int]
PATIENT = ("--network.idle_s", "30")
"""The stand-in draws a family's pictures when they are asked for; on a busy machine that takes its time."""
PLAIN = ("--ui.progress", "none", "--jobs", "1", *PATIENT)


@dataclass(frozen=True)
class Found:
    """A folder in which pairs were found. `truth`: pairs that there are to find, of works that are there.

    `before`: what `find` said of the folder, before anybody was asked for linked works; `asked`: requests it then took.
    """

    seed: int
    root: Path
    config: Path
    truth: frozenset[Pair]
    before: Ended
    ended: Ended
    asked: int

    @property
    def folder(self) -> Path:
        return self.root / "out"

    def candidates(self) -> list[dict[str, Any]]:
        """The candidates, as in the file."""
        return candidates(self.folder / "pairs" / "candidates.jsonl")

    def measure(self) -> tuple[float, float]:
        """Recall and precision of the candidates."""
        found = {(one["colored"], one["sketch"]) for one in self.candidates()}
        true = {pair for pair in found if is_true(self.seed, pair)}
        return len(found & self.truth) / len(self.truth), len(true) / len(found)


def killed_and_again(one: Found) -> tuple[Ended, dict[str, int]]:
    """`find` with images, killed as soon as it has stored one, and typed again.

    Gives how that ended, and what metadata both asked for.
    """
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent / "guard"), **os.environ}
    with origin_thread(seed=one.seed, profile="none", ca_dir=one.root / "ca") as origin:
        config = write_config(one.root, origin, 'path = "ids.txt"', "[filter]\nmax_x_restrict = 2")
        log = one.folder / "log.jsonl"
        stored = log.read_bytes().count(b'"event":"stored"')
        command_line = [*CRAWLER, "pairs", "find", str(config), *PLAIN]
        with popen(command_line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as it:
            while it.poll() is None and log.read_bytes().count(b'"event":"stored"') == stored:
                time.sleep(0.02)
            it.kill()
        ended = command("pairs", "find", config, *PLAIN, env=environment)
        return ended, origin.seen.of("www.pixiv.net")


def candidates(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of candidates."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def is_true(seed: int, pair: Pair) -> bool:
    """Whether the one is a colouring of the other: the stand-in's own knowledge."""
    member = families.member(seed, pair[0])
    return member is not None and member.of == pair[1]


def told(seed: int, numbers: range) -> list[int]:
    """Works of families that have something to tell: all but the line drawings; and as many works like any other."""
    ids = [one.id for number in numbers for one in families.family(seed, number) if one.role != "sketch"]
    return [*ids, *range(20_000_000, 20_000_000 + len(numbers))]


def found(root: Path, seed: int, numbers: range, *flags: str) -> Found:
    """Crawl, and find."""
    (root / "ids.txt").write_text("\n".join(map(str, told(seed, numbers))))
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent / "guard"), **os.environ}
    with origin_thread(seed=seed, profile="none", ca_dir=root / "ca") as origin:
        config = write_config(root, origin, 'path = "ids.txt"', "[filter]\nmax_x_restrict = 2")
        ended = command("run", config, "-q", *PATIENT, env=environment, timeout=600)
        assert ended.code in (0, 3), ended.err
        before = command("pairs", "find", root / "out", "--jobs", "1", env=environment)
        total = origin.seen.total
        ended = command("pairs", "find", config, *PLAIN, *flags, env=environment, timeout=600)
        asked = origin.seen.total - total
        world = origin.world
        there = {id for id in families.ids(seed, numbers) if world.expected(id).outcome != "gone"}
        assert origin.seen.violations == {}
    truth = {(pair.colored, pair.sketch) for pair in families.true_pairs(seed, numbers)}
    return Found(seed, root, config, frozenset(pair for pair in truth if there.issuperset(pair)), before, ended, asked)
