"""Limits and rechecks by the installed command on a Ray of its own: budgets of a day over kills, SIGHUP, --recheck."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from judge import judge, lines, status
from origin_process import far_origin
from ray_kit import actors, budget_kept, config_of, kill, start, stored, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(500)]
TWO = "[cluster]\nworkers = 2\n"


def said(root: Path) -> dict[str, int]:
    """What the log says was asked of each host."""
    return {host: told["daily"]["requests"] for host, told in status(root)["hosts"].items() if "daily" in told}


def test_a_day_over_the_death_of_all_its_keepers(tmp_path: Path, short: Path) -> None:
    """The budget (and with it the coordinator), a worker and the command are killed; the same command, told not to
    wait, ends with code 6. No host was asked for more than its day, and the log says no less than it was asked for."""
    day, ids, root = 120, list(range(800_000, 800_600)), tmp_path / "out"
    with far_origin(tmp_path, seed=12) as origin:
        config = config_of(tmp_path, origin, ids, f"{TWO}[limits.daily]\nrequests = {day}")
        run = start(config)
        try:
            wait_for(lambda: origin.total > 30, 90)
            kill(actors(short, "Desk"))
            seen = origin.total
            wait_for(lambda: origin.total > seen + 10)
            kill(actors(short, "Hand")[:1])
            seen = origin.total
            wait_for(lambda: origin.total > seen + 10)
        finally:
            run.kill()
        run.wait()
        wait_for(lambda: not actors(short, "Hand"), 10)
        run = start(config, "--no-wait")
        try:
            assert run.wait(150) == 6, config.with_name("run.log").read_text()
        finally:
            run.kill()
        assert "the daily budget is spent" in config.with_name("run.log").read_text()
        assert lines(root)[-1]["reason"] == "daily_budget"
        told = said(root)
        origin.end()
        budget_kept(origin)
    for host, times in origin.arrivals.items():
        assert len(times) <= told[host] <= day, (host, len(times), told)
    assert max(len(times) for times in origin.arrivals.values()) > day / 4


def test_hangup_sets_new_limits_and_a_mistake_none(tmp_path: Path, short: Path) -> None:
    """A crawl that would take half an hour: a config with a mistake changes nothing, and says so; one with other rates
    ends it in seconds, and the log has the change."""
    ids, root = list(range(810_000, 810_150)), tmp_path / "out"
    with far_origin(tmp_path, seed=13) as origin:
        config = config_of(tmp_path, origin, ids, TWO)
        fast = config.read_text()
        slow = fast.replace("rate = 48", "rate = 0.5")
        assert slow != fast
        config.write_text(slow)
        run, log = start(config), config.with_name("run.log")
        try:
            wait_for(lambda: origin.total >= 2, 150)
            config.write_text(slow.replace("rate = 0.5", 'rate = "much"'))
            run.send_signal(signal.SIGHUP)
            wait_for(lambda: "The limits stay as they were." in log.read_text(), 20)
            seen = origin.total
            time.sleep(3)
            assert origin.total <= seen + 4
            config.write_text(fast)
            run.send_signal(signal.SIGHUP)
            wait_for(lambda: "The limits were read again." in log.read_text(), 20)
            assert run.wait(120) == 0, log.read_text()
        finally:
            run.kill()
        judge(origin.world, root, ids)
        told = {line["host"] for line in lines(root) if line.get("reason") == "reloaded"}
        origin.end()
        budget_kept(origin)
    assert told
    assert told <= {"www.pixiv.net", "i.pximg.net"}


def test_a_recheck_asks_again_what_is_gone(tmp_path: Path, short: Path) -> None:
    """`--recheck gone` by many processes: each work that is gone is asked for once more, and no other one."""
    ids, root = list(range(820_000, 820_120)), tmp_path / "out"
    with far_origin(tmp_path, seed=14) as origin:
        config = config_of(tmp_path, origin, ids, TWO)
        assert start(config).wait(150) == 0, config.with_name("run.log").read_text()
        judge(origin.world, root, ids)
        gone = {line["id"] for line in lines(root) if line["event"] == "gone"}
        images, asked = stored(root), origin.total
        assert gone
        assert start(config, "--recheck", "gone").wait(150) == 0, config.with_name("run.log").read_text()
        again: list[dict[str, Any]] = [line for line in lines(root) if line["event"] == "gone"]
        assert len(gone) <= origin.total - asked <= len(gone) + 4  # robots.txt
        assert {line["id"] for line in again} == gone
        assert len(again) == 2 * len(gone)
        assert stored(root) == images
        assert status(root)["pending"] == 0
