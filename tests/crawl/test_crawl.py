"""The main job, as its user runs it: the installed command, a config file, the stand-in site over TLS."""

import csv
import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judge import api_requests, command, files, judge, lines, no_request_unexplained, status, write_config
from starter import CRAWLER, popen

from crawler.origin.limits import Limits
from crawler.origin.server import origin_thread
from crawler.rules.retry import BREAKER


@pytest.fixture(scope="module")
def harsh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in with every fault there is."""
    with origin_thread(
        seed=7, profile="harsh", ca_dir=tmp_path_factory.mktemp("ca"), stall_s=3.0, retry_after_s=0
    ) as origin:
        yield origin


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Any]:
    """A stand-in without faults, for one test."""
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca") as origin:
        yield origin


def some_ids(count: int, seed: int = 1) -> list[int]:
    return random.Random(seed).sample(range(258, 61_897_803), count)


def test_a_list_becomes_a_data_set(tmp_path: Path, harsh: Any) -> None:
    """Under every fault, each id ends as the world says, byte for byte; a second run asks nothing."""
    ids = some_ids(240)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    config = write_config(tmp_path, harsh, 'path = "ids.txt"')
    # Below the 3 s for which it stalls, above those for which a busy machine does.
    config.write_text(config.read_text().replace("idle_s = 1.5", "idle_s = 2.5"))
    first = command("run", config)
    assert first.code == 0, first.err
    outcomes = judge(harsh.world, tmp_path / "out", ids)
    assert outcomes["done"] > 120
    assert min(outcomes[o] for o in ("not_found", "restricted", "regular")) > 0
    told = status(tmp_path / "out")
    assert (told["listed"], told["pending"], told["failed"]) == (240, 0, 0)
    assert told["images"] == len(files(tmp_path / "out"))
    assert harsh.seen.violations == {}, harsh.seen.examples
    no_request_unexplained(harsh, "harsh")

    before = harsh.seen.total
    second = command("run", config)
    assert second.code == 0, second.err
    assert harsh.seen.total == before
    assert status(tmp_path / "out")["done"] == told["done"]


def test_no_request_too_many(tmp_path: Path, calm: Any) -> None:
    """One question for a single page, two for several or a ugoira, one request for each image, robots.txt once."""
    ids = some_ids(150, seed=2)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids * 2)))
    assert command("run", write_config(tmp_path, calm, 'path = "ids.txt"')).code == 0
    judge(calm.world, tmp_path / "out", ids)
    api_requests(calm.seen, calm.world, ids, faults=0)
    assert all(n == 1 for (_, path), n in calm.seen.requests.items() if path == "/robots.txt")


def test_pairs_and_urls(tmp_path: Path, calm: Any) -> None:
    """A pair list crawls both columns; a plain list of URLs needs no metadata, and a dead URL is an outcome."""
    ids = some_ids(60, seed=3)
    with (tmp_path / "pairs.csv").open("w") as file:
        csv.writer(file).writerows(zip(ids[:30], ids[30:], strict=True))
    assert command("run", write_config(tmp_path, calm, 'kind = "pairs"\npath = "pairs.csv"')).code == 0
    judge(calm.world, tmp_path / "out", ids)

    urls = [f"https://i.pximg.net/plain/{n}.{'jpg' if n % 2 else 'png'}" for n in range(80)]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    config = write_config(tmp_path, calm, 'kind = "urls"\npath = "urls.txt"')
    assert command("run", config, "--output.dir", tmp_path / "plain").code == 0
    judge_urls(calm.world, tmp_path / "plain", urls)


def judge_urls(world: Any, root: Path, urls: list[str]) -> None:
    stored = {line["id"]: line for line in lines(root) if line["event"] == "stored"}
    gone = {line["id"] for line in lines(root) if line["event"] == "gone"}
    wanted = set()
    for url in urls:
        expected = world.expected_url(url)
        if expected.outcome == "gone":
            assert expected.id in gone
            continue
        line = stored[expected.id]
        image = expected.images[0]
        assert (line["sha256"], line["page"], line["url"]) == (image.sha256, 0, url)
        assert line["path"] == f"images/{int(expected.id, 16) % 1000:03d}/{expected.id}.{image.ext}"
        wanted.add(line["path"])
    assert wanted == files(root)
    assert not [line for line in lines(root) if line["event"] == "described"]
    assert status(root)["done"] == len(wanted)


def test_standard_input_and_work_urls(tmp_path: Path, calm: Any) -> None:
    """Ids from a pipe, mixed with work URLs, duplicates and lines that are neither: those are told, not fatal."""
    ids = some_ids(12, seed=4)
    text = "\ufeff# mine\r\n" + "\r\n".join(
        [
            *(f"https://www.pixiv.net/en/artworks/{id}" for id in ids[:4]),
            *(f"https://www.pixiv.net/member_illust.php?mode=medium&illust_id={id}" for id in ids[4:8]),
            *map(str, ids[8:]),
            str(ids[0]),
            "",
            "no id",
        ]
    )
    ended = command("run", write_config(tmp_path, calm, 'path = "-"'), stdin=text)
    assert ended.code == 0
    assert "<stdin>:16: no id: " in ended.err
    judge(calm.world, tmp_path / "out", ids)


def test_filters_spare_requests(tmp_path: Path, calm: Any) -> None:
    """A filtered work is an outcome with the rule's name, and costs its one question only."""
    ids = some_ids(80, seed=5)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    config = write_config(tmp_path, calm, 'path = "ids.txt"', "[filter]\nmax_pages = 1\nkinds = ['illust']")
    assert command("run", config).code == 0
    rules = {line["id"]: line.get("rule") for line in lines(tmp_path / "out") if line["event"] == "gone"}
    for id in ids:
        expected = calm.world.expected(id)
        if expected.outcome != "gone" and expected.x_restrict == 0:
            assert (id in rules) == (expected.page_count > 1 or expected.kind != "illust")
    assert not [path for (_, path), _ in calm.seen.requests.items() if path.endswith(("/pages", "/ugoira_meta"))]


