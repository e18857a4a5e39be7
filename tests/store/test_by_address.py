"""status, tail, verify, report and export of a run in an object store, by its address, on a real S3 server."""

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judge import command, status, write_config
from s3_kit import S3
from starter import CRAWLER, popen

from crawler.origin.server import origin_thread

IDS = random.Random(5).sample(range(258, 61_897_803), 40)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path_factory.mktemp("ca")) as origin:
        yield origin


@pytest.fixture
def crawled(tmp_path: Path, s3: S3, world: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a finished run; caches are the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    address = f"s3://tests/{tmp_path.name}/run"
    ended = command("run", config_of(tmp_path, world, address))
    assert ended.code == 0, ended.err
    assert f"crawler verify {address}" in ended.out
    return address


def config_of(folder: Path, world: Any, address: str) -> Path:
    (folder / "ids.txt").write_text("\n".join(map(str, IDS)))
    config = write_config(folder, world, 'path = "ids.txt"')
    config.write_text(config.read_text().replace('dir = "out"', f'dir = "{address}"\npublish_s = 0.3'))
    return config


def as_path(address: str) -> Path:
    """`judge` takes paths; what it does with this one is to hand it to the command as it is."""
    return address  # type: ignore[return-value]


def test_status_and_tail(crawled: str, tmp_path: Path) -> None:
    """The counts and lines of the run, from any machine; asked again, they are those of the newest piece."""
    told = status(as_path(crawled))
    assert told["listed"] == told["done"] + told["gone"] == 40
    shown = command("status", crawled).out
    assert crawled in shown
    assert "not running, finished" in shown
    tail = command("tail", crawled, "-n", "3", "--json")
    lines = [json.loads(line) for line in tail.out.splitlines()]
    assert [line["event"] for line in lines][-1] == "closed"
    assert command("status", crawled, "--json").code == 0
    (work,) = (tmp_path / ".crawl").iterdir()
    assert status(work)["images"] == told["images"], "the work folder tells the same"


def test_a_run_that_is_on(tmp_path: Path, s3: S3, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pieces are seen as they come; `tail -f` goes on with them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    address = f"s3://tests/{tmp_path.name}/on"
    assert command("status", address).code == 2
    config = config_of(tmp_path, world, address)
    fast = config.read_text()
    config.write_text(fast.replace("[limits.images]\nrate = 0", "[limits.images]\nrate = 0.5"))
    run = popen([*CRAWLER, "run", str(config), "-q"])
    try:
        end = time.monotonic() + 60
        while command("status", address).code == 2:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert "not running" not in command("status", address).out
        config.write_text(fast)
        run.send_signal(signal.SIGHUP)  # it was slow enough to be seen while it is on, on any machine
        follow = popen(
            [*CRAWLER, "tail", address, "-f", "-n", "1000000", "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert follow.stdout is not None
        events = [json.loads(next(follow.stdout))["event"]]
        while events[-1] != "closed":
            events.append(json.loads(next(follow.stdout))["event"])
        follow.send_signal(signal.SIGINT)
        follow.communicate()
        assert events[0] == "opened"
        assert run.wait(60) == 0
    finally:
        run.kill()


def test_verify_finds_and_mends(crawled: str, tmp_path: Path, s3: S3, world: Any) -> None:
    """What is missing, cut, changed, or named by no line; --repair queues it, the next run fetches just that."""
    sound = command("verify", crawled, "--decode")
    assert sound.code == 0, sound.out
    images = sorted(key for key in s3.objects(crawled) if key.startswith("images/"))
    bucket, _, prefix = crawled.removeprefix("s3://").partition("/")
    client = s3.client()
    client.delete_object(Bucket=bucket, Key=f"{prefix}/{images[0]}")
    whole = s3.read(crawled, images[1])
    client.put_object(Bucket=bucket, Key=f"{prefix}/{images[1]}", Body=whole[:-1])
    whole = s3.read(crawled, images[2])
    client.put_object(Bucket=bucket, Key=f"{prefix}/{images[2]}", Body=whole[:-1] + bytes([whole[-1] ^ 1]))
    client.put_object(Bucket=bucket, Key=f"{prefix}/images/000/stranger.png", Body=b"?")
    told = json.loads(command("verify", crawled, "--json").out)
    assert told["directory"] == crawled
    assert told["found"] == {"missing": 1, "truncated": 1, "wrong_digest": 1, "orphan": 1}
    assert {problem["path"] for problem in told["problems"]} == {*images[:3], "images/000/stranger.png"}
    mended = command("verify", crawled, "--repair", "--json")
    assert mended.code == 0, mended.err
    repaired = json.loads(mended.out)["repaired"]
    assert (repaired["queued"], repaired["moved"], repaired["left"]) == (3, 3, 0)
    assert status(as_path(crawled))["images"] == len(images) - 3
    ended = command("run", tmp_path / "crawl.toml")
    assert ended.code == 0, ended.err
    lines = [json.loads(line) for line in s3.read(crawled, "log.jsonl").splitlines()]
    assert sorted(line["path"] for line in lines if line["event"] == "stored") == sorted(images + images[:3])
    assert command("verify", crawled).code == 0
    kept = {key for key in s3.objects(crawled) if key.startswith(".crawl/quarantine/")}
    assert len(kept) == 3


@pytest.mark.parametrize("to", ["webdataset", "imagefolder", "parquet", "manifest"])
def test_export_reads_and_writes(crawled: str, tmp_path: Path, s3: S3, to: str) -> None:
    """Out of an object store, and into one: the same bytes as an export of the same run in a folder."""
    there = tmp_path / "there"
    for key in s3.objects(crawled):
        if key.startswith("images/") or key == "log.jsonl":
            (there / key).parent.mkdir(parents=True, exist_ok=True)
            (there / key).write_bytes(s3.read(crawled, key))
    out = f"{crawled.rpartition('/')[0]}/export"
    for source, target in ((there, tmp_path / "a"), (crawled, tmp_path / "b"), (crawled, out)):
        ended = command("export", source, "--to", to, "--out", target)
        assert ended.code == 0, ended.err
    folder = {
        str(path.relative_to(tmp_path / "a")): path.read_bytes()
        for path in (tmp_path / "a").rglob("*")
        if path.is_file()
    }
    assert len(folder) >= 2
    for name, data in folder.items():
        if name.startswith("_"):  # names the source, and times
            assert (tmp_path / "b" / name).exists()
            continue
        assert (tmp_path / "b" / name).read_bytes() == data, name
        assert s3.read(out, name) == data, name
    assert folder.keys() == s3.objects(out).keys()
    again = command("export", crawled, "--to", to, "--out", out)
    assert again.code == 2
    assert "is not replaced" in again.err


def test_report(crawled: str, tmp_path: Path, s3: S3) -> None:
    """Into the prefix, or a folder; with the pictures."""
    ended = command("report", crawled)
    assert ended.code == 0, ended.err
    assert ended.out.strip() == f"{crawled}/report.html"
    page = s3.read(crawled, "report.html").decode()
    assert crawled in page
    assert "data:image/jpeg" in page
    assert any(key.startswith("report_tables/") for key in s3.objects(crawled))
    assert command("report", crawled, "--out", tmp_path / "r" / "page.html").code == 0
    assert (tmp_path / "r" / "page.html").is_file()


def test_what_is_for_folders_only_says_so(crawled: str) -> None:
    """purge, and addresses that are none."""
    ended = command("purge", crawled, "--gone")
    assert ended.code == 2
    assert "folders only" in ended.err
    assert command("status", "s3://").code == 2
