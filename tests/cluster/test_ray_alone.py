"""A crawl on Ray that no driver comes back to, in made-up time."""

import importlib.util
import inspect
from pathlib import Path

import pytest

if importlib.util.find_spec("ray") is None:
    pytest.skip("the extra [ray] is not installed", allow_module_level=True)

from crawler.cluster import ray_actors
from crawler.cluster.ray_actors import ALONE_S, Desk, Hand, Plan
from crawler.settings import Settings


def test_after_an_hour_without_a_driver_the_crew_ends_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers ask all the time. Heard now and then, a driver keeps the crew; an hour after its last word it is over,
    and no moment before. (`ray_laws.py` does it with real actors.)"""
    now, ended = 1000.0, list[str]()
    monkeypatch.setattr("crawler.cluster.ray_actors.time.monotonic", lambda: now)
    monkeypatch.setattr(ray_actors, "dissolve", ended.append)
    monkeypatch.setattr(ray_actors.ray_door, "reborn", lambda: False)
    settings = Settings.model_validate({"output": {"dir": str(tmp_path / "out")}})
    desk = Desk(Plan(settings, "none", "crawler-x", "", "digest"))

    def at(moment: float, *, driver: bool = False) -> list[str]:
        nonlocal now
        now = moment
        if driver:
            desk.pulse("driver", "here")
        desk.coordinator("lease", ("w", 1))
        return ended

    assert ALONE_S == 3600
    assert at(1000 + 3599) == []
    assert at(1000 + 3600, driver=True) == []
    assert at(1000 + 2 * 3600) == []
    assert at(1000 + 2 * 3600 + 1) == ["crawler-x"]


@pytest.mark.parametrize("kind", [Desk, Hand])
def test_nothing_that_ray_calls_is_async(kind: type) -> None:
    """One such function, called or not, and Ray runs all of an actor in loops: half as much again for a message, and a
    worker's main thread is no more its own."""
    members = [member for _, member in inspect.getmembers(kind) if inspect.isfunction(member)]
    assert members
    assert not [member for member in members if inspect.iscoroutinefunction(member)]
    assert not [member for member in members if inspect.isasyncgenfunction(member)]
