"""The log's writer: what was committed is there afterwards, whoever dies and whatever the disk says."""

import asyncio
import errno
import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from crawler.disk import Disk
from crawler.events import Closed, Described, Failed, Gone, Opened, Stored, Voided
from crawler.log import files
from crawler.log.codec import encode
from crawler.log.files import InUse
from crawler.log.reader import LogDamaged, replay, scan
from crawler.log.settings import LogSettings
from crawler.log.writer import ROOM_BYTES, Log
from crawler.model import Image
from crawler.rules.naming import image_path
from crawler.stop import StorageFailed

T = TypeVar("T")
QUICK = LogSettings(commit_ms=1)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def opened(folder: Path, *, sync: bool = True) -> Log:
    return await Log.open(folder, QUICK, Disk(sync=sync))


async def next_seq(folder: Path) -> int:
    """Where a new process goes on."""
    log = await opened(folder)
    await log.close()
    return log.next_seq


def path_of(folder: Path) -> Path:
    return folder / "log.jsonl"


def seqs(folder: Path) -> list[int]:
    return [line.seq for _, line in scan(path_of(folder))]


def gone(id: int) -> Gone:
    return Gone(id, "not_found")


def child(code: str, *args: object, **more: Any) -> "subprocess.Popen[str]":
    """A Python process of its own that runs `code` with our package at hand."""
    prelude = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from crawler.events import *\n"
        "from crawler.log.writer import *\n"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(files.__file__).parents[2]), os.environ["PYTHONPATH"]])
    }
    command = [sys.executable, "-c", prelude + code, *map(str, args)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **more,
    )


@pytest.mark.parametrize("sync", [True, False])
def test_what_was_noted_is_there_next_time(tmp_path: Path, sync: bool) -> None:
    """Lines come back in order under one log id, `seq` goes on, and memory is what a replay says."""
    folder = tmp_path / "a" / "b"

    async def work() -> str:
        log = await opened(folder, sync=sync)
        assert (log.next_seq, log.warnings) == (1, [])
        log.note(Opened(log.id, 1, "0", {"path": "p", "digest": "d", "ids": 3}, "s"))
        assert log.note(Described(2, (Image(0, "u"),), {"x": "\ud800"})) == 2
        await log.commit()
        log.note(gone(1))
        await log.close()
        assert replay(path_of(folder)).totals() == log.state.totals()
        again = await opened(folder, sync=sync)
        assert (again.id, again.next_seq, again.warnings) == (log.id, 4, [])
        assert again.state.totals() == log.state.totals()
        assert again.note(gone(3)) == 4
        await again.close()
        return log.id

    id = run(work())
    assert re.fullmatch("[0-9a-f]{12}", id)
    assert [(line.log, line.seq) for _, line in scan(path_of(folder))] == [(id, n) for n in (1, 2, 3, 4)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.t) for _, line in scan(path_of(folder)))


def test_memory_is_replay(tmp_path: Path) -> None:
    """At any commit, the state in memory is the fold of the file, voided lines included."""

    async def work() -> None:
        log = await opened(tmp_path)
        for id in range(1, 30):
            log.note(Described(id, (Image(0, "u"), Image(1, "v")), {}))
            for page in range(id % 3):
                seq = log.note(
                    Stored(id, page, image_path(id, page, "png"), id, "0" * 64, "image/png", 1, 1, "original", "u")
                )
                if id % 5 == 1 and page == 0:
                    log.note(Voided(log.id, seq, "repair", id))
            if id % 4 == 0:
                log.note(Failed(id, 1, "idle", None, 5, id % 8 == 0))
            await log.commit()
            read = replay(path_of(tmp_path))
            assert read.totals() == log.state.totals()
            assert [read.todo(n) for n in range(31)] == [log.state.todo(n) for n in range(31)]
            assert not log.state.stale
        await log.close()

    run(work())


