"""What every test runs under: loopback only, no settings from the caller's environment."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(Path(__file__).parent / "guard"))
sys.path.append(str(Path(__file__).parent / "crawl"))  # judge.py, for tests of other rooms too

import sitecustomize  # noqa: E402  (found beside this file; the interpreter's own, if any, has run already)
import starter  # noqa: E402

if not hasattr(sitecustomize, "violations"):  # the interpreter came with one of its own: load ours over it
    del sys.modules["sitecustomize"]
    import sitecustomize


# A shell that starts something behind itself has it ignore Ctrl-C, and all that it starts; tests say it to commands.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """The short round forks its commands (starter.py), where a process can be waited for by its descriptor; its laws of
    hypothesis are held against half as many examples, the same each time: a change is not refused by dice."""
    short = config.option.markexpr == "not long"
    if short and hasattr(os, "pidfd_open"):
        starter.warm = starter.Warm()
    # Whether an example is slow to make says something of the machine.
    calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("long", calm)
    settings.register_profile("short", calm, derandomize=True, database=None, max_examples=50)
    settings.load_profile("short" if short else "long")


def pytest_unconfigure() -> None:
    if starter.warm is not None:
        starter.warm.close()


SLOW = (
    *("cluster/test_ray_small.py", "docs/test_documents.py", "docs/test_pairs_recipe.py", "test_wheel.py"),
    *("worlds/test_worlds.py", "pairs/test_review_browser.py", "store/test_object_run.py", "kill/test_kill.py"),
    *("pairs/test_find.py", "store/test_by_address.py", "crawl/test_crawl.py", "page/test_page_browser.py"),
    *("store/test_writers.py", "kill/test_failpoints.py", "dataset/", "crawl/", "rules/test_learning.py", "collect/"),
    *("laws/test_spending.py", "cluster/", "kill/", "pairs/", "watch/test_time_left.py", "api/", "cli/", "page/"),
)
"""What takes long, the longest first: begun last, it would keep one process busy while the others have nothing left."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first; a module's tests stay together, in their order."""
    places = {path: rank(path) for path in {item.path for item in items}}
    items.sort(key=lambda item: places[item.path])


def rank(path: Path) -> int:
    return next((n for n, part in enumerate(SLOW) if f"/tests/{part}" in path.as_posix()), len(SLOW))


@pytest.fixture(autouse=True)
def loopback_only() -> Iterator[None]:
    """Fails any test that opened, or looked up, anything but loopback."""
    before = len(sitecustomize.violations)
    yield
    assert sitecustomize.violations[before:] == []


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CRAWLER_* of the caller reaches a test; child processes get the loopback guard."""
    for name in tuple(os.environ):
        if name.startswith("CRAWLER_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "guard"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the real data set lies beside the project only on the project's own machines")
    return folder


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A real S3 server on loopback, one for each process of tests; see s3_kit.py."""
    from s3_kit import S3

    server = S3(tmp_path_factory.mktemp("s3"))
    server.start()
    server.client().create_bucket(Bucket=server.bucket)
    yield server
    server.kill()


@pytest.fixture
def s3(s3_server: object, monkeypatch: pytest.MonkeyPatch) -> object:
    """The S3 server, with AWS_* set for it."""
    for name in tuple(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in s3_server.env.items():  # type: ignore[attr-defined]
        monkeypatch.setenv(name, value)
    return s3_server
