"""Kill -9 at any moment: the next run ends with the same files and counts."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from judge import command, judge, write_config

from crawler.origin.server import origin_thread


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)])
def test_killed_again_and_again(tmp_path: Path, seed: int) -> None:
    """Whatever moment it dies at, nothing is lost, nothing is doubled, and no partial file has a final name."""
    dice = random.Random(seed)
    ids = dice.sample(range(258, 61_897_803), 150)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    with origin_thread(seed=seed, profile="flaky", ca_dir=tmp_path / "ca", stall_s=3.0) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"', "[log]\ncommit_ms = 20")
        kills = 0
        for _ in range(6):
            before = origin.seen.total
            with subprocess.Popen(
                [sys.executable, "-m", "crawler", "run", str(config), "--progress", "none", "-q"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                target = before + dice.randrange(1, 120)
                while origin.seen.total < target and process.poll() is None:
                    pass
                kills += process.poll() is None
                process.send_signal(signal.SIGKILL)
        assert kills >= 3
        ended = command("run", config)
        assert ended.code == 0, ended.err
        judge(origin.world, tmp_path / "out", ids)
