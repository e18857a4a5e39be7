"""Many nodes on this machine, killed one after another, all at once, and cut off from each other."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from judge import command, judge, lines, status
from origin_process import far_origin
from ray_kit import actors, budget_kept, config_of, kill, nodes, start, stored, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def over(run: Any, config: Path, within_s: float = 240) -> None:
    """It ended by itself, well."""
    try:
        assert run.wait(within_s) == 0, config.with_name("run.log").read_text()
    finally:
        run.kill()


def test_a_node_coordinator_and_budget_and_the_driver_are_killed(tmp_path: Path) -> None:
    """Each by SIGKILL, one after the other, in one crawl on three nodes, coordinator and budget twice; the driver is
    started again and finds the crawl where it was. Every id exactly once, the one budget kept, and no actor left."""
    ids = list(range(200_000, 202_000))
    out = tmp_path / "out"
    with far_origin(tmp_path, seed=6) as origin, nodes(3) as ray:
        config = config_of(tmp_path, origin, ids)
        run = start(config, "--ray", ray.address)
        try:
            wait_for(lambda: len(actors(ray.home, "Hand")) == 3 and origin.total > 200, 90)
            ray.nodes[2].kill()
            seen = origin.total
            wait_for(lambda: origin.total > seen + 200)
            kill(actors(ray.home, "Desk"))
            seen = origin.total
            wait_for(lambda: origin.total > seen + 200)
            kill(actors(ray.home, "Desk"))  # once more
            ray.start_at([("127.0.0.5", ())])
            wait_for(lambda: len(actors(ray.home, "Hand")) == 3)  # a node that comes gets a worker
        finally:
            run.kill()
        run.wait()
        seen = origin.total
        wait_for(lambda: origin.total > seen + 50)  # nobody drives, and they crawl on
        over(start(config, "--ray", ray.address), config)
        judge(origin.world, out, ids)
        origin.end()
        budget_kept(origin)
        assert "going on with it" in config.with_name("run.log").read_text()
        assert wait_for(lambda: not actors(ray.home, "Hand") and not actors(ray.home, "Desk"))
        assert status(out)["pending"] == 0


def test_everything_is_killed_and_run_again(tmp_path: Path) -> None:
    """All nodes and the driver at one time, and a torn line at the end of the log: another cluster goes on from what
    was committed. Every id exactly once."""
    ids = list(range(300_000, 300_900))
    out = tmp_path / "out"
    with far_origin(tmp_path, seed=7) as origin:
        config = config_of(tmp_path, origin, ids)
        with nodes(3) as ray:
            run = start(config, "--ray", ray.address)
            try:
                wait_for(lambda: stored(out) > 200, 120)
            finally:
                run.kill()
                for node in ray.nodes:
                    node.kill()
            run.wait()
        with (out / "log.jsonl").open("ab") as log:
            log.write(b'{"seq":99')
        before = stored(out)
        with nodes(2) as ray:
            over(start(config, "--ray", ray.address), config)
        judge(origin.world, out, ids)
        origin.end()
        budget_kept(origin)
        assert before > 0


def test_a_drain_and_a_stop_leave_nothing_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """Ctrl-C once: what is on the wire is finished, exit code 130; `--stop` from elsewhere does the same, 143, and says
    so when there is nothing to stop; the run after finishes the list."""
    ids = list(range(400_000, 401_500))
    out = tmp_path / "out"
    with far_origin(tmp_path, seed=8) as origin, nodes(1) as ray:
        config = config_of(tmp_path, origin, ids)
        for ends, code in ((lambda run: os.kill(run.pid, signal.SIGINT), 130), (None, 143)):
            before = origin.total
            run = start(config, "--ray", ray.address)
            try:
                wait_for(lambda before=before: origin.total > before + 100, 90)
                if ends is not None:
                    ends(run)
                else:
                    stopped = command("run", config, "--ray", ray.address, "--stop")
                    assert stopped.code == 0, stopped.err
                assert run.wait(60) == code, config.with_name("run.log").read_text()
            finally:
                run.kill()
            assert not actors(ray.home, "Hand")
            assert not actors(ray.home, "Desk")
            assert lines(out)[-1]["reason"] == "interrupted"
        again = command("run", config, "--ray", ray.address, "--stop")
        assert (again.code, "No crawl of this output runs there" in again.err) == (0, True)
        over(start(config, "--ray", ray.address), config)
        judge(origin.world, out, ids)
        origin.end()
        budget_kept(origin)