def test_a_session_goes_to_the_site_only(tmp_path: Path) -> None:
    """With a session the hidden works are had; the session reaches no image host, no file and no output."""
    secret = "12345_" + "s3cr3t" * 5 + "xy"
    ids = some_ids(120, seed=6)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    (tmp_path / "session").write_text(secret + "\n")
    (tmp_path / "session").chmod(0o600)
    with origin_thread(seed=7, profile="flaky", ca_dir=tmp_path / "ca", session=secret) as origin:
        extra = '[site]\nsession_file = "session"\n[filter]\nmax_x_restrict = 2'
        ended = command("run", write_config(tmp_path, origin, 'path = "ids.txt"', extra), "-v")
        assert ended.code == 0, ended.err
        judge(origin.world, tmp_path / "out", ids, session=True, x_restrict=2)
        assert origin.seen.violations == {}, origin.seen.examples
    assert secret not in ended.out + ended.err
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()


def test_a_refused_session_stops_the_run(tmp_path: Path) -> None:
    """401: exit 5 after a handful of requests, with words that help, and nothing of the session anywhere."""
    secret = "12345_" + "expired" * 4 + "abcd"
    (tmp_path / "ids.txt").write_text("\n".join(map(str, some_ids(200, seed=6))))
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", session="999_" + "x" * 32) as origin:
        config = write_config(tmp_path, origin, 'path = "ids.txt"')
        ended = command("run", config, env={"CRAWLER_SITE__SESSION": secret})
        assert ended.code == 5
        # Robots.txt, 16 connections, each freed by a refusal that was on its way before the first stopped the run.
        assert origin.seen.total <= 3 * 16 + 4
    assert "refused the session" in ended.err
    assert secret not in ended.out + ended.err + (tmp_path / "out" / "log.jsonl").read_text()
    assert lines(tmp_path / "out")[-1]["reason"] == "session_refused"
    assert status(tmp_path / "out")["pending"] == 200


@pytest.mark.parametrize(
    ("text", "told"),
    [("no\nid\nhere\n", "ids.txt:1: no: "), ("", "0 ids listed")],
)
def test_hopeless_lists(tmp_path: Path, calm: Any, text: str, told: str) -> None:
    """A list without one id is a mistake (exit 2, no request); an empty one is simply done."""
    (tmp_path / "ids.txt").write_text(text)
    ended = command("run", write_config(tmp_path, calm, 'path = "ids.txt"'))
    assert ended.code == (2 if text else 0)
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert calm.seen.total == 0


def test_a_second_list_keeps_what_is_there(tmp_path: Path, calm: Any) -> None:
    """Another list on the same folder: only its new ids are asked for, `listed` is the new list's."""
    ids = some_ids(60, seed=8)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids[:40])))
    config = write_config(tmp_path, calm, 'path = "ids.txt"')
    assert command("run", config).code == 0
    asked = calm.seen.total
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids[20:])))
    ended = command("run", config)
    assert ended.code == 0
    assert "40 ids listed, 20 to do" in ended.err
    assert calm.seen.total > asked
    assert status(tmp_path / "out")["listed"] == 40
    told = {p for (_, p), n in calm.seen.requests.items() if n > 1 and p != "/robots.txt"}
    assert told == set(), "nothing is asked twice"
    judge(calm.world, tmp_path / "out", ids)


