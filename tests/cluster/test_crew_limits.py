"""[limits] of a cluster as a user sees them: the day's budget, other numbers while it runs, and what hosts sent."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crew_kit import Cluster, settings_of, some_ids, until
from judge import judge, lines

from crawler.assembly import Wishes
from crawler.engine.settings import LimitsSettings
from crawler.origin.server import origin_thread
from crawler.progress import status_fields


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca") as origin:
        yield origin


def most_asked(origin: Any) -> int:
    return max((len(times) for times in origin.seen.arrivals.values()), default=0)


@pytest.mark.long
def test_no_wait_ends_with_6_and_the_log_says_what_was_asked(tmp_path: Path, calm: Any) -> None:
    """Robots.txt and all count: so many requests reach a host and not one more, then code 6 and the words of one
    process; with one more, one more; with a larger budget the crawl ends, and the log says exactly what was asked."""
    ids = some_ids(30, seed=31)

    def cluster(requests: int) -> Cluster:
        made = Cluster(settings_of(tmp_path, calm, ids, {"limits.daily.requests": str(requests)}))
        made.wishes = Wishes(waits=False)
        return made

    outcome = asyncio.run(cluster(25).run(2))
    assert (outcome.code, outcome.reason) == (6, "daily_budget")
    assert "the daily budget is spent (25 of 25 requests in the last 24 h)" in outcome.text
    assert most_asked(calm) == 25
    spent = {host for host, times in calm.seen.arrivals.items() if len(times) == 25}
    told = status_fields(outcome.snapshot)["hosts"]
    assert {host for host in told if told[host]["daily"]["until"]} == spent
    assert lines(tmp_path / "out")[-1]["reason"] == "daily_budget"

    assert asyncio.run(cluster(26).run(2)).code == 6
    assert most_asked(calm) == 26

    outcome = asyncio.run(cluster(9000).run(1))
    assert outcome.code == 0, outcome.text
    judge(calm.world, tmp_path / "out", ids)
    said = {host: told["daily"]["requests"] for host, told in status_fields(outcome.snapshot)["hosts"].items()}
    assert said == {host: len(times) for host, times in calm.seen.arrivals.items()}


def test_who_waits_goes_on_with_new_numbers(tmp_path: Path, calm: Any) -> None:
    """The budget is spent, and a larger one is set while all wait: exactly so much more is asked, the log says both."""
    ids = some_ids(30, seed=32)
    cluster = Cluster(settings_of(tmp_path, calm, ids, {"limits.daily.requests": "10"}))
    limits = cluster.settings.limits

    def other(requests: int) -> LimitsSettings:
        return limits.model_copy(update={"daily": limits.daily.model_copy(update={"requests": requests})})

    async def main() -> Any:
        driver = cluster.driver()
        cluster.start("a")
        cluster.start("b")
        driving = asyncio.create_task(driver.go())
        await until(lambda: any(host.daily and host.daily.wait_s for host in driver.snapshot().hosts))
        await until(lambda: most_asked(calm) == 10)
        driver.reload(other(22))
        await until(lambda: most_asked(calm) == 22)
        await until(lambda: any(host.daily and host.daily.wait_s for host in driver.snapshot().hosts))
        driver.drain("interrupted", 130)
        outcome = await driving
        await cluster.leave()
        return outcome

    assert asyncio.run(main()).code == 130
    assert most_asked(calm) == 22
    told = [line for line in lines(tmp_path / "out") if line["event"] == "spent"]
    assert {line["budget_requests"] for line in told} == {10, 22}
    assert any(line["event"] == "throttled" and line["reason"] == "reloaded" for line in lines(tmp_path / "out"))


@pytest.mark.long
def test_new_rates_reach_the_budget_and_other_limits_the_workers(tmp_path: Path, calm: Any) -> None:
    """A crawl that would take a quarter of an hour is told other numbers: it is over in seconds, and the log shows it
    as in one process; each worker has its own part of what is counted at once."""
    ids = some_ids(40, seed=33)
    slow = {"limits.images.rate": "0.1", "limits.works": "4"}
    cluster = Cluster(settings_of(tmp_path, calm, ids, slow), ttl_s=2.0)
    fast = settings_of(tmp_path, calm, ids, {"limits.images.rate": "500", "limits.works": "24"}).limits

    async def main() -> Any:
        driver = cluster.driver()
        workers = [cluster.start("a"), cluster.start("b")]
        for worker in workers:
            worker.share = lambda limits: limits.model_copy(update={"works": limits.works // 2})
        driving = asyncio.create_task(driver.go())
        await until(lambda: {host.lane for host in driver.snapshot().hosts} == {"api", "images"})
        await asyncio.sleep(0.5)
        assert [worker._seats.most for worker in workers] == [2, 2]
        driver.reload(fast)
        await until(lambda: [worker._seats.most for worker in workers] == [12, 12])
        outcome = await driving
        await cluster.leave()
        return outcome

    outcome = asyncio.run(main())
    assert outcome.code == 0, outcome.text
    judge(calm.world, tmp_path / "out", ids)
    told = [line for line in lines(tmp_path / "out") if line["event"] == "throttled" and line["reason"] == "reloaded"]
    assert {line["host"] for line in told} == {"i.pximg.net", "www.pixiv.net"}
    assert {line["rate"] > 0.1 for line in told if line["host"] == "i.pximg.net"} == {True}
    assert {host.budget for host in outcome.snapshot.hosts if host.lane == "images"} == {500}


def test_what_hosts_sent_is_told(tmp_path: Path, calm: Any) -> None:
    """Bytes of bodies by host, as in one process, and not less than what was stored."""
    ids = some_ids(20, seed=34)
    outcome = asyncio.run(Cluster(settings_of(tmp_path, calm, ids)).run(2))
    hosts = status_fields(outcome.snapshot)["hosts"]
    assert hosts["i.pximg.net"]["bytes"] >= outcome.snapshot.bytes > 0
    assert hosts["i.pximg.net"]["bytes"] < 1.1 * outcome.snapshot.bytes + 10_000
    assert hosts["www.pixiv.net"]["bytes"] > 0
