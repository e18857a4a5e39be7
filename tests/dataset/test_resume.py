"""Laws of an export's writing: the same bytes each time, whole shards or none, and going on after a kill."""

import json
import os
import random
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from exports import Crawl, export, exported, manifest, tree
from starter import CRAWLER, popen

LONG = pytest.mark.long
SMALL = ("--shard-mb", 0.3)
SHAPE = ("--match", "shape")
WAYS: dict[str, tuple[Any, ...]] = {
    "webdataset": ("--to", "webdataset", *SMALL, "--splits", "train=.6,val=.4"),
    "parquet": ("--to", "parquet", "--images", *SMALL),
    "imagefolder": ("--to", "imagefolder", "--copy", "--splits", "train=.6,val=.4"),
    "resized": ("--to", "webdataset", "--shard-mb", 0.1, "--resize", 64, "--format", "jpeg"),
    "pairs": ("--to", "pairs", "--layout", "shards", *SMALL, "--splits", "a=.5,b=.5", "--table", *SHAPE),
    "side by side": ("--to", "pairs", "--splits", "a=.5,b=.5", *SHAPE),
    "by lines": ("--to", "pairs", "--splits", "a=.5,b=.5"),
}


def arguments(crawl: Crawl, way: str, out: Path) -> tuple[Any, ...]:
    listed = ("--pairs", crawl.pairs) if "pairs" in WAYS[way] else ()
    return (crawl.works, *WAYS[way], *listed, "--out", out)


@pytest.mark.parametrize("way", [pytest.param(way, marks=LONG if way == "by lines" else ()) for way in WAYS])
def test_the_same_bytes_each_time(crawl: Crawl, tmp_path: Path, way: str) -> None:
    """Two exports of the same are the same, byte for byte and name for name, with any number of workers."""
    exported(*arguments(crawl, way, tmp_path / "a"))
    before = os.umask(0o077)
    exported(*arguments(crawl, way, tmp_path / "b"), "--jobs", 1)
    os.umask(before)
    first = tree(tmp_path / "a")
    assert len(first) > 2
    assert first == tree(tmp_path / "b")


@pytest.mark.parametrize(
    "way",
    ["webdataset", "side by side", *(pytest.param(way, marks=LONG) for way in ("imagefolder", "resized", "by lines"))],
)
def test_killed_again_and_again(crawl: Crawl, tmp_path: Path, way: str) -> None:
    """Killed at random, what has a name is whole and what the manifest says; in the end all is as without a kill."""
    exported(*arguments(crawl, way, tmp_path / "whole"))
    out = tmp_path / "out"
    command = [*CRAWLER, "export", *map(str, arguments(crawl, way, out))]
    dice = random.Random(way)
    kills = 0
    for round in range(4):
        with popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            at = time.monotonic() + 20
            while process.poll() is None and time.monotonic() < at and not (out / ".export").exists():
                time.sleep(0.001)
            process.poll() is None and time.sleep(dice.uniform(0, 0.1 * round))
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
        sound(out)
    assert kills
    exported(*arguments(crawl, way, out))
    assert tree(out) == tree(tmp_path / "whole")


def sound(out: Path) -> None:
    """Nothing that has a name is torn."""
    if not (out / "_manifest.json").exists():
        return
    told = json.loads((out / "_manifest.json").read_bytes())
    for path in out.glob("*.tar"):
        with tarfile.open(path) as tar:
            assert len(tar.getmembers()) > 0
        assert path.read_bytes().endswith(bytes(1024))
    for shard in told["shards"]:
        assert shard["name"] in {p.name for p in out.iterdir()}
    for folder in out.glob("[a-z]*/"):
        named = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
        files = {v for row in named for k, v in row.items() if k.endswith("file_name")}
        assert files == {str(p.relative_to(folder)) for p in folder.rglob("*.*") if p.name != "metadata.jsonl"}


def test_done_is_done(crawl: Crawl, tmp_path: Path) -> None:
    """Once more, it says so and touches nothing; a shard that was lost since is made again."""
    command = arguments(crawl, "webdataset", tmp_path / "out")
    exported(*command)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    code, out, _ = export(*command)
    assert code == 0
    assert "was there already" in out
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()} == before
    first = tree(tmp_path / "out")
    (tmp_path / "out" / "val-000001.tar").unlink()
    exported(*command)
    assert tree(tmp_path / "out") == first


