"""Runs into an object store, as their users have them: the command, a real S3 server, the stand-in site over TLS."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from judge import command, judge, lines, status, write_config
from s3_kit import S3
from starter import CRAWLER, popen

from crawler.origin.server import origin_thread

WORKS = 100
COUNTS = ("listed", "done", "gone", "failed", "pending", "images", "bytes")


@pytest.fixture
def flaky(tmp_path: Path) -> Iterator[Any]:
    """A stand-in with the faults of an ordinary day."""
    with origin_thread(seed=7, profile="flaky", ca_dir=tmp_path / "ca", stall_s=3.0, retry_after_s=0) as origin:
        yield origin


def some_ids(count: int) -> list[int]:
    return random.Random(11).sample(range(258, 61_897_803), count)


def config_of(folder: Path, origin: Any, ids: list[int], address: str, extra: str = "") -> Path:
    """A config that writes to an address, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "ids.txt").write_text("\n".join(map(str, ids)))
    config = write_config(folder, origin, 'path = "ids.txt"', extra)
    config.write_text(config.read_text().replace('dir = "out"', f'dir = "{address}"\npublish_s = 0.3'))
    return config


def download(s3: S3, address: str, to: Path) -> Path:
    """All that lies under an address, as an outsider reads it, in a folder that `judge` takes for a run's."""
    for key in s3.objects(address):
        path = to / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.read(address, key))
    (to / ".crawl" / "parts").mkdir(parents=True, exist_ok=True)
    return to


