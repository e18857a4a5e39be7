"""`crawler collect` as its user runs it: tags become ids, each once, whatever the site does meanwhile."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collect_kit import collected, judge_log, least, log_of, searches, stems, truth, write_collect
from judge import command
from starter import CRAWLER, popen

from crawler.origin.limits import Limits
from crawler.origin.listing import Listing
from crawler.origin.server import origin_thread

SEED = 5
CAP = 6


def some_tags(count: int = 10) -> list[str]:
    """Tags of all sizes: large ones, usual ones, empty ones; of some several levels, which lie within each other."""
    names = [f"{stem}500users入り" for stem in stems(SEED, 175_000, 300_000, 1)]
    names += [f"{stem}{level}users入り" for stem in stems(SEED, 40, 60_000, count) for level in (100, 1000)]
    return names + [f"{stem}100users入り" for stem in stems(SEED, 0, 1, 4)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Any]:
    """A stand-in whose searches are capped early, and are empty at first now and then."""
    listing = Listing(cap_pages=CAP, scale=0.05, empty_share=0.05)
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", listing=listing) as origin:
        yield origin


def test_tags_become_ids(tmp_path: Path, site: Any) -> None:
    """Every living work of every tag, each id once, in order of discovery; few requests more than there are pages."""
    tags = some_tags()
    config = write_collect(tmp_path, site, ["# a comment", *tags, tags[0], ""])
    ended = command("collect", config)
    assert ended.code == 0, ended.err
    assert "1 named twice" in ended.err
    wanted = set[int]().union(*(truth(site, tag) for tag in tags))
    assert set(collected(tmp_path)) == wanted
    events = judge_log(tmp_path)
    assert events["ended"] == len(tags)
    empty = sum(1 for line in log_of(tmp_path) if line["event"] == "emptied" and line["wait_s"])
    windows = sum(len(truth(site, tag)) // (50 * CAP) for tag in tags)
    assert windows > 4
    assert searches(site) <= least(site, tags) + empty + 2 * windows
    assert site.seen.violations == {}, site.seen.examples

    before = site.seen.total
    again = command("collect", config)
    assert again.code == 0, again.err
    assert site.seen.total == before, "a second run asks nothing"
    assert set(collected(tmp_path)) == wanted


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])
def test_killed_on_the_way(tmp_path: Path, site: Any, kills: int) -> None:
    """Killed at any moment: the same ids, and what is asked for again is what was in flight."""
    tags = some_tags()
    lists = 3
    config = write_collect(tmp_path, site, tags, lists=lists)
    dice = random.Random(kills)
    total = least(site, tags)
    died = 0
    while died < kills:
        target = searches(site) + dice.randrange(1, max(2, total // kills))
        process = popen(
            [*CRAWLER, "collect", str(config), "--progress", "none"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        while searches(site) < target and process.poll() is None:
            time.sleep(0.001)
        if process.poll() is not None:
            process.communicate()
            break
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        died += 1
    ended = command("collect", config)
    assert ended.code == 0, ended.err
    assert set(collected(tmp_path)) == set[int]().union(*(truth(site, tag) for tag in tags))
    judge_log(tmp_path)
    assert died >= kills // 2
    empty = sum(1 for line in log_of(tmp_path) if line["event"] == "emptied" and line["wait_s"])
    windows = sum(len(truth(site, tag)) // (50 * CAP) for tag in tags)
    assert searches(site) <= total + empty + 2 * windows + died * lists


def test_what_is_newer(tmp_path: Path) -> None:
    """--since-last asks for what is newer than the newest known, a page or two a tag."""
    tags = [f"{stem}100users入り" for stem in stems(SEED, 200, 3000, 6)]
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", listing=Listing(scale=0.5)) as site:
        config = write_collect(tmp_path, site, tags)
        assert command("collect", config).code == 0
        old = collected(tmp_path)
        asked = searches(site)
    newer = Listing(scale=0.5, new_every=1)
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", listing=newer) as site:
        config = write_collect(tmp_path, site, tags)
        ended = command("collect", config, "--since-last")
        assert ended.code == 0, ended.err
        assert searches(site) <= 2 * len(tags) < asked
    new = collected(tmp_path)
    assert new[: len(old)] == old
    assert len(new) > len(old)


def test_dates_and_ratings(tmp_path: Path, site: Any) -> None:
    """`since` and `until` are inclusive days; all-ages only unless asked for; partial match finds more."""
    tag = f"{stems(SEED, 3000, 9000, 1)[0]}100users入り"
    first, last = "2014-05-01", "2019-03-31"
    config = write_collect(tmp_path, site, [tag], f'since = "{first}"\nuntil = "{last}"')
    assert command("collect", config).code == 0
    dated = set(collected(tmp_path))
    assert dated == truth(site, tag, since=first, until=last) != truth(site, tag)
    assert (
        command("collect", config, "--collect.since", "", "--collect.until", "", "--collect.match", "partial").code == 0
    )
    assert set(collected(tmp_path)) == truth(site, tag, match="partial") | dated


def test_a_site_that_holds_back(tmp_path: Path) -> None:
    """Searches that go too fast are answered with empty lists for a while: waited out, and nothing is lost."""
    tags = [f"{stem}100users入り" for stem in stems(SEED, 300, 3000, 6)]
    limits = Limits(search_rate=12, search_bucket=15, block_s=0.4)
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", listing=Listing(scale=0.5), limits=limits) as site:
        config = write_collect(tmp_path, site, tags, wait=0.5)
        ended = command("collect", config)
        assert ended.code == 0, ended.err
        assert site.seen.faults["search_limited"] > 0
        assert set(collected(tmp_path)) == set[int]().union(*(truth(site, tag) for tag in tags))


def test_interrupted_once(tmp_path: Path) -> None:
    """The first SIGINT finishes what is in flight and exits 130; the next run goes on at the page."""
    tags = [f"{stem}100users入り" for stem in stems(SEED, 1000, 6000, 3)]
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", latency_s=0.02, listing=Listing(scale=0.5)) as site:
        config = write_collect(tmp_path, site, tags)
        process = popen([*CRAWLER, "collect", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while searches(site) < 12:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert b"crawler collect" in out
        half = searches(site)
        assert log_of(tmp_path)[-1]["event"] == "closed"
        assert command("collect", config).code == 0
        assert set(collected(tmp_path)) == set[int]().union(*(truth(site, tag) for tag in tags))
        assert half < least(site, tags)
        assert searches(site) == least(site, tags)


LONG = pytest.mark.long


@pytest.mark.parametrize(
    "point",
    [
        "mid-write-log:3",
        "mid-write-folder:2",
        *(
            pytest.param(point, marks=LONG)
            for point in (
                "before-write-log:1",
                "after-write-log:4",
                "before-sync-log:2",
                "after-sync-log:5",
                "before-write-closed",
                "after-write-closed",
                "before-write-folder",
                "before-replace-folder",
                "after-replace-folder",
            )
        ),
    ],
)
def test_killed_at_a_named_step(tmp_path: Path, point: str) -> None:
    """SIGKILL at any step towards the disk: the next run ends with the same list, and a page or two asked again."""
    tags = [f"{stem}100users入り" for stem in stems(SEED, 300, 2000, 2)]
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", listing=Listing(scale=0.5)) as site:
        config = write_collect(tmp_path, site, tags, durability="fsync")
        died = command("collect", config, env={"CRAWLER_FAILPOINT": point})
        assert died.code == -signal.SIGKILL, (died.code, died.err)
        ended = command("collect", config)
        assert ended.code == 0, ended.err
        assert set(collected(tmp_path)) == set[int]().union(*(truth(site, tag) for tag in tags))
        judge_log(tmp_path)
        assert searches(site) <= least(site, tags) + 2


def test_other_limits_while_it_runs(tmp_path: Path) -> None:
    """SIGHUP: [limits] is read again, and obeyed at once; a rate is kept to."""
    tags = [f"{stem}100users入り" for stem in stems(SEED, 1000, 3000, 2)]
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", listing=Listing(scale=0.5)) as site:
        config = write_collect(tmp_path, site, tags)
        text = config.read_text()
        config.write_text(text.replace("[limits.api]\nrate = 0", "[limits.api]\nrate = 2"))
        process = popen(
            [*CRAWLER, "collect", str(config), "--progress", "none"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        while searches(site) < 2:
            time.sleep(0.005)
        began, before = time.monotonic(), searches(site)
        time.sleep(0.7)
        assert searches(site) - before <= 5 + 2 * (time.monotonic() - began)  # without the rate: hundreds
        config.write_text(text)
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert b"The limits were read again." in err
        assert set(collected(tmp_path)) == set[int]().union(*(truth(site, tag) for tag in tags))
