"""The data set's own 1,200 tags against the stand-in: the exact ids, killed on the way, hardly a request too many."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from collect_kit import collected, judge_log, least, log_of, searches, stems, truth, write_collect
from judge import command
from starter import CRAWLER, popen

from crawler.origin.listing import Listing
from crawler.origin.server import origin_thread

SEED = 2
KILLS = 20
LISTS = 4


def real_tags() -> list[str]:
    """The tags of the data set; where it is absent, as many made up ones, some of them above the cap."""
    path = Path(__file__).parents[3] / "shared" / "data" / "pixiv_bookmark_list.txt"
    if path.is_file():
        return [line for line in path.read_text("utf-8").splitlines() if line]
    names = stems(SEED, 200_000, 300_000, 3) + stems(SEED, 0, 60_000, 400)
    return [f"{name}{level}users入り" for name in names for level in (500, 1000, 5000)][:1200]


def run_killed(config: Path, origin: Any, pages: int) -> int:
    """Run, killed twenty times on the way, to its end; how often it was still running then."""
    dice = random.Random(SEED)
    targets = sorted(dice.randrange(pages) for _ in range(KILLS))
    died = 0
    for target in targets:
        process = popen(
            [*CRAWLER, "collect", str(config), "--progress", "none"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = searches(origin)
        while searches(origin) < max(target, before + 1) and process.poll() is None:
            time.sleep(0.002)
        died += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    ended = command("collect", config, timeout=3000)
    assert ended.code == 0, ended.err
    return died


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("killed", [False, True])
def test_the_real_tags(tmp_path: Path, killed: bool) -> None:
    """The exact id set, each once; at most 2 % above the least possible, besides kills and empty first pages."""
    lines = real_tags()
    tags: Sequence[str] = list(dict.fromkeys(line for line in lines if not line.startswith("#")))
    assert len(tags) > 1190
    with origin_thread(seed=SEED, ca_dir=tmp_path / "ca", listing=Listing(empty_share=0.002)) as origin:
        config = write_collect(tmp_path, origin, lines, lists=LISTS)
        pages = least(origin, tags)
        died = 0
        if killed:
            died = run_killed(config, origin, pages)
            assert died >= KILLS - 2
        else:
            ended = command("collect", config, timeout=3000)
            assert ended.code == 0, ended.err
        wanted = [truth(origin, tag) for tag in tags]
        assert max(map(len, wanted)) > 60_000
        assert set(collected(tmp_path)) == set[int]().union(*wanted)
        judge_log(tmp_path)
        empty = sum(1 for line in log_of(tmp_path) if line["event"] == "emptied" and line["wait_s"])
        most = 1.02 * pages + empty + died * LISTS
        print(f"{pages} pages at least, {searches(origin)} asked for, {empty} empty ones asked again, {died} kills")
        assert searches(origin) <= most