def test_a_run_in_use_is_refused(tmp_path: Path, calm: Any) -> None:
    """The folder of a live run takes no second one: exit 2, and nothing is touched."""
    (tmp_path / "ids.txt").write_text("\n".join(map(str, some_ids(160, seed=9))))
    config = write_config(tmp_path, calm, 'path = "ids.txt"')
    slow = [*CRAWLER, "run", str(config), "--limits.api.rate", "5"]
    with popen(slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        log = tmp_path / "out" / "log.jsonl"
        while not (log.exists() and b"stored" in log.read_bytes()):
            assert process.poll() is None
            time.sleep(0.005)
        second = command("run", config)
        assert second.code == 2
        assert str(tmp_path / "out") in second.err
        process.terminate()
        _out, err = process.communicate(timeout=60)
        assert process.returncode == 143, err
    assert lines(tmp_path / "out")[-1]["reason"] == "interrupted"
    assert status(tmp_path / "out")["pending"] > 0
    assert json.loads((tmp_path / "out" / "status.json").read_text())["pending"] > 0
    assert command("run", config).code == 0
    judge(calm.world, tmp_path / "out", some_ids(160, seed=9))


def test_a_sample_tells_what_the_list_holds(tmp_path: Path, calm: Any) -> None:
    """`plan` asks nothing; `plan --sample N` asks for N works, tells their share and sizes, and stores nothing."""
    ids = some_ids(40, seed=10)
    (tmp_path / "ids.txt").write_text("\n".join(map(str, ids)))
    config = write_config(tmp_path, calm, 'path = "ids.txt"')
    assert command("plan", config).code == 0
    assert calm.seen.total == 0
    ended = command("plan", config, "--sample", "40", "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    expected = [calm.world.expected(id) for id in ids]
    alive = [e for e in expected if e.outcome == "done" and e.x_restrict == 0]
    assert (told["sample"]["asked"], told["sample"]["alive"]) == (40, len(alive))
    assert told["sample"]["images"] == sum(len(e.images) for e in alive)
    firsts = [e.images["zip" if e.kind == "ugoira" else 0] for e in alive]
    had = [image.bytes for image in firsts if image.quality == "original"]
    assert told["sample"]["bytes"] == sum(had)
    assert told["assumed"]["alive"]["from"] == "sample"
    assert not (tmp_path / "out").exists()


def test_a_site_that_only_refuses_stops_the_run(tmp_path: Path) -> None:
    """Refused again and again, the run drains and ends with exit 6, a closed line and words that help."""
    (tmp_path / "ids.txt").write_text("\n".join(map(str, some_ids(100, seed=6))))
    limits = Limits(api_rate=1, api_bucket=20, block_s=3600)
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path / "ca", limits=limits) as origin:
        ended = command("run", write_config(tmp_path, origin, 'path = "ids.txt"'))
        assert ended.code == 6, ended.err
        # At worst: 16 connections, 15 of them freed by good replies on the way and used again, 16 once more when a good
        # reply came after the first refusal, then one at a time until the breaker.
        assert origin.seen.limited["www.pixiv.net"] <= 16 + 15 + 16 + BREAKER
    assert "lower limits.api.rate" in ended.err
    assert "Traceback" not in ended.err
    assert lines(tmp_path / "out")[-1]["reason"] == "blocked"
    told = status(tmp_path / "out")
    assert told["failed"] == 0
    assert told["pending"] > 70
    stored = {line["path"] for line in lines(tmp_path / "out") if line["event"] == "stored"}
    assert stored == files(tmp_path / "out")


def test_limits_are_read_again(tmp_path: Path, calm: Any) -> None:
    """SIGHUP: a live run takes the new [limits], a mistake changes nothing, and the log shows the change."""
    (tmp_path / "ids.txt").write_text("\n".join(map(str, some_ids(150, seed=9))))
    config = write_config(tmp_path, calm, 'path = "ids.txt"')
    fast = config.read_text()
    slow = fast.replace("[limits.api]\nrate = 0", "[limits.api]\nrate = 2")
    assert slow != fast
    config.write_text(slow)
    log = tmp_path / "out" / "log.jsonl"
    with popen([*CRAWLER, "run", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (log.exists() and b"described" in log.read_bytes()):
            assert process.poll() is None
            time.sleep(0.005)
        config.write_text(slow.replace("rate = 2", 'rate = "much"'))
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        told = ""
        while "stay as they were" not in told:
            told = process.stderr.readline()
        config.write_text(fast)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)  # at 2 a second it would take more than that
        assert process.returncode == 0
    assert [line["rate"] for line in lines(tmp_path / "out") if line.get("reason") == "reloaded"][:1] == [0]
