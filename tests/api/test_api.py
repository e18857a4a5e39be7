"""The crawl as a library, on a loop of the caller's: real TLS, real files, the stand-in."""

import asyncio
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from errno import EIO
from pathlib import Path
from typing import Any

import pytest
import uvloop
from judge import judge, lines

from crawler import ConfigError, Crawl, InUse, LogDamaged, Recheck, Settings, crawl, settings_from
from crawler.assembly import Wishes, build_run
from crawler.disk import Disk
from crawler.engine import follower
from crawler.engine.follower import Follower
from crawler.events import Closed, Gone, Opened, Stored, payload
from crawler.origin.server import origin_thread
from crawler.stop import Draining, Gate

SESSION = "1000_madeup"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in without faults."""
    with origin_thread(seed=7, profile="none", ca_dir=tmp_path_factory.mktemp("ca"), session=SESSION) as origin:
        yield origin


def some_ids(count: int, seed: int = 1) -> list[int]:
    return random.Random(seed).sample(range(258, 61_897_803), count)


def settings(folder: Path, site: Any, ids: list[int], **more: Any) -> Settings:
    """Settings for a crawl of `ids` into `folder`/out, as fast as it can."""
    folder.mkdir(exist_ok=True)
    (folder / "ids.txt").write_text("".join(f"{id}\n" for id in ids))
    return Settings.model_validate(
        {
            "source": {"path": str(folder / "ids.txt")},
            "output": {"dir": str(folder / "out")},
            "limits": {"api": {"rate": 0, "connections": 8}, "images": {"rate": 0, "connections": 8}},
            "retry": {"base_s": 0.02, "cap_s": 0.1},
            "network": {"ca_file": site.ca_file, "resolve": dict(site.resolve)},
            **more,
        }
    )


def run_on(loop: str, main: Callable[[], Awaitable[None]]) -> None:
    """Run on asyncio's own loop with its debug checks, or on uvloop; afterwards the loop is as it was before."""

    async def guarded() -> None:
        before = asyncio.all_tasks()
        handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        executor = getattr(asyncio.get_running_loop(), "_default_executor", None)
        async with asyncio.timeout(60):  # uvloop lets no signal of a timeout through
            await main()
        assert asyncio.all_tasks() == before, "a task outlived its crawl"
        assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers
        if executor is not None:
            assert getattr(asyncio.get_running_loop(), "_default_executor", None) is executor

    factory = uvloop.new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory, debug=loop == "asyncio") as runner:
        runner.run(guarded())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_reader_sees_the_log_as_it_becomes_durable(loop: str, tmp_path: Path, site: Any, capfd: Any) -> None:
    """Every line once, in order, on the disk before it is told; nothing is printed; the outcome is what a run's is."""
    ids = some_ids(60)
    told: list[dict[str, Any]] = []

    async def main() -> None:
        async with crawl(settings(tmp_path, site, ids)) as run:
            async for event in run:
                told.append(payload(event))
                assert len(lines(tmp_path / "out")) >= len(told)
            assert run.outcome is not None
        assert (run.outcome.code, run.outcome.reason) == (0, "finished")
        assert run.snapshot().pending == 0
        assert run.snapshot() == run.outcome.snapshot

    run_on(loop, main)
    envelope = ("log", "seq", "t", "crc")
    for line, event in zip(lines(tmp_path / "out"), told, strict=True):
        assert {k: v for k, v in line.items() if k not in envelope or k in event} == event
    judge(site.world, tmp_path / "out", ids)
    assert (tmp_path / "out" / "status.json").exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("way", ["break", "raise"])
