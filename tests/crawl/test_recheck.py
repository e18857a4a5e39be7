"""Asking again: a world that was edited behind the crawler's back, and what `--recheck` makes of it.

An edit is played by two stand-ins of different seeds, the second a day later: to the same ids they give works that
appear, vanish, are hidden, change their pages and dates.
"""

import hashlib
import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from judge import command, files, judge_lines, lines, status, write_config
from starter import CRAWLER, popen

from crawler.origin.server import origin_thread
from crawler.origin.work import Mix

FEW_DEAD = Mix(dead=0.25, sanity=0.15)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """Two stand-ins that differ in everything."""
    ca = tmp_path_factory.mktemp("ca")
    with (
        origin_thread(seed=7, profile="none", ca_dir=ca / "1", mix=FEW_DEAD) as first,
        origin_thread(seed=8, profile="none", ca_dir=ca / "2", mix=replace(FEW_DEAD, edited_h=24)) as second,
    ):
        yield first, second


def crawled(folder: Path, origin: Any, count: int, seed: int = 1, extra: str = "") -> list[int]:
    """A finished crawl of some ids."""
    ids = random.Random(seed).sample(range(258, 61_897_803), count)
    (folder / "ids.txt").write_text("\n".join(map(str, ids)))
    ended = run(folder, origin, extra=extra)
    assert ended.code == 0, ended.err
    return ids


def run(folder: Path, origin: Any, *args: str, extra: str = "") -> Any:
    """Run the crawl in `folder` against `origin`."""
    return command("run", write_config(folder, origin, 'path = "ids.txt"', extra), *args)


def asked(origin: Any) -> Counter[tuple[str, str]]:
    """Requests seen so far."""
    return Counter(origin.seen.requests)


def works_asked(requests: Counter[tuple[str, str]]) -> set[int]:
    """The works that a question was put for."""
    paths = [path.split("/") for host, path in requests if host == "www.pixiv.net" and path.startswith("/ajax/illust/")]
    return {int(parts[3]) for parts in paths}


def replaced(root: Path, name: str = "replaced") -> dict[str, bytes]:
    """The old files that were kept."""
    folder = root / ".crawl" / name
    return {p.name: p.read_bytes() for p in folder.iterdir()} if folder.is_dir() else {}


def standing(root: Path) -> list[dict[str, Any]]:
    """The lines that hold; a torn tail, as after a kill, is none."""
    raw = (root / "log.jsonl").read_bytes()
    mine = [json.loads(line) for line in raw[: raw.rfind(b"\n") + 1].splitlines()]
    voided = {(v["line"]["log"], v["line"]["seq"]) for v in mine if v["event"] == "voided"}
    return [line for line in mine if (line["log"], line["seq"]) not in voided]


def strongest(root: Path) -> list[dict[str, Any]]:
    """The lines that hold, without what an earlier answer told of works that are gone."""
    hold = standing(root)
    gone = {line["id"] for line in hold if line["event"] == "gone"}
    return [line for line in hold if line["event"] == "gone" or line.get("id") not in gone]


def judge_second(first: Any, second: Any, root: Path, ids: list[int]) -> tuple[list[int], Counter[str]]:
    """After everything was asked again in the second world: works that we have and it has no more are kept, all others
    are as it says. Gives the ones kept, and what the judge counted of the others."""

    def alive(world: Any, id: int) -> bool:
        expected = world.expected(id)
        return expected.outcome != "gone" and expected.x_restrict == 0

    kept = [id for id in ids if alive(first, id) and not alive(second, id)]
    rest = [id for id in ids if id not in kept]
    hold = standing(root)
    mine = [line for line in hold if line.get("id") in set(kept)]
    others = [line for line in hold if line.get("id") not in set(kept)]
    paths = {line["path"] for line in mine if line["event"] == "stored"}
    outcomes = judge_lines(second, root, others, rest, beside=paths)
    counts = judge_lines(
        first, root, [line for line in mine if line["event"] != "gone"], kept, beside=files(root) - paths
    )
    assert counts["done"] == len(kept)
    assert {line["id"] for line in mine if line["event"] == "gone"} == set(kept)
    return kept, outcomes


