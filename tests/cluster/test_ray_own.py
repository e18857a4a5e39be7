"""The Ray that `cluster.workers` starts: it goes with the command, however that goes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from judge import judge, lines
from origin_process import far_origin
from ray_kit import actors, budget_kept, config_of, of_ray, start, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
TWO = "[cluster]\nworkers = 2"


def test_the_driver_is_killed_and_run_again(tmp_path: Path, short: Path) -> None:
    """SIGKILL of the command: its workers are gone within seconds, and ask nothing any more; the same command starts
    another Ray, goes on from what was committed, and removes what the first one left."""
    ids = list(range(600_000, 600_500))
    with far_origin(tmp_path, seed=10) as origin:
        config = config_of(tmp_path, origin, ids, TWO)
        run = start(config)
        try:
            wait_for(lambda: len(actors(short, "Hand")) == 2 and origin.total > 150, 90)
        finally:
            run.kill()
        run.wait()
        wait_for(lambda: not any(actors(short, kind) for kind in ("Hand", "Desk")), 10)
        seen = origin.total
        left = list(short.iterdir())
        assert len(left) == 1
        assert start(config).wait(120) == 0, config.with_name("run.log").read_text()
        assert seen < origin.total < seen + 3 * len(ids)
        judge(origin.world, tmp_path / "out", ids)
        origin.end()
        budget_kept(origin)
    wait_for(lambda: not of_ray(short), 200)  # two helpers of the first look for themselves whether it is gone


def test_ctrl_c_of_a_terminal_drains_and_twice_stops(tmp_path: Path, short: Path) -> None:
    """A terminal sends Ctrl-C to Ray's processes too: the run drains all the same, and says so in the log; a second one
    stops at once, and what was in flight is fetched by the next run."""
    ids = list(range(700_000, 700_600))
    with far_origin(tmp_path, seed=11) as origin:
        config = config_of(tmp_path, origin, ids, TWO)
        for times in (1, 2):
            before = origin.total
            with config.with_name("run.log").open("a") as log:
                run = subprocess.Popen(
                    [sys.executable, "-m", "crawler", "run", str(config)], stdout=log, stderr=log, process_group=0
                )
            try:
                wait_for(lambda before=before: origin.total > before + 100, 90)
                for _ in range(times):
                    os.killpg(run.pid, signal.SIGINT)
                    if times == 2:
                        wait_for(lambda: config.with_name("run.log").read_text().count("Stopping") == 2)
                assert run.wait(40) == 130, config.with_name("run.log").read_text()
            finally:
                run.kill()
            assert of_ray(short) == {}
            if times == 1:
                assert lines(tmp_path / "out")[-1]["reason"] == "interrupted"
        assert "Stopped at once" in config.with_name("run.log").read_text()
        assert start(config).wait(120) == 0, config.with_name("run.log").read_text()
        judge(origin.world, tmp_path / "out", ids)
        origin.end()
        budget_kept(origin)
