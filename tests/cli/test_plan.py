"""Laws of `crawler plan`: what would run, counted from the list and the log; nothing asked, nothing written."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.cli.estimate import Left, estimate
from crawler.cli.main import main
from crawler.events import Described, Event, Failed, Gone, Opened, Stored, Throttled
from crawler.log.codec import encode
from crawler.log.files import LOG
from crawler.model import Image
from crawler.rules.naming import image_path
from crawler.settings import Settings


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stored(id: int, page: int = 0, size: int = 1000) -> Stored:
    return Stored(id, page, image_path(id, page, "jpg"), size, "0" * 64, "image/jpeg", 8, 8, "original", "https://x")


def described(id: int, pages: int) -> Described:
    return Described(id, tuple(Image(page, f"https://x/{page}") for page in range(pages)), {})


def failed(id: int, page: int | None, permanent: bool) -> Failed:
    return Failed(id, page, "reset", None, 5, permanent)


def write_log(folder: Path, events: Sequence[Event]) -> bytes:
    """A log of these events after an `opened`."""
    folder.mkdir(parents=True, exist_ok=True)
    opened = Opened("abc", 1, "0", {"path": "p", "digest": "d", "ids": 1}, "s")
    lines = [encode("abc", at, "2026-01-01T00:00:00.000Z", event) for at, event in enumerate([opened, *events], 1)]
    (folder / LOG).write_bytes(b"".join(lines))
    return b"".join(lines)


def plan(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    """The plan as JSON."""
    assert main(["plan", "--json", "--source.path", "ids.txt", "--output.dir", "out", *argv]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_new_list(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a log all ids are new; malformed lines are told with their line; nothing is written."""
    Path("ids.txt").write_text("1\n2\n2\n# c\nx\nhttps://www.pixiv.net/artworks/55\n")
    assert main(["plan", "--source.path", "ids.txt"]) == 0
    streams = capsys.readouterr()
    assert streams.err == f"{here}/ids.txt:5: x: neither a number nor a link to a work\n"
    assert "3 ids in" in streams.out
    assert "1 duplicate, 1 malformed" in streams.out
    assert "to do     3 works: 3 new, 0 unfinished" in streams.out
    assert sorted(path.name for path in here.iterdir()) == ["ids.txt"]
    found = plan(capsys)
    assert (found["ids"], found["new"], found["duplicates"], found["malformed"]) == (3, 3, 1, 1)
    assert found["problems"] == [f"{here}/ids.txt:5: x: neither a number nor a link to a work"]
    assert found["requests"] == {"api": round(3 * 1.25), "images": 6}
    assert found["seconds"]["api"] == pytest.approx(3 * 1.25 / 0.6)
    assert found["seconds"]["total"] == pytest.approx(3 * 1.25 / 0.6)
    assert found["disk"]["bytes"] == 12_000_000


def test_at_most_twenty_malformed_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Then there is a count."""
    Path("ids.txt").write_text("7\n" + "x\n" * 50)
    assert main(["plan", "--source.path", "ids.txt"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "... and 30 more malformed lines"


def test_a_hopeless_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but malformed lines is exit 2; an empty list is not."""
    Path("ids.txt").write_text("x\ny\n")
    assert main(["plan", "--source.path", "ids.txt"]) == 2
    assert "not one line of the list is an id" in capsys.readouterr().err
    Path("ids.txt").write_text("")
    assert main(["plan", "--source.path", "ids.txt"]) == 0
    assert "nothing is left to ask for" in capsys.readouterr().out


