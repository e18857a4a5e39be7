"""Killed at each step on the way to the disk: the next run ends as if nothing had been."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crash_kit import prepare, repeated, some_ids, sound, start
from judge import command, files, judge, status

from crawler.origin.server import origin_thread

STEPS = (
    "mid-write-log:1",
    "before-write-image:3",
    "mid-write-image:5",
    "after-write-image:7",
    "after-sync-image:6",
    "after-replace-image:5",
    "after-sync_folder-image:4",
    "before-write-log:4",
    "after-write-log:4",
    "after-sync-log:5",
    "mid-write-log:5",
)
"""In the order in which one folder is killed."""
TEARS = "mid-write-log:4"
HEALING = (
    "before-write-torn",
    "mid-write-torn",
    "after-sync-torn",
    "before-truncate-log",
    "after-truncate-log",
    "before-sync-log",
)
"""In this order each finds the torn tail that the one before left; the last comes after it was cut off."""
LAST = (
    "before-write-closed",
    "before-write-snapshot",
    "mid-write-snapshot",
    "after-write-snapshot",
    "after-replace-snapshot",
    "after-write-closed",
)
EACH = sorted({step.partition(":")[0] for step in STEPS})
AT_ONCE = 40
"""URLs on the wire, at most eight, and those that came since the last commit began: a few, more on a busy machine."""


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in without faults: what is asked for twice was asked for because of a crash."""
    with origin_thread(seed=5, profile="none", ca_dir=tmp_path_factory.mktemp("ca"), latency_s=0.03) as origin:
        yield origin


def killed_at(point: str, config: Path) -> None:
    process = start(config, env={"CRAWLER_FAILPOINT": point})
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, (point, process.returncode, err)


@pytest.mark.parametrize("points", [STEPS, (TEARS, *HEALING), LAST], ids=["writing", "healing", "closing"])
def test_killed_at_each_step_in_turn(tmp_path: Path, calm: Any, points: tuple[str, ...]) -> None:
    """One folder, killed at every step: the log is true each time, and what it says is never asked for again."""
    ids = some_ids(60)
    config = prepare(tmp_path, calm, ids)
    root = tmp_path / "out"
    start_of_all = Counter(calm.seen.requests)
    twice = []
    for point in points:
        left, before = sound(root), calm.seen.requests - start_of_all
        killed_at(point, config)
        twice.append(repeated(before, calm.seen.requests - start_of_all, left))
    left, before = sound(root), calm.seen.requests - start_of_all
    ended = command("run", config)
    assert ended.code == 0, ended.err
    judge(calm.world, root, ids)
    twice.append(repeated(before, calm.seen.requests - start_of_all, left))
    assert max(twice) <= AT_ONCE, twice


@pytest.mark.long
@pytest.mark.parametrize("nth", [1, 2, 9, 40])
@pytest.mark.parametrize("point", EACH)
def test_killed_at_a_step(tmp_path: Path, calm: Any, point: str, nth: int) -> None:
    """Killed there once, sooner or later: the same files and counts as without, and few requests made twice."""
    ids = some_ids(120, seed=nth)
    config = prepare(tmp_path, calm, ids)
    root = tmp_path / "out"
    start_of_all = Counter(calm.seen.requests)
    killed_at(f"{point}:{nth if 'image' in point else min(nth, 6)}", config)
    left, before = sound(root), calm.seen.requests - start_of_all
    ended = command("run", config)
    assert ended.code == 0, ended.err
    judge(calm.world, root, ids)
    told = status(root)
    assert (told["pending"], told["images"]) == (0, len(files(root)))
    assert repeated(before, calm.seen.requests - start_of_all, left) <= AT_ONCE, point


def test_a_step_that_there_is_not(tmp_path: Path, calm: Any) -> None:
    """A mistyped failpoint is said, and not taken for a crash that did not happen."""
    config = prepare(tmp_path, calm, [1])
    ended = command("run", config, env={"CRAWLER_FAILPOINT": "after-lunch"})
    assert (ended.code, ended.err) == (
        2,
        "CRAWLER_FAILPOINT: after-lunch: no such failpoint; they look like after-sync-image:3\n",
    )
