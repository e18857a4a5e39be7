"""Laws of progress in a pipe: lines of words, lines of JSON, and status.json."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from looks import BUSY, HOSTILE, NOON, later

from crawler.progress import Note, Snapshot
from crawler.simulate.loop import run_virtual
from crawler.watch.plain import Notes
from crawler.watch.show import watch
from crawler.watch.status_file import keep_status


def run_for(seconds: float, job: Callable[[Callable[[], Snapshot], asyncio.Event], Awaitable[None]]) -> None:
    """So many seconds of made-up time."""

    async def main() -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.call_later(seconds, done.set)

        def pull() -> Snapshot:
            n = int(100 * (loop.time() - began))
            notes = tuple(Note(NOON + i, "failed", str(i), HOSTILE[i % len(HOSTILE)]) for i in range(n))
            return replace(later(BUSY, n / 100, works=n, images=n), notes=notes[-50:])

        await job(pull, done)

    run_virtual(main())


def shown(mode: str, every_s: float) -> list[str]:
    out = io.StringIO()
    run_for(0.3, lambda pull, done: watch(mode, pull, done, stream=out, every_s=every_s))
    assert out.getvalue().endswith("\n") or not out.getvalue()
    return out.getvalue().split("\n")[:-1]


def test_piped_progress_is_lines_without_codes() -> None:
    """Each line answers how far, how fast, how long, what limits; what went wrong gets its own; nothing raw."""
    lines = shown("auto", 0.1)
    progress = [line for line in lines if "  works " in line]
    assert len(progress) >= 3
    for said in ("/268,118 (52.0 %)", "images 231,", "works/min", "failed 211", "left ", "limit: API budget 0.6/s"):
        assert said in progress[-1]
    assert any("failed  1  \\u202eevil\\u2066" in line for line in lines)
    assert all(line.isprintable() for line in lines)


def test_ten_notes_between_two_lines_at_most() -> None:
    """A run in which all fails does not flood the terminal; how many were left out is said."""
    lines = shown("plain", 60)
    assert sum("  failed  " in line for line in lines) == 10
    assert any("more notes like these, see the log" in line for line in lines)


def test_json_progress_is_an_object_a_line() -> None:
    """`json` is for machines: every line parses, works add up, the last is the last state."""
    seen = [json.loads(line) for line in shown("json", 0.1)]
    assert len(seen) >= 3
    for now in seen:
        assert now["listed"] == now["done"] + now["gone"] + now["failed"] + now["pending"]
    assert {"updated", "phase", "elapsed_s", "images_per_s", "eta_s", "in_flight", "stopping", "hosts"} <= set(seen[-1])
    assert seen[-1]["eta_s"][0] <= seen[-1]["eta_s"][1]
    assert seen[-1]["hosts"]["www.pixiv.net"]["rate"] == 0.6


def test_none_says_nothing_and_a_wrong_mode_is_a_bug() -> None:
    """`none` only waits."""
    assert shown("none", 0.1) == []
    with pytest.raises(ValueError, match="unknown progress mode"):
        shown("loud", 0.1)


def test_a_reader_that_left_does_not_end_the_run() -> None:
    """Progress nobody can read is lost, not fatal; letters that a stream cannot write are escaped."""

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    run_for(0.1, lambda pull, done: watch("plain", pull, done, stream=Gone(), every_s=0.05))
    raw = io.BytesIO()
    ascii_only = io.TextIOWrapper(raw, encoding="ascii")
    run_for(0.1, lambda pull, done: watch("plain", pull, done, stream=ascii_only, every_s=0.05))
    assert b"works 139," in raw.getvalue()


def test_each_note_is_told_once() -> None:
    """Notes slide through a window; those already told are not told again, those that slid out are not missed."""
    notes = Notes()
    every = [Note(NOON + i, "failed" if i % 2 else "stored", str(i), "") for i in range(30)]
    told = [note.id for end in (3, 3, 7, 12, 30) for note in notes.fresh(replace(BUSY, notes=tuple(every[:end][-20:])))]
    assert told == [str(i) for i in range(1, 30, 2)]


def test_status_json_is_always_whole(tmp_path: Path) -> None:
    """Whenever it is read, status.json is one JSON object; the last write is the last state; nothing else is left."""
    path = tmp_path / "status.json"
    seen: list[dict[str, object]] = []

    async def job(pull: Callable[[], Snapshot], done: asyncio.Event) -> None:
        async def read() -> None:
            while not done.is_set():
                if path.exists():
                    seen.append(json.loads(path.read_bytes()))
                await asyncio.sleep(0.002)

        async with asyncio.TaskGroup() as group:
            group.create_task(keep_status(path, pull, done, every_s=0.01))
            group.create_task(read())

    run_for(0.3, job)
    assert len({str(now["updated"]) for now in seen}) > 5
    last = json.loads(path.read_bytes())
    assert last["updated"] >= max(float(str(now["updated"])) for now in seen)
    assert sorted(p.name for p in tmp_path.rglob("*")) == [".crawl", "status.json"]


def test_a_disk_that_refuses_does_not_end_the_run(tmp_path: Path) -> None:
    """status.json is a courtesy: where it cannot be written, the run goes on."""
    (tmp_path / "file").write_text("in the way")
    run_for(0.05, lambda pull, done: keep_status(tmp_path / "file" / "status.json", pull, done, every_s=0.01))
