"""SIGKILL of a whole cluster at any step towards the disk: what is in the log is true, and the next run goes on."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judge import judge, lines, write_config

from crawler.cluster.commits import ROOT
from crawler.origin.server import origin_thread

HERE = Path(__file__).parent
STEPS = ("write", "sync", "link", "unlink", "sync_folder")


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca") as origin:
        yield origin


def prepare(folder: Path, origin: Any, ids: list[int]) -> Path:
    """A config with few requests at once: what is in flight when all die is a handful."""
    folder.mkdir()
    (folder / "ids.txt").write_text("\n".join(map(str, ids)))
    config = write_config(folder, origin, 'path = "ids.txt"')
    text = config.read_text().replace("works = 64", "works = 4").replace("connections = 16", "connections = 3")
    config.write_text(text + "\n[log]\ncommit_ms = 20\n")
    return config


def run(config: Path, failpoint: str = "") -> int:
    """A cluster of two workers to its end; -9 if it was killed."""
    done = subprocess.run(
        [sys.executable, HERE / "one_loop.py", config, "2"],
        env={**os.environ, "PYTHONPATH": f"{HERE}:{HERE.parent / 'crawl'}", "CRAWLER_FAILPOINT": failpoint},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode


def killed_and_run_again(tmp_path: Path, origin: Any, points: list[str], count: int = 24) -> int:
    """Whatever the step: what stands is true then, and the crawl ends as if nothing had been. Gives the kills."""
    kills = 0
    for number, point in enumerate(points):
        ids = random.Random(100 + number).sample(range(258, 61_897_803), count)
        folder = tmp_path / str(number)
        config = prepare(folder, origin, ids)
        killed = run(config, point) == -9
        root = folder / "out"
        for line in lines(root) if (root / "log.jsonl").exists() else ():
            if line["event"] == "stored":
                assert (root / line["path"]).stat().st_size == line["bytes"], point
        assert not killed or run(config) == 0, point
        judge(origin.world, root, ids)
        assert list((root / ROOT).iterdir()) == [], point
        again = [key for key, asked in origin.seen.requests.items() if asked > 1 and key[1] != "/robots.txt"]
        # Two workers have at most 3 connections each to two hosts, and lines of 20 ms that were not durable.
        assert len(again) <= 20 * (number + 1), (point, again)
        kills += killed
    return kills


def test_killed_between_two_steps(tmp_path: Path, calm: Any) -> None:
    """While an object of the ledger gets its name."""
    assert killed_and_run_again(tmp_path, calm, ["after-link-folder:3"]) == 1


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_step(tmp_path: Path, calm: Any, seed: int) -> None:
    """Eight steps of one kind and another, at any time."""
    dice = random.Random(seed)
    points = []
    for _ in range(8):
        what = dice.choice(["folder", "folder", "log", "image"])
        step = dice.choice(STEPS if what == "folder" else ("write", "sync") if what == "log" else ("replace", "write"))
        points.append(f"{dice.choice(['before', 'after'])}-{step}-{what}:{dice.randint(1, 12)}")
    assert killed_and_run_again(tmp_path, calm, points) > 2
