"""The real data set's own lists against the stand-in at its harshest, in samples large enough to mean something."""

import csv
import random
from pathlib import Path
from typing import Any

import pytest
from judge import command, judge, lines, no_request_unexplained, status, write_config

from crawler.origin.server import origin_thread

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def crawled_twice(tmp_path: Path, origin: Any, source: str) -> None:
    """Exit 0, and a second run that asks at most for a robots.txt."""
    config = write_config(tmp_path, origin, source)
    first = command("run", config, "--progress", "none", timeout=800)
    assert first.code == 0, first.err
    assert origin.seen.violations == {}, origin.seen.examples
    no_request_unexplained(origin, "harsh")
    before = origin.seen.total
    assert command("run", config, "--progress", "none").code == 0
    assert origin.seen.total - before <= 1


def test_five_thousand_popular_ids(tmp_path: Path, shared: Path) -> None:
    """Every expected image byte for byte, every outcome right, and no more requests than faults explain."""
    listed = (shared / "data" / "popular_pixiv_image_ids.txt").read_text().split()
    ids = [int(id) for id in random.Random(2).sample(listed, 5000)]
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    with origin_thread(seed=11, profile="harsh", ca_dir=tmp_path, stall_s=3.0, retry_after_s=0) as origin:
        crawled_twice(tmp_path, origin, 'path = "ids.txt"')
        outcomes = judge(origin.world, tmp_path / "out", ids)
    assert outcomes["done"] > 3000
    told = status(tmp_path / "out")
    assert (told["listed"], told["pending"], told["failed"]) == (5000, 0, 0)


def test_a_thousand_pairs(tmp_path: Path, shared: Path) -> None:
    """Both columns of the pair list, each id once."""
    with (shared / "data" / "colored_sketch_pair.csv").open() as file:
        rows = list(csv.reader(file))[:1000]
    with (tmp_path / "pairs.csv").open("w") as file:
        csv.writer(file).writerows(rows)
    with origin_thread(seed=12, profile="harsh", ca_dir=tmp_path, stall_s=3.0, retry_after_s=0) as origin:
        crawled_twice(tmp_path, origin, 'kind = "pairs"\npath = "pairs.csv"')
        judge(origin.world, tmp_path / "out", [int(id) for row in rows for id in row])


def test_a_thousand_urls(tmp_path: Path) -> None:
    """Plain image URLs on eight hosts: each is there byte for byte, or gone."""
    urls = [f"https://img{n % 8}.example/plain/{n}.{('jpg', 'png', 'gif')[n % 3]}" for n in range(1000)]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    with origin_thread(seed=13, profile="harsh", ca_dir=tmp_path, stall_s=3.0, retry_after_s=0) as origin:
        crawled_twice(tmp_path, origin, 'kind = "urls"\npath = "urls.txt"')
        stored = {line["id"]: line["sha256"] for line in lines(tmp_path / "out") if line["event"] == "stored"}
        expected = {e.id: e.images[0].sha256 for e in map(origin.world.expected_url, urls) if e.outcome == "done"}
    assert stored == expected
    assert status(tmp_path / "out")["done"] == len(expected) > 700