def test_a_commit_is_one_fsync_however_many_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines noted together become durable together; with nothing to do a commit costs nothing; `none` never syncs."""
    syncs: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (syncs.append(fd), fsync(fd))[1])

    async def work(sync: bool) -> int:
        log = await opened(tmp_path, sync=sync)
        before = len(syncs)
        for id in range(1000):
            log.note(gone(id))
        await asyncio.gather(log.commit(), log.commit(), log.commit())
        await log.commit()
        count = len(syncs) - before
        await log.close()
        return count

    assert run(work(True)) == 1
    syncs.clear()
    assert run(work(False)) == 0
    assert syncs == []


def test_run_commits_by_itself(tmp_path: Path) -> None:
    """The committing task makes lines durable without being asked, and ends when cancelled."""

    async def work() -> None:
        log = await opened(tmp_path)
        task = asyncio.create_task(log.run())
        log.note(gone(1))
        for _ in range(1000):
            if seqs(tmp_path) == [1]:
                break
            await asyncio.sleep(0.002)
        assert seqs(tmp_path) == [1]
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await log.close()

    run(work())


def test_cancelled_in_mid_commit_the_writer_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that is cancelled, even again and again, ends its write first; nothing is lost, doubled or torn."""
    begun, go_on = asyncio.Event(), []
    fsync = os.fsync

    async def work() -> None:
        loop, release = asyncio.get_running_loop(), threading.Event()
        log = await opened(tmp_path)

        def slow(fd: int) -> None:
            loop.call_soon_threadsafe(begun.set)
            assert release.wait(60)
            fsync(fd)

        monkeypatch.setattr(os, "fsync", slow)
        log.note(gone(1))
        task = asyncio.create_task(log.commit())
        await begun.wait()
        log.note(gone(2))
        closing = asyncio.create_task(log.close())
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        release.set()
        await asyncio.wait([task])
        assert task.cancelled()
        await closing
        go_on.append(True)

    run(work())
    assert go_on
    assert seqs(tmp_path) == [1, 2]


def test_a_cancelled_close_leaves_no_lock_behind(tmp_path: Path) -> None:
    """However a close or an open ends, the folder is free for the next."""

    async def work() -> None:
        for turns in range(6):
            task = asyncio.create_task(opened(tmp_path))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                await (await task).close()
            log = await opened(tmp_path)
            log.note(gone(turns))
            closing = asyncio.create_task(log.close())
            for _ in range(turns):
                await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait([closing])
            await log.close()
        await (await opened(tmp_path)).close()

    run(work())
    assert seqs(tmp_path) == list(range(1, len(seqs(tmp_path)) + 1))


def test_room_waits_while_much_is_buffered(tmp_path: Path) -> None:
    """A producer that asks for room never has more than some megabytes waiting."""

    async def work() -> None:
        log = await opened(tmp_path, sync=False)
        for id in range(60):
            log.note(Described(id, (Image(0, "u"),), {"x": "y" * 200_000}))
            await log.room()
            assert log._waiting <= ROOM_BYTES
        await log.close()
        assert len(seqs(tmp_path)) == 60

    run(work())


def test_a_torn_tail_heals_with_a_warning(tmp_path: Path) -> None:
    """Half a line at the end is cut off, kept under .crawl, and told; the next line takes its `seq`."""

    async def work() -> None:
        log = await opened(tmp_path)
        for id in range(3):
            log.note(gone(id))
        await log.close()
        whole = path_of(tmp_path).read_bytes()
        for n, cut in enumerate((len(whole) - 9, len(whole) - 40, 20), 1):
            path_of(tmp_path).write_bytes(whole[:cut])
            good = whole[:cut].rfind(b"\n") + 1
            log = await opened(tmp_path)
            (warning,) = log.warnings
            assert f"torn-{n}.bin" in warning
            assert f"byte {good}" in warning
            assert (tmp_path / ".crawl" / f"torn-{n}.bin").read_bytes() == whole[good:cut]
            assert log.next_seq == whole[:cut].count(b"\n") + 1
            log.note(gone(9))
            await log.close()
            assert path_of(tmp_path).read_bytes()[:good] == whole[:good]
            assert seqs(tmp_path) == list(range(1, log.next_seq))

    run(work())


def test_a_missing_newline_is_put_there(tmp_path: Path) -> None:
    """A last line that lacks only its newline is kept, without a warning."""

    async def work() -> None:
        log = await opened(tmp_path)
        log.note(gone(1))
        await log.close()
        whole = path_of(tmp_path).read_bytes()
        path_of(tmp_path).write_bytes(whole[:-1])
        log = await opened(tmp_path)
        assert (log.warnings, log.next_seq) == ([], 2)
        log.note(gone(2))
        await log.close()
        assert path_of(tmp_path).read_bytes().startswith(whole)
        assert seqs(tmp_path) == [1, 2]

    run(work())


