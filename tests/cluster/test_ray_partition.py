"""Two hosts with a cable between them that is pulled for a while."""

import time
from pathlib import Path

import pytest
from judge import judge
from namespaces import hosts
from origin_process import far_origin
from ray_kit import Nodes, actors, budget_kept, config_of, start, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def test_a_cable_is_pulled_for_seven_seconds(tmp_path: Path) -> None:
    """The cut-off worker still reaches the site, and may not ask it: the server never sees more than the one budget.
    Every id exactly once."""
    ids = list(range(500_000, 501_200))
    with hosts() as two, far_origin(tmp_path, seed=9) as origin:
        ray = Nodes()
        try:
            two.bring(origin.port, ray.home / "way")
            ray.start_at([(two.address(n), two.inside(n)) for n in (1, 2)])
            config = config_of(tmp_path, origin, ids)
            run = start(config, "--ray", ray.address, before=two.inside(1))
            try:
                wait_for(lambda: len(actors(ray.home, "Hand")) == 2 and origin.total > 300, 120)
                two.cable("down")
                time.sleep(7)
                two.cable("up")
                assert run.wait(240) == 0, config.with_name("run.log").read_text()
            finally:
                run.kill()
            judge(origin.world, tmp_path / "out", ids)
            origin.end()
            budget_kept(origin)
        finally:
            ray.end()