def test_leaving_early_drains(way: str, tmp_path: Path, site: Any) -> None:
    """What is on the wire is finished and the log closed; another crawl goes on, and asks for no image twice."""
    ids = some_ids(60, seed=2)

    async def main() -> None:
        run = crawl(settings(tmp_path, site, ids))
        try:
            async with run:
                async for event in run:
                    if isinstance(event, Stored):
                        if way == "break":
                            break
                        raise LookupError("of the caller's own")
        except LookupError:
            assert way == "raise"
        assert run.outcome is not None
        assert (run.outcome.code, run.outcome.reason) == (130, "interrupted")
        assert run.outcome.snapshot.pending > 0

    run_on("asyncio", main)
    assert lines(tmp_path / "out")[-1]["event"] == "closed"

    async def again() -> None:
        async with crawl(settings(tmp_path, site, ids)) as run:
            assert (await run.wait()).code == 0

    run_on("asyncio", again)
    judge(site.world, tmp_path / "out", ids)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_cancelled_crawl_stops_at_once(loop: str, tmp_path: Path, site: Any) -> None:
    """No drain is waited for, no task is left, the log is true, and another crawl goes on."""
    ids = some_ids(80, seed=3)

    async def main() -> None:
        run = crawl(settings(tmp_path, site, ids))

        five = asyncio.Event()

        async def read() -> None:
            async with run:
                async for _ in run:
                    if run.snapshot().new_images >= 5:
                        five.set()

        reading = asyncio.get_running_loop().create_task(read())
        await five.wait()
        began = asyncio.get_running_loop().time()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert asyncio.get_running_loop().time() - began < 30
        assert run.outcome is None

    run_on(loop, main)
    for line in lines(tmp_path / "out"):
        if line["event"] == "stored":
            body = (tmp_path / "out" / line["path"]).read_bytes()
            assert hashlib.sha256(body).hexdigest() == line["sha256"]

    async def again() -> None:
        async with crawl(settings(tmp_path, site, ids)) as run:
            await run.wait()

    run_on(loop, again)
    judge(site.world, tmp_path / "out", ids)


def test_a_timeout_around_a_wait_leaves_the_crawl_alone(tmp_path: Path, site: Any) -> None:
    """`wait` can be given up: the crawl goes on, and stops when its block is left."""

    async def main() -> None:
        slow = settings(tmp_path, site, some_ids(50), limits={"api": {"rate": 2}})
        async with crawl(slow) as run:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(run.wait(), 0.2)
            assert run.outcome is None
            run.drain()
            assert (await run.wait()).reason == "interrupted"

    run_on("asyncio", main)


def test_two_crawls_in_one_loop_do_not_meet(tmp_path: Path, site: Any) -> None:
    """Side by side each has its own list, folder, events and outcome."""
    lists = [some_ids(25, seed=4), some_ids(35, seed=5)]
    seen: list[set[int | str]] = [set(), set()]

    async def one(at: int) -> None:
        async with crawl(settings(tmp_path / str(at), site, lists[at])) as run:
            async for event in run:
                if isinstance(event, Stored | Gone):
                    seen[at].add(event.id)
        assert run.outcome is not None
        assert run.outcome.code == 0

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for at in (0, 1):
                group.create_task(one(at))

    run_on("uvloop", main)
    for at in (0, 1):
        assert seen[at] == set(lists[at])
        judge(site.world, tmp_path / str(at) / "out", lists[at])


def test_a_folder_has_one_crawl_at_a_time(tmp_path: Path, site: Any) -> None:
    """A second one on the same folder is refused, and the first goes on."""
    slow = settings(tmp_path, site, some_ids(50), limits={"api": {"rate": 1}})

    async def main() -> None:
        async with crawl(slow) as first:
            assert isinstance(await anext(aiter(first)), Opened)
            with pytest.raises(InUse):
                async with crawl(slow) as second:
                    await second.wait()
            assert first.outcome is None
            assert second.outcome is None

    run_on("asyncio", main)