@pytest.mark.long
def test_recheck_all_follows_an_edited_world(tmp_path: Path, worlds: tuple[Any, Any]) -> None:
    """Every listed work is as the second world has it, or kept where that has it no more; no old byte is lost."""
    first, second = worlds
    ids = crawled(tmp_path, first, 120)
    root = tmp_path / "out"
    before = {path: (root / path).read_bytes() for path in files(root)}
    ended = run(tmp_path, second, "--recheck", "all")
    assert ended.code == 0, ended.err
    kept, outcomes = judge_second(first.world, second.world, root, ids)
    assert min(len(kept), outcomes["done"], outcomes["not_found"], outcomes["restricted"]) > 5

    now = {path: (root / path).read_bytes() for path in files(root)}
    old = {path: data for path, data in before.items() if now.get(path) != data}
    assert len(old) > 20
    assert sorted(replaced(root).values()) == sorted(old.values())
    for path, data in old.items():
        stem, _, ext = path.rpartition("/")[2].rpartition(".")
        assert replaced(root)[f"{stem}.{hashlib.sha256(data).hexdigest()[:16]}.{ext}"] == data
    assert command("verify", root).code == 0
    told = status(root)
    edited = [id for id in ids if first.world.expected(id).images and second.world.expected(id).images]
    edited = [id for id in edited if id not in kept and first.world.expected(id).x_restrict == 0]
    assert told["changed"] == len(edited)
    assert told["done"] == len(kept) + outcomes["done"]

    requests = asked(second)
    assert run(tmp_path, second).code == 0
    assert asked(second) == requests
    assert run(tmp_path, second, "--recheck", "all", "--older-than", "1d").code == 0
    assert asked(second) == requests


def test_recheck_all_of_an_unchanged_world(tmp_path: Path, worlds: tuple[Any, Any]) -> None:
    """Nothing was edited: each work is described anew, and not one image is asked for."""
    first, _ = worlds
    ids = crawled(tmp_path, first, 60, seed=2)
    root = tmp_path / "out"
    before, told = asked(first), status(root)
    ended = run(tmp_path, first, "--recheck", "all")
    assert ended.code == 0, ended.err
    new = asked(first) - before
    assert works_asked(new) == set(ids)
    assert {host for host, path in new if path != "/robots.txt"} == {"www.pixiv.net"}
    judge_lines(first.world, root, standing(root), ids)
    assert status(root)["changed"] == 0
    assert {k: status(root)[k] for k in ("done", "gone", "images", "bytes")} == {
        k: told[k] for k in ("done", "gone", "images", "bytes")
    }
    assert replaced(root) == {}


@pytest.mark.parametrize("which", ["gone", "restricted"])
def test_recheck_asks_for_what_was_named_and_nothing_else(tmp_path: Path, worlds: tuple[Any, Any], which: str) -> None:
    """`gone` asks for all gone works, `restricted` for the hidden ones; the others are not asked for, whatever became
    of them. An answer that is the same is a fresh line, so that its age is known."""
    first, second = worlds
    ids = crawled(tmp_path, first, 100, seed=3)
    root = tmp_path / "out"
    gone = {line["id"]: line["reason"] for line in lines(root) if line["event"] == "gone"}
    chosen = {id for id, reason in gone.items() if which == "gone" or reason == "restricted"}
    assert 5 < len(chosen) < 95
    before = asked(second)
    dry = run(tmp_path, second, "--recheck", which, "--dry-run")
    assert f"recheck   {len(chosen)} works would be asked again" in dry.out
    assert asked(second) == before
    ended = run(tmp_path, second, "--recheck", which)
    assert ended.code == 0, ended.err
    assert f"{len(chosen)} to do" in ended.err
    new = asked(second) - before
    assert works_asked(new) == chosen
    hold = standing(root)
    paths = {line["path"] for line in lines(root) if line["event"] == "stored" and line["id"] not in chosen}
    mine = [line for line in hold if line.get("id") in chosen]
    outcomes = judge_lines(second.world, root, mine, chosen, beside=paths)
    assert min(outcomes["done"], outcomes["not_found"] + outcomes["restricted"]) > 0
    judge_lines(first.world, root, [x for x in hold if x not in mine], set(ids) - chosen, beside=files(root) - paths)
    assert status(root)["changed"] == 0
    assert replaced(root) == {}
    assert run(tmp_path, second, "--recheck", which, "--older-than", "2h").code == 0
    assert asked(second) - before == new
    assert command("verify", root).code == 0