def test_a_log_takes_its_part_off(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Done, gone and failed for good cost nothing; a half-finished work costs what is missing of it."""
    Path("ids.txt").write_text("".join(f"{id}\n" for id in range(1, 9)))
    log = write_log(
        here / "out",
        [
            described(1, 2), stored(1, 0), stored(1, 1),
            Gone(2, "not_found"),
            described(3, 3), stored(3, 0), failed(3, 1, permanent=True),
            failed(4, None, permanent=False),
            failed(5, None, permanent=True),
            described(6, 1), failed(6, 0, permanent=True),
            described(99, 1), stored(99, 0),
        ],
    )  # fmt: skip
    found = plan(capsys)
    assert {k: found[k] for k in ("ids", "done", "gone", "failed", "new", "unfinished", "works")} == {
        "ids": 8,
        "done": 1,
        "gone": 1,
        "failed": 2,
        "new": 2,
        "unfinished": 2,
        "works": 4,
    }
    assert found["requests"] == {"api": round(3 * 1.25), "images": 3 * 2 + 1}
    assert (here / "out" / LOG).read_bytes() == log
    assert sorted(path.name for path in (here / "out").iterdir()) == [LOG]


def test_a_finished_run_costs_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When everything has its outcome, no request is left."""
    Path("ids.txt").write_text("1\n2\n")
    write_log(here / "out", [described(1, 1), stored(1), Gone(2, "restricted")])
    found = plan(capsys)
    assert found["requests"] == {"api": 0, "images": 0}
    assert found["seconds"] == {"api": 0, "images": 0, "total": 0}


def test_averages_come_from_a_log_that_knows_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After twenty works the log's own images a work, bytes an image and share alive replace the assumptions."""
    Path("ids.txt").write_text("".join(f"{id}\n" for id in range(1, 201)))
    events: list[Event] = [Gone(id, "not_found") for id in range(1, 21)]
    for id in range(21, 61):
        events += [described(id, 3), *(stored(id, page, 5000) for page in range(3))]
    write_log(here / "out", events)
    found = plan(capsys)
    assert found["assumed"]["images_per_work"] == {"value": 3.0, "from": "log"}
    assert found["assumed"]["bytes_per_image"] == {"value": 5000.0, "from": "log"}
    assert found["assumed"]["alive"]["value"] == pytest.approx(2 / 3)
    assert found["requests"]["images"] == (140 * 2)
    assert main(["plan", "--source.path", "ids.txt", "--output.dir", "out"]) == 0
    assert "3 images a work (as in the log so far)" in capsys.readouterr().out


def test_a_limit_that_a_run_learnt_is_planned_with(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last word of a host's limiter lowers the rate of its lane alone, and a line says why."""
    Path("ids.txt").write_text("".join(f"{id}\n" for id in range(1, 201)))
    told = [
        Throttled("www.pixiv.net", 0.3, None, "rate_limited 429"),
        Throttled("www.pixiv.net", 0.48, None, "resumed", limit=0.5, room=20, met=1),
    ]
    write_log(here / "out", [Gone(1, "not_found"), *told])
    found = plan(capsys, "--limits.api.rate", "2")
    assert found["rates"]["api"] == {"assumed": pytest.approx(0.48), "learnt": {"host": "www.pixiv.net", "limit": 0.5}}
    assert found["rates"]["images"] == {"assumed": 1.0, "learnt": None}
    assert found["seconds"]["api"] == pytest.approx(199 * 1.25 / 0.48)
    low, high = found["seconds_range"]["api"]
    assert low == pytest.approx(found["requests_range"]["api"][0] / 0.48, rel=0.01)
    assert low < found["seconds"]["api"] < high
    assert main(["plan", "--source.path", "ids.txt", "--output.dir", "out", "--limits.api.rate", "2"]) == 0
    out = capsys.readouterr().out
    assert "www.pixiv.net: limit near 0.5/s learnt by an earlier run, so not 2/s" in out
    # A rate below the limit is not touched by it.
    assert plan(capsys, "--limits.api.rate", "0.2")["rates"]["api"] == {"assumed": 0.2, "learnt": None}


def test_a_rate_that_fell_for_another_reason_may_come_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is planned is the rate that it begins with; at least, it takes what the configured rate takes."""
    Path("ids.txt").write_text("".join(f"{id}\n" for id in range(1, 201)))
    write_log(here / "out", [Gone(1, "not_found"), Throttled("i.pximg.net", 0.5, None, "connect_timeout")])
    found = plan(capsys)
    assert found["seconds"]["images"] == pytest.approx(398 / 0.5)
    assert found["seconds_range"]["images"][0] == pytest.approx(found["requests_range"]["images"][0], rel=0.01)


def test_a_daily_budget_bounds_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """Each lane has its own: 1,250 questions at 100 a day take more than eleven days, whatever the rate."""
    Path("ids.txt").write_text("".join(f"{id}\n" for id in range(1, 1001)))
    found = plan(capsys, "--limits.daily.requests", "100", "--limits.api.rate", "50")
    assert found["seconds"]["api"] == pytest.approx(86400 * 11.5)
    assert found["seconds"]["images"] == pytest.approx(86400 * 19)
    assert found["seconds_range"]["total"][1] >= 86400 * 20
    assert main(["plan", "--source.path", "ids.txt", "--limits.daily.requests", "100"]) == 0
    assert (
        "daily budget of 100 requests a host: metadata 11 d 12 h, images 19 d 00 h at least" in capsys.readouterr().out
    )
    # 2 MB each: 0.1 GB a day are fifty images.
    assert plan(capsys, "--limits.daily.gb", "0.1")["seconds"]["images"] == pytest.approx(86400 * 39)


def test_the_busiest_host_decides_for_urls(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each host has a limiter of its own: sixty URLs on two hosts take what the forty of one take."""
    urls = [f"https://{'a' if at % 3 else 'b'}.example/{at}.jpg" for at in range(60)]
    Path("ids.txt").write_text("\n".join(urls))
    found = plan(capsys, "--source.kind", "urls")
    assert found["seconds"]["images"] == pytest.approx(40)
    write_log(here / "out", [Throttled("b.example", 0.24, None, "resumed", limit=0.25)])
    found = plan(capsys, "--source.kind", "urls")
    assert found["seconds"]["images"] == pytest.approx(20 / 0.24)
    assert found["rates"]["images"]["learnt"] == {"host": "b.example", "limit": 0.25}


def test_a_list_of_urls(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """URLs have no metadata step: one request an image, and what is stored is counted by its digest."""
    Path("ids.txt").write_text("https://a.example/1.jpg\nhttps://a.example/2.jpg\nnonsense\n")
    found = plan(capsys, "--source.kind", "urls")
    assert found["requests"] == {"api": 0, "images": 2}
    assert found["seconds"]["api"] == 0
    assert found["assumed"]["images_per_work"] == {"value": 1.0, "from": "known"}
    assert found["malformed"] == 1


def test_dry_run_is_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """`run --dry-run` says what `plan` says."""
    Path("ids.txt").write_text("1\n")
    outputs: list[str] = []
    for argv in (["plan"], ["run", "--dry-run"]):
        assert main([*argv, "--source.path", "ids.txt"]) == 0
        # What is free on the disk changes while others write to it.
        outputs.append(re.sub(r"free: .*?\(", "free: (", capsys.readouterr().out))
    assert "free: (" in outputs[0]
    assert outputs[0] == outputs[1]


def test_warnings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A session without a daily limit, and a disk that is too small, are warned of on stderr."""
    Path("ids.txt").write_text("1\n")
    monkeypatch.setenv("CRAWLER_SITE__SESSION", "12345_value")
    assert main(["plan", "--source.path", "ids.txt", "--output.reserve_mb", "999999999999"]) == 0
    streams = capsys.readouterr()
    assert "about 50 GB" in streams.err
    assert "the disk is too small" in streams.err
    assert "12345_value" not in streams.err + streams.out


def test_a_list_that_is_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 with the place where its name stands."""
    Path("c.toml").write_text("[source]\npath = 'no.txt'\n")
    assert main(["plan", "c.toml"]) == 2
    assert capsys.readouterr().err == f"c.toml:2: source.path: no such file: {here}/no.txt\n"


def test_a_damaged_log_is_not_planned_on(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 7, as for a run."""
    Path("ids.txt").write_text("1\n")
    raw = write_log(here / "out", [Gone(1, "not_found"), Gone(2, "not_found")])
    (here / "out" / LOG).write_bytes(raw.replace(b'"gone"', b'"gnoe"', 1))
    assert main(["plan", "--source.path", "ids.txt", "--output.dir", "out"]) == 7
    assert "damaged at byte" in capsys.readouterr().err


COUNTS = st.integers(0, 10**7)


@settings(deadline=None, max_examples=100)
@given(st.builds(Left, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS), st.floats(0, 100))
def test_estimates_are_sound(left: Left, rate: float) -> None:
    """Nothing is negative, no rate means no time, and the slower lane decides the whole."""
    config = Settings.model_validate({"limits": {"api": {"rate": rate}}})
    cost = estimate(left, config)
    assert min(cost.api.requests, cost.images.requests, cost.bytes, cost.inodes) >= 0
    assert (cost.api.seconds is None) == (rate == 0 and left.new + left.undescribed > 0)
    assert cost.images.requests >= left.images_left
    assert left.new + left.undescribed <= cost.api.requests <= 2 * (left.new + left.undescribed)
    for lane in (cost.api, cost.images):
        assert lane.seconds is None or (cost.total_s is not None and cost.total_s >= lane.seconds)
        low, high = lane.requests_range
        assert low <= lane.requests <= high
        assert (lane.seconds is None) == (lane.seconds_range is None)
        if lane.seconds is not None and lane.seconds_range is not None:
            assert lane.seconds_range[0] <= lane.seconds <= lane.seconds_range[1]