def start(config: Path) -> subprocess.Popen[str]:
    return popen([*CRAWLER, "run", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def home_of(config: Path) -> Path:
    """The one work folder beside a config."""
    (home,) = (config.parent / ".crawl").iterdir()
    return home


def same_as_a_folder(tmp_path: Path, s3: S3, origin: Any, count: int) -> None:
    ids = some_ids(count)
    address = f"s3://tests/{tmp_path.name}/same"
    config = config_of(tmp_path / "a", origin, ids, address)
    ran = command("run", config, timeout=600)
    assert ran.code == 0, ran.err
    left = download(s3, address, tmp_path / "left")
    outcomes = judge(origin.world, left, ids)
    assert outcomes["done"] > count / 2
    config = config_of(tmp_path / "b", origin, ids, "out")
    folder = command("run", config, timeout=600)
    assert folder.code == 0, folder.err
    told, there = status(tmp_path / "b" / "out"), status(left)
    assert [told[name] for name in COUNTS] == [there[name] for name in COUNTS]
    assert judge(origin.world, tmp_path / "b" / "out", ids) == outcomes
    pieces = sorted(key for key in s3.objects(address) if key.startswith("log/"))
    assert b"".join(s3.read(address, key) for key in pieces) == (left / "log.jsonl").read_bytes()
    asked = origin.seen.total
    assert command("run", tmp_path / "a" / "crawl.toml").code == 0
    assert origin.seen.total == asked


def test_the_same_as_in_a_folder(tmp_path: Path, s3: S3, flaky: Any) -> None:
    """Images, counts and log are those of a run into a folder; a second run asks nothing."""
    same_as_a_folder(tmp_path, s3, flaky, WORKS)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_thousand_works_are_the_same_as_in_a_folder(tmp_path: Path, s3: S3, flaky: Any) -> None:
    """As above, with 2,000 works."""
    same_as_a_folder(tmp_path, s3, flaky, 2000)


def test_the_server_is_killed(tmp_path: Path, s3: S3, flaky: Any) -> None:
    """SIGKILL of the store in the middle of a run, and a start some seconds later: nobody notices, nothing is lost."""
    own = S3(tmp_path / "server")
    own.start()
    own.client().create_bucket(Bucket="tests")
    os.environ.update(own.env)  # those of the fixture come back with it
    try:
        ids = some_ids(50)
        config = config_of(tmp_path / "a", flaky, ids, "s3://tests/killed")
        process = start(config)
        wait_for(lambda: len(own.objects("s3://tests/killed")) > 30, process)
        own.kill()
        time.sleep(1.5)
        own.start()
        _, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        judge(flaky.world, download(own, "s3://tests/killed", tmp_path / "left"), ids)
        assert sum(count > 1 for count in stored_of(tmp_path / "left").values()) == 0
    finally:
        own.kill()
        os.environ.update(s3.env)


def stored_of(root: Path) -> Counter[tuple[Any, Any]]:
    return Counter((line["id"], line["page"]) for line in lines(root) if line["event"] == "stored")


def published_at(s3: S3, address: str) -> bytes:
    """The pieces of the log that lie in a bucket."""
    return b"".join(s3.read(address, key) for key in sorted(s3.objects(address)) if key.startswith("log/"))


def test_the_machine_is_lost(tmp_path: Path, s3: S3, flaky: Any) -> None:
    """SIGKILL, and another machine goes on with the config alone: nothing is lost that had been published.

    What was asked for twice is what was stored since the last piece of the log.
    """
    ids = some_ids(WORKS)
    address = f"s3://tests/{tmp_path.name}/lost"
    config = config_of(tmp_path / "a", flaky, ids, address)
    process = start(config)
    wait_for(lambda: b'"event":"stored"' in published_at(s3, address), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    published = published_at(s3, address).splitlines()
    old = [json.loads(line) for line in published]
    known = {(line["id"], line["page"]) for line in old if line["event"] == "stored"}
    here = {(line["id"], line["page"]) for line in lines(home_of(config)) if line["event"] == "stored"}
    assert known <= here
    assert known

    shutil.copytree(tmp_path / "a", tmp_path / "other", ignore=shutil.ignore_patterns(".crawl"))
    shutil.rmtree(tmp_path / "a")
    ran = command("run", tmp_path / "other" / "crawl.toml")
    assert ran.code == 0, ran.err
    left = download(s3, address, tmp_path / "left")
    judge(flaky.world, left, ids)
    assert (left / "log.jsonl").read_bytes().splitlines()[: len(published)] == published
    assert {key: count for key, count in stored_of(left).items() if count > 1} == {}
    again = {(line["id"], line["page"]) for line in lines(left)[len(published) :] if line["event"] == "stored"}
    assert not again & known


def test_a_second_run_is_refused(tmp_path: Path, s3: S3, flaky: Any) -> None:
    """While one writes to a prefix another one ends with 2, says who it is, and asks nothing of any site."""
    address = f"s3://tests/{tmp_path.name}/two"
    config = config_of(tmp_path / "a", flaky, some_ids(WORKS), address, extra="")
    process = start(config)
    wait_for(lambda: any(key.startswith("images/") for key in s3.objects(address)), process)
    second = command("run", config_of(tmp_path / "b", flaky, some_ids(3), address))
    assert second.code == 2
    assert f"process {process.pid} on" in second.err
    assert "Nothing was changed" in second.err
    _, err = process.communicate(timeout=100)
    assert process.returncode == 0, err


def test_an_edited_work(tmp_path: Path, s3: S3) -> None:
    """Bytes that a re-check replaces are kept under .crawl/replaced of the prefix."""
    address = f"s3://tests/{tmp_path.name}/edited"
    ids = some_ids(20)
    old = ""
    for seed in (7, 8):
        with origin_thread(seed=seed, profile="none", ca_dir=tmp_path / "ca") as origin:
            config = config_of(tmp_path / "a", origin, ids, address)
            ran = command("run", config, "--recheck", "all")
            assert ran.code in (0, 3, 4), ran.err
        if not old:
            before = {key: size for key, size in s3.objects(address).items() if key.startswith("images/")}
            old = next(iter(before))
            bytes_before = s3.read(address, old)
    after = s3.objects(address)
    kept = [key for key in after if key.startswith(".crawl/replaced/")]
    assert kept
    assert [key for key in after if key.startswith(".crawl/replacing/")] == []
    digest = hashlib.sha256(bytes_before).hexdigest()
    assert old in after or any(digest[:16] in key for key in kept)


def test_what_cannot_be_reached_is_said_before_anything_is_asked(tmp_path: Path, s3: S3, flaky: Any) -> None:
    """Wrong credentials: exit 7, and no request to the site."""
    config = config_of(tmp_path / "a", flaky, some_ids(3), "s3://tests/nobody")
    ran = command("run", config, env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert ran.code == 7
    assert "AWS_*" in ran.err
    assert flaky.seen.total == 0


def test_the_extra_is_named(tmp_path: Path, flaky: Any) -> None:
    """Without obstore: exit 2, the line of the config, and what to install."""
    config = config_of(tmp_path / "a", flaky, some_ids(3), "s3://tests/x")
    code = (
        "import sys, importlib.util as u; f = u.find_spec; "
        "u.find_spec = lambda n, *a: None if n == 'obstore' else f(n, *a); "
        f"from crawler.cli.main import main; sys.exit(main(['run', {str(config)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "output.dir: object stores need the extra [s3]" in done.stderr


def test_a_mistaken_endpoint_is_told_soon(tmp_path: Path, flaky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there: said within seconds, exit 7, before anything is asked of the site."""
    monkeypatch.setattr("crawler.assembly.HELLO_S", 0.5)
    for name, value in {"ENDPOINT_URL": "http://127.0.0.1:9", "ALLOW_HTTP": "true", "ACCESS_KEY_ID": "k"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    from crawler.cli.main import main

    config = config_of(tmp_path / "a", flaky, some_ids(3), "s3://tests/nobody")
    before = time.monotonic()
    assert main(["run", str(config), "-q"]) == 7
    assert time.monotonic() - before < 15  # what one waits for a store that only may be there
    assert flaky.seen.total == 0


def test_a_damaged_work_folder(tmp_path: Path, s3: S3, flaky: Any) -> None:
    """Its log is set aside by verify --repair, and the next run fetches what was published; nothing is asked."""
    address = f"s3://tests/{tmp_path.name}/damaged"
    config = config_of(tmp_path / "a", flaky, some_ids(10), address)
    assert command("run", config).code == 0
    log = home_of(config) / "log.jsonl"
    good = log.read_bytes()
    log.write_bytes(good[:100] + b"?" + good[101:])
    asked = flaky.seen.total
    assert command("run", config).code == 7
    mended = command("verify", home_of(config), "--repair")
    assert mended.code == 0, mended.err + mended.out
    ended = command("run", config)
    assert ended.code == 0, ended.err
    assert log.read_bytes().startswith(good)
    assert flaky.seen.total == asked


def slow_run(config: Path) -> subprocess.Popen[str]:
    slow = ("--limits.images.rate", "5", "--limits.images.burst", "1")
    return popen([*CRAWLER, "run", str(config), *slow], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_interrupted_is_published(tmp_path: Path, s3: S3, flaky: Any) -> None:
    """After the first Ctrl-C all that was stored is in the store's log, and the prefix is free at once."""
    address = f"s3://tests/{tmp_path.name}/interrupted"
    config = config_of(tmp_path / "a", flaky, some_ids(WORKS), address)
    process = slow_run(config)
    wait_for(lambda: any(key.startswith("images/") for key in s3.objects(address)), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    left = download(s3, address, tmp_path / "left")
    assert lines(left)[-1]["event"] == "closed"
    assert {line["path"] for line in lines(left) if line["event"] == "stored"} == {
        key for key in s3.objects(address) if key.startswith("images/")
    }
    assert (left / "log.jsonl").read_bytes() == (home_of(config) / "log.jsonl").read_bytes()
    shutil.copytree(tmp_path / "a", tmp_path / "other", ignore=shutil.ignore_patterns(".crawl"))
    assert command("run", tmp_path / "other" / "crawl.toml").code == 0


@pytest.mark.long
def test_a_run_that_was_given_up_stops(tmp_path: Path, s3: S3, flaky: Any) -> None:
    """A later writer has the prefix: this one ends with 2 at its next sign of life, and publishes nothing more."""
    address = f"s3://tests/{tmp_path.name}/given_up"
    process = slow_run(config_of(tmp_path / "a", flaky, some_ids(WORKS), address))
    wait_for(lambda: any(key.startswith("log/") for key in s3.objects(address)), process)
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    s3.client().put_object(Bucket=bucket, Key=f"{prefix}/.crawl/writers/00000002.json", Body=b"{}")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert "another crawler took over" in err
    assert "log.jsonl" not in s3.objects(address)