def test_another_export_is_not_overwritten(crawl: Crawl, tmp_path: Path) -> None:
    """A folder with something else in it is refused, in words that say what differs; --replace replaces."""
    out = tmp_path / "out"
    exported(*arguments(crawl, "webdataset", out))
    code, _, err = export(*arguments(crawl, "webdataset", out), "--where", "page = 0")
    assert code == 2
    assert "where" in err
    assert "--replace" in err
    exported(*arguments(crawl, "webdataset", out), "--where", "page = 0", "--replace")
    exported(*arguments(crawl, "imagefolder", out), "--replace")
    assert {p.name for p in out.iterdir()} == {"train", "val", "_manifest.json", "_card.md"}

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    code, _, err = export(*arguments(crawl, "webdataset", tmp_path / "mine"), "--replace")
    assert code == 2
    assert "thesis.txt" in err
    for inside in ("images/x", ".crawl/x", "."):
        assert export(*arguments(crawl, "webdataset", crawl.works / inside))[0] == 2


def test_a_manifest_cannot_name_what_is_not_its_own(crawl: Crawl, tmp_path: Path) -> None:
    """A manifest that names anything beyond its own folder is nobody's export: with --replace too it is left alone."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "out").mkdir()
    for name in ("../precious", "/nowhere", "..", "."):
        shards = [{"name": name, "split": "train", "bytes": 1}]
        (tmp_path / "out" / "_manifest.json").write_text(json.dumps({"format": 1, "shards": shards}))
        code, _, err = export(*arguments(crawl, "webdataset", tmp_path / "out"), "--replace")
        assert code == 2
        assert "not an export's manifest" in err
    assert (tmp_path / "precious").is_dir()


def test_files_that_are_not_as_the_log_says(crawl: Crawl, tmp_path: Path) -> None:
    """A file missing, cut off or changed is left out and counted, exit 3; the rest is exported."""
    shutil.copytree(crawl.works, tmp_path / "works")
    paths = sorted((tmp_path / "works" / "images").rglob("*.*"))
    paths[0].unlink()
    os.truncate(paths[1], 10)
    data = bytearray(paths[2].read_bytes())
    data[len(data) // 2] ^= 1
    paths[2].write_bytes(data)
    paths[3].unlink()
    paths[3].symlink_to(paths[4])
    for to in ("webdataset", "imagefolder"):
        code, out, _ = export(tmp_path / "works", "--to", to, "--out", tmp_path / to)
        assert code == 3
        assert "verify" in out
        left = manifest(tmp_path / to)["totals"]["left_out"]
        assert (left["missing"], left["changed"], left["unreadable"]) == (1, 2, 1)


def test_lines_that_no_longer_hold(crawl: Crawl, tmp_path: Path) -> None:
    """What the log voids is not exported, nor anything of a work that was purged; repeated lines count once."""
    import asyncio

    from crawler.disk import Disk
    from crawler.events import Gone, Voided
    from crawler.log.settings import LogSettings
    from crawler.log.writer import Log

    shutil.copytree(crawl.works, tmp_path / "works")
    rows = [json.loads(line) for line in (tmp_path / "works" / "log.jsonl").read_text().splitlines()]
    stored = [row for row in rows if row["event"] == "stored"]
    first, purged = stored[0], next(row for row in stored if row["id"] != stored[0]["id"])

    async def go() -> None:
        log = await Log.open(tmp_path / "works", LogSettings(), Disk(sync=False))
        log.note(Voided(first["log"], first["seq"], "test", first["id"]))
        log.note(Gone(purged["id"], "purged"))
        await log.close()

    asyncio.run(go())
    with (tmp_path / "works" / "log.jsonl").open("a") as log:
        lines = (crawl.works / "log.jsonl").read_text().splitlines(keepends=True)
        log.writelines(line for line in lines if '"event":"stored"' in line)
    exported(tmp_path / "works", "--to", "imagefolder", "--out", tmp_path / "out")
    table = (tmp_path / "out" / "train" / "metadata.jsonl").read_text().splitlines()
    got = [json.loads(line)["path"] for line in table]
    assert len(got) == len(set(got))
    expected = {r["path"] for r in stored if r["id"] != purged["id"] and r["seq"] != first["seq"]}
    assert set(got) == {path for path in expected if not path.endswith(".zip")}


def test_interrupted(crawl: Crawl, tmp_path: Path) -> None:
    """SIGTERM: exit 143, with a word on how to go on."""
    command = [*CRAWLER, "export", *map(str, arguments(crawl, "resized", tmp_path / "out"))]
    with popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (tmp_path / "out" / ".export").exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "goes on" in err