def test_a_damaged_log_is_left_untouched(tmp_path: Path) -> None:
    """Damage refuses the run, names the offset, changes no byte, and leaves the folder unlocked."""

    async def work() -> None:
        log = await opened(tmp_path)
        for id in range(5):
            log.note(gone(id))
        await log.close()
        bad = bytearray(path_of(tmp_path).read_bytes())
        at = bad.index(b"\n") + 30
        bad[at] ^= 4
        path_of(tmp_path).write_bytes(bad)
        for _ in range(2):
            with pytest.raises(LogDamaged, match=f"byte {bad.index(b'{', 30)}:"):
                await opened(tmp_path)
        assert path_of(tmp_path).read_bytes() == bad

    run(work())


def test_a_joined_log_goes_on_under_a_new_name(tmp_path: Path) -> None:
    """A file made of several logs gets lines of an id of its own: theirs may be going on elsewhere."""
    path_of(tmp_path).write_bytes(b"".join(encode(log, 1, "t", gone(1)) for log in ("a" * 12, "b" * 12)))

    async def work() -> None:
        log = await opened(tmp_path)
        assert log.id not in ("a" * 12, "b" * 12)
        assert log.note(gone(2)) == 1
        await log.close()

    run(work())
    assert replay(path_of(tmp_path)).totals().gone == 2


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A second process is refused with the folder and the holder's number; when the first dies, the folder is free."""
    holder = child(
        "async def main():\n"
        "    log = await Log.open(Path(sys.argv[1]), LogSettings(), Disk())\n"
        "    print('open', flush=True); sys.stdin.read()\n"
        "asyncio.run(main())",
        tmp_path,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(InUse) as caught:
            run(opened(tmp_path))
        assert (caught.value.code, caught.value.reason) == (2, "in_use")
        assert str(tmp_path) in str(caught.value)
        assert str(holder.pid) in str(caught.value)
        holder.kill()

    async def work() -> None:
        log = await opened(tmp_path)
        with pytest.raises(InUse):
            await opened(tmp_path)
        await log.close()

    run(work())


def test_a_look_at_the_lock_refuses_no_run(tmp_path: Path) -> None:
    """`status` asks whether the folder is locked by locking it, shared, for a moment: a run that begins then begins."""
    run(next_seq(tmp_path))
    look = os.open(tmp_path / ".crawl" / "lock", os.O_RDONLY)
    fcntl.flock(look, fcntl.LOCK_SH | fcntl.LOCK_NB)
    ending = threading.Timer(0.1, os.close, (look,))
    ending.start()
    run(next_seq(tmp_path))
    ending.join()


def test_killed_anywhere_what_was_committed_is_there(tmp_path: Path) -> None:
    """SIGKILL in the midst of writing: every line of a finished commit is read afterwards, and the next run goes on."""
    code = (
        "async def main():\n"
        "    log = await Log.open(Path(sys.argv[1]), LogSettings(), Disk())\n"
        "    while True:\n"
        "        for id in range(37): seq = log.note(Gone(id, 'not_found'))\n"
        "        await log.commit(); print(seq, flush=True)\n"
        "asyncio.run(main())"
    )
    least = 0
    for commits in (1, 7, 40):
        with child(code, tmp_path) as writer:
            assert writer.stdout is not None
            for _ in range(commits):
                least = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            told = [int(word) for word in writer.stdout.read().split("\n")[:-1]]
        least = max([least, *told])
        assert run(next_seq(tmp_path)) > least
    assert seqs(tmp_path) == list(range(1, len(seqs(tmp_path)) + 1))


def test_a_file_that_may_not_grow_stops_the_run(tmp_path: Path) -> None:
    """At a size limit the log stops with exit 7 and words; what was committed is there, and later the log goes on."""
    code = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "async def main():\n"
        "    log = await Log.open(Path(sys.argv[1]), LogSettings(), Disk())\n"
        "    try:\n"
        "        while True:\n"
        "            for id in range(7): seq = log.note(Gone(id, 'not_found'))\n"
        "            await log.commit(); done = seq\n"
        "    except StorageFailed as stop:\n"
        "        print(done, stop.code, stop)\n"
        "    for again in (log.commit, log.room, log.run):\n"
        "        try: await asyncio.wait_for(again(), 60)\n"
        "        except StorageFailed: print('refused')\n"
        "        else: print('worked')\n"
        "    try: log.note(Gone(1, 'not_found'))\n"
        "    except StorageFailed: print('refused')\n"
        "    await log.close(); await log.close()\n"
        "asyncio.run(main())"
    )
    with child(code, tmp_path) as writer:
        out, err = writer.communicate(timeout=60)
    assert err == ""
    first, *rest = out.splitlines()
    done, stop_code, words = first.split(" ", 2)
    assert stop_code == "7"
    assert str(path_of(tmp_path)) in words
    assert "run the same command again" in words
    assert rest == ["refused", "refused", "refused", "refused"]
    assert seqs(tmp_path) == list(range(1, int(done) + 1))
    assert run(next_seq(tmp_path)) == int(done) + 1