def test_recheck_failed_asks_for_what_failed_for_good(tmp_path: Path) -> None:
    """Works of which an image failed for good are described anew, and the image is tried again; others are not."""
    lost, found = Mix(dead=0.1, lost=0.2), Mix(dead=0.1)
    with (
        origin_thread(seed=7, ca_dir=tmp_path / "1", mix=lost) as first,
        origin_thread(seed=7, ca_dir=tmp_path / "2", mix=found) as second,
    ):
        ids = random.Random(4).sample(range(258, 61_897_803), 60)
        (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
        root = tmp_path / "out"
        assert run(tmp_path, first).code == 3
        failed = {line["id"] for line in lines(root) if line["event"] == "failed"}
        assert len(failed) > 3
        before = asked(second)
        assert run(tmp_path, second).code == 3
        assert asked(second) == before
        ended = run(tmp_path, second, "--recheck", "failed")
        assert ended.code == 0, ended.err
        assert works_asked(asked(second) - before) == failed
        mine = [line for line in strongest(root) if line.get("id") in failed]
        others = {line["path"] for line in lines(root) if line["event"] == "stored" and line["id"] not in failed}
        judge_lines(second.world, root, mine, failed, beside=others)
        assert status(root)["failed"] == 0


def test_a_recheck_without_an_answer_changes_nothing(tmp_path: Path, worlds: tuple[Any, Any]) -> None:
    """When the site gives no answer for now, what was known stands, and exit 4 says to try again."""
    first, _ = worlds
    ids = crawled(tmp_path, first, 20, seed=5)
    root = tmp_path / "out"
    told = status(root)
    config = write_config(tmp_path, first, 'path = "ids.txt"')
    nobody = ["--network.resolve.www.pixiv.net", "127.0.0.1:9", "--retry.attempts", "1", "--network.robots", "ignore"]
    ended = command("run", config, "--recheck", "all", *nobody)
    assert ended.code in (4, 6), ended.err
    assert {k: status(root)[k] for k in ("done", "gone", "images")} == {k: told[k] for k in ("done", "gone", "images")}
    judge_lines(first.world, root, [x for x in standing(root) if x["event"] != "failed"], ids)


def test_plain_urls_are_asked_again(tmp_path: Path, worlds: tuple[Any, Any]) -> None:
    """Of site `urls` the bytes are all there is: `all` fetches them, keeps what is gone, replaces what changed."""
    first, second = worlds
    urls = [f"https://i.pximg.net/plain/{n}.{'jpg' if n % 2 else 'png'}" for n in range(40)]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    root = tmp_path / "out"

    def go(origin: Any, *args: str) -> Any:
        return command("run", write_config(tmp_path, origin, 'kind = "urls"\npath = "urls.txt"'), *args)

    assert go(first).code == 0
    old = {path: (root / path).read_bytes() for path in files(root)}
    assert go(first, "--recheck", "all").code == 0
    assert status(root)["changed"] == 0
    assert {path: (root / path).read_bytes() for path in files(root)} == old
    ended = go(second, "--recheck", "all")
    assert ended.code == 0, ended.err
    changed = 0
    stored = {x["id"]: x for x in standing(root) if x["event"] == "stored"}
    gone = {x["id"] for x in standing(root) if x["event"] == "gone"}
    for url in urls:
        one, two = first.world.expected_url(url), second.world.expected_url(url)
        best = two if two.outcome == "done" else one
        assert (two.outcome == "gone") == (two.id in gone)
        if best.outcome == "done":
            assert stored[two.id]["sha256"] == best.images[0].sha256
            assert hashlib.sha256((root / stored[two.id]["path"]).read_bytes()).hexdigest() == best.images[0].sha256
        changed += one.outcome == two.outcome == "done"
    assert {x["path"] for x in stored.values()} == files(root)
    assert status(root)["changed"] == changed > 10
    assert len(replaced(root)) == changed
    assert command("verify", root).code == 0


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)])
def test_a_recheck_killed_again_and_again(tmp_path: Path, worlds: tuple[Any, Any], seed: int) -> None:
    """Whatever moment it dies at, the next one ends where an uninterrupted one does, and no old byte is lost."""
    first, second = worlds
    ids = crawled(tmp_path, first, 60, seed=seed + 10, extra="[log]\ncommit_ms = 20")
    root, dice = tmp_path / "out", random.Random(seed)
    before = {path: (root / path).read_bytes() for path in files(root)}
    config = write_config(tmp_path, second, 'path = "ids.txt"', "[log]\ncommit_ms = 20")
    kills = 0
    for _ in range(3):
        start = second.seen.total
        with popen(
            [*CRAWLER, "run", str(config), "--recheck", "all", "-q"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            target = start + dice.randrange(1, 80)
            while second.seen.total < target and process.poll() is None:
                time.sleep(0.001)
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
        told = status(root)
        assert told["done"] + told["gone"] + told["pending"] + told["failed"] == len(ids)
    assert kills >= 2
    ended = run(tmp_path, second, "--recheck", "all")
    assert ended.code == 0, ended.err
    judge_second(first.world, second.world, root, ids)
    now = {path: (root / path).read_bytes() for path in files(root)}
    old = {data for path, data in before.items() if now.get(path) != data}
    assert old <= set(replaced(root).values())
    assert command("verify", root).code == 0


STEPS = (
    "before-link-folder:3",
    "after-link-folder:5",
    "mid-write-log:4",
    "after-write-log:4",
    "after-replace-image:3",
    "after-sync-log:4",
    "before-replace-folder:3",
    "after-replace-folder:2",
    "before-unlink-folder:1",
    "after-unlink-folder:1",
    "mid-write-log:9",
    "before-sync-log:6",
)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_recheck_killed_at_each_step(tmp_path: Path, worlds: tuple[Any, Any]) -> None:
    """One folder, killed at each step of putting the new in the place of the old: whatever the log says is on the
    disk, nothing else is but what no line names yet, and the end is that of an uninterrupted recheck."""
    first, second = worlds
    ids = crawled(tmp_path, first, 70, seed=21)
    root = tmp_path / "out"
    before = {path: (root / path).read_bytes() for path in files(root)}
    config = write_config(tmp_path, second, 'path = "ids.txt"', "[log]\ncommit_ms = 20")
    died = 0
    for step in STEPS:
        args = ("--recheck", "all", "-q", "--limits.works", "3", "--limits.api.rate", "60")
        ended = command("run", config, *args, env={"CRAWLER_FAILPOINT": step})
        died += ended.code == -signal.SIGKILL
        found = json.loads(command("verify", root, "--json").out)["found"]
        assert set(found) <= {"orphan"}, (step, found)
        now = {path: (root / path).read_bytes() for path in files(root)}
        stored = {line["path"]: line["sha256"] for line in standing(root) if line["event"] == "stored"}
        assert stored.keys() <= now.keys()
        everything = {*now.values(), *replaced(root).values(), *replaced(root, "replacing").values()}
        assert set(before.values()) <= everything, step
    assert died >= len(STEPS) - 2
    ended = run(tmp_path, second, "--recheck", "all")
    assert ended.code == 0, ended.err
    judge_second(first.world, second.world, root, ids)
    assert replaced(root, "replacing") == {}
    now = {path: (root / path).read_bytes() for path in files(root)}
    assert {data for path, data in before.items() if now.get(path) != data} <= set(replaced(root).values())
    assert command("verify", root).code == 0


def test_urls_of_an_edited_work_that_rotted(tmp_path: Path, worlds: tuple[Any, Any]) -> None:
    """A work that was described and not fetched, and edited before the next run: no image is where it was, so it is
    described once more, without any --recheck, and had as it is now; what is gone by then is gone."""
    first, second = worlds
    ids = random.Random(6).sample(range(258, 61_897_803), 60)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    root = tmp_path / "out"
    config = write_config(tmp_path, first, 'path = "ids.txt"')
    ended = command("run", config, "--network.resolve.i.pximg.net", "127.0.0.1:9", "--retry.attempts", "1")
    assert ended.code in (4, 6), ended.err
    described = {line["id"] for line in lines(root) if line["event"] == "described"}
    before = asked(second)
    ended = run(tmp_path, second)
    assert ended.code == 0, ended.err
    judge_lines(
        second.world,
        root,
        [line for line in strongest(root) if line.get("id") in described],
        described,
        beside=files(root) - {x["path"] for x in standing(root) if x["event"] == "stored" and x["id"] in described},
    )
    assert described <= works_asked(asked(second) - before)
    requests = asked(second)
    assert run(tmp_path, second).code == 0
    assert asked(second) == requests


@pytest.mark.parametrize(
    "args", [["--recheck", "some"], ["--older-than", "1d"], ["--recheck", "all", "--older-than", "soon"]]
)
def test_flags_that_make_no_sense(tmp_path: Path, worlds: tuple[Any, Any], args: list[str]) -> None:
    """Exit 2 with the flag's name, and no request."""
    (tmp_path / "ids.txt").write_text("1234\n")
    before = worlds[0].seen.total
    ended = run(tmp_path, worlds[0], *args)
    assert ended.code == 2
    assert args[-2] in ended.err
    assert worlds[0].seen.total == before
