"""A crawl of 3,000 works, faults on the way, exported in every format and loaded by the real libraries; and kills."""

import csv
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from exports import Crawl, agree, exported, read, tree
from judge import command, judge, status, write_config

from crawler.origin.server import origin_thread
from crawler.sites.pixiv import work_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
WORKS = 3000
SMALL = ("--shard-mb", 2)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """What the real command left of 3,000 works of a site that errs now and then; judged by the site's own truth."""
    root = tmp_path_factory.mktemp("large")
    ids = random.Random(3).sample(range(258, 61_897_803), WORKS)
    (root / "ids.txt").write_text("\n".join(map(str, ids)))
    with (root / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(zip(ids[:40], ids[40:80], strict=True))
    with origin_thread(seed=5, profile="mild", ca_dir=root / "ca", stall_s=3.0) as origin:
        config = write_config(root, origin, 'path = "ids.txt"')
        for _ in range(3):
            ended = command("run", config, "-q", timeout=600)
            if ended.code != 4:
                break
        assert ended.code == 0, ended.err
        outcomes = judge(origin.world, root / "out", ids)
    assert outcomes["done"] > WORKS / 5
    return Crawl(root / "out", root / "out", root / "pairs.csv")


def whole(crawl: Crawl, told: dict[str, Any], rows: list[dict[str, Any]], *, zips: bool = True) -> None:
    """Counts and bytes are those of the log, as `status` has them, and of the manifest of the export."""
    agree(crawl, rows, zips=zips)
    log = status(crawl.works)
    left = [s["bytes"] for s in crawl.stored().values() if s["page"] == "zip" and not zips]
    assert len(rows) == told["totals"]["images"] == log["images"] - len(left)
    assert sum(row["bytes"] for row in rows) == log["bytes"] - sum(left)


def test_webdataset(large: Crawl, tmp_path: Path) -> None:
    """The webdataset library, every byte."""
    told = exported(large.works, "--to", "webdataset", "--out", tmp_path / "out", *SMALL)
    whole(large, told, read("webdataset", tmp_path / "out", tmp_path))
    assert len(told["shards"]) > 5


def test_a_training_loop(large: Crawl, tmp_path: Path) -> None:
    """Resized in processes: decoded, shuffled into batches as PyTorch code does, the same rows but for the zips."""
    out = tmp_path / "out"
    told = exported(large.works, "--to", "webdataset", "--resize", 64, "--format", "webp", "--out", out, *SMALL)
    rows = read("training", out, tmp_path)
    whole(large, told, rows, zips=False)
    assert all(row["shape"][:2] == [row["derived_height"], row["derived_width"]] for row in rows)
    assert all(min(row["shape"][:2]) <= 64 for row in rows)


@pytest.mark.parametrize("how", ["arrow", "duckdb"])
def test_parquet(large: Crawl, tmp_path: Path, how: str) -> None:
    """pyarrow and DuckDB: one row an image."""
    told = exported(large.works, "--to", "parquet", "--out", tmp_path / "out")
    whole(large, told, read(how, tmp_path / "out", tmp_path))


@pytest.mark.parametrize("to", ["parquet", "imagefolder"])
def test_hugging_face(large: Crawl, tmp_path: Path, to: str) -> None:
    """`datasets.load_dataset`: every picture's bytes, and the splits; no artist is in two of them."""
    images = ("--images", *SMALL, "--where", "page <> 'zip'") if to == "parquet" else ()
    splits = ("--splits", "train=.8,val=.15,test=.05")
    told = exported(large.works, "--to", to, *images, *splits, "--out", tmp_path / "out")
    rows = read(f"hf_{to}", tmp_path / "out", tmp_path)
    whole(large, told, rows, zips=False)
    parts = {(row["user_id"], row["split"]) for row in rows}
    assert len(parts) == len({user for user, _ in parts})
    names = {"train": "train", "val": "validation", "test": "test"}
    assert {(row["split"], row["part"]) for row in rows} == set(names.items())
    users = Counter(split for _, split in parts)
    for split, share in (("train", 0.8), ("val", 0.15), ("test", 0.05)):
        assert users[split] / len(parts) == pytest.approx(share, abs=0.04)


def test_where(large: Crawl, tmp_path: Path) -> None:
    """What a filter lets through is what Python says of the log, image for image."""
    works = {id: work_of(raw) for id, raw in large.described().items()}
    chosen = {k for k, s in large.stored().items() if works[s["id"]].bookmarks >= 100 and (s["width"] or 0) > 300}
    told = exported(
        *(large.works, "--to", "webdataset", "--where", "bookmarks >= 100", "--where", "width > 300"),
        *("--out", tmp_path / "out"),
    )
    assert {row["key"] for row in read("webdataset", tmp_path / "out", tmp_path)} == chosen
    assert told["totals"]["left_out"] == {"where": len(large.stored()) - len(chosen)}


def test_manifest_and_pairs(large: Crawl, tmp_path: Path) -> None:
    """The manifest names every image and is the same set as the crawl; of each pair there is a row."""
    exported(large.works, "--to", "manifest", "--out", tmp_path / "recipe")
    assert len((tmp_path / "recipe" / "manifest.jsonl").read_text().splitlines()) == len(large.stored())
    assert command("verify", large.works, "--against", tmp_path / "recipe" / "manifest.jsonl").code == 0
    exported(large.works, "--to", "pairs", "--pairs", large.pairs, "--out", tmp_path / "pairs")
    assert len((tmp_path / "pairs" / "pairs.jsonl").read_text().splitlines()) == 40


WAYS: dict[str, tuple[Any, ...]] = {
    "webdataset": ("--to", "webdataset", "--shard-mb", 1, "--splits", "train=.6,val=.4"),
    "parquet": ("--to", "parquet", "--images", "--shard-mb", 1),
    "imagefolder": ("--to", "imagefolder", "--copy"),
    "resized": ("--to", "webdataset", "--shard-mb", 0.3, "--resize", 96, "--format", "webp"),
    "manifest": ("--to", "manifest"),
}


@pytest.mark.parametrize("way", WAYS)
def test_killed_at_random(large: Crawl, tmp_path: Path, way: str) -> None:
    """Ten kills anywhere, each with another number of workers: never a torn shard, and at the end the same bytes."""
    plain, out = tmp_path / "plain", tmp_path / "out"
    began = time.monotonic()
    exported(large.works, *WAYS[way], "--out", plain)
    took = time.monotonic() - began
    dice = random.Random(way)
    kills = finished = 0
    for round in range(10):
        argv = ["export", large.works, *WAYS[way], "--out", out, "--jobs", 1 + round % 3]
        command = [sys.executable, "-m", "crawler", *map(str, argv)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(dice.uniform(0.3, 0.5 + took))
            except subprocess.TimeoutExpired:
                kills += 1
            process.send_signal(signal.SIGKILL)
        named = intact(out)
        assert named >= finished, "what was finished stays"
        finished = named
    assert kills
    exported(large.works, *WAYS[way], "--out", out)
    assert tree(out) == tree(plain)


def intact(out: Path) -> int:
    """Every file that has a final name is whole, by the manifest's digest where it is named there; how many are."""
    if not (out / "_manifest.json").exists():
        return 0
    told = json.loads((out / "_manifest.json").read_bytes())
    for shard in told["shards"]:
        path = out / shard.get("table", shard["name"])
        assert hashlib.sha256(path.read_bytes()).hexdigest() == shard["sha256"]
    unnamed = {p.name for p in out.glob("*.tar")} - {shard["name"] for shard in told["shards"]}
    assert len(unnamed) <= 2, "of each split at most the shard that was just finished"
    assert all((out / name).read_bytes().endswith(bytes(1024)) for name in unnamed)
    return len(told["shards"])