def test_a_failed_fsync_is_never_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After fsync failed, nothing is written or synced again by this process; the next reads what is there."""
    fsync = os.fsync
    calls: list[int] = []

    def fail(fd: int) -> None:
        calls.append(fd)
        raise OSError(errno.EIO, "Input/output error")

    async def work() -> None:
        log = await opened(tmp_path)
        log.note(gone(1))
        await log.commit()
        monkeypatch.setattr(os, "fsync", fail)
        log.note(gone(2))
        with pytest.raises(StorageFailed, match="fsync failed: Input/output error"):
            await log.commit()
        monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(fd), fsync(fd))[1])
        with pytest.raises(StorageFailed):
            await log.commit()
        with pytest.raises(StorageFailed):
            log.note(gone(3))
        await log.close()
        assert len(calls) == 1
        again = await opened(tmp_path)
        assert again.next_seq in (2, 3)
        await again.close()

    run(work())


def full_disk(monkeypatch: pytest.MonkeyPatch, room: list[int], folder: Path) -> None:
    """A disk with `room[0]` bytes left for the log, and more once the reserve is dropped."""
    write, unlink = os.write, Path.unlink

    def tight(fd: int, data: memoryview) -> int:
        if os.fstat(fd).st_ino != path_of(folder).stat().st_ino:
            return write(fd, data)
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = write(fd, data[: room[0]])
        room[0] -= count
        return count

    def freeing(path: Path, missing_ok: bool = False) -> None:
        if path.name == "reserve":
            room[0] += path.stat().st_size
        unlink(path, missing_ok)

    monkeypatch.setattr(os, "write", tight)
    monkeypatch.setattr(Path, "unlink", freeing)


def test_a_full_disk_has_room_for_the_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fills, the reserve makes room: all lines noted are safe, and the run is told to stop."""

    async def work() -> None:
        log = await opened(tmp_path)
        assert (tmp_path / ".crawl" / "reserve").stat().st_size == files.RESERVE_BYTES
        full_disk(monkeypatch, [1000], tmp_path)
        committing = asyncio.create_task(log.run())
        for id in range(100):
            log.note(gone(id))
        with pytest.raises(StorageFailed, match="the disk is full"):
            await committing
        assert log.nearly_full
        log.note(Closed("storage", {}))
        await log.close()
        monkeypatch.undo()
        assert seqs(tmp_path) == list(range(1, 102))
        again = await opened(tmp_path)
        assert not again.nearly_full
        assert (tmp_path / ".crawl" / "reserve").exists()
        await again.close()

    run(work())


def test_a_disk_that_stays_full_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a reserve, a commit that does not fit leaves no part of itself behind."""

    async def work() -> None:
        log = await opened(tmp_path)
        log.note(gone(0))
        await log.commit()
        whole = path_of(tmp_path).read_bytes()
        (tmp_path / ".crawl" / "reserve").unlink()
        full_disk(monkeypatch, [1000], tmp_path)
        for id in range(100):
            log.note(gone(id))
        with pytest.raises(StorageFailed, match="write failed: No space left on device"):
            await log.commit()
        assert path_of(tmp_path).read_bytes() == whole
        await log.close()

    run(work())


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """No folder, no run: exit 7, with the path and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match=r"file.*output\.dir") as caught:
        run(opened(tmp_path / "file" / "below"))
    assert caught.value.code == 7
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(StorageFailed):
        run(opened(tmp_path))
    lock = os.open(tmp_path / ".crawl" / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)


def test_the_clock_can_be_given(tmp_path: Path) -> None:
    """Times in the log are those of the log's clock, in UTC, cut to milliseconds."""

    async def work() -> None:
        log = await opened(tmp_path)
        log.clock = lambda: 1_767_323_045.6789
        log.note(gone(1))
        await log.close()

    run(work())
    assert [line.t for _, line in scan(path_of(tmp_path))] == ["2026-01-02T03:04:05.678Z"]
