"""Processes that read a stranger's images: what they are told, and for how long they may work at one."""

import hashlib
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from planted import picture

from crawler.dataset import bodies
from crawler.dataset.bodies import Bodies, Body, Got, Left, Wanted
from crawler.dataset.derive import Recipe, prepare_worker
from crawler.dataset.workers import ends_after, spawning
from crawler.worker import Worker

SECRETS = {
    "CRAWLER_SITE__SESSION": "canary-1",
    "AWS_SECRET_ACCESS_KEY": "canary-2",
    "GITHUB_TOKEN": "canary-3",
    "DATABASE_URL": "canary-4",
}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def told() -> tuple[str, bytes, int]:
    """Runs in a worker: what it finds in its environment, and its bound on memory."""
    import resource

    raw = Path("/proc/self/environ").read_bytes() if sys.platform == "linux" else b""
    return repr(dict(os.environ)), raw, resource.getrlimit(resource.RLIMIT_AS)[0]


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("fetching", [False, True])
def test_pools_are_told_nothing_secret(fetching: bool) -> None:
    """Neither now nor in the block that the system keeps: no session, no token; a store's keys only where images come
    from one. The parent's own environment is as it was."""
    with ProcessPoolExecutor(1, mp_context=spawning(fetching=fetching), initializer=prepare_worker) as pool:
        found, raw, memory = pool.submit(told).result(60)
    for name, value in SECRETS.items():
        there = fetching and name.startswith("AWS_")
        assert (value in found, value.encode() in raw) == (there, there and sys.platform == "linux")
        assert os.environ[name] == value
    assert "PATH" in found
    assert 0 < memory <= 3 << 30 or sys.platform != "linux"


@pytest.mark.usefixtures("secrets")
def test_scripts_are_told_nothing_secret(tmp_path: Path) -> None:
    """The same for the processes of the page's thumbnails and of `verify --decode`."""
    script = tmp_path / "tell.py"
    script.write_text("import os, sys, json\nsys.stdin.readline()\nprint(json.dumps(dict(os.environ)), flush=True)\n")
    worker = Worker(str(script), "")
    try:
        found = worker.line(worker.ask("?", 30))
    finally:
        worker.close()
    assert b"PATH" in found
    assert b"canary" not in found


def hang() -> None:
    """Runs in a worker, and does not end."""
    with ends_after(0.05):
        time.sleep(60)


def late() -> str:
    """Runs in a worker: its time is over when it is no longer counted."""
    with ends_after(30):
        pass
    return "well"


def test_what_hangs_ends_its_process() -> None:
    """Whatever a decoder is at; and what was in time is not ended later."""
    with ProcessPoolExecutor(1, mp_context=spawning()) as pool:
        assert pool.submit(late).result(60) == "well"
        with pytest.raises(BrokenProcessPool):
            pool.submit(hang).result(60)


def load(root: Path, wanted: Wanted) -> list[Got]:
    with Bodies(root, "bytes", Recipe(16, "png"), jobs=1) as reading:
        return [got for _, row in reading.load([("a", [wanted])]) for got in row]


def test_a_picture_that_takes_too_long_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`export --resize`: undecodable, like one that crashes its decoder; with time enough it is there."""
    (tmp_path / "images/034").mkdir(parents=True)
    (tmp_path / "images/034/34_p0.png").write_bytes(picture())
    wanted = Wanted("images/034/34_p0.png", len(picture()), hashlib.sha256(picture()).hexdigest())
    assert isinstance(load(tmp_path, wanted)[0], Body)
    monkeypatch.setattr(bodies, "LIMIT_S", 1e-5)
    assert load(tmp_path, wanted) == [Left("undecodable")]