def test_a_slow_reader_holds_back_admission_and_nothing_else(
    tmp_path: Path, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With enough unread the crawl takes no new work, finishes and writes what it has, and loses no event."""
    ids = some_ids(200, seed=6)
    count = 0
    most = 128
    monkeypatch.setattr(follower, "MOST", most)

    async def main() -> None:
        nonlocal count
        async with crawl(
            settings(tmp_path, site, ids, output={"dir": str(tmp_path / "out"), "durability": "none"})
        ) as run:
            async for _ in run:
                count += 1
                if count == 1:
                    before = None
                    while before is None or run.snapshot().in_flight or before != run.snapshot().images:
                        before = run.snapshot().images
                        await asyncio.sleep(0.3)
                    assert run.snapshot().pending > 50
                    assert most <= len(lines(tmp_path / "out")) < 3 * most

    run_on("uvloop", main)
    assert count == len(lines(tmp_path / "out")) > 3 * most
    judge(site.world, tmp_path / "out", ids)


def test_a_follower_is_bounded_and_wakes_who_waits() -> None:
    """`room` waits at the bound, goes on when one is read or the reader leaves, and ends with a drain."""

    async def main() -> None:
        reader, gate = Follower(2), Gate()
        reader.add([Gone(1, "not_found"), Gone(2, "not_found")])
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(reader.room(gate)) for _ in range(3)]
            await asyncio.sleep(0.01)
            assert not any(task.done() for task in waiting)
            assert await reader.next() == Gone(1, "not_found")
        reader.add([Gone(3, "not_found"), Gone(4, "not_found")])
        async with asyncio.TaskGroup() as group:
            group.create_task(reader.room(gate))
            await asyncio.sleep(0)
            reader.leave()
        assert await reader.next() is None
        full = Follower(1)
        full.add([Gone(5, "not_found")])
        gate.close()
        with pytest.raises(Draining):
            await full.room(gate)

    run_on("asyncio", main)


def test_reading_begins_where_it_begins_and_goes_on_where_it_stopped(tmp_path: Path, site: Any) -> None:
    """A loop that was left is gone on with; nobody who does not read holds anything back."""

    async def main() -> None:
        kinds = []
        async with crawl(settings(tmp_path, site, some_ids(10))) as run:
            async for event in run:
                kinds.append(event.event)
                if len(kinds) == 3:
                    break
            async for event in run:
                kinds.append(event.event)
            assert [e async for e in run] == []
        assert kinds == [line["event"] for line in lines(tmp_path / "out")]
        async with crawl(settings(tmp_path, site, some_ids(10))) as second:
            await second.wait()
            assert [e async for e in second] == []

    run_on("asyncio", main)


def test_what_stops_it_before_the_first_request_is_raised(tmp_path: Path, site: Any) -> None:
    """By the loop, by `wait` and by the end of the block alike; the body's own error goes first."""
    fine = settings(tmp_path, site, some_ids(5))
    log = tmp_path / "out" / "log.jsonl"

    async def whole() -> None:
        async with crawl(fine) as run:
            await run.wait()

    run_on("asyncio", whole)
    log.write_bytes(log.read_bytes().replace(b"opened", b"OPENED", 1))

    async def read(run: Crawl) -> None:
        async for _ in run:
            raise AssertionError("there is nothing to read")

    async def wait(run: Crawl) -> None:
        await run.wait()

    async def fail(run: Crawl) -> None:
        await asyncio.sleep(0.05)
        raise LookupError

    async def main() -> None:
        for body in (read, wait):
            with pytest.raises(LogDamaged):
                async with crawl(fine) as run:
                    await body(run)
            assert run.outcome is None
        with pytest.raises(LogDamaged):
            async with crawl(fine) as run:
                await asyncio.sleep(0)
        with pytest.raises(LookupError):
            async with crawl(fine) as run:
                await fail(run)

    shutil.rmtree(tmp_path / "out" / ".crawl")
    run_on("asyncio", main)


class Faulty(Disk):
    """Its log can be written so many times."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes
        self.log = -1

    def open(self, path: str | Path, flags: int) -> int:
        descriptor = super().open(path, flags)
        if Path(path).name == "log.jsonl":
            self.log = descriptor
        return descriptor

    def write(self, descriptor: int, data: bytes | bytearray) -> None:
        if descriptor == self.log:
            self.left -= 1
            if self.left < 0:
                raise OSError(EIO, os.strerror(EIO))
        super().write(descriptor, data)


def test_disk_trouble_on_the_way_is_an_outcome(tmp_path: Path, site: Any) -> None:
    """A log that cannot be written any more ends the crawl with code 7 and words; what was told is on the disk."""

    async def main() -> None:
        told = 0
        run = Crawl(build_run(settings(tmp_path, site, some_ids(200)), "", Wishes(disk=Faulty(3))))
        async with run:
            async for _ in run:
                told += 1
        assert run.outcome is not None
        assert (run.outcome.code, run.outcome.reason) == (7, "storage")
        assert "write failed" in run.outcome.text
        assert 0 < told == len(lines(tmp_path / "out"))

    run_on("asyncio", main)


def test_settings_that_cannot_be_used_are_told_at_once(tmp_path: Path, site: Any) -> None:
    """All that is wrong in one ConfigError, before anything runs; a session never shows in it."""
    secret = tmp_path / "session.txt"
    secret.write_text("sesame_open")
    secret.chmod(0o644)
    bad = Settings.model_validate({"source": {"path": "nowhere.txt"}, "site": {"session_file": str(secret)}})
    with pytest.raises(ConfigError) as told:
        crawl(bad)
    assert [line.partition(":")[0] for line in told.value.lines] == ["source.path", "site.session_file"]
    fine = settings(tmp_path, site, some_ids(5))
    with pytest.raises(ConfigError) as told:
        crawl(fine, session="sesame; open")
    assert "sesame" not in str(told.value)


def test_a_crawl_is_entered_once_and_used_inside(tmp_path: Path, site: Any) -> None:
    """Mistakes of a caller are told."""

    async def main() -> None:
        run = crawl(settings(tmp_path, site, some_ids(3)))
        with pytest.raises(RuntimeError, match="inside its block"):
            await run.wait()
        with pytest.raises(RuntimeError, match="inside its block"):
            aiter(run)
        assert run.outcome is None
        async with run:
            await run.wait()
        with pytest.raises(RuntimeError, match="entered once"):
            await run.__aenter__()

    run_on("asyncio", main)


def test_session_and_recheck_are_said_to_a_crawl(tmp_path: Path, site: Any) -> None:
    """What was hidden from a crawl without a session is had by a later one with it; the secret is in no repr."""
    ids = some_ids(80, seed=9)
    fine = settings(tmp_path, site, ids)

    async def main() -> None:
        async with crawl(fine) as first:
            hidden = [e.id async for e in first if isinstance(e, Gone) and e.reason == "restricted"]
        assert hidden
        async with crawl(fine, session=SESSION, recheck=Recheck("restricted")) as second:
            answered = {e.id async for e in second if isinstance(e, Stored)}
            assert second.outcome is not None
        assert answered & set(hidden)
        assert SESSION not in repr(vars(second))

    run_on("asyncio", main)


def test_a_spent_budget_ends_a_crawl_that_does_not_wait(tmp_path: Path, site: Any) -> None:
    """With `waits=False` the day's limit is an outcome, as for --no-wait."""
    limits = {"api": {"rate": 0}, "images": {"rate": 0}, "daily": {"requests": 10}}

    async def main() -> None:
        async with crawl(settings(tmp_path, site, some_ids(40), limits=limits), waits=False) as run:
            outcome = await run.wait()
        assert outcome.code == 6
        assert outcome.snapshot.pending > 0

    run_on("asyncio", main)


def test_settings_come_from_a_file_as_for_the_command(
    tmp_path: Path, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`settings_from` reads file, environment and changes, paths relative to the file, the session along."""
    (tmp_path / "ids.txt").write_text("59580629\n")
    (tmp_path / "popular.toml").write_text('[source]\npath = "ids.txt"\n[limits]\nworks = 3\n')
    monkeypatch.setenv("CRAWLER_LIMITS__API__RATE", "0.25")
    monkeypatch.setenv("CRAWLER_SITE__SESSION", SESSION)
    read = settings_from(tmp_path / "popular.toml", limits__works="5")
    assert (read.limits.works, read.limits.api.rate) == (5, 0.25)
    assert read.source.path == str(tmp_path / "ids.txt")
    assert read.site.session.get_secret_value() == SESSION
    assert SESSION not in repr(read)
    with pytest.raises(ConfigError, match="did you mean"):
        settings_from(tmp_path / "popular.toml", limits__work="5")


def test_importing_the_package_costs_nothing() -> None:
    """`import crawler` loads none of the heavy libraries; its names are there when asked for, and no others."""
    code = (
        "import sys, crawler; heavy = {'aiohttp', 'asyncio', 'pydantic', 'orjson'} & set(sys.modules); "
        "assert not heavy, heavy; assert 'crawl' in dir(crawler); "
        "assert all(getattr(crawler, name) for name in crawler.__all__)\n"
        "try: crawler.crawll\n"
        "except AttributeError as error: assert 'crawll' in str(error)\n"
        "else: raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_last_event_is_the_closing_line(tmp_path: Path, site: Any) -> None:
    """A reader learns the totals without asking."""

    async def main() -> None:
        async with crawl(settings(tmp_path, site, some_ids(5))) as run:
            last = [event async for event in run][-1]
        assert isinstance(last, Closed)
        assert last.totals["listed"] == 5

    run_on("asyncio", main)
