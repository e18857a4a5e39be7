"""Laws of `crawler purge`: what was to go is gone from files, log and exports, and never comes back."""

import functools
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import tarfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from exports import Crawl, exported, manifest, tree
from judge import Ended, command, files, lines, status
from starter import CRAWLER, popen

from crawler.dataset import rewrite
from crawler.dataset.rewrite import Copies
from crawler.disk import Disk, Name
from crawler.sites.pixiv import work_of

WAYS: dict[str, tuple[str, ...]] = {
    "tars": ("--to", "webdataset", "--shard-mb", "1"),
    "parquet": ("--to", "parquet", "--images", "--shard-mb", "1"),
    "folder": ("--to", "imagefolder"),
    "pairs": ("--to", "pairs", "--table"),
    "pair tars": ("--to", "pairs", "--layout", "shards", "--match", "shape"),
    "recipe": ("--to", "manifest"),
}


@pytest.fixture
def works(crawl: Crawl, tmp_path: Path) -> Path:
    """A copy of the crawl that a test may change."""
    shutil.copytree(crawl.works, tmp_path / "works")
    return tmp_path / "works"


def some(crawl: Crawl, count: int) -> list[int]:
    return random.Random(3).sample(sorted({s["id"] for s in crawl.stored().values()}), count)


def purge(works: Path, *argv: object) -> Ended:
    ended = command("purge", works, *map(str, argv))
    assert ended.code == 0, ended.err
    return ended


def mentions(out: Path, ids: list[int]) -> list[str]:
    """Files of an export that still speak of a work."""
    found = []
    for path in (p for p in out.rglob("*") if p.is_file() and p.name != "_card.md"):
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                names = set(tar.getnames())
            found += [n for n in names if any(str(id) in n.partition(".")[0].split("_") for id in ids)]
        elif path.suffix == ".parquet":
            import pyarrow.parquet as pq

            rows = pq.read_table(path).to_pylist()
            held = {row["id"] for row in rows if "id" in row}
            held |= {row[side]["id"] for row in rows for side in ("colored", "sketch") if side in row}
            found += [path.name for id in ids if id in held]
        elif path.suffix == ".jsonl":
            for row in map(json.loads, path.read_text().splitlines()):
                held = {row.get("id"), *(row[s]["id"] for s in ("colored", "sketch") if s in row)}
                found += [path.name for id in ids if id in held]
        elif path.name != "_manifest.json":
            found += [path.name for id in ids if str(id) in path.stem.split("_")]
    return found


