"""Laws of `crawler status`: it reads the log alone, and the works always add up."""

import asyncio
import fcntl
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from loglines import EVERY, FAILED, IDS, OPENED, lines, stored, stories

from crawler.cli.main import main
from crawler.disk import Disk
from crawler.events import Event, Gone, Throttled
from crawler.log import reader
from crawler.log.reader import LogDamaged, fold
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.rules.replay import State


def log(directory: Path, body: bytes) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "log.jsonl"
    path.write_bytes(body)
    return directory


def status(directory: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    assert main(["status", str(directory), "--json"]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    return json.loads(out.out)


@settings(max_examples=40, deadline=None)
@given(stories())
def test_the_works_always_add_up(tmp_path_factory: pytest.TempPathFactory, story: list[Event]) -> None:
    """listed = done + gone + failed + pending for any log; both forms are printed, neither raw."""
    from crawler.watch.status import read_status, status_json

    directory = log(tmp_path_factory.getbasetemp() / "story", b"".join(lines(*story)))
    now = status_json(read_status(directory / "log.jsonl"))
    assert now["listed"] == IDS == now["done"] + now["gone"] + now["failed"] + now["pending"]
    assert now["images"] == len({(e.id, e.page) for e in story if e.event == "stored"})


def test_what_scripts_get(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every promised key, with the last word of each host, the last failures, and whether a run is on."""
    now = status(log(tmp_path / "run", b"".join(lines(*EVERY))), capsys)
    assert {"listed", "done", "gone", "failed", "pending", "images", "bytes", "hosts", "reasons"} <= set(now)
    assert now["hosts"] == {
        "www.pixiv.net": {"rate": 0.31, "until": "2026-01-02T10:14:00.000Z", "reason": "rate_limited"}
    }
    assert [f["id"] for f in now["last_failures"]] == [59120036, 59120037]  # type: ignore[index]
    assert now["running"] is False
    assert now["closed"] == "interrupted"
    assert now["source"] == {"path": "ids.txt", "digest": "ff", "ids": IDS}


def test_speed_and_time_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A work a second gone for 20 s: 60 a minute, and the 20 that are left take about as long again."""
    story = [OPENED, *(Gone(id, "not_found") for id in range(1, 21))]
    now = status(log(tmp_path / "run", b"".join(lines(*story))), capsys)
    assert now["works_per_min"] == pytest.approx(60, rel=0.01)
    low, high = now["eta_s"]  # type: ignore[misc]
    assert low < 20 < high


def test_status_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, reasons, speed, hosts and the last failures; plain in a pipe; nothing raw."""
    directory = log(tmp_path / "run", b"".join(lines(*EVERY)))
    assert main(["status", str(directory)]) == 0
    text = capsys.readouterr().out
    for said in (
        "not running, interrupted",
        "listed       40",
        "not found",
        "works/min",
        "0.31/s",
        "for good: body is",
    ):
        assert said in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_torn_tail_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A write under way is no news, and nothing in the folder changes by looking."""
    directory = log(tmp_path / "run", b"".join(lines(OPENED, stored(1))) + lines(FAILED, first=3)[0][:40])
    before = (directory / "log.jsonl").read_bytes()
    assert status(directory, capsys)["failed"] == 0
    assert (directory / "log.jsonl").read_bytes() == before
    assert [p.name for p in directory.iterdir()] == ["log.jsonl"]


def test_damage_is_refused_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad line with a good one after it: exit 7, and the byte."""
    good = lines(*EVERY)
    directory = log(tmp_path / "run", good[0] + b"x" + good[1] + good[2])
    assert main(["status", str(directory)]) == 7
    assert f"byte {len(good[0])}" in capsys.readouterr().err


def test_only_what_came_after_the_snapshot_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a snapshot, what it stands for is not read again; without it the answer is the same; nothing is written."""
    directory = log(tmp_path / "run", b"".join(lines(*EVERY)))

    async def keep() -> None:
        kept = await Log.open(directory, LogSettings(), Disk(sync=False))
        kept.note(Gone(7, "not_found"))
        await kept.close()

    asyncio.run(keep())
    path = directory / "log.jsonl"
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(lines(*EVERY, Gone(7, "not_found"), Gone(8, "not_found"))[-1])
    assert fold(path).start == size
    before = sorted((p.name, p.stat().st_mtime_ns) for p in directory.rglob("*"))
    first = status(directory, capsys)
    assert before == sorted((p.name, p.stat().st_mtime_ns) for p in directory.rglob("*"))
    (directory / ".crawl" / "snapshot").unlink()
    assert status(directory, capsys) == first


def test_a_log_that_is_healed_meanwhile_is_looked_at_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log read half before and half after a run mended its end seems damaged once, not twice."""
    directory = log(tmp_path / "run", b"".join(lines(*EVERY)))
    looks: list[Path] = []

    def replay(path: Path) -> State:
        looks.append(path)
        if len(looks) == 1:
            raise LogDamaged(path, 7, "seen in passing")
        return reader.replay(path)

    monkeypatch.setattr("crawler.watch.status.replay", replay)
    assert status(directory, capsys)["listed"] == IDS
    assert len(looks) == 2


def test_no_log_is_a_mistake_with_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 and what DIR should be."""
    assert main(["status", str(tmp_path / "none")]) == 2
    assert "there is no log here" in capsys.readouterr().err


def test_a_run_that_is_on_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever holds the folder's lock is running; a block that is over, or a run that is not on, costs no time."""
    directory = log(tmp_path / "run", b"".join(lines(OPENED, Throttled("h", 0.5, "2999-01-01T00:00:00Z", "busy"))))
    (directory / ".crawl").mkdir()
    held = os.open(directory / ".crawl" / "lock", os.O_RDWR | os.O_CREAT)
    try:
        assert status(directory, capsys)["running"] is False
        fcntl.flock(held, fcntl.LOCK_EX)
        assert status(directory, capsys)["running"] is True
        assert main(["status", str(directory)]) == 0
        assert "h  blocked until" in capsys.readouterr().out
    finally:
        os.close(held)
