"""The snapshot beside a log: used when it fits, passed over when anything is wrong with it, and never missed."""

import asyncio
import errno
import os
import random
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from crawler.disk import Disk
from crawler.events import Closed, Described, Event, Failed, Gone, Opened, Stored, Voided
from crawler.log import snapshot, writer
from crawler.log.codec import encode
from crawler.log.reader import LogDamaged, fold, replay
from crawler.log.repair import salvage
from crawler.log.settings import LogSettings
from crawler.log.writer import Log
from crawler.model import Image
from crawler.rules.naming import image_path

T = TypeVar("T")
A = "aaaaaaaaaaaa"


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def opened(folder: Path, *, sync: bool = False) -> Log:
    return await Log.open(folder, LogSettings(commit_ms=1), Disk(sync=sync))


def stored(id: int, page: int) -> Stored:
    return Stored(id, page, image_path(id, page, "png"), 9, "0" * 64, "image/png", 1, 1, "original", "https://i/x")


def story(works: int) -> list[Event]:
    events: list[Event] = [Opened(A, 1, "0", {"path": "ids.txt", "digest": "d", "ids": works}, "s")]
    for id in range(1, works + 1):
        events += [Described(id, (Image(0, "u"), Image(1, "v")), {"x": "y" * 40}), stored(id, 0)]
        events += [Failed(id, 1, "idle", None, 5, False)] if id % 5 == 0 else [stored(id, 1)]
    return events


def raws(works: int) -> list[bytes]:
    return [encode(A, n, f"2026-01-01T00:{n // 60:02}:{n % 60:02}.000Z", e) for n, e in enumerate(story(works), 1)]


def view(path: Path) -> tuple[object, ...]:
    state = replay(path)
    return state.totals(), state.closed, state.failures, state.known(), [state.todo(id) for id in range(40)]


def kept(path: Path) -> Path:
    return path.parent / ".crawl" / "snapshot"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of 30 works, with a snapshot of all of it."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(raws(30)))
    run(note(tmp_path, Closed("x", {})))
    assert fold(path).start == path.stat().st_size
    return path


async def note(folder: Path, *events: Event) -> None:
    log = await opened(folder)
    for event in events:
        log.note(event)
    await log.close()


def test_a_run_leaves_a_snapshot_and_the_next_reads_what_came_after(path: Path) -> None:
    """Closed, a log has a snapshot of all of it; what is appended later is all that is read, and `seq` goes on."""
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(encode(A, 93, "2026-01-02", Gone(99, "not_found")))
    found = fold(path)
    assert (found.start, found.good, found.last) == (size, path.stat().st_size, {A: 93})
    before = view(path)
    kept(path).unlink()
    assert fold(path).start == 0
    assert view(path) == before
    run(note(path.parent, Gone(98, "not_found")))
    assert fold(path).start == path.stat().st_size
    assert fold(path).last == {A: 94}


def test_looking_changes_nothing(path: Path) -> None:
    """A log that nothing was noted in keeps its snapshot as it is, and leaves no other file."""
    before = kept(path).read_bytes(), kept(path).stat().st_ino
    replay(path)
    run(note(path.parent))
    assert (kept(path).read_bytes(), kept(path).stat().st_ino) == before
    assert sorted(file.name for file in kept(path).parent.iterdir()) == ["lock", "reserve", "snapshot"]


def test_no_broken_snapshot_is_believed(path: Path) -> None:
    """Cut at any byte or with bits flipped anywhere it is passed over, without a word."""
    whole, before = kept(path).read_bytes(), view(path)
    dice = random.Random(4)
    for cut in [*range(0, len(whole), 17), len(whole) - 1]:
        kept(path).write_bytes(whole[:cut])
        assert fold(path).start == 0
    for _ in range(500):
        bad = bytearray(whole)
        bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        kept(path).write_bytes(bad)
        assert snapshot.load(path) is None
    for other in (whole + b"x", bytes(len(whole)), b"", b"crawler snapshot 1\n"):
        kept(path).write_bytes(other)
        assert snapshot.load(path) is None
    assert view(path) == before
    run(note(path.parent, Gone(99, "not_found")))
    assert fold(path).start == path.stat().st_size


def test_a_snapshot_of_another_version_is_not_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another version thought the log adds up to may not be what this one thinks."""
    monkeypatch.setattr(snapshot, "__version__", "0.0.0")
    assert snapshot.load(path) is None


def test_when_a_log_was_touched_does_not_matter(path: Path, tmp_path: Path) -> None:
    """Touched, or copied elsewhere with its folder, it is the same log."""
    os.utime(path, (1, 1))
    assert fold(path).start > 0
    other = tmp_path / "copy"
    (other / ".crawl").mkdir(parents=True)
    (other / "log.jsonl").write_bytes(path.read_bytes())
    (other / ".crawl" / "snapshot").write_bytes(kept(path).read_bytes())
    assert fold(other / "log.jsonl").start > 0


def test_another_log_is_not_taken_for_this_one(path: Path) -> None:
    """Cut shorter, changed at either end, joined with another, or written anew: the log is folded from its start."""
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    again = [encode(A, n, "2027", Gone(n, "not_found")) for n in range(1, 200)]
    for other in (
        whole[:-1],
        b"".join(lines[:-1]),
        b"".join(lines[:-1]) + encode(A, len(lines), "2027", Gone(1, "purged")),
        b"".join(again) + whole.replace(A.encode(), b"bbbbbbbbbbbb"),
        b"".join(again),
        b"",
    ):
        path.write_bytes(other)
        assert fold(path).start == 0
    path.write_bytes(whole)
    assert fold(path).start == len(whole)


def test_a_large_log_is_known_by_samples_of_it(tmp_path: Path) -> None:
    """Changes at the beginning, at the end and at the places in between are seen."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(raws(3000)))
    run(note(tmp_path, Closed("x", {})))
    whole = path.read_bytes()
    places = [0, len(whole) // 2, len(whole) // 16 * 5 + 100, len(whole) - 60_000, len(whole) - 2]
    assert fold(path).start == len(whole)
    for place in places:
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([whole[place] ^ 1]))
        assert snapshot.load(path) is None
        path.write_bytes(whole)