@pytest.mark.parametrize("most", [2, pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_works_are_taken_out(crawl: Crawl, works: Path, tmp_path: Path, most: int) -> None:
    """Files, standing lines and rows of all exports go; tombstones and the difference stay; the rest is untouched."""
    pages = Counter(stored["id"] for stored in crawl.stored().values())
    rows = [tuple(map(int, line.split(","))) for line in crawl.pairs.read_text().splitlines()]
    # Each page of the one work is compared with each of the other: of works with `most` pages that is soon done.
    rows = [row for row in rows if max(pages[id] for id in row) <= most][: 5 * most]
    (tmp_path / "pairs.csv").write_text("".join(f"{a},{b}\n" for a, b in rows))
    one = next(row for row in rows if min(pages[id] for id in row))
    ids = list(dict.fromkeys([one[0], *some(crawl, 12)]))[:12]
    paired = ("--pairs", tmp_path / "pairs.csv", "--jobs", "1")
    for name, way in WAYS.items():
        exported(works, *way, *(paired if "pairs" in way else ()), "--out", tmp_path / name)
        assert mentions(tmp_path / name, ids)
    before = status(works)
    kept = {p: d for p, d in tree(works / "images").items() if int(Path(p).name.partition("_")[0]) not in ids}
    (tmp_path / "ids.txt").write_text("\n".join([f"https://www.pixiv.net/artworks/{ids[0]}", *map(str, ids[1:])]))
    exports = [argument for name in WAYS for argument in ("--export", tmp_path / name)]
    told = json.loads(purge(works, "--ids", tmp_path / "ids.txt", "--json", *exports).out)
    assert told["works"] == 12
    assert all(told["exports"].values())

    assert tree(works / "images") == kept
    after = status(works)
    assert (after["done"], after["gone"]) == (before["done"] - 12, before["gone"] + 12)
    assert command("verify", works).code == 0
    stored = crawl.stored().values()
    difference = [json.loads(line) for line in (works / "purged.jsonl").read_text().splitlines()]
    assert {(d["id"], d["page"], d["sha256"]) for d in difference} == {
        (s["id"], s["page"], s["sha256"]) for s in stored if s["id"] in ids
    }
    for name, way in WAYS.items():
        assert mentions(tmp_path / name, ids) == [], name
        sums = manifest(tmp_path / name)
        assert sums["purged"] == told["exports"][str(tmp_path / name)]
        again = exported(
            *(works, *way, *(paired if "pairs" in way else ())),
            *("--out", tmp_path / f"{name} again"),
        )
        if "pairs" in way:
            assert (sums["status"]["both"], sums["doubt"]) == (again["status"]["both"], again["doubt"])
        else:
            assert sums["totals"]["images"] == again["totals"]["images"]


def test_by_artist_and_what_is_gone(crawl: Crawl, works: Path, tmp_path: Path) -> None:
    """All works of an artist go; --gone takes what the site no longer shows; a work never crawled never will be."""
    described = {id: work_of(raw).user_id for id, raw in crawl.described().items()}
    user = described[some(crawl, 1)[0]]
    (tmp_path / "users.txt").write_text(f"{user}\n")
    (tmp_path / "ids.txt").write_text("77\n")
    ended = purge(works, "--users", tmp_path / "users.txt", "--ids", tmp_path / "ids.txt", "--gone")
    gone = {line["id"] for line in lines(crawl.works) if line["event"] == "gone"}
    expected = {id for id, owner in described.items() if owner == user} | gone | {77}
    standing = {line["id"] for line in lines(works) if line["event"] == "gone" and line["reason"] == "purged"}
    assert standing == expected
    assert f"{len(expected)} works taken out" in ended.out
    assert not [path for path in files(works) if int(Path(path).name.partition("_")[0]) in expected]

    size = (works / "log.jsonl").stat().st_size
    purge(works, "--users", tmp_path / "users.txt", "--ids", tmp_path / "ids.txt", "--gone")
    assert (works / "log.jsonl").stat().st_size == size, "a second time says nothing new"


def test_plain_urls(crawl: Crawl, tmp_path: Path) -> None:
    """Images of plain URLs are taken out by their names."""
    shutil.copytree(crawl.urls, tmp_path / "plain")
    before = files(tmp_path / "plain")
    name = Path(sorted(before)[0]).stem
    (tmp_path / "ids.txt").write_text(name)
    exported(tmp_path / "plain", "--to", "webdataset", "--out", tmp_path / "out")
    purge(tmp_path / "plain", "--ids", tmp_path / "ids.txt", "--export", tmp_path / "out")
    assert len(files(tmp_path / "plain")) == len(before) - 1
    assert manifest(tmp_path / "out")["totals"]["images"] == len(before) - 1


def test_killed_purges(crawl: Crawl, works: Path, tmp_path: Path) -> None:
    """Killed anywhere, every shard is whole; purged again, all is as if it had not been killed."""
    ids = some(crawl, 30)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    exported(works, *WAYS["tars"], "--out", tmp_path / "tars")
    exported(works, *WAYS["folder"], "--copy", "--out", tmp_path / "folder")
    argv: tuple[Any, ...] = (works, "--ids", tmp_path / "ids.txt", "--export", tmp_path / "tars")
    argv = (*argv, "--export", tmp_path / "folder")
    dice = random.Random(5)
    for _ in range(4):
        with popen([*CRAWLER, "purge", *map(str, argv)], stderr=subprocess.DEVNULL) as process:
            time.sleep(dice.uniform(0.02, 0.6))
            process.send_signal(signal.SIGKILL)
        for path in (tmp_path / "tars").glob("*.tar"):
            assert path.read_bytes().endswith(bytes(1024))
    purge(*argv)
    for name in ("tars", "folder"):
        assert mentions(tmp_path / name, ids) == []
        told = manifest(tmp_path / name)
        assert told["totals"]["bytes"] == sum(shard["bytes"] for shard in told["shards"])
    assert command("verify", works).code == 0


class Dying(Disk):
    """Does nothing any more from its step number `left` on, as a process that is killed there."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        self._step()
        super().write(descriptor, data)

    def replace(self, source: Name, target: Name) -> None:
        self._step()
        super().replace(source, target)

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)


class Killed(BaseException):
    """Nothing that is purged may catch it."""


@pytest.mark.parametrize("name", ["tars", "parquet", "folder", "recipe"])
def test_killed_at_each_step(crawl: Crawl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """However far it came, the copies purged again are those, byte for byte, of a purge that was not killed."""
    ids = [Path(path).stem for path in sorted(files(crawl.urls))[:3]]
    exported(crawl.urls, *WAYS[name], *(("--copy",) if name == "folder" else ()), "--out", tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "whole")
    assert Copies(tmp_path / "whole").purge(ids) == 3
    wanted = tree(tmp_path / "whole")
    for steps in itertools.count():
        shutil.copytree(tmp_path / "out", tmp_path / "killed", copy_function=os.link)
        with monkeypatch.context() as patch, suppress(Killed):
            patch.setattr(rewrite, "Disk", functools.partial(Dying, steps))
            Copies(tmp_path / "killed").purge(ids)
            break
        Copies(tmp_path / "killed").purge(ids)
        assert tree(tmp_path / "killed") == wanted, steps
        shutil.rmtree(tmp_path / "killed")
    assert steps > 5


def test_mistakes(crawl: Crawl, works: Path, tmp_path: Path) -> None:
    """Told before anything is done, exit 2."""
    before = tree(works)
    (tmp_path / "bad.txt").write_text("1\n../x\n")
    (tmp_path / "good.txt").write_text(str(some(crawl, 1)[0]))
    (tmp_path / "empty").mkdir()
    for wrong in (
        ("--ids", tmp_path / "bad.txt"),
        ("--users", tmp_path / "bad.txt"),
        ("--ids", tmp_path / "none.txt"),
        ("--ids", tmp_path / "good.txt", "--export", tmp_path / "empty"),
        (),
    ):
        ended = command("purge", works, *wrong)
        assert ended.code == 2, wrong
        assert ended.err
    assert tree(works) == before
