"""The kernel says no to one call of the installed command: it stops, says why, and the next run goes on."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crash_kit import needs, prepare, some_ids, sound, start
from judge import Ended, command, judge

from crawler.origin.server import origin_thread

LONG = pytest.mark.long
IDS = some_ids(50, seed=3)
RENAME = "?rename,?renameat,?renameat2"
CALL = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>)?(.*)")
PATH = re.compile(r"\d+<([^>]*)>|\"([^\"]*)\"")


@dataclass
class Call:
    """One system call of a trace: what it was about, when it began and ended (line numbers), and how."""

    path: str
    began: int
    ended: int = 0
    result: str = ""

    @property
    def injected(self) -> bool:
        """Whether it was made to fail."""
        return "(INJECTED)" in self.result


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in without faults."""
    needs("strace")
    with origin_thread(seed=5, profile="none", ca_dir=tmp_path_factory.mktemp("ca"), latency_s=0.002) as origin:
        yield origin


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory, calm: Any) -> Path:
    """A crawl that was killed early, so that there is something to lose."""
    config = prepare(tmp_path_factory.mktemp("begun") / "crawl", calm, IDS)
    start(config, env={"CRAWLER_FAILPOINT": "after-sync-log:3"}).communicate(timeout=60)
    assert sound(config.parent / "out").lines > 0
    return config.parent


@pytest.fixture
def begun(tmp_path: Path, interrupted: Path) -> Path:
    """The config of a copy of it."""
    return shutil.copytree(interrupted, tmp_path / "crawl") / "crawl.toml"


def faulty(config: Path, names: str, fault: str, only: Path | None = None) -> tuple[Ended, list[Call]]:
    """Run under strace with a fault in some calls; how it ended, and these calls. strace counts for each thread."""
    trace = config.parent.parent / "trace"
    narrow = () if only is None else ("-P", str(only))
    process = start(
        config, "strace", "-f", "-y", "-o", str(trace), *narrow, "-e", f"trace={names}", "-e", f"inject={names}:{fault}"
    )
    out, err = process.communicate(timeout=100)
    if "ptrace" in err.lower():
        pytest.skip("this machine does not let processes be traced")
    return Ended(process.returncode, out, err), calls(trace.read_text())


def calls(trace: str) -> list[Call]:
    """The calls of a trace, in the order in which they began; threads interleave."""
    found: list[Call] = []
    open_: dict[str, Call] = {}
    for number, line in enumerate(trace.splitlines()):
        if (match := CALL.match(line)) is None or match[2] in ("exited", "killed"):
            continue
        thread, rest = match[1], match[3]
        call = open_.pop(thread, None)
        if call is None and (path := PATH.search(rest)):
            call = Call(path[1] or path[2], number)
            found.append(call)
        assert call is not None, line
        if rest.endswith("<unfinished ...>"):
            open_[thread] = call
        else:
            call.ended, call.result = number, rest
    return found


def stopped_well(ended: Ended, root: Path) -> None:
    """Exit 7 with words that help, and whole lines, each of them true."""
    assert ended.code == 7, (ended.code, ended.err)
    assert "run the same command again" in ended.err
    assert "bug" not in ended.err
    assert sound(root).torn == 0
    assert command("status", root, "--json").code == 0


def goes_on(config: Path, origin: Any) -> None:
    ended = command("run", config)
    assert ended.code == 0, ended.err
    judge(origin.world, config.parent / "out", IDS)


@pytest.mark.parametrize("nth", [3, *(pytest.param(n, marks=LONG) for n in (1, 2, 4, 5, 6, 7, 8, 10, 12, 15))])
def test_a_failed_fsync_is_final(begun: Path, calm: Any, nth: int) -> None:
    """Whichever fsync fails: exit 7, it is not tried again, and no name in a folder that failed is said to be safe."""
    root = begun.parent / "out"
    known = set(sound(root).stored)
    ended, synced = faulty(begun, "fsync", f"error=EIO:when={nth}")
    stopped_well(ended, root)
    failures = [call for call in synced if call.injected]
    assert failures
    new = {line["path"] for key, line in sound(root).stored.items() if key not in known}
    for failure in failures:
        again = [call for call in synced if call.path == failure.path and call.began > failure.ended]
        assert again == []
        if Path(failure.path).parent.name == "images":
            good = [call for call in synced if call.path == failure.path and call.result.endswith("= 0")]
            assert good or not any((root / path).parent == Path(failure.path) for path in new)
    goes_on(begun, calm)


@pytest.mark.parametrize(
    "fault", ["ENOSPC:when=2", *(pytest.param(f, marks=LONG) for f in ("ENOSPC:when=2+", "EIO:when=2", "EIO:when=1"))]
)
def test_the_log_cannot_be_written(begun: Path, calm: Any, fault: str) -> None:
    """A write of the log fails: exit 7, whole lines. A full disk is met with the reserve, and told as such."""
    root = begun.parent / "out"
    ended, written = faulty(begun, "write", f"error={fault}", root / "log.jsonl")
    stopped_well(ended, root)
    assert [call.injected for call in written].count(True) >= 1
    if fault == "ENOSPC:when=2":
        assert "the disk is full. All lines are safe" in ended.err
    goes_on(begun, calm)


def test_the_log_cannot_be_synced(begun: Path, calm: Any) -> None:
    """An fsync of the log fails: nothing more is written to it."""
    root = begun.parent / "out"
    ended, synced = faulty(begun, "fsync", "error=EIO:when=3", root / "log.jsonl")
    stopped_well(ended, root)
    assert [call.injected for call in synced] == [False, False, True]
    goes_on(begun, calm)


@LONG
@pytest.mark.parametrize(("names", "error"), [("write", "ENOSPC"), ("write", "EIO"), ("fsync", "EIO"), (RENAME, "EIO")])
def test_an_image_cannot_be_written(begun: Path, calm: Any, names: str, error: str) -> None:
    """Write, fsync or rename of one image fails: exit 7, the image has no final name, and its work is named."""
    root = begun.parent / "out"
    known = sound(root).answered
    id = next(id for id in IDS if id not in known and calm.world.expected(id).images)
    page = next(iter(calm.world.expected(id).images))
    part = root / ".crawl" / "parts" / f"{id}_{page}.part"
    part.write_bytes(b"left by an earlier run, without a note")  # strace tells a file by a path that is there
    ended, made = faulty(begun, names, f"error={error}", part)
    stopped_well(ended, root)
    assert [call.injected for call in made] == [True], made
    assert f"work {id}: " in ended.err
    assert ("the disk is full" in ended.err) == (error == "ENOSPC")
    assert (id, page) not in sound(root).stored
    assert not list(root.glob(f"images/*/{id}_p{page}.*"))
    goes_on(begun, calm)
