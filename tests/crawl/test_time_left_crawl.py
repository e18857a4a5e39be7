"""What a real crawl says it has before it: it comes to nothing at the end, whatever happened on the way."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler import Recheck, Settings, crawl
from crawler.origin.server import origin_thread
from crawler.progress import Snapshot, Track

IDS = 70


@pytest.fixture(scope="module", params=["none", "flaky"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stand-in without faults, and one with many."""
    with origin_thread(seed=7, profile=request.param, ca_dir=tmp_path_factory.mktemp("ca")) as origin:
        yield origin


def settings(folder: Path, site: Any, lines: list[str], **source: str) -> Settings:
    """A crawl that takes about two seconds."""
    (folder / "ids.txt").write_text("\n".join(lines))
    return Settings.model_validate(
        {
            "source": {"path": str(folder / "ids.txt"), **source},
            "site": {"name": "urls"} if source else {},
            "output": {"dir": str(folder / "out"), "durability": "none"},
            "limits": {"api": {"rate": 60, "connections": 8}, "images": {"rate": 100, "connections": 8}},
            "retry": {"base_s": 0.02, "cap_s": 0.1},
            "network": {"ca_file": site.ca_file, "resolve": dict(site.resolve), "idle_s": 1},
        }
    )


def run(config: Settings, recheck: Recheck | None = None, *, stop_after: int = 10**9) -> list[Snapshot]:
    """Looks at a crawl, many a second, the last one after its end; drained once so many works have their outcome."""

    async def go() -> list[Snapshot]:
        looks: list[Snapshot] = []
        async with crawl(config, recheck=recheck) as running:
            waiting = asyncio.ensure_future(running.wait())
            while not waiting.done():
                looks.append(running.snapshot())
                if looks[-1].new_works >= stop_after:
                    running.drain()
                await asyncio.wait([waiting], timeout=0.05)
            await waiting
        return [*looks, running.snapshot()]

    return asyncio.run(go())


def begun(looks: list[Snapshot]) -> Snapshot:
    """The first look that knows what is to come."""
    return next(look for look in looks if look.ahead is not None)


def spent(looks: list[Snapshot]) -> tuple[int, int, int]:
    """What was left at the end: questions, images, works."""
    ahead = looks[-1].ahead
    assert ahead is not None
    return ahead.questions, ahead.images, ahead.works


def some_ids(count: int) -> list[str]:
    return [str(id) for id in random.Random(5).sample(range(258, 61_897_803), count)]


@pytest.mark.long
def test_what_is_ahead_comes_to_nothing(tmp_path: Path, site: Any) -> None:
    """A first run, one that was stopped and went on, and one that asks again for all: each counts down to zero."""
    config = settings(tmp_path, site, some_ids(IDS))
    looks = run(config, stop_after=20)
    start = begun(looks).ahead
    assert start is not None
    assert (start.questions + start.asked, start.works + start.ended) == (IDS, IDS)

    rest = looks[-1].pending + looks[-1].failed
    looks = run(config)
    start = begun(looks).ahead
    assert start is not None
    assert 0 < start.works <= rest
    assert spent(looks) == (0, 0, 0)

    before = looks[-1]
    looks = run(config, Recheck("all"))
    start = begun(looks)
    assert start.ahead is not None
    assert start.ahead.works + start.again_done >= start.again > 0
    assert before.done + before.gone <= start.again <= IDS
    assert spent(looks) == (0, 0, 0)
    assert looks[-1].again_done == start.again


def test_the_time_left_of_a_real_crawl(tmp_path: Path, site: Any) -> None:
    """Half-way there is a range, of the right order, and for both lanes."""
    looks = run(settings(tmp_path, site, some_ids(IDS)))
    track, end = Track(), looks[-1].t
    told = 0
    for look in looks:
        track.add(look)
        left = track.left()
        if left is None or look.phase != "crawling" or not 0.3 < look.new_works / IDS < 0.8:
            continue
        told += 1
        assert left[0] <= 4 * (end - look.t) + 1
        assert left[1] >= (end - look.t) / 4 - 1
    assert told > 3


@pytest.mark.long
def test_urls_have_no_questions(tmp_path: Path, site: Any) -> None:
    """A list of URLs is images from the beginning, and comes to nothing too; again when each is asked for again."""
    urls = [f"https://i.pximg.net/plain/{n}.{'jpg' if n % 2 else 'png'}" for n in range(60)]
    config = settings(tmp_path, site, urls, kind="urls")
    looks = run(config)
    seen = [look.ahead for look in looks if look.ahead is not None and look.in_flight]
    assert {ahead.questions for ahead in seen if ahead.ended} <= {0}
    assert spent(looks) == (0, 0, 0)
    looks = run(config, Recheck("all"))
    assert begun(looks).again > 50
    assert spent(looks) == (0, 0, 0)
