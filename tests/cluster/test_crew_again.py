"""What an earlier run left, asked again: seeds, rechecks, works whose images moved, manifests, plain URLs."""

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from crew_kit import Cluster, settings_of, some_ids
from judge import files, judge, judge_lines, lines, write_config

from crawler.api import Recheck, crawl
from crawler.assembly import Wishes
from crawler.cli.loading import load
from crawler.origin.server import origin_thread
from crawler.origin.work import Mix

FEW_DEAD = Mix(dead=0.25, sanity=0.15)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """Two stand-ins that differ in everything: the second is the first one, edited a day later."""
    ca = tmp_path_factory.mktemp("ca")
    with (
        origin_thread(seed=7, profile="none", ca_dir=ca / "1", mix=FEW_DEAD) as first,
        origin_thread(seed=8, profile="none", ca_dir=ca / "2", mix=replace(FEW_DEAD, edited_h=24)) as second,
    ):
        yield first, second


def standing(root: Path) -> list[dict[str, Any]]:
    """The lines that hold, without what an earlier answer told of works that are gone."""
    mine = lines(root)
    voided = {(v["line"]["log"], v["line"]["seq"]) for v in mine if v["event"] == "voided"}
    hold = [line for line in mine if (line["log"], line["seq"]) not in voided]
    gone = {line["id"] for line in hold if line["event"] == "gone"}
    return [line for line in hold if line["event"] == "gone" or line.get("id") not in gone]


def test_nothing_that_one_process_knew_is_asked_again(tmp_path: Path, worlds: tuple[Any, Any]) -> None:
    """A run by one process is drained in the middle of its works; a cluster goes on with every one of them."""
    first, _ = worlds
    ids = some_ids(40, seed=21)
    settings = settings_of(tmp_path, first, ids, {"limits.images.rate": "8"})
    before = dict(first.seen.requests)

    async def begin() -> Any:
        async with crawl(settings) as run:
            had = 0
            async for event in run:
                had += event.event == "stored"
                if had > 6:
                    break
        return run.outcome

    partly = asyncio.run(begin())
    unfinished = partly.snapshot.pending
    assert unfinished > 3
    outcome = asyncio.run(Cluster(settings_of(tmp_path, first, ids), ttl_s=30).run(2))
    assert outcome.code == 0, outcome.text
    judge(first.world, tmp_path / "out", ids)
    fresh = {key: asked - before.get(key, 0) for key, asked in first.seen.requests.items()}
    twice = [key for key, asked in fresh.items() if asked > 1 and key[1] != "/robots.txt"]
    broken = [(host, path) for host, path in twice if first.world.asset(host, path).status != 200]
    assert twice == broken, "an original that is broken for good is asked for as often as retry.attempts says"


def test_works_whose_images_moved(tmp_path: Path, worlds: tuple[Any, Any]) -> None:
    """Described, not fetched, and edited before the next run: the driver describes them once more."""
    first, second = worlds
    ids = some_ids(24, seed=22)
    settings = settings_of(tmp_path, first, ids)

    async def describe() -> None:
        async with crawl(settings, images=False) as run:
            await run.wait()

    asyncio.run(describe())
    described = {line["id"] for line in lines(tmp_path / "out") if line["event"] == "described"}
    assert len(described) > 8
    outcome = asyncio.run(Cluster(settings_of(tmp_path, second, ids)).run(2))
    assert outcome.code == 0, outcome.text
    root = tmp_path / "out"
    mine = [line for line in standing(root) if line.get("id") in described]
    judge_lines(second.world, root, mine, described, beside=files(root) - {x["path"] for x in mine if "path" in x})


def test_a_recheck_is_the_drivers_own(tmp_path: Path, worlds: tuple[Any, Any]) -> None:
    """What is gone is asked for again, by the driver, in the main log."""
    first, second = worlds
    ids = some_ids(40, seed=23)
    settings = settings_of(tmp_path, first, ids)
    assert asyncio.run(Cluster(settings).run(1)).code == 0
    gone = {line["id"] for line in lines(tmp_path / "out") if line["event"] == "gone" and line["reason"] == "not_found"}
    assert gone
    again = Cluster(settings_of(tmp_path, second, ids))
    again.wishes = Wishes(Recheck("gone"))
    before = second.seen.total
    outcome = asyncio.run(again.run(1))
    assert outcome.code == 0, outcome.text
    assert outcome.snapshot.again_done >= len(gone)
    assert second.seen.total > before
    for id in gone:
        expected = second.world.expected(id)
        events = {line["event"] for line in standing(tmp_path / "out") if line.get("id") == id}
        assert ("gone" in events) == (expected.outcome == "gone" or expected.x_restrict > 0), id


def test_plain_urls_and_manifests(tmp_path: Path, worlds: tuple[Any, Any]) -> None:
    """A list of URLs, and a manifest that wants some pages of each work: exactly those."""
    first, _ = worlds
    urls = [f"https://i.pximg.net/plain/{n}.{'jpg' if n % 2 else 'png'}" for n in range(40)]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    config = write_config(tmp_path, first, 'kind = "urls"\npath = "urls.txt"')
    outcome = asyncio.run(Cluster(load(config, {}, {}).settings).run(2))
    assert outcome.code == 0, outcome.text
    had = {line["url"]: line["sha256"] for line in lines(tmp_path / "out") if line["event"] == "stored"}
    for url in urls:
        expected = first.world.expected_url(url)
        assert had.get(url) == (None if expected.outcome == "gone" else expected.images[0].sha256)

    wanted, dice = [], random.Random(3)
    for id in some_ids(30, seed=24):
        expected = first.world.expected(id)
        if expected.outcome != "gone" and expected.x_restrict == 0:
            some = dice.sample(sorted(expected.images, key=str), max(1, len(expected.images) // 2))
            wanted += [{"id": id, "page": page, "sha256": expected.images[page].sha256} for page in some]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, wanted)))
    config = write_config(tmp_path, first, 'kind = "manifest"\npath = "manifest.jsonl"')
    outcome = asyncio.run(Cluster(load(config, {"output.dir": str(tmp_path / "chosen")}, {}).settings).run(2))
    assert outcome.code == 0, outcome.text
    got = {
        (line["id"], line["page"]): line["sha256"] for line in lines(tmp_path / "chosen") if line["event"] == "stored"
    }
    assert got == {(one["id"], one["page"]): one["sha256"] for one in wanted}
