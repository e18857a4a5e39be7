"""Daily budgets by the installed command: what the server saw, over kills, waits and another config."""

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from judge import command, judge, lines, status, write_config
from starter import CRAWLER, popen

from crawler.origin.server import origin_thread

IDS = random.Random(4).sample(range(258, 61_897_803), 60)
WWW = "www.pixiv.net"


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "ids.txt").write_text("\n".join(map(str, IDS)))
    with origin_thread(seed=21, profile="mild", ca_dir=tmp_path) as origin:
        yield origin


def config_of(folder: Path, origin: Any, **daily: float) -> Path:
    budget = "".join(f"{name} = {value}\n" for name, value in daily.items())
    return write_config(folder, origin, 'path = "ids.txt"', f"[limits.daily]\n{budget}")


def most_asked(origin: Any) -> int:
    return max((len(times) for times in origin.seen.arrivals.values()), default=0)


@contextmanager
def running(config: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command, on its way; killed at the end if it still is."""
    args = [*CRAWLER, "run", str(config), "--progress", "none"]
    process = popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until_spent(root: Path, process: "subprocess.Popen[str]") -> dict[str, Any]:
    """status.json, once it says that a budget is spent."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            now: dict[str, Any] = json.loads((root / "status.json").read_text())
        except FileNotFoundError:
            now = {"hosts": {}}
        if any(host.get("daily", {}).get("until") for host in now["hosts"].values()):
            return now
        time.sleep(0.05)
    raise AssertionError("no budget was spent")


def test_no_wait_ends_with_6_and_a_budget_that_grew_lets_it_go_on(tmp_path: Path, origin: Any) -> None:
    """Robots.txt, 404s and all count: N requests and not one more reach a host, then exit 6 and a word on what now;
    the same again asks nothing of it; with a larger budget the same crawl ends, and every image is there."""
    config = config_of(tmp_path, origin, requests=25)
    ended = command("run", config, "--no-wait", "--progress", "none")
    assert ended.code == 6, ended.err
    assert "the daily budget is spent (25 of 25 requests in the last 24 h)" in ended.err
    assert "--no-wait" in ended.err
    assert most_asked(origin) == 25
    assert lines(tmp_path / "out")[-1]["reason"] == "daily_budget"
    spent = [host for host, times in origin.seen.arrivals.items() if len(times) == 25]
    told = status(tmp_path / "out")["hosts"][spent[0]]["daily"]
    assert (told["requests"], told["requests_budget"], told["bytes_budget"]) == (25, 25, 0)
    assert told["until"] > "2026"
    shown = command("status", tmp_path / "out").out
    assert f"{spent[0]}  25 of 25 requests in the last 24 h, spent until" in shown
    assert (
        "the daily budget of 25 requests is spent, waits until" in command("tail", tmp_path / "out", "-n", "1000").out
    )

    again = command("run", config, "--no-wait", "--progress", "none")
    assert again.code == 6
    assert most_asked(origin) == 25

    assert command("run", config_of(tmp_path, origin, requests=5000), "--no-wait", "--progress", "none").code == 0
    judge(origin.world, tmp_path / "out", IDS)


@pytest.mark.long
def test_killed_at_random_it_never_asks_for_more_in_all(tmp_path: Path, origin: Any) -> None:
    """Seven SIGKILLs at random moments: what the server saw of all runs stays within the budget of one day, and the log
    says at least as much."""
    config, dice = config_of(tmp_path, origin, requests=30), random.Random(5)
    root = tmp_path / "out"
    for _ in range(7):
        with running(config) as process:
            log_before = (root / "log.jsonl").stat().st_size if root.exists() else 0
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:  # begun: a kill while Python starts would try nothing
                if (root / "log.jsonl").exists() and (root / "log.jsonl").stat().st_size > log_before:
                    break
                time.sleep(0.005)
            time.sleep(dice.random() ** 2 * 0.25)
            process.send_signal(signal.SIGKILL)
            process.wait()
        said = {host: told["daily"]["requests"] for host, told in status(root)["hosts"].items() if "daily" in told}
        for host, times in origin.seen.arrivals.items():
            assert len(times) <= said[host] <= 30
    with running(config) as process:
        wait_until_spent(root, process)
    assert most_asked(origin) <= 30


def test_who_waits_leaves_at_once_and_takes_new_numbers(tmp_path: Path, origin: Any) -> None:
    """At the limit the run goes on waiting, and says so; SIGHUP with a larger budget lets it go on; SIGINT while it
    waits ends it at once, in order."""
    config = config_of(tmp_path, origin, requests=20)
    root = tmp_path / "out"
    with running(config) as process:
        wait_until_spent(root, process)
        assert most_asked(origin) == 20
        config_of(tmp_path, origin, requests=35)
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while most_asked(origin) < 35 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        now = wait_until_spent(root, process)
        assert most_asked(origin) == 35
        assert now["limit"].startswith("daily budget of ")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
        assert process.returncode == 130, (out, err)
        assert time.monotonic() - began < 60  # and not a day
    assert most_asked(origin) == 35
    assert status(root)["hosts"][WWW]["daily"]["requests_budget"] == 35


def test_a_budget_of_bytes(tmp_path: Path, origin: Any) -> None:
    """Bodies are counted as received; past the budget come at most those that were in flight, which knew no better."""
    ended = command("run", config_of(tmp_path, origin, gb=0.0006), "--no-wait", "--progress", "none")
    assert ended.code == 6, ended.err
    assert "of 600 kB" in ended.err
    hosts = status(tmp_path / "out")["hosts"].values()
    most = max(told["daily"]["bytes"] for told in hosts)
    largest = max(line["bytes"] for line in lines(tmp_path / "out") if line["event"] == "stored")
    assert 500_000 < most < 600_000 + 4 * largest


def test_a_sample_spends_from_the_same_budget(tmp_path: Path, origin: Any) -> None:
    """What `plan --sample` asked counts for the run after it, over which the host sees one budget; a sample that comes
    to its end says so, and a folder that was only sampled has a status."""
    config = config_of(tmp_path, origin, requests=30)
    ended = command("plan", config, "--sample", "10")
    assert ended.code == 0, ended.err
    assert 10 < len(origin.seen.arrivals[WWW]) <= 30
    assert command("status", tmp_path / "out").code == 0
    ended = command("run", config, "--no-wait", "--progress", "none")
    assert ended.code == 6, ended.err
    assert len(origin.seen.arrivals[WWW]) == 30
    ended = command("plan", config, "--sample", "10")
    assert ended.code == 0, ended.err
    assert f"the daily budget of {WWW} is spent" in ended.out
    assert most_asked(origin) == 30
    assert command("verify", tmp_path / "out").code == 0