def test_damage_after_the_snapshot_is_told_as_ever(path: Path) -> None:
    """Bad bytes or a missing line behind the snapshot: the same refusal, the same byte; then repair."""
    whole = path.read_bytes()
    more = [encode(A, n, "2027", Gone(n, "not_found")) for n in (93, 94, 95)]
    for rest in (b"?" + more[0] + more[1], more[0] + more[2]):
        path.write_bytes(whole + rest)
        with pytest.raises(LogDamaged) as caught:
            replay(path)
        assert caught.value.offset == len(whole) + (len(more[0]) if rest[:1] != b"?" else 0)
        assert salvage(path.parent) is not None
        before = view(path)
        kept(path).rename(kept(path).with_name("aside"))
        assert view(path) == before
        kept(path).with_name("aside").rename(kept(path))


def test_a_torn_tail_after_the_snapshot_heals(path: Path) -> None:
    """What a crash left behind the snapshot is cut off; the snapshot stays good."""
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(encode(A, 93, "2027", Gone(99, "not_found"))[:-9])

    async def work() -> list[str]:
        log = await opened(path.parent)
        assert log.next_seq == 93
        await log.close()
        return log.warnings

    assert len(run(work())) == 1
    assert (path.stat().st_size, fold(path).start) == (size, size)


def test_a_line_voided_after_the_snapshot_is_taken_back(path: Path) -> None:
    """Whether the snapshot still holds its fact apart (an unfinished work) or not (a finished one)."""
    whole = path.read_bytes()
    for target, id, start in ((15, 5, len(whole)), (3, 1, 0)):
        path.write_bytes(whole + encode(A, 93, "2027", Voided(A, target, "repair", id)))
        assert fold(path).start == start
        before = view(path)
        todo = replay(path).todo(id)
        assert todo is not None
        assert todo.images is not None
        assert 0 in {image.page for image in todo.images}
        kept(path).rename(kept(path).with_name("aside"))
        assert view(path) == before
        kept(path).with_name("aside").rename(kept(path))


def test_snapshots_are_written_while_a_run_is_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every so many bytes, and at any commit log and snapshot agree; a kill loses the last stretch."""
    monkeypatch.setattr(writer, "SNAPSHOT_BYTES", 2000)

    async def work() -> None:
        log = await opened(tmp_path)
        path = tmp_path / "log.jsonl"
        starts: set[int] = set()
        for event in story(60)[1:]:
            log.note(event)
            await log.commit()
            found = fold(path)
            assert found.state.totals() == log.state.totals()
            starts.add(found.start)
            assert path.stat().st_size - found.start < 2000 + 4 * 8000
        assert len(starts) > 4
        # Left without a close, as by a kill.
        os.close(log._lock_file)
        os.close(log._file)
        again = await opened(tmp_path)
        assert again.state.totals() == log.state.totals()
        assert again._snapshot_at == max(starts)
        await again.close()

    run(work())


def test_a_long_log_without_a_snapshot_gets_one_at_the_first_commit(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed again and again does not fold the whole log again and again."""
    monkeypatch.setattr(writer, "SNAPSHOT_BYTES", 2000)
    kept(path).unlink()

    async def work() -> None:
        log = await opened(path.parent)
        assert not kept(path).exists()
        log.note(Gone(99, "not_found"))
        await log.commit()
        found = fold(path)
        assert found.start == found.good > 2000
        await log.close()

    run(work())


class NoRoom(Disk):
    """A disk on which nothing but the log finds room."""

    def replace(self, source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_no_room_for_a_snapshot_is_no_trouble(tmp_path: Path) -> None:
    """The run goes on without one, and leaves nothing half written."""

    async def work() -> None:
        log = await Log.open(tmp_path, LogSettings(), NoRoom(sync=False))
        log.note(Gone(1, "not_found"))
        await log.close()

    run(work())
    assert sorted(file.name for file in (tmp_path / ".crawl").iterdir()) == ["lock", "reserve"]
    assert replay(tmp_path / "log.jsonl").totals().gone == 1


def test_a_state_that_must_be_folded_anew_is_not_kept(path: Path) -> None:
    """When memory could not take a line back, the snapshot waits for a state that is right."""

    async def work() -> None:
        log = await opened(path.parent)
        log.note(Voided(A, 3, "repair", 1))
        assert log.state.stale
        await log.close()

    before = kept(path).read_bytes()
    run(work())
    assert kept(path).read_bytes() == before
    todo = replay(path).todo(1)
    assert todo is not None
    run(note(path.parent, Gone(99, "not_found")))
    assert fold(path).start == path.stat().st_size
    assert replay(path).todo(1) == todo


def test_what_is_noted_while_a_log_closes_is_in_no_snapshot(path: Path) -> None:
    """The snapshot holds what is durable and nothing else."""

    async def work() -> None:
        log = await opened(path.parent)
        log.note(Gone(97, "not_found"))
        closing = asyncio.create_task(log.close())
        await asyncio.sleep(0)
        log.note(Gone(98, "not_found"))
        await closing

    run(work())
    known = replay(path).known()
    kept(path).unlink(missing_ok=True)
    assert replay(path).known() == known
