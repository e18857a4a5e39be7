"""Kill -9 at any moment: the next run ends with the same files and counts."""

import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from crash_kit import prepare, repeated, some_ids, sound, start
from judge import command, files, judge, status

from crawler.origin.server import origin_thread

LONG = pytest.mark.long
AT_ONCE = 40
"""URLs on the wire, at most eight, those that wait for their next attempt, and those of the last commit."""


@pytest.mark.parametrize(("seed", "kills"), [(1, 5), *(pytest.param(seed, 10, marks=LONG) for seed in (2, 3, 4, 5, 6))])
def test_killed_again_and_again(tmp_path: Path, seed: int, kills: int) -> None:
    """Whatever moment it dies at, the log is true, nothing it says is asked for again, and the end is as without."""
    dice = random.Random(seed)
    ids = some_ids(30 * kills, seed)
    root = tmp_path / "out"
    with origin_thread(seed=seed, profile="flaky", ca_dir=tmp_path / "ca", stall_s=3.0) as origin:
        config = prepare(tmp_path, origin, ids)
        died, twice = 0, []
        while died < kills:
            left, before = sound(root), Counter(origin.seen.requests)
            died += killed_by_chance(config, origin, dice)
            twice.append(repeated(before, Counter(origin.seen.requests), left))
        left, before = sound(root), Counter(origin.seen.requests)
        ended = command("run", config)
        assert ended.code == 0, ended.err
        judge(origin.world, root, ids)
        told = status(root)
        assert (told["pending"], told["failed"], told["images"]) == (0, 0, len(files(root)))
        twice.append(repeated(before, Counter(origin.seen.requests), left))
        print(f"{kills} kills; asked for again after each: {twice}")
        assert max(twice) <= AT_ONCE


def killed_by_chance(config: Path, origin: Any, dice: random.Random) -> bool:
    """Kill a run after some of its requests and a moment more, or while it starts; whether it was still running."""
    seen = origin.seen
    target = seen.total + dice.randrange(60)
    process = start(config)
    time.sleep(dice.random() * 0.3)
    while seen.total < target and process.poll() is None:
        time.sleep(0.001)
    time.sleep(dice.random() * 0.03)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    return alive
